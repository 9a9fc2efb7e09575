"""Alike corrections are decided together, on the page and by command; what was read is what is decided."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from invoicing.corrections import options, together
from invoicing.models import Correction, Invoice
from tests.conftest import Outcome
from tests.factories import FirmFactory
from tests.invoicing.after_billing import bill, changed, deleted, ids, prove
from tests.invoicing.scene import OCTOBER, Scene
from tests.visitors import alerts, read_of, signed_in, text
from tests.worlds import BAKERY_PROJECT, FIRST_ENTRY, entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.fixture
def billed(scene: Make) -> Scene:
    """Four hours of Advice for the garage and one for the bakery, on two invoices at Billit."""
    days = ["2026-10-05", "2026-10-06", "2026-10-07", "2026-10-08"]
    rows = [entry(number, day) for number, day in enumerate(days, start=1)]
    books = scene(entries=[*rows, entry(5, "2026-10-09", project_id=BAKERY_PROJECT), entry(9, "2026-11-03")])
    books.draft(OCTOBER)
    for invoice in books.approve():
        books.post(invoice)
    return books


def retagged(books: Scene, *serials: int, tag: str = "Books") -> None:
    books.later(minutes=5)
    changed(books, *({"id": FIRST_ENTRY + serial, "tags": [tag]} for serial in serials))


def found() -> list[together.Group]:
    return together.groups(Correction.objects.open().select_related(*options.BEHIND))


def listed(books: Scene) -> list[dict[str, Any]]:
    done = books.command("corrections", "--firm", books.firm.slug)
    assert done.code == 0, done.words
    groups: list[dict[str, Any]] = done.answer["groups"]
    return groups


def decide(books: Scene, group: dict[str, Any], remedy: str, *more: str) -> Outcome:
    named = ["--group", group["group"], "--read", group["digest"], "--decide", remedy]
    return books.command("corrections", "--firm", books.firm.slug, *named, *more)


def test_command_lists_alike_corrections_together(billed: Scene) -> None:
    retagged(billed, 1, 2, 3)
    deleted(billed, 4)
    garage = Invoice.objects.get(customer_name="Garage Vonk SRL").reference
    first, second = listed(billed)
    assert {name: first[name] for name in first.keys() - {"group", "digest", "refused"}} == {
        "dossier": "small",
        "what": ["product"],
        "corrections": 3,
        "entries": ids(1, 2, 3),
        "invoices": [garage],
        "seconds": 0,
        "hours": "0.00",
        "amount": "0.00",
        "product": ["ADV", "CPT"],
        "possible": ["accept"],
    }
    assert sorted(first["refused"]) == ["credit", "credit-and-bill", "next-invoice"]
    assert (second["what"], second["entries"], second["hours"], second["amount"]) == (
        ["deleted"],
        ids(4),
        "-1.00",
        "-95.00",
    )
    assert second["possible"] == ["accept", "next-invoice"]


@pytest.mark.slow
def test_what_is_not_alike_is_apart(billed: Scene) -> None:
    retagged(billed, 1)
    retagged(billed, 2, tag="Nothing")
    changed(billed, {"id": FIRST_ENTRY + 3, "stop": "2026-10-07T10:30:00Z"})
    changed(billed, {"id": FIRST_ENTRY + 4, "stop": "2026-10-08T09:30:00Z"})
    changed(billed, {"id": FIRST_ENTRY + 5, "stop": "2026-10-09T11:00:00Z"})
    assert sorted(group["entries"] for group in listed(billed)) == [ids(1), ids(2), ids(3, 5), ids(4)]


@pytest.mark.slow
def test_all_are_accepted_with_one_decision(billed: Scene) -> None:
    retagged(billed, 1, 2, 3)
    (group,) = listed(billed)
    done = decide(billed, group, "accept", "--note", "Same price")
    assert (done.code, done.answer) == (
        0,
        {"decided": {"decision": "accepted", "entries": ids(1, 2, 3)}, "invoices": []},
    )
    rows = Correction.objects.order_by("entry__remote_id")
    assert [(row.decision, row.note, row.decided_by) for row in rows] == [("accepted", "Same price", "operator")] * 3
    assert [event.subject for event in billed.events("correction_decided")] == [
        f"entry {number}" for number in ids(1, 2, 3)
    ]
    assert listed(billed) == []
    assert billed.command("reconcile", "--firm", billed.firm.slug).answer["drift"] == []
    prove(billed)


@pytest.mark.slow
def test_all_go_on_the_next_invoices(billed: Scene) -> None:
    for serial in (1, 2):
        changed(billed, {"id": FIRST_ENTRY + serial, "stop": f"2026-10-0{serial + 4}T10:30:00Z"})
    (group,) = listed(billed)
    assert (group["hours"], group["amount"], group["seconds"]) == ("1.00", "95.00", 3600)
    done = decide(billed, group, "next-invoice")
    assert done.answer["decided"] == {"decision": "next_invoice", "entries": ids(1, 2)}
    billed.draft()
    made = Invoice.objects.get(status="draft")
    assert [(row[1], row[3]) for row in bill(made) if "Correction" in row[0]] == [
        (Decimal("0.50"), Decimal("47.50")),
        (Decimal("0.50"), Decimal("47.50")),
    ]
    billed.post(*billed.approve(made))
    prove(billed)


@pytest.mark.slow
def test_a_credit_note_is_drafted_for_each_invoice(billed: Scene) -> None:
    for invoice in billed.invoices(status="posted"):
        billed.send(invoice)
    deleted(billed, 1, 2, 5)
    (group,) = listed(billed)
    assert group["possible"] == list(together.REMEDIES)
    done = decide(billed, group, "credit")
    assert done.answer["decided"] == {"decision": "credited", "entries": ids(1, 2, 5)}
    notes = done.answer["invoices"]
    assert sorted((note["customer_name"], note["total_excl"]) for note in notes) == [
        ("Bakery Deeg BV", "95.00"),
        ("Garage Vonk SRL", "190.00"),
    ]
    for note in billed.approve():
        billed.post(note)
    assert {billed.states()[number] for number in ids(1, 2, 5)} == {"deleted"}
    prove(billed)


@pytest.mark.slow
def test_decision_on_another_digest_does_nothing(billed: Scene) -> None:
    retagged(billed, 1, 2)
    (group,) = listed(billed)
    retagged(billed, 3)
    done = decide(billed, group, "accept")
    assert (done.code, done.answer) == (1, None)
    assert "they changed since" in done.words
    assert Correction.objects.open().count() == 3
    (fresh,) = listed(billed)
    assert (fresh["group"], fresh["corrections"]) == (group["group"], 3)
    assert decide(billed, fresh, "accept").code == 0
    assert decide(billed, fresh, "accept").code == 1, "nothing of it is open"


@pytest.mark.slow
def test_decision_is_all_or_nothing(billed: Scene) -> None:
    retagged(billed, 1, 2)
    (group,) = listed(billed)
    done = decide(billed, group, "next-invoice")
    assert (done.code, "hours alone cannot say that" in done.words) == (1, True)
    assert Correction.objects.open().count() == 2
    bare = billed.command("corrections", "--firm", billed.firm.slug, "--decide", "accept")
    assert (bare.code, "the digest of what you read" in bare.words) == (2, True)


@pytest.mark.slow
def test_page_decides_on_all(billed: Scene) -> None:
    retagged(billed, 1, 2, 3)
    (group,) = found()
    browser = signed_in(billed.firm, "bookkeeper")
    assert "3 alike corrections" in text(browser, "/corrections/")
    address = f"/dossiers/small/corrections/{group.name}/accept/"
    assert f"/f/{billed.firm.slug}{address}" in browser.get("/corrections/").content.decode()
    said = alerts(browser.post(address, {"read": read_of(group), "note": "As agreed"}, follow=True).content.decode())
    assert said == "success: 3 corrections are decided."
    assert list(Correction.objects.values_list("decision", "note").distinct()) == [("accepted", "As agreed")]


@pytest.mark.slow
def test_page_refuses_a_group_that_grew(billed: Scene) -> None:
    retagged(billed, 1, 2)
    (group,) = found()
    read = read_of(group)
    retagged(billed, 3)
    browser = signed_in(billed.firm, "bookkeeper")
    answer = browser.post(f"/dossiers/small/corrections/{group.name}/accept/", {"read": read})
    assert answer.status_code == 409
    assert "Alike corrections" in answer.content.decode()
    assert Correction.objects.open().count() == 3


@pytest.mark.slow
def test_viewer_and_strangers_decide_nothing(billed: Scene) -> None:
    retagged(billed, 1, 2)
    (group,) = found()
    address = f"/f/{billed.firm.slug}/dossiers/small/corrections/{group.name}/accept/"
    sent = {"read": read_of(group)}
    assert signed_in(billed.firm, "viewer").post(address, sent).status_code == 403
    assert signed_in(FirmFactory()).post(address, sent).status_code == 404
    unknown = address.replace("accept", "forget")
    assert signed_in(billed.firm).post(unknown, sent).status_code == 404
    assert Correction.objects.open().count() == 2
