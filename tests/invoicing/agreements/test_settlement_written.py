"""A waiting settlement of which a line is written down or up takes off the advances that its hours come to then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from invoicing.drafting.changing import discounts
from invoicing.drafting.changing.discounts import Wish
from invoicing.models import Deduction, Invoice
from tests.invoicing.agreements.agreed import ADVANCES, HOUR, agree, balanced, bill, post_all, totals
from tests.invoicing.scene import BY, Scene
from tests.worlds import entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


def waiting(scene: Make) -> tuple[Scene, Invoice]:
    """4 h Advice at 95.00 and 2 h Books at 60.00, 500.00 in all, settled with two advances of 250.00."""
    entries = [entry(1, seconds=4 * HOUR), entry(2, "2026-10-06", seconds=2 * HOUR, tag="Books")]
    books = scene(entries=entries, products=ADVANCES)
    agree(books, kind="advance", product="PROV", settle_on="10-31", end=date(2026, 10, 31))
    books.draft(date(2026, 9, 30))
    post_all(books)
    books.draft()
    (draft,) = books.invoices(status="draft")
    assert [line[3] for line in bill(draft)] == ["380.00", "120.00", "-250.00", "-250.00"]
    return books, draft


def write(draft: Invoice, amount: str, position: int = 1) -> list[str]:
    wish = Wish(amount=Decimal(amount))
    discounts.write_line(invoice=draft, position=position, wish=wish, reason="Agreed", by=BY, now=timezone.now())
    draft.refresh_from_db()
    return [line[3] for line in bill(draft)]


def as_redrawn(books: Scene, draft: Invoice) -> None:
    """A run finds nothing to change of it, and the books hold."""
    drafting = books.draft()
    assert (drafting.moved, drafting.left) == ((), (draft,))
    balanced(books)


@pytest.mark.slow
def test_settlement_whose_advances_equal_its_hours_is_written_down_and_up(scene: Make) -> None:
    books, draft = waiting(scene)
    assert totals(draft) == ("0.00", "0.00", "0.00")
    # 300.07 + 120.00 = 420.07: all of September's, and 170.07 of October's
    assert write(draft, "300.07") == ["300.07", "120.00", "-250.00", "-170.07"]
    assert totals(draft) == ("0.00", "0.00", "0.00")
    event = books.events("line_written")[-1].data
    assert (event["amount"], event["deducted"], event["total_excl"]) == ("300.07", "420.07", "0.00")
    as_redrawn(books, draft)
    # less than September's alone: October's is on no line
    assert write(draft, "100.00") == ["100.00", "120.00", "-220.00"]
    as_redrawn(books, draft)
    # up again, beyond what the advances hold: 480.00 + 120.00 - 500.00 = 100.00, 21.00 of VAT
    assert write(draft, "480.00") == ["480.00", "120.00", "-250.00", "-250.00"]
    assert totals(draft) == ("100.00", "21.00", "121.00")
    as_redrawn(books, draft)
    (settled,) = post_all(books)
    assert totals(settled) == ("100.00", "21.00", "121.00")
    balanced(books)


@pytest.mark.slow
def test_settlement_written_down_to_nothing_takes_nothing_off_until_it_is_written_up(scene: Make) -> None:
    books, draft = waiting(scene)
    assert write(draft, "0.00") == ["0.00", "120.00", "-120.00"]
    assert write(draft, "0.00", position=2) == ["0.00", "0.00"]
    assert not Deduction.objects.exists()
    as_redrawn(books, draft)
    assert write(draft, "380.00") == ["380.00", "0.00", "-250.00", "-130.00"]
    as_redrawn(books, draft)


def test_deductions_that_were_planned_anew_are_held_by_the_database(scene: Make) -> None:
    books, draft = waiting(scene)
    write(draft, "300.07")
    table = Deduction._meta.db_table
    for amount in ("250.01", "0.00"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET amount = %s WHERE amount = %s", [amount, "170.07"])
    balanced(books)
