"""More than one machine: two hosts with workers and a beat each, one of which dies, and an update without a stop."""

from __future__ import annotations

import io
import signal
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.core.management import call_command

from invoicing.models import Invoice
from tests.proof.assertions import prove
from tests.proof.processes import Place, kill
from toggbill.firms.models import Firm

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.postgresql]
CLIENTS = 10
SLOWLY = {"service": "billit", "method": "POST", "path": "^/v1/orders$", "kind": "slow", "seconds": 0.3}


@pytest.fixture
def hosts(place: Place, tmp_path: Path) -> tuple[Place, Place]:
    """Two machines that share the database and the broker, and no folder."""
    made = []
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        made.append(Place(place.database_url, place.redis_url, place.sandbox, folder))
    return made[0], made[1]


def _ready(due: Callable[..., Firm], place: Place) -> Firm:
    firm = due(clients=CLIENTS, entries=1)
    call_command("sync", stdout=io.StringIO())
    place.sandbox.control.faults(SLOWLY)
    return firm


def _all_read(firm: Firm) -> bool:
    invoices = Invoice.objects.filter(firm=firm)
    return invoices.count() == CLIENTS and not invoices.filter(legal_excl__isnull=True).exists()


def test_host_that_dies_with_its_beat_and_all_its_workers_loses_nothing(
    due: Callable[..., Firm], hosts: tuple[Place, Place]
) -> None:
    one, other = hosts
    firm = _ready(due, one)
    orders = one.sandbox.control.orders
    with other.at_work(workers=1, beats=1):
        with one.at_work(workers=2, beats=1):
            one.until(lambda: len(orders()) >= 3)
        # Everything of that machine was killed at once; its folder is gone with it.
        other.until(lambda: _all_read(firm))
    found = prove(firm, one.sandbox)
    assert (found.invoices, found.orders, found.unknown) == (CLIENTS, CLIENTS, 0)


def test_workers_are_replaced_one_after_the_other_while_invoices_are_made(
    due: Callable[..., Firm], hosts: tuple[Place, Place]
) -> None:
    """An update: the new worker starts, the old one is asked to end, and ends after the request in hand."""
    one, other = hosts
    firm = _ready(due, one)
    orders = one.sandbox.control.orders
    with ExitStack() as stack:
        old = one.worker()
        stack.callback(kill, old)
        stack.enter_context(one.at_work(workers=0, beats=1))
        one.until(lambda: len(orders()) >= 2)
        stack.enter_context(other.at_work(workers=1, beats=1))
        old.send_signal(signal.SIGTERM)
        assert old.wait(60) == 0
        done = len(orders())
        other.until(lambda: _all_read(firm))
    found = prove(firm, one.sandbox)
    assert done < CLIENTS
    assert (found.invoices, found.orders, found.unknown) == (CLIENTS, CLIENTS, 0)
