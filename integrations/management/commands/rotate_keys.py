"""`manage.py rotate_keys`: every secret is encrypted anew with the newest key (design sections 4 and 10)."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from integrations.connections import key_rotation
from toggbill.firms import mfa
from toggbill.firms.command import DONE, WRONG, Fault, JsonCommand


class Command(JsonCommand):
    """Run it after a new key was put first in FIELD_ENCRYPTION_KEYS; then the old one may be taken out."""

    help = "Re-encrypt every secret with the newest of FIELD_ENCRYPTION_KEYS."

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """The number of secrets."""
        try:
            rotated = key_rotation.rotate() + mfa.rotate()
        except ImproperlyConfigured as error:
            raise Fault(str(error), WRONG) from None
        self.say("Every secret is under the newest key; older keys may be taken out of FIELD_ENCRYPTION_KEYS.")
        return {"rotated": rotated}, DONE
