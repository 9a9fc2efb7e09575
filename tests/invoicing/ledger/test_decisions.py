"""Hold, release, write-off and opening again of unbilled hours (design section 6)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date

import pytest
from django.utils import timezone

from integrations.models import Entry
from invoicing.ledger.states import decisions
from invoicing.models import LedgerRow
from tests.invoicing.after_billing import changed, ids, prove, the
from tests.invoicing.scene import BY, Scene, in_thread
from tests.worlds import NOW, entry
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
NOVEMBER = date(2026, 11, 19)


def hold(*serials: int, reason: str = "Ask the garage") -> int:
    return decisions.hold(entries=[the(each) for each in serials], reason=reason, by=BY, now=timezone.now())


def write_off(*serials: int, reason: str = "Our own mistake") -> int:
    return decisions.write_off(entries=[the(each) for each in serials], reason=reason, by=BY, now=timezone.now())


def release(*serials: int) -> int:
    return decisions.release(entries=[the(each) for each in serials], by=BY, now=timezone.now())


def reopen(*serials: int) -> int:
    return decisions.reopen(entries=[the(each) for each in serials], by=BY, now=timezone.now())


def decision(serial: int) -> tuple[str, str, str]:
    row = LedgerRow.objects.get(entry=the(serial))
    return row.state, row.decision, row.decision_text


def test_held_hours_are_listed_and_not_drafted_until_they_are_released(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2), entry(3, tags=[])])
    assert hold(1, 3) == 2
    assert decision(1) == ("held", "held", "Ask the garage")
    assert decision(3) == ("held", "held", "Ask the garage")
    first, second = books.events("entry_held")
    assert (first.subject, first.actor, first.data) == (
        f"entry {ids(1)[0]}",
        BY.name,
        {"reason": "Ask the garage", "seconds": 3600},
    )
    assert second.subject == f"entry {ids(3)[0]}"
    outcome = books.invoice()
    assert {"entry": ids(1)[0], "reason": "held"} in outcome.answer["skipped"]
    assert books.states() == {ids(1)[0]: "held", ids(2)[0]: "drafted", ids(3)[0]: "held"}
    (sheet,) = books.command("ledger", "--firm", "small").answer["dossiers"]
    assert (sheet["states"]["held"], sheet["balanced"]) == ({"entries": 2, "seconds": 7200}, True)
    prove(books)

    assert release(1, 3) == 2
    assert (decision(1), decision(3)) == (("open", "", ""), ("attention", "", ""))
    assert [event.data for event in books.events("entry_opened")] == [
        {"was": "held", "reason": "Ask the garage", "seconds": 3600}
    ] * 2
    books.draft(NOVEMBER)
    assert books.states() == {ids(1)[0]: "drafted", ids(2)[0]: "drafted", ids(3)[0]: "attention"}
    prove(books)


def test_written_off_hours_are_neither_drafted_nor_listed_until_they_are_opened(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    hold(1)
    assert write_off(1) == 1
    assert decision(1) == ("written_off", "written_off", "Our own mistake")
    outcome = books.invoice()
    assert outcome.answer["skipped"] == []
    changed(books, entry(1, seconds=7200))
    assert decision(1)[0] == "written_off"
    (event,) = books.events("entry_written_off")
    assert event.data == {"reason": "Our own mistake", "seconds": 3600}
    prove(books)
    assert reopen(1) == 1
    assert decision(1) == ("open", "", "")
    prove(books)


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_reason_is_required(scene: Make, reason: str) -> None:
    books = scene(entries=[entry(1)])
    for verb in (hold, write_off):
        with pytest.raises(NotPossible, match="needs a reason"):
            verb(1, reason=reason)
    with pytest.raises(NotPossible, match="has 501 characters"):
        hold(1, reason="x" * 501)
    assert decision(1) == ("open", "", "")
    assert books.events("entry_held") == []


def test_all_or_none_are_decided(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, running=True), entry(3)])
    write_off(3)
    with pytest.raises(NotPossible, match=r"Entry \d+ is running: this needs one that is open or needs attention"):
        hold(1, 2)
    with pytest.raises(NotPossible, match="is written off"):
        hold(1, 3)
    with pytest.raises(NotPossible, match="this needs one that is held"):
        release(1)
    with pytest.raises(NotPossible, match="this needs one that is written off or credited"):
        reopen(1)
    assert decision(1) == ("open", "", "")
    assert books.events("entry_held") == []
    assert hold() == 0


def test_hours_on_an_invoice_are_not_held(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.draft()
    for status in ("drafted", "invoiced"):
        for verb in (hold, write_off):
            with pytest.raises(NotPossible, match=f"is {status}"):
                verb(1)
        if status == "drafted":
            books.post(books.approve()[0])
    prove(books)


def test_entry_outside_the_books_cannot_be_held(scene: Make) -> None:
    scene(entries=[entry(1, "2026-08-31T21:59:59+00:00")])
    with pytest.raises(NotPossible, match="outside the books"):
        hold(1)


def test_change_that_is_not_judged_yet_is_judged_first(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    Entry.objects.filter(pk=the(1).pk).update(seconds=0, marked_at=NOW)
    with pytest.raises(NotPossible, match="is not billable"):
        hold(1)
    assert books.events("entry_held") == []


@pytest.mark.django_db(transaction=True)
def test_double_click_holds_once(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    barrier = threading.Barrier(3)
    refused: list[str] = []

    def work() -> None:
        barrier.wait(10)
        try:
            hold(1)
        except NotPossible as error:
            refused.append(str(error))

    for worker in [in_thread(work) for _ in range(3)]:
        worker()
    assert (len(refused), len(books.events("entry_held"))) == (2, 1)
    prove(books)
