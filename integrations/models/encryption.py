"""Secrets at rest (design D7): a text field whose column holds only ciphertext."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def _box() -> MultiFernet:
    keys = []
    for key in settings.FIELD_ENCRYPTION_KEYS:
        try:
            keys.append(Fernet(key))
        except ValueError:
            # Not a Fernet key but a passphrase: one is derived from it, so that any long secret will do.
            keys.append(Fernet(base64.urlsafe_b64encode(hashlib.sha256(key.encode()).digest())))
    return MultiFernet(keys)


def encrypt(text: str) -> str:
    """Ciphertext of ``text`` under the newest key."""
    return _box().encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """The text behind a ciphertext of any known key. Raises ImproperlyConfigured when no key fits."""
    try:
        return _box().decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise ImproperlyConfigured(
            "A stored secret cannot be read: none of FIELD_ENCRYPTION_KEYS fits. "
            "Put the key that it was written with back at the end of the list."
        ) from error


class EncryptedTextField(models.TextField[str, str]):
    """A text that is encrypted on its way into the database and decrypted on its way out. It cannot be searched."""

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt; empty stays empty."""
        text = super().get_prep_value(value)
        return encrypt(text) if text else text

    def from_db_value(self, value: str | None, expression: Any, connection: BaseDatabaseWrapper) -> str | None:
        """Decrypt; empty stays empty."""
        return decrypt(value) if value else value
