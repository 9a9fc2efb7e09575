"""What entries are judged by and what is said of them (design R1 to R4 and the treatment of R6): `judge` does it.

Pure: a `Judge` is made from the `Rules` of one dossier and gives a `Verdict` on each entry. Days are local days of the
firm, durations are seconds, prices are Decimals in euro per hour without VAT. No clock, database or setting is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum, auto
from typing import Literal

from invoicing.rules.agreement import Agreement
from invoicing.rules.judging.vat_numbers import customer_number as customer_number
from invoicing.rules.judging.vat_numbers import name_without_number as name_without_number
from invoicing.rules.judging.vat_numbers import normalise_number as normalise_number
from invoicing.rules.judging.vat_numbers import numbers_in
from invoicing.rules.text import text_key


class Reason(StrEnum):
    """Why an entry is attention: it cannot be billed until a person decides."""

    several_vats = auto()
    unsure_vat = auto()
    invalid_vat = auto()
    no_vat = auto()
    no_project = auto()
    no_client = auto()
    client_vat_changed = auto()
    several_customers = auto()
    unknown_customer = auto()
    customer_changed = auto()
    unassigned_client = auto()
    no_tag = auto()
    unknown_tag = auto()
    unknown_product = auto()
    several_products = auto()
    no_price = auto()
    price_decimals = auto()
    vat_rate = auto()
    foreign_vat = auto()
    treatment_number = auto()
    small_enterprise = auto()
    billed_elsewhere = auto()
    contradicting_mappings = auto()
    several_agreements = auto()
    left_agreement = auto()
    implausible = auto()
    duplicate_entry = auto()


DOUBTS = frozenset({Reason.implausible, Reason.duplicate_entry, Reason.left_agreement})
"""Reasons that a person may set aside for an entry as it stands (design R4, section 11)."""


class State(StrEnum):
    """The one state of an entry inside the books (design section 6)."""

    running = auto()
    not_billable = auto()
    open = auto()
    attention = auto()
    held = auto()
    written_off = auto()
    drafted = auto()
    invoiced = auto()
    credited = auto()
    covered = auto()
    on_account = auto()
    prepaid = auto()
    deleted = auto()


class Treatment(StrEnum):
    """How a customer's invoices bear VAT (design R6)."""

    domestic = auto()
    reverse_charge = auto()
    eu_services = auto()
    outside_scope = auto()


