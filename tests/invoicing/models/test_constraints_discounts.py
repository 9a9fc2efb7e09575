"""Constraints of discounts on lines, each broken by a write that nothing stands in front of."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from invoicing.models import InvoiceLine
from tests.factories import FeeLineFactory, InvoiceLineFactory
from tests.invoicing.refusing import breaks

pytestmark = pytest.mark.django_db


def _write(line: InvoiceLine, changes: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {InvoiceLine._meta.db_table} SET {changes} WHERE id = %s", [line.pk])


@pytest.mark.parametrize(
    "changes",
    [
        "discount = 10, discount_reason = 'Agreed', total = 180",
        "discount = 19, discount_reason = 'Agreed', discount_per_cent = 10, total = 171",
        "discount = -10, discount_reason = 'Urgent', total = 200",
        "discount = 190, discount_reason = 'A gift', total = 0",
    ],
)
def test_line_of_190_may_be_written_down_and_up(changes: str) -> None:
    for line in (InvoiceLineFactory(), FeeLineFactory()):
        _write(line, changes)
        line.refresh_from_db()
        assert line.value == Decimal("190.00")


@breaks(InvoiceLine, "line_discount_has_reason", "line_discount_leaves_amount")
@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ("discount = 10, total = 180", "line_discount_has_reason"),
        ("discount_reason = 'Agreed'", "line_discount_has_reason"),
        ("discount_per_cent = 10", "line_discount_has_reason"),
        ("discount = 10, discount_reason = 'Agreed'", "line_quantity_times_price"),
        ("discount = 10, discount_reason = 'Agreed', total = 179.98", "line_quantity_times_price"),
        ("total = 180", "line_quantity_times_price"),
        ("discount = 200, discount_reason = 'Agreed', total = -10", "line_discount_leaves_amount"),
    ],
)
def test_discount_that_cannot_be(changes: str, name: str) -> None:
    for line in (InvoiceLineFactory(), FeeLineFactory()):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            _write(line, changes)


def test_line_that_takes_hours_off_pays_back_no_more_than_they_were() -> None:
    line = InvoiceLineFactory(quantity=Decimal("-2.00"), seconds=-7200, with_claim=False)
    _write(line, "discount = -10, discount_reason = 'Agreed', total = -180")
    with pytest.raises(IntegrityError, match="line_discount_leaves_amount"), transaction.atomic():
        _write(line, "discount = -200, total = 10")
