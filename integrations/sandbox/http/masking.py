"""Secrets taken out of what the control page shows. The JSON log keeps them: tests look at them."""

from __future__ import annotations

import re
from typing import Any

MASK = "•••"
_NAMES = frozenset(
    [
        "authorization",
        "apikey",
        "api_key",
        "api_token",
        "token",
        "access_token",
        "refresh_token",
        "client_secret",
        "secret",
        "password",
        "validation_code",
        "validation_code_url",
        "cookie",
        "set-cookie",
        "bearer",
        "billit-signature",
        "x-webhook-signature-256",
    ]
)
# Billit's errors have a member "Code" too, which is no secret; OAuth's is lower case.
_CODE = "code"
_FORM = re.compile(r"\b(password|client_secret|refresh_token|access_token|code|token)=[^&\s]*")
# Calls whose whole answer is a secret.
_SECRET_ANSWERS = re.compile(r"/me/reset_token$|/v1/webhooks/refresh/\d+$")
_SECRET_PATHS = re.compile(r"(/validate/\d+/\d+/)\w+")


def masked(value: Any) -> Any:
    """The value with every secret replaced, at any depth."""
    if isinstance(value, dict):
        return {name: MASK if _secret(name) and item else masked(item) for name, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return _FORM.sub(rf"\1={MASK}", value) if isinstance(value, str) else value


def _secret(name: str) -> bool:
    return name == _CODE or name.lower() in _NAMES


def masked_path(path: str) -> str:
    return _SECRET_PATHS.sub(rf"\1{MASK}", path)


def masked_answer(path: str, answer: Any) -> Any:
    return MASK if _SECRET_ANSWERS.search(path) else masked(answer)
