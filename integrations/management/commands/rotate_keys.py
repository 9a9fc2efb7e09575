"""`manage.py rotate_keys`: every secret is encrypted anew with the newest key (design sections 4 and 10)."""

from __future__ import annotations

from typing import Any

from integrations.connections import key_rotation
from toggbill.firms.identity import mfa
from toggbill.firms.management.command import DONE, WRONG, JsonCommand


class Command(JsonCommand):
    """Run it after a new key was put first in FIELD_ENCRYPTION_KEYS; then the old one may be taken out."""

    help = "Re-encrypt every secret with the newest of FIELD_ENCRYPTION_KEYS."

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """The number of secrets; exit 1 when one could not be read, the others are rotated all the same."""
        rotated, unreadable = key_rotation.rotate()
        of_accounts, unreadable_there = mfa.rotate()
        unreadable += unreadable_there
        for sentence in unreadable:
            self.say(sentence)
        if unreadable:
            self.say(f"{len(unreadable)} could not be read and stay as they are; take no key out of the list.")
        else:
            self.say("Every secret is under the newest key; older keys may be taken out of FIELD_ENCRYPTION_KEYS.")
        return {"rotated": rotated + of_accounts}, WRONG if unreadable else DONE
