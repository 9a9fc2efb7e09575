"""What if: rules, mappings and agreements are tried on a preview, nothing is written, and what they change is said."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from invoicing.drafting import runs
from invoicing.models import ClientMapping, Dossier, DossierClient, Invoice
from tests.invoicing.agreements.agreed import october, order, post_all, prepaid
from tests.invoicing.scene import BY, Scene, everything
from tests.visitors import inputs, signed_in, words
from tests.worlds import (
    BAKERY,
    BAKERY_NUMBER,
    BAKERY_PROJECT,
    COMPANY,
    GARAGE,
    GARAGE_NUMBER,
    GARAGE_PARTY,
    GARAGE_PROJECT,
    WORKSPACE,
    client,
    entry,
    product,
    project,
)
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


def shown(client: Client, books: Scene, asked: Asked, dossier: Dossier | None = None) -> str:
    query = urlencode({"through": "2026-10-31"} | asked, doseq=True)
    answer = client.get(f"/dossiers/{(dossier or books.dossier).key}/preview/?{query}")
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


@pytest.mark.slow
def test_default_product_that_billit_lost_is_no_fault(books: Scene) -> None:
    Dossier.objects.filter(pk=books.dossier.pk).update(default_product="GONE", start_date=date(2026, 1, 1))
    assert "Nothing is tried" not in shown(signed_in(books.firm), books, {})


# --- as it would be once it were saved --------------------------------------------------------------------------------


def tried(books: Scene, asked: Asked, dossier: Dossier | None = None) -> Decimal:
    """What a trial comes to in euro excl. VAT; it writes nothing."""
    dossier = dossier or books.dossier
    client, before = signed_in(books.firm), everything()
    with CaptureQueriesContext(connection) as queries:
        page = shown(client, books, asked, dossier)
    assert len(queries) <= 25
    assert everything() == before
    found = re.search(r"by those that are tried € ([0-9,.]+)\.", page)
    assert found, page
    return Decimal(found[1].replace(",", ""))


def billed(dossier: Dossier) -> Decimal:
    """What a run drafts beside what was billed already, in euro excl. VAT."""
    runs.draft(dossier=dossier, cut_off=date(2026, 10, 31), by=BY, now=timezone.now())
    return sum(Invoice.objects.standing().filter(dossier=dossier).values_list("total_excl", flat=True), Decimal(0))


@pytest.mark.parametrize(("start", "comes_to"), [("2026-10-06", "350.00"), ("2026-10-02", "700.00")])
def test_another_start_bills_as_drafting_does_once_it_is_saved(start: str, comes_to: str, books: Scene) -> None:
    twice = {"project_id": BAKERY_PROJECT, "description": "Said twice"}
    books.control.put_entries(
        entry(6, "2026-10-02T07:00:00+00:00", seconds=7200),
        *(entry(serial, "2026-10-02", seconds=5400, **twice) for serial in (7, 8)),
    )
    october(books, included_hours=Decimal("2.00"), extra_product="ADV")
    books.rules(start_date=date(2026, 10, 5))
    books.sync()
    assert tried(books, {"start_date": start}) == Decimal(comes_to)
    books.rules(start_date=date.fromisoformat(start))
    books.sync()
    assert billed(books.dossier) == Decimal(comes_to)


@pytest.mark.slow
def test_start_stays_once_something_is_invoiced_and_days_before_the_reading_are_said(books: Scene) -> None:
    assert "Toggl has been read from 1 Sep 2026 on" in shown(signed_in(books.firm), books, {"start_date": "2026-08-01"})
    books.draft()
    page = shown(signed_in(books.firm), books, {"start_date": "2026-10-06"})
    assert "Stays 2026-09-01, since dossier small has invoiced" in page
    assert "by those that are tried" not in page


@pytest.mark.parametrize(
    ("named", "saved", "comes_to"),
    [(f"{GARAGE}\nNobody's books", [GARAGE, 503], "400.00"), ("Nobody's books", [503], "200.00"), ("", [], "0.00")],
)
def test_other_clients_bill_as_drafting_does_once_they_are_saved(
    named: str, saved: list[int], comes_to: str, scene: Make
) -> None:
    table = {"toggl": "main", "billit": "main", "workspace": WORKSPACE, "company": COMPANY, "start": "2026-09-01"}
    table["tags"] = [{"tag": "Advice", "product": "ADV"}]
    books = scene(
        dossiers=[
            {"key": "whole", **table, "clients": [BAKERY]},
            {"key": "second", **table, "clients": [GARAGE]},
        ],
        clients=[
            client(GARAGE, f"Garage {GARAGE_NUMBER}"),
            client(BAKERY, f"Bakery {BAKERY_NUMBER}"),
            client(503, "Nobody's books"),
        ],
        projects=[
            project(GARAGE_PROJECT, "Garage", GARAGE),
            project(BAKERY_PROJECT, "Bakery", BAKERY),
            project(603, "Nobody's", 503),
        ],
        entries=[
            entry(1, seconds=7200),
            entry(2, project_id=BAKERY_PROJECT),
            *(entry(serial, f"2026-10-{serial}", project_id=603) for serial in (10, 11)),
            entry(12, "2026-10-10", project_id=603, description="Work 10"),
        ],
        products=[product(0, "ADV", "Advice", "100.00")],
    )
    dossier = Dossier.objects.select_related("firm", "workspace__firm", "company").get(key="second")
    ClientMapping.objects.create(
        firm=books.firm, dossier=dossier, client_remote_id=503, customer_party_id=GARAGE_PARTY, number=""
    )
    runs.draft(dossier=dossier, cut_off=date(2026, 10, 31), by=BY, now=timezone.now())
    assert tried(books, {"named": named}, dossier) == Decimal(comes_to)
    dossier.named_clients.all().delete()
    for number in saved:
        DossierClient.objects.create(
            firm=books.firm, dossier=dossier, workspace=dossier.workspace, client_remote_id=number
        )
    books.rules(group_by="product")
    books.sync()
    assert billed(dossier) == Decimal(comes_to)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hours", "refill", "comes_to"),
    [
        # 1:10 crosses the end of the block; 0:50 is billed by the hour, and the bakery's hour as before.
        ("1", "", "268.00"),
        # Nothing is left: the next block is due, and 0:50 waits for it.
        ("1", "1", "270.00"),
        # Both draw the block.
        ("5,5", "2", "567.50"),
        # One that begins after the run is not sold.
        (None, "", "300.00"),
    ],
)
def test_prepaid_hours_bill_as_drafting_does_once_a_block_is_sold(
    hours: str | None, refill: str, comes_to: str, books: Scene
) -> None:
    asked: Asked = AGREED | {"agreed-kind": "prepaid", "agreed-product": "ADV", "agreed-amount": ""}
    asked |= {"agreed-hours": hours or "1", "agreed-price": "85.00", "agreed-refill_at": refill}
    if hours is None:
        asked["agreed-start"] = "2026-11-01"
    assert tried(books, asked) == Decimal(comes_to)
    if hours is None:
        return
    refill_at = Decimal(refill) if refill else None
    made = prepaid(books, start=date(2026, 10, 1), hours=Decimal(hours.replace(",", ".")), refill_at=refill_at)
    order(made)
    post_all(books)
    books.sync()
    assert billed(books.dossier) == Decimal(comes_to)
