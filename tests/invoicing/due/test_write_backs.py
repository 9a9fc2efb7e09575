"""Billed entries get their tag in Toggl and lose it again; what comes of that stands in the rows, each for itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.clients import toggl
from integrations.mirror.sync import sync_workspace
from integrations.models import Entry, Quota, Workspace
from invoicing.dossiers import mappings, rules
from invoicing.dossiers.rules import Pairing
from invoicing.due import write_backs
from invoicing.ledger.states import derive
from invoicing.models import Correction, LedgerRow, WriteBack
from invoicing.rules.judging.mapping import TagRule
from invoicing.tasks import tick_sync
from tests.invoicing.corrections.crediting import credit, post, sent
from tests.invoicing.scene import BY, Killed, Scene, ids
from tests.queues import Queue
from tests.worlds import FIRST_ENTRY, ORGANIZATION, entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
TAG = "facturé"
TWO = [entry(1), entry(2, "2026-10-06", seconds=1800)]


def workspace() -> Workspace:
    return Workspace.objects.select_related("connection").get()


def serve() -> write_backs.Report:
    return write_backs.serve(workspace=workspace(), now=timezone.now())


def told(report: write_backs.Report) -> tuple[int, int, int, int]:
    return report.written, report.taken_away, report.refused, report.calls


def in_toggl(books: Scene) -> dict[int, list[str]]:
    """The tags of each entry at Toggl, by its serial."""
    rows = books.control.world()["toggl"]["entries"]
    return {row["id"] - FIRST_ENTRY: row["tags"] for row in rows}


def patches(books: Scene) -> list[dict[str, Any]]:
    return [row for row in books.control.log("toggl") if row["method"] == "PATCH"]


def standing() -> dict[int, tuple[str, str, bool, str, str]]:
    """Of each row, by serial: wanted, written, sure, failure and Toggl's words."""
    fields = "entry__remote_id", "wanted", "written", "is_sure", "failure", "said"
    return {row[0] - FIRST_ENTRY: row[1:] for row in WriteBack.objects.values_list(*fields)}


def read_again(books: Scene) -> None:
    """An ordinary reading, some minutes later."""
    books.later(minutes=20)
    sync_workspace(workspace=workspace(), now=timezone.now())
    derive.derive_marked(now=timezone.now())


def state(rules_tag: str, books: Scene) -> str:
    """The tag of billed hours is another one from now on."""
    row = books.dossier
    stated = rules.stated(row, clients=())
    wanted = rules.DossierRules.of({**_values(stated), "billed_tag": rules_tag})
    [(_row, outcome)] = rules.set_dossiers(
        firm=books.firm, pairings=[Pairing(row.workspace, row.company, wanted)], by=BY, now=timezone.now()
    )
    return outcome


def _values(stated: rules.DossierRules) -> dict[str, Any]:
    return {name: getattr(stated, name) for name in stated.__dataclass_fields__}


def test_posted_entries_get_the_tag_and_their_own_change_is_no_edit(scene: Make) -> None:
    books = scene(entries=[*TWO, entry(3, "2026-11-05")], billed_tag=TAG)
    invoice = books.approved()
    assert standing() == {}
    books.post(invoice)
    assert standing() == {1: (TAG, "", True, "", ""), 2: (TAG, "", True, "", "")}
    assert told(serve()) == (2, 0, 0, 1)
    assert in_toggl(books) == {1: ["Advice", TAG], 2: ["Advice", TAG], 3: ["Advice"]}
    assert standing() == {1: (TAG, TAG, True, "", ""), 2: (TAG, TAG, True, "", "")}
    assert WriteBack.objects.filter(due_at__isnull=False).count() == 0
    changed_at = dict(Entry.objects.values_list("remote_id", "changed_at"))
    read_again(books)
    # The mirror has read them again, and nothing differs from what was billed.
    moved = [
        row.remote_id for row in Entry.objects.order_by("remote_id") if row.changed_at != changed_at[row.remote_id]
    ]
    assert moved == ids(1, 2)
    assert list(Entry.objects.order_by("remote_id").values_list("tags", flat=True)) == [["Advice"]] * 3
    assert not Correction.objects.exists()
    assert set(LedgerRow.objects.filter(state="invoiced").values_list("correction_seconds", "correction_text")) == {
        (0, "")
    }
    assert told(serve()) == (0, 0, 0, 0)


