"""`manage.py anchor_audit`: sign the heads of all firms now (design section 9); workers do it each night."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone

from toggbill.firms.audit import anchors, nightly
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, Fault, JsonCommand


class Command(JsonCommand):
    """For a site whose workers keep no disk, or by hand; a day that has its line gets no second one."""

    help = "Sign the heads of the audit logs and append them to the file of anchors; prints the public key."

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """How many heads were signed (0: the day has its line), where, and what to check them with."""
        if not settings.AUDIT_SIGNING_KEYS:
            raise Fault("AUDIT_SIGNING_KEY is not set: nothing can be signed. See .env.example.", BAD_ARGUMENTS)
        line = nightly.sign_heads(now=timezone.now())
        if line is None:
            self.say("The heads of today are signed already.")
        elif settings.TIMESTAMP_URL and "stamp" not in line:
            self.say("The time-stamping service gave no stamp; tomorrow's line covers this one.")
        return {
            "heads": 0 if line is None else len(line["heads"]),
            "stamped": line is not None and "stamp" in line,
            "file": str(settings.ANCHORS_FILE),
            "public_key": anchors.public_key(settings.AUDIT_SIGNING_KEYS[0]),
        }, DONE
