"""What is decided while the ledger is derived holds: nothing is judged by facts from before, and then left so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection, transaction

from integrations.models import Client, Entry
from invoicing.dossiers import firm as firms
from invoicing.dossiers.mappings import map_tags
from invoicing.ledger import locks
from invoicing.ledger.states import derive
from invoicing.models import ClientMapping, LedgerRow
from invoicing.rules.judging.mapping import TagRule
from tests.factories import enterprise_number
from tests.invoicing.scene import BY, Scene, in_thread, somebody_waits, until
from tests.worlds import NOW, entry
from toggbill.firms.locks import lock_firm

Make = Callable[..., Scene]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def several_writers() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time, and says of nobody that they wait")


def _derive_beside(books: Scene, decision: Callable[[], object], lock: Callable[[], object]) -> None:
    """The decision holds its locks, and is not committed, until ``derive`` has come as far as it can."""
    locks.mark(entries=Entry.objects.values_list("pk", flat=True), now=NOW)
    workspace = books.dossier.workspace
    with transaction.atomic():
        lock()
        decision()
        finish = in_thread(lambda: derive.derive(workspace=workspace, now=NOW))
        until(somebody_waits)
    finish()
    derive.derive_marked(now=NOW)


def test_tag_that_is_mapped_while_the_ledger_is_derived_counts(scene: Make) -> None:
    books = scene(entries=[entry(1, tags=["New"])])
    assert LedgerRow.objects.get().reason == "unknown_tag"
    rules = [TagRule("New", product="ADV")]
    _derive_beside(
        books, lambda: map_tags(dossier=books.dossier, rules=rules, by=BY, now=NOW), lambda: lock_firm(books.firm)
    )
    assert (LedgerRow.objects.get().state, LedgerRow.objects.get().product_reference) == ("open", "ADV")


def test_tag_that_an_entry_gets_while_it_is_mapped_is_judged_by_the_mapping(scene: Make) -> None:
    """The mapping marks the entries that have its tag: this one has it a moment later, and is judged a moment later."""
    books = scene(entries=[entry(1)])
    workspace = books.dossier.workspace
    with transaction.atomic():
        map_tags(dossier=books.dossier, rules=[TagRule("New", product="FIS")], by=BY, now=NOW)
        assert not Entry.objects.marked().exists()
        in_thread(lambda: Entry.objects.update(tags=["New"], marked_at=NOW))()
        finish = in_thread(lambda: derive.derive(workspace=workspace, now=NOW))
        until(somebody_waits)
    assert finish() == 1
    assert (LedgerRow.objects.get().state, LedgerRow.objects.get().product_reference) == ("open", "FIS")


def test_time_zone_that_is_changed_while_the_ledger_is_derived_counts(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-05T22:30:00+00:00")])
    assert LedgerRow.objects.get().day.isoformat() == "2026-10-06"
    firm = books.firm
    wanted = {"slug": firm.slug, "name": firm.name, "language": firm.language, "timezone": "Atlantic/Azores"}
    _derive_beside(books, lambda: firms.set_firm(**wanted, by=BY, now=NOW), lambda: lock_firm(firm))
    assert LedgerRow.objects.get().day.isoformat() == "2026-10-05"


def test_name_that_changes_while_a_customer_is_proposed_is_the_one_that_is_read(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    first, second = enterprise_number(13), enterprise_number(14)
    workspace = books.dossier.workspace
    Client.objects.create(firm=books.firm, workspace=workspace, remote_id=503, name=f"Newcomer {first}")
    _derive_beside(
        books,
        lambda: Client.objects.filter(remote_id=503).update(name=f"Newcomer {second}"),
        lambda: lock_firm(books.firm),
    )
    assert ClientMapping.objects.get(client_remote_id=503).number == second
