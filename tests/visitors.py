"""People who visit the pages and the admin, and what they read there."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from typing import Any

from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.db import models
from django.test import Client
from django.urls import reverse

from invoicing.models import Dossier, Invoice
from tests.factories import MembershipFactory, UserFactory
from toggbill.firms.models import AuditEvent, Firm, User


def signed_in(firm: Firm | None, role: str = "owner", **fields: Any) -> Client:
    """The browser of a new user (with these fields), a member of the firm unless it is None."""
    user = UserFactory(**fields)
    if firm is not None:
        MembershipFactory(firm=firm, user=user, role=role)
    client = Client()
    client.force_login(user)
    prove(client, "password")
    return client


def prove(client: Client, method: str, *, ago: float = 0) -> None:
    """Put the proof of who is signed in into the browser's session: by "password" or "mfa", some seconds ago."""
    session = client.session
    records = session.get(AUTHENTICATION_METHODS_SESSION_KEY, [])
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [*records, {"method": method, "at": time.time() - ago}]
    session["account_authentication_methods_user"] = session["_auth_user_id"]
    session.save()


def text(client: Client, path: str) -> str:
    """What a person reads on a page: tags and runs of blanks gone."""
    answer = client.get(path)
    assert answer.status_code == 200
    words = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+", " ", words.replace("\u00a0", " ").replace("&nbsp;", " "))


class _Markup(HTMLParser):
    """The inputs of a page, as (name, value), and its alerts, as (level, words)."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inputs: list[tuple[str, str]] = []
        self.alerts: list[tuple[str, str]] = []
        self._level: str | None = None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "input":
            self.inputs.append((found.get("name") or "", found.get("value") or ""))
        if tag == "div" and (level := re.match(r"alert alert-(\w+)$", found.get("class") or "")):
            self._level = level[1]
            self.alerts.append((level[1], ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self._level = None

    def handle_data(self, data: str) -> None:
        if self._level is not None:
            level, words = self.alerts.pop()
            self.alerts.append((level, words + data))


def inputs(page: str, name: str) -> list[str]:
    """The values of the page's inputs of this name, in their order."""
    return [value for found, value in _Markup(page).inputs if found == name]


def alerts(page: str) -> str:
    """What the page says about what was just done: "success: Saved. | error: Not sent."."""
    return " | ".join(f"{level}: {' '.join(words.split())}" for level, words in _Markup(page).alerts)


def pages_of(dossier: Dossier, invoice: Invoice) -> list[str]:
    """The addresses of all pages."""
    return [
        "/",
        f"/dossiers/{dossier.key}/",
        f"/dossiers/{dossier.key}/hours/",
        "/attention/",
        "/corrections/",
        "/invoices/",
        f"/invoices/{invoice.reference}/",
    ]


def staff(firm: Firm | None, role: str = "owner") -> Client:
    """The browser of a member who may open the admin."""
    return signed_in(firm, role, is_staff=True)


def superuser() -> Client:
    """The browser of the operator, who signed in in two steps."""
    client = signed_in(None, is_staff=True, is_superuser=True)
    TOTP.activate(User.objects.get(pk=client.session["_auth_user_id"]), generate_totp_secret())
    prove(client, "mfa")
    return client


def address(model: type[models.Model], what: str, *args: Any) -> str:
    """The admin's address for a model: changelist, add, change, delete, history."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}", args=args)


def events(firm: Firm) -> list[tuple[str, str, dict[str, Any]]]:
    """The firm's audit log: type, subject, data."""
    return [(row.type, row.subject, row.data) for row in AuditEvent.objects.for_firm(firm).order_by("number")]


def managed(prefix: str, rows: list[dict[str, Any]], before: int = 0) -> dict[str, Any]:
    """The fields of an inline formset of the admin."""
    fields: dict[str, Any] = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": before}
    return fields | {f"{prefix}-{place}-{name}": value for place, row in enumerate(rows) for name, value in row.items()}
