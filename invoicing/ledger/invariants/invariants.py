"""What must hold in the books of every dossier and month, each rule by its name (design section 6). Reads only.

A check asks for the rows of its dossiers (and month) alone, for all of them at once, and gives what breaks its rule.
Pages, `ledger`, the nightly comparison and the proofs in tests/proof run this one list. The names are stable: README.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django.db.models import Case, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce, TruncDate
from django.db.models.query import prefetch_related_objects
from django.utils.translation import gettext_noop

from integrations.models import Entry, Workspace
from invoicing.ledger.facts.books import Facts
from invoicing.ledger.invariants.blocks import block_left, prepaid_once
from invoicing.ledger.invariants.broken import Broken as Broken
from invoicing.ledger.invariants.deductions import deducted_once
from invoicing.ledger.invariants.scope import Scope as Scope
from invoicing.ledger.invariants.scope import following
from invoicing.models import Claim, Dossier, Invoice, InvoiceLine, LedgerRow, ReportedMonth
from invoicing.rules.billing import rating

_State = LedgerRow.State
_HELD_BY_INVOICES = [_State.DRAFTED, _State.INVOICED]
# Billed once, and so in the books whatever becomes of the entry or of the dossier's start.
_BILLED = [*_HELD_BY_INVOICES, _State.CREDITED]
# Claims of hours that are part of no line's own seconds.
_UNBILLED = [Claim.Kind.COVERED, Claim.Kind.PREPAID]
_HALF_A_CENT = Decimal("0.00501")  # and a hair: SQLite multiplies decimals as floating point


def broken(
    *, dossiers: Sequence[Dossier], month: date | None = None, checks: Iterable[Check] | None = None
) -> list[Broken]:
    """Everything that does not hold in the books of dossiers, in the order of the rules (``checks``: of these alone).

    Empty: the books balance.
    """
    prefetch_related_objects(dossiers, "firm")
    scope = Scope({dossier.pk: dossier for dossier in dossiers}, month)
    found: list[Broken] = []
    for check in CHECKS if checks is None else checks:
        # What breaks a rule in two ways is told once.
        once = {(each.dossier, each.month, each.subject): each for each in check(scope) if month in (None, each.month)}
        found += [replace(once[key], rule=check.__name__) for key in sorted(once)]
    return found


# --- entries and their states -----------------------------------------------------------------------------------------


def one_state(scope: Scope) -> Iterator[Broken]:
    """Each entry inside the books has its one row, and was judged since it changed."""
    inside = Q(pk__in=[])
    begins: defaultdict[datetime, set[int]] = defaultdict(set)
    for dossier in scope.dossiers.values():
        begins[_midnight(max(dossier.start_date, scope.month or dossier.start_date), dossier)].add(dossier.workspace_id)
    for begin, workspaces in begins.items():
        inside |= Q(workspace__in=workspaces, started_at__gte=begin)
    entries = Entry.objects.filter(inside)
    if scope.month is not None and scope.dossiers:
        ends = max(_midnight(following(scope.month), dossier) for dossier in scope.dossiers.values())
        entries = entries.filter(started_at__lt=ends)
    changed = gettext_noop("Entry %(entry)s of %(day)s changed, and was not judged since.")
    missing = gettext_noop("Entry %(entry)s of %(day)s is in no state yet.")
    by_workspace: defaultdict[int, dict[int, Entry]] = defaultdict(dict)
    without = entries.filter(~Exists(LedgerRow.objects.filter(entry=OuterRef("pk"))))
    for rows in (without, entries.marked()):
        for row in rows.select_related("ledger_row"):
            by_workspace[row.workspace_id][row.pk] = row
    for workspace in Workspace.objects.filter(pk__in=by_workspace).select_related("firm") if by_workspace else ():
        books = Facts.load(workspace)
        for row in by_workspace[workspace.pk].values():
            entry = books.entry(row)
            judged_by = books.verdict(entry)[0]
            if judged_by is not None and judged_by.pk in scope.dossiers:
                words = changed if hasattr(row, "ledger_row") else missing
                yield _about_entry(judged_by.pk, words, {"entry": entry.id, "day": entry.day})


def seconds_add_up(scope: Scope) -> Iterator[Broken]:
    """A row has the mirrored seconds: 0 once an entry that an invoice holds is deleted in Toggl."""
    mirrored = Case(
        When(state__in=_HELD_BY_INVOICES, entry__deleted_at__isnull=False, then=Value(0)),
        default=F("entry__seconds"),
        output_field=IntegerField(),
    )
    rows = scope.rows().annotate(mirrored=mirrored).exclude(seconds=F("mirrored"))
    words = gettext_noop("Entry %(entry)s of %(day)s counts %(seconds)s s in the books, %(mirrored)s s as mirrored.")
    yield from _of_rows(rows, words, seconds="seconds", mirrored="mirrored")


def local_day(scope: Scope) -> Iterator[Broken]:
    """A row stands on the firm's local day on which its entry starts. Both months are wrong when it does not."""
    for firm in {dossier.firm_id: dossier.firm for dossier in scope.dossiers.values()}.values():
        own = [dossier for dossier in scope.dossiers.values() if dossier.firm_id == firm.pk]
        rows = LedgerRow.objects.filter(dossier__in=own, entry__firm=firm)
        if scope.month is not None:
            starts = {
                "entry__workspace__in": {dossier.workspace_id for dossier in own},
                "entry__started_at__gte": datetime.combine(scope.month, time(0), tzinfo=firm.zone),
                "entry__started_at__lt": datetime.combine(following(scope.month), time(0), tzinfo=firm.zone),
            }
            either = rows.filter(scope.within("day")).values("pk").union(rows.filter(**starts).values("pk"))
            rows = LedgerRow.objects.filter(pk__in=either, entry__firm=firm)
        rows = rows.annotate(local=TruncDate("entry__started_at", tzinfo=firm.zone)).exclude(day=F("local"))
        words = gettext_noop("Entry %(entry)s starts on %(local)s, and stands in the books on %(day)s.")
        for found in _of_rows(rows, words, local="local"):
            yield found
            yield replace(found, month=found.facts["local"].replace(day=1))


