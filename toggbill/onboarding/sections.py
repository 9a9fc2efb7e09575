"""The tables of an onboarding file (design section 10) with their keys and types; each counts as not given at fault."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from invoicing.dossiers import faults
from invoicing.dossiers.parsing import AMOUNT, Id, Section, Words, raise_first, wrong
from invoicing.rules.judging.mapping import TagRule, Treatment
from toggbill.firms.models import Membership

LANGUAGES = ("en", "fr", "nl")


def _line(longest: int) -> AfterValidator:
    """A text of one line that must not be empty."""

    def check(value: str) -> str:
        raise_first(faults.line("", value, longest=longest, required=True))
        return value

    return AfterValidator(check)


def _one_of(*choices: str) -> AfterValidator:
    def check(value: str) -> str:
        raise_first(faults.word("", value, choices))
        return value

    return AfterValidator(check)


def _short_name(value: str) -> str:
    raise_first(faults.short_name("", value))
    return value


def _email(value: str) -> str:
    try:
        validate_email(value)
    except ValidationError:
        raise wrong("not_an_email", value=value) from None
    return value


def _timezone(value: str) -> str:
    if value not in available_timezones():
        raise wrong("not_a_timezone", value=value)
    return value


def _amount(value: Any) -> Decimal:
    if not isinstance(value, str):
        raise PydanticCustomError("amount_type", "not a text")
    if not AMOUNT.fullmatch(value):
        raise wrong("not_an_amount", value=value)
    return Decimal(value)


_TEXT = "a text in quotes"
Text = Annotated[str | None, Words(_TEXT), AfterValidator(str.strip)]
ShortName = Annotated[str | None, Words(_TEXT), AfterValidator(str.strip), AfterValidator(_short_name)]
Secret = Annotated[str | None, Words(_TEXT)]
Variable = Annotated[str | None, Words("the name of an environment variable, in quotes")]
Number = Annotated[int | None, Words("a whole number")]
Flag = Annotated[bool | None, Words("true or false")]
Day = Annotated[date | None, Words("a date without quotes, such as 2026-09-01")]
Amount = Annotated[Decimal | None, Words('an amount in quotes, such as "5000.00"'), BeforeValidator(_amount)]


def _tables(section: type[Section]) -> Words:
    return Words(f"a list of tables; write {section.written}")


class Table(Section):
    """A table of the file: its words are English, and speak of TOML."""

    words: ClassVar[Mapping[str, str]] = {
        "not_an_email": "“%(value)s” is not an e-mail address.",
        "not_a_timezone": "“%(value)s” is not a time zone; use a name such as Europe/Brussels.",
        "not_an_amount": '“%(value)s” is not an amount; write it such as "5000.00".',
        "no_product": "missing; name a product's reference, or write bill = false.",
        "product_not_billed": "stands beside bill = false; leave one of the two out.",
    }


class FirmTable(Table):
    """[firm]"""

    needed = ("slug", "name")

    slug: ShortName = None
    name: Annotated[Text, _line(200)] = None
    timezone: Annotated[Text, AfterValidator(_timezone)] = None
    language: Annotated[Text, _one_of(*LANGUAGES)] = None


class UserTable(Table):
    """[[users]]"""

    needed = ("email", "role")
    written = "[[users]]"

    email: Annotated[Text, _line(254), AfterValidator(str.lower), AfterValidator(_email)] = None
    role: Annotated[Text, _one_of(*Membership.Role.values)] = None
    password_env: Variable = None


class TogglTable(Table):
    """[[toggl]]"""

    needed = ("key",)
    written = "[[toggl]]"

    key: ShortName = None
    api_token: Secret = None
    api_token_env: Variable = None
    accept_partial: Flag = None


class BillitTable(Table):
    """[[billit]]"""

    needed = ("key",)
    written = "[[billit]]"

    key: ShortName = None
    api_key: Secret = None
    api_key_env: Variable = None


class RoundingTable(Table):
    """rounding of a dossier (R5)"""

    minutes: Number = None
    direction: Text = None
    level: Text = None
    minimum: Number = None


class ScheduleTable(Table):
    """schedule of a dossier (R9): weekly has a weekday, monthly a day, the others neither"""

    needed = ("every",)

    every: Text = None
    weekday: Number = None
    day: Number = None


class TagTable(Table):
    """One of tags of a dossier (R2, R4)"""

    needed = ("tag",)
    written = "tags = [ { tag = …, product = … } ]"

    tag: Text = None
    person: Id = None
    product: Text = None
    bill: Flag = None
    priority: Number = None

    def note_missing(self, name: str) -> None:
        """A tag may be missing beside a person: it is the person's product."""
        if not self.has("person"):
            super().note_missing(name)

    def rule(self) -> TagRule:
        """The mapping that it states."""
        return TagRule(self.tag or "", self.product or "", self.bill is not False, self.priority, person=self.person)


