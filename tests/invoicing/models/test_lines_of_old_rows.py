"""Rows of before the e-invoice was checked: what took hours off had a negative price, and is turned and back."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from invoicing.models import Invoice, InvoiceLine
from tests.factories import InvoiceFactory, InvoiceLineFactory

BEFORE = [("invoicing", "0008_secret_unreadable"), ("integrations", "0008_secret_unreadable")]
OFF = {"quantity": Decimal(-2), "total": Decimal(-190), "seconds": -7200}


@pytest.fixture
def at_once() -> Iterator[None]:
    """Whatever the test leaves, the tables are today's when it has ended."""
    yield
    call_command("migrate", verbosity=0)


def _figures(line: Any) -> tuple[Decimal, Decimal, Decimal, int]:
    return line.quantity, line.unit_price, line.total, line.seconds


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
@pytest.mark.django_db(transaction=True)
def test_hours_taken_off_are_turned_and_invoices_outside_scope_are_told_apart() -> None:
    usual, outside, mixed = (InvoiceFactory(with_line=False) for _ in range(3))
    for invoice, treatment in (
        (usual, "domestic"),
        (outside, "outside_scope"),
        (mixed, "outside_scope"),
        (mixed, "domestic"),
    ):
        InvoiceLineFactory(invoice=invoice, treatment=treatment)
    off = InvoiceLineFactory(invoice=usual, with_claim=False, **OFF)

    executor = MigrationExecutor(connection)
    executor.migrate(BEFORE)
    then = MigrationExecutor(connection).loader.project_state(BEFORE).apps.get_model("invoicing", "InvoiceLine")
    assert _figures(then.objects.get(pk=off.pk)) == (Decimal(2), Decimal(-95), Decimal(-190), -7200)

    call_command("migrate", verbosity=0)
    assert _figures(InvoiceLine.objects.get(pk=off.pk)) == (Decimal(-2), Decimal(95), Decimal(-190), -7200)
    others = InvoiceLine.objects.exclude(pk=off.pk)
    assert {_figures(line) for line in others} == {(Decimal(2), Decimal(95), Decimal(190), 7200)}
    found = dict(Invoice.objects.values_list("pk", "outside_scope"))
    assert found == {usual.pk: False, outside.pk: True, mixed.pk: False}