def own_workspace(scope: Scope) -> Iterator[Broken]:
    """An entry stands in the books of a dossier that bills its workspace."""
    words = gettext_noop("Entry %(entry)s of %(day)s is of a workspace that the dossier does not bill.")
    rows = scope.rows().exclude(entry__workspace=F("dossier__workspace"))
    yield from _of_rows(rows, words)


def from_start(scope: Scope) -> Iterator[Broken]:
    """The books hold nothing from before the dossier's start but what was billed all the same."""
    rows = scope.rows().filter(day__lt=F("dossier__start_date")).exclude(state__in=_BILLED)
    words = gettext_noop("Entry %(entry)s of %(day)s is from before the start of the dossier, %(start)s.")
    yield from _of_rows(rows, words, start="dossier__start_date")


def deleted_state(scope: Scope) -> Iterator[Broken]:
    """What was never billed is `deleted` exactly when the entry is gone from Toggl."""
    rows = scope.rows().exclude(state__in=_BILLED)
    words = gettext_noop("Entry %(entry)s of %(day)s is in Toggl, and stands in the books as %(state)s.")
    yield from _of_rows(rows.filter(state=_State.DELETED, entry__deleted_at=None), words, state="state")
    words = gettext_noop("Entry %(entry)s of %(day)s is gone from Toggl, and stands in the books as %(state)s.")
    yield from _of_rows(rows.exclude(state=_State.DELETED).exclude(entry__deleted_at=None), words, state="state")


def state_fits_claim(scope: Scope) -> Iterator[Broken]:
    """An entry is `drafted` or `invoiced` exactly when the invoice of its one live claim waits or is posted."""
    claims = Claim.objects.live().of_entries().filter(entry=OuterRef("entry"))
    words = gettext_noop("Entry %(entry)s of %(day)s stands in the books as %(state)s, and no such invoice holds it.")
    for state, fitting in ((_State.DRAFTED, claims.waiting()), (_State.INVOICED, claims.posted())):
        yield from _of_rows(scope.rows().filter(~Exists(fitting), state=state), words, state="state")
    words = gettext_noop(
        "Invoice %(invoice)s holds entry %(entry)s of %(day)s, which stands in the books as %(state)s."
    )
    # That a void invoice holds any has a rule of its own.
    held = scope.claims().exclude(line__invoice__status=Invoice.Status.VOID)
    astray = held.of_entries().exclude(entry__ledger_row__state__in=_HELD_BY_INVOICES)
    astray |= held.of_differences().exclude(entry__ledger_row__state=_State.INVOICED)
    yield from _of_claims(astray, words, state="entry__ledger_row__state")


def one_live_claim(scope: Scope) -> Iterator[Broken]:
    """No entry is billed twice, also when it was moved to another workspace of the firm."""
    same = {"firm": OuterRef("firm"), "entry_remote_id": OuterRef("entry_remote_id")}
    others = Claim.objects.live().holding().filter(**same).exclude(pk=OuterRef("pk"))
    words = gettext_noop("Entry %(entry)s of %(day)s is billed by invoice %(invoice)s, and once more.")
    yield from _of_claims(scope.claims().holding().filter(Exists(others)), words)


