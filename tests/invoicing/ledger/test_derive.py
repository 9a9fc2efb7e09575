"""The ledger: each entry in exactly one state, re-derived for what a change touches, and steady after billing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from integrations.mirror import sync
from integrations.models import Company, Entry, Project
from invoicing.ledger import derive, transitions
from invoicing.models import Claim, ClientMapping, CustomerPin, Dossier, Invoice, LedgerRow
from invoicing.rules.mapping import Reason
from tests.factories import enterprise_number
from tests.invoicing.scene import Record, Scene
from tests.worlds import (
    BAKERY,
    BAKERY_NUMBER,
    BAKERY_PARTY,
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

Load = Callable[..., Scene]
OTHER_NUMBER = enterprise_number(77)


def row(serial: int = 1) -> LedgerRow:
    return LedgerRow.objects.select_related("entry").get(entry__remote_id=FIRST_ENTRY + serial)


def state(serial: int = 1) -> tuple[str, str]:
    found = row(serial)
    return found.state, found.reason


def edit(scene: Scene, serial: int = 1, **changes: Any) -> None:
    """Somebody changes an entry in Toggl, and the next sync reads it."""
    scene.later(minutes=10)
    scene.control.put_entries({"id": FIRST_ENTRY + serial, **changes})
    scene.sync()


def one_number(name: str, **changes: Any) -> Record:
    """A world in which the garage's Toggl client bears this name."""
    return {"entries": [entry(1)], "clients": [client(GARAGE, name), client(BAKERY, "Bakery")], **changes}


# --- the state of an entry --------------------------------------------------------------------------------------------


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
    # Two reasons come only of a change after the first sync, or of a mapping to a party that is gone.
    assert {str(reason) for reason in Reason} - reasons <= {"client_vat_changed", "unknown_customer"}
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


# --- customers: proposed, pinned, chosen ------------------------------------------------------------------------------


def mappings() -> dict[int, tuple[str, bool]]:
    rows = ClientMapping.objects.values_list("client_remote_id", "number", "is_proposed")
    return {client_id: (number, proposed) for client_id, number, proposed in rows}


def rename(scene: Scene, name: str) -> None:
    scene.later(minutes=10)
    scene.control.put_toggl("clients", {"id": GARAGE, "name": name})
    scene.sync()


def test_a_number_in_a_name_is_proposed_at_sync_and_told_once(scene: Load) -> None:
    made = scene()
    assert mappings() == {GARAGE: (GARAGE_NUMBER, True), BAKERY: (BAKERY_NUMBER, True)}
    made.later(minutes=10)
    made.sync()
    proposed = [event.data for event in made.events("mapping_changed")]
    read = {"customer": None, "proposed": True, "vat_treatment": "", "po": "", "buyer_reference": ""}
    assert proposed == [
        {"old": None, "new": {"client": GARAGE, "vat": GARAGE_NUMBER} | read},
        {"old": None, "new": {"client": BAKERY, "vat": BAKERY_NUMBER} | read},
    ]
    assert (row().buyer_key, row().buyer_name) == (f"party:{GARAGE_PARTY}", "Garage Vonk SRL")


def test_a_rename_to_another_number_does_not_repoint_it(scene: Load) -> None:
    made = scene(**one_number(f"Garage {GARAGE_NUMBER}"))
    rename(made, f"Garage {BAKERY_NUMBER}")
    assert state() == ("attention", "client_vat_changed")
    assert mappings()[GARAGE] == (GARAGE_NUMBER, True)
    rename(made, f"Garage Nieuw {GARAGE_NUMBER}")
    assert (state(), row().client_name) == (("open", ""), f"Garage Nieuw {GARAGE_NUMBER}")


@pytest.mark.parametrize("name", ["Garage", "Garage Vonk (new)", "BE0999999999 Garage"], ids=str)
def test_a_rename_to_no_number_changes_nothing(scene: Load, name: str) -> None:
    made = scene(**one_number(f"Garage {GARAGE_NUMBER}"))
    rename(made, name)
    assert (state(), row().buyer_key) == (("open", ""), f"party:{GARAGE_PARTY}")
    assert mappings()[GARAGE] == (GARAGE_NUMBER, True)


def test_a_number_that_comes_later_is_proposed_then(scene: Load) -> None:
    made = scene(**one_number("Garage"))
    assert (state(), mappings()) == (("attention", "no_vat"), {})
    rename(made, f"Garage {GARAGE_NUMBER}")
    assert (state(), mappings()) == (("open", ""), {GARAGE: (GARAGE_NUMBER, True)})