@pytest.mark.slow
def test_entry_that_a_person_goes_on_from_has_the_tag_and_is_billed_by_its_others(scene: Make) -> None:
    books = scene(entries=[entry(1)], billed_tag=TAG)
    books.posted()
    serve()
    # Toggl copies all tags of an entry that is gone on with.
    books.control.put_entries(entry(2, "2026-10-08", tags=["Advice", TAG]), entry(3, "2026-10-09", tags=["Facturé"]))
    read_again(books)
    reasons = dict(LedgerRow.objects.values_list("entry__remote_id", "reason"))
    assert [reasons[number] for number in ids(2, 3)] == ["", "no_tag"]
    books.draft()
    line = books.invoices(status="draft").get().lines.get()
    assert (line.ignored_tags, line.claims.get().tags) == ([], ["Advice"])


@pytest.mark.slow
def test_credit_takes_the_tag_away_and_it_comes_back_with_the_next_invoice(scene: Make) -> None:
    books = scene(entries=TWO, billed_tag=TAG)
    sent(books)
    serve()
    note = credit(2)
    assert standing()[2] == (TAG, TAG, True, "", "")
    post(books, note)
    assert standing() == {1: (TAG, TAG, True, "", ""), 2: ("", TAG, True, "", "")}
    assert told(serve()) == (0, 1, 0, 1)
    assert in_toggl(books) == {1: ["Advice", TAG], 2: ["Advice"]}
    read_again(books)
    assert books.states() == dict(zip(ids(1, 2), ["invoiced", "open"], strict=True))
    books.posted()
    assert standing()[2] == (TAG, "", True, "", "")
    assert told(serve()) == (1, 0, 0, 1)
    assert in_toggl(books)[2] == ["Advice", TAG]
    assert not Correction.objects.exclude(decision="credited").exists()


@pytest.mark.slow
def test_what_toggl_refuses_is_kept_for_each_entry_and_tried_again_later(scene: Make) -> None:
    books = scene(entries=TWO, billed_tag=TAG)
    books.posted()
    books.control.switch(toggl_locked_before="2026-10-06")
    assert told(serve()) == (1, 0, 1, 1)
    assert standing() == {1: (TAG, "", True, "refused", "Time entry is locked"), 2: (TAG, TAG, True, "", "")}
    waits = []
    for _try in range(4):
        row = WriteBack.objects.get(entry__remote_id=ids(1)[0])
        assert row.due_at is not None
        waits.append(row.due_at - timezone.now())
        assert told(serve()) == (0, 0, 0, 0)
        books.at(row.due_at)
        assert told(serve()) == (0, 0, 1, 1)
    assert waits == [timedelta(hours=1), timedelta(days=1), timedelta(days=7), timedelta(days=7)]
    books.control.switch(toggl_locked_before="")
    books.later(days=7)
    assert told(serve()) == (1, 0, 0, 1)
    assert standing()[1] == (TAG, TAG, True, "", "")


def test_refusal_of_the_whole_request_is_one_of_each_entry(scene: Make) -> None:
    books = scene(entries=TWO, billed_tag=TAG)
    books.posted()
    said = "User does not have access to this resource."
    with books.fault("status", service="toggl", method="PATCH", path="time_entries", status=403, body=said):
        assert told(serve()) == (0, 0, 2, 1)
    words = (TAG, "", True, "refused", "User does not have access to this resource.")
    assert standing() == {1: words, 2: words}