def covered_once(scope: Scope) -> Iterator[Broken]:
    """An hour that the fee of an agreement covers is not billed, and stands on the line of that fee."""
    billed = [_State.OPEN, _State.DRAFTED, _State.INVOICED, _State.CREDITED]
    words = gettext_noop(
        "Invoice %(invoice)s covers entry %(entry)s of %(day)s by a fee, which stands in the books as %(state)s."
    )
    claims = scope.claims().covered()
    astray = claims.filter(entry__ledger_row__state__in=billed) | claims.exclude(line__kind=InvoiceLine.Kind.FEE)
    yield from _of_claims(astray, words, state="entry__ledger_row__state")


def no_claim_on_void(scope: Scope) -> Iterator[Broken]:
    """A void invoice holds no entry any more."""
    words = gettext_noop("Invoice %(invoice)s is void, and still holds entry %(entry)s of %(day)s.")
    yield from _of_claims(scope.claims().filter(line__invoice__status=Invoice.Status.VOID), words)


def credit_seconds(scope: Scope) -> Iterator[Broken]:
    """A credit note takes back of an entry what was billed of it."""
    claims = scope.claims().of_credits().exclude(seconds=F("takes_back__seconds"))
    words = gettext_noop(
        "Credit note %(invoice)s takes %(ours)s s of entry %(entry)s back, of which %(theirs)s s were billed."
    )
    yield from _of_claims(claims, words, ours="seconds", theirs="takes_back__seconds")


def billed_seconds(scope: Scope) -> Iterator[Broken]:
    """Mirrored = billed + accepted + not settled yet, where billed counts the later difference lines, too."""
    hours = Claim.objects.live().posted().filter(entry=OuterRef("entry")).exclude(kind=Claim.Kind.CREDIT)
    billed = Coalesce(Subquery(hours.order_by().values("entry").annotate(total=Sum("seconds")).values("total")), 0)
    explained = billed + F("accepted_seconds") + F("correction_seconds")
    rows = scope.rows().filter(state=_State.INVOICED).annotate(explained=explained).exclude(seconds=F("explained"))
    words = gettext_noop(
        "Entry %(entry)s of %(day)s counts %(seconds)s s in the books; what was billed, accepted and left open makes "
        "%(explained)s s."
    )
    yield from _of_rows(rows, words, seconds="seconds", explained="explained")


# --- lines and invoices -----------------------------------------------------------------------------------------------


def claims_of_lines(scope: Scope) -> Iterator[Broken]:
    """A line has the seconds of its claims: of the live ones, and of those that a credit note at Billit took back since
    (the line stays as it was sent)."""
    taken_back = Claim.objects.live().posted().filter(takes_back=OuterRef("pk"))
    claims = Claim.objects.filter(line=OuterRef("pk"))
    counted = (claims.live() | claims.filter(Exists(taken_back))).exclude(kind__in=_UNBILLED)
    total = counted.order_by().values("line").annotate(total=Sum("seconds")).values("total")
    lines = scope.lines().annotate(claimed=Coalesce(Subquery(total), 0)).exclude(seconds=F("claimed"))
    words = gettext_noop("Line %(line)s of invoice %(invoice)s bills %(ours)s s, its entries make %(theirs)s s.")
    yield from _of_lines(lines, words, "seconds", "claimed")


def period_once(scope: Scope) -> Iterator[Broken]:
    """A period of an agreement is billed once: what bills it is free where its invoice is void or a credit note that is
    at Billit took it back (an advance: not by that), and nowhere else. The one live line of each period is a unique
    row."""
    taken_back = InvoiceLine.objects.filter(takes_back=OuterRef("pk"), invoice__status=Invoice.Status.POSTED)
    lines = InvoiceLine.objects.filter(agreement__isnull=False, invoice__dossier__in=scope.dossiers)
    lines = lines.filter(scope.within("invoice__period_from"))
    credited = Q(Exists(taken_back)) & ~Q(kind=InvoiceLine.Kind.ADVANCE)
    freed = Q(invoice__status=Invoice.Status.VOID) | credited
    astray = lines.live().filter(freed) | lines.released().exclude(freed)
    words = gettext_noop(
        "Line %(line)s of invoice %(invoice)s bills the period from %(ours)s of agreement %(theirs)s, and that period "
        "is taken for free though it is billed, or for billed though it is free."
    )
    yield from _of_lines(astray.annotate(key=F("agreement__key")), words, "period", "key")


def line_amount(scope: Scope) -> Iterator[Broken]:
    """A line amounts to its hours times its price less its discount, to the cent."""
    lines = scope.lines().annotate(product=F("quantity") * F("unit_price") - F("discount"))
    lines = lines.filter(Q(total__gt=F("product") + _HALF_A_CENT) | Q(total__lt=F("product") - _HALF_A_CENT))
    words = gettext_noop(
        "Line %(line)s of invoice %(invoice)s amounts to %(ours)s, its hours times its price less its discount make "
        "%(theirs)s."
    )
    yield from _of_lines(lines, words, "total", "product")


