"""Reconciliation: each kind of drift, seeded at the services, and what is no drift."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import Entry, Workspace
from invoicing.models import Claim, Drift, Invoice, LedgerRow
from tests.conftest import Outcome
from tests.invoicing.scene import Scene
from tests.worlds import BAKERY_PROJECT, FIRST_ENTRY, ORGANIZATION, entry


@pytest.fixture
def billed(scene: Callable[..., Scene]) -> Scene:
    """The garage's October at Billit, read back: 1 h + 2 h of Advice, 1 h of Books at another client is open."""
    made = scene(entries=[entry(1), entry(2, "2026-10-06", seconds=7200), entry(3, "2026-11-03")])
    made.posted()
    made.read_back()
    made.later(hours=1)
    return made


def invoice() -> Invoice:
    return Invoice.objects.get()


DECIDE = (
    "Decide on its correction: accept the difference, settle it on the next invoice, or correct the invoice. If Toggl "
    "is wrong, change it back there."
)
WORDS = (
    "The hours are billed right. Acknowledge it with a reason, or change the entry back in Toggl if the invoice has "
    "the right time."
)


def reconciled(scene: Scene) -> Outcome:
    return scene.command("reconcile", "--firm", scene.firm.slug)


def drift(scene: Scene) -> list[dict[str, Any]]:
    """What reconcile finds; its sentences stand on standard error with what to do, and the exit code tells."""
    done = reconciled(scene)
    found: list[dict[str, Any]] = done.answer["drift"]
    assert done.code == (1 if found else 0)
    assert [f"{row['sentence']} {row['action']}" in done.words for row in found] == [True] * len(found)
    # That an order was sent is taken over at once.
    to_decide = [row for row in found if row["kind"] != "order_sent"]
    assert Drift.objects.filter(gone_at__isnull=True).count() == len(to_decide)
    return found


@pytest.mark.slow
def test_three_sides_that_agree_have_no_drift(billed: Scene) -> None:
    done = reconciled(billed)
    assert (done.code, done.answer) == (
        0,
        {"checked": {"entries": 2, "invoices": 1, "orders": 1, "months": 3}, "drift": []},
    )
    assert reconciled(billed).answer == done.answer


@pytest.mark.slow
def test_a_firm_that_billed_nothing_has_no_drift(scene: Callable[..., Scene]) -> None:
    done = reconciled(scene())
    assert (done.code, done.answer) == (
        0,
        {"checked": {"entries": 0, "invoices": 0, "orders": 0, "months": 3}, "drift": []},
    )


# --- Toggl against the ledger -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"stop": "2026-10-05T10:30:00Z"}, "seconds"),
        ({"start": "2026-10-05T08:00:00Z", "stop": "2026-10-05T09:00:00Z"}, "start"),
        ({"start": "2026-10-06T09:00:00Z", "stop": "2026-10-06T10:00:00Z"}, "start"),
        ({"project_id": BAKERY_PROJECT}, "customer"),
        ({"project_id": None}, "customer"),
        ({"tags": ["Books"]}, "product"),
        ({"tags": []}, "product"),
        ({"start": "2026-10-05T08:00:00Z", "tags": ["Books"]}, "start, seconds, product"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_invoiced_entry_that_changed_in_toggl_is_drift(billed: Scene, change: dict[str, Any], named: str) -> None:
    billed.control.put_entries({"id": FIRST_ENTRY + 1, **change})
    same_day = change.get("start") == "2026-10-05T08:00:00Z" and named == "start"
    assert drift(billed) == [
        {
            "kind": "entry_changed",
            "entry": FIRST_ENTRY + 1,
            "reference": invoice().reference,
            "sentence": f"Entry {FIRST_ENTRY + 1} of 2026-10-05 changed in Toggl after invoice {invoice()} billed it: "
            f"{named}.",
            "action": WORDS if same_day else DECIDE,
        }
    ]
    assert Claim.objects.get(entry__remote_id=FIRST_ENTRY + 1).seconds == 3600


def test_a_tag_removed_without_a_trace_is_drift(billed: Scene) -> None:
    at = Entry.objects.get(remote_id=FIRST_ENTRY + 1).changed_at.isoformat()
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "tags": [], "at": at})
    assert [(row["kind"], row["entry"]) for row in drift(billed)] == [("entry_changed", FIRST_ENTRY + 1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"billable": False},
        {"at": "2026-11-20T09:30:00Z"},
        {"description": "other words"},
        {"tags": ["adv"]},
        {"tags": ["Advice", "Nothing"]},
        {"project_id": 605},
    ],
    ids=["flag", "stamp", "words", "another tag", "one more tag", "another project of the client"],
)
def test_a_change_that_bills_the_same_is_news_and_no_drift(billed: Scene, change: dict[str, Any]) -> None:
    billed.control.put_toggl(
        "projects", {"id": 605, "workspace_id": 4001, "client_id": 501, "name": "Other work", "active": True}
    )
    billed.control.put_entries({"id": FIRST_ENTRY + 1, **change})
    assert drift(billed) == []


