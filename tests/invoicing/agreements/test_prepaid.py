"""Prepaid hours as an accountant would reckon them, every figure to the cent, against the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from invoicing.ledger.agreements import blocks
from tests.invoicing.agreements.agreed import HOUR, PRODUCTS, balanced, bill, draws, order, post_all, prepaid, totals
from tests.invoicing.scene import Scene, ids
from tests.worlds import entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.mark.slow
def test_block_of_twenty_hours_crossed_by_one_entry_and_refilled(scene: Make) -> None:
    books = scene(
        entries=[
            entry(1, "2026-10-05", seconds=8 * HOUR),
            entry(2, "2026-10-06", seconds=8 * HOUR),
            entry(3, "2026-10-07", seconds=6 * HOUR),
            entry(4, "2026-10-08", seconds=2 * HOUR),
        ],
        products=PRODUCTS,
    )
    agreement = prepaid(books, refill_at=Decimal(4))
    # no block is ordered: billed by the hour
    assert set(books.states().values()) == {"open"}

    block = order(agreement)
    assert bill(block) == [("block", "Advice · Prepaid advice", "20.00", "1700.00")]
    assert totals(block) == ("1700.00", "357.00", "2057.00")
    books.sync()
    # while it waits, the hours are in no draft
    waiting = books.draft()
    assert waiting.moved == ()
    assert [(skip.entry, skip.reason) for skip in waiting.plan.skipped] == [
        (pk, "block_waits") for pk in ids(1, 2, 3, 4)
    ]
    post_all(books)
    (sent,) = books.asked("POST", "/v1/orders")
    assert [(row["Unit"], row["Quantity"], row["UnitPriceExcl"]) for row in sent["body"]["OrderLines"]] == [
        ("HUR", 20, 85)
    ]
    balanced(books)

    # 8 + 8 + 6 = 22 hours: the third crosses the end and stays on it; the fourth waits for the refill
    drafting = books.draft()
    assert draws() == [[1, 2, 3]]
    assert blocks.left(agreement) == Decimal("-2.00")
    assert [books.states()[pk] for pk in ids(1, 2, 3, 4)] == ["prepaid", "prepaid", "prepaid", "open"]
    assert [(skip.entry, skip.reason) for skip in drafting.plan.skipped] == [(ids(4)[0], "block_waits")]
    (refill,) = books.invoices(status="draft")
    assert bill(refill) == [("block", "Advice · Prepaid advice", "20.00", "1700.00")]
    balanced(books)
    # a second run refills nothing twice
    assert books.draft().moved == ()

    # the next block begins with what was drawn beyond the first: 20 - 2 - 2 = 16
    post_all(books)
    books.draft()
    assert draws() == [[1, 2, 3], [4]]
    assert blocks.left(agreement) == Decimal("16.00")
    assert set(books.states().values()) == {"prepaid"}
    assert not books.invoices(status="draft")
    balanced(books)
    assert len(books.control.orders()) == 2


def test_late_hour_draws_what_is_left_and_what_was_drawn_stays(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-06", seconds=19 * HOUR - 1800)], products=PRODUCTS)
    agreement = prepaid(books)
    order(agreement)
    post_all(books)
    books.draft()
    assert blocks.left(agreement) == Decimal("1.50")
    books.control.put_entries(entry(2, "2026-09-10", seconds=HOUR), entry(3, "2026-10-07", seconds=HOUR))
    books.control.put_entries(entry(4, "2026-10-08", seconds=HOUR))
    books.sync()
    # the earlier one first; whether 18.5 hours at once can be is not asked; the rest, without a block, by the hour
    books.draft()
    assert draws() == [[2, 1, 3]]
    assert blocks.left(agreement) == Decimal("-0.50")
    (hourly,) = books.invoices(status="draft")
    assert bill(hourly) == [("hours", "Advice", "1.00", "95.00")]
    balanced(books)
