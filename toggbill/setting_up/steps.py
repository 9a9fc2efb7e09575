"""Which steps of the set-up are done and which is next, read off the rows: no state of its own that could lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Count, Max, Min, Q, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from integrations.connections import failures, hindrances
from integrations.models import Company, Connection, Entry, Workspace
from invoicing.models import Agreement, Dossier, Invoice, LedgerRow
from invoicing.web.configuring.offers import CLIENT_REASONS, TAG_REASONS
from toggbill.firms.access import visible
from toggbill.firms.models import Membership

OPEN_ONCE_READ = ("tags", "clients", "agreements", "draft")
"""What waits of tags and clients need not be mapped before the rest is drafted."""
NEVER_NEXT = ("agreements",)
"""Steps that not every firm takes: the guide offers them, and waits for none."""
TITLES: dict[str, str | Promise] = {
    "toggl": _("Connect Toggl"),
    "billit": _("Connect Billit"),
    "dossier": _("Pair a workspace with a company"),
    "read": _("Read the hours"),
    "tags": _("Tags lead to products"),
    "clients": _("Clients lead to customers"),
    "agreements": _("Fee agreements, if any"),
    "draft": _("The first draft"),
    "invoice": _("The first invoice in Billit"),
}
"""The steps in their order."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step. ``how``: done, now (the next one), open (it can be done before the next one) or todo."""

    name: str
    how: str

    @property
    def title(self) -> str | Promise:
        """What is done in it."""
        return TITLES[self.name]


@dataclass(frozen=True, slots=True)
class Span:
    """The hours of a dossier as they are in the books: local days, seconds; None for days when there are none."""

    entries: int
    seconds: int
    first: date | None
    last: date | None


@dataclass(frozen=True, slots=True)
class Reading:
    """How far the first reading of a dossier is. ``trouble``: why it does not go on, as a sentence."""

    is_done: bool
    is_judging: bool
    trouble: str
    later: datetime | None


@dataclass(frozen=True, slots=True)
class Guide:
    """The set-up of a firm as one member sees it. ``dossier``: the one that the later steps are about."""

    steps: Sequence[Step]
    toggl: Connection | None
    billit: Connection | None
    workspaces: Sequence[Workspace]
    companies: Sequence[Company]
    dossiers: Sequence[Dossier]
    dossier: Dossier | None
    reading: Reading | None
    span: Span | None
    chosen: str

    @property
    def next(self) -> str:
        """The name of the step that is shown with its form: the next one, or the chosen one if it is open; "" when all
        are done."""
        by_name = {step.name: step.how for step in self.steps}
        if by_name.get(self.chosen) == "open":
            return self.chosen
        return next((step.name for step in self.steps if step.how == "now"), "")


def guide(membership: Membership, *, key: str = "", chosen: str = "", now: datetime) -> Guide:
    """The steps for the dossier of that short name, else for the newest one; ``chosen``: a step to be shown."""
    workspaces = list(visible(membership, Workspace.objects.select_related("connection")).order_by("name", "pk"))
    companies = list(visible(membership, Company.objects.select_related("connection")).order_by("name", "pk"))
    rows = visible(membership, Dossier.objects.all()).select_related(
        "firm", "workspace__firm", "workspace__connection", "company__connection"
    )
    dossiers = list(rows.order_by("name", "pk"))
    named = [row for row in dossiers if row.key == key]
    dossier = named[0] if named else max(dossiers, key=lambda row: row.pk, default=None)
    reading = None if dossier is None else _reading(dossier, now)
    done = {"toggl": bool(workspaces), "billit": bool(companies), "dossier": dossier is not None}
    if dossier is not None and reading is not None:
        done |= _done(dossier, reading)
    return Guide(
        steps=_steps(done),
        toggl=_connection(membership, Connection.Service.TOGGL),
        billit=_connection(membership, Connection.Service.BILLIT),
        workspaces=workspaces,
        companies=companies,
        dossiers=dossiers,
        dossier=dossier,
        reading=reading,
        span=None if dossier is None else _span(dossier),
        chosen=chosen,
    )


def _steps(done: dict[str, bool]) -> list[Step]:
    found: list[Step] = []
    for name in TITLES:
        is_next = name not in NEVER_NEXT and all(step.how == "done" for step in found if step.name not in NEVER_NEXT)
        is_open = bool(done.get("read")) and name in OPEN_ONCE_READ
        found.append(Step(name, "done" if done.get(name) else "now" if is_next else "open" if is_open else "todo"))
    return found


def _connection(membership: Membership, service: str) -> Connection | None:
    """The oldest connection to a service that was not removed."""
    rows = visible(membership, Connection.objects.standing()).filter(service=service)
    return rows.order_by("pk").first()


def _done(dossier: Dossier, reading: Reading) -> dict[str, bool]:
    invoices = Invoice.objects.standing().filter(dossier=dossier)
    waiting = (
        LedgerRow.objects.attention()
        .filter(dossier=dossier)
        .aggregate(
            tags=Count("pk", filter=Q(reason__in=TAG_REASONS)), clients=Count("pk", filter=Q(reason__in=CLIENT_REASONS))
        )
    )
    posted = Invoice.objects.posted().filter(dossier=dossier).exists()
    return {
        "read": reading.is_done,
        "tags": reading.is_done and not waiting["tags"],
        "clients": reading.is_done and not waiting["clients"],
        "agreements": Agreement.objects.filter(dossier=dossier).exists(),
        "draft": posted or invoices.exists(),
        "invoice": posted,
    }


def _reading(dossier: Dossier, now: datetime) -> Reading:
    workspace, company = dossier.workspace, dossier.company
    is_read = workspace.reread_at is not None and company.synced_at is not None
    is_judging = is_read and Entry.objects.marked().filter(workspace=workspace).exists()
    trouble = "" if is_read else _trouble(workspace.connection) or _trouble(company.connection)
    later = workspace.next_sync_at if workspace.reread_at is None else company.next_sync_at
    is_later = not is_read and later is not None and later > now
    return Reading(is_read and not is_judging, is_judging, trouble, later if is_later else None)


def _trouble(connection: Connection) -> str:
    found = hindrances.trouble(connection)
    if found is not None:
        return failures.words(found)
    return failures.words_of(connection.failure_code, connection.failure_facts)


def _span(dossier: Dossier) -> Span:
    rows = LedgerRow.objects.filter(dossier=dossier).exclude(state=LedgerRow.State.DELETED)
    found = rows.aggregate(n=Count("pk"), total=Sum("seconds"), first=Min("day"), last=Max("day"))
    return Span(found["n"], found["total"] or 0, found["first"], found["last"])
