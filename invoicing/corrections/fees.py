"""Taking back what a sent invoice bills of agreements (design section 11): a credit note for lines, not for entries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext

from invoicing.corrections import credit_notes
from invoicing.corrections.decide import read_order
from invoicing.deciding import figures, rights
from invoicing.models import Deduction, Invoice, InvoiceLine
from invoicing.models.moves import BEGIN, STATUS
from invoicing.models.problems import words
from invoicing.posting import credited, read_first
from invoicing.posting.credited import Elsewhere
from invoicing.rules import planning
from invoicing.rules.billing import rating
from invoicing.rules.billing.differences import credited_texts
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.firms.read import Read, check

_TAKEN_BACK = [InvoiceLine.Kind.FEE, InvoiceLine.Kind.EXTRA, InvoiceLine.Kind.ADVANCE, InvoiceLine.Kind.BLOCK]


def credit_lines(
    *, invoice: Invoice, lines: Sequence[int], by: Actor, now: datetime, note: str = "", read: Read | None = None
) -> Invoice:
    """Draft a credit note for lines (row ids) of agreements on a sent invoice; it is approved and posted as an invoice
    is. A fee is taken back in full: when the note is posted, exactly its period is free, the next run bills it again
    while the agreement stands, and lists the hours that it covers on the new line. Of an advance is given back what no
    settlement deducted; it does not fall due once more.

    The order is read before. Raises ``NotPossible`` when the invoice is not sent, has a waiting credit note or an open
    finding, when a line is none of an agreement or was taken back already, or nothing is left of an advance; the
    client's ``ServiceError`` when Billit
    cannot be asked; ``NotAllowed``, ``Changed`` and ``Unread``.
    """
    elsewhere = read_order(invoice, by, read, now)
    return _credit(invoice=invoice, lines=lines, by=by, now=now, note=note, read=read, elsewhere=elsewhere)


@transaction.atomic
def _credit(
    *,
    invoice: Invoice,
    lines: Sequence[int],
    by: Actor,
    now: datetime,
    note: str,
    read: Read | None,
    elsewhere: Elsewhere,
) -> Invoice:
    lock_firm(invoice.firm)
    about = credit_notes.locked(invoice)
    rights.demand(by, "hold", about.dossier)
    check(read, lambda: [figures.of_invoice(about)], by=by)
    if why := credit_notes.why_not(about, about.credit_notes.waiting().first()):
        raise NotPossible(why)
    if (finding := read_first.hindrance(about)) is not None:
        raise NotPossible(words(finding))
    billed = list(about.lines.live().filter(pk__in=lines, kind__in=_TAKEN_BACK))
    if not lines or len(billed) != len(set(lines)):
        raise NotPossible(
            gettext(
                "Choose lines of agreements that invoice %(invoice)s bills and no credit note took back: hours are "
                "credited by their entries."
            )
            % {"invoice": about}
        )
    amounts = {line.pk: _amount(line) for line in billed}
    made = _note(about, billed, amounts, now)
    if (why_large := credited.too_large(made, elsewhere)) is not None:
        raise NotPossible(words(why_large))
    audit.record(firm=about.firm, news=[_news(made, about, billed, note)], by=by, now=now)
    return made


def _amount(line: InvoiceLine) -> Decimal:
    """What is taken back of a line. Raises ``NotPossible`` where nothing is left of an advance."""
    if line.kind != InvoiceLine.Kind.ADVANCE:
        return line.total
    left = line.total - sum((each.amount for each in line.deductions.live()), Decimal(0))
    if left <= 0:
        raise NotPossible(
            gettext("Nothing is left of the advance “%(advance)s”: it was deducted or given back already.")
            % {"advance": line.description}
        )
    return left


def _note(about: Invoice, billed: Sequence[InvoiceLine], amounts: Mapping[int, Decimal], now: datetime) -> Invoice:
    made = credit_notes.credit_note(about, False, now)
    language = planning.language_of(about.customer_language, about.firm.language)
    sums = rating.totals((line.vat_rate, amounts[line.pk]) for line in billed)
    made.total_excl, made.total_vat, made.total_incl = sums.excl, sums.vat, sums.incl
    made.period_from, made.period_till, made.title = about.period_from, about.period_till, about.title
    made.save()
    for position, line in enumerate(billed, start=1):
        description, extended = credited_texts(line.description, line.description_extended, str(about), language)
        is_advance = line.kind == InvoiceLine.Kind.ADVANCE
        row = InvoiceLine.objects.create(
            firm_id=made.firm_id,
            invoice=made,
            position=position,
            kind=line.kind,
            agreement_id=line.agreement_id,
            agreement_version=line.agreement_version,
            period=line.period,
            part=line.part,
            due_on=line.due_on,
            takes_back=line,
            product_reference=line.product_reference,
            description=description,
            description_extended=extended,
            quantity=line.quantity,
            unit_price=amounts[line.pk] if is_advance else line.unit_price,
            discount=line.discount,
            discount_per_cent=line.discount_per_cent,
            discount_reason=line.discount_reason,
            vat_rate=line.vat_rate,
            ventilation_code=line.ventilation_code,
            treatment=line.treatment,
            total=amounts[line.pk],
            seconds=0,
        )
        if is_advance:
            Deduction.objects.create(firm_id=made.firm_id, advance=line, line=row, amount=row.total)
    return made


def _news(made: Invoice, about: Invoice, billed: Sequence[InvoiceLine], note: str) -> News:
    return News(
        STATUS.event(BEGIN, Invoice.Status.DRAFT),
        f"invoice {made.reference}",
        {
            "kind": str(made.kind),
            "about": about.reference,
            "dossier": made.dossier.key,
            "customer": made.customer_name,
            "number": made.customer_vat,
            "rebill": made.rebill,
            "total_excl": str(made.total_excl),
            "total_incl": str(made.total_incl),
            "entries": [],
            "fees": [
                {"agreement": line.agreement.key, "kind": str(line.kind), "period": f"{line.period:%Y-%m-%d}"}
                for line in billed
                if line.agreement is not None
            ],
            "note": note,
        },
    )
