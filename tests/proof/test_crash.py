"""The crash matrix: a process that bills is killed at each step, and what is left is taken up exactly once.

Each step has a dossier of its own, with three invoices, and a process that is killed at it; those of one phase die side
by side, and are then taken up together, by the command or by a worker and a beat.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection
from decimal import Decimal

import pytest
from django.utils import timezone

from invoicing.models import Attempt, Deduction, Dossier, Invoice, InvoiceLine
from tests.conftest import Outcome
from tests.proof import steps
from tests.proof.assertions import prove
from tests.proof.conftest import hasten, lapse
from tests.proof.poster import kill_at
from tests.proof.processes import LEASE, Place
from tests.proof.world import SLUG, before_the_entries, yesterday
from toggbill.firms.models import Firm

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
CLIENTS, ENTRIES = 3, 2
# Few, as each begins worker and beat anew. Five answers lost in one of them would have the connection left alone.
PHASES = {
    "reading, drafting, looking up in vain": (*steps.READING, *steps.DRAFTING, *steps.MISSING),
    "posting, looking up, reading back": (*steps.POSTING, *steps.LOOKING_UP, *steps.READING_BACK),
}
BARE = "posting, looking up, reading back"
# Where Billit has an order that we do not know of yet.
UNKNOWN = {*steps.LOOKING_UP, "before the answer is read", "after the answer", "inside the settling"}


def _unknown(place: Place, met: Collection[str]) -> int:
    """How many orders Billit has that no row knows of, now that the processes are dead."""
    unknown = len(place.sandbox.control.orders()) - Invoice.objects.filter(order_id__isnull=False).count()
    assert unknown >= len(UNKNOWN.intersection(met))
    return unknown


def _complete(firm: Firm, place: Place, met: Collection[str], unknown: int) -> None:
    """All billed once: an order for each client, each entry on a line of its own, totals read back."""
    invoices = len(met) * CLIENTS
    found = prove(firm, place.sandbox)
    assert (found.entries, found.invoices, found.orders, found.unknown) == (invoices * ENTRIES, invoices, invoices, 0)
    assert not Invoice.objects.filter(legal_excl__isnull=True).exclude(status="void").exists()
    lines = sorted(
        line["Description"].split(" · ")[-1] for order in place.sandbox.control.orders() for line in order["OrderLines"]
    )
    assert lines == sorted(f"Work {serial}" for serial in range(1, invoices * ENTRIES + 1))
    assert Attempt.objects.filter(outcome="adopted").count() == unknown
    assert not Attempt.objects.filter(outcome="pending").exists()


@pytest.mark.parametrize("phase", PHASES)
def test_kill_is_taken_up_by_the_command(
    phase: str, due: Callable[..., Firm], place: Place, command: Callable[..., Outcome]
) -> None:
    met = PHASES[phase]
    firm = due(workspaces=len(met), clients=CLIENTS, entries=ENTRIES)
    kill_at(met, place, "command")
    unknown = _unknown(place, met)
    lapse(firm)
    time.sleep(LEASE + 0.1)
    done = command("invoice", "--firm", SLUG, "--through", yesterday(), "--approve", "--post")
    assert done.code == 0, done.words
    _complete(firm, place, met, unknown)


@pytest.mark.parametrize("phase", PHASES)
def test_kill_is_taken_up_by_worker_and_beat(phase: str, due: Callable[..., Firm], place: Place) -> None:
    met = PHASES[phase]
    # Customers that Billit makes with the orders, and lists that show of an order hardly more than its id.
    is_bare = phase == BARE
    firm = due(workspaces=len(met), clients=CLIENTS, entries=ENTRIES, known=not is_bare)
    place.sandbox.control.switch(billit_summary_rows="bare" if is_bare else "full")
    kill_at(met, place, "workers")
    unknown = _unknown(place, met)
    lapse(firm)

    def done() -> bool:
        hasten(firm)
        invoices = Invoice.objects.filter(firm=firm).exclude(status="void")
        served = not Dossier.objects.filter(firm=firm, scheduled_through__isnull=True).exists()
        read = not invoices.filter(legal_excl__isnull=True).exists()
        return served and read and invoices.count() == len(met) * CLIENTS

    with place.at_work():
        place.until(done)
    _complete(firm, place, met, unknown)


# What kills a process while it settles advances and posts what it deducts.
WITH_AGREEMENTS = (*steps.DRAFTING, *steps.SETTLING, *steps.POSTING, *steps.LOOKING_UP)


def test_kill_while_fees_and_settlements_are_billed(
    due: Callable[..., Firm], place: Place, command: Callable[..., Outcome]
) -> None:
    """Of each dossier's three customers one pays by the hour, one a fee that covers the hours, one by advances."""
    met = WITH_AGREEMENTS
    firm = due(workspaces=len(met), clients=CLIENTS, entries=ENTRIES, agreed="once")
    earlier = command("invoice", "--firm", SLUG, "--through", before_the_entries(), "--approve", "--post")
    assert earlier.code == 0, earlier.words
    advances = InvoiceLine.objects.filter(kind="advance", invoice__status="posted")
    assert set(advances.values_list("invoice__dossier__key", flat=True)) == {
        f"dossier-{n + 1}" for n in range(len(met))
    }
    before = Invoice.objects.count()
    assert before == len(met)
    Dossier.objects.filter(firm=firm).update(due_at=timezone.now(), scheduled_through=None)
    kill_at(met, place, "command")
    lapse(firm)
    time.sleep(LEASE + 0.1)
    done = command("invoice", "--firm", SLUG, "--through", yesterday(), "--approve", "--post")
    assert done.code == 0, done.words
    found = prove(firm, place.sandbox)
    assert (found.entries, found.unknown) == (len(met) * CLIENTS * ENTRIES, 0)
    assert found.invoices == found.orders == before + len(met) * CLIENTS
    # Each dossier: two hours of the first customer and two of the third, less an advance; the fee covers the others.
    for dossier in Dossier.objects.filter(firm=firm):
        lines = InvoiceLine.objects.live().filter(invoice__dossier=dossier, invoice__status="posted")
        kinds = Counter(lines.values_list("kind", flat=True))
        assert kinds["hours"] == 2 * ENTRIES
        assert kinds["fee"] == 1
        deducted = Deduction.objects.live().filter(line__invoice__dossier=dossier)
        taken = sum((row.amount for row in deducted), Decimal(0))
        assert taken == Decimal("190.00"), dossier.key
