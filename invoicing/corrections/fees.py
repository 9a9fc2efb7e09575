"""Taking back what a sent invoice bills of agreements (design section 11): a credit note for lines, not for entries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from invoicing.corrections import credit_notes
from invoicing.corrections.decide import read_order
from invoicing.deciding import figures, rights
from invoicing.deciding.read import Read, check
from invoicing.models import Invoice, InvoiceLine
from invoicing.models.moves import BEGIN, STATUS
from invoicing.models.problems import words
from invoicing.posting import credited, read_first
from invoicing.rules import planning, rating
from invoicing.rules.differences import credited_texts
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm


def credit_lines(
    *, invoice: Invoice, lines: Sequence[int], by: Actor, now: datetime, note: str = "", read: Read | None = None
) -> Invoice:
    """Draft a credit note for lines (row ids) of agreements on a sent invoice, each in full; it is approved and posted
    as an invoice is. When it is posted, exactly their periods are free: the next run bills them again while the
    agreement stands, and lists the hours that they cover on the new line.

    The order is read before. Raises ``NotPossible`` when the invoice is not sent, has a waiting credit note or an open
    finding, when a line is none of an agreement or was taken back already; the client's ``ServiceError`` when Billit
    cannot be asked; ``NotAllowed``, ``Changed`` and ``Unread``.
    """
    read_order(invoice, by, read, now)
    return _credit(invoice=invoice, lines=lines, by=by, now=now, note=note, read=read)


@transaction.atomic
def _credit(
    *, invoice: Invoice, lines: Sequence[int], by: Actor, now: datetime, note: str, read: Read | None
) -> Invoice:
    lock_firm(invoice.firm)
    about = credit_notes.locked(invoice)
    rights.demand(by, "hold", about.dossier)
    check(read, lambda: [figures.of_invoice(about)], by=by)
    if why := credit_notes.why_not(about, about.credit_notes.waiting().first()):
        raise NotPossible(why)
    if (finding := read_first.hindrance(about)) is not None:
        raise NotPossible(words(finding))
    billed = list(about.lines.live().filter(pk__in=lines, agreement__isnull=False))
    if not lines or len(billed) != len(set(lines)):
        raise NotPossible(
            gettext(
                "Choose lines of agreements that invoice %(invoice)s bills and no credit note took back: hours are "
                "credited by their entries."
            )
            % {"invoice": about}
        )
    made = _note(about, billed, now)
    if (why_large := credited.too_large(made)) is not None:
        raise NotPossible(words(why_large))
    audit.record(firm=about.firm, news=[_news(made, about, billed, note)], by=by, now=now)
    return made


def _note(about: Invoice, billed: Sequence[InvoiceLine], now: datetime) -> Invoice:
    made = credit_notes.credit_note(about, False, now)
    language = planning.language_of(about.customer_language, about.firm.language)
    sums = rating.totals((line.vat_rate, line.total) for line in billed)
    made.total_excl, made.total_vat, made.total_incl = sums.excl, sums.vat, sums.incl
    made.period_from, made.period_till, made.title = about.period_from, about.period_till, about.title
    made.save()
    for position, line in enumerate(billed, start=1):
        description, extended = credited_texts(line.description, line.description_extended, str(about), language)
        InvoiceLine.objects.create(
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
            unit_price=line.unit_price,
            discount=line.discount,
            discount_per_cent=line.discount_per_cent,
            discount_reason=line.discount_reason,
            vat_rate=line.vat_rate,
            ventilation_code=line.ventilation_code,
            treatment=line.treatment,
            total=line.total,
            seconds=0,
        )
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
