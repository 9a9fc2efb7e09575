"""The database refuses what the tables of moves do not declare, asked by raw SQL on whichever database the run has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Model

from invoicing.models import Agreement, Invoice, LedgerRow
from invoicing.models.moves import DELIVERY, PAYMENT, STATE, STATUS, TABLES, Table
from tests.factories import NOW, AgreementFactory, EntryFactory, InvoiceFactory, LedgerRowFactory
from toggbill.database import triggers

pytestmark = pytest.mark.django_db

each = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.column)
STATES: dict[Table, list[str]] = {
    STATUS: Invoice.Status.values,
    DELIVERY: Invoice.Delivery.values,
    PAYMENT: Invoice.Payment.values,
    STATE: LedgerRow.State.values,
}


_UNDER_AN_AGREEMENT = ("covered", "on_account", "prepaid")


def _hour(state: str) -> LedgerRow:
    """In a dossier with one agreement, under which it is if the state says so."""
    agreement = AgreementFactory()
    covered = agreement if state in _UNDER_AN_AGREEMENT else None
    reason = "no_tag" if state == "attention" else ""
    return LedgerRowFactory(dossier=agreement.dossier, state=state, reason=reason, agreement=covered)


MADE: dict[Table, Callable[[str], Any]] = {
    STATUS: lambda state: InvoiceFactory(status=state, with_line=False),
    DELIVERY: lambda state: InvoiceFactory(status="posted", delivery=state, with_line=False),
    PAYMENT: lambda state: InvoiceFactory(status="posted", payment=state, with_line=False),
    STATE: _hour,
}


def refused(table: Table, statement: str, *, also: str = "") -> bool:
    """Whether the database refuses a statement for the move, or for what else is said; nothing is kept of it."""
    try:
        with transaction.atomic():
            execute(statement)
            transaction.set_rollback(True)
    except IntegrityError as error:
        said = str(error)
    else:
        return False
    declared = f"{table.model._meta.db_table}: no such move of {table.column} is declared"
    assert declared in said or (also and also in said), said
    return True


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def beside(table: Table, state: str) -> Mapping[str, str]:
    """What the other constraints want of a row in that state: SQL by column."""
    moment = f"'{NOW:%Y-%m-%d %H:%M:%S}'"
    if table is STATUS:
        posted = {"order_id": "id + 5000000", "posted_at": moment, "approved_at": moment, "problem": "'refused'"}
        asked = {"post_requested_at": moment, "post_requested_by": "'owner@example.com'"}
        return posted | asked | {"posting_since": moment if state == "posting" else "NULL"}
    if table is DELIVERY:
        asked = {"send_requested_at": moment, "send_requested_by": "'owner@example.com'"}
        delivered = moment if state == "delivered" else "NULL"
        return asked | {"delivered_at": delivered, "delivery_problem": "'not_deliverable'", "sent_at": moment}
    if table is STATE:
        agreements, rows = Agreement._meta.db_table, LedgerRow._meta.db_table
        own = f"(SELECT a.id FROM {agreements} a WHERE a.dossier_id = {rows}.dossier_id)"
        return {
            "reason": "'no_tag'" if state == "attention" else "''",
            "agreement_id": own if state in _UNDER_AN_AGREEMENT else "NULL",
        }
    return {}


def update(table: Table, row: Model, state: str) -> str:
    values = {table.column: f"'{state}'", **beside(table, state)}
    changes = ", ".join(f"{column} = {value}" for column, value in values.items())
    return f"UPDATE {table.model._meta.db_table} SET {changes} WHERE id = {row.pk}"


def insert(table: Table, row: Model, state: str, *, command: str = "INSERT", **instead: str) -> str:
    """A row as the given one but in that state; `instead`: SQL of further columns."""
    columns = [str(field.column) for field in table.model._meta.concrete_fields]
    columns = [column for column in columns if column != "id" or "id" in instead]
    values = {column: column for column in columns} | {table.column: f"'{state}'", **beside(table, state), **instead}
    names, given = ", ".join(values), ", ".join(values.values())
    rows = table.model._meta.db_table
    return f"{command} INTO {rows} ({names}) SELECT {given} FROM {rows} WHERE id = {row.pk}"


@each
def test_every_declared_move_passes_and_every_other_is_refused(table: Table) -> None:
    known = [*STATES[table], "other"]
    found = {}
    for origin in STATES[table]:
        row = MADE[table](origin)
        for target in known:
            if origin != target:
                found[(str(origin), str(target))] = refused(table, update(table, row, target))
    passed = {pair for pair, was_refused in found.items() if not was_refused}
    assert passed == {(str(origin), str(target)) for origin, target in table.pairs}
    assert len(found) == len(STATES[table]) * (len(known) - 1)


@each
def test_state_that_stays_is_no_move(table: Table) -> None:
    for state in STATES[table]:
        assert not refused(table, update(table, MADE[table](state), state))


@each
def test_row_begins_only_in_a_declared_state(table: Table) -> None:
    row = _hour("open") if table is STATE else InvoiceFactory(with_line=False)
    # A draft is neither sent nor paid: a constraint says so before the trigger is asked.
    also = {DELIVERY: "invoice_sent_only_when_posted", PAYMENT: "invoice_paid_only_when_posted"}.get(table, "")
    found = {str(state): refused(table, fresh(table, row, state), also=also) for state in [*STATES[table], "other"]}
    assert {state for state, was_refused in found.items() if not was_refused} == set(table.begins)


def fresh(table: Table, row: Any, state: str) -> str:
    """A row of its own: another reference and order, another entry."""
    if table is STATE:
        return insert(table, row, state, entry_id=str(EntryFactory(workspace=row.dossier.workspace).pk))
    order = {"order_id": "5000000"} if table is STATUS else {}
    return insert(table, row, state, reference="'tb-another'", buyer_key="'another'", **order)


@pytest.mark.slow
@each
def test_upsert_is_a_move(table: Table) -> None:
    """As `derive` writes: an INSERT that becomes an UPDATE. Its new state need not be one in which a row begins."""
    again = ", ".join(f"{column} = EXCLUDED.{column}" for column in [table.column, *beside(table, "")])
    on_conflict = f" ON CONFLICT (id) DO UPDATE SET {again}"
    for origin, target in product(STATES[table], STATES[table]):
        row = MADE[table](origin)
        statement = insert(table, row, target, id="id") + on_conflict
        declared = origin == target or (origin, target) in table.pairs
        assert refused(table, statement) is not declared, (origin, target)


@pytest.mark.sqlite  # only SQLite has INSERT OR REPLACE
@pytest.mark.parametrize("table", [STATUS, STATE], ids=["status", "state"])
def test_row_cannot_be_replaced_by_one_that_no_move_leads_to(table: Table) -> None:
    for origin, target in product(STATES[table], STATES[table]):
        row = MADE[table](origin)
        statement = insert(table, row, target, command="INSERT OR REPLACE", id="id")
        allowed = (origin == target or (origin, target) in table.pairs) and target in table.begins
        assert refused(table, statement) is not allowed, (origin, target)


def test_many_rows_are_refused_together() -> None:
    good, bad = LedgerRowFactory(), LedgerRowFactory(state="drafted")
    with pytest.raises(IntegrityError, match="no such move of state"), transaction.atomic():
        LedgerRow.objects.filter(pk__in=[good.pk, bad.pk]).update(state="held")
    assert list(LedgerRow.objects.order_by("pk").values_list("state", flat=True)) == ["open", "drafted"]


@pytest.mark.postgresql  # SQLite's message is fixed
def test_refusal_names_both_states() -> None:
    posted = InvoiceFactory(status="posted", with_line=False)
    with (
        pytest.raises(DatabaseError, match="no such move of status is declared: posted to draft"),
        transaction.atomic(),
    ):
        execute(f"UPDATE invoicing_invoice SET status = 'draft' WHERE id = {posted.pk}")
    with (
        pytest.raises(DatabaseError, match="no such move of status is declared: nothing to posted"),
        transaction.atomic(),
    ):
        execute(fresh(STATUS, posted, "posted"))


def test_triggers_of_moves_are_in_the_database() -> None:
    names = {found.name.removeprefix(triggers.PREFIX) for found in triggers.found(connection)}
    kinds = ["move", "begin", "replace"] if connection.vendor == "sqlite" else ["move", "begin"]
    wanted = {f"{kind}_{table.column}_{table.model._meta.db_table}" for kind in kinds for table in TABLES}
    assert wanted <= names


def test_states_of_the_factories_are_made_by_declared_moves() -> None:
    """What the other tests rest on: a row in any state, with the values that were asked for."""
    row = InvoiceFactory(status="posted", delivery="failed", payment="paid", paid_date=NOW.date(), with_line=False)
    row.refresh_from_db()
    assert (row.status, row.delivery, row.payment, row.paid_date) == ("posted", "failed", "paid", NOW.date())
    assert (row.posting_since, row.approved_at) == (None, NOW - timedelta(hours=1))
    void = InvoiceFactory(status="void", with_line=False)
    void.refresh_from_db()
    assert (void.status, void.approved_at) == ("void", None)
