"""Pins are asked again (R3): a customer that Billit merged, deleted or renumbered is billed nothing until a person
points the Toggl client to a customer; what waited for the old one is drawn anew then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from invoicing.dossiers.mappings import map_clients
from invoicing.drafting import runs
from invoicing.ledger.states import derive
from invoicing.models import CustomerPin, Invoice
from invoicing.posting import post as posting
from invoicing.rules.judging.mapping import ClientRule
from tests.factories import enterprise_number
from tests.invoicing.after_billing import prove
from tests.invoicing.scene import BY, Scene, ids
from tests.worlds import GARAGE, GARAGE_NUMBER, GARAGE_PARTY, client, entry, party
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
LEFT = 80_099
OTHER_NUMBER = enterprise_number(77)


def merge(books: Scene) -> None:
    """The record that was pinned is gone from the company, another one has its number."""
    books.control.put_billit("parties", party(LEFT, "Garage Vonk", GARAGE_NUMBER))
    delete(books)


def delete(books: Scene) -> None:
    books.control.put_billit("parties", {"PartyID": GARAGE_PARTY, "CompanyID": 7999})


def renumber(books: Scene) -> None:
    books.control.put_billit("parties", party(LEFT, "Garage Vonk", GARAGE_NUMBER))
    books.control.put_billit("parties", {"PartyID": GARAGE_PARTY, "VATNumber": OTHER_NUMBER})


CHANGES = pytest.mark.parametrize("change", [merge, delete, renumber])


def read_again(books: Scene) -> None:
    books.later(minutes=10)
    books.sync()


def point(books: Scene, **customer: Any) -> None:
    """A person points the garage's client to a customer."""
    map_clients(dossier=books.dossier, rules=[ClientRule(GARAGE, **customer)], by=BY, now=timezone.now())
    derive.derive_marked(now=timezone.now())


def reasons(books: Scene) -> dict[int, str]:
    return {row.entry: str(row.reason) for row in books.draft().plan.skipped}


@CHANGES
def test_open_hours_of_a_changed_customer_wait(scene: Make, change: Callable[[Scene], None]) -> None:
    books = scene(entries=[entry(1)])
    change(books)
    read_again(books)
    assert set(books.states().values()) == {"attention"}
    assert reasons(books) == {ids(1)[0]: "customer_changed"}
    assert list(books.invoices()) == []
    prove(books)


@pytest.mark.slow
@CHANGES
def test_a_draft_says_so_is_not_approved_and_goes_to_the_customer_that_a_person_names(
    scene: Make, change: Callable[[Scene], None]
) -> None:
    books = scene(entries=[entry(1)])
    books.draft()
    change(books)
    read_again(books)
    draft = books.invoices().get()
    assert draft.attention == ("customer_renumbered" if change is renumber else "customer_gone")
    with pytest.raises(NotPossible, match="Map the Toggl client to"):
        runs.approve(invoice=draft, by=BY, now=timezone.now())
    assert reasons(books) == {ids(1)[0]: "customer_changed"}
    assert [row.status for row in books.invoices()] == ["void"]
    if change is delete:
        books.control.put_billit("parties", party(LEFT, "Garage Vonk", GARAGE_NUMBER))
        read_again(books)
    point(books, party_id=LEFT)
    books.draft()
    (invoice,) = books.approve()
    assert (books.post(invoice).status, invoice.customer_party_id) == ("posted", LEFT)
    prove(books)


@pytest.mark.slow
@CHANGES
def test_what_is_approved_is_not_posted_to_it(scene: Make, change: Callable[[Scene], None]) -> None:
    books = scene(entries=[entry(1)])
    approved = books.approved()
    change(books)
    read_again(books)
    with pytest.raises(NotPossible, match="Map the Toggl client to"):
        books.post(approved)
    row = posting.fresh(approved)
    assert (row.status, row.post_requested_at, books.control.orders()) == ("approved", None, [])
    # As long as nobody points the client to a customer, it stays where it is.
    books.draft()
    assert posting.fresh(approved).status == "approved"
    if change is delete:
        books.control.put_billit("parties", party(LEFT, "Garage Vonk", GARAGE_NUMBER))
        read_again(books)
    point(books, party_id=LEFT)
    books.draft()
    assert posting.fresh(approved).status == "void"
    (invoice,) = books.approve()
    assert (books.post(invoice).status, invoice.customer_party_id) == ("posted", LEFT)
    assert len(books.control.orders()) == 1
    prove(books)


