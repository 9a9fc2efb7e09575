"""People who visit the pages and the admin, and what they read there."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.apps import apps
from django.db import models
from django.test import Client
from django.urls import reverse

from integrations.connections import credentials
from integrations.models import Connection
from invoicing.admin import as_read
from invoicing.corrections import options, together
from invoicing.deciding import figures
from invoicing.models import Correction, Dossier, Drift, Invoice, LedgerRow
from tests.factories import MembershipFactory, UserFactory
from toggbill.firms.admin.as_read import FIELD
from toggbill.firms.changes import firm_as_read
from toggbill.firms.membership import invitations, members
from toggbill.firms.models import AuditEvent, Firm, Invitation, Membership, User
from toggbill.firms.read import Figures, Read
from toggbill.firms.requests.addresses import in_firm
from toggbill.firms.requests.charset import without_charset
from toggbill.leaving import closing

# What is no firm's; every other address of a test is one of a firm's pages.
_OUTSIDE = re.compile(
    r"/(?:f|accounts|connections/signed-in|csp-report|healthz|hooks|i18n|invitations|nowhere|operator|readyz|static)\b"
)

_ADMIN_FORM = re.compile(
    r"/(invoicing|firms|integrations)/(dossier|tagmapping|clientmapping|firm|membership|connection)/([0-9]+)"
    r"/(?:change|delete)/$"
)
_ROWS: dict[str, Callable[[Any], Figures]] = {
    "firm": firm_as_read,
    "membership": members.as_read,
    "connection": credentials.as_read,
}
_CONNECTION_FORM = re.compile(r"^/connections/([a-z]+)/([-a-z0-9_]+)/(?:remove|choose|pause|resume|rotate)/$")
_MEMBER_FORM = re.compile(r"^/members/(invitations/)?([0-9]+)/(?:(?:again|revoke|remove|second-step)/)?$")


class Tab(Client):
    """A tab of a browser in which a firm is open: tests give the addresses of its pages without `/f/<slug>`."""

    def __init__(self, firm: Firm, **more: Any) -> None:
        super().__init__(**more)
        self.firm = firm

    def at(self, path: str) -> str:
        """The address with the firm."""
        return path if _OUTSIDE.match(path) or not path.startswith("/") else f"/f/{self.firm.slug}{path}"

    def generic(self, method: str, path: Any, *args: Any, **more: Any) -> Any:
        """Every request goes through here."""
        return super().generic(method, self.at(str(path)), *args, **more)

    def post(self, path: Any, data: Any = None, *args: Any, **more: Any) -> Any:
        """A form carries what it showed: it was opened just now, unless the test says what was read."""
        given = {} if data is None else data
        if isinstance(given, dict) and FIELD not in given and (read := self._opened(str(path))):
            data = {**given, FIELD: read.pack()}
        return super().post(path, data, *args, **more)

    def _opened(self, path: str) -> Read | None:
        """What the form at a path shows now; None for one that carries nothing, and where there is no such row."""
        if found := _ADMIN_FORM.search(path):
            row = apps.get_model(found[1], found[2]).objects.filter(pk=found[3]).first()
            if row is None:
                return None
            return Read.of([_ROWS[found[2]](row)] if found[2] in _ROWS else as_read.standing(row))
        if found := _MEMBER_FORM.search(path):
            member = Membership.objects.filter(pk=found[2]) if found[1] is None else None
            return Read.of(map(members.as_read, member)) if member is not None else _invitation(found[2])
        if path == "/members/two-steps/":
            return Read.of([firm_as_read(Firm.objects.get(pk=self.firm.pk))])
        if path == "/leaving/close/":
            return Read.of([closing.as_read(self.firm)])
        if found := _CONNECTION_FORM.match(path):
            named = Connection.objects.filter(firm=self.firm, service=found[1], key=found[2])
            return Read.of(map(credentials.as_read, named))
        if path in {"/members/heads/", "/mails/"}:
            rows = Membership.objects.filter(firm=self.firm, user=self.session.get("_auth_user_id"))
            return Read.of(map(members.mails_as_read, rows))
        return None


def _invitation(pk: str) -> Read:
    return Read.of(map(invitations.as_read, Invitation.objects.filter(pk=pk)))


def signed_in(firm: Firm | None, role: str = "owner", **fields: Any) -> Client:
    """The browser of a new user (with these fields), a member of the firm unless it is None."""
    user = UserFactory(**fields)
    if firm is not None:
        MembershipFactory(firm=firm, user=user, role=role)
    return browser_of(user, firm)


def browser_of(user: User, firm: Firm | None) -> Client:
    """The browser of a user who gave the password just now, in a tab of the firm."""
    client = Client() if firm is None else Tab(firm)
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


def words(page: bytes) -> str:
    """What a person reads on a page that was answered."""
    text = html.unescape(re.sub(r"<[^>]+>", " ", page.decode()))
    return re.sub(r"\s+", " ", text.replace("\u00a0", " ").replace("\u202f", " "))


class Served(Client):
    """A browser whose requests go through what ``toggbill.wsgi`` has in front of Django, as those of a server do."""

    def __init__(self, **defaults: Any) -> None:
        super().__init__(**defaults)
        handler: Any = self.handler
        self.handler: Any = lambda environ: handler(without_charset(environ))


def content_of(answer: Any) -> bytes:
    """All of an answer that streams; its file is closed, and not the database, which close() would end as well."""
    content = b"".join(answer.streaming_content)
    for close in answer._resource_closers:
        close()
    return content


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


def read_of(*rows: Invoice | Correction | LedgerRow | Drift | together.Group) -> str:
    """What a form carries of these, as they are now: the field `read` of a page that was opened at this moment."""
    found: dict[str, Figures] = {}
    for row in rows:
        if isinstance(row, Invoice):
            now = Invoice.objects.get(pk=row.pk)
            shown = [figures.of_invoice(now), figures.of_sending(now)]
        elif isinstance(row, Correction):
            (case,) = options.cases(Correction.objects.filter(pk=row.pk))
            shown = list(case.read.figures.values())
        elif isinstance(row, Drift):
            shown = [figures.of_finding(Drift.objects.get(pk=row.pk))]
        elif isinstance(row, together.Group):
            shown = [together.find(row.dossier, row.name).figures]
        else:
            shown = [figures.of_entry(LedgerRow.objects.select_related("entry").get(pk=row.pk))]
        found |= {each.subject: each for each in shown}
    return Read(found).pack()


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


def superuser(firm: Firm | None = None) -> Client:
    """The browser of the operator, who signed in in two steps and is no member of the firm in the tab."""
    client = browser_of(UserFactory(is_staff=True, is_superuser=True), firm)
    TOTP.activate(User.objects.get(pk=client.session["_auth_user_id"]), generate_totp_secret())
    prove(client, "mfa")
    return client


def address(model: type[models.Model], what: str, *args: Any) -> str:
    """The admin's address for a model in a `Tab`: changelist, add, change, delete, history."""
    with in_firm("any"):
        found = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}", args=args)
    return found.removeprefix("/f/any")


def of_operator(model: type[models.Model], what: str, *args: Any) -> str:
    """The same on the operator's pages."""
    return reverse(f"operator:{model._meta.app_label}_{model._meta.model_name}_{what}", args=args)


def events(firm: Firm) -> list[tuple[str, str, dict[str, Any]]]:
    """The firm's audit log: type, subject, data."""
    return [(row.type, row.subject, row.data) for row in AuditEvent.objects.for_firm(firm).order_by("number")]


def managed(prefix: str, rows: list[dict[str, Any]], before: int = 0) -> dict[str, Any]:
    """The fields of an inline formset of the admin."""
    fields: dict[str, Any] = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": before}
    return fields | {f"{prefix}-{place}-{name}": value for place, row in enumerate(rows) for name, value in row.items()}
