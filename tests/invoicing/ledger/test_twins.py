"""Hours that stand there twice, and very long ones, wait; a person may have them billed, a change asks again (R4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import Entry
from invoicing.ledger.states import decisions, derive
from invoicing.models import LedgerRow
from tests.factories import EntryFactory, WorkspaceFactory
from tests.invoicing.after_billing import ids, the
from tests.invoicing.scene import BY, Scene
from tests.worlds import ANOTHER_WORKSPACE, entry
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
TWICE: dict[str, Any] = {"description": "Call"}
LONG = 17 * 3600


def reasons() -> dict[int, str]:
    rows = LedgerRow.objects.values_list("entry__remote_id", "state", "reason")
    return {remote_id - ids(0)[0]: reason or state for remote_id, state, reason in rows}


def bill(*serials: int) -> int:
    return decisions.bill(entries=[the(each) for each in serials], by=BY, now=timezone.now())


def put(books: Scene, *entries: dict[str, Any]) -> None:
    books.control.put_entries(*entries)
    books.sync()


def test_the_second_of_two_waits_whatever_becomes_of_the_first(scene: Make) -> None:
    books = scene(entries=[entry(1, **TWICE), entry(2, **TWICE), entry(3, description="call")])
    assert reasons() == {1: "open", 2: "duplicate_entry", 3: "open"}
    assert LedgerRow.objects.get(entry=the(2)).twin == the(1)
    outcome = books.invoice("--approve", "--post")
    assert [each["entries"] for each in outcome.answer["invoices"][0]["lines"]] == [ids(1, 3)]
    assert outcome.answer["skipped"] == [{"entry": ids(2)[0], "reason": "duplicate_entry"}]
    put(books, entry(2, **TWICE, billable=False))
    assert reasons() == {1: "invoiced", 2: "duplicate_entry", 3: "invoiced"}


def test_a_change_of_either_asks_the_other_again(scene: Make) -> None:
    books = scene(entries=[entry(1, **TWICE), entry(2, **TWICE)])
    put(books, entry(1, description="Other"))
    assert reasons() == {1: "open", 2: "open"}
    put(books, entry(1, **TWICE))
    assert reasons() == {1: "open", 2: "duplicate_entry"}
    put(books, entry(1, **TWICE, seconds=0))
    assert reasons() == {1: "not_billable", 2: "open"}
    put(books, entry(1, **TWICE))
    books.control.delete_entries(ids(1)[0])
    books.later(days=2)
    books.sync()
    assert reasons() == {1: "deleted", 2: "open"}


def test_a_draft_is_redrawn_without_an_hour_that_has_become_the_second(scene: Make) -> None:
    books = scene(entries=[entry(1, description="Other"), entry(2, **TWICE)])
    books.draft()
    put(books, entry(1, **TWICE))
    assert reasons() == {1: "drafted", 2: "drafted"}
    books.draft()
    assert reasons() == {1: "drafted", 2: "duplicate_entry"}


@pytest.mark.slow
def test_a_person_bills_an_hour_as_it_stands_until_it_changes(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=LONG), entry(2, **TWICE), entry(3, **TWICE)])
    assert reasons() == {1: "implausible", 2: "open", 3: "duplicate_entry"}
    assert bill(1, 3) == 2
    assert reasons() == {1: "open", 2: "open", 3: "open"}
    first, second = books.events("entry_confirmed")
    assert (first.subject, first.actor, first.data) == (
        f"entry {ids(1)[0]}",
        BY.name,
        {"was": "implausible", "seconds": LONG},
    )
    assert (second.subject, second.data["was"]) == (f"entry {ids(3)[0]}", "duplicate_entry")
    Entry.objects.update(marked_at=timezone.now())
    derive.derive_marked(now=timezone.now())
    assert reasons() == {1: "open", 2: "open", 3: "open"}
    assert len(books.draft().plan.invoices[0].lines[0].entries) == 3
    put(books, entry(1, seconds=LONG + 1))
    books.draft()
    assert reasons() == {1: "implausible", 2: "drafted", 3: "drafted"}
    # What was said of the entry is over, though it is again as it was.
    put(books, entry(1, seconds=LONG))
    assert reasons()[1] == "implausible"


def test_the_dossier_says_how_long_is_too_long(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=7200), entry(2, seconds=LONG, tags=["Advice"])], longest_hours=1)
    assert reasons() == {1: "implausible", 2: "implausible"}
    books.rules(longest_hours=0)
    derive.derive_marked(now=timezone.now())
    assert reasons() == {1: "open", 2: "open"}


def test_only_doubts_are_set_aside(scene: Make) -> None:
    scene(entries=[entry(1, tags=[]), entry(2), entry(3, seconds=LONG)])
    before = reasons()
    with pytest.raises(NotPossible, match="waits neither for its length nor for a twin"):
        bill(3, 1)
    with pytest.raises(NotPossible, match="this needs one that is needs attention"):
        bill(2)
    assert reasons() == before == {1: "no_tag", 2: "open", 3: "implausible"}


def test_a_decision_meanwhile_leaves_the_twin_to_be_judged(scene: Make) -> None:
    books = scene(entries=[entry(1, **TWICE), entry(2, **TWICE)])
    Entry.objects.filter(pk=the(1).pk).update(description="Other", marked_at=timezone.now())
    decisions.hold(entries=[the(1)], reason="Ask", by=BY, now=timezone.now())
    assert the(1).marked_at is not None
    derive.derive_marked(now=timezone.now())
    assert (reasons(), the(1).marked_at) == ({1: "held", 2: "open"}, None)
    assert books.firm.slug == "small"


def test_workspaces_know_nothing_of_each_other(scene: Make) -> None:
    scene(entries=[entry(1, **TWICE)])
    first = the(1)
    same = {name: getattr(first, name) for name in ("started_at", "seconds", "description", "tags", "billable")}
    who = {"person_remote_id": first.person_remote_id, "project_remote_id": first.project_remote_id}
    elsewhere = WorkspaceFactory(firm=first.firm, remote_id=ANOTHER_WORKSPACE)
    EntryFactory(workspace=elsewhere, marked_at=timezone.now(), **same, **who)
    derive.derive_marked(now=timezone.now())
    assert not LedgerRow.objects.filter(twin__isnull=False).exists()