def test_a_customer_that_is_itself_again_is_no_matter_any_more(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    approved = books.approved()
    renumber(books)
    read_again(books)
    assert posting.fresh(approved).attention == "customer_renumbered"
    books.control.put_billit("parties", {"PartyID": GARAGE_PARTY, "VATNumber": GARAGE_NUMBER})
    read_again(books)
    assert posting.fresh(approved).attention == ""
    assert books.post(approved).status == "posted"


def test_a_refused_invoice_is_drawn_anew_once_its_client_is_mapped_anew(scene: Make) -> None:
    """Billit merged them between two readings: the post itself finds that out."""
    books = scene(entries=[entry(1), entry(2)])
    approved = books.approved()
    merge(books)
    refused = books.post(approved)
    assert refused.status == "refused"
    read_again(books)
    books.draft()
    assert posting.fresh(refused).status == "refused"
    point(books, party_id=LEFT)
    (moved,) = books.draft().moved
    assert moved[0].customer_party_id == LEFT
    assert posting.fresh(refused).status == "void"
    assert books.events("invoice_void")[-1].data["reason"]["code"] == "redrawn"
    (invoice,) = books.approve()
    assert books.post(invoice).status == "posted"
    assert set(books.states().values()) == {"invoiced"}
    prove(books)


def test_a_refused_invoice_of_the_same_customer_stays(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    approved = books.approved()
    body = {"errors": [{"Code": "GenericError", "Description": "No."}]}
    with books.fault("status", status=400, body=body):
        refused = books.post(approved)
    assert (books.draft().moved, books.draft().dropped) == ((), ())
    assert posting.fresh(refused).status == "refused"


def test_a_number_that_a_person_states_anew_is_looked_up_anew(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    merge(books)
    read_again(books)
    point(books, number=GARAGE_NUMBER)
    assert list(CustomerPin.objects.values_list("party_id", flat=True)) == [LEFT]
    (moved,) = books.draft().moved
    assert moved[0].customer_party_id == LEFT


def test_a_customer_without_a_number_of_its_own_may_be_known_by_an_identifier(scene: Make) -> None:
    known = {"Identifiers": [{"IdentifierType": "CBE", "Identifier": GARAGE_NUMBER[2:]}]}
    books = scene(entries=[entry(1)], parties=[party(GARAGE_PARTY, "De Kring", "", **known)])
    invoice = books.posted()
    books.read_back()
    assert posting.fresh(invoice).customer_party_id == GARAGE_PARTY
    books.control.put_entries(entry(2))
    read_again(books)
    assert reasons(books) == {}
    assert [row.customer_party_id for row in Invoice.objects.filter(status="draft")] == [GARAGE_PARTY]


def test_a_customer_that_billit_made_and_lost_before_it_was_read_is_gone(scene: Make) -> None:
    books = scene(entries=[entry(1)], clients=[client(GARAGE, f"New Garage {OTHER_NUMBER}")], parties=[])
    books.posted()
    books.read_back()
    made = CustomerPin.objects.get().party_id
    books.control.put_billit("parties", {"PartyID": made, "CompanyID": 7999})
    books.control.put_entries(entry(2))
    read_again(books)
    assert reasons(books) == {ids(2)[0]: "customer_changed"}


def test_a_number_that_is_written_in_another_way_is_the_same(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    approved = books.approved()
    written = f"BTW {GARAGE_NUMBER[:2]} {GARAGE_NUMBER[2:6]}.{GARAGE_NUMBER[6:9]}.{GARAGE_NUMBER[9:]} RPR Gent"
    books.control.put_billit("parties", {"PartyID": GARAGE_PARTY, "VATNumber": written})
    books.control.put_entries(entry(2, "2026-11-03"))
    read_again(books)
    assert set(books.states().values()) == {"drafted", "open"}
    assert posting.fresh(approved).attention == ""


def test_billed_hours_of_a_changed_customer_stay_billed(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    books.read_back()
    merge(books)
    read_again(books)
    assert set(books.states().values()) == {"invoiced"}
    prove(books)
