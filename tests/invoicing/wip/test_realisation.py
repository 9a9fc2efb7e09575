"""Realisation and lock-up, every figure by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from invoicing.ledger.states import decisions
from invoicing.models import Invoice
from invoicing.rules.wip import LockUp
from invoicing.wip import lock_up
from invoicing.wip.realisation import Realisation, realisation
from tests.factories import BroughtOrderFactory
from tests.invoicing.after_billing import the
from tests.invoicing.agreements.agreed import HOUR, PRODUCTS, agree, draws, order, post_all, prepaid
from tests.invoicing.corrections import crediting
from tests.invoicing.scene import BY, Scene
from tests.worlds import BAKERY_PROJECT, COLLEAGUE, GARAGE_PARTY, entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
YEAR = (date(2026, 1, 1), date(2026, 12, 31))
OCTOBER = (date(2026, 10, 1), date(2026, 10, 31))


def found(books: Scene, days: tuple[date, date] = YEAR) -> Realisation:
    return realisation(dossiers=[books.dossier], first=days[0], last=days[1])


def customers(of: Realisation) -> list[tuple[str, int, str, str, str]]:
    """Name, seconds, value, billed, per cent."""
    return [(whose.name, s.seconds, str(s.value), str(s.billed), str(s.per_cent)) for whose, s in of.customers]


def people(of: Realisation) -> list[tuple[str, int, str, str]]:
    return [(name, s.seconds, str(s.value), str(s.billed)) for name, s in of.people]


def test_hours_that_are_billed_and_written_off(scene: Make) -> None:
    books = scene(
        entries=[
            entry(1, "2026-10-05", seconds=2 * HOUR),
            entry(2, "2026-10-06", user_id=COLLEAGUE),
            entry(3, "2026-10-07", seconds=3 * HOUR, project_id=BAKERY_PROJECT),
            entry(4, "2026-11-03", project_id=BAKERY_PROJECT),  # still in progress: in neither figure
        ]
    )
    decisions.write_off(entries=[the(2)], reason="Our own mistake", by=BY, now=timezone.now())
    books.draft()
    post_all(books)
    of = found(books)
    assert customers(of) == [
        ("Garage Vonk SRL", 3 * HOUR, "285.00", "190.00", "66.7"),
        ("Bakery Deeg BV", 3 * HOUR, "285.00", "285.00", "100.0"),
    ]
    assert people(of) == [
        ("Wim Brandhof", HOUR, "95.00", "0.00"),
        ("Odile Verkansel", 5 * HOUR, "475.00", "475.00"),
    ]
    assert (str(of.whole.written_off), str(of.whole.difference), str(of.whole.an_hour)) == ("95.00", "-95.00", "79.17")
    # September had no hours
    assert found(books, (date(2026, 9, 1), date(2026, 9, 30))).customers == []


def test_a_line_over_two_months_is_split_by_its_hours(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-30", seconds=1000), entry(2, "2026-11-02", seconds=2000)])
    books.draft(date(2026, 11, 19))
    (invoice,) = post_all(books)
    assert invoice.total_excl == Decimal("78.85")  # 0.83 h at 95.00
    # two thirds of 78.85 are 52.5666..., one third 26.2833...
    assert customers(found(books, OCTOBER)) == [("Garage Vonk SRL", 1000, "26.39", "26.28", "99.6")]
    assert customers(found(books, (date(2026, 11, 1), date(2026, 11, 30)))) == [
        ("Garage Vonk SRL", 2000, "52.78", "52.57", "99.6")
    ]


def test_a_fee_is_spread_over_its_hours_by_their_value(scene: Make) -> None:
    books = scene(
        entries=[
            entry(1, "2026-10-05", seconds=2 * HOUR),  # 190.00
            entry(2, "2026-10-06", tag="Books", user_id=COLLEAGUE),  # 60.00
            entry(3, "2026-11-04"),  # of November, whose fee is not due
        ],
        products=PRODUCTS,
    )
    agree(books, start=date(2026, 10, 1))
    books.draft()
    post_all(books)
    of = found(books)
    # 250.00 by 190 : 60
    assert customers(of) == [("Garage Vonk SRL", 3 * HOUR, "250.00", "250.00", "100.0")]
    assert people(of) == [
        ("Odile Verkansel", 2 * HOUR, "190.00", "190.00"),
        ("Wim Brandhof", HOUR, "60.00", "60.00"),
    ]


@pytest.mark.slow
def test_a_fee_below_and_above_what_its_hours_are_worth(scene: Make) -> None:
    books = scene(
        entries=[
            entry(1, "2026-10-05", seconds=7 * HOUR),
            entry(2, "2026-10-06", seconds=HOUR, user_id=COLLEAGUE),
            entry(3, "2026-10-07", seconds=HOUR, project_id=BAKERY_PROJECT),
        ],
        products=PRODUCTS,
    )
    agree(books, start=date(2026, 10, 1))
    agree(books, key="bakery", client_id=502, start=date(2026, 10, 1), amount=Decimal("100.00"))
    books.draft()
    post_all(books)
    of = found(books)
    assert customers(of) == [
        ("Garage Vonk SRL", 8 * HOUR, "760.00", "250.00", "32.9"),
        ("Bakery Deeg BV", HOUR, "95.00", "100.00", "105.3"),
    ]
    # 250.00 by 7 : 1, and 100.00
    assert people(of) == [
        ("Odile Verkansel", 8 * HOUR, "760.00", "318.75"),
        ("Wim Brandhof", HOUR, "95.00", "31.25"),
    ]
    assert [str(sums.difference) for _whose, sums in of.customers] == ["-510.00", "5.00"]


def test_a_fee_is_spread_by_seconds_where_no_hour_has_a_price(scene: Make) -> None:
    books = scene(
        entries=[
            entry(1, "2026-10-05", seconds=2 * HOUR, tags=[]),
            entry(2, "2026-10-06", tags=[], user_id=COLLEAGUE),
        ],
        products=PRODUCTS,
    )
    agree(books, start=date(2026, 10, 1))
    books.draft()
    post_all(books)
    assert people(found(books)) == [
        ("Wim Brandhof", HOUR, "0.00", "83.33"),
        ("Odile Verkansel", 2 * HOUR, "0.00", "166.67"),
    ]
    assert customers(found(books)) == [("Garage Vonk SRL", 3 * HOUR, "0.00", "250.00", "None")]


def test_a_fee_without_an_hour_is_nobodys(scene: Make) -> None:
    books = scene(entries=[], products=PRODUCTS)
    agree(books, start=date(2026, 10, 1))
    books.draft()
    post_all(books)
    assert people(found(books)) == [("", 0, "0.00", "250.00")]
    assert found(books, (date(2026, 11, 1), date(2026, 11, 30))).people == []


def test_a_block_is_spread_over_the_hours_that_drew_it(scene: Make) -> None:
    books = scene(
        entries=[entry(1, "2026-10-05"), entry(2, "2026-10-06", seconds=5400, user_id=COLLEAGUE)],
        products=PRODUCTS,
    )
    agreement = prepaid(books, hours=Decimal(2))
    order(agreement)
    post_all(books)
    # A block that no hour drew has billed no hour.
    assert customers(found(books)) == []
    books.draft()
    assert draws() == [[1, 2]]
    # 2 of the 2.5 hours are paid, at 85.00: 170.00 by 1 : 1.5
    assert customers(found(books)) == [("Garage Vonk SRL", 9000, "237.50", "170.00", "71.6")]
    assert people(found(books)) == [
        ("Wim Brandhof", 5400, "142.50", "102.00"),
        ("Odile Verkansel", HOUR, "95.00", "68.00"),
    ]
    # The next block pays the half hour that is beyond the first.
    order(agreement)
    post_all(books)
    assert customers(found(books)) == [("Garage Vonk SRL", 9000, "237.50", "212.50", "89.5")]
    first = date(2026, 10, 5)
    assert people(found(books, (first, first))) == [("Odile Verkansel", HOUR, "95.00", "85.00")]


def test_a_fee_that_billit_billed_by_itself_is_spread_over_its_hours(scene: Make) -> None:
    books = scene(
        entries=[entry(1, "2026-10-05", seconds=2 * HOUR), entry(2, "2026-10-06", tag="Books", user_id=COLLEAGUE)],
        products=PRODUCTS,
    )
    agreement = agree(books)
    BroughtOrderFactory(
        agreement=agreement,
        period=date(2026, 10, 1),
        order_date=date(2026, 11, 3),
        total_excl=Decimal("200.00"),
        total_vat=Decimal("42.00"),
        total_incl=Decimal("242.00"),
        customer_party_id=GARAGE_PARTY,
    )
    # 200.00 by 190 : 60
    assert customers(found(books)) == [("Garage Vonk SRL", 3 * HOUR, "250.00", "200.00", "80.0")]
    assert people(found(books)) == [
        ("Odile Verkansel", 2 * HOUR, "190.00", "152.00"),
        ("Wim Brandhof", HOUR, "60.00", "48.00"),
    ]
    tied = lock_up.of(dossiers=[books.dossier], value=Decimal("100.00"), as_of=date(2026, 11, 20))
    assert tied.lock_up.in_progress == Decimal("182.5")
    # Without an hour it is the customer's, and nobody's.
    BroughtOrderFactory(agreement=agreement, period=date(2026, 9, 1), customer_party_id=GARAGE_PARTY)
    september = found(books, (date(2026, 9, 1), date(2026, 9, 30)))
    assert customers(september) == [("Garage Vonk SRL", 0, "0.00", "250.00", "None")]
    assert people(september) == [("", 0, "0.00", "250.00")]


def test_credited_hours_are_worth_what_they_were_and_billed_no_more(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-10-06", seconds=2 * HOUR)])
    crediting.sent(books)
    crediting.post(books, crediting.credit(1, rebill=False))
    assert customers(found(books)) == [("Garage Vonk SRL", 3 * HOUR, "285.00", "190.00", "66.7")]


def test_credited_hours_that_wait_to_be_billed_again_are_in_neither(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-10-06", seconds=2 * HOUR)])
    crediting.sent(books)
    crediting.post(books, crediting.credit(1, rebill=True))
    assert customers(found(books)) == [("Garage Vonk SRL", 2 * HOUR, "190.00", "190.00", "100.0")]


@pytest.mark.slow
def test_lock_up_of_the_year_before(scene: Make) -> None:
    books = scene(
        entries=[
            entry(1, "2026-09-05", seconds=4 * HOUR),  # 380.00, invoiced on 6 October
            entry(2, "2026-10-06", seconds=2 * HOUR),  # 190.00, invoiced on 3 November
            entry(3, "2026-10-07", project_id=BAKERY_PROJECT),  # 95.00, the same day
            entry(4, "2026-11-10", seconds=7 * HOUR),
        ]
    )
    books.at(datetime(2026, 10, 6, 9, tzinfo=UTC))
    books.draft(date(2026, 9, 30))
    (first,) = post_all(books)
    books.at(datetime(2026, 11, 3, 9, tzinfo=UTC))
    books.draft()
    bakery, garage = post_all(books)
    books.at(datetime(2026, 11, 20, 9, tzinfo=UTC))
    Invoice.objects.filter(pk=first.pk).update(payment="paid", paid_date=date(2026, 11, 5))  # after 30 days
    Invoice.objects.filter(pk=garage.pk).update(payment="paid", paid_date=date(2026, 11, 13))  # after 10 days
    tied = lock_up.of(dossiers=[books.dossier], value=Decimal("665.00"), as_of=date(2026, 11, 20))
    # 665 in progress of 665 billed are a year; 380 (incl. 459.80) took 30 days and 190 (229.90) took 10: 23.3
    assert tied.lock_up == LockUp(Decimal("365.0"), Decimal("23.3"))
    assert (tied.paid, tied.paid_some_day, tied.unpaid) == (2, 0, 1)
    # paid on a day that Billit does not tell
    Invoice.objects.filter(pk=bakery.pk).update(payment="paid", paid_date=None)
    tied = lock_up.of(dossiers=[books.dossier], value=Decimal("0.00"), as_of=date(2026, 11, 20))
    assert (tied.paid, tied.paid_some_day, tied.unpaid) == (2, 1, 0)
    # before anything was billed or paid
    tied = lock_up.of(dossiers=[books.dossier], value=Decimal("380.00"), as_of=date(2026, 10, 5))
    assert (tied.lock_up.in_progress, tied.lock_up.until_paid, tied.lock_up.days) == (None, None, None)
