"""The ledger's sums by dossier and month, and whether they balance (design section 6). Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, TruncDate, TruncMonth

from integrations.models import Entry, Workspace
from invoicing.ledger.facts import Books
from invoicing.models import Claim, Dossier, Invoice, InvoiceLine, LedgerRow, ReportedMonth

_State = LedgerRow.State


@dataclass(frozen=True, slots=True)
class Tally:
    """A number of entries and their seconds."""

    entries: int = 0
    seconds: int = 0


@dataclass(slots=True)
class Month:
    """A dossier's month: tallies by state, by reason of attention, of open corrections; ``balanced`` is the proof.

    ``reported``: what Toggl's own total said, when that is why the month is not balanced.
    """

    dossier: Dossier
    month: date
    states: dict[str, Tally] = field(default_factory=lambda: {state: Tally() for state in _State.values})
    attention: dict[str, Tally] = field(default_factory=dict)
    corrections: Tally = Tally()
    balanced: bool = False
    reported: ReportedMonth | None = None


def months(*, dossiers: Sequence[Dossier], month: date | None = None) -> list[Month]:
    """The books of dossiers, by dossier key and month (``month``: the first day of the only one wanted)."""
    found: dict[tuple[int, date], Month] = {}
    by_id = {dossier.pk: dossier for dossier in dossiers}
    rows = LedgerRow.objects.filter(dossier__in=dossiers).annotate(month=TruncMonth("day")).order_by()
    if month is not None:
        rows = rows.filter(month=month)
        found = {(dossier.pk, month): Month(dossier, month) for dossier in dossiers}

    def sheet(dossier_id: int, of: date) -> Month:
        return found.setdefault((dossier_id, of), Month(by_id[dossier_id], of))

    grouped = rows.values("dossier_id", "month", "state", "reason").annotate(entries=Count("pk"), total=Sum("seconds"))
    for row in grouped:
        of, tally = sheet(row["dossier_id"], row["month"]), Tally(row["entries"], row["total"])
        before = of.states[row["state"]]
        of.states[row["state"]] = Tally(before.entries + tally.entries, before.seconds + tally.seconds)
        if row["reason"]:
            of.attention[row["reason"]] = tally
    corrected = rows.exclude(correction_seconds=0, correction_text="")
    by_month = corrected.values("dossier_id", "month").annotate(entries=Count("pk"), total=Sum("correction_seconds"))
    for changed in by_month:
        sheet(changed["dossier_id"], changed["month"]).corrections = Tally(changed["entries"], changed["total"])
    for reported in ReportedMonth.objects.filter(dossier__in=dossiers).differing():
        # A month of which nothing is mirrored has no rows, and Toggl reports it all the same.
        if month in (None, reported.month):
            sheet(reported.dossier_id, reported.month).reported = reported
    unbalanced = _unbalanced(dossiers)
    for key, result in found.items():
        result.balanced = key not in unbalanced and result.reported is None
    return sorted(found.values(), key=lambda result: (result.dossier.key, result.month))


def _unbalanced(dossiers: Sequence[Dossier]) -> set[tuple[int, date]]:
    """The months (dossier id, first day) in which something does not add up.

    Mirror against ledger: each entry inside the books has its row, with the mirrored seconds and day. Lines against
    claims: each line has the seconds of its claims, each claim its entry's row, no claim lives on a void invoice.
    """
    wrong: set[tuple[int, date]] = set()
    rows = LedgerRow.objects.filter(dossier__in=dossiers)
    mirrored = Case(
        When(state=_State.INVOICED, entry__deleted_at__isnull=False, then=Value(0)),
        When(state=_State.DRAFTED, entry__deleted_at__isnull=False, then=Value(0)),
        default=F("entry__seconds"),
        output_field=IntegerField(),
    )
    off = rows.annotate(mirrored=mirrored).exclude(seconds=F("mirrored"))
    unclaimed = rows.filter(state__in=[_State.DRAFTED, _State.INVOICED]).exclude(
        entry__in=Claim.objects.live().of_entries().values("entry")
    )
    billed = [_State.DRAFTED, _State.INVOICED, _State.CREDITED]
    # Rows that add to another sum than Toggl's: of another state, workspace or day, or from before the books.
    misplaced = rows.filter(
        Q(state=_State.DELETED, entry__deleted_at__isnull=True)
        | ~Q(state__in=[_State.DELETED, *billed]) & Q(entry__deleted_at__isnull=False)
        | ~Q(state__in=billed) & Q(day__lt=F("dossier__start_date"))
        | ~Q(entry__workspace=F("dossier__workspace"))
    )
    for bad in (off, unclaimed, misplaced):
        wrong |= {(dossier_id, day.replace(day=1)) for dossier_id, day in bad.values_list("dossier_id", "day")}
    for firm in {dossier.firm_id: dossier.firm for dossier in dossiers}.values():
        local = rows.filter(firm=firm).annotate(local=TruncDate("entry__started_at", tzinfo=firm.zone))
        for dossier_id, *days in local.exclude(day=F("local")).values_list("dossier_id", "day", "local"):
            wrong |= {(dossier_id, day.replace(day=1)) for day in days}
    live = Claim.objects.live().filter(line__invoice__dossier__in=dossiers)
    astray = live.filter(
        Q(line__invoice__status=Invoice.Status.VOID)
        | Q(kind=Claim.Kind.ENTRY) & ~Q(entry__ledger_row__state__in=[_State.DRAFTED, _State.INVOICED])
        | Q(kind=Claim.Kind.DIFFERENCE) & ~Q(entry__ledger_row__state=_State.INVOICED)
        | Q(kind=Claim.Kind.CREDIT) & ~Q(seconds=F("takes_back__seconds"))
    )
    found = astray.values_list("line__invoice__dossier_id", "day")
    wrong |= {(dossier_id, day.replace(day=1)) for dossier_id, day in found}
    # Mirrored = billed + accepted + not settled yet, where billed counts the later difference lines, too.
    hours = Claim.objects.live().posted().exclude(kind=Claim.Kind.CREDIT).filter(entry=OuterRef("entry"))
    total = hours.order_by().values("entry").annotate(total=Sum("seconds")).values("total")
    invoiced = rows.filter(state=_State.INVOICED).annotate(billed=Coalesce(Subquery(total), 0))
    unexplained = invoiced.exclude(seconds=F("billed") + F("accepted_seconds") + F("correction_seconds"))
    wrong |= {(dossier_id, day.replace(day=1)) for dossier_id, day in unexplained.values_list("dossier_id", "day")}
    lines = uneven(InvoiceLine.objects.filter(invoice__dossier__in=dossiers))
    for dossier_id, day in lines.values_list("invoice__dossier_id", "invoice__period_from"):
        wrong.add((dossier_id, day.replace(day=1)))
    return wrong | {(dossier_id, day.replace(day=1)) for dossier_id, day, _ in _unstated(dossiers)}


def uneven(lines: QuerySet[InvoiceLine]) -> QuerySet[InvoiceLine]:
    """Those of the lines whose seconds are not those of their claims: of the live ones, and of those that a credit note
    at Billit took back since (the line stays as it was sent)."""
    taken_back = Claim.objects.live().posted().filter(takes_back=OuterRef("pk"))
    claims = Claim.objects.filter(line=OuterRef("pk"))
    counted = claims.live() | claims.filter(Exists(taken_back))
    claimed = counted.order_by().values("line").annotate(total=Sum("seconds")).values("total")
    standing = lines.filter(invoice__in=Invoice.objects.standing())
    return standing.annotate(claimed=Coalesce(Subquery(claimed), 0)).exclude(seconds=F("claimed"))


@dataclass(frozen=True, slots=True)
class Proof:
    """The promise, counted: entries inside the books, how many are on two live lines, how many are in no state."""

    entries: int
    billed_twice: int
    lost: int


def prove(*, dossiers: Sequence[Dossier]) -> Proof:
    """Count what must be 0, from the rows and not from the promise."""
    live = Claim.objects.live().of_entries().filter(line__invoice__dossier__in=dossiers)
    twice = live.values("entry").annotate(lines=Count("pk")).filter(lines__gt=1).order_by()
    rows = LedgerRow.objects.filter(dossier__in=dossiers)
    return Proof(rows.count(), twice.count(), len(_unstated(dossiers)))


def _unstated(dossiers: Sequence[Dossier]) -> list[tuple[int, date, int]]:
    """Entries inside the books (dossier id, day, Toggl id) without a row, or not judged since they changed."""
    found: list[tuple[int, date, int]] = []
    by_workspace: defaultdict[int, list[Dossier]] = defaultdict(list)
    for dossier in dossiers:
        by_workspace[dossier.workspace_id].append(dossier)
    for workspace in Workspace.objects.filter(pk__in=by_workspace).select_related("firm"):
        books = Books.load(workspace)
        ours = {dossier.pk for dossier in by_workspace[workspace.pk]}
        first = min(dossier.start_date for dossier in books.dossiers)
        begins = datetime.combine(first, time(0), tzinfo=books.zone)
        inside = Entry.objects.filter(workspace=workspace, started_at__gte=begins)
        for row in inside.filter(Q(ledger_row__isnull=True) | Q(pk__in=inside.marked())):
            entry = books.entry(row)
            judged_by, _ = books.verdict(entry)
            if judged_by is not None and judged_by.pk in ours:
                found.append((judged_by.pk, entry.day, entry.id))
    return found
