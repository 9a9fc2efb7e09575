"""What only a browser can tell: signing in, finding and approving an invoice, CSP, width, theme."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from invoicing.models import Dossier, Invoice
from tests.browser.conftest import sign_in
from tests.factories import (
    PASSWORD,
    AttemptFactory,
    CorrectionFactory,
    DossierFactory,
    InvoiceFactory,
    LedgerRowFactory,
    MembershipFactory,
)
from toggbill.firms.models import Firm, User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def user(live_server: LiveServer) -> User:
    return MembershipFactory(
        user__password=PASSWORD, user__is_staff=True, firm__name="Our Firm", firm__slug="ours"
    ).user


@pytest.fixture
def dossier(user: User) -> Dossier:
    dossier = DossierFactory(firm=Firm.objects.get(memberships__user=user), key="bakery", name="Bakery")
    LedgerRowFactory(dossier=dossier)
    LedgerRowFactory(dossier=dossier, reason="unknown_tag", tags=["Advise"])
    return dossier


@pytest.fixture
def invoice(dossier: Dossier) -> Invoice:
    return InvoiceFactory(dossier=dossier, customer_name="Garage Voorbeeld SRL")


@pytest.mark.usefixtures("complaints")
def test_draft_is_found_from_the_dossiers_and_approved(
    page: Page, live_server: LiveServer, user: User, invoice: Invoice
) -> None:
    sign_in(page, live_server, user)
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "1 decision and 1 draft stand between you and finished books"
    )
    page.get_by_role("link", name="Bakery").click()
    page.get_by_role("link", name="Garage Voorbeeld SRL").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Garage Voorbeeld SRL")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status")).to_have_text("Invoice approved. It can now be posted to Billit.")
    expect(page.get_by_role("button", name="Post to Billit")).to_be_visible()
    invoice.refresh_from_db()
    assert (invoice.status, invoice.approved_by) == ("approved", user.email)


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize("width", [390, 1360])
@pytest.mark.parametrize("language", ["en", "fr", "nl"])
def test_pages_fit_the_screen_in_every_language(
    width: int, language: str, page: Page, live_server: LiveServer, user: User, invoice: Invoice
) -> None:
    AttemptFactory(invoice=invoice, outcome="refused", http_status=400, answer="other", answer_facts={"said": "No."})
    page.set_viewport_size({"width": width, "height": 844})
    sign_in(page, live_server, user)
    page.context.add_cookies([{"name": "django_language", "value": language, "url": live_server.url}])
    billed = InvoiceFactory(dossier=invoice.dossier, status="posted", delivery="sent")
    CorrectionFactory(invoice=billed)
    LedgerRowFactory(dossier=invoice.dossier, state="held", decision="held", decision_text="The client contests it")
    paths = ["/", "/dossiers/bakery/", "/dossiers/bakery/hours/", "/attention/", "/invoices/", "/corrections/"]
    paths += [f"/invoices/{row.reference}/" for row in (invoice, billed)]
    for path in [*paths, "/corrections/?state=waiting", "/corrections/?state=decided"]:
        page.goto(f"{live_server.url}/f/ours{path}")
        page.evaluate("for (const each of document.querySelectorAll('main details')) each.open = true")
        assert page.evaluate("document.documentElement.lang") == language
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, path


@pytest.mark.usefixtures("complaints")
def test_hours_are_chosen_at_once_and_held(page: Page, live_server: LiveServer, user: User, dossier: Dossier) -> None:
    sign_in(page, live_server, user)
    page.goto(f"{live_server.url}/f/ours/dossiers/bakery/hours/")
    page.get_by_label("All of these").check()
    expect(page.locator("[name=entry]:checked")).to_have_count(2)
    page.get_by_label("Reason", exact=True).fill("The client contests it")
    page.get_by_role("button", name="Hold").click()
    expect(page.get_by_role("status")).to_have_text("2 entries are held: no run bills them.")
    assert set(dossier.ledger_rows.values_list("decision", flat=True)) == {"held"}


@pytest.mark.usefixtures("complaints")
def test_correction_is_accepted_with_a_note(page: Page, live_server: LiveServer, user: User, invoice: Invoice) -> None:
    row = CorrectionFactory(invoice=InvoiceFactory(dossier=invoice.dossier, status="posted"))
    sign_in(page, live_server, user)
    page.get_by_role("link", name="Corrections 1").click()
    page.get_by_text("Not possible now").click()
    expect(page.get_by_text("replace it rather than credit it.")).to_be_visible()
    page.get_by_label("Note (optional)").fill("By word of mouth")
    button = page.get_by_role("button", name="Accept the difference")
    expect(button).to_have_accessible_description(re.compile("this difference is never billed"))
    button.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("No correction waits")
    expect(page.get_by_role("status")).to_have_text("Accepted: this difference is settled.")
    row.refresh_from_db()
    assert (row.decision, row.note) == ("accepted", "By word of mouth")


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme_follows_the_system(scheme: str, page: Page, live_server: LiveServer) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{live_server.url}/accounts/login/")
    assert page.evaluate("document.documentElement.dataset.bsTheme") == scheme
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(20, 24, 27)" if scheme == "dark" else "rgb(250, 250, 249)")


@pytest.mark.usefixtures("complaints")
def test_menu_signs_out(page: Page, live_server: LiveServer, user: User, dossier: Dossier) -> None:
    sign_in(page, live_server, user)
    page.get_by_text("Our Firm").first.click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{live_server.url}/accounts/login/")


@pytest.mark.usefixtures("complaints")
def test_admin_obeys_the_content_security_policy(
    page: Page, live_server: LiveServer, user: User, dossier: Dossier
) -> None:
    sign_in(page, live_server, user)
    page.goto(f"{live_server.url}/f/ours/admin/invoicing/dossier/{dossier.pk}/change/")
    page.get_by_text("Add another Tag mapping").click()
    page.locator("[name=tag_mappings-0-tag]").fill("Intern")
    page.locator("[name=tag_mappings-0-bill]").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("changed successfully")
    assert dossier.tag_mappings.get().tag_key == "intern"