@pytest.mark.slow
def test_a_change_of_an_open_entry_is_no_drift(billed: Scene) -> None:
    billed.control.put_entries({"id": FIRST_ENTRY + 3, "description": "other words"})
    assert drift(billed) == []


@pytest.mark.slow
def test_an_invoiced_entry_that_was_deleted_in_toggl_is_drift_until_it_returns(billed: Scene) -> None:
    billed.control.delete_entries(FIRST_ENTRY + 2)
    expected = [
        {
            "kind": "entry_deleted",
            "entry": FIRST_ENTRY + 2,
            "reference": invoice().reference,
            "sentence": f"Entry {FIRST_ENTRY + 2} of 2026-10-06 was deleted in Toggl after invoice {invoice()} "
            "billed it.",
            "action": DECIDE,
        }
    ]
    assert drift(billed) == expected
    assert drift(billed) == expected  # as long as nobody decides
    row = LedgerRow.objects.get(entry__remote_id=FIRST_ENTRY + 2)
    assert (row.state, row.seconds, row.correction_seconds) == ("invoiced", 0, -7200)
    billed.control.put_entries({"id": FIRST_ENTRY + 2, "server_deleted_at": None})
    assert drift(billed) == []


def test_an_entry_that_came_late_into_an_invoiced_month_is_missing(billed: Scene) -> None:
    billed.control.put_entries(entry(9, "2026-10-30"))
    assert drift(billed) == [
        {
            "kind": "entry_missing",
            "entry": FIRST_ENTRY + 9,
            "sentence": f"Entry {FIRST_ENTRY + 9} of 2026-10-30 was in Toggl but not mirrored. It is now, and "
            "stands in the books as open.",
            "action": "Nothing: the next run takes it along. If it happens again, read the workspace whole.",
        }
    ]
    assert drift(billed) == []


@pytest.mark.slow
def test_an_entry_that_the_mirror_lost_is_missing(billed: Scene) -> None:
    LedgerRow.objects.filter(entry__remote_id=FIRST_ENTRY + 3).delete()
    Entry.objects.filter(remote_id=FIRST_ENTRY + 3).delete()
    # The cursor stands far behind the entry's time stamp, so that no increment would ever find it.
    Workspace.objects.update(cursor_at=timezone.now())
    found = drift(billed)
    assert [(row["kind"], row["entry"]) for row in found] == [("entry_missing", FIRST_ENTRY + 3)]
    assert billed.states()[FIRST_ENTRY + 3] == "open"


def test_an_entry_tracked_since_the_latest_reading_is_news(billed: Scene) -> None:
    billed.control.put_entries(entry(9, "2026-11-20T08:00:00+00:00"))
    assert drift(billed) == []
    assert billed.states()[FIRST_ENTRY + 9] == "open"


