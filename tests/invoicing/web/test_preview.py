"""The preview of a run: what would be drafted and what not, by other rules too, and nothing but what was read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invoicing.models import Invoice
from tests.factories import FirmFactory
from tests.invoicing.scene import OCTOBER, Scene, everything
from tests.visitors import alerts, inputs, signed_in, words
from tests.worlds import BAKERY_PROJECT, entry, product
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.fixture
def books(scene: Make) -> Scene:
    """Two customers: 1:10 and 0:50 for the garage, an hour for the bakery; an hour of an unknown tag."""
    made = scene(
        entries=[
            entry(1, seconds=4200),
            entry(2, "2026-10-06", seconds=3000),
            entry(3, "2026-10-07", project_id=BAKERY_PROJECT),
            entry(4, "2026-10-08", tag="Travel"),
            entry(5, "2026-11-02"),
        ],
        products=[product(0, "ADV", "Advice", "100.00"), product(1, "TRV", "Travel time", "50.00")],
    )
    made.rules(group_by="product")
    made.sync()
    Firm.objects.filter(pk=made.firm.pk).update(language="en")
    return made


def path(books: Scene, query: str = "through=2026-10-31") -> str:
    return f"/dossiers/{books.dossier.key}/preview/?{query}"


def shown(client: Client, books: Scene, query: str = "through=2026-10-31") -> str:
    answer = client.get(path(books, query))
    assert answer.status_code == 200
    return words(answer.content)


def rules(**changes: Any) -> str:
    """The address of a preview with rules to try."""
    said = {
        "through": "2026-10-31",
        "rounding_minutes": "0",
        "rounding_direction": "up",
        "rounding_level": "entry",
        "rounding_minimum": "0",
        "group_by": "product",
        "billable": "all",
        "tag": "",
        "product": "",
    }
    return "&".join(f"{name}={value}" for name, value in (said | changes).items())


def test_preview_shows_what_would_be_drafted_and_writes_nothing(books: Scene) -> None:
    client = signed_in(books.firm, "viewer")
    client.get(path(books))
    before = everything()
    page = shown(client, books)
    assert "2 invoices would be drafted: € 300.00" in page
    assert "2 lines" not in page
    assert "2.00 h × 100.00 = € 200.00" in page
    assert "1.00 h × 100.00 = € 100.00" in page
    assert "Left out, and why Tag without a product · 1.00 h · 1 entry Map the tag to a product" in page
    assert "Draft it so" not in page
    assert everything() == before
    assert "3 invoices would be drafted" not in shown(client, books, "through=2026-11-20")
    assert "2 invoices would be drafted: € 400.00" in shown(client, books, "through=2026-11-20")


@pytest.mark.slow
def test_what_was_read_is_drafted(books: Scene) -> None:
    client = signed_in(books.firm, "bookkeeper")
    page = client.get(path(books)).content.decode()
    sent = {"read": inputs(page, "read")[0], "through": inputs(page, "through")[0]}
    answer = client.post(f"/dossiers/{books.dossier.key}/draft/", sent, follow=True)
    assert "success: 2 invoices drafted or redrawn through 31 Oct 2026." in alerts(answer.content.decode())
    assert sorted(str(row.total_excl) for row in Invoice.objects.all()) == ["100.00", "200.00"]
    again = shown(client, books)
    assert "2 invoices would be drafted: € 300.00" in again
    assert again.count("stays as it is") == 2


@pytest.mark.slow
def test_another_plan_than_was_read_is_not_drafted_and_says_what_changed(books: Scene) -> None:
    client = signed_in(books.firm)
    page = client.get(path(books)).content.decode()
    sent = {"read": inputs(page, "read")[0], "through": "2026-10-31"}
    books.control.put_entries(entry(6, "2026-10-09"))
    books.sync()
    before = everything()
    answer = client.post(f"/dossiers/{books.dossier.key}/draft/", sent)
    assert answer.status_code == 409
    said = words(answer.content)
    assert "Total excl. VAT € 300.00 € 400.00" in said
    assert "2.00 h × € 100.00 = € 200.00" in said
    assert "3.00 h × € 100.00 = € 300.00" in said
    assert everything() == before
    anew = sent | {"read": inputs(answer.content.decode(), "read")[0]}
    assert client.post(f"/dossiers/{books.dossier.key}/draft/", anew).status_code == 302
    assert sorted(str(row.total_excl) for row in Invoice.objects.all()) == ["100.00", "300.00"]


@pytest.mark.slow
def test_preview_of_another_day_does_not_pass_for_this_one(books: Scene) -> None:
    client = signed_in(books.firm)
    read = inputs(client.get(path(books)).content.decode(), "read")[0]
    answer = client.post(f"/dossiers/{books.dossier.key}/draft/", {"read": read, "through": "2026-11-20"})
    assert answer.status_code == 400
    assert not Invoice.objects.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "now", "then"),
    [
        ({"rounding_minutes": 60}, "€ 300.00", "€ 400.00"),
        ({"rounding_minutes": 60, "rounding_level": "line"}, "€ 300.00", "€ 300.00"),
        ({"rounding_minutes": 60, "rounding_direction": "down"}, "€ 300.00", "€ 200.00"),
        ({"rounding_minimum": 90}, "€ 300.00", "€ 450.00"),
        ({"tag": "travel", "product": "TRV"}, "€ 300.00", "€ 350.00"),
        ({"tag": "Advice"}, "€ 300.00", "€ 0.00"),
    ],
)
def test_other_rules_are_tried_without_saving_them(changes: dict[str, Any], now: str, then: str, books: Scene) -> None:
    client = signed_in(books.firm)
    client.get(path(books))
    before = everything()
    page = shown(client, books, rules(**changes))
    assert f"By the rules as they are {now} excl. VAT, by those that are tried {then}." in page
    # What is tried is not what would be drafted.
    assert "Draft it so" not in page
    assert everything() == before


def test_rules_as_they_are_are_no_trial(books: Scene) -> None:
    page = shown(signed_in(books.firm), books, rules())
    assert "by those that are tried" not in page
    assert "Draft it so" in page


def test_rule_that_cannot_be_is_said_at_its_field(books: Scene) -> None:
    client = signed_in(books.firm)
    page = shown(client, books, rules(rounding_minutes="many", group_by="mood"))
    assert "Enter a whole number." in page
    assert "Select a valid choice." in page
    assert "by those that are tried" not in page


@pytest.mark.slow
def test_difference_to_the_month_before(books: Scene) -> None:
    client = signed_in(books.firm)
    books.draft(OCTOBER)
    page = shown(client, books, "through=2026-11-20")
    # The garage: 300.00 in October and November together, still a draft; the bakery's draft stays.
    assert "Against October" in page
    books.approve()
    page = shown(client, books, "through=2026-11-20")
    assert "1 invoice would be drafted: € 100.00" in page
    assert "− € 100.00 € 200.00" in page


def test_day_after_today_is_refused_and_one_that_is_none_means_the_end_of_last_month(books: Scene) -> None:
    client = signed_in(books.firm)
    answer = client.get(path(books, "through=2027-01-31"), follow=True)
    assert "is after today" in alerts(answer.content.decode())
    assert "through 31 Oct 2026" in shown(client, books, "through=soon")


@pytest.mark.slow
def test_preview_takes_as_many_queries_for_more_hours(books: Scene) -> None:
    client = signed_in(books.firm)
    client.get(path(books))
    taken = []
    for serial in (20, 40):
        books.control.put_entries(*[entry(serial + n, "2026-10-12", description=f"W{n}") for n in range(serial)])
        books.sync()
        with CaptureQueriesContext(connection) as queries:
            shown(client, books)
        taken.append(len(queries))
    assert taken[0] == taken[1] <= 25
    # Beside other rules, what judges the hours is read once.
    with CaptureQueriesContext(connection) as queries:
        shown(client, books, rules(rounding_minutes=15))
    assert len(queries) <= 25


def test_preview_of_another_firm_is_not_there(books: Scene) -> None:
    assert signed_in(FirmFactory()).get(path(books)).status_code == 404