class ClientTable(Table):
    """One of client_map of a dossier (R3, R6, R10)"""

    needed = ("client",)
    written = "client_map = [ { client = …, vat = … } ]"

    client: Id = None
    vat: Text = None
    customer: Id = None
    vat_treatment: Annotated[Text, _one_of(*map(str, Treatment))] = None
    po: Text = None
    buyer_reference: Text = None


class PlanTable(Table):
    """One of the advances of an agreement (section 11)"""

    needed = ("day", "amount")
    written = "plan = [ { day = …, amount = … } ]"

    day: Day = None
    amount: Amount = None


class AgreementTable(Table):
    """[[dossiers.agreements]] (section 11)"""

    needed = ("key", "title", "from", "product")
    written = "[[dossiers.agreements]]"

    key: ShortName = None
    client: Id = None
    vat: Text = None
    title: Text = None
    kind: Text = None
    from_: Day = Field(None, alias="from")
    until: Day = None
    products: Annotated[list[Text] | None, Words("a list of texts", item=_TEXT)] = None
    projects: Annotated[list[Id] | None, Words("a list of whole numbers", item="a whole number")] = None
    product: Text = None
    amount: Amount = None
    every: Text = None
    in_advance: Flag = None
    included_hours: Amount = None
    extra_product: Text = None
    part_periods: Text = None
    plan: Annotated[list[PlanTable] | None, _tables(PlanTable)] = None
    settle_on: Text = None
    hours: Amount = None
    price: Amount = None
    refill_at: Amount = None
    budget_hours: Amount = None
    budget_amount: Amount = None


class DossierTable(Table):
    """[[dossiers]]"""

    needed = ("key", "toggl", "workspace", "billit", "company", "start")
    written = "[[dossiers]]"

    key: ShortName = None
    toggl: ShortName = None
    workspace: Id = None
    billit: ShortName = None
    company: Id = None
    name: Text = None
    start: Day = None
    clients: Annotated[list[Id] | None, Words("a list of whole numbers", item="a whole number")] = None
    billable: Text = None
    group_by: Text = None
    rounding: Annotated[RoundingTable | None, Words("a table, such as { … }")] = None
    schedule: Annotated[ScheduleTable | None, Words("a table, such as { … }")] = None
    mode: Text = None
    email_allowed: Flag = None
    annex: Flag = None
    auto_limit: Amount = None
    no_limit: Flag = None
    longest_hours: Number = None
    four_eyes: Flag = None
    deviation: Number = None
    price_decimals: Number = None
    price_day: Text = None
    payment_days: Number = None
    default_product: Text = None
    billed_tag: Text = None
    tags: Annotated[list[TagTable] | None, _tables(TagTable)] = None
    client_map: Annotated[list[ClientTable] | None, _tables(ClientTable)] = None
    agreements: Annotated[list[AgreementTable] | None, _tables(AgreementTable)] = None


class FileTable(Table):
    """The whole file."""

    firm: Annotated[FirmTable | None, Words("a table, such as { … }")] = None
    users: Annotated[list[UserTable] | None, _tables(UserTable)] = None
    toggl: Annotated[list[TogglTable] | None, _tables(TogglTable)] = None
    billit: Annotated[list[BillitTable] | None, _tables(BillitTable)] = None
    dossiers: Annotated[list[DossierTable] | None, _tables(DossierTable)] = None
