"""Dossiers and mappings in the admin: refused with a sentence, or changed through the verb."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from integrations.models import Entry, Workspace
from invoicing.models import ClientMapping, Dossier, DossierClient, TagMapping
from tests.factories import (
    NOW,
    ClientFactory,
    ClientMappingFactory,
    DossierClientFactory,
    DossierFactory,
    EntryFactory,
    FirmFactory,
    InvoiceFactory,
    LedgerRowFactory,
    TagMappingFactory,
    WorkspaceFactory,
    enterprise_number,
)
from tests.visitors import address, events, inputs, managed, staff
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return DossierFactory(firm=firm, key="bakery", name="Bakery")


def dossier_form(dossier: Dossier, **more: Any) -> dict[str, Any]:
    fields = {
        "name": dossier.name,
        "start_date": "2026-09-01",
        "billable": "all",
        "group_by": "product",
        "rounding_minutes": 0,
        "rounding_direction": "up",
        "rounding_level": "entry",
        "rounding_minimum": 0,
        "every": "manual",
        "mode": "review",
        "price_decimals": 2,
        "longest_hours": 16,
        "deviation": 0,
        "price_day": "draft",
        "payment_days": 30,
    }
    for prefix in ("tag_mappings", "client_mappings", "named_clients"):
        fields |= managed(prefix, [])
    return fields | more


def marked(dossier: Dossier) -> int:
    return Entry.objects.filter(workspace=dossier.workspace, marked_at__isnull=False).count()


def test_tag_mapping_added_is_audited_and_marks_the_entries(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, tags=["Advies"], entry__marked_at=None)
    other = EntryFactory()
    form = {"dossier": dossier.pk, "tag": "  Advies ", "bill": "on", "product_reference": " ADV ", "priority": 10}
    assert staff(firm).post(address(TagMapping, "add"), form).status_code == 302
    row = TagMapping.objects.get()
    assert (row.firm, row.tag, row.tag_key, row.product_reference) == (firm, "Advies", "advies", "ADV")
    new = {"tag": "Advies", "bill": True, "product": "ADV", "priority": 10}
    assert events(firm) == [("mapping_changed", "dossier bakery", {"old": None, "new": new})]
    assert marked(dossier) == 1
    other.refresh_from_db()
    assert other.marked_at is None


def test_tag_mapping_changed_keeps_old_and_new(firm: Firm) -> None:
    row = TagMappingFactory(dossier__firm=firm, tag="intern")
    form = {"tag": "intern", "product_reference": "", "priority": ""}
    assert staff(firm).post(address(TagMapping, "change", row.pk), form).status_code == 302
    [(kind, _subject, data)] = events(firm)
    assert kind == "mapping_changed"
    assert data["old"] == {"tag": "intern", "bill": True, "product": "ADV", "priority": None}
    assert data["new"] == {"tag": "intern", "bill": False, "product": "", "priority": None}


def test_tag_mapping_saved_as_it_was_is_no_event(firm: Firm) -> None:
    row = TagMappingFactory(dossier__firm=firm, tag="intern")
    EntryFactory(workspace=row.dossier.workspace)
    form = {"tag": "intern", "bill": "on", "product_reference": "ADV", "priority": ""}
    assert staff(firm).post(address(TagMapping, "change", row.pk), form).status_code == 302
    assert events(firm) == []
    assert marked(row.dossier) == 0


def test_tag_mapping_that_was_contradicted_says_so_and_is_settled_by_saving_it(firm: Firm) -> None:
    other = {"tag": "int\u00adern", "bill": False, "product": "", "priority": None}
    row = TagMappingFactory(dossier__firm=firm, tag="intern", contradicted_by=[other])
    page = staff(firm).get(address(TagMapping, "change", row.pk)).content.decode()
    assert "“int\u00adern” → do not bill" in page
    form = {"tag": "intern", "bill": "on", "product_reference": "ADV", "priority": ""}
    assert staff(firm).post(address(TagMapping, "change", row.pk), form).status_code == 302
    row.refresh_from_db()
    assert (row.product_reference, row.contradicted_by) == ("ADV", [])


def test_tag_mappings_deleted_at_once_are_audited_each(firm: Firm, dossier: Dossier) -> None:
    rows = [TagMappingFactory(dossier=dossier) for _ in range(2)]
    form = {"action": "delete_selected", "_selected_action": [row.pk for row in rows], "post": "yes"}
    assert staff(firm).post(address(TagMapping, "changelist"), form).status_code == 302
    assert not TagMapping.objects.exists()
    assert [(kind, data["new"]) for kind, _subject, data in events(firm)] == [("mapping_changed", None)] * 2


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"tag": "ADVIES", "bill": "on", "product_reference": "X"}, "The dossier maps this tag already"),
        ({"tag": "New", "bill": "on", "product_reference": ""}, "Name the product that the tag leads to"),
        ({"tag": "New", "product_reference": "X"}, "A tag that is not billed leads to no product"),
    ],
)
def test_tag_mapping_refused_with_a_sentence(
    fields: dict[str, str], sentence: str, firm: Firm, dossier: Dossier
) -> None:
    TagMappingFactory(dossier=dossier, tag="Advies")
    answer = staff(firm).post(address(TagMapping, "add"), {"dossier": dossier.pk} | fields)
    assert sentence in answer.content.decode()
    assert TagMapping.objects.count() == 1


@pytest.mark.parametrize("typed", ["BE 0999.000.030", "0999000030", "be0999000030"])
def test_client_mapping_number_is_normalised(typed: str, firm: Firm, dossier: Dossier) -> None:
    form = {"dossier": dossier.pk, "client_remote_id": 501, "number": typed}
    assert staff(firm).post(address(ClientMapping, "add"), form).status_code == 302
    assert ClientMapping.objects.get().number == enterprise_number(0)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"number": "BE0999000031"}, "“BE0999000031” is not a valid VAT or Belgian enterprise number"),
        ({"number": "BE0999000030", "customer_party_id": 88001}, "Give the number or the PartyID, not both."),
        ({"client_remote_id": 777}, "The dossier maps this client already"),
        ({"client_remote_id": 999}, "has no client 999 in Toggl"),
    ],
)
def test_client_mapping_refused_with_a_sentence(
    fields: dict[str, Any], sentence: str, firm: Firm, dossier: Dossier
) -> None:
    ClientFactory(workspace=dossier.workspace, remote_id=501)
    ClientFactory(workspace=dossier.workspace, remote_id=777)
    ClientMappingFactory(dossier=dossier, client_remote_id=777)
    form = {"dossier": dossier.pk, "client_remote_id": 501} | fields
    assert sentence in staff(firm).post(address(ClientMapping, "add"), form).content.decode()
    assert ClientMapping.objects.count() == 1


def test_client_mapping_that_a_person_typed_is_no_proposal(firm: Firm) -> None:
    row = ClientMappingFactory(dossier__firm=firm, is_proposed=True)
    browser = staff(firm)
    form = {"client_remote_id": row.client_remote_id, "number": row.number, "treatment": "eu_services"}
    browser.post(address(ClientMapping, "change", row.pk), form)
    row.refresh_from_db()
    assert (row.treatment, row.is_proposed) == ("eu_services", True)
    form |= {"number": "", "customer_party_id": 88001}
    browser.post(address(ClientMapping, "change", row.pk), form)
    row.refresh_from_db()
    assert (row.number, row.customer_party_id, row.is_proposed) == ("", 88001, False)


def test_dossier_added_gets_the_firm_and_is_read_from_its_start(firm: Firm) -> None:
    workspace = WorkspaceFactory(firm=firm)
    company = DossierFactory(firm=firm).company
    fields = {"key": "new", "workspace": workspace.pk, "company": company.pk, "every": "monthly", "day": 1}
    form = dossier_form(Dossier(name="New"), **fields) | managed("tag_mappings", [{"tag": "Intern"}])
    answer = staff(firm).post(address(Dossier, "add"), form)
    assert answer.status_code == 302
    dossier = Dossier.objects.get(key="new")
    assert (dossier.firm, dossier.workspace, dossier.due_at is not None) == (firm, workspace, True)
    assert str(Workspace.objects.get(pk=workspace.pk).read_from) == "2026-09-01"
    assert dossier.tag_mappings.get().tag_key == "intern"
    kinds = [(kind, data["old"]) for kind, _subject, data in events(firm)]
    assert kinds == [("rule_changed", None), ("mapping_changed", None)]


def test_dossier_rules_changed_are_audited_and_mark_the_entries(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, tags=["Advies"], entry__marked_at=None)
    form = dossier_form(dossier, rounding_minutes=15, every="weekly", day=1)
    assert staff(firm).post(address(Dossier, "change", dossier.pk), form).status_code == 302
    [(kind, subject, data)] = events(firm)
    assert (kind, subject) == ("rule_changed", "dossier bakery")
    assert (data["old"]["rounding"]["minutes"], data["new"]["rounding"]["minutes"]) == (0, 15)
    assert data["new"]["schedule"] == {"every": "weekly", "weekday": 1}
    assert marked(dossier) == 1
    dossier.refresh_from_db()
    assert dossier.due_at is not None
    assert dossier.due_at.astimezone(firm.zone).isoweekday() == 1


def test_dossier_saved_as_it_was_is_no_event(firm: Firm, dossier: Dossier) -> None:
    assert staff(firm).post(address(Dossier, "change", dossier.pk), dossier_form(dossier)).status_code == 302
    assert events(firm) == []


def test_dossier_short_name_is_taken_once_in_a_firm(firm: Firm, dossier: Dossier) -> None:
    fields = {"key": "bakery", "workspace": dossier.workspace_id, "company": dossier.company_id}
    answer = staff(firm).post(address(Dossier, "add"), dossier_form(dossier, **fields))
    assert "The firm already has a dossier of this short name" in answer.content.decode()


def test_dossier_start_is_locked_once_it_has_invoiced(firm: Firm, dossier: Dossier) -> None:
    browser, path = staff(firm), address(Dossier, "change", dossier.pk)
    assert 'name="start_date"' in browser.get(path).content.decode()
    InvoiceFactory(dossier=dossier)
    assert 'name="start_date"' not in browser.get(path).content.decode()
    browser.post(path, dossier_form(dossier, start_date="2026-01-01"))
    dossier.refresh_from_db()
    assert str(dossier.start_date) == "2026-09-01"


def test_dossier_inline_refuses_a_tag_twice(firm: Firm, dossier: Dossier) -> None:
    rows = [{"tag": "Intern"}, {"tag": "intern "}]
    form = dossier_form(dossier) | managed("tag_mappings", rows)
    answer = staff(firm).post(address(Dossier, "change", dossier.pk), form)
    assert "This row stands here twice." in answer.content.decode()
    assert not TagMapping.objects.exists()


def test_dossier_inline_saves_and_deletes_through_the_verb(firm: Firm, dossier: Dossier) -> None:
    row = TagMappingFactory(dossier=dossier, tag="Old")
    rows: list[dict[str, Any]] = [
        {"id": row.pk, "tag": "Old", "DELETE": "on"},
        {"tag": "New", "bill": "on", "product_reference": "ADV"},
    ]
    form = dossier_form(dossier) | managed("tag_mappings", rows, before=1)
    assert staff(firm).post(address(Dossier, "change", dossier.pk), form).status_code == 302
    assert [(kind, data["old"], data["new"]) for kind, _subject, data in events(firm)] == [
        ("mapping_changed", {"tag": "Old", "bill": True, "product": "ADV", "priority": None}, None),
        ("mapping_changed", None, {"tag": "New", "bill": True, "product": "ADV", "priority": None}),
    ]


def test_dossier_clients_are_rules_and_disjoint(firm: Firm, dossier: Dossier) -> None:
    other = DossierFactory(firm=firm, workspace=dossier.workspace, name="Other")
    DossierClientFactory(dossier=other, client_remote_id=502)
    browser, path = staff(firm), address(Dossier, "change", dossier.pk)
    answer = browser.post(path, dossier_form(dossier) | managed("named_clients", [{"client_remote_id": 502}]))
    assert "Dossier “Other” bills this client already." in answer.content.decode()
    assert events(firm) == []
    browser.post(path, dossier_form(dossier) | managed("named_clients", [{"client_remote_id": 501}]))
    row = DossierClient.objects.get(dossier=dossier)
    assert (row.firm, row.workspace, row.client_remote_id) == (firm, dossier.workspace, 501)
    [(kind, _subject, data)] = events(firm)
    assert (kind, data["old"]["clients"], data["new"]["clients"]) == ("rule_changed", [], [501])


def test_start_moved_back_has_the_older_hours_read(firm: Firm, dossier: Dossier) -> None:
    later = NOW + timedelta(days=3650)
    read = {"read_from": "2026-09-01", "reread_at": NOW, "next_sync_at": later}
    Workspace.objects.filter(pk=dossier.workspace_id).update(**read)
    browser, path = staff(firm), address(Dossier, "change", dossier.pk)
    browser.post(path, dossier_form(dossier, name="Other", start_date="2026-09-02"))
    workspace = Workspace.objects.get(pk=dossier.workspace_id)
    assert (str(workspace.read_from), workspace.reread_at, workspace.next_sync_at) == ("2026-09-02", NOW, later)
    browser.post(path, dossier_form(dossier, start_date="2026-08-01"))
    workspace.refresh_from_db()
    assert (str(workspace.read_from), workspace.reread_at) == ("2026-08-01", None)
    assert workspace.next_sync_at is not None
    assert workspace.next_sync_at < later


def test_mapping_that_names_another_tag_stays_the_same_row(firm: Firm, dossier: Dossier) -> None:
    row = TagMappingFactory(dossier=dossier, tag="Advies")
    form = {"tag": "Advice", "bill": "on", "product_reference": "ADV", "priority": "", "_continue": "yes"}
    answer = staff(firm).post(address(TagMapping, "change", row.pk), form)
    assert answer["Location"] == f"/f/ours{address(TagMapping, 'change', row.pk)}"
    row.refresh_from_db()
    assert (row.tag, row.tag_key) == ("Advice", "advice")
    [(_kind, _subject, data)] = events(firm)
    assert (data["old"]["tag"], data["new"]["tag"]) == ("Advies", "Advice")


def test_a_form_opened_before_a_colleagues_change_puts_nothing_back(firm: Firm, dossier: Dossier) -> None:
    TagMappingFactory(dossier=dossier, tag="One", product_reference="ADV")
    browser, path = staff(firm), address(Dossier, "change", dossier.pk)
    (read,) = inputs(browser.get(path).content.decode(), "read")
    Dossier.objects.filter(pk=dossier.pk).update(auto_limit="250.00")
    form = dossier_form(dossier, name="Other", read=read)
    answer = browser.post(path, form)
    assert answer.status_code == 409
    assert "250" in answer.content.decode()
    # Nor does the trial of it.
    assert browser.post(path, form | {"_try": "Try on last month"}).status_code == 409
    assert browser.post(path, form | {"read": ""}).status_code == 400
    dossier.refresh_from_db()
    assert (dossier.name != "Other", str(dossier.auto_limit), events(firm)) == (True, "250.00", [])


@pytest.mark.parametrize("gone", [False, True])
def test_a_mapping_that_a_colleague_changed_is_read_first(firm: Firm, dossier: Dossier, gone: bool) -> None:
    row = TagMappingFactory(dossier=dossier, tag="One", product_reference="ADV")
    browser, path = staff(firm), address(Dossier, "change", dossier.pk)
    (of_dossier,) = inputs(browser.get(path).content.decode(), "read")
    (of_row,) = inputs(browser.get(address(TagMapping, "change", row.pk)).content.decode(), "read")
    new = {"tag": "Two", "tag_key": "two"} if gone else {"product_reference": "FIS"}
    TagMapping.objects.filter(pk=row.pk).update(**new)
    form = {"tag": "One", "bill": "on", "product_reference": "CPT", "priority": "", "read": of_row}
    assert browser.post(address(TagMapping, "change", row.pk), form).status_code == 409
    assert browser.post(path, dossier_form(dossier, read=of_dossier)).status_code == 409
    assert events(firm) == []


def test_inline_rows_are_renamed_changed_and_added_at_once(firm: Firm, dossier: Dossier) -> None:
    one = TagMappingFactory(dossier=dossier, tag="One", product_reference="ADV")
    two = TagMappingFactory(dossier=dossier, tag="Two", product_reference="FIS")
    rows: list[dict[str, Any]] = [
        {"id": one.pk, "tag": "Three", "bill": "on", "product_reference": "ADV"},
        {"id": two.pk, "tag": "Two", "bill": "on", "product_reference": "CPT", "priority": 5},
        {"tag": "One", "bill": "on", "product_reference": "NEW"},
    ]
    form = dossier_form(dossier) | managed("tag_mappings", rows, before=2)
    answer = staff(firm).post(address(Dossier, "change", dossier.pk), form)
    # A tag that another row still has in the books is refused, and nothing is written.
    assert "The dossier maps this tag already" in answer.content.decode()
    assert events(firm) == []
    rows[2]["tag"] = "Four"
    form = dossier_form(dossier) | managed("tag_mappings", rows, before=2)
    assert staff(firm).post(address(Dossier, "change", dossier.pk), form).status_code == 302
    found = list(TagMapping.objects.order_by("pk").values_list("pk", "tag", "product_reference", "priority"))
    assert found[:2] == [(one.pk, "Three", "ADV", None), (two.pk, "Two", "CPT", 5)]
    assert found[2][1:] == ("Four", "NEW", None)
    assert len(events(firm)) == 3


def test_emptied_number_that_was_read_in_the_name_is_taken_away(firm: Firm) -> None:
    row = ClientMappingFactory(dossier__firm=firm, is_proposed=True)
    form = {"client_remote_id": row.client_remote_id, "number": "", "treatment": "domestic"}
    assert staff(firm).post(address(ClientMapping, "change", row.pk), form).status_code == 302
    row.refresh_from_db()
    assert (row.number, row.is_proposed, row.treatment) == ("", False, "domestic")


def test_dossier_that_bills_a_whole_workspace_beside_another_is_refused(firm: Firm, dossier: Dossier) -> None:
    other = DossierFactory(firm=firm, workspace=dossier.workspace, key="other")
    DossierClientFactory(dossier=other, client_remote_id=502)
    browser, path = staff(firm), address(Dossier, "change", other.pk)
    sentence = f"Dossier bakery bills the whole workspace {dossier.workspace.remote_id} too"
    gone = [{"id": other.named_clients.get().pk, "client_remote_id": 502, "DELETE": "on"}]
    answer = browser.post(path, dossier_form(other) | managed("named_clients", gone, before=1))
    assert sentence in answer.content.decode()
    assert other.named_clients.count() == 1


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"payment_days": 366}, "“366” is out of range; use a whole number from 0 to 365."),
        ({"rounding_minutes": 1441}, "“1441” is out of range; use a whole number from 0 to 1440."),
        ({"name": "a\x0bb"}, "Holds control characters, such as a line break; write it on one line."),
        ({"every": "weekly", "day": 8}, "“8” is out of range; use a whole number from 1 to 7."),
        ({"every": "weekly"}, "Give the day of the week: 1 (Monday) to 7."),
        ({"every": "monthly"}, "Give the day of the month: 1 to 28."),
    ],
)
def test_dossier_is_refused_as_in_a_file(fields: dict[str, Any], sentence: str, firm: Firm, dossier: Dossier) -> None:
    answer = staff(firm).post(address(Dossier, "change", dossier.pk), dossier_form(dossier, **fields))
    assert sentence in answer.content.decode()
    assert events(firm) == []
