"""The crash matrix: a process that bills is killed at each step, and what is left is taken up exactly once.

Each step has a dossier of its own, with three invoices, and a process that is killed at it; those of one phase die side
by side, and are then taken up together, by the command or by a worker and a beat.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable

import pytest

from invoicing.models import Attempt, Dossier, Invoice
from tests.conftest import Outcome
from tests.proof import poster
from tests.proof.assertions import prove
from tests.proof.conftest import lapse
from tests.proof.processes import LEASE, PATIENCE, Place
from tests.proof.world import COMPANY, SLUG, yesterday
from toggbill.firms.models import Firm

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
CLIENTS, ENTRIES = 3, 2
PHASES = {
    "reading": tuple(poster.READING),
    "drafting": tuple(poster.DRAFTING),
    "posting": tuple(poster.POSTING),
    "looking up": tuple(poster.LOOKING_UP),
    "reading back": tuple(poster.READING_BACK),
}
# Where Billit has the order and we do not know it yet.
ADOPTED = {*poster.LOOKING_UP, "before the answer is read", "after the answer", "inside the settling"}


def _kill_at(steps: Iterable[str], place: Place, way: str) -> None:
    lose = {"service": "billit", "method": "POST", "path": "^/v1/orders$", "kind": "cut_after", "nth": 2}
    in_doubt = [number for number, step in enumerate(steps) if step in poster.LOOKING_UP]
    place.sandbox.control.faults(*(lose | {"tenant": str(COMPANY + number)} for number in in_doubt))
    running = {
        step: poster.start(place, step=step, way=way, dossier=f"dossier-{number}")
        for number, step in enumerate(steps, start=1)
    }
    ended = {step: process.wait(PATIENCE) for step, process in running.items()}
    assert ended == dict.fromkeys(steps, -signal.SIGKILL), place.log.read_text()[-3000:]
    place.sandbox.control.faults()


def _complete(firm: Firm, place: Place, steps: Iterable[str]) -> None:
    """All billed once: an order for each client, each entry on a line of its own, totals read back."""
    invoices = len(tuple(steps)) * CLIENTS
    found = prove(firm, place.sandbox)
    assert (found.entries, found.invoices, found.orders, found.unknown) == (invoices * ENTRIES, invoices, invoices, 0)
    assert not Invoice.objects.filter(legal_excl__isnull=True).exclude(status="void").exists()
    lines = sorted(
        line["Description"].split(" · ")[-1] for order in place.sandbox.control.orders() for line in order["OrderLines"]
    )
    assert lines == sorted(f"Work {serial}" for serial in range(1, invoices * ENTRIES + 1))
    assert Attempt.objects.filter(outcome="adopted").count() == len(ADOPTED.intersection(steps))
    assert not Attempt.objects.filter(outcome="pending").exists()


@pytest.mark.parametrize("phase", PHASES)
def test_kill_is_taken_up_by_the_command(
    phase: str, due: Callable[..., Firm], place: Place, command: Callable[..., Outcome]
) -> None:
    steps = PHASES[phase]
    firm = due(workspaces=len(steps), clients=CLIENTS, entries=ENTRIES)
    _kill_at(steps, place, "command")
    lapse(firm)
    time.sleep(LEASE + 0.1)
    done = command("invoice", "--firm", SLUG, "--through", yesterday(), "--approve", "--post")
    assert done.code == 0, done.words
    _complete(firm, place, steps)


@pytest.mark.parametrize("phase", PHASES)
def test_kill_is_taken_up_by_worker_and_beat(phase: str, due: Callable[..., Firm], place: Place) -> None:
    steps = PHASES[phase]
    firm = due(workspaces=len(steps), clients=CLIENTS, entries=ENTRIES)
    _kill_at(steps, place, "workers")
    lapse(firm)

    def done() -> bool:
        invoices = Invoice.objects.filter(firm=firm).exclude(status="void")
        served = not Dossier.objects.filter(firm=firm, scheduled_through__isnull=True).exists()
        read = not invoices.filter(legal_excl__isnull=True).exists()
        return served and read and invoices.count() == len(steps) * CLIENTS

    with place.at_work():
        place.until(done)
    _complete(firm, place, steps)
