"""The second step of signing in: its secrets are encrypted at rest (design D7), and a firm may demand it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings

from toggbill.firms.models import Membership, User

SECOND_STEPS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def _box() -> MultiFernet:
    """As the fields of ``integrations`` do it, which stand above: the newest key encrypts, all decrypt."""
    keys = []
    for key in settings.FIELD_ENCRYPTION_KEYS:
        try:
            keys.append(Fernet(key))
        except ValueError:
            keys.append(Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())))
    return MultiFernet(keys)


def has_second_step(user: User) -> bool:
    """Whether the account signs in in two steps. Recovery codes alone are none: they come with the others."""
    return bool(Authenticator.objects.filter(user=user, type__in=SECOND_STEPS).exists())


def secured(users: Iterable[int]) -> set[int]:
    """Those of some accounts (primary keys) that sign in in two steps: one query."""
    rows = Authenticator.objects.filter(user__in=list(users), type__in=SECOND_STEPS)
    return set(rows.values_list("user_id", flat=True))


def take_away(user: User) -> int:
    """Remove every second step of an account, its recovery codes with them, and sign it out everywhere; how many steps.

    Without the sessions: whoever has the lost device may sit in one of them.
    """
    steps = Authenticator.objects.filter(user=user)
    count = int(steps.filter(type__in=SECOND_STEPS).count())
    steps.delete()
    for session in UserSession.objects.filter(user=user):
        session.end()
    return count


def rotate() -> int:
    """Re-encrypt the stored secrets with the newest key; how many there were. For ``rotate_keys``."""
    box, count = _box(), 0
    for row in Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN):
        for name in ("secret", "seed"):
            if name in row.data:
                row.data[name] = box.rotate(row.data[name].encode()).decode()
                count += 1
        row.save(update_fields=["data"])
    return count


class MFAAdapter(DefaultMFAAdapter):
    """Two steps, in our way."""

    def get_totp_issuer(self) -> str:
        """The name under which the app lists the account."""
        return "toggbill"

    def encrypt(self, text: str) -> str:
        """Ciphertext under the newest key."""
        return _box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """The text behind a ciphertext of any known key."""
        return _box().decrypt(encrypted_text.encode()).decode()

    def can_delete_authenticator(self, authenticator: Any) -> bool:
        """The last second step stays while a firm of the member's demands one."""
        if authenticator.type not in SECOND_STEPS:
            return True
        others = Authenticator.objects.filter(user=authenticator.user_id, type__in=SECOND_STEPS)
        if others.exclude(pk=authenticator.pk).exists():
            return True
        return not Membership.objects.filter(user=authenticator.user_id, firm__requires_mfa=True).exists()