def invoice_totals(scope: Scope) -> Iterator[Broken]:
    """An invoice's three totals are those of its lines, with VAT once per rate on the rate's sum."""
    by_rate: defaultdict[int, list[tuple[Decimal, Decimal]]] = defaultdict(list)
    sums = scope.lines().order_by().values_list("invoice", "vat_rate").annotate(total=Sum("total"))
    for invoice_id, rate, total in sums:
        by_rate[invoice_id].append((rate, total.quantize(rating.CENT, ROUND_HALF_UP)))
    invoices = scope.invoices().only(
        "dossier", "period_from", "reference", "order_number", "total_excl", "total_vat", "total_incl"
    )
    for invoice in invoices:
        own = rating.totals(by_rate.pop(invoice.pk, []))
        theirs, ours = (own.excl, own.vat, own.incl), (invoice.total_excl, invoice.total_vat, invoice.total_incl)
        if theirs != ours:
            words = gettext_noop("Invoice %(invoice)s comes to %(ours)s, its lines make %(theirs)s.")
            facts = {"invoice": str(invoice), "ours": ours, "theirs": theirs}
            month = invoice.period_from.replace(day=1)
            yield Broken(invoice.dossier_id, month, f"invoice {invoice.reference}", words, facts)


# --- the month as a whole ---------------------------------------------------------------------------------------------


def toggl_total(scope: Scope) -> Iterator[Broken]:
    """Toggl's own total of the month, as it was read last, is what was mirrored."""
    words = gettext_noop(
        "From %(since)s to %(through)s Toggl reports %(theirs)s, and %(ours)s are mirrored: a difference of "
        "%(difference)s."
    )
    for row in ReportedMonth.objects.filter(scope.within("month"), dossier__in=scope.dossiers).differing():
        facts = {
            "since": row.since,
            "through": row.through,
            "theirs": _clock(row.toggl_seconds),
            "ours": _clock(row.own_seconds),
            "difference": _clock(row.toggl_seconds - row.own_seconds),
            "differs_since": row.differs_since,
        }
        yield Broken(row.dossier_id, row.month, f"month {row.month:%Y-%m}", words, facts)


Check = Callable[[Scope], Iterator[Broken]]
CHECKS: tuple[Check, ...] = (
    one_state,
    seconds_add_up,
    local_day,
    own_workspace,
    from_start,
    deleted_state,
    state_fits_claim,
    one_live_claim,
    covered_once,
    prepaid_once,
    block_left,
    no_claim_on_void,
    credit_seconds,
    billed_seconds,
    claims_of_lines,
    period_once,
    deducted_once,
    line_amount,
    invoice_totals,
    toggl_total,
)


def _about_entry(dossier: int, words: str, facts: Mapping[str, Any]) -> Broken:
    return Broken(dossier, facts["day"].replace(day=1), f"entry {facts['entry']}", words, facts)


def _of_rows(rows: QuerySet[LedgerRow], words: str, **facts: str) -> Iterator[Broken]:
    names = ("dossier_id", "day", "entry__remote_id", *facts.values())
    for dossier, day, entry, *values in rows.values_list(*names):
        about = {"entry": entry, "day": day}
        yield _about_entry(dossier, words, about | dict(zip(facts, values, strict=True)))


def _of_claims(claims: QuerySet[Claim], words: str, **facts: str) -> Iterator[Broken]:
    invoice = ("line__invoice__dossier_id", "line__invoice__order_number", "line__invoice__reference")
    found = claims.values_list("day", "entry__remote_id", *invoice, *facts.values())
    for day, entry, dossier, number, reference, *values in found:
        about = {"entry": entry, "day": day, "invoice": number or reference}
        yield _about_entry(dossier, words, about | dict(zip(facts, values, strict=True)))


def _of_lines(lines: QuerySet[InvoiceLine], words: str, ours: str, theirs: str) -> Iterator[Broken]:
    for line in lines.select_related("invoice"):
        facts = {"invoice": str(line.invoice), "line": line.position}
        facts |= {"ours": getattr(line, ours), "theirs": getattr(line, theirs)}
        subject = f"invoice {line.invoice.reference} line {line.position}"
        month = line.invoice.period_from.replace(day=1)
        yield Broken(line.invoice.dossier_id, month, subject, words, facts)


def _midnight(day: date, dossier: Dossier) -> datetime:
    return datetime.combine(day, time(0), tzinfo=dossier.firm.zone)


def _clock(seconds: int) -> str:
    minutes, rest = divmod(abs(seconds), 60)
    return f"{'−' if seconds < 0 else ''}{minutes // 60}:{minutes % 60:02}:{rest:02}"
