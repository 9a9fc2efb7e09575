"""Parts of a page change without a reload: the page itself stays, with where the person is and what is typed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from integrations.models import Workspace
from invoicing.corrections import decide as verbs
from invoicing.models import Dossier, Invoice
from tests.browser.conftest import sign_in
from tests.factories import (
    NOW,
    PASSWORD,
    CorrectionFactory,
    DossierFactory,
    InvoiceFactory,
    LedgerRowFactory,
    MembershipFactory,
)
from toggbill.firms.models import User

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
# A page that is loaded anew has forgotten it.
MARK = "window.stays = true"
STAYS = "window.stays === true"


@pytest.fixture
def dossier(live_server: LiveServer) -> Dossier:
    user = MembershipFactory(user__password=PASSWORD, firm__slug="ours").user
    made: Dossier = DossierFactory(firm=user.memberships.get().firm, key="bakery", name="Bakery")
    return made


@pytest.fixture
def user(dossier: Dossier) -> User:
    return User.objects.get(memberships__firm=dossier.firm)


def asked_again(page: Page) -> None:
    """Wait until a part that looks again by itself has its answer."""
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true", timeout=15_000):
        pass


@pytest.mark.usefixtures("complaints")
def test_reading_is_followed_and_the_page_changes_when_it_ends(
    page: Page, live_server: LiveServer, user: User, dossier: Dossier
) -> None:
    Workspace.objects.update(claimed_at=timezone.now())
    sign_in(page, live_server, user)
    page.goto(f"{live_server.url}/f/ours/dossiers/bakery/")
    page.evaluate(MARK)
    reading = page.locator("#reading")
    expect(reading).to_contain_text("It is being read.")
    expect(reading.get_by_role("button")).to_have_count(0)
    asked_again(page)
    expect(page.locator("#said")).to_have_text("It is being read. This page looks again by itself.")
    # It ends, and brought an hour that waits for a decision.
    LedgerRowFactory(dossier=dossier, reason="unknown_tag", tags=["Advise"])
    Workspace.objects.update(claimed_at=None, next_sync_at=timezone.now() + timedelta(hours=1))
    expect(page.get_by_role("link", name="Attention 1")).to_be_visible(timeout=15_000)
    expect(reading.get_by_role("button", name="Read Toggl now")).to_be_visible()
    expect(page.locator("[hx-trigger]")).to_have_count(0)
    expect(page.locator("#said")).to_have_text("Bakery")
    assert page.evaluate(STAYS)


@pytest.mark.usefixtures("complaints")
def test_invoice_on_its_way_is_followed_until_billit_has_it(
    page: Page, live_server: LiveServer, user: User, dossier: Dossier
) -> None:
    invoice = InvoiceFactory(dossier=dossier, status="approved", post_requested_at=timezone.now())
    sign_in(page, live_server, user)
    page.goto(f"{live_server.url}/f/ours/invoices/{invoice.reference}/")
    page.evaluate(MARK)
    Invoice.objects.update(status="posting", posting_since=timezone.now())
    expect(page.locator("#life [aria-current=step]")).to_contain_text("Being posted", timeout=15_000)
    Invoice.objects.update(
        status="posted", posting_since=None, posted_at=NOW, order_id=7, order_number="F-7", way="peppol", way_to="x:1"
    )
    expect(page.get_by_role("heading", level=1)).to_contain_text("F-7", timeout=15_000)
    expect(page.get_by_role("link", name="Send to the customer")).to_be_visible()
    expect(page.locator("#progress[hx-trigger]")).to_have_count(0)
    assert page.evaluate(STAYS)


def test_worker_is_looked_after_again_after_an_error_and_who_is_signed_out_signs_in(
    page: Page, live_server: LiveServer, user: User, dossier: Dossier
) -> None:
    Workspace.objects.update(claimed_at=timezone.now())
    sign_in(page, live_server, user)
    address = f"{live_server.url}/f/ours/dossiers/bakery/"
    page.goto(address)
    page.evaluate(MARK)
    page.route(address, lambda route: route.fulfill(status=503, content_type="text/html", body="<h1>Busy</h1>"))
    asked_again(page)
    page.unroute(address)
    asked_again(page)
    assert page.evaluate(STAYS)
    expect(page.locator("#reading")).to_contain_text("It is being read.")
    page.context.clear_cookies()
    page.wait_for_url("**/accounts/login/?next=/f/ours/dossiers/bakery/", timeout=15_000)
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()


@pytest.mark.usefixtures("complaints")
def test_corrections_are_decided_in_place_and_a_credit_note_is_led_to(
    page: Page, live_server: LiveServer, user: User, dossier: Dossier, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = InvoiceFactory(dossier=dossier, customer_name="Garage Voorbeeld SRL")
    # In the place of Billit, which is asked first.
    monkeypatch.setattr(verbs, "credit", lambda **_asked: note)
    for _ in range(2):
        CorrectionFactory(invoice=InvoiceFactory(dossier=dossier, status="posted", delivery="sent"))
    sign_in(page, live_server, user)
    page.set_default_timeout(10_000)
    page.goto(f"{live_server.url}/f/ours/corrections/")
    page.evaluate(MARK)
    cases = page.locator("article.correction")
    expect(cases).to_have_count(2)
    # The button of another address than the form's.
    cases.first.get_by_role("button", name="the next invoice").click()
    expect(page.get_by_role("status")).to_have_text("The next run puts the difference on the customer’s invoice.")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 correction waits for a decision")
    expect(cases).to_be_focused()
    assert page.evaluate(STAYS)
    cases.get_by_role("button", name="Credit it for good").click()
    page.wait_for_url(f"**/f/ours/invoices/{note.reference}/")
    expect(page.get_by_role("status").first).to_contain_text("The credit note is drafted.")
    assert not page.evaluate(STAYS)


def test_without_scripts_a_worker_is_followed_and_a_decision_taken_by_pages(
    browser: Browser, live_server: LiveServer, user: User, dossier: Dossier
) -> None:
    LedgerRowFactory(dossier=dossier, reason="unknown_tag", tags=["Advise"])
    Workspace.objects.update(claimed_at=timezone.now())
    page = browser.new_context(java_script_enabled=False, locale="en-GB").new_page()
    sign_in(page, live_server, user)
    page.goto(f"{live_server.url}/f/ours/dossiers/bakery/")
    expect(page.locator("#reading")).to_contain_text("It is being read.")
    Workspace.objects.update(claimed_at=None, next_sync_at=timezone.now() + timedelta(hours=1))
    page.reload()
    expect(page.get_by_role("button", name="Read Toggl now")).to_be_visible()
    page.get_by_role("link", name="Attention 1").click()
    page.get_by_text("Hold or write off").click()
    page.get_by_role("textbox", name="Reason").fill("The client contests it")
    page.get_by_role("button", name="Write off all").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing to decide")
    expect(page.get_by_role("status")).to_have_text("1 entry is written off: it is never billed.")
    page.context.close()
