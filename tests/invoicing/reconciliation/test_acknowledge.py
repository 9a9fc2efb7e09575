"""A finding that a person has acknowledged is drift no more, until it changes again: by command and on the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from invoicing.models import Correction, Drift, Invoice
from tests.factories import DossierFactory, DriftFactory, FirmFactory
from tests.invoicing.scene import Scene
from tests.visitors import alerts, read_of, signed_in, text
from tests.worlds import FIRST_ENTRY, entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.fixture
def billed(scene: Make) -> Scene:
    """The garage's October at Billit: 1 h and 2 h of Advice."""
    made = scene(entries=[entry(1), entry(2, "2026-10-06", seconds=7200)])
    made.posted()
    made.read_back()
    made.later(hours=1)
    return made


def drift(books: Scene) -> list[tuple[str, int | None]]:
    books.later(minutes=2)
    done = books.command("reconcile", "--firm", books.firm.slug)
    assert done.code == (1 if done.answer["drift"] else 0), done.words
    return [(row["kind"], row.get("entry")) for row in done.answer["drift"]]


def acknowledge(books: Scene, *named: str, reason: str = "Agreed with the customer") -> list[str]:
    done = books.command("acknowledge", "--firm", books.firm.slug, *named, "--reason", reason)
    assert done.code == 0, done.words
    return [row["kind"] for row in done.answer["acknowledged"]]


@pytest.mark.slow
def test_acknowledged_change_is_drift_no_more_until_it_changes_again(billed: Scene) -> None:
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:30:00Z"})
    assert drift(billed) == [("entry_changed", FIRST_ENTRY + 1)]
    assert acknowledge(billed, "--entry", str(FIRST_ENTRY + 1)) == ["entry_changed"]
    assert (drift(billed), drift(billed)) == ([], [])
    assert Correction.objects.open().count() == 1, "what is to be decided of the hours still is"
    row = Drift.objects.get()
    assert (row.gone_at, row.acknowledged_by, row.acknowledged_reason) == (None, "operator", "Agreed with the customer")
    (event,) = billed.events("finding_acknowledged")
    assert event.data == {
        "kind": "entry_changed",
        "entry": FIRST_ENTRY + 1,
        "reference": Invoice.objects.get().reference,
        "facts": row.facts,
        "reason": "Agreed with the customer",
    }
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:45:00Z"})
    assert drift(billed) == [("entry_changed", FIRST_ENTRY + 1)]
    row = Drift.objects.get()
    assert (row.acknowledged_at, row.acknowledged_by, row.acknowledged_reason) == (None, "", "")
    assert acknowledge(billed, "--kind", "entry_changed") == ["entry_changed"]
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:00:00Z"})
    assert drift(billed) == []
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:45:00Z"})
    assert drift(billed) == [("entry_changed", FIRST_ENTRY + 1)], "it was gone, and has come back"


@pytest.mark.slow
def test_start_that_moved_within_its_day_can_be_acknowledged(billed: Scene) -> None:
    moved = {"start": "2026-10-05T08:00:00Z", "stop": "2026-10-05T09:00:00Z"}
    billed.control.put_entries({"id": FIRST_ENTRY + 1, **moved})
    assert drift(billed) == [("entry_changed", FIRST_ENTRY + 1)]
    acknowledge(billed, "--entry", str(FIRST_ENTRY + 1))
    assert drift(billed) == []
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "start": "2026-10-05T07:00:00Z", "stop": "2026-10-05T08:00:00Z"})
    assert drift(billed) == [("entry_changed", FIRST_ENTRY + 1)]


