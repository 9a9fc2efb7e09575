"""RabbitMQ in place of Redis, by one variable: the main job, a killed worker, a killed broker, and one that is full."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings as site
from django.core.management import call_command
from django.db import connection
from pytest_django import Settings

from invoicing.models import Invoice
from tests.proof.assertions import prove
from tests.proof.processes import Place, kill
from tests.proof.rabbitmq import RabbitMQ, rabbitmq
from tests.queues import broker
from toggbill.firms.models import Firm
from toggbill.watching.broker import takes_messages

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.postgresql]
CLIENTS = 8
SLOWLY = {"service": "billit", "method": "POST", "path": "^/v1/orders$", "kind": "slow", "seconds": 0.3}
PAGES = {"confirm_publish": True, "connect_timeout": 2, "read_timeout": 2, "write_timeout": 2}


@pytest.fixture
def node() -> Iterator[RabbitMQ]:
    """One for each test, since each leaves it killed or full, and a parallel run takes them in any order."""
    with rabbitmq() as made:
        yield made


def test_main_job_goes_over_rabbitmq_while_a_worker_and_the_broker_are_killed(
    node: RabbitMQ, due: Callable[..., Firm], place: Place
) -> None:
    # One variable, and no Redis at all.
    place.redis_url, place.settings["BROKER_URL"] = "", node.url
    firm = due(clients=CLIENTS, entries=1)
    call_command("sync", stdout=io.StringIO())
    place.sandbox.control.faults(SLOWLY)
    orders = place.sandbox.control.orders
    first = place.worker()
    try:
        with place.at_work(workers=0):
            place.until(lambda: len(orders()) >= 2)
            kill(first)
            with place.at_work(workers=1, beats=0):
                place.until(lambda: len(orders()) >= 4)
                node.kill()
                node.start()
                place.until(lambda: _all_read(firm))
    finally:
        kill(first)
    found = prove(firm, place.sandbox)
    assert (found.invoices, found.orders, found.unknown) == (CLIENTS, CLIENTS, 0)
    assert not (place.folder / "broker").exists()


def _all_read(firm: Firm) -> bool:
    invoices = Invoice.objects.filter(firm=firm)
    return invoices.count() == CLIENTS and not invoices.filter(legal_excl__isnull=True).exists()


def test_broker_that_is_full_takes_no_message_and_readyz_says_so(node: RabbitMQ, settings: Settings) -> None:
    connection.ensure_connection()
    settings.PAGE_BROKER_OPTIONS = site.PAGE_BROKER_OPTIONS | PAGES
    with broker(node.url, "toggbill.broker:RabbitMQ", {"confirm_publish": True}):
        assert takes_messages()
        node.fill()
        assert not takes_messages()
        node.kill()
        assert not takes_messages()
    assert connection.is_usable()