@pytest.mark.parametrize(
    ("chosen", "buyer"),
    [({"vat": BAKERY_NUMBER}, BAKERY_PARTY), ({"customer": BAKERY_PARTY}, BAKERY_PARTY)],
    ids=["number", "party"],
)
def test_an_explicit_mapping_ignores_the_name_and_every_rename(scene: Load, chosen: Record, buyer: int) -> None:
    made = scene(**one_number(f"Garage {GARAGE_NUMBER}", client_map=[{"client": GARAGE, **chosen}]))
    for name in ("Garage", f"Garage {OTHER_NUMBER}", f"{GARAGE_NUMBER} {OTHER_NUMBER}"):
        assert (state(), row().buyer_key) == (("open", ""), f"party:{buyer}")
        rename(made, name)
    assert (state(), row().buyer_key) == (("open", ""), f"party:{buyer}")
    assert {proposed for _, proposed in mappings().values()} == {False}


def test_a_mapping_to_a_party_that_billit_does_not_have_is_attention(scene: Load) -> None:
    scene(**one_number("Garage", client_map=[{"client": GARAGE, "customer": 4711}]))
    assert state() == ("attention", "unknown_customer")


def test_a_mapping_of_references_alone_leaves_the_customer_to_the_name(scene: Load) -> None:
    made = scene(**one_number(f"Garage {GARAGE_NUMBER}", client_map=[{"client": GARAGE, "po": "4500"}]))
    mapping = ClientMapping.objects.get()
    assert (mapping.number, mapping.is_proposed, mapping.purchase_order) == (GARAGE_NUMBER, True, "4500")
    assert state() == ("open", "")
    rename(made, f"Garage {OTHER_NUMBER}")
    assert state() == ("attention", "client_vat_changed")


def test_a_customer_found_by_number_is_pinned_and_stays_when_billit_gets_a_second_one(scene: Load) -> None:
    made = scene(**one_number(f"Garage {GARAGE_NUMBER}"))
    assert list(CustomerPin.objects.values_list("number", "party_id")) == [(GARAGE_NUMBER, GARAGE_PARTY)]
    made.control.put_billit("parties", party(80_099, "Twin", GARAGE_NUMBER))
    made.later(minutes=10)
    made.sync()
    edit(made, description="judged again")
    assert (state(), row().buyer_key) == (("open", ""), f"party:{GARAGE_PARTY}")


def test_a_party_chosen_for_one_client_does_not_decide_for_another_of_the_same_number(scene: Load) -> None:
    made = scene(
        entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)],
        clients=[client(GARAGE, "Garage"), client(BAKERY, f"Other garage {GARAGE_NUMBER}")],
        parties=[party(81, "One", GARAGE_NUMBER), party(82, "Twin", GARAGE_NUMBER)],
        client_map=[{"client": GARAGE, "customer": 82}],
    )
    for _ in range(2):
        assert (state(1), row(1).buyer_key) == (("open", ""), "party:82")
        assert state(2) == ("attention", "several_customers")
        edit(made, 2, description=f"judged again at {timezone.now()}")
    assert not CustomerPin.objects.exists()


def test_two_clients_of_one_customer_share_the_buyer(scene: Load) -> None:
    scene(
        entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)],
        clients=[client(GARAGE, f"Garage {GARAGE_NUMBER}"), client(BAKERY, f"Carwash 0{GARAGE_NUMBER[3:]}")],
    )
    assert row(1).buyer_key == row(2).buyer_key == f"party:{GARAGE_PARTY}"


# --- decisions of a person --------------------------------------------------------------------------------------------


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
    edit(made, stop=None)
    assert state() == ("running", "")


# --- what a change touches --------------------------------------------------------------------------------------------


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


# --- after billing ----------------------------------------------------------------------------------------------------


@pytest.fixture
def billed(scene: Load) -> Scene:
    """An hour of Advice for the garage, at Billit."""
    made = scene(entries=[entry(1)])
    made.posted()
    assert (state(), row().seconds) == (("invoiced", ""), 3600)
    return made


