"""A tag without a product is mended on the page, in two clicks; hours are seen to be solved."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from integrations.models import Entry
from invoicing.ledger import derive
from invoicing.models import Dossier, LedgerRow
from tests.browser.conftest import sign_in
from tests.factories import (
    NOW,
    PASSWORD,
    ClientFactory,
    CustomerFactory,
    DossierFactory,
    EntryFactory,
    MembershipFactory,
    ProductFactory,
    ProjectFactory,
    enterprise_number,
)
from toggbill.firms.models import Firm, User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def user(live_server: LiveServer) -> User:
    return MembershipFactory(user__password=PASSWORD, firm__name="Our Firm", firm__slug="ours").user


@pytest.fixture
def dossier(user: User) -> Dossier:
    """Fourteen hours of a tag that leads nowhere, and three of a client without a number."""
    made = DossierFactory(firm=Firm.objects.get(memberships__user=user), key="bakery", name="Bakery")
    ClientFactory(workspace=made.workspace, remote_id=501, name=f"Garage Lys {enterprise_number(7)}")
    ClientFactory(workspace=made.workspace, remote_id=502, name="Maison Voorbeeld")
    for number in (1, 2):
        ProjectFactory(workspace=made.workspace, remote_id=600 + number, client_remote_id=500 + number)
    for reference, name, price in (("ADV", "Advies", "93.00"), ("BKH", "Boekhouding", "75.00")):
        ProductFactory(company=made.company, reference=reference, description=name, price=Decimal(price))
    CustomerFactory(company=made.company, party_id=88_010, name="Maison Voorbeeld SRL")
    for number in range(17):
        EntryFactory(
            workspace=made.workspace,
            project_remote_id=601 if number < 14 else 602,
            tags=["Advise"] if number < 14 else ["ADV"],
            started_at=NOW - timedelta(days=number + 1),
        )
    Entry.objects.update(marked_at=NOW)
    derive.derive(workspace=made.workspace, now=NOW)
    return made


@pytest.mark.usefixtures("complaints", "dossier")
def test_unknown_tag_is_mended_in_two_clicks(page: Page, live_server: LiveServer, user: User) -> None:
    page.set_default_timeout(6000)
    sign_in(page, live_server, user)
    page.get_by_role("link", name="Attention 2").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 decisions")
    expect(page.get_by_label("Product", exact=True)).to_have_value("ADV")
    page.get_by_role("button", name="Use for all 14").click()
    expect(page.get_by_role("status")).to_have_text("14.00 h solved, € 1,302.00 now open.")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 decision")
    page.get_by_role("button", name="Maison Voorbeeld SRL").click()
    expect(page.get_by_role("status")).to_have_text("3.00 h solved, € 279.00 now open.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing to decide")
    assert set(LedgerRow.objects.values_list("state", flat=True)) == {"open"}


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize("language", ["fr", "nl"])
def test_attention_fits_a_small_screen(
    language: str, page: Page, live_server: LiveServer, user: User, dossier: Dossier
) -> None:
    page.set_viewport_size({"width": 320, "height": 844})
    sign_in(page, live_server, user)
    page.context.add_cookies([{"name": "django_language", "value": language, "url": live_server.url}])
    page.goto(f"{live_server.url}/f/ours/attention/")
    more = page.locator(".more a").first.get_attribute("href")
    for path in ("/f/ours/attention/", f"{more}?q=voorbeeld"):
        page.goto(f"{live_server.url}{path}")
        page.evaluate("document.querySelectorAll('main details').forEach(each => { each.open = true; })")
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, path
