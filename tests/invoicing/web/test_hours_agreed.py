"""What a row of the hours says of the agreement that keeps it off an invoice: the same on the page and in the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.test import Client

from tests.factories import BroughtOrderFactory
from tests.invoicing.agreements.agreed import PRODUCTS, agree, order, post_all, prepaid
from tests.invoicing.scene import Scene, ids
from tests.visitors import content_of, signed_in, words
from tests.worlds import BAKERY, BAKERY_PROJECT, entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


def reasons(client: Client) -> dict[int, str]:
    """By the entry's serial: why it is on no invoice, as the file says and the page, too."""
    text = content_of(client.get("/hours/export.csv?month=")).decode("utf-8-sig")
    found = {int(row["Toggl entry"]) - ids(0)[0]: row["Reason"] for row in csv.DictReader(io.StringIO(text))}
    shown = words(client.get("/hours/?month=").content)
    assert [why for why in found.values() if why not in shown] == []
    return found


def test_covered_hours_say_by_what_and_for_which_period(scene: Make) -> None:
    books = scene(
        entries=[entry(1, "2026-09-10"), entry(2, "2026-10-06"), entry(3, "2026-10-07", project_id=BAKERY_PROJECT)],
        products=PRODUCTS,
    )
    agreement = agree(books)
    yearly = {"every": "year", "in_advance": True, "start": date(2026, 1, 1)}
    agree(books, key="bakery", title="All year", client_id=BAKERY, **yearly)
    BroughtOrderFactory(agreement=agreement, period=date(2026, 9, 1), order_number="REC-7")
    assert reasons(signed_in(books.firm)) == {
        1: "covered by “Keeping the books”, September 2026: Billit billed that fee by itself, with REC-7",
        2: "covered by “Keeping the books”, October 2026: listed with that fee once the period is over",
        3: "covered by “All year”, January – December 2026: that fee was due before the dossier’s first day",
    }


def test_hours_say_which_block_they_wait_for(scene: Make) -> None:
    books = scene(
        entries=[entry(1), entry(2, "2026-10-06", project_id=BAKERY_PROJECT), entry(3, "2026-10-07", tag="Books")],
        products=PRODUCTS,
    )
    agreement = prepaid(books, hours=Decimal(10), products=("ADV",))
    client, by_the_hour = signed_in(books.firm), "waits for the next draft"
    assert reasons(client) == {1: by_the_hour, 2: by_the_hour, 3: by_the_hour}
    block = order(agreement)
    books.sync()
    # Neither another customer's nor that of another product.
    assert reasons(client) == {
        1: f"waits for the block of “Prepaid advice” (invoice {block})",
        2: by_the_hour,
        3: by_the_hour,
    }
    post_all(books)
    assert reasons(client) == {1: by_the_hour, 2: by_the_hour, 3: by_the_hour}
