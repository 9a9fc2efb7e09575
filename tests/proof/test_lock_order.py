"""No two transactions ever wait for each other: each takes its locks in the one order, and each pair is raced."""

from __future__ import annotations

import ast
import pkgutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker

import integrations
import invoicing
import toggbill
from integrations.clients import billit_sign_in
from integrations.connections import webhook_addresses
from tests.proof.locks import of_site, order, transactions
from tests.proof.locks.order import Trace, Watch
from tests.proof.locks.transactions import INSIDE, SEVERAL, TRANSACTIONS
from tests.proof.locks.worker import PATIENCE, Worker
from tests.proof.locks.world import World, build
from tests.toggbill.leaving import test_closed_verbs
from toggbill.leaving import closing

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
# SQLite lets one transaction write at a time: nobody waits crosswise.
only_where_rows_are_locked = pytest.mark.postgresql


@dataclass(frozen=True)
class Place:
    """The firm, what each transaction locks in it, and a connection that looks on."""

    world: World
    watch: Watch
    traces: Mapping[str, Trace]


@pytest.fixture(scope="module")
def place(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Place]:
    """Made once, since every transaction is taken back.

    The firm closes although invoices are on their way; Billit renews a sign-in at once; no service is told that a
    webhook ends.
    """
    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(closing, "_on_their_way", lambda _: 0)
        patch.setattr(billit_sign_in, "renew", lambda **_: of_site.PAIR)
        patch.setattr(webhook_addresses, "_sweep_quietly", lambda _: "")
        world, probe = build(), connection.copy("probe")
        try:
            watch = Watch.begin(probe)
            yield Place(
                world, watch, {name: order.trace(watch, transactions.run(name, world)) for name in TRANSACTIONS}
            )
        finally:
            probe.close()
            # As after a test with real transactions: every table is emptied.
            TransactionTestCase()._fixture_teardown()  # type: ignore[attr-defined]  # untyped


def _openers() -> Iterator[str]:
    """Every function of the product that opens a transaction, found in the source."""
    for package in (toggbill, integrations, invoicing):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if {"sandbox", "migrations"} & set(found.name.split(".")):
                continue
            spec = find_spec(found.name)
            assert spec is not None
            assert spec.origin is not None
            tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
            yield from (f"{found.name}.{name}" for name in _opening(tree, ()))


def _opening(node: ast.AST, path: tuple[str, ...]) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        within, opens = path, list[ast.expr]()
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            within, opens = (*path, child.name), child.decorator_list
        elif isinstance(child, ast.With):
            opens = [item.context_expr for item in child.items]
        yield from _opening(child, within)
        if any(isinstance(part, ast.Attribute) and part.attr == "atomic" for each in opens for part in ast.walk(each)):
            yield ".".join(within)


def test_every_transaction_is_raced() -> None:
    raced, opened = {name.partition(" ")[0] for name in TRANSACTIONS}, set(_openers())
    assert opened - raced == INSIDE
    assert set(test_closed_verbs.verbs()) - raced - INSIDE == SEVERAL - INSIDE


@only_where_rows_are_locked
def test_each_transaction_locks_in_the_one_order(place: Place) -> None:
    found = {name: list(order.faults(place.watch, traced)) for name, traced in place.traces.items()}
    assert {name: why for name, why in found.items() if why} == {}
    assert [name for name, traced in place.traces.items() if not traced.rows] == []


@pytest.fixture
def workers(place: Place) -> Iterator[tuple[Worker, Worker]]:
    """Two, who run transactions at the same time."""
    pair = Worker(), Worker()
    yield pair
    for worker in pair:
        worker.end()


@only_where_rows_are_locked
def test_no_two_transactions_wait_for_each_other(place: Place, workers: tuple[Worker, Worker]) -> None:
    """The first halts once it holds a row that the second wants; the second goes as far as it can; the first goes on.

    Whatever the second holds by then that the first still wants ends one of them: ``deadlock detected``. One that waits
    at its first row holds nothing, whatever the first does next: all those are asked in turn while it halts.
    """
    names = list(TRANSACTIONS)
    ready = {name: transactions.run(name, place.world) for name in names}
    races = Races(place.world, *workers, place.watch.probe, ready)
    for number, first in enumerate(names):
        with_empty_hands = defaultdict[int, list[str]](list)
        for second in names[number:]:
            if shared := place.traces[first].rows & place.traces[second].rows:
                halt_after = place.traces[first].first_of(shared)
                if place.traces[second].waits_with_empty_hands(shared):
                    with_empty_hands[halt_after].append(second)
                else:
                    races.run(first, second, halt_after)
        for halt_after, others in with_empty_hands.items():
            races.wait(first, others, halt_after)
    assert races.ended == {}
    # More than half of all pairs have a row in common; those that have none cannot wait for each other.
    assert races.count > len(names) * (len(names) + 1) / 4


@dataclass
class Races:
    """Pairs of transactions, one after the other; ``ended``: what was ended by the database, and why."""

    world: World
    one: Worker
    other: Worker
    probe: BaseDatabaseWrapper
    ready: Mapping[str, Callable[[], object]]
    count: int = 0
    ended: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def run(self, first: str, second: str, halt_after: int) -> None:
        """The first halts after a statement, the second goes as far as it can, and then both go on."""
        self._halt(first, halt_after)
        self._meet(transactions.run(second, self.world))
        self.one.go_on.set()
        for name, worker in ((first, self.one), (second, self.other)):
            assert worker.done.wait(PATIENCE), name
            if worker.error is not None:
                self.ended.setdefault((first, second), []).append(f"{name}: {worker.error}")

    def wait(self, first: str, others: Iterable[str], halt_after: int) -> None:
        """The first halts after a statement, and each of the others waits for it with empty hands."""
        self._halt(first, halt_after)
        for second in others:
            # Ready since the beginning: it gets no further than to its first row.
            assert self._meet(self.ready[second]), f"{second} does not wait for {first}"
            with self.probe.cursor() as cursor:
                cursor.execute("SELECT pg_cancel_backend(%s)", [self.other.pid])
            assert self.other.done.wait(PATIENCE), second
        self.one.stop()

    def _halt(self, first: str, halt_after: int) -> None:
        self.one.start(transactions.run(first, self.world), halt_after=halt_after)
        assert self.one.halted.wait(PATIENCE), (first, self.one.error)

    def _meet(self, second: Callable[[], object]) -> bool:
        """The second goes on until it waits; what follows then is what it does alone. Whether it waits."""
        self.count += 1
        self.other.start(second)
        while not (waits := self._is_waiting()) and not self.other.done.is_set():
            self.other.done.wait(0.001)
        self.other.is_to_stop = True
        return waits

    def _is_waiting(self) -> bool:
        with self.probe.cursor() as cursor:
            cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [self.other.pid])
            return bool(cursor.fetchone()[0])
