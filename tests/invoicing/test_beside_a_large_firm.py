"""No page, tick or check of a small firm reads the rows of a large one beside it, nor tables from end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from functools import partial
from unittest.mock import patch

import pytest
import time_machine
from celery import Task
from django.core.cache import cache
from django.db import connection
from django.test import Client

from integrations.models import Entry
from invoicing import tasks
from invoicing.ledger import balance, months
from invoicing.ledger.invariants import invariants
from invoicing.models import Attempt, Claim, Dossier, Invoice, InvoiceLine, LedgerRow
from tests.large_firm import large_firm
from tests.plans import plans_of
from tests.visitors import signed_in
from tests.worlds import NOW
from toggbill.firms.models import Firm

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql, pytest.mark.slow]

ENTRIES, OWN = 200_000, 600
GROWING = frozenset(model._meta.db_table for model in (Attempt, Claim, Entry, Invoice, InvoiceLine, LedgerRow))
# Of all the rows of a small firm of some hundred hours: its entries, rows, claims and lines, each a few times.
MOST = 10 * OWN


@pytest.fixture
def small() -> Iterator[Firm]:
    """A firm of a few hundred hours beside one of many; days are those of the world."""
    large_firm(entries=ENTRIES, dossiers=100)
    firm = large_firm(entries=OWN, dossiers=2, slug="small", months=6)
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'integrations_entry'")
        assert cursor.fetchone() == (ENTRIES + OWN,)
        # As docs/operations.md asks for: on a disk without heads an index is not four times as dear as a whole table.
        cursor.execute("SET LOCAL random_page_cost = 1.1")
    with time_machine.travel(NOW, tick=False):
        yield firm


def test_what_a_small_firm_asks_reads_its_own_rows(small: Firm) -> None:
    dossiers = list(Dossier.objects.filter(firm=small).select_related("firm"))
    client = signed_in(small)
    asked: dict[str, Callable[[], object]] = {}
    for path in ("/", "/attention/", "/invoices/", "/corrections/", "/sending/", *_of_dossier(dossiers[0])):
        asked[f"page {path}"] = partial(_page, client, path)
    for name, task in vars(tasks).items():
        if name.startswith("tick_"):
            asked[name] = partial(_quietly, task)
    for month in (None, date(2026, 9, 1)):
        for check in invariants.CHECKS:
            scope = invariants.Scope({row.pk: row for row in dossiers}, month)
            asked[f"check {check.__name__} {month}"] = partial(_of_check, check, scope)
        asked[f"ledger {month}"] = partial(balance.months, dossiers=dossiers, month=month)
    asked["what changed, checked"] = partial(_checked, dossiers[0])
    found = {name: plans_of(work) for name, work in asked.items()}
    # Without a key no head is signed.
    assert {name for name, of in found.items() if not of} <= {"tick_anchors"}
    plans = [(name, plan) for name, of in found.items() for plan in of]
    assert [(name, plan.read, plan.sql) for name, plan in plans if plan.read > MOST] == []
    whole = [(name, sorted(plan.whole & GROWING), plan.sql) for name, plan in plans if plan.whole & GROWING]
    assert whole == []


def test_a_page_of_a_large_firm_reads_what_is_open(small: Firm) -> None:
    large = Dossier.objects.select_related("firm").filter(firm__slug="large").order_by("pk")
    client = signed_in(large[0].firm)
    _page(client, "/")  # what the radar finds in a year of hours is kept for ten minutes
    asked = {path: plans_of(partial(_page, client, path)) for path in ("/", *_of_dossier(large[0]))}
    opens = LedgerRow.objects.filter(dossier__in=large).exclude(state="invoiced").count()
    assert opens < ENTRIES // 10
    # Home asks for what needs a decision in any dossier, a dossier's page for its own hours alone.
    most = {"/": opens} | dict.fromkeys(_of_dossier(large[0]), 3 * ENTRIES // len(large))
    found = [(path, plan.read, plan.sql) for path, plans in asked.items() for plan in plans if plan.read > most[path]]
    assert found == []
    for dossier in large[:2]:
        assert months.recount(dossiers=[dossier], now=NOW).changed == 0, "the firm is kept as it would be"


def test_the_radar_of_a_large_firm_reads_its_latest_months(small: Firm) -> None:
    large = Dossier.objects.select_related("firm").filter(firm__slug="large").order_by("pk")
    client = signed_in(large[0].firm)
    _page(client, "/")
    cache.clear()
    plans = [plan for plan in plans_of(partial(_page, client, "/")) if "invoicing_ledgerrow" in plan.sql]
    assert len(plans) > 5
    # What is new is read of ten weeks, by their days; habits of half a year, which here is a quarter of all hours.
    of_tags = [plan for plan in plans if "entry__tags" in plan.sql]
    assert [(plan.read < ENTRIES // 2, plan.whole & GROWING) for plan in of_tags] == [(True, frozenset())]


def _checked(dossier: Dossier) -> None:
    Entry.objects.filter(workspace=dossier.workspace_id, started_at__gte=NOW - timedelta(days=40)).update(billable=True)
    assert months.prove(now=NOW) == 2
    months.add_up()


def _of_dossier(dossier: Dossier) -> list[str]:
    return [f"/dossiers/{dossier.key}/{page}" for page in ("", "hours/", "preview/", "preview/?longest_hours=0")]


def _page(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200


def _of_check(check: Callable[[invariants.Scope], Iterator[invariants.Broken]], scope: invariants.Scope) -> None:
    assert list(check(scope)) == []


def _quietly(tick: Callable[[], None]) -> None:
    """The tick alone: what it would have done by workers is left undone."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(Task, "apply_async"))
        tick()
