"""Constraints and triggers of prepaid hours, each broken by a write that nothing stands in front of."""

from __future__ import annotations

import threading
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from invoicing.models import Agreement, Claim, Invoice, InvoiceLine, LedgerRow
from tests.factories import NOW, AgreementFactory, BlockLineFactory, ClaimFactory, InvoiceFactory, LedgerRowFactory
from tests.invoicing.refusing import breaks
from tests.invoicing.scene import in_thread, until

pytestmark = pytest.mark.django_db

HOUR = 3600
NOTHING_LEFT = "nothing is left of the block"


def posted() -> InvoiceLine:
    """A block of 2 hours at Billit."""
    line: InvoiceLine = BlockLineFactory(invoice__status="posted")
    return line


def draw(line: InvoiceLine, seconds: int) -> Claim:
    row = LedgerRowFactory(dossier=line.invoice.dossier, duration=seconds, state="prepaid", agreement=line.agreement)
    claim: Claim = ClaimFactory(line=line, row=row, kind="prepaid", seconds=seconds)
    return claim


def raw(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute(statement, values)


@breaks(Agreement, "agreement_block_of_prepaid")
@pytest.mark.parametrize(
    "changes",
    [
        {"hours": None},
        {"hours": Decimal(0)},
        {"price": None},
        {"price": Decimal("-0.01")},
        {"refill_at": Decimal("2.01")},
        {"refill_at": Decimal(-1)},
        {"amount": Decimal(250)},
        {"in_advance": True},
        {"kind": "fixed"},
    ],
)
def test_prepaid_agreement_that_cannot_be(changes: dict[str, Any]) -> None:
    row = posted().agreement
    assert row is not None
    with pytest.raises(IntegrityError, match="agreement_block_of_prepaid"), transaction.atomic():
        Agreement.objects.filter(pk=row.pk).update(**changes)
    with pytest.raises(IntegrityError, match="agreement_block_of_prepaid"), transaction.atomic():
        AgreementFactory(hours=Decimal(2))


# --- each block once --------------------------------------------------------------------------------------------------


@breaks(InvoiceLine, "line_block_once")
def test_block_of_a_number_is_billed_once() -> None:
    line = posted()
    like = {"agreement": line.agreement, "invoice__dossier": line.invoice.dossier}
    with pytest.raises(IntegrityError, match=r"line_block_once|UNIQUE"), transaction.atomic():
        BlockLineFactory(**like, period=date(2026, 11, 1))
    BlockLineFactory(**like, part=2)
    InvoiceLine.objects.filter(pk=line.pk).update(released_at=NOW)
    BlockLineFactory(**like)


@breaks(Invoice, "invoice_one_waiting_block")
def test_one_block_of_an_agreement_waits() -> None:
    line = posted()
    like = {"dossier": line.invoice.dossier, "block_of": line.agreement, "with_line": False}
    first = InvoiceFactory(**like, status="approved")
    with pytest.raises(IntegrityError, match=r"invoice_one_waiting_block|UNIQUE"), transaction.atomic():
        InvoiceFactory(**like, status="draft")
    Invoice.objects.filter(pk=first.pk).update(status="void")
    InvoiceFactory(**like, status="draft")


def test_waiting_block_stands_beside_a_waiting_draft_of_the_customer() -> None:
    line = posted()
    draft = InvoiceFactory(dossier=line.invoice.dossier, status="draft", with_line=False)
    like = {"dossier": draft.dossier, "buyer_key": draft.buyer_key, "status": "draft", "with_line": False}
    InvoiceFactory(**like, block_of=line.agreement)


# --- each hour once, and never beyond the block -----------------------------------------------------------------------


def test_block_falls_below_zero_by_one_entry_and_no_more() -> None:
    line = posted()
    draw(line, HOUR)
    draw(line, 3 * HOUR)
    with pytest.raises(DatabaseError, match=NOTHING_LEFT), transaction.atomic():
        draw(line, 1)
    # the next block begins with two hours less
    second = BlockLineFactory(invoice__dossier=line.invoice.dossier, agreement=line.agreement, part=2)
    with pytest.raises(DatabaseError, match=NOTHING_LEFT), transaction.atomic():
        draw(second, 1)
    Invoice.objects.filter(pk=second.invoice_id).update(status="approved", approved_at=NOW)


def test_block_is_drawn_to_its_last_second() -> None:
    line = posted()
    draw(line, 2 * HOUR - 1)
    draw(line, HOUR)
    with pytest.raises(DatabaseError, match=NOTHING_LEFT), transaction.atomic():
        draw(line, 1)


@pytest.mark.parametrize("status", ["draft", "approved", "posting", "refused", "in_doubt"])
def test_block_that_billit_does_not_have_is_not_drawn(status: str) -> None:
    line = BlockLineFactory(invoice__status=status)
    with pytest.raises(DatabaseError, match=NOTHING_LEFT), transaction.atomic():
        draw(line, HOUR)


@breaks(Claim, "claim_draws_a_block")
def test_draw_by_raw_sql() -> None:
    """Also one that was free and shall hold again, and one of another kind or with another number of seconds."""
    line, table = posted(), Claim._meta.db_table
    freed = draw(line, HOUR)
    raw(f"UPDATE {table} SET released_at = %s WHERE id = %s", NOW, freed.pk)
    full = draw(line, 2 * HOUR)
    for changes in ("released_at = NULL", "released_at = NULL, drawn = 1"):
        with pytest.raises(DatabaseError, match=NOTHING_LEFT):
            raw(f"UPDATE {table} SET {changes} WHERE id = %s", freed.pk)
    with pytest.raises(IntegrityError, match="claim_draws_a_block"):
        raw(f"UPDATE {table} SET drawn = NULL WHERE id = %s", full.pk)
    billed = ClaimFactory(line__invoice__dossier=line.invoice.dossier)
    with pytest.raises(DatabaseError, match=NOTHING_LEFT):
        raw(f"UPDATE {table} SET kind = 'prepaid', drawn = 1 WHERE id = %s", billed.pk)
    with pytest.raises(IntegrityError, match="claim_draws_a_block"):
        raw(f"UPDATE {table} SET drawn = 1 WHERE id = %s", billed.pk)
    # what stands may stay
    raw(f"UPDATE {table} SET drawn = %s WHERE id = %s", HOUR, full.pk)
    raw(f"UPDATE {table} SET released_at = NULL WHERE id = %s", freed.pk)


def test_hour_draws_one_block_and_is_not_billed_as_well() -> None:
    line = posted()
    claim = draw(line, HOUR)
    row = LedgerRow.objects.get(entry=claim.entry)
    other = BlockLineFactory(invoice__dossier=line.invoice.dossier, invoice__status="posted")
    hourly = InvoiceFactory(dossier=line.invoice.dossier).lines.get()
    for kind, of in (("prepaid", line), ("prepaid", other), ("entry", hourly), ("covered", other)):
        with pytest.raises(IntegrityError), transaction.atomic():
            ClaimFactory(line=of, row=row, kind=kind)


@pytest.mark.parametrize(
    "changes",
    ["quantity = 1, total = 95", "released_at = '2026-11-20'", "part = 2", "kind = 'extra'"],
)
def test_drawn_block_stays_as_it_is(changes: str) -> None:
    line, table = posted(), InvoiceLine._meta.db_table
    claim = draw(line, HOUR)
    with pytest.raises(DatabaseError, match="hours have drawn this block"):
        raw(f"UPDATE {table} SET {changes} WHERE id = %s", line.pk)
    Claim.objects.filter(pk=claim.pk).update(released_at=NOW)
    raw(f"UPDATE {table} SET {changes} WHERE id = %s", line.pk)


@pytest.mark.django_db(transaction=True)
def test_second_of_two_writers_waits_and_finds_nothing_left() -> None:
    """Neither asks for a lock: the database itself has the second see what the first one drew."""
    line = posted()
    rows = [
        LedgerRowFactory(dossier=line.invoice.dossier, duration=2 * HOUR, state="prepaid", agreement=line.agreement)
        for _ in range(2)
    ]
    refused: list[str] = []
    ended = threading.Event()

    def second() -> None:
        try:
            ClaimFactory(line=line, row=rows[1], kind="prepaid", seconds=2 * HOUR)
        except DatabaseError as error:
            refused.append(str(error))
        finally:
            ended.set()

    with transaction.atomic():
        ClaimFactory(line=line, row=rows[0], kind="prepaid", seconds=2 * HOUR)
        finish = in_thread(second)
        if connection.vendor == "postgresql":
            until(lambda: ended.is_set() or _waits())
            assert not ended.is_set()
    finish()
    assert len(refused) == 1
    assert NOTHING_LEFT in refused[0]
    assert Claim.objects.get().entry == rows[0].entry


def _waits() -> bool:
    """Whether a session waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])
