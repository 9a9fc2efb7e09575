"""What narrows the hours, as it stands in the address: `?month=2026-11&state=open&person=kim`."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.db.models import Exists, Lookup, OuterRef, Q, QuerySet
from django.http import Http404, QueryDict

from integrations.models import Entry, Project
from invoicing.ledger.attention import WORDS
from invoicing.models import Claim, Invoice, LedgerRow
from invoicing.rules import days
from invoicing.rules.judging.mapping import Reason
from invoicing.web.lookup import day_of, month_of
from toggbill.firms.access import visible
from toggbill.firms.models import Membership
from toggbill.firms.requests.numbers import row_id, row_ids

REASONS = [(str(reason), WORDS[reason].title) for reason in Reason]
"""Each reason of attention with its title."""
LONGEST = 200
"""Characters of a text to look for; what follows is left out."""
UNBILLED = (LedgerRow.State.OPEN, LedgerRow.State.ATTENTION, LedgerRow.State.HELD)
"""States of hours that are to be billed, and are on no invoice and no draft."""


@Entry._meta.get_field("tags").register_lookup
class HasTag(Lookup[Any]):
    """Whether a list of tags holds this one, in whatever case."""

    lookup_name = "has_tag"
    prepare_rhs = False
    _LISTED: ClassVar[dict[str, str]] = {
        "postgresql": "SELECT value FROM jsonb_array_elements_text(%s)",
        "sqlite": "SELECT value FROM json_each(%s)",
    }

    def get_db_prep_lookup(self, value: Any, connection: Any) -> Any:
        """The tag as a text: not the JSON of one."""
        return "%s", [value]

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Of either database."""
        tags, tags_params = self.process_lhs(compiler, connection)
        tag, tag_params = self.process_rhs(compiler, connection)
        listed = self._LISTED[connection.vendor] % tags
        return f"EXISTS ({listed} AS tag WHERE UPPER(value) = UPPER({tag}))", [*tags_params, *tag_params]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows of the ledger are asked for. Texts but ``dossier`` (a key), ``buyer`` (a buyer key), ``tag`` and
    ``invoice`` (a number or a reference) are found wherever they stand; case never matters. ``since``, ``until``: their
    days, both included; ``unbilled``: what is to be billed and is not; ``client_id``, ``person_id``: ids at Toggl, one
    or several with commas."""

    dossier: str = ""
    month: date | None = None
    state: str = ""
    reason: str = ""
    person: str = ""
    client: str = ""
    customer: str = ""
    buyer: str = ""
    project: str = ""
    tag: str = ""
    invoice: str = ""
    q: str = ""
    since: date | None = None
    until: date | None = None
    unbilled: str = ""
    client_id: str = ""
    person_id: str = ""

    @classmethod
    def of(cls, asked: QueryDict, *, dossier: str = "") -> Filter:
        """What an address asks for; ``dossier``: the one that stands in its path. Raises ``Http404``."""
        texts = {field.name: asked.get(field.name, "").strip()[:LONGEST] for field in fields(cls)}
        month = month_of(texts.pop("month"))
        since, until = day_of(texts.pop("since")), day_of(texts.pop("until"))
        if texts["state"] and texts["state"] not in LedgerRow.State.values:
            raise Http404
        if texts["reason"] and texts["reason"] not in WORDS:
            raise Http404
        for name in ("client_id", "person_id"):
            texts[name] = ",".join(map(str, sorted(row_ids(texts[name].split(",")))))
        texts["unbilled"] = "1" if texts["unbilled"] else ""
        found = cls(month=month, since=since, until=until, **texts)
        return replace(found, dossier=dossier) if dossier else found

    @property
    def query(self) -> str:
        """As it stands in an address."""
        return urlencode({name: value for name, value in self._written().items() if value})

    @property
    def address(self) -> str:
        """The same as it leads to these rows from anywhere: the page of all hours shows this month where nothing is
        asked."""
        return self.query or "month="

    def without(self, *names: str) -> str:
        """The same without some of it, as it stands in an address."""
        return urlencode({name: value for name, value in self._written().items() if value and name not in names})

    @property
    def has_more(self) -> bool:
        """Whether it asks for something that is found under *more filters*."""
        seldom = (self.reason, self.person, self.client, self.customer, self.project, self.tag, self.invoice)
        return any(seldom)

    def _written(self) -> dict[str, str]:
        texts = {field.name: getattr(self, field.name) for field in fields(self)}
        days_asked = {
            name: day.isoformat() if day else "" for name, day in (("since", self.since), ("until", self.until))
        }
        return texts | {"month": f"{self.month:%Y-%m}" if self.month else ""} | days_asked

    @property
    def unseen(self) -> list[tuple[str, str]]:
        """What it asks for and no field of the page says: name and value, for the form to send along."""
        names = ("buyer", "since", "until", "unbilled", "client_id", "person_id")
        written = self._written()
        return [(name, written[name]) for name in names if written[name]]

    def rows(self, member: Membership) -> QuerySet[LedgerRow]:
        """Those that a member sees, the newest first; deleted ones only where they are asked for."""
        rows = visible(member, LedgerRow.objects.all()).select_related("entry", "dossier", "agreement")
        rows = rows.filter(state=self.state) if self.state else rows.exclude(state=LedgerRow.State.DELETED)
        if self.month is not None:
            rows = rows.filter(day__gte=self.month, day__lt=days.next_month(self.month))
        if self.since is not None:
            rows = rows.filter(day__gte=self.since)
        if self.until is not None:
            rows = rows.filter(day__lte=self.until)
        if self.unbilled:
            rows = rows.filter(state__in=UNBILLED)
        if self.person_id:
            rows = rows.filter(entry__person_remote_id__in=_ids(self.person_id))
        if self.client_id:
            rows = rows.filter(_of_project(client_remote_id__in=_ids(self.client_id)))
        equal = {"dossier__key": self.dossier, "reason": self.reason, "buyer_key": self.buyer}
        within = {
            "entry__person_name__icontains": self.person,
            "client_name__icontains": self.client,
            "buyer_name__icontains": self.customer,
            "entry__tags__has_tag": self.tag,
        }
        rows = rows.filter(**{path: value for path, value in (equal | within).items() if value})
        if self.project:
            rows = rows.filter(_of_project(name__icontains=self.project))
        if self.invoice:
            rows = rows.filter(Exists(_claims_on(member, self.invoice)))
        if self.q:
            text = Q(entry__description__icontains=self.q)
            number = row_id(self.q)
            rows = rows.filter(text if number is None else text | Q(entry__remote_id=number))
        return rows.order_by("-day", "-entry__started_at", "-pk")


def _ids(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def _of_project(**fields: Any) -> Exists:
    """Whether an outer row's entry is of such a project."""
    own = {"workspace": OuterRef("entry__workspace"), "remote_id": OuterRef("entry__project_remote_id")}
    return Exists(Project.objects.filter(**own, **fields))


def _claims_on(member: Membership, name: str) -> QuerySet[Claim]:
    """The live claims of an outer row's entry on the invoices of this number, or whose reference begins so."""
    short = name.removeprefix("tb-")
    own = Q(order_number__iexact=name) | Q(reference__startswith=f"tb-{short}")
    invoices = visible(member, Invoice.objects.filter(own))
    return Claim.objects.live().filter(entry=OuterRef("entry"), line__invoice__in=invoices.values("pk"))
