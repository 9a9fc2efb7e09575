"""What only a browser can tell of accounts: passkeys under the content security policy, and how wide pages are."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.browser.conftest import sign_in
from tests.factories import PASSWORD, DossierFactory, InvitationFactory, MembershipFactory
from toggbill.firms.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

KEY = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def user(live_server: LiveServer) -> User:
    row = MembershipFactory(user__password=PASSWORD, user__is_staff=True, firm__name="Our Firm", firm__slug="ours")
    DossierFactory(firm=row.firm, name="Bakery with quite a long name of its own")
    InvitationFactory(firm=row.firm, email="somebody.with.a.long.address@example.com")
    return row.user


@pytest.mark.usefixtures("complaints")
def test_passkey_is_added_and_signs_in_without_a_password(page: Page, live_server: LiveServer, user: User) -> None:
    # An address of digits cannot have a passkey.
    site = live_server.url.replace("127.0.0.1", "localhost")
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
    page.goto(f"{site}/accounts/login/")
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{site}/f/ours/")
    page.goto(f"{site}/accounts/2fa/")
    page.get_by_role("link", name="Add a passkey").click()
    page.locator("[name=passwordless]").check()
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    page.context.clear_cookies()
    page.goto(f"{site}/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{site}/f/ours/")
    expect(page.get_by_role("link", name="Members")).to_be_visible()


@pytest.mark.usefixtures("complaints")
@pytest.mark.parametrize("width", [390, 1360])
@pytest.mark.parametrize("language", ["en", "fr", "nl"])
def test_pages_of_members_and_accounts_fit_the_screen(
    width: int, language: str, page: Page, live_server: LiveServer, user: User
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    sign_in(page, live_server, user)
    page.context.add_cookies([{"name": "django_language", "value": language, "url": live_server.url}])
    member = user.memberships.get().pk
    for path in (
        "/f/ours/members/",
        f"/f/ours/members/{member}/",
        "/accounts/2fa/",
        "/accounts/sessions/",
        "/accounts/2fa/webauthn/",
    ):
        page.goto(live_server.url + path)
        beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert beyond <= 0, path
