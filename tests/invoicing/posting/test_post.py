"""Posting to Billit (design section 7): the request, its commit before it leaves, a certain no, and what never left."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from pytest_django import Settings

from integrations.clients.http.transport import RetryLater
from integrations.models import Connection
from invoicing.drafting import runs
from invoicing.due import posts
from invoicing.models import Invoice
from invoicing.posting import post
from tests.invoicing.scene import BY, Scene, in_thread, until
from tests.worlds import (
    API_KEY,
    COMPANY,
    GARAGE_PARTY,
    NOW,
    entry,
)
from toggbill.firms import audit
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


# --- the request ------------------------------------------------------------------------------------------------------


def test_post_sends_one_request_with_both_keys_and_our_reference(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    (request,) = books.asked("POST", "/v1/orders")
    key = f"{invoice.reference}-1"
    headers = request["headers"]
    assert (headers["idempotency-key"], headers["idempotent-key"]) == (key, key)
    assert (headers["partyid"], headers["apikey"], headers["content-type"]) == (
        str(COMPANY),
        API_KEY,
        "application/json",
    )
    assert "contextpartyid" not in headers
    assert request["body"] == {
        "Currency": "EUR",
        "CustomerID": GARAGE_PARTY,
        "ExpiryDate": "2026-12-20",
        "ExternalProviderID": invoice.reference,
        "OrderDate": "2026-11-20",
        "OrderDirection": "Income",
        "OrderLines": [
            {
                "Description": "Advice",
                "Quantity": 1,
                "Reference": "ADV",
                "Unit": "HUR",
                "UnitPriceExcl": 95,
                "VATPercentage": 21,
            }
        ],
        "OrderTitle": "October 2026",
        "OrderType": "Invoice",
        "PeriodFrom": "2026-10-05",
        "PeriodTill": "2026-10-05",
    }
    assert invoice.reference.startswith("tb-")
    assert books.control.lint() == []


def test_post_dates_the_order_on_the_local_day_of_posting(scene: Make) -> None:
    books = scene(entries=[entry(1)], payment_days=10)
    invoice = books.approved()
    books.at(datetime(2026, 11, 22, 23, 30, tzinfo=UTC))  # half past midnight of the 23rd in Brussels
    invoice = books.post(invoice)
    (order,) = books.control.orders()
    assert (order["OrderDate"][:10], order["ExpiryDate"][:10]) == ("2026-11-23", "2026-12-03")
    assert invoice.order_date == date(2026, 11, 23)


def test_post_of_what_is_not_approved_asks_nothing(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.draft()
    draft = books.invoices().get()
    assert books.post(draft).status == "draft"
    (approved,) = books.approve()
    posted = books.post(approved)
    again = books.post(posted)
    assert (again.status, again.order_id) == ("posted", posted.order_id)
    assert len(books.asked("POST", "/v1/orders")) == 1


@pytest.mark.django_db(transaction=True)
def test_attempt_with_key_and_hash_is_committed_before_the_request_leaves(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault("slow", seconds=0.6):
        worker = in_thread(lambda: books.post(invoice))
        until(lambda: books.asked("POST", "/v1/orders"))
        row = post.fresh(invoice)
        (attempt,) = books.attempts(invoice)
        worker()
    raw = attempt.body.encode()
    assert (row.status, row.posting_since, row.order_id, row.order_date) == ("posting", NOW, None, date(2026, 11, 20))
    assert (attempt.outcome, attempt.key, attempt.finished_at) == ("pending", f"{invoice.reference}-1", None)
    assert attempt.body_hash == hashlib.sha256(raw).hexdigest()
    (request,) = books.asked("POST", "/v1/orders")
    assert int(request["headers"]["content-length"]) == len(raw)
    assert post.fresh(invoice).status == "posted"


def test_post_settles_row_attempt_ledger_and_audit(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    invoice = books.posted()
    (order,) = books.control.orders()
    (attempt,) = books.attempts(invoice)
    assert (invoice.order_id, invoice.posted_at, invoice.posting_since) == (order["OrderID"], NOW, None)
    assert invoice.accepted_body == attempt.body
    assert (attempt.outcome, attempt.http_status) == ("accepted", 200)
    assert (attempt.answer, attempt.answer_facts) == ("taken_as_order", {"order": order["OrderID"]})
    assert set(books.states().values()) == {"invoiced"}
    assert books.story(invoice) == ["invoice_drafted", "invoice_approved", "invoice_posting", "invoice_posted"]
    post, posted = books.events("invoice_posting")[0], books.events("invoice_posted")[0]
    assert post.data == {"key": f"{invoice.reference}-1", "body_sha256": attempt.body_hash}
    assert posted.data == {"key": f"{invoice.reference}-1", "order_id": order["OrderID"]}
    assert audit.verify(firm=books.firm).ok


# --- a certain no -----------------------------------------------------------------------------------------------------


def test_refused_shows_billits_own_reason_and_approving_again_uses_the_same_key(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    # A member of Billit's own check: the party was moved to another company's books after it was read.
    books.control.put_billit("companies", {"PartyID": COMPANY, "CountryCode": "BE"})
    errors = {"errors": [{"Code": "InvalidVAtPercentageForTaxCountry_0_", "Description": "Invalid VAT for BE"}]}
    with books.fault("status", status=400, body=errors):
        refused = books.post(invoice)
    assert (refused.status, refused.order_id, refused.posting_since) == ("refused", None, None)
    assert (refused.problem, refused.problem_facts["status"]) == ("refused", 400)
    assert "Invalid VAT for BE" in refused.problem_facts["said"]
    (attempt,) = books.attempts(invoice)
    assert (attempt.outcome, attempt.http_status) == ("refused", 400)
    assert set(books.states().values()) == {"drafted"}
    assert books.events("invoice_refused")[0].data == {"reason": {"code": "refused", "facts": refused.problem_facts}}

    (approved,) = books.approve(refused)
    assert (approved.status, approved.problem, approved.problem_facts) == ("approved", "", {})
    posted = books.post(approved)
    keys = [request["headers"]["idempotency-key"] for request in books.asked("POST", "/v1/orders")]
    assert (posted.status, keys) == ("posted", [f"{invoice.reference}-1"] * 2)
    assert len(books.control.orders()) == 1


def test_refused_when_the_customer_was_removed_at_billit(scene: Make) -> None:
    """A real refusal of the sandbox: the CustomerID is not the company's."""
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    books.control.put_billit("parties", {"PartyID": GARAGE_PARTY, "CompanyID": 7999})
    refused = books.post(invoice)
    assert refused.status == "refused"
    assert (refused.problem, refused.problem_facts["status"]) == ("refused", 401)
    assert "You have no access to this resource" in refused.problem_facts["said"]
    assert books.control.orders() == []


