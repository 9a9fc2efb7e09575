"""Posting several invoices in a worker's turn: one claim for all, an attempt and an outcome for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from integrations.clients import billit
from integrations.models import Connection
from invoicing.drafting import runs
from invoicing.due import posts
from invoicing.models import Attempt, Invoice
from invoicing.posting import post
from invoicing.posting.orders import orders_of
from tests.factories import InvoiceFactory
from tests.invoicing.scene import BY, Scene, many
from tests.worlds import NOW, party
from toggbill.firms import audit
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


def _approved(books: Scene) -> list[Invoice]:
    books.draft()
    books.approve()
    return list(books.invoices().order_by("pk"))


def _together(invoices: list[Invoice]) -> dict[int, Exception]:
    return dict(post.post_together(invoices=invoices, by=BY, now=NOW))


def _statuses(books: Scene) -> list[str]:
    return list(books.invoices().order_by("pk").values_list("status", flat=True))


def _outcomes() -> list[str]:
    return list(Attempt.objects.order_by("invoice_id", "pk").values_list("outcome", flat=True))


def test_each_has_a_request_a_key_and_an_outcome_of_its_own(scene: Make) -> None:
    books = scene(**many(3))
    invoices = _approved(books)
    assert _together(invoices) == {}
    orders = {order["ExternalProviderID"]: order["OrderID"] for order in books.control.orders()}
    assert orders == dict(books.invoices().values_list("reference", "order_id"))
    assert len(orders) == 3
    keys = [request["headers"]["idempotency-key"] for request in books.asked("POST", "/v1/orders")]
    assert keys == [f"{invoice.reference}-1" for invoice in invoices]
    for attempt in Attempt.objects.select_related("invoice"):
        assert (attempt.outcome, attempt.http_status, attempt.finished_at) == ("accepted", 200, NOW)
        assert (attempt.answer_facts, attempt.body) == (
            {"order": attempt.invoice.order_id},
            attempt.invoice.accepted_body,
        )
    assert set(books.states().values()) == {"invoiced"}
    assert [event.data["order_id"] for event in books.events("invoice_posted")] == list(orders.values())
    assert [books.story(invoice) for invoice in invoices] == [
        ["invoice_drafted", "invoice_approved", "invoice_posting", "invoice_posted"]
    ] * 3
    assert audit.verify(firm=books.firm).ok


def test_an_invoice_more_costs_one_statement_more_that_its_request_leaves(scene: Make) -> None:
    books = scene(**many(9))
    invoices = _approved(books)
    asked = []
    for part in (invoices[:3], invoices[3:]):
        with CaptureQueriesContext(connection) as queries:
            _together(part)
        asked.append(len(queries))
    assert asked[1] - asked[0] == 3
    assert _outcomes() == ["accepted"] * 9


def test_second_turn_with_the_same_invoices_sends_nothing(scene: Make) -> None:
    books = scene(**many(3))
    invoices = _approved(books)
    _together(invoices[:2])
    _together(invoices)
    _together(invoices)
    assert len(books.asked("POST", "/v1/orders")) == 3
    assert _outcomes() == ["accepted"] * 3


def test_refusal_of_one_leaves_the_others_alone(scene: Make) -> None:
    books = scene(**many(3))
    invoices = _approved(books)
    with books.fault("status", status=400, nth=2):
        assert _together(invoices) == {}
    assert _statuses(books) == ["posted", "refused", "posted"]
    assert _outcomes() == ["accepted", "refused", "accepted"]


def test_used_key_of_one_leaves_the_others_alone(scene: Make) -> None:
    books = scene(**many(3))
    invoices = _approved(books)
    with books.fault("status", status=409, nth=2):
        assert _together(invoices) == {}
    assert _statuses(books) == ["posted", "in_doubt", "posted"]
    assert Connection.objects.get(service="billit").failures == 0


def test_refused_credential_ends_the_turn(scene: Make) -> None:
    books = scene(**many(3))
    invoices = _approved(books)
    for invoice in invoices:
        posts.request(invoice=invoice, send=False, by=BY, now=NOW)
    body = {"errors": [{"Code": "ApiKeyNotValid", "Description": "The key is not valid"}]}
    with books.fault("status", status=401, nth=2, body=body):
        assert _together(invoices) == {}
    assert _statuses(books) == ["posted", "refused", "approved"]
    assert len(books.asked("POST", "/v1/orders")) == 2


def test_invoices_of_several_companies_are_not_posted_together() -> None:
    with pytest.raises(ValueError, match="several companies"):
        _together([InvoiceFactory(status="approved"), InvoiceFactory(status="approved")])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cut_before", "cut_after"])
def test_silence_ends_the_turn_and_the_rest_was_never_sent(scene: Make, kind: str) -> None:
    books = scene(**many(4))
    invoices = _approved(books)
    with books.fault(kind, nth=2):
        assert _together(invoices) == {}
    assert _statuses(books) == ["posted", "in_doubt", "approved", "approved"]
    assert _outcomes() == ["accepted", "no_answer", "not_sent", "not_sent"]
    assert len(books.asked("POST", "/v1/orders")) == 2
    assert list(books.invoices(status="approved").values_list("not_before", flat=True)) == [None, None]
    assert Connection.objects.get(service="billit").failures == 1, "the first answer broke the row of failures"
    books.later(minutes=3)
    for invoice in invoices:
        books.recover(invoice)
    post.post_together(invoices=invoices, by=BY, now=NOW)
    assert _statuses(books) == ["posted"] * 4
    assert len(books.control.orders()) == 4
    keys = {request["headers"]["idempotency-key"] for request in books.asked("POST", "/v1/orders")}
    assert keys == {f"{invoice.reference}-1" for invoice in invoices}


def test_request_for_patience_keeps_the_rest_approved_for_so_long(scene: Make) -> None:
    books = scene(**many(3))
    invoices = _approved(books)
    with books.fault("status", status=429, headers={"Retry-After": "90"}, nth=2):
        errors = _together(invoices)
    assert set(errors) == {invoice.pk for invoice in invoices[1:]}
    assert _statuses(books) == ["posted", "approved", "approved"]
    waits = books.invoices(status="approved").values_list("not_before", flat=True)
    assert {(wait - NOW).total_seconds() for wait in waits if wait} == {90}
    assert _outcomes() == ["accepted", "not_sent", "not_sent"]


def test_invoice_that_a_person_must_decide_on_does_not_stop_the_others(scene: Make) -> None:
    world = many(3)
    known = [row for row in world["parties"] if row["PartyID"] != 81_001]
    books = scene(**world | {"parties": known})
    invoices = _approved(books)
    number = invoices[1].customer_vat
    books.control.put_billit("parties", party(90_001, "Newcomer", number), party(90_002, "Twin", number))
    errors = _together(invoices)
    assert {pk: type(error) for pk, error in errors.items()} == {invoices[1].pk: NotPossible}
    assert _statuses(books) == ["posted", "approved", "posted"]
    assert len(books.control.orders()) == 2


def test_answers_are_settled_before_the_turn_ends(scene: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that dies late in its turn leaves little in doubt."""
    books = scene(**many(3))
    invoices = _approved(books)
    monkeypatch.setattr(post, "_SETTLED_WITHIN", 0.0)
    seen: list[list[str]] = []
    create = billit.Api.create_order

    def look(api: billit.Api, order: billit.Order, **keywords: Any) -> int:
        seen.append(_statuses(books))
        return create(api, order, **keywords)

    monkeypatch.setattr(billit.Api, "create_order", look)
    _together(invoices)
    assert seen == [["posting"] * 3, ["posted", "posting", "posting"], ["posted", "posted", "posting"]]


