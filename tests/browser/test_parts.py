"""Parts of a page change without a reload: the page itself stays, with where the person is and what is typed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from integrations.models import Workspace
from invoicing.models import Dossier, Invoice
from tests.browser.conftest import sign_in
from tests.factories import NOW, PASSWORD, DossierFactory, InvoiceFactory, LedgerRowFactory, MembershipFactory
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
