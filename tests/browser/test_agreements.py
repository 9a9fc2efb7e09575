"""A new user sets up a forfait, or provisions, and sees the first invoices, by following links only."""

from __future__ import annotations

import pytest
import time_machine
from playwright.sync_api import Locator, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from integrations.sandbox.process import Process
from invoicing.models import Claim, Invoice
from tests.browser.conftest import sign_in
from tests.factories import PASSWORD, AgreementFactory, FirmFactory, MembershipFactory
from tests.invoicing.agreements.agreed import ADVANCES
from tests.queues import Queue
from tests.toggbill.setting_up.furnished import KADE, furnished
from tests.worlds import API_KEY, NOW, TOKEN, small_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def _set_up(page: Page, live_server: LiveServer, sandbox: Process, queue: Queue) -> None:
    """A new user connects both services and comes to the agreements, where the customer is chosen first."""
    sandbox.control.load(small_world(products=ADVANCES))
    firm = FirmFactory(slug="ours", name="Our Firm", language="en")
    sign_in(page, live_server, MembershipFactory(firm=firm, user__password=PASSWORD).user)
    page.get_by_role("link", name="Begin the set-up").click()
    page.get_by_label("API token").fill(TOKEN)
    page.get_by_role("button", name="Try it and connect").click()
    page.get_by_label("API key").fill(API_KEY)
    page.get_by_role("button", name="Try it and connect").click()
    page.get_by_label("Bill from this day on").fill("2026-10-01")
    page.get_by_role("button", name="Make it and read the hours").click()
    queue.work()
    page.get_by_role("link", name="Look again").click()

    # The guide offers it, and waits for it no more than for anything that can wait.
    page.get_by_role("link", name="Fee agreements, if any").click()
    expect(_heading(page)).to_have_text("Fee agreements, if any")
    page.get_by_role("link", name="Make an agreement").click()
    options = page.locator("#known-clients option")
    expect(options.first).to_be_attached()
    offered = options.evaluate_all("all => all.map(each => each.value)")
    page.get_by_label("Customer").fill(next(each for each in offered if each.startswith("Garage Vonk")))


def _draft_and_post(page: Page, queue: Queue, agreement: str, lines: int) -> Invoice:
    """From the dossier to the first invoice in Billit, which names the agreement at so many lines."""
    page.get_by_role("link", name="Small SRL").first.click()
    expect(page.get_by_role("link", name=agreement)).to_be_visible()
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Draft it so").click()
    page.get_by_role("link", name="Garage Vonk SRL").first.click()
    expect(page.get_by_role("link", name=f"Agreement “{agreement}”")).to_have_count(lines)
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Post to Billit").click()
    queue.work()
    return Invoice.objects.get(status="posted")


def _heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


@pytest.mark.usefixtures("complaints", "clock")
def test_a_new_user_agrees_on_a_forfait_and_sees_its_first_invoice(
    sandbox: Process, page: Page, live_server: LiveServer, queue: Queue, settings: Settings
) -> None:
    settings.PUBLIC_URL = live_server.url
    _set_up(page, live_server, sandbox, queue)
    page.get_by_role("button", name="Go on to the terms").click()
    page.get_by_label("Title").fill("Keeping the books")
    page.get_by_label("From", exact=True).fill("2026-10-01")
    page.get_by_label("Billed as product").select_option("FORF")
    page.get_by_label("Amount excl. VAT").fill("250.00")
    # What it bills stands there before anything is saved, without a click.
    ahead = page.locator("#ahead")
    expect(ahead).to_contain_text("31 Oct 2026")
    expect(ahead).to_contain_text("Flat fee · Keeping the books · October 2026")
    page.get_by_label("When it is due").select_option("advance")
    expect(ahead).to_contain_text("1 Oct 2026")
    page.get_by_role("button", name="Save").click()
    expect(_heading(page)).to_have_text("What is agreed besides hours")
    expect(page.get_by_text("October 2026, due since 1 Oct 2026")).to_be_visible()

    invoice = _draft_and_post(page, queue, "Keeping the books", lines=2)
    # October in advance, and November: its eve is the last day that is billed.
    (order,) = sandbox.control.orders()
    assert (order["OrderID"], str(order["TotalExcl"])) == (invoice.order_id, "500.00")
    assert [claim.kind for claim in invoice.lines.order_by("position")[0].claims.all()] == ["covered"] * 3


@pytest.mark.usefixtures("complaints", "clock")
def test_a_new_user_agrees_on_provisions_and_sees_their_first_invoice(
    sandbox: Process, page: Page, live_server: LiveServer, queue: Queue, settings: Settings
) -> None:
    settings.PUBLIC_URL = live_server.url
    _set_up(page, live_server, sandbox, queue)
    page.get_by_label("Advances (provisions)").check()
    page.get_by_role("button", name="Go on to the terms").click()
    page.get_by_label("Title").fill("Provisions")
    page.get_by_label("From", exact=True).fill("2026-10-01")
    page.get_by_label("Billed as product").select_option("PROV")
    page.get_by_label("Or days with amounts of their own").fill(
        "2026-10-01 250.00\n2026-10-20 300.00\n2026-12-15 99.00"
    )
    page.get_by_label("Settled each year on").fill("12-31")
    expect(page.locator("#ahead")).to_contain_text("20 Oct 2026")
    page.get_by_role("button", name="Save").click()
    expect(_heading(page)).to_have_text("What is agreed besides hours")

    invoice = _draft_and_post(page, queue, "Provisions", lines=2)
    # What is due by the last day that is billed, and no hour of the customer.
    (order,) = sandbox.control.orders()
    assert (order["OrderID"], str(order["TotalExcl"])) == (invoice.order_id, "550.00")
    assert [(line["Quantity"], line["UnitPriceExcl"]) for line in order["OrderLines"]] == [(1, 250), (1, 300)]
    assert not Claim.objects.filter(line__invoice=invoice).exists()


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize("width", [320, 1360])
@pytest.mark.parametrize("language", ["en", "fr", "nl"])
def test_pages_of_agreements_fit_the_screen(
    width: int, language: str, page: Page, live_server: LiveServer, clock: time_machine.Traveller
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    dossier, user = furnished(NOW)
    agreement = AgreementFactory(
        dossier=dossier, client_remote_id=KADE, title="Tenue de la comptabilité et déclarations périodiques"
    )
    sign_in(page, live_server, user)
    page.context.add_cookies([{"name": "django_language", "value": language, "url": live_server.url}])
    for path in (
        "",
        "add/",
        f"add/?customer={KADE}&kind=fixed",
        f"{agreement.pk}/",
        f"{agreement.pk}/end/",
    ):
        page.goto(f"{live_server.url}/f/{dossier.firm.slug}/dossiers/{dossier.key}/agreements/{path}")
        assert page.evaluate("document.documentElement.lang") == language
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, path
