"""The database keeps annexes as they were made, asked by raw SQL on whichever database the run has."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

from invoicing.models import Annex, Invoice, moves
from invoicing.models.moves import Step
from tests.factories import NOW, AnnexFactory, InvoiceFactory

pytestmark = pytest.mark.django_db
TABLE = Annex._meta.db_table


def refused(statement: str) -> str:
    """What the database says to a statement, "" when it lets it pass; nothing is kept of it."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
            transaction.set_rollback(True)
    except DatabaseError as error:
        return str(error)
    return ""


def move(annex: Annex, *steps: tuple[str, str]) -> None:
    rows = Invoice.objects.filter(pk=annex.invoice_id)
    for origin, target in steps:
        values: dict[str, dict[str, object]] = {
            "posting": {"posting_since": NOW, "post_requested_at": NOW, "post_requested_by": "owner@example.com"},
            "posted": {"posting_since": None, "posted_at": NOW, "order_id": 1},
            "in_doubt": {"posting_since": None, "problem": "worker_ended"},
            "refused": {"posting_since": None, "problem": "worker_ended"},
        }
        assert moves.move(rows, status=Step(origin, target), **values.get(target, {})) == 1


POSTING = ("approved", "posting")


@pytest.mark.parametrize(
    "column", ["pdf", "csv", "pdf_hash", "csv_hash", "content_hash", "name", "invoice_id", "made_at"]
)
def test_nothing_of_an_annex_is_changed(column: str) -> None:
    annex = AnnexFactory()
    assert "an annex is never changed" in refused(f"UPDATE {TABLE} SET {column} = {column} WHERE id = {annex.pk}")


@pytest.mark.parametrize(
    "steps",
    [[POSTING], [POSTING, ("posting", "posted")], [POSTING, ("posting", "in_doubt")]],
    ids=["posting", "posted", "in_doubt"],
)
def test_annex_of_what_billit_has_or_may_have_is_not_deleted(steps: list[tuple[str, str]]) -> None:
    annex = AnnexFactory()
    move(annex, *steps)
    assert "the annex of an invoice that Billit has stays" in refused(f"DELETE FROM {TABLE} WHERE id = {annex.pk}")


def test_annex_of_an_order_that_was_deleted_and_replaced_stays() -> None:
    annex = AnnexFactory()
    move(annex, POSTING, ("posting", "posted"), ("posted", "void"))
    assert "the annex of an invoice that Billit has stays" in refused(f"DELETE FROM {TABLE} WHERE id = {annex.pk}")


@pytest.mark.parametrize("steps", [[], [POSTING, ("posting", "refused")]], ids=["approved", "refused"])
def test_annex_of_what_billit_does_not_have_may_go(steps: list[tuple[str, str]]) -> None:
    annex = AnnexFactory()
    move(annex, *steps)
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE id = {annex.pk}")
        assert cursor.rowcount == 1
    assert not Annex.objects.exists()


@pytest.mark.parametrize("status", ["draft", "posting", "posted", "refused", "in_doubt", "void"])
def test_annex_is_made_of_an_approved_invoice_only(status: str) -> None:
    with pytest.raises(DatabaseError, match="an annex is made of an approved invoice"), transaction.atomic():
        AnnexFactory(invoice=InvoiceFactory(status=status))


def test_annex_is_not_replaced_and_not_emptied() -> None:
    annex = AnnexFactory()
    columns = ", ".join(str(field.column) for field in Annex._meta.concrete_fields)
    if connection.vendor == "sqlite":
        again = f"INSERT OR REPLACE INTO {TABLE} ({columns}) SELECT {columns} FROM {TABLE} WHERE id = {annex.pk}"
        assert "an annex is never changed" in refused(again)
    else:
        connection.check_constraints()
        assert "annexes stay" in refused(f"TRUNCATE {TABLE}")


def test_annex_belongs_to_the_firm_of_its_invoice() -> None:
    invoice = InvoiceFactory(status="approved")
    with pytest.raises(DatabaseError, match="belongs to the firm"), transaction.atomic():
        AnnexFactory(invoice=invoice, firm=InvoiceFactory().firm)
