"""The way to the receiver (R11): enterprise number, then VAT number, for this document; else e-mail; else none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from integrations.connections import choosing, credentials
from integrations.models import Company
from invoicing import tasks
from invoicing.due import posts
from invoicing.models import Invoice
from invoicing.posting import post
from invoicing.posting.sending import send, way
from invoicing.posting.sending.way import identifiers
from tests.invoicing.scene import BY, Scene
from tests.worlds import API_KEY, BAKERY_PROJECT, COMPANY, GARAGE, GARAGE_NUMBER, GARAGE_PARTY, client, entry, party
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
ENTERPRISE, VAT = f"0208:{GARAGE_NUMBER[2:]}", f"9925:{GARAGE_NUMBER}"
BOTH = ["BISv3Invoice", "BISv3CreditNote"]


def asked_for(books: Scene) -> list[str]:
    """Whom Billit was asked for at Peppol, in the order of the questions."""
    path = "/v1/peppol/participantInformation/"
    return [row["path"].removeprefix(path) for row in books.control.log("billit") if row["path"].startswith(path)]


def test_which_numbers_are_asked_for() -> None:
    assert identifiers("BE0563846944") == ["0208:0563846944", "9925:BE0563846944"]
    assert identifiers("NL820646660B01") == ["NL820646660B01"]
    assert identifiers("") == []


@pytest.mark.parametrize(
    ("schemes", "questions", "destination"),
    [
        (["0208", "9925"], [ENTERPRISE], ENTERPRISE),
        (["0208"], [ENTERPRISE], ENTERPRISE),
        (["9925"], [ENTERPRISE, VAT], VAT),
    ],
    ids=["both", "enterprise number alone", "VAT number alone"],
)
@pytest.mark.parametrize("by_vat", ["9925", "0208"])
def test_registered_under_either_number_is_reached(
    scene: Make, schemes: list[str], questions: list[str], destination: str, by_vat: str
) -> None:
    books = scene(entries=[entry(1)], peppol=[{"number": GARAGE_NUMBER, "schemes": schemes}])
    books.control.switch(billit_participant_by_vat=by_vat)
    posted = books.posted()
    sent = books.send(posted)
    assert asked_for(books) == questions
    assert (sent.delivery, sent.way, sent.way_to) == ("sent", "peppol", destination)
    assert [(row["transport"], row["destination"]) for row in books.control.outbox()] == [("Peppol", destination)]


@pytest.mark.parametrize(("switch", "questions"), [("both", 1), ("0208", 1), ("9925", 2)])
def test_the_switch_says_under_which_number_receivers_are(scene: Make, switch: str, questions: int) -> None:
    books = scene(entries=[entry(1)])
    books.control.switch(billit_peppol_scheme=switch)
    posted = books.posted()
    assert (books.send(posted).delivery, len(asked_for(books))) == ("sent", questions)


@pytest.mark.parametrize("registered", [None, {"documents": ["BISv3CreditNote"]}])
def test_both_numbers_are_asked_before_there_is_no_way(scene: Make, registered: dict[str, Any] | None) -> None:
    peppol = [] if registered is None else [{"number": GARAGE_NUMBER} | registered]
    books = scene(entries=[entry(1)], peppol=peppol)
    posted = books.posted()
    with pytest.raises(NotPossible, match="does not receive invoices over Peppol"):
        books.send(posted)
    assert asked_for(books) == [ENTERPRISE, VAT]
    row = post.fresh(posted)
    assert (row.attention, row.delivery, row.way) == ("no_way_to_send", "not_sent", "")
    assert books.control.outbox() == []


def test_email_is_the_last_way_and_only_where_the_dossier_allows_it(scene: Make) -> None:
    books = scene(entries=[entry(1)], peppol=[])
    posted = books.posted()
    with pytest.raises(NotPossible):
        books.send(posted)
    books.rules(email_allowed=True)
    sent = books.send(post.fresh(posted))
    assert asked_for(books) == [ENTERPRISE, VAT, ENTERPRISE, VAT]
    assert (sent.delivery, sent.way, sent.attention) == ("sent", "email", "")
    (request,) = books.asked("POST", "/v1/orders/commands/send")
    assert request["body"] == {"TransportType": "SMTP", "OrderIDs": [posted.order_id]}
    assert request["headers"]["stricttransporttype"] == "true"
    assert [row["destination"] for row in books.control.outbox()] == [f"party{GARAGE_PARTY}@example.com"]


def test_a_receiver_abroad_is_asked_for_by_its_vat_number(scene: Make) -> None:
    number = "NL820646660B01"
    books = scene(
        entries=[entry(1)],
        clients=[client(GARAGE, f"Garage Vonk {number}")],
        parties=[party(GARAGE_PARTY, "Garage Vonk", number)],
        client_map=[{"client": GARAGE, "vat": number, "vat_treatment": "eu_services"}],
        peppol=[{"number": number}],
    )
    assert books.send(books.posted()).way == "peppol"
    assert asked_for(books) == [number]


# --- asked before somebody sends --------------------------------------------------------------------------------------


def ask(books: Scene) -> int:
    """A worker's turn."""
    found = way.unasked(now=timezone.now())
    return sum(way.ask(company=Company.objects.get(pk=pk), now=timezone.now()) for pk in found)


