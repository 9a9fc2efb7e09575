"""The keys that the environment gives, read and judged before anything starts (design section 10). No Django."""

from __future__ import annotations

import base64
import binascii
from itertools import pairwise

HOW_SECRET = 'python -c "import secrets; print(secrets.token_urlsafe(64))"'  # noqa: S105 - says how to make one
HOW_ENCRYPTION = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
HOW_SIGNING = 'python -c "import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())"'


FOR_DEBUG = "only-for-a-machine-with-DEBUG-on-never-for-production-0123456789"


class BadKey(ValueError):
    """A key is not one of the documented form; the sentence says how to make one."""


def check_secret_key(value: str) -> None:
    """Raises ``BadKey`` for a ``SECRET_KEY`` that could be guessed: short, of few characters, or an example's."""
    if len(value) < 50 or len(set(value)) < 16 or "django-insecure" in value or value == FOR_DEBUG:
        raise BadKey(
            "SECRET_KEY is weak: it takes at least 50 random characters, and none of an example. Make one: "
            + HOW_SECRET
        )


def check_encryption_keys(values: list[str]) -> None:
    """Raises ``BadKey`` when one of ``FIELD_ENCRYPTION_KEYS`` is no Fernet key: 32 random bytes in URL-safe base64.

    A passphrase is none. The key that was derived from it is the SHA-256 of it in that base64 (docs/operations.md).
    """
    for number, value in enumerate(values, start=1):
        try:
            raw = base64.b64decode(value, altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raw = b""
        if len(raw) != 32 or not _looks_random(raw):
            raise BadKey(
                f"FIELD_ENCRYPTION_KEYS: number {number} is no key of 32 random bytes in URL-safe base64. "
                f"Make one: {HOW_ENCRYPTION}. For a passphrase of before see docs/operations.md."
            )


def _looks_random(raw: bytes) -> bool:
    """Whether 32 bytes may be random: of those that are, one set in millions has so few values, or equal steps."""
    steps = {(after - before) % 256 for before, after in pairwise(raw)}
    return len(set(raw)) >= 20 and len(steps) >= 16


def signing_keys(value: str) -> list[bytes]:
    """The private keys (Ed25519, 32 bytes each) of ``AUDIT_SIGNING_KEY``: base64 or hex, newest first, by commas.

    Empty when none is set. Raises ``BadKey``.
    """
    return [_signing_key(part.strip()) for part in value.split(",") if part.strip()]


def _signing_key(text: str) -> bytes:
    try:
        raw = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text.translate(_STANDARD), validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != 32 or not _looks_random(raw):
        raise BadKey(
            "AUDIT_SIGNING_KEY is not a key: it takes 32 random bytes, as base64 or hex. Make one: " + HOW_SIGNING
        )
    return raw


def token(value: str) -> str:
    """The ``METRICS_TOKEN``, or "" when none is set. Raises ``BadKey`` for one that could be guessed."""
    if value and (len(value) < 20 or len(set(value)) < 8):
        raise BadKey("METRICS_TOKEN is weak: it takes at least 20 random characters. Make one: " + HOW_SECRET)
    return value


_STANDARD = str.maketrans("-_", "+/")
