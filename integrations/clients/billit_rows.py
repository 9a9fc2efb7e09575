"""What Billit answers, as records of ours. Pure: each reader raises `Unreadable` for what cannot be meant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from integrations.clients.http.answers import Answer, Row

ZONE = ZoneInfo("Europe/Brussels")
"""Billit's timestamps have no offset and are taken as Belgian local time; the docs do not say."""

STATE = frozenset({"IsSent", "Paid", "TotalExcl", "TotalVAT", "TotalIncl", "PartyID"})
"""What tells how an order stands, by the names of Billit's fields."""
COMPARED = STATE | {"VATNumber"}
"""What an order is compared by: its state, and the customer's number."""


@dataclass(frozen=True, slots=True)
class Company:
    """A company that the credential can bill for; `api_allowed` is False when Billit says that the API may not,
    `small_enterprise` is true when it charges no VAT by the scheme for them. `sending_open` is False when Billit wants
    its user to sign in or register once more first, as far as it tells (`LoginOrRegisterNeeded` of the account)."""

    party_id: int
    name: str
    vat_number: str
    api_allowed: bool
    language: str
    small_enterprise: bool = False
    sending_open: bool = True


@dataclass(frozen=True, slots=True)
class Account:
    """Whose credential it is (the name, else the e-mail address), and the companies that it opens."""

    owner: str
    companies: tuple[Company, ...]


@dataclass(frozen=True, slots=True)
class Product:
    """`price` in euro without VAT, `vat_rate` in per cent; None when Billit has none. No needless zeros."""

    id: int
    reference: str
    description: str
    price: Decimal | None
    vat_rate: Decimal | None


@dataclass(frozen=True, slots=True)
class Customer:
    """A party with PartyType Customer; `vat_number` and `country` as somebody gave them at Billit."""

    party_id: int
    name: str
    vat_number: str
    email: str
    language: str
    country: str = ""


@dataclass(frozen=True, slots=True)
class FoundCompany:
    """A row of the company registers (KBO, VIES); `number` and `country` as the register gives them."""

    name: str
    number: str
    street: str
    street_number: str
    box: str
    zipcode: str
    city: str
    country: str


@dataclass(frozen=True, slots=True)
class DeliveryDetails:
    """What became of a sent document. `status` as Billit writes it (Pending, Delivered, Error), "" when absent.

    `refused_*`: the refusal by the receiver (Invoice Response) or by the rules; Billit docs: status-content-of-a-sales-
    invoice. A refusal may come after the delivery.
    """

    is_delivered: bool
    status: str
    delivered_at: datetime | None
    info: str
    refused_at: datetime | None
    refused_code: str
    refused_info: str

    @property
    def is_refused(self) -> bool:
        """Whether the receiver, or the rules, refused it: any of the three members says so."""
        return self.refused_at is not None or bool(self.refused_code or self.refused_info)

    @property
    def has_failed(self) -> bool:
        """Whether Billit gave it up: refused, or not deliverable."""
        return self.is_refused or self.status.lower() == "error"


@dataclass(frozen=True, slots=True)
class OrderSummary:
    """An order as Billit has it. Totals in euro, 0 when absent; texts "" when absent; `last_modified` in UTC.

    `delivery` is None when the row does not say what became of it: a list may leave that out, a whole order has it.
    `lacks`: the fields of `COMPARED` that the row does not have. A list's row may lack any of them, and what it lacks
    is not known (Billit docs: retrieve-list-of-invoices shows a summary). `dated`: the day on the document, `title` the
    words on it; `about_number`: of a credit note, the number of the invoice that it is about.
    """

    id: int
    number: str
    status: str
    is_sent: bool
    paid: bool
    paid_date: date | None
    total_excl: Decimal
    total_vat: Decimal
    total_incl: Decimal
    customer_id: int | None
    customer_vat: str
    external_id: str
    last_modified: datetime | None
    delivery: DeliveryDetails | None = None
    lacks: frozenset[str] = frozenset()
    dated: date | None = None
    title: str = ""
    about_number: str = ""

    @property
    def is_credited(self) -> bool:
        """Whether Billit knows of a credit note about it (Billit docs: status-content-of-a-sales-invoice)."""
        return self.status.lower() == "credited"

    @property
    def is_undone(self) -> bool:
        """Whether Billit counts it as credited, refused or cancelled (Billit docs: typecodes)."""
        return self.status.lower() in ("credited", "refused", "canceled", "cancelled")


@dataclass(frozen=True, slots=True)
class BilledLine:
    """A line of an order; `total` in euro without VAT, `vat_rate` in per cent, None and "" for what Billit has not."""

    description: str
    total: Decimal
    vat_rate: Decimal | None
    ventilation_code: str


@dataclass(frozen=True, slots=True)
class WholeOrder:
    """An order with its lines, whoever made it. `order_type` as Billit writes it (Invoice, CreditNote ...), `direction`
    Income or Cost, `currency` "" when absent; lines of text alone are left out."""

    order: OrderSummary
    order_type: str
    direction: str
    currency: str
    period_from: date | None
    lines: tuple[BilledLine, ...]


@dataclass(frozen=True, slots=True)
class Participant:
    """What a receiver takes over Peppol, such as "BISv3Invoice" and "BISv3CreditNote"."""

    registered: bool
    document_types: frozenset[str]


def account(row: Row) -> Account:
    """The answer of accountInformation."""
    owner = f"{row.text('FirstName')} {row.text('LastName')}".strip() or row.text("Email")
    found = (company(each) for each in row.rows("Companies"))
    return Account(owner, tuple(replace(each, sending_open=sending_open(row)) for each in found))


def sending_open(row: Row) -> bool:
    """Whether an account's companies may send, as far as it tells."""
    return row.flag("LoginOrRegisterNeeded") is not True