def test_answers_are_settled_although_the_turn_breaks_off(scene: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    books = scene(**many(3))
    invoices = _approved(books)
    create = billit.Api.create_order

    def fail(api: billit.Api, order: billit.Order, **keywords: Any) -> int:
        if order.external_id == invoices[1].reference:
            keywords["leaving"]()
            raise ZeroDivisionError
        return create(api, order, **keywords)

    monkeypatch.setattr(billit.Api, "create_order", fail)
    with pytest.raises(ZeroDivisionError):
        _together(invoices)
    assert _statuses(books) == ["posted", "posting", "approved"], "what has not left is given back"
    assert _outcomes() == ["accepted", "pending", "not_sent"]


def test_turn_ends_when_half_the_lease_is_gone(scene: Make, settings: Settings) -> None:
    """Who takes the claim for a dead one, at its end, must not find an order on its way."""
    books = scene(**many(3))
    invoices = _approved(books)
    settings.POSTING_LEASE_SECONDS = 0
    assert _together(invoices) == {}
    assert _statuses(books) == ["posted", "approved", "approved"]
    assert _outcomes() == ["accepted", "not_sent", "not_sent"]
    assert len(books.asked("POST", "/v1/orders")) == 1


def test_invoice_dropped_between_reading_and_claim_is_not_sent(scene: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    books = scene(**many(2))
    invoices = _approved(books)

    def drop(*args: object) -> object:
        found = orders_of(*args)  # type: ignore[arg-type]  # passed on
        runs.void(invoice=invoices[0], by=BY, now=NOW)
        return found

    monkeypatch.setattr(post, "orders_of", drop)
    assert _together(invoices) == {}
    assert _statuses(books) == ["void", "posted"]
    assert len(books.asked("POST", "/v1/orders")) == 1


def test_portions_hold_invoices_of_one_company_and_at_most_a_turn_of_them() -> None:
    rows = [Invoice(pk=number, company_id=number % 2) for number in range(2 * posts.TOGETHER + 2)]
    found = list(posts.portions(rows))
    assert [len(part) for part in found] == [posts.TOGETHER, 1, posts.TOGETHER, 1]
    assert all(len({row.company_id for row in part}) == 1 for part in found)
    assert sorted(row.pk for part in found for row in part) == [row.pk for row in rows]


@pytest.mark.slow
def test_refused_credential_does_not_refuse_the_rest_one_by_one(scene: Make) -> None:
    """The others wait for a person who gives the connection another credential."""
    books = scene(**many(3))
    invoices = _approved(books)
    for invoice in invoices:
        posts.request(invoice=invoice, send=False, by=BY, now=NOW)
    body = {"errors": [{"Code": "ApiKeyNotValid", "Description": "The key is not valid"}]}
    with books.fault("status", status=401, body=body):
        for _ in range(3):
            post.post_together(invoices=invoices, by=BY, now=NOW, background=True)
    assert _statuses(books) == ["refused", "approved", "approved"]
    assert len(books.asked("POST", "/v1/orders")) == 1
    row = Connection.objects.get(service="billit")
    assert (row.failure, row.failure_code) == ("credentials", "credential_refused")
    assert _together(invoices) == {}, "a person's own command tries all the same"
    assert _statuses(books) == ["refused", "posted", "posted"]
