"""The crash matrix of sending: killed at each step of having an order delivered, the customer gets it exactly once."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from invoicing.models import Attempt, Invoice
from tests.conftest import Outcome
from tests.proof import steps
from tests.proof.assertions import prove
from tests.proof.conftest import lapse
from tests.proof.poster import kill_at
from tests.proof.processes import LEASE, Place
from tests.proof.world import SLUG, yesterday
from toggbill.firms.models import AuditEvent, Firm

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
CLIENTS = 3
MET = (*steps.SENDING, *steps.FINDING_A_SENDING, *steps.MISSING_A_SENDING)
# Where Billit has sent the order and we do not know it yet.
ADOPTED = {
    *steps.FINDING_A_SENDING,
    "before the answer to a sending is read",
    "after the answer to a sending",
    "inside the settling of a sending",
}
# Where the order was not sent, and only a look at it could tell.
ABSENT = {*steps.MISSING_A_SENDING, "before a sending is asked"}
# Where the request had not left, as the attempt says.
NEVER_LEFT = {"after the claim of a sending"}


def _sent_once(firm: Firm, place: Place) -> None:
    """Every invoice posted once and sent once, as Billit's own outbox says, under one key, and known to us as sent."""
    invoices = len(MET) * CLIENTS
    found = prove(firm, place.sandbox)
    assert (found.invoices, found.orders, found.unknown) == (invoices, invoices, 0)
    orders = sorted(invoice.order_id or 0 for invoice in Invoice.objects.all())
    assert sorted(row["order_id"] for row in place.sandbox.control.outbox()) == orders
    arrived = [
        row["body"]["OrderIDs"]
        for row in place.sandbox.control.log("billit")
        if row["path"].endswith("/commands/send") and row["fault"] != "cut_before"
    ]
    assert sorted(arrived) == [[order] for order in orders]
    assert set(Invoice.objects.values_list("delivery", "sending_since", "delivery_problem")) == {("sent", None, "")}
    attempts = Attempt.objects.filter(intent="send")
    assert {attempt.key for attempt in attempts} == {f"{invoice.reference}-2" for invoice in Invoice.objects.all()}
    outcomes = {outcome: attempts.filter(outcome=outcome).count() for outcome in Attempt.Outcome.values}
    assert {outcome: count for outcome, count in outcomes.items() if count} == {
        "accepted": invoices - len(ADOPTED),
        "adopted": len(ADOPTED),
        "absent": len(ABSENT),
        "not_sent": len(NEVER_LEFT),
    }
    told = AuditEvent.objects.filter(firm=firm, type="invoice_sent").values_list("subject", flat=True)
    assert sorted(told) == sorted(f"invoice {invoice.reference}" for invoice in Invoice.objects.all())


def test_killed_sending_is_taken_up_by_the_command(
    due: Callable[..., Firm], place: Place, command: Callable[..., Outcome]
) -> None:
    firm = due(workspaces=len(MET), clients=CLIENTS, entries=1, mode="send")
    kill_at(MET, place, "command")
    lapse(firm)
    time.sleep(LEASE + 0.1)
    # The first call finds out what was sent, the second sends what was not.
    for _ in range(2):
        done = command("invoice", "--firm", SLUG, "--through", yesterday(), "--approve", "--post", "--send")
        assert done.code == 0, done.words
    _sent_once(firm, place)


def test_killed_sending_is_taken_up_by_worker_and_beat(due: Callable[..., Firm], place: Place) -> None:
    firm = due(workspaces=len(MET), clients=CLIENTS, entries=1, mode="send")
    kill_at(MET, place, "workers")
    lapse(firm)

    def done() -> bool:
        return Invoice.objects.filter(delivery="sent", legal_excl__isnull=False).count() == len(MET) * CLIENTS

    with place.at_work():
        place.until(done)
    _sent_once(firm, place)
