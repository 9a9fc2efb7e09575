"""What a transaction locks, row by row, and whether it does so in the one order (``toggbill.firms.locks``).

A second connection asks after each statement which rows it can still lock (SKIP LOCKED): the others are held. So what
is judged is what the database does, not what the SQL looks like.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import ForeignKey

from integrations.models import Company, Connection, Entry, Workspace
from invoicing.models import BudgetNotice, Dossier, Invoice, MonthProof, WriteBack
from toggbill.firms.models import AuditEvent, Firm, User

ORDER: tuple[type[models.Model], ...] = (
    *(Firm, User, Connection, Workspace, Company, Dossier, Invoice, Entry),
    # Whoever locks one of these without its owner locks nothing else.
    *(WriteBack, MonthProof, BudgetNotice),
)
RANK = {model._meta.db_table: rank for rank, model in enumerate(ORDER)}
DELETED = {model._meta.db_table for model in (User, Workspace, Company)}
"""Rows that go: whoever refers to them waits, so they are locked with their key."""
Row = tuple[str, int]
"""Table and primary key."""

_LOCKS = re.compile(r"^\s*(UPDATE|INSERT|DELETE|TRUNCATE)\b|\bFOR (NO KEY )?UPDATE\b", re.IGNORECASE)


def takes_locks(sql: str) -> bool:
    """Whether a statement may lock rows for good: a change, or a SELECT FOR UPDATE."""
    return _LOCKS.search(sql) is not None


@dataclass
class Watch:
    """The rows of the database as they stand when the watch begins, and which of them somebody holds."""

    probe: BaseDatabaseWrapper
    rows: set[Row] = field(default_factory=set)
    place: dict[Row, tuple[int, int]] = field(default_factory=dict)
    owners: dict[Row, set[Row]] = field(default_factory=dict)
    query: str = ""

    @classmethod
    def begin(cls, probe: BaseDatabaseWrapper) -> Watch:
        made = cls(probe)
        watched = [model for model in apps.get_models() if _is_ours(model)]
        parts = []
        for number, model in enumerate(watched):
            table = model._meta.db_table
            made._read(model)
            parts.append((f"t{number} AS (SELECT id FROM {table} FOR NO KEY UPDATE SKIP LOCKED)", table, number))
        free = " UNION ALL ".join(f"SELECT '{table}', id FROM t{number}" for _, table, number in parts)
        made.query = f"WITH {', '.join(part for part, _, _ in parts)} {free}"
        assert not made.held(), "somebody holds rows already"
        return made

    def _read(self, model: type[models.Model]) -> None:
        table = model._meta.db_table
        keys = [key for key in model._meta.concrete_fields if isinstance(key, ForeignKey)]
        for row in model._default_manager.all():
            self.rows.add((table, row.pk))
            if table in RANK:
                self.place[table, row.pk] = (RANK[table], row.remote_id if isinstance(row, Entry) else row.pk)
            pointed = {(key.related_model._meta.db_table, getattr(row, key.attname)) for key in keys}
            self.owners[table, row.pk] = {(table, pk) for table, pk in pointed if pk is not None}

    def held(self) -> set[Row]:
        """The rows that another transaction has locked at this moment."""
        with self.probe.cursor() as cursor:
            cursor.execute(self.query)
            return self.rows - set(cursor.fetchall())

    def is_under_lock(self, row: Row, held: set[Row]) -> bool:
        """Whether what a row hangs on is held: the firm, or its owner."""
        return bool(self.owners[row] & held)


def _is_ours(model: type[models.Model]) -> bool:
    # Nobody ever locks an event: each is written once, under the firm's lock.
    return (
        model._meta.app_label in {"firms", "integrations", "invoicing"}
        and model is not AuditEvent
        and not (model._meta.auto_created or model._meta.proxy)
    )


@dataclass(frozen=True)
class Step:
    """A statement that locked rows which the transaction did not hold yet; ``number`` counts all that may lock."""

    number: int
    sql: str
    rows: frozenset[Row]


@dataclass
class Trace:
    """What one transaction locked, in its order."""

    steps: list[Step] = field(default_factory=list)

    @property
    def rows(self) -> set[Row]:
        return {row for step in self.steps for row in step.rows}

    def first_of(self, rows: set[Row]) -> int:
        """The number of the first statement that locks one of these."""
        return next(step.number for step in self.steps if step.rows & rows)

    def waits_with_empty_hands(self, rows: set[Row]) -> bool:
        """Whether the first thing that it does is to lock one of these, and that one alone."""
        first = self.steps[0]
        return first.number == 0 and len(first.rows) == 1 and first.rows <= rows


@contextmanager
def taken_back() -> Iterator[None]:
    """A transaction that ends as at COMMIT, foreign keys checked, and leaves nothing behind."""
    with transaction.atomic():
        # A verb that insists on a transaction of its own may run in this one, as in Django's TestCase.
        connection.atomic_blocks[-1]._from_testcase = True  # type: ignore[attr-defined]  # as TestCase does it
        yield
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        transaction.set_rollback(True)


def trace(watch: Watch, work: Callable[[], object]) -> Trace:
    """What ``work`` locks, in a transaction that is taken back."""
    found, held, count = Trace(), set[Row](), 0

    def observe(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal count
        answer = execute(sql, params, many, context)
        if takes_locks(sql):
            now = watch.held()
            if now - held:
                found.steps.append(Step(count, sql, frozenset(now - held)))
                held.update(now)
            count += 1
        return answer

    with taken_back(), connection.execute_wrapper(observe):
        work()
    return found


def faults(watch: Watch, found: Trace) -> Iterator[str]:
    """Where a transaction leaves the one order, a sentence each. One that locks a single row is at nobody's mercy."""
    if len(found.rows) == 1:
        return
    held: set[Row] = set()
    last: Row | None = None
    for step in found.steps:
        ranked = sorted((row for row in step.rows if row in watch.place), key=watch.place.__getitem__)
        if ranked and last is not None and watch.place[ranked[0]] < watch.place[last]:
            yield f"locks {_named(ranked[0])} after {_named(last)}: {_shown(step.sql)}"
        if "FOR UPDATE" in step.sql and {table for table, _ in ranked} - DELETED:
            yield f"locks {_named(ranked[0])} with its key, which nobody needs who does not delete: {_shown(step.sql)}"
        if len(ranked) > 1 and not _is_in_order(step.sql):
            yield f"locks {len(ranked)} rows of {ranked[0][0]} in no order: {_shown(step.sql)}"
        held |= step.rows
        if ranked and (last is None or watch.place[ranked[-1]] > watch.place[last]):
            last = ranked[-1]
        for row in sorted(step.rows - set(ranked)):
            if not watch.is_under_lock(row, held):
                yield f"locks {_named(row)}, and not what it hangs on: {_shown(step.sql)}"


def _is_in_order(sql: str) -> bool:
    """A SELECT in order, an UPDATE of what such a one gives, or rows that are written in the order of their values."""
    if sql.startswith("INSERT"):
        return True
    return re.search(r"ORDER BY [^()]* FOR (NO KEY )?UPDATE", sql) is not None


def _named(row: Row) -> str:
    return f"{row[0]} {row[1]}"


def _shown(sql: str) -> str:
    return sql if len(sql) < 300 else f"{sql[:140]} … {sql[-140:]}"