@pytest.mark.slow
def test_every_kind_can_be_acknowledged(billed: Scene) -> None:
    invoice = Invoice.objects.get()
    assert invoice.order_id is not None
    billed.control.change_order(invoice.order_id, TotalIncl=1.00)
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "tags": []}, entry(9, "2026-10-30"))
    billed.control.delete_entries(FIRST_ENTRY + 2)
    kinds = sorted(kind for kind, _entry in drift(billed))
    assert kinds == ["entry_changed", "entry_deleted", "entry_missing", "order_changed"]
    for kind in kinds:
        assert acknowledge(billed, "--kind", kind) == [kind]
    assert drift(billed) == []
    billed.control.change_order(invoice.order_id, TotalIncl=2.00)
    assert drift(billed) == [("order_changed", None)]
    billed.control.change_order(invoice.order_id, Deleted=True)
    assert drift(billed) == [("order_deleted", None)]
    acknowledge(billed, "--order", str(invoice.order_id))
    assert drift(billed) == []


@pytest.mark.slow
def test_command_says_what_it_needs(billed: Scene) -> None:
    refused = billed.command("acknowledge", "--firm", billed.firm.slug, "--reason", "Why")
    assert (refused.code, "--kind, --entry, --order or --reference" in refused.words) == (2, True)
    refused = billed.command("acknowledge", "--firm", billed.firm.slug, "--entry", "1", "--reason", "Why")
    assert (refused.code, "No difference that stands is named so" in refused.words) == (2, True)
    billed.control.delete_entries(FIRST_ENTRY + 2)
    drift(billed)
    refused = billed.command("acknowledge", "--firm", billed.firm.slug, "--kind", "entry_deleted", "--reason", "  ")
    assert (refused.code, "needs a reason" in refused.words) == (2, True)
    assert drift(billed) == [("entry_deleted", FIRST_ENTRY + 2)]


@pytest.mark.slow
def test_page_takes_a_reason_and_shows_who_knows(billed: Scene) -> None:
    billed.control.delete_entries(FIRST_ENTRY + 2)
    drift(billed)
    row = Drift.objects.get()
    browser = signed_in(billed.firm, "bookkeeper", email="an@example.com")
    page = browser.get("/dossiers/small/").content.decode()
    address = f"/f/{billed.firm.slug}/dossiers/small/differences/{row.pk}/acknowledge/"
    assert address in page
    sent = {"read": read_of(row), "reason": "Agreed by mail"}
    said = alerts(browser.post(address, sent, follow=True).content.decode())
    assert said == "success: Acknowledged: it is told again only when it changes."
    section = text(browser, "/dossiers/small/")
    assert "Acknowledged by an@example.com on 20 Nov 2026 “Agreed by mail”" in section
    assert address not in browser.get("/dossiers/small/").content.decode()
    again = alerts(browser.post(address, {"read": read_of(row), "reason": "Twice"}, follow=True).content.decode())
    assert again == "danger: an@example.com has acknowledged this difference already."


@pytest.mark.slow
def test_page_refuses_what_was_not_read(billed: Scene) -> None:
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:30:00Z"})
    drift(billed)
    row = Drift.objects.get()
    read = read_of(row)
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:45:00Z"})
    drift(billed)
    browser = signed_in(billed.firm, "bookkeeper")
    address = f"/dossiers/small/differences/{row.pk}/acknowledge/"
    answer = browser.post(address, {"read": read, "reason": "Known"})
    assert answer.status_code == 409
    assert "it changed after you opened the page" in answer.content.decode()
    assert Drift.objects.get().acknowledged_at is None


def test_viewer_and_strangers_acknowledge_nothing() -> None:
    row = DriftFactory(dossier=DossierFactory(key="small"))
    sent = {"read": read_of(row), "reason": "Known"}
    address = f"/f/{row.firm.slug}/dossiers/small/differences/{row.pk}/acknowledge/"
    assert signed_in(row.firm, "viewer").post(address, sent).status_code == 403
    assert signed_in(FirmFactory()).post(address, sent).status_code == 404
    other = DriftFactory(dossier=DossierFactory(key="other", firm=row.firm))
    elsewhere = f"/f/{row.firm.slug}/dossiers/small/differences/{other.pk}/acknowledge/"
    assert signed_in(row.firm).post(elsewhere, {"read": read_of(other), "reason": "Known"}).status_code == 404
    assert Drift.objects.filter(acknowledged_at__isnull=False).count() == 0
