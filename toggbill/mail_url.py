"""What `EMAIL_URL` says: a mail server, or a service that sends mails (django-anymail)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

from django.core.exceptions import ImproperlyConfigured
from environ import Env

SERVICE = "anymail+"


def settings_of(url: str) -> dict[str, Any]:
    """The settings of Django and anymail. `anymail+postmark:?server_token=...` names a service and its settings as
    anymail's documentation has them, without the service's name in front; "" prints mails. Raises
    ``ImproperlyConfigured``.
    """
    if not url.startswith(SERVICE):
        found: dict[str, Any] = Env.email_url_config(url or "consolemail://")
        return found
    parts = urlsplit(url.removeprefix(SERVICE))
    service = parts.scheme.replace("-", "_")
    if not service or not parts.query:
        raise ImproperlyConfigured("EMAIL_URL names no service: write it such as anymail+postmark:?server_token=...")
    given = {f"{service}_{name}".upper(): value for name, value in parse_qsl(parts.query, strict_parsing=True)}
    return {"EMAIL_BACKEND": f"anymail.backends.{service}.EmailBackend", "ANYMAIL": given}
