"""The ledger: each entry in exactly one state, re-derived for what a change touches, and steady after billing."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from integrations.mirror import sync
from integrations.models import Company, Entry
from invoicing.dossiers.mappings import map_tags, unmap_tags
from invoicing.ledger.states import derive
from invoicing.models import ClientMapping, Dossier, LedgerRow
from invoicing.rules.judging.mapping import Reason, TagRule
from tests.factories import enterprise_number
from tests.invoicing.ledger.derived import Load, edit, row, state
from tests.invoicing.scene import Record
from tests.worlds import (
    BAKERY,
    BAKERY_NUMBER,
    BAKERY_PROJECT,
    COMPANY,
    FIRST_ENTRY,
    GARAGE,
    GARAGE_NUMBER,
    GARAGE_PARTY,
    GARAGE_PROJECT,
    WORKSPACE,
    client,
    entry,
    party,
    product,
    project,
)
from toggbill.firms.audit import Actor

OTHER_NUMBER = enterprise_number(77)


# What is tracked, and the state and reason that it gets, by the rules of the dossier.
JUDGED: dict[str, tuple[Record, list[tuple[Record, str, str]]]] = {
    "all": (
        {},
        [
            ({}, "open", ""),
            ({"running": True}, "running", ""),
            ({"running": True, "project_id": None, "tags": []}, "running", ""),
            ({"seconds": 0}, "not_billable", ""),
            ({"seconds": 0, "project_id": None}, "not_billable", ""),
            ({"seconds": 1}, "open", ""),
            ({"billable": False}, "open", ""),
            ({"tags": ["intern"]}, "not_billable", ""),
            ({"tags": ["Advice", " INTERN "]}, "not_billable", ""),
            ({"tags": ["intern"], "project_id": None}, "not_billable", ""),
            ({"project_id": None}, "attention", "no_project"),
            ({"project_id": None, "tags": []}, "attention", "no_project"),
            ({"project_id": 603}, "attention", "no_client"),
            ({"tags": []}, "attention", "no_tag"),
            ({"tags": ["Nothing"]}, "attention", "unknown_tag"),
            ({"tags": ["Orphan"]}, "attention", "unknown_product"),
            ({"tags": ["Advice", "Books"]}, "attention", "several_products"),
            ({"tags": ["Advice", "Nothing"]}, "open", ""),
            ({"tags": [" adv "]}, "open", ""),
            ({"tags": ["FREE"]}, "attention", "no_price"),
            ({"tags": ["FINE"]}, "attention", "price_decimals"),
            ({"tags": ["OLD"]}, "attention", "vat_rate"),
            ({"project_id": 604}, "attention", "no_vat"),
            ({"project_id": 605}, "attention", "invalid_vat"),
            ({"project_id": 606}, "attention", "several_vats"),
            ({"project_id": 607}, "attention", "several_customers"),
            ({"project_id": 608}, "attention", "foreign_vat"),
            # The first reason in the order of the rules is the one that is shown.
            ({"project_id": 604, "tags": []}, "attention", "no_vat"),
            ({"project_id": 608, "tags": []}, "attention", "no_tag"),
        ],
    ),
    "flagged": (
        {"billable": "flagged"},
        [
            ({"billable": True}, "open", ""),
            ({"billable": False}, "not_billable", ""),
            ({"billable": False, "project_id": None}, "not_billable", ""),
            ({"billable": False, "running": True}, "running", ""),
        ],
    ),
    "default product": (
        {"default_product": "CPT"},
        [({"tags": []}, "open", ""), ({"tags": ["Nothing"]}, "open", ""), ({"tags": ["Advice"]}, "open", "")],
    ),
    "three decimals": ({"price_decimals": 3}, [({"tags": ["FINE"]}, "open", "")]),
}


@pytest.mark.parametrize("name", JUDGED)
def test_the_state_of_an_entry(scene: Load, name: str) -> None:
    rules, cases = JUDGED[name]
    twin = enterprise_number(44)
    scene(
        entries=[entry(serial, **given) for serial, (given, _, _) in enumerate(cases)],
        clients=[
            client(GARAGE, f"Garage {GARAGE_NUMBER}"),
            client(504, "Nameless"),
            client(505, "Wrong BE0999999999"),
            client(506, f"Both {GARAGE_NUMBER} {BAKERY_NUMBER}"),
            client(507, f"Twin {twin}"),
            client(508, "Abroad NL123456782B90"),
        ],
        projects=[
            project(GARAGE_PROJECT, "Garage", GARAGE),
            project(603, "Nobody's", None),
            *(project(100 + number, f"Of {number}", number) for number in range(504, 509)),
        ],
        products=[
            product(0, "ADV", "Advice"),
            product(1, "CPT", "Bookkeeping", "60.00"),
            product(2, "FREE", "Free", "0.00"),
            product(3, "FINE", "Fine", "60.125"),
            product(4, "OLD", "Old", "60.00", vat="20.00"),
        ],
        parties=[party(GARAGE_PARTY, "Garage", GARAGE_NUMBER), party(81, "One", twin), party(82, "Other", twin)],
        tags=[
            {"tag": "Advice", "product": "ADV"},
            {"tag": "Books", "product": "CPT"},
            {"tag": "intern", "bill": False},
            {"tag": "Orphan", "product": "GONE"},
        ],
        **rules,
    )
    seconds = [given.get("seconds", 0 if given.get("running") else 3600) for given, _, _ in cases]
    assert [(*state(serial), row(serial).seconds) for serial in range(len(cases))] == [
        (expected, reason, duration) for (_, expected, reason), duration in zip(cases, seconds, strict=True)
    ]


def test_an_entry_before_the_start_has_no_row_and_one_on_the_day_has(scene: Load) -> None:
    scene(
        entries=[entry(1, "2026-09-30T21:59:59+00:00"), entry(2, "2026-09-30T22:00:00+00:00")],
        start="2026-10-01",
    )
    assert not LedgerRow.objects.filter(entry__remote_id=FIRST_ENTRY + 1).exists()
    assert (state(2), str(row(2).day)) == (("open", ""), "2026-10-01")


def test_an_entry_moved_before_the_start_leaves_the_books_and_returns(scene: Load) -> None:
    made = scene(entries=[entry(1, "2026-10-05")], start="2026-10-01")
    edit(made, start="2026-09-30T10:00:00Z", stop="2026-09-30T11:00:00Z")
    assert LedgerRow.objects.count() == 0
    edit(made, start="2026-10-02T10:00:00Z", stop="2026-10-02T11:00:00Z")
    assert (state(), str(row().day)) == (("open", ""), "2026-10-02")


def test_a_deleted_entry_is_deleted_and_returns(scene: Load) -> None:
    made = scene(entries=[entry(1), entry(2, "2026-10-06")])
    made.control.delete_entries(FIRST_ENTRY + 1)
    made.later(minutes=10)
    made.sync()
    assert (state(1), row(1).seconds, state(2)) == (("deleted", ""), 3600, ("open", ""))
    edit(made, server_deleted_at=None)
    assert state() == ("open", "")


@pytest.mark.slow
def test_each_entry_stands_once_whatever_is_derived_again(scene: Load) -> None:
    made = scene("demo")
    inside = LedgerRow.objects.count()
    assert inside > 1400
    before = list(LedgerRow.objects.order_by("entry").values_list("entry", "dossier", "state", "reason", "seconds"))
    Entry.objects.update(marked_at=timezone.now())
    assert derive.derive_marked(now=timezone.now()) == Entry.objects.count()
    after = list(LedgerRow.objects.order_by("entry").values_list("entry", "dossier", "state", "reason", "seconds"))
    assert after == before
    assert Entry.objects.filter(marked_at__isnull=False).count() == 0
    reasons = set(LedgerRow.objects.exclude(reason="").values_list("reason", flat=True))
    # These come only of a change after the first sync, of an agreement, of a mapping to a party that is gone, or of an
    # earlier version.
    assert {str(reason) for reason in Reason} - reasons <= {
        *("client_vat_changed", "unknown_customer", "customer_changed", "contradicting_mappings", "billed_elsewhere"),
        *("treatment_number", "small_enterprise", "left_agreement"),
    }
    assert made.firm.slug == "fiduciaire"


def test_several_dossiers_of_one_workspace_share_its_entries_disjointly(scene: Load) -> None:
    table = {"toggl": "main", "workspace": WORKSPACE, "billit": "main", "company": COMPANY, "start": "2026-09-01"}
    tags = [{"tag": "Advice", "product": "ADV"}]
    scene(
        entries=[
            entry(1),
            entry(2, project_id=BAKERY_PROJECT),
            entry(3, project_id=603),
            entry(4, project_id=None),
            entry(5, project_id=604),
            entry(6, "2026-09-10", project_id=BAKERY_PROJECT),
            entry(7, seconds=0, project_id=603),
        ],
        clients=[
            client(GARAGE, f"Garage {GARAGE_NUMBER}"),
            client(BAKERY, f"Bakery {BAKERY_NUMBER}"),
            client(503, f"Florist {OTHER_NUMBER}"),
        ],
        projects=[
            project(GARAGE_PROJECT, "Garage", GARAGE),
            project(BAKERY_PROJECT, "Bakery", BAKERY),
            project(603, "Florist", 503),
            project(604, "Nobody's", None),
        ],
        dossiers=[
            {"key": "first", **table, "clients": [GARAGE], "tags": tags},
            {"key": "second", **table, "start": "2026-10-01", "clients": [BAKERY], "tags": tags},
        ],
    )
    found = {
        entry_id - FIRST_ENTRY: (dossier, held, reason)
        for entry_id, dossier, held, reason in LedgerRow.objects.values_list(
            "entry__remote_id", "dossier__key", "state", "reason"
        )
    }
    assert found == {
        1: ("first", "open", ""),
        2: ("second", "open", ""),
        3: ("first", "attention", "unassigned_client"),
        4: ("first", "attention", "no_project"),
        5: ("first", "attention", "no_client"),
        7: ("first", "not_billable", ""),
    }  # 6 lies before the second dossier's start


@pytest.mark.slow
@pytest.mark.parametrize("decision", ["held", "written_off"])
def test_a_decision_stays_through_changes_and_ends_with_a_deletion(scene: Load, decision: str) -> None:
    made = scene(entries=[entry(1)])
    LedgerRow.objects.update(decision=decision, decision_text="asked the client", state=decision)
    edit(made, stop="2026-10-05T11:00:00Z")
    assert (state(), row().seconds, row().decision_text) == ((decision, ""), 7200, "asked the client")
    edit(made, tags=[])  # an attention otherwise
    assert state() == (decision, "")
    made.later(minutes=10)
    made.control.delete_entries(FIRST_ENTRY + 1)
    made.sync()
    assert state() == ("deleted", "")


def test_a_decision_does_not_hold_a_running_or_unbillable_entry(scene: Load) -> None:
    made = scene(entries=[entry(1)])
    LedgerRow.objects.update(decision="held", decision_text="asked the client", state="held")
    made.control.switch(toggl_running_in_reports=True)
    edit(made, stop=None)
    assert state() == ("running", "")


def test_a_changed_price_rederives_the_unbilled_only(scene: Load) -> None:
    made = scene(entries=[entry(1), entry(2, "2026-11-03"), entry(3, "2026-11-03", tag="Books")])
    invoice = made.posted()
    before = {serial: row(serial).price for serial in (1, 2, 3)}
    assert before == {1: Decimal(95), 2: Decimal(95), 3: Decimal(60)}
    made.later(minutes=10)
    made.control.put_billit("products", {"ProductID": 60_001, "AmountExcl": 105})
    sync.sync_company(company=made.dossier.company, now=timezone.now())
    assert Company.objects.get().marked_at == timezone.now()
    # 1 is invoiced; 2 and 3 are judged again.
    assert derive.derive_marked(now=timezone.now()) == 2
    assert {serial: row(serial).price for serial in (1, 2, 3)} == {1: Decimal(95), 2: Decimal(105), 3: Decimal(60)}
    assert (row(1).correction_text, invoice.lines.get().unit_price) == ("", Decimal(95))
    assert Company.objects.get().marked_at is None
    assert derive.derive_marked(now=timezone.now()) == 0


def test_a_product_that_loses_its_price_or_goes_makes_its_hours_attention(scene: Load) -> None:
    made = scene(entries=[entry(1)])
    made.control.put_billit("products", {"ProductID": 60_001, "AmountExcl": 0})
    made.later(minutes=10)
    made.sync()
    assert state() == ("attention", "no_price")
    made.control.put_billit("products", {"ProductID": 60_001, "AmountExcl": 95, "Reference": "ADVX"})
    made.later(minutes=10)
    made.sync()
    assert state() == ("attention", "unknown_product")


def test_a_changed_rule_rederives_the_dossier(scene: Load) -> None:
    made = scene(entries=[entry(1, billable=False)])
    made.rules(billable="flagged")
    assert derive.derive_marked(now=timezone.now()) == 1
    assert state() == ("not_billable", "")


def test_a_changed_mapping_of_a_person_rederives_their_hours(scene: Load) -> None:
    """The tag of both leads everybody to 95.00; 60.00 is Kim's rate for it, until it is taken away."""
    made = scene(entries=[entry(1), entry(2)])
    kim = 9009
    Entry.objects.filter(remote_id=FIRST_ENTRY + 1).update(person_remote_id=kim)

    def rates() -> list[Decimal | None]:
        return [row(1).price, row(2).price]

    books = made.dossier.tag_mappings.get(tag="Books").product_reference
    map_tags(dossier=made.dossier, rules=[TagRule("ADVICE", books, person=kim)], by=Actor.command(), now=timezone.now())
    assert derive.derive_marked(now=timezone.now()) == 2
    assert rates() == [Decimal(60), Decimal(95)]
    # A mapping for everybody leaves the person's; without it they go with everybody.
    made.later(minutes=10)
    map_tags(dossier=made.dossier, rules=[TagRule("Advice", "GONE")], by=Actor.command(), now=timezone.now())
    derive.derive_marked(now=timezone.now())
    assert [(row(1).state, row(1).price), (row(2).state, row(2).reason)] == [
        ("open", Decimal(60)),
        ("attention", "unknown_product"),
    ]
    made.later(minutes=10)
    assert unmap_tags(dossier=made.dossier, tags=[("advice", kim)], by=Actor.command(), now=timezone.now()) == 1
    derive.derive_marked(now=timezone.now())
    assert [row(1).reason, row(2).reason] == ["unknown_product", "unknown_product"]


def test_derive_goes_on_until_nothing_is_marked(scene: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derive, "_CHUNK", 4)
    made = scene(entries=[entry(serial, "2026-11-02", seconds=60) for serial in range(10)])
    assert LedgerRow.objects.filter(state="open").count() == 10
    Entry.objects.update(marked_at=timezone.now())
    assert derive.derive(workspace=made.dossier.workspace, now=timezone.now()) == 10
    assert not Entry.objects.filter(marked_at__isnull=False).exists()


def test_a_workspace_without_a_dossier_has_no_ledger(scene: Load) -> None:
    made = scene(entries=[entry(1)])
    LedgerRow.objects.all().delete()
    ClientMapping.objects.all().delete()
    workspace = made.dossier.workspace
    Dossier.objects.all().delete()
    Entry.objects.update(marked_at=timezone.now())
    assert derive.derive(workspace=workspace, now=timezone.now()) == 1
    assert LedgerRow.objects.count() == 0
