"""Small builders for the pure rules, and Hypothesis strategies for whole books of a dossier."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from invoicing.rules.billing.rating import Rounding
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import (
    Buyer,
    ClientRule,
    Customer,
    Entry,
    Product,
    Rules,
    TagRule,
    Treatment,
    Verdict,
)
from invoicing.rules.planning import Terms

GROUPINGS = ("product", "project", "person", "day", "description", "entry")

quick = settings(deadline=None, max_examples=100)


def belgian_number(serial: int) -> str:
    """A made-up Belgian number whose check digits are right; `serial` is 0 to 999."""
    base = 9_990_000 + serial
    return f"BE{base:08d}{97 - base % 97:02d}"


_ENTRY = Entry(
    id=1,
    start=datetime(2026, 10, 5, 7, 0, tzinfo=UTC),
    day=date(2026, 10, 5),
    seconds=3600,
    running=False,
    deleted=False,
    billable=True,
    tags=("ADV",),
    description="Quarterly return",
    project_id=11,
    project_name="Accounts",
    client_id=501,
    client_name=f"Bakery {belgian_number(1)}",
    person_id=21,
    person_name="An Example",
)
_PRODUCT = Product(1, "ADV", "Advice", Decimal("80.00"), Decimal(21))
_RULES = Rules(
    start=date(2026, 9, 1),
    clients=None,
    takes_unassigned=True,
    named_elsewhere=frozenset(),
    billable="all",
    tags=(),
    clients_map=(),
    products=(_PRODUCT,),
    customers=(),
    pins={},
    default_product="",
)
_BUYER = Buyer(belgian_number(1), None, "Bakery", "", Treatment.domestic, "", "")
_TERMS = Terms("product", Rounding(), date(2026, 10, 31), None, "fr")


def an_entry(**changes: Any) -> Entry:
    """One hour of advice for the bakery on 5 October 2026, but for the changes; a changed day moves the start along."""
    if "day" in changes and "start" not in changes:
        day = changes["day"]
        changes["start"] = datetime(day.year, day.month, day.day, 7, tzinfo=UTC)
    return replace(_ENTRY, **changes)


def a_product(**changes: Any) -> Product:
    return replace(_PRODUCT, **changes)


def some_rules(**changes: Any) -> Rules:
    return replace(_RULES, **changes)


def judge(entry: dict[str, Any] | None = None, **rules: Any) -> Verdict:
    """What becomes of an entry by these rules."""
    return Judge(some_rules(**rules)).verdict(an_entry(**(entry or {})))


def a_buyer(**changes: Any) -> Buyer:
    return replace(_BUYER, **changes)


def some_terms(**changes: Any) -> Terms:
    return replace(_TERMS, **changes)


prices = st.decimals("0.01", "999.99", places=2)
rates = st.sampled_from([Decimal(0), Decimal(6), Decimal(12), Decimal(21)])
roundings = st.builds(
    Rounding,
    minutes=st.integers(0, 60),
    direction=st.sampled_from(["up", "nearest", "down"]),
    level=st.sampled_from(["entry", "line"]),
    minimum=st.integers(0, 30),
)
durations = st.integers(1, 40_000)

_TAGS = ("ADV", "adv ", "BOOK", "Payroll", "free", "lost", "intern", "broken")
_CLIENT_NAMES = (
    f"Bakery {belgian_number(1)}",
    f"{belgian_number(2)} Garage",
    f"Garage West {belgian_number(2)}",
    "Florist",
    "Winery LU99999984",
    "Mason BE0999000128",
    f"{belgian_number(1)} and {belgian_number(2)}",
    f"Twins {belgian_number(7)}",
)
_BOOKS_RULES = some_rules(
    tags=(TagRule("Payroll", "BOOK", priority=5), TagRule("intern", "", bill=False), TagRule("broken", "NONE")),
    products=(
        _PRODUCT,
        a_product(id=2, reference="BOOK", description="Bookkeeping", price=Decimal("61.37"), vat_rate=Decimal(6)),
        a_product(id=3, reference="free", price=Decimal(0)),
    ),
    customers=(
        Customer(9001, "Bakery Example", belgian_number(1), "NL"),
        Customer(9007, "Twin One", belgian_number(7), ""),
        Customer(9008, "Twin Two", belgian_number(7), ""),
    ),
    clients_map=(
        ClientRule(502, treatment=Treatment.reverse_charge),
        ClientRule(503, purchase_order="4500"),
        ClientRule(504, number=belgian_number(4), proposed=True),
    ),
)


def _plausible(entry: Entry) -> Entry:
    return entry if entry.project_id else replace(entry, client_id=None)


entries = st.builds(
    an_entry,
    day=st.dates(date(2026, 8, 25), date(2026, 11, 5)),
    seconds=st.one_of(st.just(0), st.integers(1, 60), durations),
    running=st.sampled_from([False, False, False, True]),
    deleted=st.sampled_from([False, False, False, True]),
    billable=st.booleans(),
    tags=st.lists(st.sampled_from(_TAGS), max_size=2).map(tuple),
    description=st.sampled_from(["Return", "return ", "", "Call", "Year end"]),
    project_id=st.sampled_from([11, 12, 13, None]),
    client_id=st.sampled_from([501, 502, 503, 504, None]),
    client_name=st.sampled_from(_CLIENT_NAMES),
    person_id=st.sampled_from([21, 22]),
).map(_plausible)


def _numbered(some: list[Entry]) -> list[Entry]:
    return [replace(entry, id=id_, start=entry.start + timedelta(minutes=id_ % 3)) for id_, entry in enumerate(some, 1)]


books = st.lists(entries, max_size=25).map(_numbered)
open_books = st.lists(
    st.builds(
        an_entry,
        day=st.dates(date(2026, 9, 1), date(2026, 10, 31)),
        seconds=durations,
        tags=st.sampled_from([("ADV",), ("BOOK",)]),
        description=st.sampled_from(["Return", "Call", ""]),
        project_id=st.sampled_from([11, 12]),
        client_id=st.just(501),
        person_id=st.sampled_from([21, 22]),
    ),
    min_size=1,
    max_size=25,
).map(_numbered)


def books_rules(**changes: Any) -> Rules:
    """Rules under which `books` meet every state and most reasons."""
    return replace(_BOOKS_RULES, **changes)