def test_refused_can_be_dropped_and_its_hours_are_free(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault("status", status=400, body="no"):
        refused = books.post(invoice)
    runs.void(invoice=refused, by=BY, now=NOW)
    assert set(books.states().values()) == {"open"}


@pytest.mark.slow
def test_every_4xx_but_409_and_429_is_a_certain_no(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    statuses = [400, 401, 403, 404, 405, 408, 415, 422]
    for status in statuses:
        with books.fault("status", status=status, body={"Message": f"because {status}"}):
            refused = books.post(invoice)
        assert (refused.status, f"because {status}" in refused.problem_facts["said"]) == ("refused", True), status
        books.approve(refused)
    assert [attempt.http_status for attempt in books.attempts(invoice)] == statuses
    assert {attempt.key for attempt in books.attempts(invoice)} == {f"{invoice.reference}-1"}
    assert books.post(invoice).status == "posted"


def test_wrong_api_key_is_a_certain_no_that_shows_no_secret(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    connection_row = Connection.objects.get(service="billit")
    connection_row.secret = "5ad1c0de-ffff-4000-8000-00000000dead"
    connection_row.save()
    refused = books.post(invoice)
    assert (refused.status, books.attempts(invoice)[0].http_status) == ("refused", 401)
    assert (refused.problem, refused.problem_facts) == ("credential_refused", {})
    assert books.control.orders() == []


# --- surely not sent --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("headers", "pause"), [({"Retry-After": "17"}, 17), ({}, 60)])
def test_429_leaves_it_approved_for_later_with_the_same_key(scene: Make, headers: dict[str, str], pause: int) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault("status", status=429, headers=headers), pytest.raises(RetryLater, match="asked too often"):
        books.post(invoice)
    row = post.fresh(invoice)
    assert (row.status, row.posting_since, row.not_before) == ("approved", None, NOW + timedelta(seconds=pause))
    assert [attempt.outcome for attempt in books.attempts(invoice)] == ["not_sent"]
    posts.request(invoice=row, send=False, by=BY, now=NOW)
    assert books.due(NOW + timedelta(seconds=pause - 1)) == []
    assert books.due(NOW + timedelta(seconds=pause)) == [row]
    assert books.post(row).status == "posted"
    assert {attempt.key for attempt in books.attempts(invoice)} == {f"{invoice.reference}-1"}
    assert books.events("invoice_refused") + books.events("invoice_in_doubt") == []


def test_refused_connection_leaves_it_approved(scene: Make, settings: Settings) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        settings.BILLIT_API_URL = f"http://127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(RetryLater, match="could not be reached"):
            books.post(invoice)
    row = post.fresh(invoice)
    assert (row.status, row.not_before) == ("approved", NOW + timedelta(seconds=60))
    assert [attempt.outcome for attempt in books.attempts(invoice)] == ["not_sent"]
    settings.BILLIT_API_URL = books.sandbox.billit_url
    assert books.post(row).status == "posted"
    assert len(books.control.orders()) == 1


def test_lookup_before_the_post_that_cannot_be_answered_writes_nothing(scene: Make) -> None:
    """A customer that Billit did not have at the sync is looked up first; Billit is down for that question already."""
    books = scene(entries=[entry(1)], parties=[])
    invoice = books.approved()
    with (
        books.fault("status", method="GET", path="/v1/parties", status=503, headers={"Retry-After": "600"}),
        pytest.raises(RetryLater),
    ):
        books.post(invoice)
    row = post.fresh(invoice)
    assert (row.status, row.posting_since, books.attempts(invoice)) == ("approved", None, [])


# --- what is due ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_request_stands_in_the_row_and_only_what_was_asked_for_is_due(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.draft()
    draft = books.invoices().get()
    with pytest.raises(NotPossible, match="Only an approved invoice can be posted"):
        posts.request(invoice=draft, send=True, by=BY, now=NOW)
    draft.refresh_from_db()
    assert (draft.post_requested_at, draft.send_requested_at) == (None, None)
    (approved,) = books.approve()
    assert books.due() == []
    posts.request(invoice=approved, send=False, by=BY, now=NOW)
    assert books.due() == [approved]
    posted = books.post(approved)
    assert books.due() == []
    posts.request_send(invoice=posted, by=BY, now=NOW)
    assert books.due() == [posted]


def test_postpone_never_shortens_a_longer_pause(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    Invoice.objects.filter(pk=invoice.pk).update(not_before=NOW + timedelta(hours=1))
    posts.postpone(invoice=invoice, now=NOW)
    assert post.fresh(invoice).not_before == NOW + timedelta(hours=1)
    Invoice.objects.filter(pk=invoice.pk).update(not_before=None)
    posts.postpone(invoice=invoice, now=NOW)
    assert post.fresh(invoice).not_before == NOW + timedelta(seconds=60)
