"""Secrets at rest (design D7): ciphertext that can be read in its own place only, a table, a row and a column.

The place stands within the ciphertext, so that one that is copied to another row does not decrypt there: whoever may
write in the database could else have the site use a secret of another firm.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

NO_KEY = (
    "A stored secret cannot be read: none of FIELD_ENCRYPTION_KEYS fits. "
    "Put the key that it was written with back at the end of the list."
)
NOT_ITS_PLACE = "A stored secret cannot be read: it was written for another row. Enter it anew."


class Unreadable(ImproperlyConfigured):
    """A stored secret cannot be read; says why, and what to do."""


def seal(text: str, *, place: str) -> str:
    """Ciphertext of ``text`` under the newest key, for this place alone."""
    return _box().encrypt(f"{place}\n{text}".encode()).decode()


def unseal(token: str, *, place: str) -> str:
    """The text behind a ciphertext of any known key. Raises ``Unreadable`` when no key fits, or in another place."""
    written_for, parted, text = _opened(token).partition("\n")
    if not parted or written_for != place:
        raise Unreadable(NOT_ITS_PLACE)
    return text


def bind(token: str, *, place: str) -> str:
    """A ciphertext of before places had one, for its place. Raises ``Unreadable`` when no key fits."""
    return seal(_opened(token), place=place)


def _opened(token: str) -> str:
    try:
        return _box().decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise Unreadable(NO_KEY) from error


def _box() -> MultiFernet:
    keys = []
    for key in settings.FIELD_ENCRYPTION_KEYS:
        try:
            keys.append(Fernet(key))
        except ValueError:
            # Not a Fernet key but a passphrase, as it is allowed on one's own machine: one is derived from it.
            keys.append(Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())))
    return MultiFernet(keys)
