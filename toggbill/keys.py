"""The keys that the environment gives, read and judged before anything starts (design section 10). No Django."""

from __future__ import annotations

import base64
import binascii
from itertools import pairwise

HOW_SIGNING = 'python -c "import base64, secrets; print(base64.b64encode(secrets.token_bytes(32)).decode())"'




class BadKey(ValueError):
    """A key is not one of the documented form; the sentence says how to make one."""


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


_STANDARD = str.maketrans("-_", "+/")
