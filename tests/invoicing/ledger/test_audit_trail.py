"""Rows follow from the audit log: one that is rewritten, with its chain computed anew, is found by what it told of."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from integrations.models import Entry
from invoicing.drafting import runs
from invoicing.ledger.states import decisions, derive
from invoicing.models import Dossier, Invoice, LedgerRow
from tests.factories import enterprise_number
from tests.invoicing.scene import BY, Scene, ids, many
from tests.toggbill.firms.rewriting import Events, renamed, rewrite, unlock, without
from tests.worlds import entry
from toggbill.firms.models import AuditEvent, Firm

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
SEND = "^/v1/orders/commands/send$"


def verified(books: Scene) -> tuple[int, dict[str, Any], str]:
    """Exit code, what is said of the firm, and the words for people."""
    done = books.command("verify_audit", "--firm", books.firm.slug)
    (told,) = done.answer["firms"]
    assert set(told) == {"firm", "events", "ok", "first_bad"}
    return done.code, told, done.words


def number_of(books: Scene, type: str) -> int:
    """The number of the first event of a type."""
    return books.events(type)[0].number


@pytest.fixture
def books(scene: Make) -> Scene:
    """One invoice that was drafted, approved and posted, and an hour that is held."""
    made = scene(entries=[entry(1), entry(2, "2026-11-03")])
    made.posted()
    made.later(minutes=1)
    held = Entry.objects.filter(remote_id__in=ids(2))
    decisions.hold(entries=held, reason="Ask the customer", by=BY, now=timezone.now())
    holds = {"firm": made.firm.slug, "events": AuditEvent.objects.count(), "ok": True, "first_bad": None}
    assert verified(made)[:2] == (0, holds)
    return made


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


# --- the log rewritten ------------------------------------------------------------------------------------------------


def test_an_approval_that_was_taken_out_is_found_at_what_followed_it(books: Scene) -> None:
    posting = number_of(books, "invoice_posting")
    rewrite(books.firm, without("invoice_approved"))
    code, told, words = verified(books)
    assert (code, told["ok"], told["first_bad"]) == (1, False, posting - 1)
    assert "whose status is draft by its events" in words


def test_another_approver_is_found(books: Scene) -> None:
    rewrite(books.firm, renamed("invoice_approved", "somebody@example.com"))
    code, told, words = verified(books)
    assert (code, told["ok"], told["first_bad"]) == (1, False, told["events"] + 1)
    assert "bookkeeper@example.com approved invoice" in words
    assert "somebody@example.com by its events" in words


def test_another_starter_of_a_run_is_found(books: Scene) -> None:
    rewrite(books.firm, renamed("run", "somebody@example.com"))
    assert verified(books)[1]["first_bad"] == number_of(books, "run")


@pytest.mark.slow
def test_all_events_gone_beside_posted_invoices_are_missed(scene: Make) -> None:
    books = scene(**many(27))
    books.draft()
    for invoice in books.approve():
        assert books.post(invoice).status == "posted"
    rewrite(books.firm, lambda events: [])
    code, told, words = verified(books)
    assert (code, told) == (1, {"firm": books.firm.slug, "events": 0, "ok": False, "first_bad": 1})
    assert words.count("No event tells of invoice") == 20
    assert "and 8 more" in words  # seven invoices and the run


def test_a_cut_off_end_is_missed_although_head_and_chain_agree(books: Scene) -> None:
    rewrite(books.firm, lambda events: events[:-2])  # posted, held
    _code, told, words = verified(books)
    assert (told["ok"], told["first_bad"]) == (False, told["events"] + 1)
    assert "is posted; its events lead to posting" in words
    assert "Entry" in words


def told_order(order_id: int) -> Callable[[Events], Events]:
    return lambda events: [
        event | ({"data": event["data"] | {"order_id": order_id}} if event["type"] == "invoice_posted" else {})
        for event in events
    ]


def invented(events: Events) -> Events:
    drafted = next(event for event in events if event["type"] == "invoice_drafted")
    return [*events, drafted | {"subject": "invoice tb-of-nobody"}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (told_order(1), "and 1 by its events"),
        (without("invoice_drafted"), "whose status is not made yet by its events"),
        (without("invoice_posting"), "which was never posted with that key"),
        (without("entry_held"), "is held; by its events it is undecided"),
        (without("run"), "No event tells of the run of dossier"),
        (invented, "tells of invoice tb-of-nobody, which has no row"),
    ],
    ids=["order", "drafted", "posting", "held", "run", "invented"],
)
def test_a_rewritten_log_is_found(books: Scene, change: Callable[[Events], Events], words: str) -> None:
    rewrite(books.firm, change)
    code, told, said = verified(books)
    assert (code, told["ok"]) == (1, False)
    assert words in said


# --- the rows rewritten -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "statement", "words"),
    [
        ("invoicing_invoice", "UPDATE invoicing_invoice SET delivery = 'sent'", "The delivery of invoice"),
        ("invoicing_invoice", "UPDATE invoicing_invoice SET order_id = order_id + 1", "The order of invoice"),
        ("invoicing_invoice", "UPDATE invoicing_invoice SET payment = 'paid'", "The payment of invoice"),
        ("invoicing_invoice", "UPDATE invoicing_invoice SET approved_by = 'x'", "x approved invoice"),
        (
            "invoicing_ledgerrow",
            "UPDATE invoicing_ledgerrow SET decision = ''",
            "is undecided; by its events it is held",
        ),
        ("invoicing_run", "UPDATE invoicing_run SET started_by = 'x'", "x started the run of dossier"),
    ],
    ids=["delivery", "order", "payment", "approver", "decision", "run"],
)
def test_a_row_that_does_not_follow_is_found(books: Scene, table: str, statement: str, words: str) -> None:
    unlock(table)
    sql(statement)
    code, told, said = verified(books)
    assert (code, told["ok"]) == (1, False)
    assert words in said


# --- what is honest holds ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_turn_of_an_invoices_life_follows_from_its_events(scene: Make) -> None:
    numbers = [{"number": enterprise_number(100 + n)} for n in range(7)]
    books = scene(**many(7) | {"peppol": numbers})
    books.draft()
    drafts = list(books.invoices(status="draft"))
    runs.void(invoice=drafts[0], by=BY, now=timezone.now())
    with books.fault("status", status=400, body={"errors": [{"Code": "X", "Description": "No."}]}):
        books.post(*books.approve(drafts[1]))
    with books.fault("cut_before"):
        books.post(*books.approve(drafts[2]))
    books.later(minutes=3)
    assert books.recover(drafts[2]).status == "approved"
    books.post(drafts[2])
    failing, doubtful, waiting, sent = [books.post(*books.approve(draft)) for draft in drafts[3:7]]
    with books.fault("status", path=SEND, status=400, body={"errors": [{"Code": "Y", "Description": "Not active."}]}):
        books.send(failing)
    books.send(failing)
    with books.fault("cut_before", path=SEND):
        books.send(doubtful)
    books.later(minutes=3)
    books.send(doubtful)
    books.send(sent)
    found = {invoice.status for invoice in books.invoices()}, {invoice.delivery for invoice in books.invoices()}
    assert found == ({"void", "refused", "posted"}, {"not_sent", "sent"})
    assert waiting.delivery == "not_sent"
    assert verified(books)[0] == 0, verified(books)[2]
    told = set(AuditEvent.objects.values_list("type", flat=True))
    assert told >= {"invoice_not_found", "invoice_sending", "invoice_not_sent", "invoice_send_refused"}


def test_what_was_decided_of_an_entry_that_leaves_the_books_is_told(books: Scene) -> None:
    Dossier.objects.filter(firm=books.firm).update(start_date=date(2026, 11, 10))
    books.rules()
    derive.derive_marked(now=timezone.now())
    assert not LedgerRow.objects.filter(entry__remote_id__in=ids(2)).exists()
    (opened,) = books.events("entry_opened")
    assert (opened.data["was"], opened.data["reason"]) == ("held", "Ask the customer")
    assert verified(books)[0] == 0
    Dossier.objects.filter(firm=books.firm).update(start_date=date(2026, 10, 1))
    books.rules()
    derive.derive_marked(now=timezone.now())
    assert books.states()[ids(2)[0]] == "open"
    assert verified(books)[0] == 0


# --- moves of before each had its event -------------------------------------------------------------------------------


def test_a_move_without_an_event_is_believed_of_earlier_code_only(scene: Make) -> None:
    books = scene(**many(1) | {"peppol": [{"number": enterprise_number(100)}]})
    books.send(books.posted())
    rewrite(books.firm, without("invoice_sending"))
    code, told, words = verified(books)
    assert (code, told["first_bad"]) == (1, number_of(books, "invoice_sent"))
    assert "which was never sent with that key" in words
    Firm.objects.filter(pk=books.firm.pk).update(audit_silent_through=told["events"])
    assert verified(books)[0] == 0
    rewrite(books.firm, without("invoice_sending", "invoice_approved"))
    assert verified(books)[0] == 1, "an approval always had its event"
    assert Invoice.objects.get().status == "posted"
