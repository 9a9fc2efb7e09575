"""From an empty firm to the first invoice in Billit, by following links only: counted in clicks and fields."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import time_machine
from playwright.sync_api import Locator, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from integrations.sandbox.process import Process
from invoicing.models import Dossier, Invoice, TagMapping
from tests.browser.conftest import sign_in
from tests.factories import PASSWORD, FirmFactory, MembershipFactory
from tests.queues import Queue
from tests.toggbill.setting_up.furnished import furnished
from tests.worlds import API_KEY, NOW, TOKEN, small_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@dataclass
class Hand:
    """What a person does with mouse and keys, counted."""

    clicks: int = 0
    fields: int = 0

    def click(self, what: Locator) -> None:
        what.click()
        self.clicks += 1

    def fill(self, what: Locator, text: str) -> None:
        what.fill(text)
        self.fields += 1

    def choose(self, what: Locator, label: str) -> None:
        what.select_option(label=label)
        self.fields += 1


@pytest.mark.usefixtures("complaints", "clock")
def test_an_empty_firm_has_its_first_invoice_in_billit(
    sandbox: Process, page: Page, live_server: LiveServer, queue: Queue, settings: Settings
) -> None:
    settings.PUBLIC_URL = live_server.url
    sandbox.control.load(small_world())
    user = MembershipFactory(
        firm=FirmFactory(slug="ours", name="Our Firm", language="en"), user__password=PASSWORD
    ).user
    sign_in(page, live_server, user)
    hand = Hand()
    heading = page.get_by_role("heading", level=1)

    hand.click(page.get_by_role("link", name="Begin the set-up"))
    hand.fill(page.get_by_label("API token"), TOKEN)
    hand.click(page.get_by_role("button", name="Try it and connect"))
    expect(page.get_by_role("status")).to_have_text("Toggl is connected.")

    hand.click(page.get_by_role("button", name="Test with my last entry"))
    expect(page.get_by_role("heading", name="Your last entry in “Small”")).to_be_visible()
    expect(page.get_by_text("still running: it is billed once it is stopped")).to_be_visible()

    hand.fill(page.get_by_label("API key"), API_KEY)
    hand.click(page.get_by_role("button", name="Try it and connect"))
    expect(heading).to_have_text("Pair a workspace with a company")
    hand.fill(page.get_by_label("Bill from this day on"), "2026-10-01")
    hand.click(page.get_by_role("button", name="Make it and read the hours"))
    expect(page.get_by_role("heading", name="The hours from 1 Oct 2026 on are read")).to_be_visible()
    queue.work()
    hand.click(page.get_by_role("link", name="Look again"))

    expect(heading).to_have_text("Tags lead to products")
    expect(page.get_by_text("In the books: 6 entries, 9.00 h, 5 Oct 2026 to 30 Oct 2026.")).to_be_visible()
    assert page.get_by_label("Advice").locator("option:checked").inner_text() == "ADV · Advice · €\u00a095.00"
    assert page.get_by_label("Tax").locator("option:checked").inner_text() == "FIS · Tax · €\u00a0120.00"
    hand.choose(page.get_by_label("Books"), "CPT · Bookkeeping · €\u00a060.00")
    hand.click(page.get_by_role("button", name="Map these tags"))
    # The names of both clients hold their numbers: nothing is left to be said of them.
    expect(heading).to_have_text("The first draft")
    hand.click(page.get_by_role("button", name="Preview"))
    hand.click(page.get_by_role("button", name="Draft it so"))
    hand.click(page.get_by_role("link", name="Garage Vonk SRL").first)
    hand.click(page.get_by_role("button", name="Approve"))
    hand.click(page.get_by_role("button", name="Post to Billit"))
    queue.work()

    invoice = Invoice.objects.get(status="posted")
    (order,) = sandbox.control.orders()
    assert (order["OrderID"], str(order["TotalExcl"])) == (invoice.order_id, "315.00")
    assert sorted(TagMapping.objects.values_list("tag", "product_reference")) == [
        ("Advice", "ADV"),
        ("Books", "CPT"),
        ("Tax", "FIS"),
    ]
    assert (hand.clicks, hand.fields) == (12, 4)
    page.get_by_role("link", name="Set-up").click()
    expect(heading).to_have_text("Everything is set up")
    assert Dossier.objects.get().key == "small-srl"


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize("width", [320, 1360])
@pytest.mark.parametrize("language", ["en", "fr", "nl"])
def test_pages_of_the_set_up_fit_the_screen(
    width: int, language: str, page: Page, live_server: LiveServer, clock: time_machine.Traveller
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    dossier, user = furnished(NOW)
    sign_in(page, live_server, user)
    page.context.add_cookies([{"name": "django_language", "value": language, "url": live_server.url}])
    tag, client = dossier.tag_mappings.get(), dossier.client_mappings.get()
    of_it = f"/dossiers/{dossier.key}"
    for path in (
        "/setup/",
        "/setup/?step=clients",
        "/setup/?step=draft",
        "/firm/",
        f"{of_it}/rules/",
        f"{of_it}/tags/",
        f"{of_it}/tags/add/",
        f"{of_it}/tags/{tag.pk}/",
        f"{of_it}/clients/",
        f"{of_it}/clients/{client.client_remote_id}/",
    ):
        page.goto(f"{live_server.url}/f/{dossier.firm.slug}{path}")
        page.evaluate("for (const each of document.querySelectorAll('main details')) each.open = true")
        assert page.evaluate("document.documentElement.lang") == language
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, path
