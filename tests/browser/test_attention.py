"""What cannot be billed is mended on the page, in two clicks and without leaving it; hours are seen to be solved."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from integrations.models import Entry
from invoicing.ledger.states import derive
from invoicing.models import Dossier, LedgerRow
from tests.browser.conftest import sign_in
from tests.factories import (
    NOW,
    PASSWORD,
    ClientFactory,
    CustomerFactory,
    DossierFactory,
    EntryFactory,
    LedgerRowFactory,
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
    page.evaluate("window.stays = true")
    expect(page.get_by_label("Product", exact=True)).to_have_value("ADV")
    page.get_by_role("button", name="Use for all 14").click()
    expect(page.get_by_role("status")).to_have_text("14.00 h solved, € 1,302.00 now open.")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 decision")
    # Whoever does not see it hears it, and goes on with the decision that is next.
    expect(page.locator("#said")).to_have_text("14.00 h solved, € 1,302.00 now open.")
    expect(page.locator(".decision")).to_be_focused()
    expect(page.get_by_role("link", name="Attention 1")).to_be_visible()
    page.get_by_role("button", name="Maison Voorbeeld SRL").click()
    expect(page.get_by_role("status")).to_have_text("3.00 h solved, € 279.00 now open.")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing to decide")
    expect(page.locator("main")).to_be_focused()
    assert page.evaluate("window.stays === true")
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


@pytest.mark.slow
@pytest.mark.usefixtures("complaints")
def test_person_stays_where_the_decision_stood(
    page: Page, live_server: LiveServer, user: User, dossier: Dossier
) -> None:
    """Nine causes, of which the seventh is held: the eighth stands in its place, under what came of it."""
    for number in range(9):
        LedgerRowFactory(dossier=dossier, reason="unknown_tag", tags=[f"Tag {number}"])
    sign_in(page, live_server, user)
    page.goto(f"{live_server.url}/f/ours/attention/?reason=unknown_tag")
    page.evaluate("window.stays = true")
    cases = page.locator(".decision")
    expect(cases).to_have_count(10)
    seventh, eighth = cases.nth(6), cases.nth(7).locator("h3").inner_text()
    seventh.get_by_text("Hold or write off").click()
    seventh.get_by_label("Reason").fill("The client contests it")
    seventh.evaluate("each => window.scrollTo(0, each.offsetTop - 100)")
    stood = seventh.bounding_box()
    seventh.get_by_role("button", name="Hold all").click()
    expect(cases).to_have_count(9)
    expect(page.get_by_role("status")).to_have_text("1 entry is held: no run bills it.")
    expect(page.locator(".decision:focus h3")).to_have_text(eighth)
    stands = page.locator("#messages").bounding_box()
    assert stood is not None
    assert stands is not None
    assert abs(stands["y"] - stood["y"]) <= 1
    assert stood["y"] > 0
    expect(page.get_by_role("status")).to_be_in_viewport()
    assert page.url.endswith("/attention/?reason=unknown_tag")
    assert page.evaluate("window.stays === true")


@pytest.mark.slow
def test_what_changed_meanwhile_is_shown_whole(
    page: Page, live_server: LiveServer, user: User, dossier: Dossier
) -> None:
    sign_in(page, live_server, user)
    page.goto(f"{live_server.url}/f/ours/attention/")
    page.evaluate("window.stays = true")
    LedgerRow.objects.filter(entry=Entry.objects.order_by("remote_id").first()).update(seconds=7200)
    page.get_by_role("button", name="Use for all 14").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("It changed after you opened the page")
    expect(page.locator("main")).to_be_focused()
    expect(page.locator("#said")).to_contain_text("changed")
    assert page.evaluate("window.stays === true")
    page.get_by_role("button", name="Do it with the new figures").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 decision")
    # So is the page that says that the role does not allow it any more.
    MembershipFactory(firm=dossier.firm)
    user.memberships.update(role="viewer")
    page.get_by_role("button", name="Maison Voorbeeld SRL").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This is not for your role")
    expect(page.get_by_role("navigation")).to_have_count(0)
    assert set(LedgerRow.objects.values_list("state", flat=True)) == {"open", "attention"}


@pytest.mark.slow
def test_no_answer_is_said_beside_the_decision(
    page: Page, live_server: LiveServer, user: User, dossier: Dossier
) -> None:
    sign_in(page, live_server, user)
    page.goto(f"{live_server.url}/f/ours/attention/")
    page.route("**/product/", lambda route: route.abort())
    button = page.get_by_role("button", name="Use for all 14")
    button.click()
    expect(page.get_by_role("alert")).to_contain_text("toggbill did not answer.")
    expect(button).to_be_enabled()
    page.unroute("**/product/")
    button.click()
    expect(page.get_by_role("status")).to_have_text("14.00 h solved, € 1,302.00 now open.")


@pytest.mark.slow
@pytest.mark.usefixtures("complaints")
def test_customer_is_searched_for_and_chosen_in_the_list(
    page: Page, live_server: LiveServer, user: User, dossier: Dossier
) -> None:
    CustomerFactory(company=dossier.company, party_id=88_011, name="Boulangerie du Parc")
    sign_in(page, live_server, user)
    page.goto(f"{live_server.url}/f/ours/attention/?dossier=bakery")
    page.evaluate("window.stays = true")
    page.get_by_role("searchbox").fill("du parc")
    page.get_by_role("button", name="Search in Billit").click()
    expect(page.get_by_role("heading", name="Found for “du parc”")).to_be_visible()
    page.get_by_role("button", name="Boulangerie du Parc").click()
    expect(page.get_by_role("status")).to_have_text("3.00 h solved, € 279.00 now open.")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 decision")
    assert page.evaluate("window.stays === true")
    assert page.url.endswith("/attention/?dossier=bakery")
