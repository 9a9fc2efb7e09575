"""The way to the receiver (R11): Peppol by enterprise number, then by VAT number; else e-mail; else a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NoReturn

from django.db.models import Q

from integrations.clients import billit
from integrations.clients.http.failures import Message
from integrations.connections.opening import open_billit
from integrations.models import Company, Customer
from integrations.models.connections import served_through
from invoicing.models import Invoice
from invoicing.models.invoices.invoice import NO_SEND_ASKED, InvoiceQuerySet
from invoicing.models.problems import Code, Detail, columns, words
from toggbill.firms.errors import NotPossible

ENTERPRISE, VAT = "0208", "9925"
"""Schemes of Belgian receivers: the enterprise number, which each must register, and the VAT number (billit.md 5.3)."""
DOCUMENT_TYPES = {Invoice.Kind.INVOICE: "BISv3Invoice", Invoice.Kind.CREDIT_NOTE: "BISv3CreditNote"}
Transport = Literal["Peppol", "SMTP"]
NO_WAY: dict[str, Any] = {"way": Invoice.Way.NONE, "way_to": ""}
HOLDS = timedelta(days=7)
ASKED_FOR = timedelta(days=30)
"""After the posting: who has sent it by then in another way is not asked for again and again."""
AT_ONCE = 60
"""Invoices whose way is asked for in one turn."""


@dataclass(frozen=True, slots=True)
class Way:
    """How an invoice reaches its customer. ``to``: `0208:0563846944`, or an address of e-mail."""

    kind: Invoice.Way
    to: str

    @property
    def transport(self) -> Transport:
        """What Billit calls it, always said, and never another (StrictTransportType)."""
        return "Peppol" if self.kind == Invoice.Way.PEPPOL else "SMTP"

    def columns(self, asked_at: datetime | None) -> dict[str, Any]:
        """Where an invoice keeps it."""
        return {"way": self.kind, "way_to": self.to[:320], "way_asked_at": asked_at}


def find(invoice: Invoice, api: billit.Api) -> Way | None:
    """The way that is open now; None when there is none. Raises the client's ``ServiceError``.

    Peppol where the receiver is registered for this type of document, by either number: who takes invoices there may
    not take credit notes. E-mail, which is no legal invoice between Belgian firms, only where the dossier allows it.
    """
    document = DOCUMENT_TYPES[Invoice.Kind(invoice.kind)]
    for identifier in identifiers(invoice.customer_vat):
        participant = api.participant(identifier)
        if participant.registered and document in participant.document_types:
            return Way(Invoice.Way.PEPPOL, identifier)
    customer = Customer.objects.filter(company=invoice.company, party_id=invoice.customer_party_id or 0).first()
    if invoice.dossier.email_allowed and customer is not None and customer.email:
        return Way(Invoice.Way.EMAIL, customer.email)
    return None


def identifiers(number: str) -> list[str]:
    """Under what a receiver is asked for, in this order; abroad the VAT number, of which Billit knows the scheme."""
    if not number:
        return []
    if number.startswith("BE"):
        return [f"{ENTERPRISE}:{number.removeprefix('BE')}", f"{VAT}:{number}"]
    return [number]


def unasked(*, now: datetime) -> list[int]:
    """The companies (row ids) with invoices of which the way is not known, and nobody has asked to send them yet."""
    return sorted(set(_to_ask(now).values_list("company", flat=True)))


def ask(*, company: Company, now: datetime) -> int:
    """Ask for the way of the company's unsent invoices, so that who sends them reads it first; returns of how many.

    Each receiver is asked once. An answer holds for a week; at the sending it is asked anew. Raises the client's
    ``ServiceError``.
    """
    rows = list(_to_ask(now).filter(company=company).select_related("dossier").order_by("pk")[:AT_ONCE])
    if not rows:
        return 0
    known: dict[tuple[object, ...], Way | None] = {}
    with open_billit(company) as api:
        for row in rows:
            receiver = (row.customer_vat, row.kind, row.customer_party_id, row.dossier.email_allowed)
            if receiver not in known:
                known[receiver] = find(row, api)
            found = known[receiver]
            columns = NO_WAY | {"way_asked_at": now} if found is None else found.columns(now)
            # What somebody wants sent by now keeps the way that was read.
            Invoice.objects.unsent().filter(pk=row.pk, send_requested_at__isnull=True).update(**columns)
    return len(rows)


def _to_ask(now: datetime) -> InvoiceQuerySet:
    stale = Q(way_asked_at__isnull=True) | Q(way_asked_at__lt=now - HOLDS)
    rows = Invoice.objects.unsent().filter(delivery=Invoice.Delivery.NOT_SENT, posted_at__gt=now - ASKED_FOR)
    rows = rows.filter(stale, send_requested_at__isnull=True, firm__closed_at__isnull=True)
    # What is to be posted or sent goes before: both are asked of Billit at one pace.
    busy = Invoice.objects.waiting_for_billit().values("company")
    return rows.filter(served_through("company__connection__")).exclude(company__in=busy)


def choose(invoice: Invoice, api: billit.Api, *, as_read: bool = False) -> Way:
    """The same for a sending. Raises ``NotPossible`` when no way is open, or (``as_read``) another one than was read by
    who asked for it: that stands as attention on the invoice, and nobody wants it sent any more."""
    _check_company(invoice, api)
    found = find(invoice, api)
    if found is None:
        number = invoice.customer_vat or Message(Detail.NO_NUMBER)
        stop(invoice, Message(Code.NO_WAY_TO_SEND, {"customer": invoice.customer_name, "number": number}))
    if as_read and invoice.way_to and (found.kind, found.to) != (invoice.way, invoice.way_to):
        Invoice.objects.unsent().filter(pk=invoice.pk).update(**found.columns(invoice.send_requested_at))
        stop(invoice, Message(Code.OTHER_WAY, {"to": invoice.way_to, "now": found.to}))
    return found


def _check_company(invoice: Invoice, api: billit.Api) -> None:
    """A company that Billit did not let send when it was connected is asked for anew, before its first sending."""
    company = invoice.company
    if company.sending_open:
        return
    found = api.company()
    if found is not None and not found.sending_open:
        stop(invoice, Message(Code.SENDING_CLOSED, {"company": company.name}))
    Company.objects.filter(pk=company.pk).update(sending_open=True)


def stop(invoice: Invoice, why: Message) -> NoReturn:
    """It is not sent, and nobody wants it any more: why stands as attention on it. Raises ``NotPossible``."""
    Invoice.objects.unsent().filter(pk=invoice.pk).update(**columns("attention", why), **NO_SEND_ASKED)
    raise NotPossible(words(why))