@pytest.mark.parametrize(
    ("change", "seconds", "correction", "text"),
    [
        ({"stop": "2026-10-05T10:30:00Z"}, 5400, 1800, ""),
        ({"stop": "2026-10-05T09:30:00Z"}, 1800, -1800, ""),
        ({"stop": "2026-10-05T09:00:00Z"}, 0, -3600, ""),
        ({"stop": None}, 0, -3600, ""),
        ({"server_deleted_at": "2026-11-20T09:00:00Z"}, 0, -3600, ""),
        ({"tags": ["Books"]}, 3600, 0, "product"),
        ({"tags": ["Advice", "Nothing"]}, 3600, 0, ""),
        ({"tags": ["adv"]}, 3600, 0, ""),
        ({"project_id": BAKERY_PROJECT}, 3600, 0, "customer"),
        ({"project_id": BAKERY_PROJECT, "tags": ["Books"]}, 3600, 0, "product, customer"),
        ({"stop": "2026-10-05T10:30:00Z", "tags": ["Books"]}, 5400, 1800, "product"),
        ({"description": "other words"}, 3600, 0, ""),
        ({"user_id": 9002}, 3600, 0, ""),
        ({"billable": False}, 3600, 0, ""),
        ({"start": "2026-10-06T09:00:00Z", "stop": "2026-10-06T10:00:00Z"}, 3600, 0, ""),
    ],
    ids=str,
)
def test_a_change_after_billing_is_a_correction_beside_the_invoice(
    billed: Scene, change: Record, seconds: int, correction: int, text: str
) -> None:
    before = Invoice.objects.values().get(), Claim.objects.values().get()
    edit(billed, **change)
    found = row()
    assert (found.state, found.seconds) == ("invoiced", seconds)
    assert (found.correction_seconds, found.correction_text) == (correction, text)
    assert (Invoice.objects.values().get(), Claim.objects.values().get()) == before
    billed.draft()
    assert Invoice.objects.count() == 1  # nothing of it is billed again


def test_a_correction_is_gone_when_the_change_is_taken_back(billed: Scene) -> None:
    edit(billed, stop="2026-10-05T10:30:00Z", tags=["Books"])
    assert (row().correction_seconds, row().correction_text) == (1800, "product")
    edit(billed, stop="2026-10-05T10:00:00Z", tags=["Advice"])
    assert (row().correction_seconds, row().correction_text) == (0, "")


def test_a_mapping_changed_after_billing_is_no_correction(billed: Scene) -> None:
    ClientMapping.objects.update(number=BAKERY_NUMBER, is_proposed=False)
    Entry.objects.update(marked_at=timezone.now())
    derive.derive_marked(now=timezone.now())
    assert (state(), row().correction_text, row().buyer_key) == (("invoiced", ""), "", f"party:{GARAGE_PARTY}")


@pytest.mark.parametrize(
    ("change", "correction", "text"),
    [
        ({"stop": "2026-10-05T10:30:00Z"}, 1800, ""),
        ({"server_deleted_at": "2026-11-20T09:00:00Z"}, -3600, ""),
        ({"tags": ["Books"]}, 0, "product"),
        ({"project_id": BAKERY_PROJECT}, 0, "customer"),
        ({"description": "other words"}, 0, ""),
    ],
    ids=str,
)
def test_what_changed_between_approval_and_posting_is_a_correction_at_once(
    scene: Load, change: Record, correction: int, text: str
) -> None:
    made = scene(entries=[entry(1)])
    invoice = made.approved()
    edit(made, **change)
    assert (row().state, row().correction_seconds, row().correction_text) == ("drafted", 0, "")
    assert made.post(invoice).status == "posted"
    assert (row().state, row().correction_seconds, row().correction_text) == ("invoiced", correction, text)
    assert Entry.objects.filter(marked_at__isnull=False).count() == 0


def test_a_project_given_to_another_client_between_approval_and_posting_is_a_correction(scene: Load) -> None:
    made = scene(entries=[entry(1)])
    invoice = made.approved()
    made.control.put_toggl("projects", {"id": GARAGE_PROJECT, "client_id": BAKERY})
    made.later(minutes=10)
    made.sync()
    assert Project.objects.get(remote_id=GARAGE_PROJECT).client_remote_id == BAKERY
    made.post(invoice)
    assert (row().state, row().correction_text) == ("invoiced", "customer")


def test_a_draft_stays_drafted_through_changes_and_is_free_again_when_void(scene: Load) -> None:
    made = scene(entries=[entry(1)])
    made.draft()
    assert state() == ("drafted", "")
    edit(made, tags=[])
    assert state() == ("drafted", "")
    from_invoice = Invoice.objects.get()
    transitions.release(claims=Claim.objects.filter(line__invoice=from_invoice), now=timezone.now())
    derive.derive_marked(now=timezone.now())
    assert state() == ("attention", "no_tag")
    assert Claim.objects.get().released_at == timezone.now()