@pytest.mark.parametrize("done", [True, False])
def test_worker_that_ends_before_it_knows_asks_again_once_its_lease_is_over(
    scene: Make, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    books = scene(entries=[entry(1)], billed_tag=TAG)
    books.posted()
    original = toggl.Api.tag_entries

    def die(*args: Any, **keywords: Any) -> None:
        if done:
            original(*args, **keywords)
        raise Killed

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(toggl.Api, "tag_entries", die)
        serve()
    assert standing() == {1: (TAG, TAG, False, "", "")}
    assert told(serve()) == (0, 0, 0, 0)
    read_again(books)
    assert not Correction.objects.exists()
    assert told(serve()) == (1, 0, 0, 1)
    assert (in_toggl(books), standing()) == ({1: ["Advice", TAG]}, {1: (TAG, TAG, True, "", "")})


def test_entry_that_is_credited_while_toggl_is_asked_loses_the_tag_afterwards(
    scene: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = scene(entries=[entry(1)], billed_tag=TAG)
    sent(books)
    original = toggl.Api.tag_entries

    def credited_meanwhile(*args: Any, **keywords: Any) -> toggl.Tagged:
        monkeypatch.undo()
        post(books, credit(1))
        # Nobody else asks while the first question has no answer.
        assert write_backs.due(now=timezone.now()) == []
        return original(*args, **keywords)

    monkeypatch.setattr(toggl.Api, "tag_entries", credited_meanwhile)
    assert told(serve()) == (1, 1, 0, 2)
    assert (in_toggl(books), standing()) == ({1: ["Advice"]}, {1: ("", "", True, "", "")})


def test_what_readings_need_of_the_quota_is_left_to_them(scene: Make) -> None:
    books = scene(entries=[entry(1)], billed_tag=TAG)
    books.posted()
    books.control.quota(ORGANIZATION, remaining=write_backs.LEFT_TO_READINGS + 1, resets_in=1200)
    Quota.objects.all().delete()
    # Nothing is known: the first answer tells that so much is left as readings may need.
    assert told(serve()) == (1, 0, 0, 1)
    assert Quota.objects.get(organization_id=ORGANIZATION).remaining == write_backs.LEFT_TO_READINGS
    WriteBack.objects.update(wanted="", due_at=timezone.now())
    assert write_backs.due(now=timezone.now()) == []
    report = serve()
    assert (told(report), report.deferred_until) == ((0, 0, 0, 0), timezone.now() + timedelta(seconds=1200))
    books.later(seconds=1201)
    assert write_backs.due(now=timezone.now()) == [workspace().pk]
    assert told(serve()) == (0, 1, 0, 1)


def test_used_up_quota_puts_off_what_is_due_and_loses_nothing(scene: Make) -> None:
    books = scene(entries=[entry(1)], billed_tag=TAG)
    books.posted()
    Quota.objects.all().delete()
    books.control.quota(ORGANIZATION, remaining=0, resets_in=600)
    report = serve()
    assert told(report) == (0, 0, 0, 1)
    assert report.deferred_until == timezone.now() + timedelta(seconds=600)
    assert standing() == {1: (TAG, "", True, "", "")}
    assert write_backs.due(now=timezone.now()) == []
    books.later(seconds=601)
    assert told(serve()) == (1, 0, 0, 1)


def test_answer_that_never_comes_leaves_the_tag_in_doubt_and_is_asked_for_again(scene: Make) -> None:
    books = scene(entries=[entry(1)], billed_tag=TAG)
    books.posted()
    with books.fault("status", service="toggl", method="PATCH", path="time_entries", status=503):
        report = serve()
    assert standing() == {1: (TAG, TAG, False, "", "")}
    assert report.deferred_until == timezone.now() + write_backs.RETRY_AFTER
    assert write_backs.due(now=timezone.now()) == []
    books.later(minutes=5)
    assert told(serve()) == (1, 0, 0, 1)


def test_a_hundred_at_once_and_so_many_requests_a_turn(scene: Make) -> None:
    books = scene(entries=[entry(n, f"2026-10-{1 + n % 28:02}", seconds=900 + n) for n in range(150)], billed_tag=TAG)
    books.posted()
    assert told(serve()) == (150, 0, 0, 2)
    asked = [len(row["path"].rsplit("/", 1)[1].split(",")) for row in patches(books)]
    assert asked == [100, 50]


@pytest.mark.slow
def test_rule_that_is_switched_off_writes_no_more_but_takes_away_what_is_untrue(scene: Make) -> None:
    books = scene(entries=TWO, billed_tag=TAG)
    sent(books)
    books.control.switch(toggl_locked_before="2026-10-06")
    serve()
    assert state("", books) == "updated"
    # Of the entry that Toggl refused nothing stands there; the other one is billed, as its tag says.
    assert standing() == {1: ("", "", True, "", ""), 2: (TAG, TAG, True, "", "")}
    books.control.switch(toggl_locked_before="")
    books.later(days=30)
    assert told(serve()) == (0, 0, 0, 0)
    # What it wrote is no tag of a person's for ever.
    read_again(books)
    assert not Correction.objects.exists()
    post(books, credit(2))
    assert told(serve()) == (0, 1, 0, 1)
    assert in_toggl(books) == {1: ["Advice"], 2: ["Advice"]}
    books.sync()
    books.posted()
    assert standing() == {1: ("", "", True, "", ""), 2: ("", "", True, "", "")}


def test_another_tag_is_for_what_toggl_does_not_have_yet(scene: Make) -> None:
    books = scene(entries=TWO, billed_tag=TAG)
    books.posted()
    books.control.switch(toggl_locked_before="2026-10-06")
    serve()
    state("billed", books)
    assert standing() == {1: ("billed", "", True, "", ""), 2: (TAG, TAG, True, "", "")}
    books.control.switch(toggl_locked_before="")
    serve()
    assert in_toggl(books) == {1: ["Advice", "billed"], 2: ["Advice", TAG]}
    read_again(books)
    assert list(Entry.objects.values_list("tags", flat=True)) == [["Advice"], ["Advice"]]
    assert workspace().own_tags == [TAG, "billed"]


def test_tag_that_hours_have_already_says_nothing_any_more(scene: Make) -> None:
    books = scene(entries=[entry(1, tags=["Advice", TAG]), entry(2, tags=[TAG])])
    assert dict(LedgerRow.objects.values_list("entry__remote_id", "reason"))[ids(2)[0]] == "unknown_tag"
    state(TAG, books)
    derive.derive_marked(now=timezone.now())
    assert list(Entry.objects.order_by("remote_id").values_list("tags", flat=True)) == [["Advice"], []]
    assert dict(LedgerRow.objects.values_list("entry__remote_id", "reason"))[ids(2)[0]] == "no_tag"


def test_tag_that_was_a_persons_when_it_was_billed_is_no_edit_since_a_mapping_changed(scene: Make) -> None:
    books = scene(entries=[entry(1, tags=["Advice", TAG])])
    assert books.posted().lines.get().claims.get().tags == ["Advice", TAG]
    mappings.map_tags(dossier=books.dossier, rules=[TagRule("Advice", "FIS")], by=BY, now=timezone.now())
    state(TAG, books)
    derive.derive_marked(now=timezone.now())
    assert Entry.objects.get().tags == ["Advice"]
    assert not Correction.objects.exists()


def test_tick_enqueues_each_workspace_that_has_something_due(scene: Make, queue: Queue) -> None:
    books = scene(entries=[entry(1)], billed_tag=TAG)
    books.posted()
    Quota.objects.all().delete()
    tick_sync()
    found = [(name, arguments) for name, task, arguments in queue.waiting() if task == "invoicing.tasks.write_back"]
    assert found == [("sync", {"workspace_id": workspace().pk})]


def test_dossier_without_the_rule_writes_no_rows(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    assert not WriteBack.objects.exists()
    assert (workspace().own_tags, write_backs.due(now=timezone.now())) == ([], [])
