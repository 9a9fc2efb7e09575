"""An order that Billit itself made is brought in and deducted once: raw SQL cannot do more (design section 11)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from invoicing.models import BroughtOrder, Deduction, InvoiceLine
from tests.factories import NOW, AdvanceLineFactory, BroughtOrderFactory, DeductionFactory
from tests.invoicing.refusing import breaks

pytestmark = pytest.mark.django_db


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def copied(table: str, pk: int, **changes: Any) -> None:
    """The row once more by raw SQL, with other values."""
    model = BroughtOrder if table == "invoicing_broughtorder" else InvoiceLine
    names = [str(field.column) for field in model._meta.concrete_fields if not field.primary_key]
    values = ", ".join("%s" if name in changes else name for name in names)
    given = [changes[name] for name in names if name in changes]
    sql(f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM {table} WHERE id = %s", *given, pk)


@breaks(BroughtOrder, "order_brought_once")
def test_order_is_brought_in_once_for_a_company() -> None:
    first = BroughtOrderFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        copied("invoicing_broughtorder", first.pk)
    # once let go it may come again, and then the first one does not
    sql("UPDATE invoicing_broughtorder SET released_at = %s WHERE id = %s", NOW, first.pk)
    copied("invoicing_broughtorder", first.pk, released_at=None)
    with pytest.raises(IntegrityError), transaction.atomic():
        sql("UPDATE invoicing_broughtorder SET released_at = NULL WHERE id = %s", first.pk)


@breaks(BroughtOrder, "period_brought_once")
def test_period_is_brought_in_once() -> None:
    first = BroughtOrderFactory(period=date(2026, 10, 1))
    with pytest.raises(IntegrityError), transaction.atomic():
        copied("invoicing_broughtorder", first.pk, order_id=first.order_id + 1)


@breaks(BroughtOrder, "order_brought_amounts_to_something")
@pytest.mark.parametrize("amount", ["0.00", "-1.00"])
def test_order_amounts_to_something(amount: str) -> None:
    row = BroughtOrderFactory()
    with pytest.raises(IntegrityError, match="order_brought_amounts"), transaction.atomic():
        sql("UPDATE invoicing_broughtorder SET total_excl = %s WHERE id = %s", Decimal(amount), row.pk)


def test_no_more_is_deducted_than_the_order_is() -> None:
    advance = AdvanceLineFactory()
    row = BroughtOrderFactory(agreement=advance.agreement)
    first, second = (DeductionFactory(advance=advance, amount=Decimal("120.00")) for _ in range(2))
    moved = "UPDATE invoicing_deduction SET advance_id = NULL, brought_id = %s, amount = %s WHERE id = %s"
    sql(moved, row.pk, Decimal("150.00"), first.pk)
    with pytest.raises(IntegrityError, match="not so much is left"), transaction.atomic():
        sql(moved, row.pk, Decimal("100.01"), second.pk)
    sql(moved, row.pk, Decimal("100.00"), second.pk)
    for change in ("total_excl = 200", f"released_at = '{NOW:%Y-%m-%d %H:%M:%S}'", "order_id = 5"):
        with pytest.raises(IntegrityError, match="something of this order is deducted"), transaction.atomic():
            sql(f"UPDATE invoicing_broughtorder SET {change} WHERE id = %s", row.pk)
    Deduction.objects.update(released_at=NOW)
    sql("UPDATE invoicing_broughtorder SET released_at = %s WHERE id = %s", NOW, row.pk)
    with pytest.raises(IntegrityError, match="not so much is left"), transaction.atomic():
        sql("UPDATE invoicing_deduction SET released_at = NULL WHERE id = %s", first.pk)


@breaks(Deduction, "deduction_of_one_advance")
def test_deduction_is_of_one_advance() -> None:
    advance = AdvanceLineFactory()
    taken = DeductionFactory(advance=advance)
    row = BroughtOrderFactory(agreement=advance.agreement)
    for change, value in (("brought_id = %s", row.pk), ("advance_id = %s", None)):
        with pytest.raises(IntegrityError), transaction.atomic():
            sql(f"UPDATE invoicing_deduction SET {change} WHERE id = %s", value, taken.pk)


def test_nothing_is_billed_by_a_line_and_by_an_order() -> None:
    line = AdvanceLineFactory()
    row = BroughtOrderFactory(agreement=line.agreement, period=date(2026, 9, 1))
    by_line, by_order = "an invoice of ours bills this already", "an order brought in bills this already"
    with pytest.raises(IntegrityError, match=by_line), transaction.atomic():
        sql("UPDATE invoicing_broughtorder SET period = %s WHERE id = %s", line.period, row.pk)
    with pytest.raises(IntegrityError, match=by_line), transaction.atomic():
        copied("invoicing_broughtorder", row.pk, period=line.period, order_id=5)
    with pytest.raises(IntegrityError, match=by_order), transaction.atomic():
        sql("UPDATE invoicing_invoiceline SET period = %s WHERE id = %s", row.period, line.pk)
    with pytest.raises(IntegrityError, match=by_order), transaction.atomic():
        copied("invoicing_invoiceline", line.pk, period=row.period, position=9)
    invoice = line.invoice
    sql("UPDATE invoicing_broughtorder SET released_at = %s WHERE id = %s", NOW, row.pk)
    with pytest.raises(IntegrityError, match=by_line), transaction.atomic():
        copied(
            "invoicing_broughtorder",
            row.pk,
            released_at=None,
            period=None,
            order_id=invoice.order_id,
            company_id=invoice.company_id,
        )
