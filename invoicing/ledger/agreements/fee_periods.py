"""The periods of fees in which covered hours lie, as the database finds them (design section 11). Reads only."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from django.db.models import Case, DateField, Exists, F, OuterRef, Q, QuerySet, When
from django.db.models.functions import Cast, TruncMonth, TruncQuarter, TruncYear

from integrations.models import Workspace
from invoicing.models import Agreement, BroughtOrder, Dossier, Invoice, InvoiceLine, LedgerRow
from invoicing.models.invoices.claims import ClaimQuerySet

_Every = Agreement.Every


def fee_period() -> Cast:
    """The period of its agreement in which a covered row's day lies, as ``InvoiceLine.period`` names it."""
    period = Case(
        When(agreement__every=_Every.MONTH, then=TruncMonth("day")),
        When(agreement__every=_Every.QUARTER, then=TruncQuarter("day")),
        When(agreement__every=_Every.YEAR, then=TruncYear("day")),
        default=F("agreement__start_date"),
        output_field=DateField(),
    )
    # PostgreSQL cuts a day to a moment.
    return Cast(period, DateField())


def before_the_books() -> Q:
    """Of rows with their ``fee_period``: those whose fee fell due before the start of their dossier, and was billed
    elsewhere (``periods.due``). In arrears none does: it falls due after the hour."""
    start = F("agreement__dossier__start_date")
    return Q(agreement__in_advance=True, fee_period__lt=start, agreement__start_date__lt=start)


def unlisted(listed: ClaimQuerySet) -> QuerySet[LedgerRow]:
    """Covered hours that none of these claims lists on a line, and that a line of ours is to list: not those whose fee
    was billed before the books, or by Billit itself."""
    own = LedgerRow.objects.filter(state=LedgerRow.State.COVERED).annotate(fee_period=fee_period())
    own = own.filter(~Exists(listed.covered().filter(entry=OuterRef("entry"))))
    return own.filter(~before_the_books(), ~Exists(_brought()))


def has_unbilled(dossiers: Collection[Dossier], *, since: date) -> bool:
    """Whether there are covered hours, worked since that day, whose fee is no order at Billit: neither one of ours nor
    one of its own."""
    fees = InvoiceLine.objects.live().filter(kind=InvoiceLine.Kind.FEE, takes_back__isnull=True)
    fees = fees.filter(invoice__status=Invoice.Status.POSTED, agreement=OuterRef("agreement"))
    own = LedgerRow.objects.filter(dossier__in=dossiers, state=LedgerRow.State.COVERED, day__gte=since)
    own = own.annotate(fee_period=fee_period()).filter(~Exists(fees.filter(period=OuterRef("fee_period"))))
    return own.filter(~before_the_books(), ~Exists(_brought())).exists()


def counted_elsewhere(workspace: Workspace, running: date) -> QuerySet[LedgerRow]:
    """Covered hours of a workspace whose fee was billed before the books, or by Billit itself, and that still count
    toward the hours which it includes: what is beyond those is ours to bill. ``running``: a day; periods that ended
    before are over, and their hours are not read."""
    months = {
        _Every.MONTH: running.month,
        _Every.QUARTER: (running.month - 1) // 3 * 3 + 1,
        _Every.YEAR: 1,
    }
    is_over = Q(agreement__every=_Every.ONCE, agreement__end_date__lt=running)
    for every, month in months.items():
        is_over |= Q(agreement__every=every, fee_period__lt=date(running.year, month, 1))
    # No period but that of a whole agreement reaches back beyond the year.
    whole = Agreement.objects.filter(dossier__workspace=workspace, every=_Every.ONCE, included_hours__isnull=False)
    whole = whole.exclude(end_date__lt=running)
    first = min([date(running.year, 1, 1), *whole.values_list("start_date", flat=True)])
    own = LedgerRow.objects.filter(dossier__workspace=workspace, state=LedgerRow.State.COVERED, day__gte=first)
    own = own.filter(agreement__included_hours__isnull=False)
    own = own.annotate(fee_period=fee_period()).filter(before_the_books() | Q(Exists(_brought())))
    return own.exclude(is_over)


def _brought() -> QuerySet[BroughtOrder]:
    """The order of Billit's own that bills the fee of an outer row's period."""
    return BroughtOrder.objects.live().filter(agreement=OuterRef("agreement"), period=OuterRef("fee_period"))
