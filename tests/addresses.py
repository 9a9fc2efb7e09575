"""The addresses of the site, as the URL conf has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


@dataclass
class Address:
    """One pattern of the URL conf: its name with the name space, and what it wants to know."""

    name: str
    wants: tuple[str, ...]


def walk(patterns: list[Any], space: str = "", wants: tuple[str, ...] = (), path: str = "") -> Iterator[Address]:
    for pattern in patterns:
        here = path + str(pattern.pattern)
        more = (
            wants
            + tuple(pattern.pattern.converters)
            + tuple(
                name
                for name in getattr(pattern.pattern.regex, "groupindex", {})
                if name not in pattern.pattern.converters
            )
        )
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from walk(pattern.url_patterns, inner, more, here)
        else:
            assert isinstance(pattern, URLPattern)
            yield Address(f"{space}{pattern.name}" if pattern.name else f"/{here}", more)


def addresses() -> list[Address]:
    """Every pattern, once."""
    found: dict[str, Address] = {}
    for address in walk(get_resolver().url_patterns):
        found.setdefault(address.name, address)
    return [found[name] for name in sorted(found)]


PUBLIC = {
    "account_confirm_email",
    "account_confirm_login_code",
    "account_email_verification_sent",
    "account_inactive",
    "account_login",
    "account_logout",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "account_signup",
    "admin:jsi18n",
    "admin:logout",
    "operator:jsi18n",
    "operator:logout",
    "csp_report",
    "healthz",
    "invitation",
    "metrics",
    "mfa_authenticate",
    "mfa_login_webauthn",
    "readyz",
    "set_language",
}
"""Addresses that anybody may open."""

OWN_ACCOUNT = {
    "account_change_password",
    "account_email",
    "account_reauthenticate",
    "account_set_password",
    "firm:mails",
    "firm:save_view",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "mfa_edit_webauthn",
    "mfa_generate_recovery_codes",
    "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
    "mfa_remove_webauthn",
    "mfa_view_recovery_codes",
    "usersessions_list",
}
"""Addresses at which everybody changes what is only their own."""

READING = {"mfa_index", "mfa_list_webauthn"}
"""Pages that answer a POST as they answer a GET."""