@pytest.mark.slow
def test_the_way_is_asked_once_it_is_posted_and_each_receiver_once(scene: Make) -> None:
    peppol = [{"number": GARAGE_NUMBER, "schemes": ["9925"]}]
    books = scene(entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)], peppol=peppol)
    books.draft()
    posted = [books.post(row) for row in books.approve()]
    assert ask(books) == 2
    found = {row.customer_name[:6]: (row.way, row.way_to, row.attention) for row in map(post.fresh, posted)}
    assert found == {"Bakery": ("none", "", ""), "Garage": ("peppol", VAT, "")}
    assert len(asked_for(books)) == 4
    assert ask(books) == 0
    # A week later it is asked again, and of what is posted for more than thirty days no more.
    books.later(days=7, seconds=1)
    assert ask(books) == 2
    books.later(days=24)
    assert ask(books) == 0


def test_posting_goes_before_asking(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)])
    books.draft()
    first, second = books.approve()
    books.post(first)
    posts.request(invoice=second, send=False, by=BY, now=timezone.now())
    assert way.unasked(now=timezone.now()) == []
    books.post(second)
    assert way.unasked(now=timezone.now()) == [first.company_id]


@pytest.mark.slow
def test_what_somebody_wants_sent_goes_the_way_that_was_read_or_not_at_all(scene: Make) -> None:
    books = scene(entries=[entry(1)], peppol=[{"number": GARAGE_NUMBER, "schemes": ["9925"]}])
    posted = books.posted()
    ask(books)
    posts.request_send(invoice=post.fresh(posted), by=BY, now=timezone.now())
    books.control.put_peppol({"number": GARAGE_NUMBER, "schemes": ["0208"]})
    with pytest.raises(NotPossible, match=f"It was to go to {VAT}, and now only another way is open: {ENTERPRISE}"):
        send.send(invoice=posted, by=BY, now=timezone.now(), background=True)
    row = post.fresh(posted)
    assert (row.attention, row.attention_facts) == ("other_way", {"to": VAT, "now": ENTERPRISE})
    assert (row.delivery, row.send_requested_at, row.way_to) == ("not_sent", None, ENTERPRISE)
    assert books.control.outbox() == []
    # Read again and confirmed, it goes.
    posts.request_send(invoice=row, by=BY, now=timezone.now())
    assert send.send(invoice=row, by=BY, now=timezone.now(), background=True).delivery == "sent"


def test_the_schedule_has_read_no_way_and_takes_what_is_open(scene: Make) -> None:
    books = scene(entries=[entry(1)], mode="send")
    posted = books.posted()
    Invoice.objects.filter(pk=posted.pk).update(
        way="peppol", way_to=VAT, send_requested_at=timezone.now(), send_requested_by="schedule"
    )
    sent = send.send(invoice=posted, by=Actor.schedule(), now=timezone.now(), background=True)
    assert (sent.delivery, sent.way_to) == ("sent", ENTERPRISE)


def test_billit_that_does_not_answer_is_asked_at_the_next_tick(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    with books.fault("status", method="GET", path="/v1/peppol/.*", status=503):
        tasks.ask_ways(company_id=posted.company_id)
    assert (post.fresh(posted).way, way.unasked(now=timezone.now())) == ("", [posted.company_id])


# --- a company that Billit does not let send yet ----------------------------------------------------------------------


def unverified(scene: Make, **switches: object) -> tuple[Scene, Invoice]:
    """An invoice of a company whose identity Billit has not verified, connected as it is."""
    books = scene(entries=[entry(1)])
    books.control.switch(**switches)
    books.control.put_billit("companies", {"PartyID": COMPANY, "verified": False})
    choosing.take_company(
        connection=books.dossier.company.connection,
        found=credentials.ask_billit(api_key=API_KEY).companies[COMPANY],
        by=BY,
        now=timezone.now(),
    )
    return books, books.posted()


def test_a_company_that_may_not_send_is_seen_before_the_first_sending(scene: Make) -> None:
    books, posted = unverified(scene)
    assert not books.dossier.company.sending_open
    with pytest.raises(NotPossible, match="Billit does not let Small SRL send yet"):
        books.send(posted)
    row = post.fresh(posted)
    assert (row.attention, row.delivery, books.attempts(posted, "send")) == ("sending_closed", "not_sent", [])
    assert books.asked("POST", "/v1/orders/commands/send") == []
    # Once it is verified, that is seen at the next try.
    books.control.put_billit("companies", {"PartyID": COMPANY, "verified": True})
    assert books.send(row).delivery == "sent"
    assert books.dossier.company.sending_open


def test_where_the_account_does_not_tell_billits_refusal_says_it(scene: Make) -> None:
    books, posted = unverified(scene, billit_unverified_told=False)
    assert books.dossier.company.sending_open
    failed = books.send(posted)
    assert (failed.delivery, failed.delivery_problem) == ("failed", "refused")
    assert "has not been verified yet" in failed.delivery_problem_facts["said"]
