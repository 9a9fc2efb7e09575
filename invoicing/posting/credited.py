"""The orders that an invoice rests on (D13): that which a credit note is about, and those of the advances that it
deducts or gives back. They are read before it is posted, and what a credit note is about has to have enough left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from integrations.clients import billit
from integrations.clients.failures import Message
from integrations.clients.transport import ServiceError
from invoicing.models import Claim, Deduction, Invoice, InvoiceLine
from invoicing.models.invoices import NO_POST_ASKED
from invoicing.models.problems import Code, columns, words
from invoicing.posting import brought
from invoicing.posting.read_first import facts_of, hindrance, hindrances, read, take_over
from toggbill.firms.errors import NotPossible

_CENT = Decimal("0.01")


def too_large(note: Invoice) -> Message | None:
    """Why a credit note with its lines is more than Billit's order of its invoice has left, None when it is not.

    Left is what Billit has of the order less the other credit notes about it. A cent for each line is let pass: parts
    of a line that are rounded one by one may come to more than the line.
    """
    about = note.about
    if about is None:
        return None
    others = list(about.credit_notes.standing().exclude(pk=note.pk))
    left = about.excl - sum((other.excl - _of_later_invoices(other) for other in others), Decimal(0))
    lines = InvoiceLine.objects.filter(invoice__in=[*others, note]).count()
    own = note.total_excl - _of_later_invoices(note)
    if own <= left + _CENT * lines:
        return None
    amounts = {"excl": f"{own:.2f}", "left": f"{max(left, Decimal(0)):.2f}"}
    return Message(Code.CREDIT_TOO_LARGE, facts_of(about) | amounts)


def _of_later_invoices(note: Invoice) -> Decimal:
    """What a credit note takes back of differences that later invoices billed: their orders have that."""
    taken_back = Claim.objects.of_credits().filter(line__invoice=note).values("takes_back")
    later = InvoiceLine.objects.filter(claims__in=Claim.objects.of_differences().filter(pk__in=taken_back))
    return sum((line.total for line in later.exclude(invoice=note.about).distinct()), Decimal(0))


def held_back(note: Invoice) -> Message | None:
    """Why an invoice is not posted, as far as the rows tell: a finding on what it rests on, or less is left of what a
    credit note is about.

    That is read anew: another worker may have taken over other amounts meanwhile.
    """
    found = [*hindrances(_advances_of(note)).values()]
    if (in_question := brought.hindrance(note)) is not None:
        found.append(in_question)
    if found or note.about_id is None:
        return next(iter(found), None)
    note.about = Invoice.objects.get(pk=note.about_id)
    return hindrance(note.about) or too_large(note)


def resting(invoices: Sequence[Invoice]) -> set[int]:
    """Those of some invoices (row ids) that rest on other orders: the only ones that ``held_back`` says anything of."""
    deducting = Deduction.objects.live().filter(line__invoice__in=invoices)
    return {*deducting.values_list("line__invoice", flat=True), *(row.pk for row in invoices if row.about_id)}


def _advances_of(invoice: Invoice) -> list[Invoice]:
    """The invoices of the advances that it deducts."""
    deducted = Invoice.objects.filter(lines__deductions__line__invoice=invoice, lines__deductions__released_at=None)
    return list(deducted.select_related("firm", "dossier", "company").distinct().order_by("pk"))


def read_credited(*, rows: Sequence[Invoice], api: billit.Api, now: datetime) -> dict[int, ServiceError | NotPossible]:
    """Read the orders that approved invoices rest on; returns by row id why some wait.

    What a person has to decide stands as attention on the invoice.
    """
    resting_on = resting(rows)
    notes = [row for row in rows if row.pk in resting_on]
    if not notes:
        return {}
    about = {note.about.pk: note.about for note in notes if note.about is not None}
    about |= {each.pk: each for note in notes for each in _advances_of(note)}
    by_order = {each.pk: each for note in notes for each in brought.of_invoice(note)}
    try:
        seen = read(invoices=list(about.values()), api=api)
        looked = brought.read(rows=list(by_order.values()), api=api)
    except ServiceError as error:
        return dict.fromkeys((note.pk for note in notes), error)
    take_over(seen=seen, now=now)
    brought.take_over(seen=looked, now=now)
    errors: dict[int, ServiceError | NotPossible] = {}
    for note in notes:
        if (why := held_back(note)) is not None:
            waiting = Invoice.objects.filter(pk=note.pk, status=Invoice.Status.APPROVED)
            waiting.update(**columns("attention", why), **NO_POST_ASKED)
            errors[note.pk] = NotPossible(words(why))
    return errors