@pytest.mark.slow
def test_an_entry_before_the_books_is_not_missing(billed: Scene) -> None:
    billed.control.put_entries(entry(9, "2026-08-31"))
    assert drift(billed) == []


# --- the ledger against Billit ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_order_that_billit_does_not_have_is_missing(billed: Scene) -> None:
    number = invoice().order_id
    assert number is not None
    Invoice.objects.update(order_id=number + 1000)  # as if Billit had lost the order, and kept another
    found = drift(billed)
    assert [(row["kind"], row.get("order_id"), row["reference"]) for row in found] == [
        ("order_missing", number + 1000, invoice().reference),
        ("order_unknown", number, invoice().reference),
    ]
    assert found[0]["sentence"] == f"Order {number + 1000} of invoice {invoice()} is not in Billit."
    assert found[0]["action"] == (
        "Find out in Billit who removed it before anything is billed again: its hours count as invoiced."
    )


def test_an_order_that_was_deleted_in_billit_is_drift(billed: Scene) -> None:
    number = invoice().order_id
    assert number is not None
    billed.control.change_order(number, Deleted=True)
    assert drift(billed) == [
        {
            "kind": "order_deleted",
            "order_id": number,
            "reference": invoice().reference,
            "sentence": f"Order {number} of invoice {invoice()} was deleted in Billit.",
            "action": (
                "Bill its hours anew on the invoice’s page, or bring the order back in Billit: until then they count "
                "as invoiced, and nobody owes them."
            ),
        }
    ]
    assert invoice().status == "posted"


@pytest.mark.slow
def test_an_order_of_other_totals_is_drift_each_time_until_a_person_decides(billed: Scene) -> None:
    number = invoice().order_id
    assert number is not None
    billed.control.change_order(number, TotalExcl=300.00, TotalVAT=63.00, TotalIncl=363.00)
    expected = [
        {
            "kind": "order_changed",
            "order_id": number,
            "reference": invoice().reference,
            "sentence": f"Order {number} of invoice {invoice()} amounts to 363.00 in Billit, to 344.85 here.",
            "action": "Set the order right in Billit; if the customer has it already, credit it and bill it again.",
        }
    ]
    assert drift(billed) == expected
    assert drift(billed) == expected
    assert str(invoice().incl) == "344.85"


@pytest.mark.slow
def test_an_order_given_to_another_customer_is_drift(billed: Scene) -> None:
    number = invoice().order_id
    assert number is not None
    billed.control.change_order(number, _customer=80_012)
    found = drift(billed)
    assert [(row["kind"], row["order_id"]) for row in found] == [("order_changed", number)]
    assert (
        found[0]["sentence"] == f"Order {number} of invoice {invoice()} is for party 80012 in Billit, for 80011 here."
    )
    assert found[0]["action"] == (
        "Give the order its customer back in Billit; if it is sent, credit it and bill it again."
    )


@pytest.mark.slow
def test_an_order_sent_by_hand_is_drift(billed: Scene) -> None:
    number = invoice().order_id
    assert number is not None
    billed.control.change_order(number, IsSent=True)
    assert drift(billed) == [
        {
            "kind": "order_sent",
            "order_id": number,
            "reference": invoice().reference,
            "sentence": f"Order {number} of invoice {invoice()} was sent in Billit itself.",
            "action": "Nothing: it counts as sent here, too, and is not sent again.",
        }
    ]
    assert (invoice().delivery, len(billed.events("invoice_sent"))) == ("sent", 1)
    assert drift(billed) == []
    told = Drift.objects.get(kind="order_sent")
    assert told.gone_at == told.first_seen_at


@pytest.mark.slow
def test_an_order_that_we_sent_is_no_drift(billed: Scene) -> None:
    billed.send(invoice())
    assert drift(billed) == []