def company(row: Row) -> Company:
    """One of accountInformation's Companies; a missing APIAllowed counts as true."""
    return Company(
        party_id=row.integer("PartyID"),
        name=row.text("Name") or row.text("CommercialName"),
        vat_number=row.text("VATNumber"),
        api_allowed=row.flag("APIAllowed") is not False,
        language=row.text("Language") or row.text("UserLanguage"),
        small_enterprise=row.flag("SmallEnterprise") is True,
    )


def product(row: Row) -> Product:
    """A product; at Billit its price is called AmountExcl (Billit docs: products)."""
    return Product(
        id=row.integer("ProductID"),
        reference=row.text("Reference"),
        description=row.text("Description"),
        price=row.amount("AmountExcl"),
        vat_rate=row.amount("VAT"),
    )


def customer(row: Row) -> Customer | None:
    """A customer; None for a supplier, in case the filter by PartyType was ignored."""
    if row.text("PartyType").lower() not in ("", "customer"):
        return None
    return Customer(
        party_id=row.integer("PartyID"),
        name=row.text("Name") or row.text("DisplayName") or row.text("CommercialName"),
        vat_number=row.text("VATNumber"),
        email=row.text("Email"),
        language=row.text("Language"),
        country=_country(row),
    )


def _country(party: Row) -> str:
    """That of the invoice address, else the party's own (Billit docs: create-first-invoice)."""
    invoiced = (row for row in party.rows("Addresses") if row.text("AddressType").lower() == "invoiceaddress")
    return next((found for row in invoiced if (found := row.text("CountryCode"))), party.text("CountryCode"))


def found_company(row: Row) -> FoundCompany:
    """An item of companysearch (Billit docs: misc)."""
    return FoundCompany(
        name=row.text("Name") or row.text("CommercialName"),
        number=row.text("CompanyIdentification"),
        street=row.text("Street"),
        street_number=row.text("Number"),
        box=row.text("Box"),
        zipcode=row.text("Zipcode"),
        city=row.text("City"),
        country=row.text("Country"),
    )


def order(row: Row) -> OrderSummary:
    """An order; a list gives CounterParty, a whole order Customer too (Billit docs: retrieve-list-of-invoices)."""
    party = row.row_or_none("Customer") or row.row_or_none("CounterParty")
    party_id = party.integer_or_none("PartyID") if party else None
    customer_id = party_id or row.integer_or_none("CustomerID") or row.integer_or_none("CounterPartyID")
    customer_vat = party.text("VATNumber") if party else ""
    known = {name for name in STATE if row.has(name)}
    known |= {name for name, value in (("PartyID", customer_id), ("VATNumber", customer_vat)) if value}
    return OrderSummary(
        id=row.integer("OrderID"),
        number=row.text("OrderNumber"),
        status=row.text("OrderStatus"),
        is_sent=row.flag("IsSent") is True,
        paid=row.flag("Paid") is True,
        paid_date=row.day_or_none("PaidDate", zone=ZONE),
        total_excl=row.amount("TotalExcl") or Decimal(0),
        total_vat=row.amount("TotalVAT") or Decimal(0),
        total_incl=row.amount("TotalIncl") or Decimal(0),
        customer_id=customer_id,
        customer_vat=customer_vat,
        external_id=row.text("ExternalProviderID"),
        last_modified=row.moment_or_none("LastModified", zone=ZONE),
        lacks=COMPARED - known,
        dated=row.day_or_none("OrderDate", zone=ZONE),
        title=row.text("OrderTitle"),
        about_number=row.text("AboutInvoiceNumber"),
        delivery=_delivery(row.row_or_none("CurrentDocumentDeliveryDetails")),
    )


def whole_order(row: Row) -> WholeOrder:
    """The answer of one order (Billit docs: retrieve-invoice-information)."""
    code = row.text("VentilationCode")
    lines = (
        BilledLine(
            description=line.text("Description"),
            total=line.amount("TotalExcl") or Decimal(0),
            vat_rate=line.amount("VATPercentage"),
            ventilation_code=line.text("VentilationCode") or code,
        )
        for line in row.rows("OrderLines")
    )
    return WholeOrder(
        order=order(row),
        order_type=row.text("OrderType"),
        direction=row.text("OrderDirection"),
        currency=row.text("Currency"),
        period_from=row.day_or_none("PeriodFrom", zone=ZONE),
        lines=tuple(line for line in lines if line.total),
    )


def _delivery(row: Row | None) -> DeliveryDetails | None:
    if row is None:
        return None
    return DeliveryDetails(
        is_delivered=row.flag("IsDocumentDelivered") is True
        or row.text("DocumentDeliveryStatus").lower() == "delivered",
        status=row.text("DocumentDeliveryStatus"),
        delivered_at=row.moment_or_none("DocumentDeliveryDate", zone=ZONE),
        info=row.text("DocumentDeliveryInfo"),
        refused_at=row.moment_or_none("DocumentRefusedDate", zone=ZONE),
        refused_code=row.text("DocumentRefusedReasonTC"),
        refused_info=row.text("DocumentRefusedInfo"),
    )


def participant(row: Row) -> Participant:
    """An answer of participantInformation; who is not registered has empty lists."""
    return Participant(row.flag("Registered") is True, frozenset(row.texts("DocumentTypes")))


def new_order(answer: Answer) -> int | None:
    """The id in the answer to a new order: a bare integer; a numeric string or `{"OrderID": n}` is taken too."""
    try:
        body = answer.json()
        row = body if isinstance(body, dict) else {"OrderID": body}
        order_id = Row(row, what="answer").integer_or_none("OrderID")
    except ValueError:
        return None
    return order_id if order_id is not None and order_id > 0 else None
