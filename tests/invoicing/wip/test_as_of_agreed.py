"""Work in progress as of a day under agreements: when an hour that none bills by the hour enters and leaves it."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from integrations.models import Entry
from invoicing.drafting.sheet import Sheet
from invoicing.ledger.states import decisions, derive
from invoicing.ledger.window import uninvoiced_since
from invoicing.models import Agreement, BroughtOrder, Claim, LedgerRow
from tests.factories import BroughtOrderFactory
from tests.invoicing.after_billing import the
from tests.invoicing.agreements.agreed import HOUR, PRODUCTS, agree, draws, order, post_all, prepaid
from tests.invoicing.scene import BY, Scene, many
from tests.invoicing.wip.asked import TODAY, in_progress, on, value
from tests.worlds import (
    BAKERY_PROJECT,
    entry,
    product,
)
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


def test_covered_hours_leave_with_the_fee_that_billit_billed_itself(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-05", seconds=2 * HOUR)], products=PRODUCTS)
    agreement = agree(books)
    order = BroughtOrderFactory(agreement=agreement, period=date(2026, 10, 1), order_date=date(2026, 11, 3))
    books.sync()
    assert set(books.states().values()) == {"covered"}
    assert in_progress(books, 2, 3) == ["190.00", "0.00"]
    # Let go again, it bills nothing.
    BroughtOrder.objects.filter(pk=order.pk).update(released_at=datetime(2026, 11, 10, 9, tzinfo=UTC))
    assert in_progress(books, 9, 10) == ["0.00", "190.00"]


def test_hours_of_a_fee_that_was_due_before_the_books_are_never_in_it(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-06"), entry(2, "2026-10-07", seconds=2 * HOUR)], products=PRODUCTS)
    books.rules(start_date=date(2026, 10, 6))
    agree(books, start=date(2026, 7, 1), every="quarter", in_advance=True)
    assert set(books.states().values()) == {"covered"}
    # The quarter began on 1 October, before the books.
    assert in_progress(books, 6, 7, 31, month=10) == ["0.00", "0.00", "0.00"]
    assert value(books) == (0, "0.00")
    workspace, new_year = books.dossier.workspace, date(2027, 1, 15)
    assert uninvoiced_since(workspace=workspace, today=new_year) == date(2026, 12, 1)
    assert Sheet.read(books.dossier, date(2026, 12, 31), timezone.now()).seconds == {}
    # With hours included, what is beyond them is billed at the end of the quarter: until then they are read again.
    Agreement.objects.update(included_hours=Decimal(1), extra_product="ADV")
    assert uninvoiced_since(workspace=workspace, today=new_year) == date(2026, 10, 6)
    assert uninvoiced_since(workspace=workspace, today=date(2027, 2, 1)) == date(2027, 1, 1)


def test_hours_under_a_fee_of_billits_own_are_not_read_again_for_ever(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-09-10"), entry(2, "2026-10-05")], products=PRODUCTS)
    agreement = agree(books)
    workspace = books.dossier.workspace
    assert uninvoiced_since(workspace=workspace, today=TODAY) == date(2026, 9, 10)
    BroughtOrderFactory(agreement=agreement, period=date(2026, 9, 1))
    assert uninvoiced_since(workspace=workspace, today=TODAY) == date(2026, 10, 1)
    sheet = Sheet.read(books.dossier, date(2026, 10, 31), timezone.now())
    assert sheet.seconds == {the(2).remote_id: 3600}


def test_covered_hours_leave_with_the_fee_of_their_period(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-06", seconds=2 * HOUR), entry(2, "2026-11-03")], products=PRODUCTS)
    agree(books, start=date(2026, 10, 1))
    on(books, 5)
    books.draft()
    post_all(books)
    assert in_progress(books, 2, 3, 4, 5, 20) == ["190.00", "285.00", "285.00", "95.00", "95.00"]


def test_hours_of_a_fee_that_is_billed_in_advance_are_never_in_it(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-06"), entry(2, "2026-11-03")], products=PRODUCTS)
    agree(books, start=date(2026, 10, 1), in_advance=True)
    on(books, 1)
    books.draft()  # the fees of October and of November
    post_all(books)
    assert value(books, date(2026, 10, 31)) == (3600, "95.00")
    assert in_progress(books, 1, 3, 20) == ["0.00", "0.00", "0.00"]
    # whether the annex of November lists the hour yet or not
    assert Claim.objects.live().covered().count() == 1


def test_hours_on_account_stay_whatever_advances_were_billed(scene: Make) -> None:
    books = scene(
        entries=[entry(1, "2026-09-10"), entry(2, "2026-10-07", project_id=BAKERY_PROJECT)],
        products=[*PRODUCTS, product(9, "PROV", "Advance", "250.00")],
    )
    agree(books, kind="advance", product="PROV")
    on(books, 3)
    books.draft()
    post_all(books)
    assert books.states() == {the(1).remote_id: "on_account", the(2).remote_id: "invoiced"}
    assert in_progress(books, 2, 3, 20) == ["190.00", "95.00", "95.00"]


@pytest.mark.slow
def test_prepaid_hours_stay_until_they_draw_their_block(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-11-05", seconds=2 * HOUR)], products=PRODUCTS)
    agreement = prepaid(books, hours=Decimal(10))
    on(books, 6)
    order(agreement)
    books.sync()
    assert in_progress(books, 4, 5, 6) == ["0.00", "190.00", "190.00"]
    on(books, 10)
    post_all(books)
    on(books, 12)
    books.draft(date(2026, 11, 11))
    assert draws() == [[1]]
    assert in_progress(books, 4, 5, 9, 11, 12, 20) == ["0.00", "190.00", "190.00", "190.00", "0.00", "0.00"]
    # Worked longer, it is free again and draws anew.
    on(books, 14)
    books.control.put_entries(entry(1, "2026-11-05", seconds=3 * HOUR))
    books.sync()
    on(books, 16)
    books.draft(date(2026, 11, 15))
    assert draws() == [[1]]
    on(books, 20)
    assert in_progress(books, 11, 12, 13, 14, 15, 16, 20) == [
        *("285.00", "0.00", "0.00", "285.00", "285.00", "0.00", "0.00")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_answered_on_a_day_is_answered_ever_after(scene: Make, seed: int) -> None:
    """Hours of a customer with prepaid hours, of one with a fee and of one by the hour, over two weeks in which
    whatever is done is drawn by lot."""
    lot = random.Random(seed)
    serials = range(1, 13)
    books = scene(
        **many(3)
        | {
            "products": PRODUCTS,
            "entries": [
                entry(n, f"2026-11-{lot.randint(1, 12):02d}", seconds=lot.randint(1, 9) * 900, project_id=2000 + n % 3)
                for n in serials
            ],
        }
    )
    block = prepaid(books, client_id=1000, start=date(2026, 11, 1), hours=Decimal(4), refill_at=Decimal(1))
    agree(books, key="fee", client_id=1001, start=date(2026, 11, 1), in_advance=True)
    answered: dict[date, tuple[int, str]] = {}

    def some(*states: str) -> list[Entry]:
        rows = LedgerRow.objects.filter(state__in=states, day__lte=today).order_by("entry__remote_id")
        return [row.entry for row in rows if lot.random() < 0.3]

    for day in range(1, 15):
        today = date(2026, 11, day)
        on(books, day)
        for deed in lot.sample(["draft", "draft", "post", "hold", "release", "write off", "reopen", "order"], 3):
            now = timezone.now()
            if deed == "draft":
                books.draft(today)
            elif deed == "post":
                post_all(books)
            elif deed == "order":
                with suppress(NotPossible):
                    order(block)
            elif deed == "hold" and (found := some("open")):
                decisions.hold(entries=found, reason="Later", by=BY, now=now)
            elif deed == "release" and (found := some("held")):
                decisions.release(entries=found, by=BY, now=now)
            elif deed == "write off" and (found := some("open")):
                decisions.write_off(entries=found, reason="Never", by=BY, now=now)
            elif deed == "reopen" and (found := some("written_off")):
                decisions.reopen(entries=found, by=BY, now=now)
            derive.derive_marked(now=now)
        answered[today] = value(books, today)
    assert {day: value(books, day) for day in answered} == answered
    assert draws()
