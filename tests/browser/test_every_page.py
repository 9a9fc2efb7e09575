"""Every page of the site and of the firm's admin, in light and dark, on a desk and on a phone: nothing is in the way of
who reads it with other eyes or hands (axe), the browser complains of nothing, nothing sticks out of the screen."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, ConsoleMessage, Page
from pytest_django.live_server_helper import LiveServer

from invoicing.models import Dossier
from tests.addresses import addresses
from tests.factories import (
    NOW,
    PASSWORD,
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
from toggbill.firms.audit import Actor
from toggbill.firms.identity import proof
from toggbill.firms.membership.invitations import invite
from toggbill.firms.models import Firm, Invitation, User

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
# What may be another thing where the same page is looked at in the other scheme.
LOOKS = {"runOnly": ["color-contrast"]}
# All rules that axe has on, and the size of what is pressed, which WCAG asks for since 2.2.
ALL = {"rules": {"target-size": {"enabled": True}}}
# A page that shows how far something is asks for itself anew some seconds later: not while it is looked at.
STILL = "const later = setTimeout; window.setTimeout = (call, ms, ...more) => ms > 1999 ? 0 : later(call, ms, ...more)"
DESK, PHONE = {"width": 1360, "height": 900}, {"width": 320, "height": 900}
# Of the admin what is looked at or changed from day to day.
_DAILY = re.compile(
    r"admin:(?:index|app_list|(?:firms_(?:auditevent|invitation|membership)|integrations_(?:connection|customer|product)"
    r"|invoicing_(?:agreement|clientmapping|dossier|invoice|ledgerrow|tagmapping))_(?:add|change|changelist))$"
)
LEFT_OUT = {
    r".*(?:_export|annex|_template|mfa_download_recovery_codes)$": "a file",
    r"(?:healthz|readyz|.*jsi18n)$": "an answer to a machine",
    r"(?:home|old_address|set_language|billit_signed_in)$": "leads on",
    r"account_(?:confirm_login_code|change_password)$": "leads on, without a code, without a password",
    r"firm:(?:decision|connection_choose|setup_connect)$": "leads on, unless a form was filled in wrongly",
    r".*logout$|.*login$": "signs in or out",
    r"mfa_(?:reauthenticate_webauthn|login_webauthn)$": "needs a passkey",
    r"/f/|admin:": "a page of the admin that is not opened from day to day",
}
"""Addresses that are not looked at, and why; those that only take a form are no pages, as every_url.txt says."""


@dataclass(frozen=True)
class Visitor:
    """Somebody with a browser, and the addresses at which only such a person meets a page."""

    client: Client
    firm: Firm
    alone: frozenset[str] = frozenset()


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


def _browser(user: User) -> Client:
    """A browser of somebody who gave the password just now."""
    client = Client()
    client.force_login(user)
    prove(client, "password")
    return client


def _member(firm: Firm, **fields: Any) -> User:
    """One more owner, whose address is proven."""
    user: User = MembershipFactory(firm=firm, role="owner", user__is_staff=True, **fields).user
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def _visitors(firm: Firm) -> list[Visitor]:
    """The owner; somebody with a second step, the same before its code is given, and long after it was; one whose
    password was given long ago; the owner of a firm in which nothing is yet; one who is not signed in."""
    known = {"user__password": PASSWORD}
    stepped, sure, half, unsure, stale = _member(firm, **known), Client(), Client(), Client(), Client()
    TOTP.activate(stepped, generate_totp_secret())
    RecoveryCodes.activate(stepped)
    sure.force_login(stepped)
    prove(sure, "mfa")
    half.post("/accounts/login/", {"login": stepped.email, "password": PASSWORD})
    unsure.force_login(stepped)
    stale.force_login(_member(firm, **known))
    new = FirmFactory(slug="new", name="New")
    return [
        Visitor(_browser(_member(firm, **known)), firm),
        Visitor(sure, firm, frozenset({"mfa_deactivate_totp", "mfa_view_recovery_codes"})),
        Visitor(half, firm, frozenset({"mfa_authenticate"})),
        Visitor(unsure, firm, frozenset({"mfa_reauthenticate"})),
        Visitor(stale, firm, frozenset({"account_reauthenticate"})),
        Visitor(Client(), firm, frozenset({"account_login", "account_signup", "invitation"})),
        # Without a password, too: somebody made the account, and nobody was invited.
        Visitor(_browser(_member(new)), new, frozenset({"account_set_password"})),
    ]


def _pages(firm: Firm) -> Iterator[tuple[Client, str, str]]:
    """Who looks, the name of the address and its path: what the owner opens (every_url.txt), of the admin what is of
    every day, and what others meet alone."""
    named = named_of(firm, "bakery")
    _invitation, token = invite(firm=firm, email="somebody@example.com", role="viewer", by=Actor.command(), now=NOW)
    Invitation.objects.update(expires_at="2999-01-01T00:00Z")
    opened = {name for name, letters in expected_of("owner").items() if letters.startswith("a")}
    owner, *others = _visitors(firm)
    alone = frozenset[str]().union(*(visitor.alone for visitor in others))
    left = {
        name for name in opened - alone if not _DAILY.match(name) and any(re.match(each, name) for each in LEFT_OUT)
    }
    assert not [each for each in LEFT_OUT if not any(re.match(each, name) for name in left)], "no such address any more"
    for visitor in (owner, *others):
        for address in addresses():
            if address.name in (visitor.alone or opened - alone - left):
                values = values_of(address, firm, "bakery", named, token)
                yield visitor.client, address.name, url_of(address, values, visitor.firm.slug)
    # The same address is another page where nothing is yet.
    for name in ("firm:dossiers", "firm:setup", "firm:attention", "firm:invoices", "firm:all_hours", "firm:wip"):
        address = next(each for each in addresses() if each.name == name)
        yield others[-1].client, f"{name} of a new firm", url_of(address, {}, "new")


def _violations(page: Page, rules: dict[str, Any]) -> dict[str, str]:
    """What axe finds: the rule, and the places of the page where it is broken."""
    # Without preload: axe would read the style sheets once more, and write them into the page.
    asked = {"preload": False, "resultTypes": ["violations"], **rules}
    found: dict[str, Any] = page.evaluate("rules => axe.run(document, rules)", asked)
    return {
        each["id"]: " | ".join(f"{node['target']} {node['html'][:90]}" for node in each["nodes"][:3])
        + f" ({len(each['nodes'])})"
        for each in found["violations"]
    }


def _looked_at(page: Page, *, with_menu: bool) -> dict[str, Any]:
    """What is wrong with the page that is open, on a desk in the light and on a phone in the dark; what hangs on looks
    alone the other way round, too. By axe's rules, and `beyond`: pixels that stick out."""
    found: dict[str, Any] = {}
    # The menu lies over the page when it is open.
    opened = "details" if with_menu else "details:not(.menu)"
    page.evaluate("what => document.querySelectorAll(what).forEach(each => { each.open = true; })", opened)
    for size, scheme, rules in (
        (DESK, "light", ALL),
        (DESK, "dark", LOOKS),
        (PHONE, "dark", ALL),
        (PHONE, "light", LOOKS),
    ):
        if page.viewport_size != size:
            page.set_viewport_size(size)  # type: ignore[arg-type]  # two numbers
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two words
        found |= {f"{rule} {scheme} {size['width']}": told for rule, told in _violations(page, rules).items()}
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if beyond > 0:
            found[f"beyond {size['width']}"] = beyond
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(DESK)  # type: ignore[arg-type]  # two numbers
    return found


