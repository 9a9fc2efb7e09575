"""What if: rules, mappings and agreements are tried on a preview, nothing is written, and what they change is said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from invoicing.models import Dossier, Invoice
from tests.invoicing.agreements.agreed import october
from tests.invoicing.scene import Scene, everything
from tests.visitors import inputs, signed_in, words
from tests.worlds import BAKERY, BAKERY_PROJECT, GARAGE_NUMBER, GARAGE_PARTY, entry, product
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
Asked = dict[str, str | list[str]]
SAYS = "By the rules as they are {now} excl. VAT, by those that are tried {then}."


@pytest.fixture
def books(scene: Make) -> Scene:
    """The garage: 1:10 and 0:50 of advice. The bakery: an hour of it, one of an unknown tag, and 20 hours at once."""
    made = scene(
        entries=[
            entry(1, seconds=4200),
            entry(2, "2026-10-06", seconds=3000),
            entry(3, "2026-10-07", project_id=BAKERY_PROJECT),
            entry(4, "2026-10-08", tag="Travel", project_id=BAKERY_PROJECT),
            entry(5, "2026-10-12", seconds=20 * 3600, project_id=BAKERY_PROJECT),
        ],
        products=[
            product(0, "ADV", "Advice", "100.00"),
            product(1, "TRV", "Travel time", "50.00"),
            product(2, "FORF", "Flat fee", "1.00"),
        ],
    )
    made.rules(group_by="product")
    made.sync()
    Firm.objects.filter(pk=made.firm.pk).update(language="en")
    return made


def shown(client: Client, books: Scene, asked: Asked) -> str:
    query = urlencode({"through": "2026-10-31"} | asked, doseq=True)
    answer = client.get(f"/dossiers/{books.dossier.key}/preview/?{query}")
    assert answer.status_code == 200
    return words(answer.content)


AGREED: Asked = {
    "agreed-customer": GARAGE_NUMBER,
    "agreed-kind": "fixed",
    "agreed-product": "FORF",
    "agreed-amount": "250.00",
    "agreed-every": "month",
    "agreed-due": "arrears",
    "agreed-start": "2026-10-01",
}


def test_rules_mappings_and_a_fee_together_say_what_they_change_and_write_nothing(books: Scene) -> None:
    client = signed_in(books.firm)
    shown(client, books, {})
    before = everything()
    asked: Asked = AGREED | {"longest_hours": "0", "tag": ["travel", ""], "product": ["trv", ""]}
    with CaptureQueriesContext(connection) as queries:
        page = shown(client, books, asked)
    assert len(queries) <= 25
    # The garage: 2 h at 100.00 become the fee; the bakery: 1 h becomes 21 h of advice and one of travel.
    assert SAYS.format(now="€ 300.00", then="€ 2,400.00") in page
    assert "The difference: + 19.00 h, + € 2,100.00." in page
    assert "Advice: 2.00 h, € 200.00 → 0.00 h, € 0.00" in page
    assert "Flat fee · Agreement that is tried · October 2026: 0.00 h, € 0.00 → 0.00 h, € 250.00" in page
    assert "Advice: 1.00 h, € 100.00 → 21.00 h, € 2,100.00" in page
    assert "Travel time: 0.00 h, € 0.00 → 1.00 h, € 50.00" in page
    assert "Draft by the saved rules: € 300.00 What is tried is not drafted." in page
    assert everything() == before


@pytest.mark.parametrize("customer", [GARAGE_NUMBER, str(GARAGE_PARTY)])
def test_client_is_tried_on_another_customer(customer: str, books: Scene) -> None:
    page = shown(signed_in(books.firm), books, {"client": f"Bakery ({BAKERY})", "customer": customer})
    assert SAYS.format(now="€ 300.00", then="€ 300.00") in page
    assert "Advice: 2.00 h, € 200.00 → 3.00 h, € 300.00" in page
    assert "not by the trial" in page


def test_agreement_is_left_out(books: Scene) -> None:
    october(books)
    page = shown(signed_in(books.firm), books, {"without": "garage"})
    # The fee of 250.00 covers the 2 h.
    assert SAYS.format(now="€ 350.00", then="€ 300.00") in page
    assert "The difference: + 2.00 h, − € 50.00." in page


@pytest.mark.slow
def test_trial_beside_drafts_and_agreements_reads_what_lies_on_the_table_once(books: Scene) -> None:
    october(books)
    books.draft()
    client = signed_in(books.firm)
    asked: Asked = AGREED | {"without": "garage", "agreed-amount": "300.00", "rounding_minutes": "15"}
    shown(client, books, asked)
    with CaptureQueriesContext(connection) as queries:
        page = shown(client, books, asked)
    assert len(queries) <= 25
    # The drafts stand as they are: 250.00 and the bakery's hour. By the trial the fee is 300.00.
    assert SAYS.format(now="€ 350.00", then="€ 400.00") in page
    assert page.count("stays as it is") == 2


@pytest.mark.slow
def test_advances_are_tried(books: Scene) -> None:
    advances = AGREED | {"agreed-kind": "advance", "agreed-amount": "120"}
    page = shown(signed_in(books.firm), books, advances)
    # The hours wait on account; the advances of October and, with its eve, November are due.
    assert SAYS.format(now="€ 300.00", then="€ 340.00") in page
    assert "The difference: − 2.00 h, + € 40.00." in page


@pytest.mark.slow
def test_drafts_by_the_saved_rules_beside_a_trial(books: Scene) -> None:
    client = signed_in(books.firm)
    query = urlencode({"through": "2026-10-31", "tag": "Advice", "product": ""})
    page = client.get(f"/dossiers/{books.dossier.key}/preview/?{query}").content.decode()
    sent = {"read": inputs(page, "read")[0], "through": "2026-10-31"}
    assert client.post(f"/dossiers/{books.dossier.key}/draft/", sent).status_code == 302
    assert sorted(row.total_excl for row in Invoice.objects.all()) == [Decimal(100), Decimal(200)]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"tag": "a" * 256}, "Ensure this value has at most 255 characters"),
        ({"tag": "Travel", "product": "NONE"}, "Billit has no product “NONE”: choose one of the list."),
        ({"product": "TRV"}, "Give the tag that leads to it."),
        ({"tag": ["x"] * 11}, "At most 10 tags and 10 clients are tried at once."),
        ({"client": "Nobody", "customer": GARAGE_NUMBER}, "Nothing known is called “Nobody”"),
        ({"client": "9" * 18, "customer": GARAGE_NUMBER}, "This dossier bills no Toggl client of this number"),
        ({"client": str(BAKERY)}, "Give the customer: a number, or one of Billit"),
        ({"client": str(BAKERY), "customer": "9" * 400}, "Nothing known is called"),
        ({"default_product": "NONE"}, "Billit has no product “NONE”"),
        ({"longest_hours": "9" * 300}, "Ensure this value is less than or equal to 1000."),
        ({"price_day": "never"}, "Select a valid choice."),
        ({"without": "no-such"}, "Select a valid choice."),
        (AGREED | {"agreed-amount": "1E999999"}, "Nothing is tried: mend what is said below."),
        (AGREED | {"agreed-amount": "-5"}, "Nothing is tried: mend what is said below."),
        (AGREED | {"agreed-start": "0001-01-01"}, "Give a day from the start of the dossier on."),
        (AGREED | {"agreed-start": "soon"}, "Enter a valid date."),
        (AGREED | {"agreed-product": ""}, "This field is required."),
        ({"agreed-customer": GARAGE_NUMBER, "agreed-amount": "-1"}, "This field is required."),
        ({"agreed-customer": "Nobody"}, "Nothing known is called “Nobody”"),
        (AGREED | {"agreed-amount": "NaN", "agreed-start": "2026-13-45"}, "Enter a valid date."),
    ],
)
def test_what_cannot_be_tried_is_said_at_its_field(asked: Asked, said: str, books: Scene) -> None:
    page = shown(signed_in(books.firm), books, asked)
    assert said in page
    assert "by those that are tried" not in page


def test_default_product_that_billit_lost_is_no_fault(books: Scene) -> None:
    Dossier.objects.filter(pk=books.dossier.pk).update(default_product="GONE", start_date=date(2026, 1, 1))
    assert "Nothing is tried" not in shown(signed_in(books.firm), books, {})
