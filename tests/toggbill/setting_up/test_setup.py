"""The set-up guide over HTTP: which step is next follows from the rows, and each form does its step."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import Settings

from integrations.models import Company, Connection, Workspace
from integrations.sandbox.process import Process
from invoicing import tasks
from invoicing.models import Dossier, LedgerRow
from tests.factories import (
    ConnectionFactory,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    LedgerRowFactory,
    MembershipDossierFactory,
    MembershipFactory,
    WorkspaceFactory,
)
from tests.toggbill.setting_up.furnished import furnished
from tests.visitors import Tab, browser_of, events, inputs, signed_in, text, words
from tests.worlds import ANOTHER_WORKSPACE, API_KEY, NOW, TOKEN, WORKSPACE, entry, small_world, with_another_workspace
from toggbill.firms.models import Firm, Membership
from toggbill.setting_up import steps

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm", language="en")


def how(firm: Firm) -> dict[str, str]:
    member = Membership.objects.filter(firm=firm, role="owner").first() or MembershipFactory(firm=firm)
    return {step.name: step.how for step in steps.guide(member, now=NOW).steps}


# --- which step is next ---------------------------------------------------------------------------------------------


def test_steps_follow_from_the_rows(firm: Firm) -> None:
    assert how(firm)["toggl"] == "now"
    workspace = WorkspaceFactory(firm=firm)
    assert (how(firm)["toggl"], how(firm)["billit"]) == ("done", "now")
    dossier = DossierFactory(firm=firm, workspace=workspace)
    Workspace.objects.update(reread_at=None)
    assert (how(firm)["billit"], how(firm)["dossier"], how(firm)["read"]) == ("done", "done", "now")
    assert how(firm)["tags"] == "todo"
    Workspace.objects.update(reread_at=NOW)
    Company.objects.update(synced_at=None)
    assert how(firm)["read"] == "now"
    Company.objects.update(synced_at=NOW)
    assert [how(firm)[name] for name in ("read", "tags", "clients", "draft", "invoice")] == [
        "done",
        "done",
        "done",
        "now",
        "todo",
    ]
    row = LedgerRowFactory(dossier=dossier, reason="unknown_tag")
    assert [how(firm)[name] for name in ("tags", "clients", "draft")] == ["now", "done", "open"]
    LedgerRow.objects.filter(pk=row.pk).update(reason="no_vat")
    assert [how(firm)[name] for name in ("tags", "clients", "draft")] == ["done", "now", "open"]
    LedgerRow.objects.filter(pk=row.pk).update(reason="no_project")
    invoice = InvoiceFactory(dossier=dossier)
    assert (how(firm)["draft"], how(firm)["invoice"]) == ("done", "now")
    InvoiceFactory(dossier=dossier, status="posted")
    # An agreement is made by those who have one: the guide offers it, and is done without.
    assert how(firm)["agreements"] == "open"
    assert {state for name, state in how(firm).items() if name != "agreements"} == {"done"}
    assert invoice.status == "draft"
    # What was undone is to be done again: nothing remembers that it was done once.
    Workspace.objects.update(reread_at=None)
    assert how(firm)["read"] == "now"


def test_hours_that_are_still_judged_are_not_read_yet(firm: Firm) -> None:
    dossier = DossierFactory(firm=firm)
    Workspace.objects.update(reread_at=NOW)
    Company.objects.update(synced_at=NOW)
    row = LedgerRowFactory(dossier=dossier)
    row.entry.marked_at = NOW
    row.entry.save()
    assert how(firm)["read"] == "now"
    browser = signed_in(firm)
    assert "Each hour is judged by the rules now" in text(browser, "/setup/")


def test_first_page_of_an_empty_firm_leads_to_the_set_up(firm: Firm) -> None:
    for role, leads in (("owner", True), ("bookkeeper", True), ("viewer", False)):
        browser = signed_in(firm, role)
        page = browser.get("/").content.decode()
        assert ("Begin the set-up" in page) is leads, role
        assert browser.get("/setup/").status_code == (200 if leads else 403)


def test_a_bookkeeper_is_told_who_connects_and_pairs(firm: Firm) -> None:
    assert "An owner or a manager of the firm connects it." in text(signed_in(firm, "bookkeeper"), "/setup/")
    WorkspaceFactory(firm=firm)
    DossierFactory(firm=firm)
    Dossier.objects.all().delete()
    assert "An owner or a manager of the firm makes dossiers." in text(signed_in(firm, "bookkeeper"), "/setup/")


def test_a_restricted_member_sees_the_steps_of_the_named_dossier(firm: Firm) -> None:
    DossierFactory(firm=firm, name="Hidden")
    named = DossierFactory(firm=firm, name="Bakery")
    row = MembershipFactory(firm=firm, role="bookkeeper", is_restricted=True)
    MembershipDossierFactory(membership=row, dossier=named)
    said = text(browser_of(row.user, firm), "/setup/")
    assert ("Bakery" in said, "Hidden" in said) == (True, False)


# --- connecting -----------------------------------------------------------------------------------------------------


def test_toggl_is_connected_and_its_only_workspace_chosen(firm: Firm, sandbox: Process) -> None:
    browser = signed_in(firm)
    answer = browser.post("/setup/connect/toggl/", {"secret": f" {TOKEN} "})
    assert (answer.status_code, answer["Location"]) == (302, "/f/ours/setup/")
    row = Connection.objects.get()
    assert (row.key, row.secret) == ("main", TOKEN)
    assert list(Workspace.objects.values_list("remote_id", flat=True)) == [4001]
    assert [kind for kind, _subject, _data in events(firm)] == ["connection_added", "connection_changed"]
    browser.post("/setup/connect/billit/", {"secret": API_KEY})
    assert list(Company.objects.values_list("party_id", flat=True)) == [7001]
    assert how(firm)["dossier"] == "now"


def test_a_wrong_token_is_refused_at_its_field_and_never_shown(firm: Firm, sandbox: Process) -> None:
    answer = signed_in(firm).post("/setup/connect/toggl/", {"secret": "f" * 32})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "does not accept the" in page
    assert "f" * 32 not in page
    assert not Connection.objects.exists()


def test_of_several_workspaces_some_are_chosen(firm: Firm, sandbox: Process) -> None:
    sandbox.control.load(with_another_workspace(small_world()))
    browser = signed_in(firm)
    browser.post("/setup/connect/toggl/", {"secret": TOKEN})
    assert not Workspace.objects.exists()
    assert "The token opens several workspaces" in text(browser, "/setup/")
    answer = browser.post("/setup/choose/toggl/", {}, follow=True).content.decode()
    assert "Nothing was chosen" in answer
    browser.post("/setup/choose/toggl/", {"chosen": [str(ANOTHER_WORKSPACE)]})
    assert list(Workspace.objects.values_list("remote_id", flat=True)) == [ANOTHER_WORKSPACE]
    browser.post("/setup/choose/toggl/", {"chosen": [str(WORKSPACE)]})
    assert sorted(Workspace.objects.values_list("remote_id", flat=True)) == [WORKSPACE, ANOTHER_WORKSPACE]


def test_who_signed_in_long_ago_proves_it_before_the_token_is_typed(firm: Firm) -> None:
    browser = Tab(firm)
    browser.force_login(MembershipFactory(firm=firm).user)
    page = browser.get("/setup/").content.decode()
    assert ('name="secret"' in page, "Show that it is you, then connect" in page) == (False, True)


# --- my last entry --------------------------------------------------------------------------------------------------


def test_my_last_entry_says_customer_product_and_quantity(
    firm: Firm, sandbox: Process, clock: time_machine.Traveller
) -> None:
    sandbox.control.load(
        small_world(entries=[entry(1, "2026-11-12", seconds=5400, tags=["adv"], description="Balance sheet")])
    )
    browser = signed_in(firm)
    browser.post("/setup/connect/toggl/", {"secret": TOKEN})
    said = _words(browser.post("/setup/last-entry/"))
    assert "Your last entry in “Small”" in said
    assert "Balance sheet · 12 Nov 2026, 10:00" in said
    assert "Quantity: the duration 1.50 h" in said
    assert "Garage Vonk" in said
    assert "shown once Billit is connected and read" in said
    browser.post("/setup/connect/billit/", {"secret": API_KEY})
    browser.post("/setup/pair/", _pairing())
    tasks.read_dossier(dossier_id=Dossier.objects.get().pk)
    assert "ADV · Advice · € 95.00" in _words(browser.post("/setup/last-entry/"))


def test_without_an_entry_the_token_works_all_the_same(firm: Firm, sandbox: Process, clock: Any) -> None:
    sandbox.control.load(small_world(entries=[]))
    browser = signed_in(firm)
    browser.post("/setup/connect/toggl/", {"secret": TOKEN})
    assert "You have no hour of the latest month there" in _words(browser.post("/setup/last-entry/"))
    assert (
        "connect Toggl first"
        in signed_in(FirmFactory(language="en")).post("/setup/last-entry/", follow=True).content.decode()
    )


# --- pairing and reading --------------------------------------------------------------------------------------------


def _pairing(**changes: str) -> dict[str, str]:
    return {"workspace": "4001", "company": "7001", "name": "Small & Co", "start": "2026-10-01"} | changes


def _words(answer: Any) -> str:
    assert answer.status_code == 200
    return words(answer.content)


def _connected(firm: Firm) -> Client:
    browser = signed_in(firm)
    browser.post("/setup/connect/toggl/", {"secret": TOKEN})
    browser.post("/setup/connect/billit/", {"secret": API_KEY})
    return browser


def test_hours_before_the_latest_month_are_read_before_anything_is_mapped(
    firm: Firm, sandbox: Process, clock: time_machine.Traveller
) -> None:
    sandbox.control.load(small_world(entries=[entry(1, "2026-09-02"), entry(2, "2026-11-12")]))
    browser = _connected(firm)
    # A worker has read the latest 31 days, as it does of a workspace that nothing bills yet.
    browser.post("/setup/pair/", _pairing(start="2026-09-01"))
    dossier = Dossier.objects.get()
    assert (dossier.key, dossier.start_date, dossier.mode) == ("small-co", date(2026, 9, 1), "review")
    said = text(browser, "/setup/")
    assert "The hours from 1 Sep 2026 on are read" in said
    assert "leads nowhere" not in said
    tasks.read_dossier(dossier_id=Dossier.objects.get().pk)
    said = text(browser, "/setup/")
    assert "In the books: 2 entries, 2.00 h, 2 Sep 2026 to 12 Nov 2026." in said
    assert "1 tag leads nowhere yet" in said
    # The dossier, and then the numbers that were read in the names of two clients.
    told = [kind for kind, _subject, _data in events(firm)]
    assert told[-3:] == ["rule_changed", "mapping_changed", "mapping_changed"]


def test_short_names_differ_and_a_whole_workspace_is_billed_once(firm: Firm, sandbox: Process) -> None:
    browser = _connected(firm)
    browser.post("/setup/pair/", _pairing())
    answer = browser.post("/setup/pair/", _pairing())
    assert answer.status_code == 422
    assert "bills the whole workspace" in answer.content.decode()
    assert Dossier.objects.count() == 1
    answer = browser.post("/setup/pair/", _pairing(start="2026-13-01"))
    assert (answer.status_code, Dossier.objects.count()) == (422, 1)


def test_a_reading_that_fails_says_why_and_is_asked_for_again(
    firm: Firm, sandbox: Process, clock: time_machine.Traveller
) -> None:
    browser = _connected(firm)
    browser.post("/setup/pair/", _pairing())
    sandbox.control.faults({"service": "toggl", "method": "GET", "path": "/clients$", "kind": "status", "status": 403})
    tasks.read_dossier(dossier_id=Dossier.objects.get().pk)
    page = text(browser, "/setup/")
    assert "Toggl" in page
    assert how(firm)["read"] == "now"
    sandbox.control.faults()
    Connection.objects.update(failure="none", failure_code="", failure_facts={}, paused_at=None)
    assert browser.post("/setup/read/small-co/").status_code == 302
    tasks.read_dossier(dossier_id=Dossier.objects.get().pk)
    assert how(firm)["read"] == "done"


def test_the_form_of_a_step_that_can_wait_is_shown_on_request() -> None:
    dossier, user = furnished(NOW)
    browser = browser_of(user, dossier.firm)
    assert "1 tag leads nowhere yet" in text(browser, "/setup/")
    assert "1 client waits for a customer" in text(browser, "/setup/?step=clients")
    assert "Draft the open hours" in text(browser, "/setup/?step=draft")
    # No step can be shown before those that it rests on.
    assert "1 tag leads nowhere yet" in text(browser, "/setup/?step=invoice")


def test_a_firm_with_many_dossiers_has_a_short_page(django_assert_max_num_queries: Any) -> None:
    dossier, user = furnished(NOW)
    browser = browser_of(user, dossier.firm)
    for _number in range(60):
        DossierFactory(firm=dossier.firm)
    with django_assert_max_num_queries(45):
        page = browser.get("/setup/?dossier=bakery")
    assert page.content.decode().count("/rules/") == 20
    assert len(page.content) < 150_000


def test_mapping_leads_back_to_the_set_up() -> None:
    dossier, user = furnished(NOW)
    browser = browser_of(user, dossier.firm)
    page = browser.get("/setup/").content.decode()
    form = {"read": inputs(page, "read")[0], "tag-0": "Advies", "product-0": "=ADV", "next": inputs(page, "next")[-1]}
    answer = browser.post("/dossiers/bakery/tags/map/", form)
    assert (answer.status_code, answer["Location"]) == (302, "/f/ours/setup/")
    assert dossier.tag_mappings.get(tag="Advies").product_reference == "ADV"


def test_a_connection_without_a_choice_whose_service_is_silent_says_so(firm: Firm, settings: Settings) -> None:
    settings.TOGGL_URL = "http://127.0.0.1:9"
    ConnectionFactory(firm=firm, key="main")
    answer = signed_in(firm).get("/setup/")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()
