"""Of an advance no more is taken off than it is: raw SQL cannot, nor can two writers at once (design section 11)."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, transaction

from invoicing.models import Deduction, InvoiceLine
from tests.factories import NOW, AdvanceLineFactory, DeductionFactory
from tests.invoicing.refusing import breaks

TOO_MUCH = "not so much is left of the advance"
STAYS = "something of this advance is taken off"


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def take(advance: InvoiceLine, amount: str) -> Deduction:
    made: Deduction = DeductionFactory(advance=advance, amount=Decimal(amount))
    return made


@pytest.mark.django_db
def test_no_more_is_taken_off_than_the_advance_is() -> None:
    advance = AdvanceLineFactory()
    first = take(advance, "150.00")
    with pytest.raises(IntegrityError, match=TOO_MUCH), transaction.atomic():
        take(advance, "100.01")
    second = take(advance, "100.00")
    with pytest.raises(IntegrityError, match=TOO_MUCH), transaction.atomic():
        take(advance, "0.01")
    with pytest.raises(IntegrityError, match=TOO_MUCH), transaction.atomic():
        sql("UPDATE invoicing_deduction SET amount = 100.01 WHERE id = %s", second.pk)
    # what is released is free again, and does not come back beside what was taken meanwhile
    sql("UPDATE invoicing_deduction SET released_at = %s WHERE id = %s", NOW, first.pk)
    take(advance, "120.00")
    with pytest.raises(IntegrityError, match=TOO_MUCH), transaction.atomic():
        sql("UPDATE invoicing_deduction SET released_at = NULL WHERE id = %s", first.pk)
    other = AdvanceLineFactory(invoice__dossier=advance.invoice.dossier, unit_price=Decimal("90.00"))
    with pytest.raises(IntegrityError, match=TOO_MUCH), transaction.atomic():
        sql("UPDATE invoicing_deduction SET advance_id = %s WHERE id = %s", other.pk, second.pk)


@pytest.mark.django_db
def test_it_is_taken_off_a_posted_advance_and_nothing_else() -> None:
    first = AdvanceLineFactory()
    taking_back = {"invoice__dossier": first.invoice.dossier, "agreement": first.agreement, "takes_back": first}
    other: list[dict[str, Any]] = [{"invoice__status": "approved"}, {"released_at": NOW}, {"kind": "fee"}]
    for changes in (*other, taking_back):
        with pytest.raises(IntegrityError, match=TOO_MUCH), transaction.atomic():
            take(AdvanceLineFactory(**changes), "10.00")


@pytest.mark.django_db
def test_advance_stays_as_it_is_while_something_is_taken_off() -> None:
    advance = AdvanceLineFactory()
    taken = take(advance, "10.00")
    for change in ("total = 5, unit_price = 5", "kind = 'fee'", f"released_at = '{NOW:%Y-%m-%d %H:%M:%S}'"):
        with pytest.raises(IntegrityError, match=STAYS), transaction.atomic():
            sql(f"UPDATE invoicing_invoiceline SET {change} WHERE id = %s", advance.pk)
    if connection.vendor == "sqlite":
        columns = ", ".join(str(field.column) for field in InvoiceLine._meta.concrete_fields)
        with pytest.raises(IntegrityError, match=STAYS), transaction.atomic():
            sql(
                f"INSERT OR REPLACE INTO invoicing_invoiceline ({columns}) "
                f"SELECT {columns} FROM invoicing_invoiceline WHERE id = %s",
                advance.pk,
            )
    Deduction.objects.filter(pk=taken.pk).update(released_at=NOW)
    sql("UPDATE invoicing_invoiceline SET total = 5, unit_price = 5 WHERE id = %s", advance.pk)


@breaks(Deduction, "deduction_takes_something")
@pytest.mark.django_db
@pytest.mark.parametrize("amount", ["0.00", "-1.00"])
def test_deduction_takes_something(amount: str) -> None:
    taken = take(AdvanceLineFactory(), "10.00")
    with pytest.raises(IntegrityError, match="deduction_takes_something"), transaction.atomic():
        sql("UPDATE invoicing_deduction SET amount = %s WHERE id = %s", Decimal(amount), taken.pk)


@breaks(Deduction, "line")
@pytest.mark.django_db
def test_line_takes_off_one_advance_once() -> None:
    advance = AdvanceLineFactory()
    first, second = take(advance, "10.00"), take(advance, "20.00")
    with pytest.raises(IntegrityError), transaction.atomic():
        sql("UPDATE invoicing_deduction SET line_id = %s WHERE id = %s", first.line_id, second.pk)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_do_not_take_more_than_there_is() -> None:
    advance = AdvanceLineFactory()
    lines = [DeductionFactory(advance=advance, amount=Decimal("200.00"), released_at=NOW).pk for _ in range(2)]
    both, came = threading.Barrier(2), list[str]()

    def write(pk: int) -> None:
        try:
            with transaction.atomic():
                both.wait(10)
                sql("UPDATE invoicing_deduction SET released_at = NULL WHERE id = %s", pk)
                came.append("taken")
        except IntegrityError as error:
            came.append("refused" if TOO_MUCH in str(error) else str(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(pk,)) for pk in lines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(came) == ["refused", "taken"]
    assert Deduction.objects.live().count() == 1
