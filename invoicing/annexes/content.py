"""What the annex of an invoice says: read from its lines and claims, which are copies of what is billed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Exists, F, OuterRef, Prefetch, Q

from invoicing.ledger.agreements import blocks
from invoicing.ledger.agreements.agreements import vat_apart
from invoicing.ledger.facts.books import rounding_of
from invoicing.models import Agreement, Claim, Invoice, InvoiceLine, LedgerRow
from invoicing.models.invoices.claims import on_live_line
from invoicing.rules import planning
from invoicing.rules.annexes.content import NOTHING, Annex, AnnexEntry, AnnexLine, EarlierFee, plain, rounded
from invoicing.rules.billing.rating import Rounding


def contents(invoices: Iterable[int]) -> dict[int, Annex]:
    """The annexes of invoices (row ids), by row id. Reads only."""
    claims = Claim.objects.order_by("started_at", "pk").select_related("takes_back")
    lines = InvoiceLine.objects.order_by("position").prefetch_related(Prefetch("claims", claims))
    ids = list(invoices)
    rows = Invoice.objects.filter(pk__in=ids).select_related("firm", "dossier", "about")
    found = list(rows.prefetch_related(Prefetch("lines", lines)))
    agreed = Agreement.objects.filter(kind=Agreement.Kind.PREPAID, dossier__in={row.dossier_id for row in found})
    prepaid = set(agreed.values_list("dossier", flat=True))
    earlier = of_earlier_fees(ids)
    return {row.pk: _content(row, earlier.get(row.pk, ()), has_blocks=row.dossier_id in prepaid) for row in found}


def of_earlier_fees(invoices: Collection[int]) -> dict[int, list[Claim]]:
    """By invoice (row id): the hours that fees on earlier invoices cover and that its annex lists.

    A fee in advance is billed before its hours are worked, and late hours come after any. They are listed on the next
    invoice with a line of their agreement, or, once that is over, on the next one of whatever to the customer of their
    fee in the dossier: what it lists already, and what no annex lists yet. Reads what is not listed alone, however many
    periods were billed.
    """
    kinds = [InvoiceLine.Kind.FEE, InvoiceLine.Kind.EXTRA]
    lines = InvoiceLine.objects.live().filter(invoice__in=invoices, kind__in=kinds, takes_back__isnull=True)
    of_agreement = dict[int | None, int]()
    for agreement, invoice in lines.order_by("invoice").values_list("agreement_id", "invoice_id"):
        of_agreement.setdefault(agreement, invoice)
    after = _after_an_end(invoices)
    if not of_agreement and not after:
        return {}
    # What another invoice is still to list itself is left to it.
    is_past = on_live_line() | Q(line__invoice__annex__isnull=False)
    still = Q(entry__ledger_row__state=LedgerRow.State.COVERED)
    of_theirs = Q(line__agreement__in=of_agreement)
    for dossier, buyer in after:
        latest = max(day for day, _invoice in after[dossier, buyer])
        of_buyer = Q(line__invoice__dossier=dossier, line__invoice__buyer_key=buyer)
        of_theirs |= of_buyer & Q(line__agreement__end_date__lt=latest)
    new = Q(is_past, still, of_theirs, listed_on__isnull=True)
    listed = Q(listed_on__in=invoices) & ~Q(line__invoice=F("listed_on"))
    found = defaultdict[int, list[Claim]](list)
    claims = Claim.objects.live().covered().filter(new | listed).select_related("line__invoice", "line__agreement")
    for claim in claims.order_by("line__period", "line", "started_at", "pk"):
        goes_to = claim.listed_on_id or of_agreement.get(claim.line.agreement_id) or _first_after(claim, after)
        if goes_to is not None and goes_to != claim.line.invoice_id:
            found[goes_to].append(claim)
    return dict(found)


_After = dict[tuple[int, str], list[tuple[date, int]]]
"""By dossier (row id) and customer: the local days on which invoices were drafted, with their row ids, which come in
their order."""


def _after_an_end(invoices: Collection[int]) -> _After:
    """Those of these invoices that list the last hours of an agreement which is over: of dossiers that have one."""
    rows = Invoice.objects.filter(pk__in=invoices, kind=Invoice.Kind.INVOICE).exclude(buyer_key="")
    over = Agreement.objects.filter(dossier=OuterRef("dossier"), kind=Agreement.Kind.FIXED, end_date__isnull=False)
    found: _After = defaultdict(list)
    for row in rows.filter(Exists(over)).select_related("firm").order_by("pk"):
        found[row.dossier_id, row.buyer_key].append((row.drafted_at.astimezone(row.firm.zone).date(), row.pk))
    return found


def _first_after(claim: Claim, after: _After) -> int | None:
    invoice, agreement = claim.line.invoice, claim.line.agreement
    if agreement is None or agreement.end_date is None:
        return None
    end, mine = agreement.end_date, after.get((invoice.dossier_id, invoice.buyer_key), [])
    return next((pk for day, pk in mine if end < day), None)


def _content(invoice: Invoice, earlier: Sequence[Claim], *, has_blocks: bool) -> Annex:
    rounding = Rounding(**invoice.rounding) if invoice.rounding else rounding_of(invoice.dossier)
    return Annex(
        language=planning.language_of(invoice.customer_language, invoice.firm.language),
        firm=plain(invoice.firm.name),
        customer=plain(invoice.customer_name),
        customer_number=plain(invoice.customer_vat),
        reference=invoice.reference,
        title=plain(invoice.title),
        purchase_order=plain(invoice.purchase_order),
        about="" if invoice.about is None else str(invoice.about),
        period_from=invoice.period_from,
        period_till=invoice.period_till,
        rounding=rounding,
        lines=tuple(_line(line, rounding) for line in invoice.lines.all()),
        left=_left(invoice) if has_blocks else (),
        vat_apart=vat_apart(invoice.lines.all()),
        earlier=tuple(_earlier(line, claims, rounding) for line, claims in _by_line(earlier).items()),
    )


def _by_line(claims: Iterable[Claim]) -> dict[InvoiceLine, list[Claim]]:
    found = defaultdict[InvoiceLine, list[Claim]](list)
    for claim in claims:
        found[claim.line].append(claim)
    return dict(found)


def _earlier(line: InvoiceLine, claims: Sequence[Claim], rounding: Rounding) -> EarlierFee:
    return EarlierFee(
        description=plain(line.description + line.description_extended),
        invoice=plain(str(line.invoice)),
        seconds=sum(claim.seconds for claim in claims),
        entries=tuple(_entry(claim, rounding) for claim in claims),
    )


def _left(invoice: Invoice) -> tuple[tuple[str, Decimal], ...]:
    """What the customer has left of prepaid hours: as its order says it, once it is approved."""
    kept = invoice.prepaid_left
    pairs = blocks.left_of_customer(invoice) if kept is None else kept
    return tuple((plain(title), Decimal(hours)) for title, hours in pairs)


def _line(line: InvoiceLine, rounding: Rounding) -> AnnexLine:
    if line.kind in (InvoiceLine.Kind.FEE, InvoiceLine.Kind.ADVANCE, InvoiceLine.Kind.DEDUCTION):
        # The hours that a fee covers are listed, and none of them is billed as such.
        claims = [claim for claim in line.claims.all() if claim.listed_on_id in (None, line.invoice_id)]
        return AnnexLine(
            position=line.position,
            description=plain(line.description + line.description_extended),
            quantity=NOTHING,
            seconds=sum(claim.seconds for claim in claims),
            entries=tuple(_entry(claim, rounding) for claim in claims),
            **_discount(line),
        )
    return AnnexLine(
        position=line.position,
        description=plain(line.description + line.description_extended),
        quantity=line.quantity.copy_sign(line.seconds),
        seconds=line.seconds,
        entries=tuple(_entry(claim, rounding) for claim in line.claims.all()),
        **_discount(line),
    )


def _discount(line: InvoiceLine) -> dict[str, Any]:
    if not line.discount:
        return {}
    return {"value": line.value, "amount": line.total, "reason": plain(line.discount_reason)}


def _entry(claim: Claim, rounding: Rounding) -> AnnexEntry:
    billed = claim if claim.takes_back is None else claim.takes_back
    # What a difference comes to is reckoned over its whole line (design section 6), so it has no rounding of its own.
    is_whole = billed.kind in (Claim.Kind.ENTRY, Claim.Kind.COVERED)
    return AnnexEntry(
        day=claim.day,
        person=plain(claim.person_name),
        text=plain(claim.description),
        seconds=claim.seconds,
        rounded=rounded(claim.seconds, rounding) if is_whole else None,
    )
