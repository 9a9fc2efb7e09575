"""What Peppol would refuse is held back (R11): seen on the draft, not approved, not posted, and said on the page."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.utils import timezone
from pytest_django import Settings

from integrations.clients import billit
from integrations.connections.choosing import take_company
from integrations.mirror.sync import sync_company
from integrations.models import Company, Customer
from invoicing.due import posts, runs
from invoicing.ledger.states import derive
from invoicing.models import Invoice, LedgerRow
from tests.invoicing.scene import BY, Scene
from tests.visitors import signed_in, text
from tests.worlds import (
    BAKERY,
    BAKERY_NUMBER,
    BAKERY_PARTY,
    BAKERY_PROJECT,
    COMPANY,
    GARAGE,
    GARAGE_NUMBER,
    GARAGE_PARTY,
    client,
    entry,
    party,
    product,
)
from toggbill.firms import audit
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
ACCOUNT = "/v1/account/accountInformation"
Make = Callable[..., Scene]

ELSEWHERE = {"parties": [party(GARAGE_PARTY, "Garage Vonk SRL", GARAGE_NUMBER, CountryCode="Belgique")]}
WHY = (
    "“Belgique” is no country's code (Garage Vonk SRL): choose the country in Billit, for Greece GR. "
    "Peppol would refuse the invoice (BR-CL-14, BR-11, BR-IC-12), so it is not posted."
)


def mended(books: Scene) -> None:
    """The country is chosen in Billit, and read."""
    books.control.put_billit("parties", {"PartyID": GARAGE_PARTY, "CountryCode": "BE"})
    books.sync()


def test_draft_says_what_peppol_would_refuse_and_is_not_approved(scene: Make) -> None:
    books = scene(entries=[entry(1)], **ELSEWHERE)
    books.draft()
    (waiting,) = books.invoices()
    assert (waiting.status, waiting.attention) == ("draft", "peppol_refuses")
    with pytest.raises(NotPossible, match=r"Belgique.*BR-CL-14"):
        books.approve(waiting)
    waiting.refresh_from_db()
    assert waiting.status == "draft"
    mended(books)
    books.draft()
    waiting.refresh_from_db()
    assert (waiting.attention, waiting.attention_facts) == ("", {})
    (approved,) = books.approve()
    assert books.post(approved).status == "posted"


def test_draft_that_was_sound_is_looked_at_again(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.draft()
    books.control.put_billit("parties", {"PartyID": GARAGE_PARTY, "CountryCode": "Belgique"})
    books.sync()
    with pytest.raises(NotPossible, match="BR-CL-14"):
        books.approve()
    books.draft()
    assert books.invoices()[0].attention == "peppol_refuses"


def test_approved_invoice_is_not_posted_and_waits_for_a_person(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    approved = books.approved()
    posts.request(invoice=approved, send=True, by=BY, now=timezone.now())
    books.control.put_billit("parties", {"PartyID": GARAGE_PARTY, "CountryCode": "Belgique"})
    books.sync()
    with pytest.raises(NotPossible, match="BR-CL-14"):
        books.post(approved)
    approved.refresh_from_db()
    assert (approved.status, approved.attention, approved.post_requested_at) == ("approved", "peppol_refuses", None)
    assert books.control.orders() == []
    mended(books)
    posted = books.post(approved)
    assert (posted.status, posted.attention) == ("posted", "")


def test_scheduled_run_leaves_it_and_carries_the_others_on(scene: Make) -> None:
    books = scene(
        entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)],
        parties=[*ELSEWHERE["parties"], party(BAKERY_PARTY, "Bakery Deeg BV", BAKERY_NUMBER)],
        schedule={"every": "daily"},
        mode="post",
    )
    due = books.dossier.due_at
    assert due is not None
    books.at(due)
    runs.serve(dossier=books.dossier, by=Actor.schedule(), now=timezone.now())
    found = sorted((invoice.customer_name, invoice.status, invoice.attention) for invoice in books.invoices())
    assert found == [("Bakery Deeg BV", "approved", ""), ("Garage Vonk SRL", "draft", "peppol_refuses")]


def test_page_says_why_and_what_to_do(scene: Make) -> None:
    books = scene(entries=[entry(1)], **ELSEWHERE)
    books.draft()
    (waiting,) = books.invoices()
    browser = signed_in(books.firm)
    page = text(browser, f"/invoices/{waiting.reference}/")
    assert WHY.replace("'", "&#x27;") in page


@pytest.mark.parametrize(("word", "rule"), [("numbers", "BR-O-02"), ("rate", "BR-O-05")])
def test_outside_scope_is_held_back_where_billit_writes_it_wrong(
    scene: Make, settings: Settings, word: str, rule: str
) -> None:
    books = scene(entries=[entry(1)], client_map=[{"client": GARAGE, "vat_treatment": "outside_scope"}])
    settings.BILLIT_OUTSIDE_SCOPE = word
    books.draft()
    assert books.invoices()[0].attention_facts["rules"] == [rule]
    settings.BILLIT_OUTSIDE_SCOPE = "plain"
    books.draft()
    assert books.invoices()[0].attention == ""


def test_reverse_charge_is_held_back_where_billit_gives_no_reason(scene: Make, settings: Settings) -> None:
    books = scene(entries=[entry(1)], client_map=[{"client": GARAGE, "vat_treatment": "reverse_charge"}])
    settings.BILLIT_EXEMPTION_REASONS = False
    books.draft()
    assert books.invoices()[0].attention_facts["rules"] == ["BR-AE-10"]


# --- invoices outside the scope of VAT, and customers abroad (R6, R7) -------------------------------------------------


def test_outside_scope_has_an_invoice_of_its_own(scene: Make) -> None:
    """One customer behind two Toggl clients, one of them outside scope: EN 16931 takes no such mixture (BR-O-11)."""
    books = scene(
        clients=[client(GARAGE, f"Garage {GARAGE_NUMBER}"), client(BAKERY, f"Garage abroad {GARAGE_NUMBER}")],
        entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)],
        client_map=[{"client": BAKERY, "vat_treatment": "outside_scope"}],
    )
    books.draft()
    first = {(invoice.outside_scope, invoice.total_incl, invoice.reference) for invoice in books.invoices()}
    assert {(outside, f"{total}") for outside, total, _ in first} == {(False, "114.95"), (True, "95.00")}
    # Redrawn, each stays what it is.
    books.control.put_entries(entry(3, project_id=BAKERY_PROJECT))
    books.sync()
    books.draft()
    again = {(invoice.outside_scope, f"{invoice.total_incl}", invoice.reference) for invoice in books.invoices()}
    assert {(outside, reference) for outside, _, reference in again} == {(o, r) for o, _, r in first}
    assert {(outside, total) for outside, total, _ in again} == {(False, "114.95"), (True, "190.00")}
    for invoice in books.approve():
        posted = books.post(invoice)
        assert posted.status == "posted"
        assert books.send(posted).delivery == "sent"


def test_customer_without_a_number_and_an_address_abroad_is_not_billed_unasked(scene: Make) -> None:
    """Case of a customer in Boston, mapped by its PartyID: 21 % Belgian VAT would be a guess."""
    abroad = party(
        GARAGE_PARTY,
        "Smith Inc",
        "",
        Addresses=[{"AddressType": "InvoiceAddress", "City": "Boston", "CountryCode": "US"}],
    )
    mapped = {"client": GARAGE, "customer": GARAGE_PARTY}
    books = scene(entries=[entry(1)], parties=[abroad], client_map=[mapped])
    assert Customer.objects.get().country == "US"
    assert [row.reason for row in books.draft().plan.skipped] == ["foreign_vat"]
    assert not Invoice.objects.exists()


def test_customer_without_a_number_in_belgium_is_billed(scene: Make) -> None:
    """A number that is asked for, or a private person: no Peppol address, and an invoice is due all the same."""
    waiting = party(GARAGE_PARTY, "Startup", "BTW in aanvraag", CountryCode="BE")
    books = scene(entries=[entry(1)], parties=[waiting], client_map=[{"client": GARAGE, "customer": GARAGE_PARTY}])
    posted = books.posted()
    assert (posted.attention, f"{posted.total_vat}") == ("", "19.95")


def test_treatment_that_does_not_fit_is_attention(scene: Make) -> None:
    books = scene(entries=[entry(1)], client_map=[{"client": GARAGE, "vat_treatment": "eu_services"}])
    assert [row.reason for row in books.draft().plan.skipped] == ["treatment_number"]


# --- companies that charge no VAT (R6) --------------------------------------------------------------------------------


def _small(books: Scene) -> None:
    """The company is one under the scheme, in Billit and as it was read when it was connected."""
    books.control.put_billit("companies", {"PartyID": COMPANY, "SmallEnterprise": True})
    Company.objects.update(small_enterprise=True)
    books.rules()


def test_small_enterprise_bills_without_vat_by_the_code_of_the_exemption(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=[product(0, "ADV", "Advice", vat="0.00")])
    _small(books)
    posted = books.posted()
    line = posted.lines.get()
    assert (line.vat_rate, line.ventilation_code, f"{posted.total_vat}") == (Decimal(0), 101, "0.00")
    (order,) = books.control.orders()
    assert order["OrderLines"][0]["VentilationCode"] == "101"
    assert books.send(posted).delivery == "sent"


def test_product_with_vat_of_a_small_enterprise_waits(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    _small(books)
    assert [row.reason for row in books.draft().plan.skipped] == ["small_enterprise"]


@pytest.mark.parametrize("small", [True, False])
def test_hours_of_a_company_whose_scheme_changed_are_judged_anew(scene: Make, small: bool) -> None:
    books = scene(entries=[entry(1)])
    company = books.dossier.company
    Company.objects.update(small_enterprise=not small)
    books.rules()
    found = billit.Company(COMPANY, company.name, company.vat_number, True, "EN", small_enterprise=small)
    take_company(connection=company.connection, found=found, by=BY, now=timezone.now())
    derive.derive_marked(now=timezone.now())
    state = LedgerRow.objects.get()
    assert (state.state, state.reason) == (("attention", "small_enterprise") if small else ("open", ""))


@pytest.mark.parametrize("small", [True, False])
def test_a_scheme_that_changes_in_billit_is_read_the_next_day(scene: Make, small: bool) -> None:
    books = scene(entries=[entry(1)])
    if not small:
        _small(books)
        derive.derive_marked(now=timezone.now())
    books.control.put_billit("companies", {"PartyID": COMPANY, "SmallEnterprise": small})
    books.later(hours=1)
    books.control.clear_log()
    sync_company(company=Company.objects.get(), now=timezone.now())
    assert books.asked("GET", ACCOUNT) == []
    assert Company.objects.get().small_enterprise is not small
    books.later(hours=24)
    sync_company(company=Company.objects.get(), now=timezone.now())
    derive.derive_marked(now=timezone.now())
    state = LedgerRow.objects.get()
    assert (state.state, state.reason) == (("attention", "small_enterprise") if small else ("open", ""))
    (event,) = books.events("company_changed")
    assert (event.actor, event.subject) == ("Billit", f"company {COMPANY}")
    assert event.data == {"old": {"small_enterprise": not small}, "new": {"small_enterprise": small}}
    # Once a day, and what stays as it was is no news.
    sync_company(company=Company.objects.get(), now=timezone.now())
    assert len(books.asked("GET", ACCOUNT)) == 1
    books.later(hours=24)
    sync_company(company=Company.objects.get(), now=timezone.now())
    assert (len(books.asked("GET", ACCOUNT)), len(books.events("company_changed"))) == (2, 1)
    assert audit.verify(firm=books.firm).ok


def test_a_company_that_may_not_send_any_more_is_seen_the_next_day(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.control.put_billit("companies", {"PartyID": COMPANY, "verified": False, "Name": "Small and Daughters SRL"})
    books.later(hours=24)
    sync_company(company=Company.objects.get(), now=timezone.now())
    row = Company.objects.get()
    assert (row.sending_open, row.name) == (False, "Small and Daughters SRL")
    (event,) = books.events("company_changed")
    assert event.data["new"] == {"name": "Small and Daughters SRL", "sending_open": False}


def test_billit_refuses_vat_of_a_small_enterprise(scene: Make) -> None:
    """It was connected as an ordinary company, and is none any more."""
    books = scene(entries=[entry(1)])
    approved = books.approved()
    books.control.put_billit("companies", {"PartyID": COMPANY, "SmallEnterprise": True})
    refused = books.post(approved)
    assert (refused.status, refused.problem) == ("refused", "refused")