@pytest.mark.slow
def test_an_order_of_our_prefix_that_no_invoice_is_posted_as_is_unknown(billed: Scene) -> None:
    reference, number = invoice().reference, invoice().order_id
    LedgerRow.objects.update(correction_seconds=0, correction_text="", state="open")
    Claim.objects.all().delete()
    Invoice.objects.update(status="void", order_id=None, posted_at=None)
    assert drift(billed) == [
        {
            "kind": "order_unknown",
            "order_id": number,
            "reference": reference,
            "sentence": f"Billit has order {number} ({invoice().order_number}) with a reference of ours, but no "
            "invoice here is posted as it.",
            "action": "Look at it in Billit before anything is posted again, and delete it there if it is a double.",
        }
    ]


def test_a_paid_or_numbered_order_is_news_and_not_drift(billed: Scene) -> None:
    number = invoice().order_id
    assert number is not None
    billed.control.change_order(number, Paid=True, PaidDate="2026-11-19T10:00:00", OrderNumber="2026-0777")
    assert drift(billed) == []
    assert (invoice().payment, str(invoice().paid_date), invoice().order_number) == ("paid", "2026-11-19", "2026-0777")


@pytest.mark.slow
def test_several_kinds_are_told_at_once(billed: Scene) -> None:
    number = invoice().order_id
    assert number is not None
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "tags": ["Books"]}, entry(9, "2026-10-30"))
    billed.control.delete_entries(FIRST_ENTRY + 2)
    billed.control.change_order(number, IsSent=True, TotalIncl=1.00)
    kinds = sorted(row["kind"] for row in drift(billed))
    assert kinds == ["entry_changed", "entry_deleted", "entry_missing", "order_changed", "order_sent"]


# --- when it cannot be asked ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_nothing_is_said_to_agree_when_toggls_quota_is_used_up(billed: Scene) -> None:
    billed.control.delete_entries(FIRST_ENTRY + 2)
    billed.control.quota(ORGANIZATION, remaining=0, resets_in=1800)
    done = reconciled(billed)
    why = {"code": "quota_used_up", "facts": {"workspace": "Small", "at": "2026-11-20T10:30:00+00:00"}}
    assert (done.code, done.answer) == (
        0,
        {
            "checked": {"entries": 0, "invoices": 0, "orders": 0, "months": 0},
            "drift": [],
            "not_compared": [{"dossier": "small", **why}],
        },
    ), "what the quota put off is no failure (design section 10)"
    said = "Toggl takes no more requests for workspace Small until 10:30 UTC. It is not read before then."
    assert done.words.strip() == f"Dossier small was not compared: {said}"
    assert billed.dossier.reconciled_at is None
    billed.later(minutes=30)
    assert [row["kind"] for row in drift(billed)] == ["entry_deleted"]


def test_totals_that_the_budget_does_not_allow_are_named(billed: Scene) -> None:
    billed.control.quota(ORGANIZATION, remaining=10, resets_in=1800)
    done = reconciled(billed)
    (left,) = done.answer.pop("not_compared")
    assert (done.code, done.answer) == (
        0,
        {"checked": {"entries": 2, "invoices": 1, "orders": 1, "months": 1}, "drift": []},
    ), "the rest is left to people"
    assert (left["what"], left["code"], left["facts"]["workspace"]) == ("months", "quota_used_up", "Small")
    # From the moment of the answer on.
    assert left["facts"]["at"].startswith("2026-11-20T10:30:")


@pytest.mark.parametrize("service", ["toggl", "billit"])
def test_a_service_that_is_down_is_named(billed: Scene, service: str) -> None:
    billed.control.faults({"service": service, "kind": "status", "status": 503})
    done = reconciled(billed)
    assert (done.code, done.answer) == (1, None)
    assert service.capitalize() in done.words
    assert len(done.words.strip().splitlines()) == 1
    assert not Entry.objects.filter(deleted_at__isnull=False).exists()


def test_a_reading_by_somebody_else_is_told(billed: Scene) -> None:
    Workspace.objects.update(claimed_at=timezone.now() - timedelta(minutes=1))
    done = reconciled(billed)
    assert (done.code, done.answer) == (1, None)
    assert "being read by another process" in done.words
