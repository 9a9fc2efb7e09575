"""Every page of the site and of the firm's admin, in light and dark, on a desk and on a phone: nothing is in the way of
who reads it with other eyes or hands (axe), the browser complains of nothing, nothing sticks out of the screen."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, ConsoleMessage, Page
from pytest_django.live_server_helper import LiveServer

from invoicing.models import Dossier
from tests.addresses import addresses
from tests.factories import (
    CorrectionFactory,
    FirmFactory,
    InvoiceFactory,
    LedgerRowFactory,
    MembershipFactory,
)
from tests.furniture import furnish
from tests.naming import named_of, url_of, values_of
from tests.test_every_url import expected_of
from tests.visitors import prove
from toggbill.firms.models import Firm

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
LIGHT_AND_DARK, DESK_AND_PHONE = ("light", "dark"), (1360, 320)
# No pages for people: files, answers to machines, what leads on at once, and what signs out.
_NO_PAGES = re.compile(
    r"_export$|^(?:healthz|readyz|metrics|csp_report)$|jsi18n|annex$|_template$|logout|autocomplete|recovery_codes$"
)
# Of the admin what is looked at or changed from day to day.
_DAILY = re.compile(
    r"admin:(?:index|app_list|(?:firms_(?:auditevent|invitation|membership)|integrations_(?:connection|customer|product)"
    r"|invoicing_(?:agreement|clientmapping|dossier|invoice|ledgerrow|tagmapping))_(?:add|change|changelist|history))$"
)


@pytest.fixture
def firm(live_server: LiveServer) -> Firm:
    """A firm with a row of every model, and invoices and hours in what states they may be."""
    made: Firm = FirmFactory(slug="ours", name="Ours")
    furnish(made, "bakery")
    dossier = Dossier.objects.get(firm=made)
    for status in ("draft", "approved", "refused", "in_doubt"):
        InvoiceFactory(dossier=dossier, status=status)
    for reason in ("unknown_tag", "no_vat", "several_products", "no_project"):
        LedgerRowFactory(dossier=dossier, reason=reason, tags=["Advise"])
    LedgerRowFactory(dossier=dossier, state="held", decision="held", decision_text="The client contests it")
    CorrectionFactory(invoice=InvoiceFactory(dossier=dossier, status="posted", delivery="sent"))
    return made


@pytest.fixture
def signed_in(firm: Firm, live_server: LiveServer, context: BrowserContext) -> BrowserContext:
    """The browser of the owner, who gave the password just now."""
    owner = MembershipFactory(firm=firm, role="owner", user__is_staff=True).user
    client = Client()
    client.force_login(owner)
    prove(client, "password")
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie.value, "url": live_server.url}])
    return context


def _pages(firm: Firm) -> Iterator[tuple[str, str]]:
    """Name and path of every address that the owner opens (every_url.txt), of the admin those of every day."""
    named = named_of(firm, "bakery")
    opened = {name for name, letters in expected_of("owner").items() if letters.startswith("a")}
    for address in addresses():
        is_page = address.name in opened and not _NO_PAGES.search(address.name)
        if not is_page or address.name.startswith(("/", "operator:")):
            continue
        if address.name.startswith("admin:") and not _DAILY.match(address.name):
            continue
        yield address.name, url_of(address, values_of(address, firm, "bakery", named, "unknown"), firm.slug)


def _violations(page: Page) -> dict[str, str]:
    """What axe finds: the rule, and the places of the page where it is broken."""
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    # Without preload: axe would read the style sheets once more, and write them into the page.
    found: dict[str, Any] = page.evaluate("axe.run(document, {preload: false, resultTypes: ['violations']})")
    return {
        each["id"]: " | ".join(f"{node['target']} {node['html'][:90]}" for node in each["nodes"][:3])
        + f" ({len(each['nodes'])})"
        for each in found["violations"]
    }


def _faults(page: Page, firm: Firm, site: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of every page its name, and what is wrong with it: by axe's rules, `beyond` (pixels), `console`."""
    heard: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            heard.append(f"{message.text} {message.location.get('url', '')}")

    page.on("console", listen)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.add_init_script(AXE)
    for name, path in _pages(firm):
        heard.clear()
        answer = page.goto(f"{site}{path}")
        assert answer is not None
        if answer.status != 200 or "text/html" not in answer.headers["content-type"]:
            continue
        found: dict[str, Any] = _violations(page)
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if beyond > 0:
            found["beyond"] = beyond
        if heard:
            found["console"] = list(heard)
        yield name, found


@pytest.mark.parametrize("scheme", LIGHT_AND_DARK)
@pytest.mark.parametrize("width", DESK_AND_PHONE)
def test_nothing_stands_in_the_way(
    scheme: str, width: int, firm: Firm, signed_in: BrowserContext, live_server: LiveServer
) -> None:
    page = signed_in.new_page()
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two words
    page.set_viewport_size({"width": width, "height": 900})
    found = dict(_faults(page, firm, live_server.url))
    assert len(found) > 60
    faults = {name: rules for name, rules in found.items() if rules}
    told = Counter(rule for rules in faults.values() for rule in rules)
    assert not faults, f"{dict(told)}\n{json.dumps(faults, indent=1, ensure_ascii=False)}"
