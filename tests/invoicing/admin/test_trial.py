"""A mapping or a rule is tried on last month before it is saved; dossiers are examined; actions report per row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.test import Client

from integrations.models import Connection
from invoicing.dossiers import trial
from invoicing.ledger.states import derive
from invoicing.models import Claim, ClientMapping, Dossier, Invoice, LedgerRow, TagMapping
from tests.factories import (
    NOW,
    ClientFactory,
    DossierFactory,
    EntryFactory,
    FirmFactory,
    InvoiceFactory,
    LedgerRowFactory,
    ProductFactory,
    ProjectFactory,
    TagMappingFactory,
    enterprise_number,
)
from tests.test_admin import dossier_form
from tests.visitors import address, events, inputs, staff
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """Friday 20 November 2026: last month is October."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    """In October: two hours of advice and one of a tag that leads nowhere, for one customer; one hour in November."""
    row = DossierFactory(firm=firm, key="bakery", name="Bakery")
    ProductFactory(company=row.company, reference="ADV", price=Decimal("95.00"))
    ProductFactory(company=row.company, reference="FIS", price=Decimal("110.00"))
    client = ClientFactory(workspace=row.workspace, remote_id=501, name=f"Garage {enterprise_number(1)}")
    project = ProjectFactory(workspace=row.workspace, client_remote_id=client.remote_id)
    at = datetime.fromisoformat("2026-10-12T09:00:00+00:00")
    for tag, start, hours in (("ADV", at, 2), ("Odd", at + timedelta(days=1), 1), ("ADV", NOW - timedelta(days=2), 1)):
        EntryFactory(
            workspace=row.workspace,
            project_remote_id=project.remote_id,
            tags=[tag],
            started_at=start,
            seconds=hours * 3600,
            marked_at=NOW,
        )
    derive.derive(workspace=row.workspace, now=NOW)
    return row


def words(page: bytes) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.decode()).replace("\u00a0", " "))


def tried(browser: Client, path: str, form: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The page of the trial, and what its button would send."""
    answer = browser.post(path, form | {"_try": "Try on last month"})
    assert answer.status_code == 200
    hidden = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', answer.content.decode()))
    return words(answer.content), {name: value for name, value in hidden.items() if name != "csrfmiddlewaretoken"}


def test_a_new_mapping_is_tried_and_then_saved(firm: Firm, dossier: Dossier) -> None:
    before = events(firm)
    browser = staff(firm)
    assert "Try on last month" in browser.get(address(TagMapping, "add")).content.decode()
    form = {"dossier": dossier.pk, "tag": "Odd", "bill": "on", "product_reference": "FIS", "priority": ""}
    page, kept = tried(browser, address(TagMapping, "add"), form)
    assert "Bakery: 2 entries from 1 Oct 2026 to 31 Oct 2026" in page
    assert "Garage € 190.00 € 300.00" in page.replace(enterprise_number(1), "").replace("  ", " ")
    assert "Total € 190.00 € 300.00" in page
    assert "successfully" not in page
    assert (TagMapping.objects.count(), events(firm), LogEntry.objects.count()) == (0, before, 0)
    assert browser.post(address(TagMapping, "add"), kept | {"_save": "Save it so"}).status_code == 302
    assert TagMapping.objects.get().product_reference == "FIS"
    assert events(firm)[len(before) :][0][0] == "mapping_changed"


def test_a_mapping_that_no_longer_bills_is_tried(firm: Firm, dossier: Dossier) -> None:
    row = TagMappingFactory(dossier=dossier, tag="ADV", product_reference="ADV")
    page, _kept = tried(staff(firm), address(TagMapping, "change", row.pk), {"tag": "ADV", "product_reference": ""})
    assert "€ 190.00 –" in page
    row.refresh_from_db()
    assert row.bill is True


def test_a_client_mapping_is_tried(firm: Firm, dossier: Dossier) -> None:
    # The number in the name was pinned when the ledger was derived.
    row = ClientMapping.objects.get()
    form = {"client_remote_id": 501, "number": "", "customer_party_id": 88_099}
    page, _kept = tried(staff(firm), address(ClientMapping, "change", row.pk), form)
    assert "Customer gone from Billit 0 2" in page
    row.refresh_from_db()
    assert (row.number, row.customer_party_id) == (enterprise_number(1), None)


def test_a_rule_of_the_dossier_is_tried(firm: Firm, dossier: Dossier) -> None:
    form = dossier_form(dossier, default_product="FIS")
    page, kept = tried(staff(firm), address(Dossier, "change", dossier.pk), form)
    assert "Total € 190.00 € 300.00" in page
    assert "Tag without a product 1 0" in page
    dossier.refresh_from_db()
    assert dossier.default_product == ""
    assert kept["default_product"] == "FIS"


def test_a_form_at_fault_is_refused_as_always(firm: Firm, dossier: Dossier) -> None:
    form = {"dossier": dossier.pk, "tag": "Odd", "bill": "on", "product_reference": "", "_try": "x"}
    answer = staff(firm).post(address(TagMapping, "add"), form)
    assert "Name the product that the tag leads to" in answer.content.decode()


