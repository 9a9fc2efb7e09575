"""The crash matrix of corrections: killed while orders are replaced or credited, each is deleted, or credited, once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.models import Entry
from invoicing.corrections import decide as corrections
from invoicing.drafting import runs
from invoicing.due import posts
from invoicing.models import Attempt, Correction, Dossier, Invoice
from tests.conftest import Outcome
from tests.factories import MembershipFactory
from tests.invoicing.scene import BY
from tests.proof import steps
from tests.proof.assertions import prove
from tests.proof.conftest import lapse
from tests.proof.poster import decide, decide_and_look_up, kill_at
from tests.proof.processes import LEASE, Place
from tests.proof.world import SLUG, yesterday
from tests.worlds import FIRST_ENTRY, zulu
from toggbill.firms.errors import NotPossible
from toggbill.firms.models import AuditEvent, Firm

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
CLIENTS, ENTRIES = 2, 2
BILL = ("invoice", "--firm", SLUG, "--through", yesterday(), "--approve", "--post")
Run = Callable[..., Outcome]
DELETIONS = (*steps.DELETING, *steps.FINDING_A_DELETION, *steps.MISSING_A_DELETION)
CREDITS = (*steps.CREDITING, *steps.FINDING_A_CREDIT_NOTE)
# Where Billit has done it and we do not know it yet.
DELETED = {
    *steps.FINDING_A_DELETION,
    "before the answer to a deletion is read",
    "after the answer to a deletion",
    "inside the settling of a deletion",
}
CREDITED = {
    *steps.FINDING_A_CREDIT_NOTE,
    "before the answer to a credit note is read",
    "after the answer to a credit note",
    "inside the settling of a credit note",
}


def _billed_and_changed(due: Callable[..., Firm], place: Place, run: Run, met: Collection[str], *flags: str) -> Firm:
    """A dossier for each step, whose two invoices are billed; of each, one of two hours has become longer since."""
    firm = due(workspaces=len(met), clients=CLIENTS, entries=ENTRIES)
    MembershipFactory(firm=firm, user__email=BY.name, role="owner")
    done = run(*BILL, *flags)
    assert done.code == 0, done.words
    for client in range(len(met) * CLIENTS):
        row = Entry.objects.get(remote_id=FIRST_ENTRY + client * ENTRIES + 1)
        longer = zulu(row.started_at + timedelta(minutes=90))
        place.sandbox.control.put_entries({"id": row.remote_id, "stop": longer})
    assert run("sync", "--firm", SLUG, "--full").code == 0
    assert Correction.objects.filter(decision="open", seconds=1800).count() == len(met) * CLIENTS
    return firm


def _replaced_once(firm: Firm, place: Place) -> None:
    count = len(DELETIONS) * CLIENTS
    found = prove(firm, place.sandbox)
    assert (found.invoices, found.orders, found.unknown) == (count, count, 0)
    arrived = Counter(
        row["path"]
        for row in place.sandbox.control.log("billit")
        if row["method"] == "DELETE" and row["fault"] != "cut_before"
    )
    deleted = [order["OrderID"] for order in place.sandbox.control.orders() if order["Deleted"]]
    assert arrived == Counter(f"/v1/orders/{order}" for order in deleted)
    gone = Invoice.objects.filter(status="void")
    assert sorted(invoice.order_id or 0 for invoice in gone) == sorted(deleted)
    assert len(deleted) == count
    assert set(Correction.objects.values_list("decision", flat=True)) == {"replaced"}
    assert not Invoice.objects.filter(replacing_since__isnull=False).exists()
    attempts = Attempt.objects.filter(intent="delete")
    assert attempts.filter(outcome="adopted").count() == len(DELETED)
    assert not Attempt.objects.filter(outcome__in=["pending", "no_answer"]).exists()
    assert AuditEvent.objects.filter(firm=firm, type="invoice_void").count() == count


def test_killed_replacement_is_taken_up_by_a_person_and_the_command(
    due: Callable[..., Firm], place: Place, command: Run
) -> None:
    firm = _billed_and_changed(due, place, command, DELETIONS)
    kill_at(DELETIONS, place, "person")
    # The first time finds out what was deleted, the second deletes what was not.
    for _ in range(2):
        time.sleep(LEASE + 0.1)
        for dossier in Dossier.objects.filter(firm=firm):
            decide_and_look_up(dossier)
    done = command(*BILL)
    assert done.code == 0, done.words
    _replaced_once(firm, place)


def test_killed_replacement_is_taken_up_by_worker_and_beat(
    due: Callable[..., Firm], place: Place, command: Run
) -> None:
    firm = _billed_and_changed(due, place, command, DELETIONS)
    kill_at(DELETIONS, place, "person")
    count = len(DELETIONS) * CLIENTS

    def done() -> bool:
        """The person decides again where nothing was deleted; the look-ups and the posting are the workers'."""
        for dossier in Dossier.objects.filter(firm=firm, invoices__corrections__decision="open").distinct():
            decide(dossier)
        for invoice in Invoice.objects.filter(status="approved", post_requested_at__isnull=True):
            with suppress(NotPossible):  # a worker that posts it was faster
                posts.request(invoice=invoice, send=False, by=BY, now=timezone.now())
        return Invoice.objects.filter(status="posted", legal_excl__isnull=False).count() == count and not (
            Correction.objects.filter(decision="open").exists()
        )

    with place.at_work():
        place.until(done)
    _replaced_once(firm, place)


