"""How many clicks the daily work takes, counted by somebody who follows links and buttons only."""

from __future__ import annotations

import pytest
from django.utils import timezone
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from invoicing.models import Dossier, Invoice
from tests.browser.conftest import sign_in
from tests.factories import (
    NOW,
    PASSWORD,
    ClaimFactory,
    DossierFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    LedgerRowFactory,
    MembershipFactory,
)
from toggbill.firms.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


class Mouse:
    """Clicks, and counts them."""

    clicks = 0

    def click(self, what: Locator) -> None:
        self.clicks += 1
        what.click()


@pytest.fixture
def dossier(live_server: LiveServer) -> Dossier:
    user = MembershipFactory(user__password=PASSWORD, firm__slug="ours").user
    return DossierFactory(firm=user.memberships.get().firm, key="bakery", name="Bakery")


@pytest.fixture
def user(dossier: Dossier) -> User:
    return User.objects.get(memberships__firm=dossier.firm)


def worker() -> None:
    """A worker posts what was asked for, and Billit says by which way each customer receives it."""
    asked = Invoice.objects.filter(status="approved", post_requested_at__isnull=False)
    rows = list(asked.values_list("pk", flat=True))
    asked.update(status="posting", posting_since=NOW)
    for number, pk in enumerate(rows, start=1):
        order = {"order_id": number, "order_number": f"F-{number}", "posted_at": NOW, "posting_since": None}
        way = {"way": "peppol", "way_to": "0208:0563846944", "way_asked_at": NOW}
        Invoice.objects.filter(pk=pk).update(status="posted", **order, **way)


@pytest.mark.usefixtures("complaints")
def test_month_of_22_drafts_from_reading_to_sent(page: Page, live_server: LiveServer, user: User) -> None:
    dossier = Dossier.objects.get()
    for number in range(22):
        InvoiceFactory(dossier=dossier, customer_name=f"Customer {number}")
    sign_in(page, live_server, user)
    mouse, heading = Mouse(), page.get_by_role("heading", level=1)
    mouse.click(page.get_by_role("link", name="Invoices 22"))
    # Read: customer, lines, amounts.
    expect(heading).to_have_text("22 drafts wait for approval: € 4,180.00".replace("€ ", "€\u00a0"))
    expect(page.get_by_text("2.00 h × 95.00")).to_have_count(22)
    mouse.click(page.get_by_label("All 22 on this page"))
    mouse.click(page.get_by_role("button", name="Approve"))
    mouse.click(page.get_by_role("button", name="Post to Billit"))
    expect(heading).to_have_text("0 of 22 invoices are in Billit")
    worker()
    expect(heading).to_have_text("22 of 22 invoices are in Billit", timeout=15_000)
    mouse.click(page.get_by_role("button", name="Send …"))
    expect(heading).to_have_text("Send 22 invoices, € 5,057.80 incl. VAT?".replace("€ ", "€\u00a0"))
    mouse.click(page.get_by_role("button", name="Send those that are chosen"))
    expect(heading).to_have_text("0 of 22 invoices are sent")
    assert Invoice.objects.filter(send_requested_by=user.email).count() == 22
    assert mouse.clicks <= 9


@pytest.mark.usefixtures("complaints")
def test_where_an_hour_was_billed(page: Page, live_server: LiveServer, user: User) -> None:
    dossier = Dossier.objects.get()
    line = InvoiceLineFactory(
        invoice=InvoiceFactory(dossier=dossier, status="posted", order_number="F-2026-7"), with_claim=False
    )
    row = LedgerRowFactory(
        dossier=dossier, state="invoiced", started_at=timezone.now(), duration=7200, description="Annual accounts"
    )
    ClaimFactory(line=line, row=row, seconds=7200)
    sign_in(page, live_server, user)
    mouse = Mouse()
    mouse.click(page.get_by_role("link", name="Hours", exact=True))
    entry = page.get_by_role("row", name="Annual accounts")
    expect(entry).to_contain_text("F-2026-7, line 2")
    assert mouse.clicks <= 1
    # And from there one more leads to the line itself.
    entry.get_by_role("link", name="F-2026-7, line 2").click()
    expect(page.locator("#line-2")).to_be_in_viewport()
