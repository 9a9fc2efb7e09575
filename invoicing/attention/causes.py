"""The entries that need a decision, gathered by what one decision settles (design section 5). Reads only.

The database counts; no entry is read but the few that are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext

from integrations.models import Project
from invoicing.ledger import attention
from invoicing.ledger.attention import Words
from invoicing.models import Dossier, LedgerRow
from invoicing.models.ledger import LedgerRowQuerySet
from invoicing.rules.billing.rating import worth
from invoicing.rules.judging.mapping import DOUBTS, Reason
from toggbill.firms.errors import NotPossible
from toggbill.firms.read import Figures, Read, digest_of

EXAMPLES = 3
"""Entries that a page shows of each decision."""
_USUAL = timedelta(days=365)
"""How far the usual price of a dossier looks back."""
_CENT = Decimal("0.01")


@dataclass
class Decision:
    """Entries of a dossier that one decision settles: they have the same reason and the same cause.

    ``cause`` is in words of Toggl: a client, tags, a project, a person; of a product, its reference. ``keys``: what the
    database calls it. ``value`` in euro excl. VAT, None where nothing tells a price; ``is_estimate``: for want of a
    product some of it is at the price that the dossier's hours usually have.
    """

    dossier: Dossier
    reason: str
    text: str
    tags: tuple[str, ...] = ()
    keys: set[str] = field(default_factory=set)
    entries: int = 0
    seconds: int = 0
    first: date = date.max
    last: date = date.min
    known: Decimal = Decimal(0)
    unpriced: int = 0
    usual: Decimal | None = None
    project: str = ""
    checksum: int = 0

    @property
    def name(self) -> str:
        """The same as long as they are alike, for addresses."""
        return digest_of([self.dossier.pk, self.reason, self.text])[:16]

    @property
    def cause(self) -> str:
        """What it is about, for a person."""
        return self.project if self.reason == Reason.no_client else self.text

    @property
    def words(self) -> Words:
        """Title and what to do."""
        return attention.words(self.reason)

    @property
    def is_doubt(self) -> bool:
        """Whether a person may have the entries billed as they stand."""
        return self.reason in DOUBTS

    @property
    def value(self) -> Decimal | None:
        """What is at stake."""
        if self.unpriced and self.usual is None:
            return self.known or None
        return self.known + (worth(self.unpriced, self.usual) if self.usual is not None else 0)

    @property
    def is_estimate(self) -> bool:
        """Whether the value is one."""
        return self.unpriced > 0

    @property
    def days(self) -> tuple[date, date]:
        """First and last local day."""
        return self.first, self.last

    @property
    def figures(self) -> Figures:
        """What is shown of it, and which entries they are."""
        values = {
            "description": self.cause,
            "reason": self.reason,
            "entries": self.entries,
            "time": self.seconds,
            "period": [self.first.isoformat(), self.last.isoformat()],
            "which": str(self.checksum),
        }
        return Figures.of(f"attention {self.name}", values)

    @property
    def read(self) -> str:
        """What the form of a decision carries."""
        return Read.of([self.figures]).pack()

    @property
    def rows(self) -> QuerySet[LedgerRow]:
        """Its entries, the earliest first."""
        rows = attention.keyed(LedgerRow.objects.filter(dossier=self.dossier, reason=self.reason))
        return rows.filter(cause_key__in=self.keys).order_by("day", "entry__started_at", "pk")


@dataclass
class Group:
    """The decisions of one reason."""

    reason: str
    decisions: list[Decision]

    @property
    def words(self) -> Words:
        """Title and what to do."""
        return attention.words(self.reason)

    @property
    def seconds(self) -> int:
        """The time that the reason holds back."""
        return sum(decision.seconds for decision in self.decisions)


def by_reason(found: Iterable[Decision]) -> list[Group]:
    """Decisions by reason; the reason that holds back most time comes first."""
    groups: dict[str, Group] = {}
    for decision in found:
        groups.setdefault(decision.reason, Group(decision.reason, [])).decisions.append(decision)
    return sorted(groups.values(), key=lambda group: (-group.seconds, group.reason))


def decisions(rows: LedgerRowQuerySet, of: Iterable[Dossier] = ()) -> list[Decision]:
    """What of these rows needs a decision, what holds back most time first: at most four queries.

    ``of``: dossiers that were read already.
    """
    summed = (
        attention.keyed(rows)
        .order_by()
        .values("dossier_id", "reason", "cause_key", "price")
        .annotate(
            entries=Count("pk"),
            total=Sum("seconds"),
            first=Min("day"),
            last=Max("day"),
            checksum=Sum("entry__remote_id"),
        )
    )
    lines = list(summed)
    ids = {line["dossier_id"] for line in lines}
    dossiers = Dossier.objects.filter(pk__in=ids).select_related("firm", "workspace", "company__connection")
    dossiers = dossiers.defer("company__connection__secret", "company__connection__refresh_secret")
    by_id = {dossier.pk: dossier for dossier in of}
    if ids - by_id.keys():
        by_id |= {dossier.pk: dossier for dossier in dossiers}
    found: dict[attention.Cause, Decision] = {}
    for line in lines:
        reason, key = line["reason"], line["cause_key"]
        cause = attention.Cause(line["dossier_id"], reason, attention.text_of(reason, key))
        decision = found.get(cause)
        if decision is None:
            decision = found[cause] = Decision(by_id[cause.dossier_id], reason, cause.text)
            if reason in attention.ABOUT_TAGS or reason == Reason.unknown_product:
                decision.tags = attention.tags_of(key)
        decision.keys.add(key)
        decision.entries += line["entries"]
        decision.seconds += line["total"]
        decision.checksum += int(line["checksum"])
        decision.first, decision.last = min(decision.first, line["first"]), max(decision.last, line["last"])
        if line["price"] is None:
            decision.unpriced += line["total"]
        else:
            decision.known += worth(line["total"], line["price"])
    _value(list(found.values()))
    _name_projects(list(found.values()))
    return sorted(
        found.values(), key=lambda item: (-item.seconds, item.dossier.name.casefold(), item.reason, item.text)
    )


def find(dossier: Dossier, name: str) -> Decision:
    """The decision of that name. Raises ``NotPossible`` when nothing of it waits any more."""
    for decision in decisions(LedgerRow.objects.filter(dossier=dossier)):
        if decision.name == name:
            return decision
    raise NotPossible(gettext("Nothing of these hours waits for a decision any more."))


def examples(found: Sequence[Decision]) -> dict[str, list[LedgerRow]]:
    """By the name of a decision its first entries, three at most: one query."""
    if not found:
        return {}
    wanted = Q()
    for decision in found:
        wanted |= Q(dossier=decision.dossier, reason=decision.reason, cause_key__in=decision.keys)
    place = Window(
        RowNumber(),
        partition_by=[F("dossier_id"), F("reason"), F("cause_key")],
        order_by=[F("day").asc(), F("pk").asc()],
    )
    rows = attention.keyed(LedgerRow.objects.filter(dossier__in={each.dossier.pk for each in found}))
    rows = rows.filter(wanted).annotate(place=place).filter(place__lte=EXAMPLES).select_related("entry")
    names = {(each.dossier.pk, each.reason, each.text): each.name for each in found}
    shown: dict[str, list[LedgerRow]] = {}
    for row in sorted(rows, key=lambda row: (row.day, row.entry.started_at, row.pk)):
        name = names[row.dossier_id, row.reason, attention.cause_of(row)]
        if len(shown.setdefault(name, [])) < EXAMPLES:
            shown[name].append(row)
    return shown


def _value(found: Sequence[Decision]) -> None:
    """Hours without a product are worth what the dossier's hours usually are: of those that have a price, by time."""
    unpriced = {decision.dossier.pk for decision in found if decision.unpriced}
    if not unpriced:
        return
    since = max(decision.last for decision in found) - _USUAL
    priced = LedgerRow.objects.filter(dossier__in=unpriced, price__gt=0, seconds__gt=0, day__gte=since)
    seconds: dict[int, int] = {}
    value: dict[int, Decimal] = {}
    for dossier, price, total in priced.values_list("dossier_id", "price").annotate(total=Sum("seconds")):
        seconds[dossier] = seconds.get(dossier, 0) + total
        value[dossier] = value.get(dossier, Decimal(0)) + price * total
    for decision in found:
        if of := seconds.get(decision.dossier.pk):
            decision.usual = (value[decision.dossier.pk] / of).quantize(_CENT, ROUND_HALF_UP)


def _name_projects(found: Sequence[Decision]) -> None:
    nameless = [decision for decision in found if decision.reason == Reason.no_client and decision.text]
    if not nameless:
        return
    workspaces = {decision.dossier.workspace_id for decision in nameless}
    rows = Project.objects.filter(workspace__in=workspaces, remote_id__in={int(each.text) for each in nameless})
    names = {
        (workspace, remote): name for workspace, remote, name in rows.values_list("workspace", "remote_id", "name")
    }
    for decision in nameless:
        decision.project = names.get((decision.dossier.workspace_id, int(decision.text)), "")
