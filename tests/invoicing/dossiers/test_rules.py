"""The rules of dossiers: written once, told whole, refused with their faults, and marked for the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from integrations.models import Entry, Workspace
from invoicing.dossiers.faults import Refused
from invoicing.dossiers.firm import Standing, standing
from invoicing.dossiers.rules import Pairing, Wanted, check, create
from invoicing.models import Dossier, DossierClient, Invoice
from tests.factories import CompanyFactory, DossierFactory, EntryFactory, InvoiceFactory, WorkspaceFactory
from tests.invoicing.dossiers.made import BY, LATER, NOW, START, changed, made, pairing, rules
from tests.visitors import events

pytestmark = pytest.mark.django_db


def test_new_dossier_is_written_with_its_rules_and_told() -> None:
    dossier = made(
        clients=frozenset({502, 501}),
        rounding_minutes=15,
        rounding_direction="nearest",
        rounding_level="line",
        rounding_minimum=5,
        every="monthly",
        day=28,
        email_allowed=True,
        auto_limit=Decimal("5000.00"),
        four_eyes=True,
        deviation=50,
        default_product="ADV",
    )
    dossier.refresh_from_db()
    assert (dossier.rounding_minutes, dossier.rounding_direction, dossier.rounding_level, dossier.rounding_minimum) == (
        15,
        "nearest",
        "line",
        5,
    )
    # The first 28th after the 11th, from its first moment in Brussels.
    assert (dossier.every, dossier.day, dossier.due_at) == ("monthly", 28, datetime(2026, 9, 27, 22, tzinfo=UTC))
    assert sorted(DossierClient.objects.values_list("client_remote_id", "workspace_id")) == [
        (501, dossier.workspace_id),
        (502, dossier.workspace_id),
    ]
    assert Workspace.objects.get().read_from == START
    assert events(dossier.firm) == [
        (
            "rule_changed",
            "dossier bakery",
            {
                "old": None,
                "new": {
                    "name": "bakery",
                    "workspace": dossier.workspace.remote_id,
                    "company": dossier.company.party_id,
                    "start": "2026-09-01",
                    "clients": [501, 502],
                    "billable": "all",
                    "group_by": "product",
                    "rounding": {"minutes": 15, "direction": "nearest", "level": "line", "minimum": 5},
                    "schedule": {"every": "monthly", "day": 28},
                    "mode": "review",
                    "email_allowed": True,
                    "annex": True,
                    "auto_limit": "5000.00",
                    "no_limit": False,
                    "longest_hours": 16,
                    "four_eyes": True,
                    "deviation": 50,
                    "price_decimals": 2,
                    "price_day": "draft",
                    "payment_days": 30,
                    "default_product": "ADV",
                    "billed_tag": "",
                },
            },
        )
    ]


def test_dossier_as_it_stands_is_left_alone() -> None:
    dossier = made(clients=frozenset({501}), every="daily", auto_limit=Decimal(5000))
    same = pairing(dossier, clients=frozenset({501}), every="daily", auto_limit=Decimal("5000.00"))
    due_at = dossier.due_at
    assert changed(dossier, same) == ["unchanged"]
    dossier.refresh_from_db()
    assert (dossier.due_at, Entry.objects.get().marked_at, len(events(dossier.firm))) == (due_at, None, 1)


def test_changed_dossier_tells_old_and_new_and_marks_its_entries() -> None:
    dossier = made()
    assert changed(dossier, pairing(dossier, billable="flagged", clients=frozenset({501}))) == ["updated"]
    assert Entry.objects.get().marked_at == LATER
    (_kind, _subject, made_so), (kind, subject, data) = events(dossier.firm)
    assert (kind, subject, data["old"]) == ("rule_changed", "dossier bakery", made_so["new"])
    assert data["new"] == made_so["new"] | {"billable": "flagged", "clients": [501]}


@pytest.mark.parametrize(
    ("schedule", "told", "due_at"),
    [
        ({"every": "manual", "day": 5}, {"every": "manual"}, None),
        ({"every": "daily"}, {"every": "daily"}, datetime(2026, 9, 11, 22, tzinfo=UTC)),
        ({"every": "weekly", "day": 5}, {"every": "weekly", "weekday": 5}, datetime(2026, 9, 17, 22, tzinfo=UTC)),
        ({"every": "monthly", "day": 1}, {"every": "monthly", "day": 1}, datetime(2026, 9, 30, 22, tzinfo=UTC)),
    ],
)
def test_changed_schedule_is_due_after_today(
    schedule: dict[str, Any], told: dict[str, Any], due_at: datetime | None
) -> None:
    dossier = made(every="weekly", day=1)
    assert changed(dossier, pairing(dossier, **schedule)) == ["updated"]
    dossier.refresh_from_db()
    assert (dossier.day, dossier.due_at) == (None if schedule["every"] == "manual" else schedule.get("day"), due_at)
    assert events(dossier.firm)[-1][2]["new"]["schedule"] == told


def test_client_moves_from_one_dossier_to_another() -> None:
    first = made(clients=frozenset({501, 502}))
    taker = Pairing(first.workspace, first.company, rules("aaa", clients=frozenset({501})))
    giver = pairing(first, clients=frozenset({502}))
    assert changed(first, taker, giver) == ["created", "updated"]
    assert set(DossierClient.objects.values_list("dossier__key", "client_remote_id")) == {("aaa", 501), ("bakery", 502)}


def test_earlier_start_has_the_workspace_read_anew() -> None:
    dossier = made()
    Workspace.objects.update(reread_at=NOW, next_sync_at=None)
    assert changed(dossier, pairing(dossier, start=date(2026, 8, 1))) == ["updated"]
    workspace = Workspace.objects.get()
    assert (workspace.read_from, workspace.reread_at, workspace.next_sync_at) == (date(2026, 8, 1), None, LATER)


def test_later_start_needs_no_new_reading() -> None:
    dossier = made()
    Workspace.objects.update(reread_at=NOW)
    assert changed(dossier, pairing(dossier, start=date(2026, 9, 5))) == ["updated"]
    workspace = Workspace.objects.get()
    assert (workspace.read_from, workspace.reread_at) == (date(2026, 9, 5), NOW)


def test_moved_dossier_marks_both_workspaces_and_takes_its_clients_along() -> None:
    dossier = made(clients=frozenset({501}))
    other = WorkspaceFactory.create(firm=dossier.firm)
    EntryFactory.create(workspace=other, marked_at=None)
    moved = Pairing(other, dossier.company, rules(clients=frozenset({501})))
    old_id = dossier.workspace.remote_id
    assert changed(dossier, moved) == ["updated"]
    assert [row.marked_at for row in Entry.objects.all()] == [LATER, LATER]
    assert DossierClient.objects.get().workspace == other
    data = events(dossier.firm)[-1][2]
    assert (data["old"]["workspace"], data["new"]["workspace"]) == (old_id, other.remote_id)


def test_dossier_that_has_invoiced_is_locked() -> None:
    dossier = DossierFactory.create(start_date=START)
    InvoiceFactory.create(dossier=dossier)
    moved = Pairing(
        WorkspaceFactory.create(firm=dossier.firm), dossier.company, rules(dossier.key, start=date(2026, 8, 1))
    )
    with pytest.raises(Refused) as caught:
        changed(dossier, moved)
    key, workspace = dossier.key, dossier.workspace.remote_id
    assert str(caught.value) == (
        f"{key}, workspace: stays {workspace}, since dossier {key} has invoiced; make another dossier. "
        f"{key}, start: stays 2026-09-01, since dossier {key} has invoiced; make another dossier."
    )
    assert events(dossier.firm) == []


def test_dossier_whose_invoices_are_void_is_not_locked() -> None:
    dossier = DossierFactory.create(start_date=START)
    InvoiceFactory.create(dossier=dossier, status=Invoice.Status.VOID)
    assert not standing(dossier.firm.slug).dossiers[dossier.key].has_invoiced
    assert changed(dossier, pairing(dossier, start=date(2026, 8, 1))) == ["updated"]


def faults(*wanted: Wanted, stands: Standing | None = None) -> list[list[tuple[str, str]]]:
    """Field and code of what is wrong, for each."""
    found = check(wanted, stands or Standing())
    return [[(fault.field, fault.code) for fault in each] for each in found]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, []),
        ({"key": ""}, ("key", "empty")),
        ({"key": "a b"}, ("key", "not_a_short_name")),
        ({"key": "é"}, ("key", "not_a_short_name")),
        ({"key": "k" * 51}, ("key", "too_long")),
        ({"name": "n" * 201}, ("name", "too_long")),
        ({"name": "a\nb"}, ("name", "control_characters")),
        ({"default_product": "p" * 201}, ("default_product", "too_long")),
        ({"billed_tag": "t" * 129}, ("billed_tag", "too_long")),
        ({"billed_tag": "a\nb"}, ("billed_tag", "control_characters")),
        ({"billed_tag": "\u00ad"}, ("billed_tag", "empty")),
        ({"billable": "some"}, ("billable", "unknown_word")),
        ({"group_by": "client"}, ("group_by", "unknown_word")),
        ({"rounding_direction": "upp"}, ("rounding_direction", "unknown_word")),
        ({"rounding_level": "day"}, ("rounding_level", "unknown_word")),
        ({"mode": "auto"}, ("mode", "unknown_word")),
        ({"every": "yearly", "day": 1}, ("every", "unknown_word")),
        ({"rounding_minutes": -1}, ("rounding_minutes", "out_of_range")),
        ({"rounding_minimum": 1441}, ("rounding_minimum", "out_of_range")),
        ({"price_decimals": 1}, ("price_decimals", "out_of_range")),
        ({"longest_hours": 1001}, ("longest_hours", "out_of_range")),
        ({"mode": "post"}, ("auto_limit", "limit_not_said")),
        ({"mode": "send"}, ("auto_limit", "limit_not_said")),
        ({"auto_limit": Decimal("0.00"), "no_limit": True}, ("no_limit", "limit_and_none")),
        ({"payment_days": 366}, ("payment_days", "out_of_range")),
        ({"every": "weekly"}, ("day", "day_of_week")),
        ({"every": "monthly"}, ("day", "day_of_month")),
        ({"every": "weekly", "day": 8}, ("day", "out_of_range")),
        ({"every": "monthly", "day": 29}, ("day", "out_of_range")),
        ({"every": "monthly", "day": 0}, ("day", "out_of_range")),
        ({"auto_limit": Decimal("-0.01")}, ("auto_limit", "not_an_amount")),
        ({"deviation": 1001}, ("deviation", "out_of_range")),
        ({"deviation": -1}, ("deviation", "out_of_range")),
        ({"four_eyes": True, "mode": "send", "no_limit": True}, ("four_eyes", "four_eyes_sends")),
        ({"auto_limit": Decimal("0.001")}, ("auto_limit", "not_an_amount")),
        ({"auto_limit": Decimal(10**12)}, ("auto_limit", "not_an_amount")),
    ],
)
def test_check_names_the_fault_of_a_rule(values: dict[str, Any], expected: Any) -> None:
    assert faults(Wanted(4001, 7001, replace(rules(), **values))) == [[expected] if expected else []]


def test_check_compares_what_is_stated_together_and_what_stands() -> None:
    first, again = rules("first", clients=frozenset({501, 502})), rules("first", clients=frozenset({503}))
    second, third, last = rules("second", clients=frozenset({502})), rules("third"), rules("last")
    wanted = [Wanted(4001, 7001, each) for each in (first, again, second, third, last)]
    assert faults(*wanted) == [
        [],
        [("key", "twice")],
        [("clients", "clients_elsewhere")],
        [],
        [("clients", "whole_workspace")],
    ]
    dossier = made(clients=frozenset({501}))
    beside = Wanted(dossier.workspace.remote_id, 7001, rules("other", clients=frozenset({501})))
    assert faults(beside, stands=standing(dossier.firm.slug)) == [[("clients", "clients_elsewhere")]]


def test_create_refuses_a_short_name_that_is_taken() -> None:
    dossier = made()
    before = events(dossier.firm)
    with pytest.raises(Refused, match="bakery, key: the firm already has a dossier of this short name"):
        create(firm=dossier.firm, pairing=pairing(dossier, name="Other"), by=BY, now=LATER)
    assert Dossier.objects.get().name == "bakery"
    assert events(dossier.firm) == before


def test_company_of_another_firm_is_refused() -> None:
    dossier = made()
    theirs = Pairing(dossier.workspace, CompanyFactory.create(), rules())
    with pytest.raises(Refused, match="workspace and company belong to different firms"):
        changed(dossier, theirs)