@dataclass(frozen=True, slots=True)
class Entry:
    """A mirrored Toggl entry: `start` is aware and in UTC, `day` is the firm's local day on which it starts.

    `stop`: when it ends, None: `seconds` after its start. `is_duplicate`: one of a lower id says the same (see
    `plausibility`). `is_confirmed`: a person said of it, as it stands, that it is to be billed in spite of such doubts.
    """

    id: int
    start: datetime
    day: date
    seconds: int
    running: bool
    deleted: bool
    billable: bool
    tags: tuple[str, ...]
    description: str
    project_id: int | None
    project_name: str
    client_id: int | None
    client_name: str
    person_id: int
    person_name: str
    stop: datetime | None = None
    is_duplicate: bool = False
    is_confirmed: bool = False
    # Moved here from another workspace of the firm, with its id, after it was put on an invoice there.
    billed_elsewhere: bool = False
    # The agreement (id) whose line covers it, on an invoice that is no draft, or whose block it draws.
    covered_by: int | None = None

    @property
    def end(self) -> datetime:
        """When it ends."""
        return self.stop or self.start + timedelta(seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Product:
    """A Billit product: `price` in euro per hour without VAT, `vat_rate` in per cent.

    `prices`: those that it had, in the order of the days since which each was in force; today's is the last.
    """

    id: int
    reference: str
    description: str
    price: Decimal | None
    vat_rate: Decimal | None
    prices: tuple[tuple[date, Decimal | None], ...] = ()

    def price_on(self, day: date) -> Decimal | None:
        """The price in force on a day (section 11): before the first one that is known, that one."""
        if len(self.prices) < 2:
            return self.price
        return next((price for since, price in reversed(self.prices) if since <= day), self.prices[0][1])


@dataclass(frozen=True, slots=True)
class Customer:
    """A Billit customer. `number` is as `customer_number` gives it, `language` and `country` as Billit writes them."""

    party_id: int
    name: str
    number: str
    language: str
    country: str = ""


@dataclass(frozen=True, slots=True)
class TagRule:
    """A tag mapping: to a product reference, or (`bill` false) to *do not bill*. No priority counts as 0.

    `person`: it is for the entries of this Toggl user alone, and wins over the mapping of the tag for everybody;
    without a tag it is the person's product, where no tag leads anywhere (section 11).
    `is_contradicted`: another mapping of the same tag said something else, and no person has chosen yet."""

    tag: str
    product: str
    bill: bool = True
    priority: int | None = None
    is_contradicted: bool = False
    person: int | None = None

    @property
    def key(self) -> tuple[str, int | None]:
        """What it is the mapping of: a tag, as tags are compared, and a person."""
        return text_key(self.tag), self.person


class ChosenBy(StrEnum):
    """What led to a product (R4): a mapping of a tag, or of a person's tag, a tag that equals its reference, the
    person's product, the dossier's default."""

    mapping = auto()
    persons_mapping = auto()
    person = auto()
    reference = auto()
    default = auto()


@dataclass(frozen=True, slots=True)
class Lead:
    """A tag, as it is spelled (none for the default product), that leads to a product, and with which priority."""

    product: Product
    by: ChosenBy
    tag: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Choice:
    """The lead that was followed, and those to other products that have a lower priority."""

    lead: Lead
    passed_over: tuple[Lead, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientRule:
    """A client mapping. `proposed`: the number was read from the client's name and pinned at a sync, not typed."""

    client_id: int
    number: str = ""
    party_id: int | None = None
    proposed: bool = False
    treatment: Treatment | None = None
    purchase_order: str = ""
    buyer_reference: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that judges the entries of one dossier.

    `clients` are the Toggl clients that the dossier names (None: it bills all of its workspace), `named_elsewhere`
    those that the other dossiers of the workspace name, `takes_unassigned` is true for the workspace's first dossier.
    `pins` leads from a normalised number to the PartyID that is already pinned for it at the company; `gone` are those
    of them that the company does not have any more. Of an entry with more than `longest_hours` a person is asked (0:
    never).
    `small_enterprise`: the company charges no VAT (scheme of small enterprises). `price_day`: hours are billed at the
    price of the day of the draft, or of their own day.
    """

    start: date
    clients: frozenset[int] | None
    takes_unassigned: bool
    named_elsewhere: frozenset[int]
    billable: Literal["all", "flagged"]
    tags: tuple[TagRule, ...]
    clients_map: tuple[ClientRule, ...]
    products: tuple[Product, ...]
    customers: tuple[Customer, ...]
    pins: Mapping[str, int]
    default_product: str
    price_decimals: int = 2
    small_enterprise: bool = False
    longest_hours: int = 16
    gone: frozenset[int] = frozenset()
    price_day: Literal["draft", "work"] = "draft"
    agreements: tuple[Agreement, ...] = ()


@dataclass(frozen=True, slots=True)
class Buyer:
    """Who is billed. Without a `party_id` Billit does not know the customer yet and makes it from number and name."""

    number: str
    party_id: int | None
    name: str
    language: str
    treatment: Treatment
    purchase_order: str
    buyer_reference: str

    @property
    def key(self) -> str:
        """What makes two buyers one customer: the PartyID, else the number."""
        return f"number:{self.number}" if self.party_id is None else f"party:{self.party_id}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of an entry. State None: outside these books. An open entry has both product and buyer;
    an attention has those that were found before its reason was met. `ignored_tags` lead nowhere, beside one that does;
    as they are spelled. `agreement`: the one (id) that covers a covered entry, of which one on account is, or that pays
    a prepaid one; an open entry with one waits to draw its block, and need not have a product."""

    state: State | None
    reason: Reason | None = None
    product: Product | None = None
    buyer: Buyer | None = None
    ignored_tags: tuple[str, ...] = ()
    agreement: int | None = None


@dataclass(frozen=True, slots=True)
class NumberReading:
    """What R3 reads in a name: `number` is normalised and set when there is exactly one and it is sure, else `reason`
    says why not; `numbers` are all distinct ones in the order of the name."""

    number: str
    reason: Reason | None
    numbers: tuple[str, ...]


def is_another(number: str, theirs: str) -> bool:
    """Whether a party with the number `theirs` (as `customer_number` gives it) is another one than that of `number`.

    One without a number may be known by an identifier: it is none.
    """
    return bool(number and theirs) and number != theirs


VAT_RATES = frozenset({Decimal(0), Decimal(6), Decimal(12), Decimal(21)})


def read_number(name: str) -> NumberReading:
    """The VAT or enterprise number in a client's name, normalised to prefix and digits (design R3)."""
    found = numbers_in(name)
    if len(found.numbers) > 1:
        return NumberReading("", Reason.several_vats, found.numbers)
    if found.numbers:
        (number,) = found.numbers
        return NumberReading(
            number if number in found.sure else "", None if found.sure else Reason.unsure_vat, found.numbers
        )
    return NumberReading("", Reason.invalid_vat if found.looks_like_one else Reason.no_vat, ())
