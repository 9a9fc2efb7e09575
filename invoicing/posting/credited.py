"""The orders that an invoice rests on (D13): those of the advances that it deducts and of the hours that it takes off,
that which a credit note is about, and those of the differences that it takes back. They are read before it is posted,
and what a credit note takes back their orders have to have left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from integrations.clients import billit
from integrations.clients.billit_rows import STATE
from integrations.clients.http.failures import Message
from integrations.clients.http.transport import ServiceError
from invoicing.models import Claim, Deduction, Invoice, InvoiceLine
from invoicing.models.invoices.claims import ClaimQuerySet
from invoicing.models.invoices.invoice import NO_POST_ASKED
from invoicing.models.problems import Code, columns, words
from invoicing.posting import brought
from invoicing.posting.read_first import Seen, facts_of, hindrance, hindrances, read, take_over
from toggbill.firms.errors import NotPossible

_CENT = Decimal("0.01")

Elsewhere = Mapping[int, Decimal]
"""By invoice (row id): what credit notes that toggbill did not make take back of its order, in euro without VAT."""

NOTHING: Elsewhere = MappingProxyType({})


def too_large(note: Invoice, elsewhere: Elsewhere = NOTHING) -> Message | None:
    """Why a credit note with its lines is more than Billit's orders have left, None when it is not.

    Its invoice has to have left what it takes back of that, and each later invoice what it takes back of differences
    there. A cent for each line is let pass: parts of a line that are rounded one by one may come to more than the line.
    ``elsewhere``: as ``credited_elsewhere`` gives it.
    """
    if note.about is None:
        return None
    later = list(_later_lines(note))
    shares = {note.about: note.total_excl - sum((line.total for line in later), Decimal(0))}
    for line in later:
        shares[line.invoice] = shares.get(line.invoice, Decimal(0)) + line.total
    return next(
        (why for invoice, own in shares.items() if (why := _more_than_left(note, invoice, own, elsewhere))), None
    )


def _more_than_left(note: Invoice, invoice: Invoice, own: Decimal, elsewhere: Elsewhere) -> Message | None:
    """Left is what Billit has of the order less what the other credit notes take back of it: of what it bills itself,
    and of differences that it billed for an earlier one."""
    others = list(invoice.credit_notes.standing().exclude(pk=note.pk))
    taken = [other.excl - sum((line.total for line in _later_lines(other)), Decimal(0)) for other in others]
    differing = Claim.objects.of_credits().filter(takes_back__in=Claim.objects.of_differences())
    differing = differing.exclude(line__invoice__status=Invoice.Status.VOID).exclude(line__invoice__about=invoice)
    taken_back = differing.exclude(line__invoice=note).values("takes_back")
    taken += [line.total for line in invoice.lines.filter(claims__in=taken_back).distinct()]
    left = invoice.excl - sum(taken, elsewhere.get(invoice.pk, Decimal(0)))
    lines = InvoiceLine.objects.filter(invoice__in=[*others, note]).count()
    if own <= max(left + _CENT * lines, Decimal(0)):
        return None
    amounts = {"excl": f"{own:.2f}", "left": f"{max(left, Decimal(0)):.2f}"}
    return Message(Code.CREDIT_TOO_LARGE, facts_of(invoice) | amounts)


def _later_lines(note: Invoice) -> Iterator[InvoiceLine]:
    """The lines on which later invoices bill the differences that a credit note takes back: their orders have that."""
    taken_back = Claim.objects.of_credits().filter(line__invoice=note).values("takes_back")
    later = InvoiceLine.objects.filter(pk__in=Claim.objects.of_differences().filter(pk__in=taken_back).values("line"))
    yield from later.exclude(invoice=note.about).select_related("invoice")


def held_back(note: Invoice, elsewhere: Elsewhere = NOTHING) -> Message | None:
    """Why an invoice is not posted, as far as the rows tell: a finding on what it rests on, or less is left of what a
    credit note is about. ``elsewhere``: as for ``too_large``.

    That is read anew: another worker may have taken over other amounts meanwhile.
    """
    found = [*hindrances(_others_of(note)).values()]
    if (in_question := brought.hindrance(note)) is not None:
        found.append(in_question)
    if found or note.about_id is None:
        return next(iter(found), None)
    note.about = Invoice.objects.get(pk=note.about_id)
    return hindrance(note.about) or too_large(note, elsewhere)


def resting(invoices: Sequence[Invoice]) -> set[int]:
    """Those of some invoices (row ids) that rest on other orders: the only ones that ``held_back`` says anything of."""
    deducting = Deduction.objects.live().filter(line__invoice__in=invoices).values_list("line__invoice", flat=True)
    taking_off = _taken_off().filter(line__invoice__in=invoices).values_list("line__invoice", flat=True)
    return {*deducting, *taking_off, *(row.pk for row in invoices if row.about_id)}


def _taken_off() -> ClaimQuerySet:
    """Differences that take hours of an earlier invoice off."""
    return Claim.objects.live().of_differences().filter(seconds__lt=0)


def _others_of(invoice: Invoice) -> list[Invoice]:
    """The invoices that it rests on besides the one that a credit note is about: whose advances it deducts, whose hours
    it takes off, and which bill the differences that a credit note takes back."""
    deducted = Deduction.objects.live().filter(line__invoice=invoice, advance__isnull=False).values("advance__invoice")
    taken_off = _taken_off().filter(line__invoice=invoice).values("correction__invoice")
    taken_back = Claim.objects.of_credits().filter(line__invoice=invoice, takes_back__in=Claim.objects.of_differences())
    found = deducted.union(taken_off, taken_back.values("takes_back__line__invoice"))
    rows = Invoice.objects.filter(pk__in=found)
    return list(rows.select_related("firm", "dossier", "company").order_by("pk"))


def read_credited(*, rows: Sequence[Invoice], api: billit.Api, now: datetime) -> dict[int, ServiceError | NotPossible]:
    """Read the orders that approved invoices rest on; returns by row id why some wait.

    What a person has to decide stands as attention on the invoice.
    """
    resting_on = resting(rows)
    notes = [row for row in rows if row.pk in resting_on]
    if not notes:
        return {}
    about = {note.about.pk: note.about for note in notes if note.about is not None}
    about |= {each.pk: each for note in notes for each in _others_of(note)}
    by_order = {each.pk: each for note in notes for each in brought.of_invoice(note)}
    try:
        seen = read(invoices=list(about.values()), api=api)
        looked = brought.read(rows=list(by_order.values()), api=api)
        elsewhere = credited_elsewhere(seen, api)
    except ServiceError as error:
        return dict.fromkeys((note.pk for note in notes), error)
    take_over(seen=seen, now=now)
    brought.take_over(seen=looked, now=now)
    errors: dict[int, ServiceError | NotPossible] = {}
    for note in notes:
        if (why := held_back(note, elsewhere)) is not None:
            waiting = Invoice.objects.filter(pk=note.pk, status=Invoice.Status.APPROVED)
            waiting.update(**columns("attention", why), **NO_POST_ASKED)
            errors[note.pk] = NotPossible(words(why))
    return errors


def credited_elsewhere(seen: Sequence[tuple[Invoice, Seen]], api: billit.Api) -> dict[int, Decimal]:
    """What credit notes that were made in Billit take back of orders, as these were read (``Elsewhere``).

    Billit says of an order only that it is credited; which credit notes name it stands on these. Raises
    ``ServiceError``.
    """
    found: dict[int, Decimal] = {}
    for invoice, state in seen:
        order = state.order
        if order is None or not order.is_credited or order.customer_id is None or invoice.order_date is None:
            continue
        listed = api.orders_to(order.customer_id, "CreditNote", since=invoice.order_date)
        notes = [api.order(note.id) if note.lacks & STATE or not note.about_number else note for note in listed]
        about = [note for note in notes if note.about_number == order.number]
        ours = Invoice.objects.filter(company=invoice.company_id, kind=Invoice.Kind.CREDIT_NOTE)
        own = {*ours.values_list("order_id", flat=True), *ours.values_list("reference", flat=True)}
        theirs = [note for note in about if note.id not in own and note.external_id not in own]
        found[invoice.pk] = sum((note.total_excl for note in theirs), Decimal(0))
    return found