@pytest.mark.parametrize("part", ["site", "admin"])
def test_nothing_stands_in_the_way(
    part: str, firm: Firm, live_server: LiveServer, context: BrowserContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Looking at every page may take longer than a proof is fresh.
    monkeypatch.setattr(proof, "FRESH_FOR", timedelta(days=1))
    page, heard, faults, who = context.new_page(), list[str](), dict[str, dict[str, Any]](), None

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            heard.append(f"{message.text} {message.location.get('url', '')}")

    page.on("console", listen)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.add_init_script(f"{STILL}\n{AXE}")
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(DESK)  # type: ignore[arg-type]  # two numbers
    pages = [each for each in _pages(firm) if each[1].startswith("admin:") == (part == "admin")]
    assert len(pages) > 30
    for client, name, path in pages:
        if client is not who:
            who = client
            context.clear_cookies()
            if cookie := client.cookies.get(settings.SESSION_COOKIE_NAME):
                context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
        heard.clear()
        answer = page.goto(f"{live_server.url}{path}")
        assert answer is not None
        found = _looked_at(page, with_menu=name == "firm:mails")
        if page.url != f"{live_server.url}{path}" or answer.status != 200:
            found["not reached"] = f"{path} answers {answer.status} at {page.url}"
        if heard:
            found["console"] = list(heard)
        if found:
            faults[name] = found
    told = Counter(rule for rules in faults.values() for rule in rules)
    assert not faults, f"{dict(told)}\n{json.dumps(faults, indent=1, ensure_ascii=False)}"