def test_who_may_not_map_may_not_try(firm: Firm, dossier: Dossier) -> None:
    form = {"dossier": dossier.pk, "tag": "Odd", "bill": "on", "product_reference": "FIS", "_try": "x"}
    assert staff(firm, "viewer").post(address(TagMapping, "add"), form).status_code == 403


def test_a_month_is_that_of_the_firm(firm: Firm, dossier: Dossier) -> None:
    late_in_brussels = datetime.fromisoformat("2026-10-31T23:30:00+00:00")
    EntryFactory(workspace=dossier.workspace, started_at=late_in_brussels)
    assert trial.side(dossier, now=NOW)[0] == 2


def test_examination_finds_nothing_or_says_what(firm: Firm, dossier: Dossier) -> None:
    browser = staff(firm)
    form = {"action": "examine", "_selected_action": [dossier.pk]}
    page = words(browser.post(address(Dossier, "changelist"), form).content)
    assert "1 entry waits: Tag without a product." in page
    assert "Nothing is wrong" not in page
    TagMappingFactory(dossier=dossier, tag="Old", product_reference="GONE")
    Connection.objects.filter(pk=dossier.workspace.connection_id).update(paused_at=NOW)
    InvoiceFactory(dossier=dossier, status="refused", problem_facts={"said": "Billit refused the number."})
    page = words(browser.post(address(Dossier, "changelist"), form).content)
    for sentence in (
        "Tag “Old” leads to product GONE, which Billit does not have.",
        "is paused.",
        "Billit refused the number.",
    ):
        assert sentence in page


def test_examination_finds_lines_whose_hours_are_not_those_of_their_entries(firm: Firm, dossier: Dossier) -> None:
    invoice = InvoiceFactory(dossier=dossier, status="posted")
    form = {"action": "examine", "_selected_action": [dossier.pk]}
    browser, sentence = staff(firm), f"Line 1 of invoice {invoice} bills 7200 s, its entries make 60 s."
    assert sentence not in words(browser.post(address(Dossier, "changelist"), form).content)
    Claim.objects.filter(line__invoice=invoice).update(seconds=60)
    page = words(browser.post(address(Dossier, "changelist"), form).content)
    assert f"claims_of_lines, 11/2026: {sentence} Bill nothing more of it" in page


def test_examination_counts_what_it_does_not_list(firm: Firm, dossier: Dossier) -> None:
    for _ in range(7):
        LedgerRowFactory(dossier=dossier)
    LedgerRow.objects.filter(dossier=dossier).update(seconds=1)
    form = {"action": "examine", "_selected_action": [dossier.pk]}
    page = words(staff(firm).post(address(Dossier, "changelist"), form).content)
    count = LedgerRow.objects.filter(dossier=dossier).count()
    assert len(re.findall(r"seconds_add_up, 1[01]/2026: Entry", page)) == 5
    assert f"seconds_add_up: {count - 5} more." in page


def test_a_sound_dossier_has_nothing_wrong(firm: Firm) -> None:
    row = DossierFactory(firm=firm)
    form = {"action": "examine", "_selected_action": [row.pk]}
    assert "Nothing is wrong." in words(staff(firm).post(address(Dossier, "changelist"), form).content)


def test_drafting_reports_dossier_by_dossier(firm: Firm, dossier: Dossier) -> None:
    empty = DossierFactory(firm=firm, name="Empty")
    form = {"action": "draft_last_month", "_selected_action": [dossier.pk, empty.pk]}
    page = staff(firm).post(address(Dossier, "changelist"), form, follow=True).content.decode()
    assert "Bakery: 1 invoice drafted or redrawn." in page
    assert "Empty: 0 invoices drafted or redrawn." in page
    assert [str(row.total_excl) for row in Invoice.objects.all()] == ["190.00"]


def test_invoices_are_approved_and_dropped_row_by_row(firm: Firm, dossier: Dossier) -> None:
    draft, posted = InvoiceFactory(dossier=dossier), InvoiceFactory(dossier=dossier, status="posted")
    browser = staff(firm)
    (read,) = inputs(browser.get(address(Invoice, "changelist")).content.decode(), "read")
    form = {"action": "drop", "_selected_action": [draft.pk, posted.pk], "read": read}
    page = browser.post(address(Invoice, "changelist"), form, follow=True).content.decode()
    assert f"({draft}): dropped." in page
    assert f"Invoice {posted} is posted: only one that Billit does not have can be approved or dropped here." in page
    assert Invoice.objects.get(pk=draft.pk).status == "void"


def test_actions_are_offered_by_role(firm: Firm, dossier: Dossier) -> None:
    InvoiceFactory(dossier=dossier)
    page = staff(firm, "viewer").get(address(Dossier, "changelist")).content.decode()
    assert 'value="examine"' in page
    assert 'value="draft_last_month"' not in page
    assert 'value="approve"' not in staff(firm, "bookkeeper").get(address(Invoice, "changelist")).content.decode()
    assert 'value="approve"' in staff(firm, "manager").get(address(Invoice, "changelist")).content.decode()
