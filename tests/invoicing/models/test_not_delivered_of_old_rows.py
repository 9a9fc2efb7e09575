"""Rows of before an invoice that does not arrive was said so of its delivery: then it was its one attention."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from invoicing.models import Invoice
from tests.factories import InvoiceFactory

BEFORE = [("invoicing", "0016_annexes")]
FACTS = {"customer": "Garage Voorbeeld SRL", "on_day": "2026-11-20"}
LATE = {"delivery_problem": "not_delivered", "delivery_problem_facts": FACTS}
OTHER = {"attention": "order_was_changed", "attention_facts": {"order": 1}}


@pytest.fixture
def at_once() -> Iterator[None]:
    """Whatever the test leaves, the tables are today's when it has ended."""
    yield
    call_command("migrate", verbosity=0)


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
@pytest.mark.django_db(transaction=True)
def test_not_delivered_moves_to_the_delivery_and_back() -> None:
    late, both = (InvoiceFactory(status="posted", delivery="sent", **LATE, **more) for more in ({}, OTHER))
    other = InvoiceFactory(status="posted", delivery="sent", **OTHER)

    MigrationExecutor(connection).migrate(BEFORE)
    then = MigrationExecutor(connection).loader.project_state(BEFORE).apps.get_model("invoicing", "Invoice").objects
    row = then.get(pk=late.pk)
    assert (row.attention, row.attention_facts, row.delivery_problem) == ("not_delivered", FACTS, "")
    for each in (both, other):
        row = then.get(pk=each.pk)
        assert (row.attention, row.attention_facts, row.delivery_problem) == (*OTHER.values(), "")

    call_command("migrate", verbosity=0)
    row = Invoice.objects.get(pk=late.pk)
    assert (row.attention, row.attention_facts) == ("", {})
    assert (row.delivery_problem, row.delivery_problem_facts) == tuple(LATE.values())
    row = Invoice.objects.get(pk=other.pk)
    assert (row.attention, row.attention_facts, row.delivery_problem) == (*OTHER.values(), "")
