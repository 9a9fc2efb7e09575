"""The order that an invoice becomes at Billit (design R10), and its customer (R3): known, found, or carried along."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NoReturn

from django.conf import settings
from django.utils.translation import gettext

from integrations.clients import billit
from integrations.clients.http.failures import Message
from integrations.clients.http.transport import Refused, ServiceError
from invoicing.ledger.facts.books import known_customers, refusal
from invoicing.ledger.facts.customers import KnownCustomer
from invoicing.models import CustomerPin, Invoice, InvoiceLine
from invoicing.models.invoices.invoice import NO_POST_ASKED
from invoicing.models.problems import Code, columns, words
from invoicing.rules.annexes.content import plain
from invoicing.rules.annexes.words import WORDS, number
from invoicing.rules.billing.lines import language_of
from invoicing.rules.judging import mapping, vat_numbers
from toggbill.firms.errors import NotPossible

_PIECES = (InvoiceLine.Kind.FEE, InvoiceLine.Kind.ADVANCE, InvoiceLine.Kind.DEDUCTION)


def orders_of(
    invoices: Sequence[Invoice], files: Mapping[int, tuple[billit.File, ...]], api: billit.Api, now: datetime
) -> tuple[list[tuple[Invoice, billit.Order]], dict[int, ServiceError | NotPossible]]:
    """The orders to post with their ``files`` (by row id), and by row id why some cannot be asked for: when Billit is
    unwell, neither are the rest."""
    orders: list[tuple[Invoice, billit.Order]] = []
    errors: dict[int, ServiceError | NotPossible] = {}
    if not invoices:
        return [], {}
    known = known_customers(invoices[0].company, (invoice.customer_party_id for invoice in invoices))
    for place, invoice in enumerate(invoices):
        try:
            orders.append((invoice, order_of(invoice, api, now, known, files.get(invoice.pk, ()))))
        except NotPossible as error:
            errors[invoice.pk] = error
        except ServiceError as error:
            errors |= dict.fromkeys((unasked.pk for unasked in invoices[place:]), error)
            break
    return orders, errors


def order_of(
    invoice: Invoice,
    api: billit.Api,
    now: datetime,
    known: Mapping[int, KnownCustomer],
    files: tuple[billit.File, ...] = (),
) -> billit.Order:
    """The order to post, dated on the firm's local day of ``now``. Looks the customer up when it is not known yet.

    Raises ``NotPossible`` when a person must decide first, and the client's ``ServiceError``.
    """
    party_id = invoice.customer_party_id = invoice.customer_party_id or _find_customer(invoice, api, now)
    lines = sorted(invoice.lines.all(), key=lambda line: line.position)
    if party_id is not None and party_id not in known:
        known = known_customers(invoice.company, [party_id])
    if (refused := refusal(invoice, lines, known)) is not None:
        hold_back(invoice, refused)
    is_credit = invoice.kind == Invoice.Kind.CREDIT_NOTE
    day = now.astimezone(invoice.firm.zone).date()
    return billit.Order(
        external_id=invoice.reference,
        order_date=day,
        expiry_date=day + timedelta(days=invoice.dossier.payment_days),
        customer_id=party_id,
        customer=None if party_id is not None else _new_customer(invoice, api),
        reference=invoice.purchase_order,
        title=invoice.title,
        period_from=invoice.period_from,
        period_till=invoice.period_till,
        lines=tuple(
            billit.OrderLine(
                quantity=-line.quantity if _is_turned(line) else line.quantity,
                unit_price=-line.unit_price if _is_turned(line) else line.unit_price,
                description=line.description,
                description_extended=line.description_extended,
                reference=line.product_reference,
                vat_rate=line.vat_rate,
                ventilation_code=line.ventilation_code if line.vat_rate == 0 else None,
                unit="C62" if line.kind in _PIECES else "HUR",
                discount=_discount(invoice, line),
            )
            for line in lines
        ),
        order_type="CreditNote" if is_credit else "Invoice",
        about_number=_number_of(invoice.about, api) if is_credit and invoice.about else "",
        files=files,
        comments=_left(invoice),
    )


def _left(invoice: Invoice) -> str:
    """What the customer has left of prepaid hours (section 11), as it was at the approval; "" for none."""
    if invoice.kind == Invoice.Kind.CREDIT_NOTE:
        return ""
    language = language_of(invoice.customer_language, invoice.firm.language)
    words = WORDS[language]
    said = (
        f"{words.left.format(title=plain(title))}: {number(Decimal(hours), language)} {words.unit}"
        for title, hours in invoice.prepaid_left or ()
    )
    return " · ".join(said)


def _discount(invoice: Invoice, line: InvoiceLine) -> billit.LineDiscount | None:
    """What is taken off a line; its link is the same whenever the order is made anew, so that the body is, too."""
    if not line.discount:
        return None
    link = uuid.uuid5(uuid.NAMESPACE_OID, f"{invoice.reference}/{line.position}")
    return billit.LineDiscount(amount=line.discount, reason=line.discount_reason, link=str(link))


def _is_turned(line: InvoiceLine) -> bool:
    """Whether a line takes hours off, and Billit wants that as a negative price (docs/einvoice.md)."""
    return bool(line.quantity < 0) and settings.BILLIT_NEGATIVE_LINES == "price"


def hold_back(invoice: Invoice, why: Message) -> NoReturn:
    """It stays as it is, with what a person has to do. Raises ``NotPossible``."""
    waiting = Invoice.objects.filter(pk=invoice.pk, status=Invoice.Status.APPROVED)
    waiting.update(**columns("attention", why), **NO_POST_ASKED)
    raise NotPossible(words(why))


def _number_of(invoice: Invoice, api: billit.Api) -> str:
    """The number that Billit gave to a posted invoice; read back now if that was not done yet."""
    if not invoice.order_number and invoice.order_id is not None:
        invoice.order_number = api.order(invoice.order_id).number[:100]
        Invoice.objects.filter(pk=invoice.pk).update(order_number=invoice.order_number)
    if not invoice.order_number:
        raise NotPossible(
            gettext(
                "Billit has not numbered order %(order)s of invoice %(invoice)s yet, so a credit note cannot name it. "
                "Number it in Billit, then post the credit note again."
            )
            % {"order": invoice.order_id, "invoice": invoice}
        )
    return invoice.order_number


def _find_customer(invoice: Invoice, api: billit.Api, now: datetime) -> int | None:
    """R3: the party behind the number, pinned already or looked up at Billit once; None when Billit has none."""
    pin = CustomerPin.objects.filter(company=invoice.company, number=invoice.customer_vat).first()
    if pin is None:
        found = {
            customer.party_id
            for customer in api.find_customers(invoice.customer_vat)
            if mapping.customer_number(customer.vat_number) == invoice.customer_vat
        }
        if len(found) > 1:
            facts = {"n": len(found), "number": invoice.customer_vat, "ids": sorted(found)}
            hold_back(invoice, Message(Code.SEVERAL_CUSTOMERS, facts))
        if not found:
            return None
        pin = pin_customer(invoice, found.pop(), now)
    Invoice.objects.filter(pk=invoice.pk).update(customer_party_id=pin.party_id)
    return pin.party_id


def pin_customer(invoice: Invoice, party_id: int, now: datetime) -> CustomerPin:
    """Keep the party that an invoice's number leads to (R3); one that is pinned already stays."""
    pin, _ = CustomerPin.objects.get_or_create(
        company=invoice.company,
        number=invoice.customer_vat,
        defaults={"firm_id": invoice.firm_id, "party_id": party_id, "pinned_at": now},
    )
    return pin


def _new_customer(invoice: Invoice, api: billit.Api) -> billit.NewCustomer:
    number = invoice.customer_vat
    try:
        found = api.search_companies(number.removeprefix("BE"))
    except Refused:
        found = []
    match = next((row for row in found if number in (mapping.customer_number(row.number), row.number)), None)
    language = (invoice.customer_language or invoice.firm.language).upper()
    country = vat_numbers.country_of(number)
    if match is None:
        address = billit.Address(country=country)
        return billit.NewCustomer(name=invoice.customer_name, vat_number=number, language=language, address=address)
    address = billit.Address(
        street=_said(match.street),
        street_number=_said(match.street_number),
        box=_said(match.box),
        zipcode=_said(match.zipcode),
        city=_said(match.city),
        country=vat_numbers.country_code(match.country) or country,
    )
    name = _said(match.name) or invoice.customer_name
    return billit.NewCustomer(name=name, vat_number=number, language=language, address=address)


def _said(text: str) -> str:
    """What a register says; "" for dashes, which stand there for nothing (VIES)."""
    return text if any(map(str.isalnum, text)) else ""
