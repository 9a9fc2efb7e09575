"""Work in progress as of a day: when an hour enters and leaves it, and what it is worth, every figure by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from invoicing.corrections import decide
from invoicing.drafting import runs
from invoicing.ledger import balance
from invoicing.ledger.states import decisions
from invoicing.models import Claim, Invoice, LedgerRow
from invoicing.wip import as_of
from tests.invoicing.after_billing import the
from tests.invoicing.agreements.agreed import HOUR, PRODUCTS, agree, post_all
from tests.invoicing.corrections import crediting
from tests.invoicing.scene import BY, Scene, many
from tests.invoicing.wip.asked import TODAY, in_progress, on, value
from tests.worlds import (
    BAKERY_PROJECT,
    COLLEAGUE,
    GARAGE,
    GARAGE_NUMBER,
    GARAGE_PROJECT,
    NOW,
    client,
    entry,
    project,
)

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
MAPPED = [
    {"tag": "Advice", "product": "ADV"},
    {"tag": "Books", "product": "CPT"},
    {"tag": "Tax", "product": "FIS"},
]


def test_rows_of_the_small_world(scene: Make) -> None:
    books = scene(tags=MAPPED)
    found = as_of.rows(dossiers=[books.dossier], as_of=TODAY)
    assert [
        (row.customer_name, row.product, row.person, row.seconds, str(row.value), str(row.bands["31-60"]))
        for row in found
    ] == [
        # 7 October is 44 days old, 20 October is 31
        ("Bakery Deeg BV", "ADV", "Odile Verkansel", 5400, "142.50", "142.50"),
        ("Bakery Deeg BV", "FIS", "Odile Verkansel", 14400, "480.00", "480.00"),
        ("Garage Vonk SRL", "ADV", "Odile Verkansel", 10800, "285.00", "285.00"),
        ("Garage Vonk SRL", "CPT", "Wim Brandhof", 1800, "30.00", "30.00"),
    ]
    # the day before, 20 October was 30 days old
    before = as_of.rows(dossiers=[books.dossier], as_of=date(2026, 11, 19))
    assert {name: str(sum((row.bands[name] for row in before), Decimal(0))) for name in before[0].bands} == {
        "0-30": "480.00",
        "31-60": "457.50",
        "61-90": "0.00",
        "over_90": "0.00",
    }


def test_an_hour_is_in_it_from_its_day(scene: Make) -> None:
    books = scene(tags=MAPPED)
    assert in_progress(books, 4, 5, 6, 7, 19, 20, month=10) == [
        "0.00",
        "95.00",
        "315.00",
        "457.50",
        "457.50",
        "937.50",
    ]


def test_an_hour_leaves_on_the_day_on_which_its_invoice_is_posted(scene: Make) -> None:
    books = scene(tags=MAPPED)
    on(books, 2)
    books.draft()
    garage, bakery = (
        books.invoices(customer_name="Garage Vonk SRL")[0],
        books.invoices(customer_name="Bakery Deeg BV")[0],
    )
    on(books, 4)
    books.post(books.approve(garage)[0])
    on(books, 6)
    books.post(books.approve(bakery)[0])
    on(books, 20)
    assert in_progress(books, 1, 3, 4, 5, 6, 20) == ["937.50", "937.50", "622.50", "622.50", "0.00", "0.00"]


@pytest.mark.slow
def test_written_off_hours_leave_and_come_back(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-10-06", seconds=2 * HOUR)])
    on(books, 3)
    decisions.write_off(entries=[the(1)], reason="Our own mistake", by=BY, now=timezone.now())
    assert in_progress(books, 2, 3) == ["285.00", "190.00"]
    on(books, 7)
    decisions.reopen(entries=[the(1)], by=BY, now=timezone.now())
    on(books, 9)
    decisions.write_off(entries=[the(1)], reason="After all", by=BY, now=timezone.now())
    assert in_progress(books, 2, 3, 6, 7, 8, 9, 20) == [
        "285.00",
        "190.00",
        "190.00",
        "285.00",
        "285.00",
        "190.00",
        "190.00",
    ]


def test_hours_that_were_held_before_they_were_written_off_stay_until_then(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    on(books, 3)
    decisions.hold(entries=[the(1)], reason="They asked to wait", by=BY, now=timezone.now())
    on(books, 5)
    decisions.release(entries=[the(1)], by=BY, now=timezone.now())
    on(books, 9)
    decisions.write_off(entries=[the(1)], reason="Never", by=BY, now=timezone.now())
    assert in_progress(books, 2, 4, 6, 8, 9, 20) == ["95.00", "95.00", "95.00", "95.00", "0.00", "0.00"]


def test_held_hours_stay(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    on(books, 3)
    decisions.hold(entries=[the(1)], reason="They asked to wait", by=BY, now=timezone.now())
    on(books, 5)
    decisions.release(entries=[the(1)], by=BY, now=timezone.now())
    assert in_progress(books, 2, 3, 5) == ["95.00", "95.00", "95.00"]


@pytest.mark.slow
def test_credited_hours_that_are_billed_again_come_back(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-10-06", seconds=2 * HOUR)])
    on(books, 2)
    crediting.sent(books)
    on(books, 5)
    crediting.post(books, crediting.credit(1))
    on(books, 9)
    books.draft()
    post_all(books)
    on(books, 20)
    assert in_progress(books, 1, 2, 4, 5, 8, 9, 20) == ["285.00", "0.00", "0.00", "95.00", "95.00", "0.00", "0.00"]


@pytest.mark.slow
def test_credited_hours_that_are_not_billed_again_stay_out_until_they_are_opened(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-10-06", seconds=2 * HOUR)])
    on(books, 2)
    crediting.sent(books)
    on(books, 5)
    crediting.post(books, crediting.credit(1, rebill=False))
    assert in_progress(books, 1, 2, 5) == ["285.00", "0.00", "0.00"]
    on(books, 9)
    decisions.reopen(entries=[the(1)], by=BY, now=timezone.now())
    assert in_progress(books, 1, 2, 5, 8, 9) == ["285.00", "0.00", "0.00", "0.00", "95.00"]


def test_of_a_billed_hour_counts_what_was_billed(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    on(books, 2)
    books.posted()
    on(books, 5)
    books.control.put_entries(entry(1, seconds=5 * HOUR))
    books.sync()
    assert value(books, date(2026, 11, 1)) == (3600, "95.00")
    books.control.delete_entries(the(1).remote_id)
    books.sync()
    assert value(books, date(2026, 11, 1)) == (3600, "95.00")


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        ({"minutes": 0, "minimum": 0}, "26.39"),  # 1000 s at 95.00 are 26.388...
        ({"minutes": 15, "direction": "up", "minimum": 0}, "47.50"),
        ({"minutes": 15, "direction": "nearest", "minimum": 0}, "23.75"),
        ({"minutes": 15, "direction": "down", "minimum": 20}, "31.67"),
        ({"minutes": 15, "direction": "up", "level": "line", "minimum": 0}, "26.39"),
    ],
)
def test_time_is_rounded_where_the_dossier_rounds_each_entry(
    scene: Make, rounding: dict[str, object], expected: str
) -> None:
    books = scene(entries=[entry(1, seconds=1000)], rounding=rounding)
    assert value(books) == (1000, expected)


def test_attention_counts_where_a_price_is_known(scene: Make) -> None:
    books = scene(
        clients=[client(GARAGE, f"Garage Vonk {GARAGE_NUMBER}"), client(505, "Somebody without a number")],
        projects=[project(GARAGE_PROJECT, "Garage", GARAGE), project(605, "Theirs", 505)],
        entries=[
            entry(1, project_id=605),  # nobody to bill, but its tag leads to 95.00
            entry(2, "2026-10-06", tags=[]),  # no tag: no price
            entry(3, "2026-10-07", seconds=60, tag="Books", user_id=COLLEAGUE),
        ],
    )
    found = as_of.rows(dossiers=[books.dossier], as_of=TODAY)
    shown = [(row.customer_name, row.product, row.entries, row.unpriced, row.seconds, str(row.value)) for row in found]
    assert shown == [
        ("", "ADV", 1, 0, 3600, "95.00"),
        ("Garage Vonk SRL", "", 1, 1, 3600, "0.00"),
        ("Garage Vonk SRL", "CPT", 1, 0, 60, "1.00"),
    ]
    assert [row.client for row in found] == ["Somebody without a number", "", ""]


@pytest.mark.slow
def test_today_is_what_the_ledger_says(scene: Make) -> None:
    books = scene(
        entries=[
            entry(1),
            entry(2, "2026-10-06", tags=[]),
            entry(3, "2026-10-07", seconds=1234),
            entry(4, "2026-10-08", seconds=777, project_id=BAKERY_PROJECT),
            entry(5, "2026-11-02", seconds=4321, project_id=BAKERY_PROJECT),
            entry(6, "2026-11-03", seconds=60),
        ],
        products=PRODUCTS,
    )
    agree(books, start=date(2026, 11, 1))  # the garage's, not billed yet
    decisions.hold(entries=[the(3)], reason="Later", by=BY, now=timezone.now())
    books.draft()
    (bakery,) = books.invoices(status="draft", customer_name="Bakery Deeg BV")
    assert set(books.states().values()) == {"attention", "covered", "drafted", "held", "open"}
    sheets = balance.months(dossiers=[books.dossier])
    known = sum(month.states[state].seconds for month in sheets for state in as_of.STATES)
    assert value(books)[0] == known == 3600 + 3600 + 1234 + 777 + 4321 + 60
    books.post(runs.approve(invoice=bakery, by=BY, now=timezone.now()))
    decisions.write_off(entries=[the(3)], reason="Never", by=BY, now=timezone.now())
    sheets = balance.months(dossiers=[books.dossier])
    known = sum(month.states[state].seconds for month in sheets for state in as_of.STATES)
    assert value(books)[0] == known


def test_a_difference_that_is_billed_later_is_not_work_in_progress(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    on(books, 2)
    books.posted()
    books.control.put_entries(entry(1, seconds=2 * HOUR))
    books.sync()
    (row,) = the(1).corrections.all()
    decide.bill_next(correction=row, note="", by=BY, now=timezone.now())
    assert value(books) == (0, "0.00")


_DAYS = st.integers(1, 60)


@pytest.mark.slow
def test_any_posting_and_crediting_days(scene: Make) -> None:
    """Eight hours of eight customers; whatever the days on which their invoices were posted, and four of them taken
    back, each hour counts on exactly the other days."""
    books = scene(**many(8))
    books.draft()
    for invoice in books.approve():
        books.post(invoice)
    claims = list(Claim.objects.select_related("line__invoice").order_by("pk"))
    assert len(claims) == 8
    taken_back = claims[4:]
    Claim.objects.filter(pk__in=[claim.pk for claim in taken_back]).update(released_at=NOW)
    LedgerRow.objects.filter(entry__in=[claim.entry_id for claim in taken_back]).update(state="open")
    first = date(2026, 10, 5)

    def moment(day: int) -> datetime:
        return datetime.combine(first + timedelta(days=day), time(23, 30), tzinfo=books.firm.zone)

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.tuples(_DAYS, _DAYS), min_size=8, max_size=8), st.lists(_DAYS, min_size=1, max_size=4))
    def check(spans: list[tuple[int, int]], asked: list[int]) -> None:
        for claim, (posted, for_days) in zip(claims, spans, strict=True):
            Invoice.objects.filter(pk=claim.line.invoice_id).update(posted_at=moment(posted))
            if claim in taken_back:
                Claim.objects.filter(pk=claim.pk).update(released_at=moment(posted + for_days))
        for day in asked:
            expected = sum(
                claim.seconds
                for claim, (posted, for_days) in zip(claims, spans, strict=True)
                if day < posted or (claim in taken_back and day >= posted + for_days)
            )
            assert value(books, first + timedelta(days=day))[0] == expected

    check()