def _credit_notes(firm: Firm) -> None:
    """A person credits each changed hour, to be billed again as it is now, and asks for the posting."""
    for correction in Correction.objects.filter(firm=firm, decision="open").order_by("pk"):
        note = corrections.credit(correction=correction, rebill=True, by=BY, now=timezone.now())
        approved = runs.approve(invoice=note, by=BY, now=timezone.now())
        posts.request(invoice=approved, send=False, by=BY, now=timezone.now())


def _unknown(place: Place) -> int:
    """How many credit notes Billit has that no row knows of, now that the processes are dead."""
    unknown = len(place.sandbox.control.orders()) - Invoice.objects.filter(order_id__isnull=False).count()
    assert unknown >= len(CREDITED)
    return unknown


def _credited_once(firm: Firm, place: Place, unknown: int) -> None:
    count = len(CREDITS) * CLIENTS
    found = prove(firm, place.sandbox)
    # The invoice, its credit note, and the invoice for the changed hour.
    assert (found.invoices, found.orders, found.unknown) == (3 * count, 3 * count, 0)
    # Billit counts in each company anew.
    about = Counter(
        (order["CompanyID"], order["AboutInvoiceNumber"])
        for order in place.sandbox.control.orders()
        if order["OrderType"] == "CreditNote" and not order["Deleted"]
    )
    assert (len(about), set(about.values())) == (count, {1})
    assert Attempt.objects.filter(intent="post", outcome="adopted").count() == unknown
    assert not Attempt.objects.filter(outcome__in=["pending", "no_answer"]).exists()
    assert AuditEvent.objects.filter(firm=firm, type="invoice_credited").count() == count


def test_killed_credit_note_is_taken_up_by_the_command(due: Callable[..., Firm], place: Place, command: Run) -> None:
    firm = _billed_and_changed(due, place, command, CREDITS, "--send")
    _credit_notes(firm)
    kill_at(CREDITS, place, "command")
    unknown = _unknown(place)
    lapse(firm)
    time.sleep(LEASE + 0.1)
    # The first call posts the credit notes, the second bills the hours that these gave back.
    for _ in range(2):
        done = command(*BILL)
        assert done.code == 0, done.words
    _credited_once(firm, place, unknown)


def test_killed_credit_note_is_taken_up_by_worker_and_beat(
    due: Callable[..., Firm], place: Place, command: Run
) -> None:
    firm = _billed_and_changed(due, place, command, CREDITS, "--send")
    _credit_notes(firm)
    kill_at(CREDITS, place, "workers")
    unknown = _unknown(place)
    count = len(CREDITS) * CLIENTS

    def read(**which: str) -> bool:
        """Whether all invoices of a kind are at Billit and their totals here."""
        return Invoice.objects.filter(status="posted", legal_excl__isnull=False, **which).count() == count

    with place.at_work():
        place.until(lambda: read(kind="credit_note"))
        Dossier.objects.update(due_at=timezone.now(), scheduled_through=None)
        place.until(lambda: Invoice.objects.filter(legal_excl__isnull=False).count() == 3 * count)
    _credited_once(firm, place, unknown)
