"""Setting up firms, dossiers and mappings: written once, told with old and new, and marked for the ledger."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from integrations.models import Entry, Workspace
from invoicing.dossiers.setup import (
    DossierRules,
    Locked,
    Pairing,
    StandingDossier,
    map_clients,
    map_tags,
    set_up_dossiers,
    set_up_firm,
    standing,
)
from invoicing.models import ClientMapping, Dossier, DossierClient, Invoice, TagMapping
from invoicing.rules.mapping import ClientRule, TagRule, Treatment
from invoicing.rules.rating import Rounding
from invoicing.rules.schedule import Schedule
from tests.factories import (
    ClientMappingFactory,
    CompanyFactory,
    DossierFactory,
    EntryFactory,
    FirmFactory,
    InvoiceFactory,
    WorkspaceFactory,
    enterprise_number,
)
from toggbill.firms.audit import Actor
from toggbill.firms.changes import Outcome
from toggbill.firms.models import AuditEvent, Firm

NOW = datetime(2026, 9, 10, 22, 30, tzinfo=UTC)  # the 11th in Brussels, a Friday
LATER = datetime(2026, 9, 11, 8, tzinfo=UTC)
START = date(2026, 9, 1)
BY = Actor.command()
NUMBER, OTHER_NUMBER = enterprise_number(1), enterprise_number(2)
pytestmark = pytest.mark.django_db


def events(firm: Firm) -> list[tuple[str, str, dict[str, Any]]]:
    return [(row.type, row.subject, row.data) for row in AuditEvent.objects.for_firm(firm).order_by("number")]


def rules(key: str = "bakery", **values: Any) -> DossierRules:
    return DossierRules(**{"key": key, "name": key, "start": START, **values})


def pairing(dossier: Dossier, **values: Any) -> Pairing:
    return Pairing(dossier.workspace, dossier.company, rules(dossier.key, **values))


def made(**values: Any) -> Dossier:
    """A dossier that stands, with one entry in its workspace that is not marked."""
    firm = FirmFactory.create()
    workspace = WorkspaceFactory.create(firm=firm, read_from=None)
    company = CompanyFactory.create(firm=firm)
    wanted = [Pairing(workspace, company, rules(**values))]
    ((dossier, outcome),) = set_up_dossiers(firm=firm, pairings=wanted, by=BY, now=NOW)
    assert outcome == "created"
    EntryFactory.create(workspace=workspace, marked_at=None)
    return dossier


def changed(dossier: Dossier, *pairings: Pairing) -> list[Outcome]:
    return [row[1] for row in set_up_dossiers(firm=dossier.firm, pairings=pairings, by=BY, now=LATER)]


def test_set_up_firm_is_written_once() -> None:
    first = set_up_firm(slug="f", name="F", timezone="Europe/Brussels", language="fr", by=BY, now=NOW)
    again = set_up_firm(slug="f", name="F", timezone="Europe/Brussels", language="fr", by=BY, now=NOW)
    assert (first[1], again) == ("created", (first[0], "unchanged"))
    assert events(first[0]) == []


def test_set_up_firm_in_another_zone_moves_its_days() -> None:
    dossier = made(schedule=Schedule("daily"))
    firm = dossier.firm
    assert dossier.due_at == datetime(2026, 9, 11, 22, tzinfo=UTC)
    _, outcome = set_up_firm(slug=firm.slug, name=firm.name, timezone="UTC", language="nl", by=BY, now=LATER)
    assert outcome == "updated"
    dossier.refresh_from_db()
    assert dossier.due_at == datetime(2026, 9, 12, tzinfo=UTC)
    assert Entry.objects.get().marked_at == LATER
    old, new = {"timezone": "Europe/Brussels", "language": "en"}, {"timezone": "UTC", "language": "nl"}
    assert events(firm)[-1] == ("rule_changed", f"firm {firm.slug}", {"old": old, "new": new})


def test_new_dossier_is_written_with_its_rules_and_told() -> None:
    dossier = made(
        clients=frozenset({502, 501}),
        rounding=Rounding(15, "nearest", "line", 5),
        schedule=Schedule("monthly", 28),
        auto_limit=Decimal("5000.00"),
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
                    "start_date": "2026-09-01",
                    "clients": [501, 502],
                    "billable": "all",
                    "group_by": "product",
                    "rounding_minutes": 15,
                    "rounding_direction": "nearest",
                    "rounding_level": "line",
                    "rounding_minimum": 5,
                    "every": "monthly",
                    "day": 28,
                    "mode": "review",
                    "auto_limit": "5000.00",
                    "price_decimals": 2,
                    "payment_days": 30,
                    "default_product": "ADV",
                },
            },
        )
    ]


def test_dossier_as_it_stands_is_left_alone() -> None:
    dossier = made(clients=frozenset({501}), schedule=Schedule("daily"), auto_limit=Decimal(5000))
    same = pairing(dossier, clients=frozenset({501}), schedule=Schedule("daily"), auto_limit=Decimal("5000.00"))
    due_at = dossier.due_at
    assert changed(dossier, same) == ["unchanged"]
    dossier.refresh_from_db()
    assert (dossier.due_at, Entry.objects.get().marked_at, len(events(dossier.firm))) == (due_at, None, 1)


def test_changed_dossier_tells_old_and_new_and_marks_its_entries() -> None:
    dossier = made()
    assert changed(dossier, pairing(dossier, billable="flagged", clients=frozenset({501}))) == ["updated"]
    assert Entry.objects.get().marked_at == LATER
    assert events(dossier.firm)[1:] == [
        (
            "rule_changed",
            "dossier bakery",
            {"old": {"billable": "all", "clients": []}, "new": {"billable": "flagged", "clients": [501]}},
        )
    ]


@pytest.mark.parametrize(
    ("schedule", "due_at"),
    [
        (Schedule("manual"), None),
        (Schedule("daily"), datetime(2026, 9, 11, 22, tzinfo=UTC)),
        (Schedule("weekly", 5), datetime(2026, 9, 17, 22, tzinfo=UTC)),
        (Schedule("monthly", 1), datetime(2026, 9, 30, 22, tzinfo=UTC)),
    ],
)
def test_changed_schedule_is_due_after_today(schedule: Schedule, due_at: datetime | None) -> None:
    dossier = made(schedule=Schedule("weekly", 1))
    assert changed(dossier, pairing(dossier, schedule=schedule)) == ["updated"]
    dossier.refresh_from_db()
    assert dossier.due_at == due_at


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
    assert events(dossier.firm)[-1][2] == {"old": {"workspace": old_id}, "new": {"workspace": other.remote_id}}


def test_dossier_that_has_invoiced_is_locked() -> None:
    dossier = DossierFactory.create(start_date=START)
    InvoiceFactory.create(dossier=dossier)
    moved = Pairing(
        WorkspaceFactory.create(firm=dossier.firm), dossier.company, rules(dossier.key, start=date(2026, 8, 1))
    )
    with pytest.raises(Locked) as caught:
        changed(dossier, moved)
    assert str(caught.value) == (
        f"Dossier {dossier.key} has invoiced, so its workspace and start can no longer change. "
        "Leave it as it was, or make another dossier."
    )
    assert events(dossier.firm) == []


def test_dossier_whose_invoices_are_void_is_not_locked() -> None:
    dossier = DossierFactory.create(start_date=START)
    InvoiceFactory.create(dossier=dossier, status=Invoice.Status.VOID)
    assert not standing(dossier.firm.slug).dossiers[dossier.key].has_invoiced
    assert changed(dossier, pairing(dossier, start=date(2026, 8, 1))) == ["updated"]


def test_standing_tells_what_the_firm_has() -> None:
    dossier = made(clients=frozenset({501}))
    InvoiceFactory.create(dossier=dossier)
    toggl, billit = dossier.workspace.connection.key, dossier.company.connection.key
    stands = standing(dossier.firm.slug)
    assert (stands.toggl, stands.billit) == (frozenset({toggl}), frozenset({billit}))
    assert stands.dossiers == {
        "bakery": StandingDossier(
            toggl=toggl,
            workspace=dossier.workspace.remote_id,
            billit=billit,
            company=dossier.company.party_id,
            start=START,
            clients=frozenset({501}),
            has_invoiced=True,
        )
    }
    assert standing("nobody").dossiers == {}


def test_map_tags_compares_tags_trimmed_and_case_folded() -> None:
    dossier = made()
    first = [TagRule("Advies", "ADV", True, 10), TagRule("intern", "", False)]
    assert map_tags(dossier=dossier, rules=first, by=BY, now=LATER) == {"created": 2}
    assert Entry.objects.get().marked_at == LATER
    assert map_tags(dossier=dossier, rules=first, by=BY, now=LATER) == {"unchanged": 2}
    # What is not named stays.
    assert map_tags(dossier=dossier, rules=[TagRule("Advies", "FIS")], by=BY, now=LATER) == {"updated": 1}
    assert sorted(TagMapping.objects.values_list("tag_key", "bill", "product_reference", "priority")) == [
        ("advies", True, "FIS", None),
        ("intern", False, "", None),
    ]
    assert events(dossier.firm)[1:] == [
        (
            "mapping_changed",
            "dossier bakery",
            {
                "tag": "Advies",
                "old": None,
                "new": {"tag": "Advies", "bill": True, "product_reference": "ADV", "priority": 10},
            },
        ),
        (
            "mapping_changed",
            "dossier bakery",
            {
                "tag": "intern",
                "old": None,
                "new": {"tag": "intern", "bill": False, "product_reference": "", "priority": None},
            },
        ),
        (
            "mapping_changed",
            "dossier bakery",
            {
                "tag": "Advies",
                "old": {"product_reference": "ADV", "priority": 10},
                "new": {"product_reference": "FIS", "priority": None},
            },
        ),
    ]


def test_map_tags_unchanged_marks_nothing() -> None:
    dossier = made()
    map_tags(dossier=dossier, rules=[TagRule("Advies", "ADV")], by=BY, now=NOW)
    Entry.objects.update(marked_at=None)
    map_tags(dossier=dossier, rules=[TagRule("Advies", "ADV")], by=BY, now=LATER)
    assert Entry.objects.get().marked_at is None


def row_of(dossier: Dossier) -> tuple[str, int | None, bool, str, str, str]:
    row = ClientMapping.objects.get(dossier=dossier, client_remote_id=501)
    return (
        row.number,
        row.customer_party_id,
        row.is_proposed,
        row.treatment,
        row.purchase_order,
        row.buyer_reference,
    )


def test_map_clients_writes_what_a_person_states() -> None:
    dossier = made()
    wanted = [
        ClientRule(501, number=NUMBER, purchase_order="45"),
        ClientRule(502, party_id=88001, treatment=Treatment.eu_services, buyer_reference="Dept. 7"),
    ]
    assert map_clients(dossier=dossier, rules=wanted, by=BY, now=LATER) == {"created": 2}
    assert map_clients(dossier=dossier, rules=wanted, by=BY, now=LATER) == {"unchanged": 2}
    assert row_of(dossier) == (NUMBER, None, False, "", "45", "")
    other = ClientMapping.objects.get(client_remote_id=502)
    assert (other.number, other.customer_party_id, other.treatment, other.buyer_reference) == (
        "",
        88001,
        "eu_services",
        "Dept. 7",
    )
    assert [event[2]["client"] for event in events(dossier.firm)[1:]] == [501, 502]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (ClientRule(501, purchase_order="45"), (NUMBER, None, True, "", "45", "")),
        (ClientRule(501, treatment=Treatment.domestic), (NUMBER, None, True, "domestic", "", "")),
        (ClientRule(501, number=OTHER_NUMBER), (OTHER_NUMBER, None, False, "", "", "")),
        (ClientRule(501, number=NUMBER), (NUMBER, None, False, "", "", "")),
        (ClientRule(501, party_id=88001), ("", 88001, False, "", "", "")),
    ],
)
def test_map_clients_keeps_a_proposed_number_that_nothing_replaces(rule: ClientRule, expected: tuple[Any, ...]) -> None:
    dossier = made()
    ClientMappingFactory.create(dossier=dossier, client_remote_id=501, number=NUMBER, is_proposed=True)
    assert map_clients(dossier=dossier, rules=[rule], by=BY, now=LATER) == {"updated": 1}
    assert row_of(dossier) == expected


def test_map_clients_takes_back_a_number_that_was_stated() -> None:
    dossier = made()
    ClientMappingFactory.create(dossier=dossier, client_remote_id=501, number=NUMBER, is_proposed=False)
    assert map_clients(dossier=dossier, rules=[ClientRule(501, purchase_order="45")], by=BY, now=LATER) == {
        "updated": 1
    }
    assert row_of(dossier) == ("", None, False, "", "45", "")
