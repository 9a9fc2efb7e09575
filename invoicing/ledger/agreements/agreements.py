"""Fee agreements as the pure rules want them, and what lines and hours stand under them (section 11). Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Case, Exists, F, FilteredRelation, OuterRef, Q, QuerySet, Subquery, When

from integrations.models import Entry
from invoicing.ledger.agreements import blocks, brought
from invoicing.ledger.agreements.brought import total_of
from invoicing.models import Agreement, Claim, Deduction, Dossier, Drift, Invoice, InvoiceLine, LedgerRow
from invoicing.models.invoices.claims import AGREED, ClaimQuerySet
from invoicing.rules import agreement
from invoicing.rules.agreements.blocks import Stock, is_short
from invoicing.rules.agreements.fees import Standing
from invoicing.rules.agreements.periods import period_of
from invoicing.rules.agreements.settlement import Advance, vat_difference
from invoicing.rules.billing.lines import AdvanceKey
from invoicing.rules.judging.mapping import Product, Treatment

_CHUNK = 2000
# Findings on the order of an advance that a person decides on before it is deducted (D13).
_MAY_STAY = [Drift.Kind.ORDER_CHANGED, Drift.Kind.ORDER_UNKNOWN]
_IN_QUESTION = [Drift.Kind.ORDER_DELETED, Drift.Kind.ORDER_MISSING, *_MAY_STAY]
_Kind = InvoiceLine.Kind
_OF_LINE = (
    *("agreement", "kind", "period", "part", "quantity", "due_on", "takes_back", "total"),
    *("description", "product_reference", "unit_price", "vat_rate", "ventilation_code", "treatment"),
    *("invoice__status", "invoice__reference", "invoice__order_number", "invoice__order_date", "invoice__period_from"),
    *("invoice__customer_party_id", "invoice__customer_vat", "invoice__replacing_since"),
)
Agreed = tuple[agreement.Agreement, ...]


def agreements_of(
    dossiers: Collection[Dossier], clients: Mapping[int, str]
) -> tuple[dict[int, Agreed], tuple[blocks.Sold, ...]]:
    """The agreements of dossiers, by dossier (row id) and in the order of their short names, and the blocks of those
    that are prepaid; ``clients``: the names of Toggl clients by their ids."""
    found = defaultdict[int, list[agreement.Agreement]](list)
    rows = Agreement.objects.filter(dossier__in=dossiers).select_related("dossier").order_by("key")
    for row in rows:
        found[row.dossier_id].append(agreement_of(row, clients.get(row.client_remote_id or 0, "")))
    prepaid = [each.id for some in found.values() for each in some if each.kind == agreement.Kind.prepaid]
    sold = blocks.sold(prepaid)
    stocks = blocks.stocks_of(prepaid, sold)
    found |= {pk: [_drawing(each, stocks.get(each.id)) for each in some] for pk, some in found.items()}
    return {dossier.pk: tuple(found[dossier.pk]) for dossier in dossiers}, sold


def _drawing(each: agreement.Agreement, stock: Stock | None) -> agreement.Agreement:
    """With what is known of its blocks."""
    if stock is None:
        return each
    return replace(each, draws=stock.draws or is_short(each, stock, stock.left))


def agreement_of(row: Agreement, client_name: str = "") -> agreement.Agreement:
    """An agreement as the rules see it."""
    return agreement.Agreement(
        key=row.key,
        title=row.title,
        start=row.start_date,
        product=row.product_reference,
        amount=row.amount,
        every=row.every,
        kind=row.kind,
        client_id=row.client_remote_id,
        number=row.number,
        end=row.end_date,
        products=tuple(row.products),
        projects=tuple(row.projects),
        in_advance=row.in_advance,
        included_hours=row.included_hours,
        extra_product=row.extra_product,
        part_periods=row.part_periods,
        plan=tuple((date.fromisoformat(each["day"]), Decimal(each["amount"])) for each in row.plan),
        settle_on=row.settle_on,
        settled_through=row.settled_through,
        id=row.pk,
        version=row.version,
        client_name=client_name,
        books_from=row.dossier.start_date,
        hours=row.hours,
        price=row.price,
        refill_at=row.refill_at,
        budget_hours=row.budget_hours,
        budget_amount=row.budget_amount,
    )


def covered_by(rows: Iterable[Entry]) -> dict[int, int]:
    """By row id: the agreement whose line covers an entry, on an invoice that is no draft any more, or whose block pays
    it."""
    found: dict[int, int] = {}
    ids = [row.pk for row in rows]
    for start in range(0, len(ids), _CHUNK):
        claims = _covering().filter(entry__pk__one_of=ids[start : start + _CHUNK])
        found |= dict(claims.values_list("entry_id", "line__agreement_id"))
    return found


def with_cover(rows: QuerySet[Entry]) -> list[Any]:
    """Entries that are read anyway, with that agreement (row id, or None) as ``covered_by``: no query of its own.

    Joined, since an entry has one such claim at most: asked at each entry, PostgreSQL walks all invoices for it where
    it knows nothing yet of how many there are.
    """
    cover = FilteredRelation("claims", condition=Q(claims__released_at=None, claims__kind__in=AGREED))
    is_draft = When(cover__line__invoice__status=Invoice.Status.DRAFT, then=None)
    return list(rows.annotate(cover=cover, covered_by=Case(is_draft, default=F("cover__line__agreement"))))


def _covering() -> ClaimQuerySet:
    return Claim.objects.live().agreed().exclude(line__invoice__status=Invoice.Status.DRAFT)


def standing(agreements: Collection[agreement.Agreement], *, besides: Iterable[Invoice] = ()) -> dict[int, Standing]:
    """By agreement (row id): its live lines and the hours that it covers; lines of the invoices ``besides`` do not
    count."""
    by_id = {each.id: each for each in agreements}
    if not by_id:
        return {}
    besides = list(besides)
    fees = defaultdict[int, dict[date, int]](dict)
    extras = defaultdict[int, dict[date, tuple[int, Decimal]]](dict)
    advances = defaultdict[int, list[Advance]](list)
    settled = dict[int, date]()
    for line in _lines(by_id, besides):
        of, period = line.agreement_id, line.period
        # Until when an invoice that is no draft settles its hours.
        if line.kind == _Kind.HOURS and line.due_on is not None and line.invoice.status != Invoice.Status.DRAFT:
            settled[of] = max(line.due_on, settled.get(of, line.due_on))
        if line.takes_back_id is not None:
            continue
        if line.kind == _Kind.ADVANCE and line.invoice.status == Invoice.Status.POSTED:
            advances[of].append(_advance(line))
        if period is None:
            continue
        if line.kind in (_Kind.FEE, _Kind.ADVANCE):
            fees[of][period] = line.pk
        else:
            _part, before = extras[of].get(period, (0, Decimal(0)))
            extras[of][period] = line.part, before + line.quantity
    seconds = defaultdict[int | None, defaultdict[date, list[int]]](lambda: defaultdict(list))
    counted = [each.id for each in agreements if each.included_hours is not None]
    rows = LedgerRow.objects.filter(agreement__in=counted, state=LedgerRow.State.COVERED)
    for of, day, worked in rows.values_list("agreement_id", "day", "seconds"):
        if of is not None:
            seconds[of][period_of(by_id[of], day).key].append(worked)
    by_order = brought.orders_of(by_id, besides)
    return {
        pk: Standing(
            fees[pk],
            extras[pk],
            seconds[pk],
            (*advances[pk], *by_order[pk].advances),
            settled.get(pk),
            frozenset(by_order[pk].periods),
        )
        for pk in by_id
    }


def _lines(agreements: Collection[int], besides: Collection[Invoice]) -> list[Any]:
    """The live lines of agreements with their invoices, but for blocks and those on invoices of ``besides``; what bills
    periods first comes first.

    Of an advance: ``taken``: what settlements deducted of it, those of ``besides`` apart; ``in_question``: whether a
    person has to decide on a finding on its order. One query.
    """
    used = Deduction.objects.live().filter(advance=OuterRef("pk")).exclude(line__invoice__in=besides)
    findings = Drift.objects.standing().filter(
        dossier=OuterRef("invoice__dossier"), reference=OuterRef("invoice__reference"), kind__in=_IN_QUESTION
    )
    findings = findings.exclude(acknowledged_at__isnull=False, kind__in=_MAY_STAY)
    lines = InvoiceLine.objects.live().filter(agreement__in=agreements).exclude(kind=_Kind.BLOCK)
    lines = lines.exclude(invoice__in=besides).select_related("invoice").only(*_OF_LINE)
    is_advance = Q(kind=_Kind.ADVANCE)
    return list(
        lines.annotate(
            taken=Case(When(is_advance, then=Subquery(total_of(used, "advance"))), default=None),
            in_question=Case(When(is_advance & Exists(findings), then=True), default=False),
        ).order_by("period", "part")
    )


def _advance(row: Any) -> Advance:
    """Of a line of ``_lines``, with what is left of it."""
    invoice = row.invoice
    # What was worded after the product (title and period) stays with the advance's own line.
    text = row.description.split(" · ", 1)[0]
    return Advance(
        key=AdvanceKey(row.pk),
        due_on=row.period or invoice.period_from,
        left=row.total - (row.taken or Decimal(0)),
        product=Product(0, row.product_reference, text, row.unit_price, row.vat_rate),
        vat_rate=row.vat_rate,
        ventilation_code=row.ventilation_code,
        treatment=Treatment(row.treatment),
        number=str(invoice),
        dated=invoice.order_date or invoice.period_from,
        party_id=invoice.customer_party_id,
        vat_number=invoice.customer_vat,
        has_finding=row.in_question or invoice.replacing_since is not None,
    )


def periods_of(invoice: Invoice) -> frozenset[tuple[int, date]]:
    """What an invoice bills of agreements: (row id, key of the period), its released lines included."""
    lines = invoice.lines.filter(agreement__isnull=False, period__isnull=False).values_list("agreement_id", "period")
    return frozenset((of, period) for of, period in lines if period is not None)


def vat_apart(lines: Iterable[InvoiceLine]) -> Decimal:
    """By how many euro VAT on a settlement and on what it deducts, each by itself, is more than on one invoice for all;
    ``lines``: those of its invoice."""
    deduction = InvoiceLine.Kind.DEDUCTION
    settled = [line for line in lines if line.agreement_id and line.kind in (InvoiceLine.Kind.HOURS, deduction)]
    return vat_difference((line.kind == deduction, line.vat_rate, line.total) for line in settled)
