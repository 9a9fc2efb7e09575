"""The services that we stand on go away in the middle of the work: Redis with all its messages, PostgreSQL."""

from __future__ import annotations

import io
import shutil
import signal
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import connection

from invoicing.models import Invoice
from tests import services
from tests.proof.assertions import prove
from tests.proof.conftest import empty_broker
from tests.proof.processes import Place
from tests.proof.servers import copy_to, database_at, postgresql_server, redis_server
from toggbill.firms.models import Firm

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
CLIENTS, ENTRIES = 8, 1
SLOWLY = {"service": "billit", "method": "POST", "path": "^/v1/orders$", "kind": "slow", "seconds": 0.3}


def _ready(due: Callable[..., Firm], place: Place) -> Firm:
    """A firm whose hours are read and whose run is due: the workers begin with what is proved here, the billing."""
    firm = due(clients=CLIENTS, entries=ENTRIES)
    call_command("sync", stdout=io.StringIO())
    place.sandbox.control.faults(SLOWLY)
    return firm


@pytest.fixture(autouse=True)
def _only_with_the_real_services() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite and the broker of files are no servers that could go away (make test has both)")


def _all_read(firm: Firm) -> bool:
    invoices = Invoice.objects.filter(firm=firm)
    return invoices.count() == CLIENTS and not invoices.filter(legal_excl__isnull=True).exists()


def _orders(place: Place, count: int) -> Callable[[], bool]:
    return lambda: len(place.sandbox.control.orders()) >= count


def test_redis_that_forgets_its_messages_and_is_killed_costs_time_alone(due: Callable[..., Firm], place: Place) -> None:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not on the PATH")
    with redis_server(program) as server:
        place.redis_url = server.url
        firm = _ready(due, place)
        with place.at_work():
            place.until(_orders(place, 1))
            empty_broker(server.url)
            place.until(_orders(place, 3))
            server.restart(signal.SIGKILL, after=0.5)
            place.until(lambda: _all_read(firm))
        found = prove(firm, place.sandbox)
    assert (found.invoices, found.orders, found.unknown) == (CLIENTS, CLIENTS, 0)


def test_postgresql_that_is_ended_while_orders_are_under_way_loses_and_doubles_none(
    due: Callable[..., Firm], place: Place
) -> None:
    programs = services.postgresql_folder()
    if programs is None:
        pytest.skip("the programs of PostgreSQL are not on this machine; its server is elsewhere")
    with postgresql_server(programs) as server:
        copy_to(server.url)
        with database_at(server.url):
            place.database_url = server.url
            firm = _ready(due, place)
            with place.at_work():
                place.until(_orders(place, 2))
                # In order: it takes leave of whoever is connected.
                server.restart(signal.SIGINT, after=0.3)
                place.until(_orders(place, 4))
                # At once, as when the power fails: it recovers from its log.
                server.restart(signal.SIGQUIT, after=0.3)
                connection.close()
                place.until(lambda: _all_read(firm))
            found = prove(firm, place.sandbox)
    assert (found.invoices, found.orders, found.unknown) == (CLIENTS, CLIENTS, 0)
