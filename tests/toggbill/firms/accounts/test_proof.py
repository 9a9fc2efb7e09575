"""The proof of who asks belongs to the session: what it opens, how long it is fresh, and what asks for a fresh one."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings as site
from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver, reverse

from integrations.models import Connection
from tests.addresses import addresses
from tests.factories import (
    PASSWORD,
    ConnectionFactory,
    DossierFactory,
    FirmFactory,
    InvitationFactory,
    MembershipFactory,
    UserFactory,
)
from tests.toggbill.test_second_step import code_of
from tests.visitors import Tab, address, events, inputs, of_operator, prove, signed_in
from toggbill.firms.identity import proof
from toggbill.firms.models import Firm, Invitation, Membership, User
from toggbill.firms.requests.addresses import in_firm
from toggbill.firms.requests.middleware import NEED_FRESH_PROOF, NEED_FRESH_PROOF_TO_POST

pytestmark = pytest.mark.django_db

PASSWORD_PAGE = "/accounts/reauthenticate/"
STEP_PAGE = "/accounts/2fa/reauthenticate/"


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


def by_password(user: User) -> Client:
    """The browser of an account that signed in with its password, when that was enough."""
    row = user.memberships.order_by("pk").first()
    browser = Client() if row is None else Tab(row.firm)
    browser.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert browser.session["_auth_user_id"] == str(user.pk)
    return browser


def where(answer: object) -> str:
    """Where an answer leads, without the way back."""
    assert isinstance(answer, HttpResponse)
    assert answer.status_code == 302, answer.status_code
    return answer["Location"].partition("?")[0]


# --- the session has to prove the step ------------------------------------------------------------------------------


def test_session_without_the_second_step_passes_nothing_once_the_account_has_one(firm: Firm) -> None:
    user = MembershipFactory(firm=firm, user__password=PASSWORD, user__is_staff=True).user
    browser = by_password(user)
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    codes = RecoveryCodes.activate(user).get_unused_codes()
    for path in (
        "/",
        "/invoices/",
        "/members/",
        "/admin/",
        "/accounts/2fa/",
        "/accounts/2fa/recovery-codes/",
        "/accounts/2fa/recovery-codes/download/",
        "/accounts/email/",
        "/accounts/sessions/",
        "/accounts/password/change/",
        "/nowhere/",
    ):
        for answer in (browser.get(path), browser.post(path)):
            assert where(answer) == STEP_PAGE, path
            assert codes[0] not in answer.content.decode()
    # The password, which a thief of it has, does not do.
    answer = browser.post(PASSWORD_PAGE, {"password": PASSWORD})
    assert where(answer) == STEP_PAGE
    assert where(browser.get("/accounts/2fa/recovery-codes/")) == STEP_PAGE
    answer = browser.post(f"{STEP_PAGE}?next=/f/ours/invoices/", {"code": "000000"})
    assert answer.status_code == 200
    answer = browser.post(f"{STEP_PAGE}?next=/f/ours/invoices/", {"code": code_of(secret), "next": "/f/ours/invoices/"})
    assert where(answer) == "/f/ours/invoices/"
    assert browser.get("/invoices/").status_code == 200


def test_session_without_the_second_step_may_still_sign_out(firm: Firm) -> None:
    user = MembershipFactory(firm=firm, user__password=PASSWORD).user
    browser = by_password(user)
    TOTP.activate(user, generate_totp_secret())
    assert where(browser.post("/accounts/logout/")) == "/accounts/login/"
    assert "_auth_user_id" not in browser.session


def test_step_given_at_sign_in_is_the_proof_of_the_session(firm: Firm) -> None:
    user = MembershipFactory(firm=firm, user__password=PASSWORD).user
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    RecoveryCodes.activate(user)
    browser = Tab(firm)
    browser.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    browser.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})
    assert browser.get("/").status_code == 200
    assert browser.get("/accounts/2fa/recovery-codes/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_enrolling_ends_every_other_session(firm: Firm) -> None:
    user = MembershipFactory(firm=firm, user__password=PASSWORD).user
    here, there = by_password(user), by_password(user)
    assert there.get("/").status_code == 200
    page = here.get("/accounts/2fa/totp/activate/")
    assert page.status_code == 200
    secret = page.context["form"].secret
    answer = here.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    assert where(answer) == "/accounts/2fa/recovery-codes/"
    assert where(there.get("/")) == "/accounts/login/"
    # The session that enrolled has just used the new step.
    assert here.get("/").status_code == 200
    assert here.get("/accounts/2fa/recovery-codes/").status_code == 200


def test_taking_a_step_away_ends_every_other_session(firm: Firm) -> None:
    user = MembershipFactory(firm=firm, user__password=PASSWORD).user
    here, there = by_password(user), by_password(user)
    TOTP.activate(user, generate_totp_secret())
    for browser in (here, there):
        prove(browser, "mfa")
        assert browser.get("/").status_code == 200
    assert here.post("/accounts/2fa/totp/deactivate/").status_code == 302
    assert not Authenticator.objects.exists()
    assert where(there.get("/")) == "/accounts/login/"
    assert here.get("/").status_code == 200


# --- who passes nothing without having a step -----------------------------------------------------------------------


def test_operator_passes_nothing_without_a_second_step() -> None:
    operator = UserFactory(is_staff=True, is_superuser=True, password=PASSWORD)
    browser = by_password(operator)
    ours = FirmFactory(slug="ours")
    admin = f"/f/{ours.slug}/admin/"
    for path in ("/", admin, "/operator/", of_operator(Firm, "changelist"), "/accounts/password/change/"):
        assert where(browser.get(path)) == "/accounts/2fa/", path
    page = browser.get("/accounts/2fa/").content.decode()
    assert "Whoever sees every firm signs in in two steps" in page
    assert browser.get("/accounts/2fa/totp/activate/").status_code == 200
    TOTP.activate(operator, generate_totp_secret())
    for path in (admin, "/operator/"):
        assert where(browser.get(path)) == STEP_PAGE
    prove(browser, "mfa")
    for path in (admin, "/operator/"):
        assert browser.get(path).status_code == 200


def test_member_of_a_firm_that_demands_two_steps_passes_nothing_in_any_firm_without() -> None:
    strict, easy = FirmFactory(slug="strict", name="Strict", requires_mfa=True), FirmFactory(slug="easy")
    user = UserFactory(password=PASSWORD, is_staff=True)
    MembershipFactory(firm=easy, user=user)
    MembershipFactory(firm=strict, user=user, role="viewer")
    browser = by_password(user)
    for path in ("/", "/admin/", "/members/", "/f/strict/", "/accounts/sessions/"):
        assert where(browser.get(path)) == "/accounts/2fa/", path
    assert "Strict asks for a second step" in browser.get("/accounts/2fa/").content.decode()


def test_step_that_is_gone_proves_nothing_where_one_is_demanded(firm: Firm) -> None:
    browser = signed_in(firm)
    prove(browser, "mfa")
    Firm.objects.update(requires_mfa=True)
    assert where(browser.get("/")) == "/accounts/2fa/"


# --- what asks for a fresh proof ------------------------------------------------------------------------------------


def _invitation(firm: Firm) -> str:
    return f"/members/invitations/{InvitationFactory(firm=firm).pk}"


def _member(firm: Firm) -> str:
    return f"/members/{MembershipFactory(firm=firm, role='viewer').pk}"


def _connection(firm: Firm) -> str:
    row = ConnectionFactory(firm=firm)
    return f"/connections/{row.service}/{row.key}"


SENSITIVE: dict[str, tuple[Callable[[Firm], str], bool]] = {
    # Address, and whether its page asks before the form is filled in.
    "firm:invite": (lambda _firm: "/members/invite/", False),
    "firm:invite_again": (lambda firm: f"{_invitation(firm)}/again/", False),
    "firm:revoke_invitation": (lambda firm: f"{_invitation(firm)}/revoke/", False),
    "firm:member": (lambda firm: f"{_member(firm)}/", True),
    "firm:remove_member": (lambda firm: f"{_member(firm)}/remove/", False),
    "firm:reset_mfa": (lambda firm: f"{_member(firm)}/second-step/", False),
    "firm:require_mfa": (lambda _firm: "/members/two-steps/", False),
    "firm:want_heads": (lambda _firm: "/members/heads/", False),
    "firm:firm_rules": (lambda _firm: "/firm/", True),
    "firm:connection_add": (lambda _firm: "/connections/add/toggl/", True),
    "firm:billit_sign_in": (lambda _firm: "/connections/sign-in/", False),
    "firm:connection_rotate": (lambda firm: f"{_connection(firm)}/rotate/", False),
    "firm:connection_remove": (lambda firm: f"{_connection(firm)}/remove/", True),
    "firm:setup_connect": (lambda _firm: "/setup/connect/toggl/", False),
    "firm:evidence": (lambda firm: f"/dossiers/{DossierFactory(firm=firm).key}/evidence/", False),
    "firm:leaving": (lambda _firm: "/leaving/", True),
    "firm:export_firm": (lambda _firm: "/leaving/export/", False),
    "firm:close_firm": (lambda _firm: "/leaving/close/", False),
    "account_email": (lambda _firm: "/accounts/email/", False),
    "account_change_password": (lambda _firm: "/accounts/password/change/", True),
    "mfa_view_recovery_codes": (lambda _firm: "/accounts/2fa/recovery-codes/", True),
    "mfa_download_recovery_codes": (lambda _firm: "/accounts/2fa/recovery-codes/download/", True),
    "mfa_generate_recovery_codes": (lambda _firm: "/accounts/2fa/recovery-codes/generate/", True),
    "mfa_activate_totp": (lambda _firm: "/accounts/2fa/totp/activate/", True),
    "mfa_deactivate_totp": (lambda _firm: "/accounts/2fa/totp/deactivate/", True),
    "mfa_add_webauthn": (lambda _firm: "/accounts/2fa/webauthn/add/", True),
    "admin:firms_membership_add": (lambda _firm: address(Membership, "add"), True),
    "admin:firms_membership_change": (
        lambda firm: address(Membership, "change", MembershipFactory(firm=firm, role="viewer").pk),
        True,
    ),
    "admin:firms_membership_delete": (
        lambda firm: address(Membership, "delete", MembershipFactory(firm=firm, role="viewer").pk),
        True,
    ),
    "admin:firms_firm_change": (lambda firm: address(Firm, "change", firm.pk), True),
    "admin:integrations_connection_add": (lambda _firm: address(Connection, "add"), True),
    "admin:integrations_connection_change": (
        lambda firm: address(Connection, "change", ConnectionFactory(firm=firm).pk),
        True,
    ),
}


@pytest.mark.parametrize("name", SENSITIVE)
def test_old_proof_does_not_do_for_what_matters_most(name: str, firm: Firm) -> None:
    make, asks_first = SENSITIVE[name]
    path = make(firm)
    user = MembershipFactory(firm=firm, user__password=PASSWORD, user__is_staff=True).user
    browser = Tab(firm)
    browser.force_login(user)
    prove(browser, "password", ago=601)
    assert where(browser.post(path)) == PASSWORD_PAGE
    if asks_first:
        assert where(browser.get(path)) == PASSWORD_PAGE
    # With a second step the password does not do, however fresh it is.
    TOTP.activate(user, generate_totp_secret())
    prove(browser, "mfa", ago=601)
    prove(browser, "password")
    assert where(browser.post(path)) == STEP_PAGE
    assert events(firm) == []
    prove(browser, "mfa", ago=590)
    fresh = browser.post(path)
    if fresh.streaming:
        # Not close(): that ends the connection to the database, too.
        for close in fresh._resource_closers:  # of every response
            close()
    assert fresh.headers.get("Location", "").partition("?")[0] not in {PASSWORD_PAGE, STEP_PAGE}


def test_every_page_that_asks_for_a_fresh_proof_is_tried_above() -> None:
    known = {address.name for address in addresses()}
    assert known >= NEED_FRESH_PROOF | NEED_FRESH_PROOF_TO_POST
    views = {
        name
        for name, address in ((address.name, address) for address in addresses())
        if not name.startswith(("/", "admin:", "operator:")) and _asks(name, address.wants)
    }
    # Renaming and removing a passkey want one; setting a password wants an account without.
    untried = {"mfa_edit_webauthn", "mfa_remove_webauthn", "account_set_password"}
    pages = views | NEED_FRESH_PROOF | NEED_FRESH_PROOF_TO_POST
    assert pages - untried == {name for name in SENSITIVE if not name.startswith("admin:")}


def _asks(name: str, wants: tuple[str, ...]) -> bool:
    values: dict[str, str | int] = {"service": "toggl", "kind": "csv", "step": "drop", "remedy": "accept"}
    values |= {"remote_id": 1, "pk": 1, "client": 1, "decision": "hold", "page": "invoices/"}
    values |= dict.fromkeys(("position", "line", "order"), 1)
    with in_firm("ours"):
        path = reverse(name, kwargs={want: values.get(want, "x") for want in wants})
    return bool(getattr(get_resolver().resolve(path).func, "asks_for_proof", False))


def test_nothing_of_a_form_that_was_sent_without_proof_is_done_and_the_way_leads_back(firm: Firm) -> None:
    user = MembershipFactory(firm=firm, user__password=PASSWORD).user
    browser = Tab(firm)
    browser.force_login(user)
    page = "http://testserver/f/ours/members/?x=1"
    form = {"email": "new@example.com", "role": "owner"}
    answer = browser.post("/members/invite/", form, headers={"referer": page})
    assert answer["Location"] == f"{PASSWORD_PAGE}?next=%2Ff%2Fours%2Fmembers%2F%3Fx%3D1"
    assert not Invitation.objects.exists()
    asked = browser.get(answer["Location"]).content.decode()
    assert "Nothing was done yet: show that it is you, and do it once more." in asked
    assert inputs(asked, "next") == ["/f/ours/members/?x=1"]
    assert browser.post(PASSWORD_PAGE, {"password": "wrong", "next": "/f/ours/members/"}).status_code == 200
    back = browser.post(PASSWORD_PAGE, {"password": PASSWORD, "next": "/f/ours/members/?x=1"})
    assert back["Location"] == "/f/ours/members/?x=1"
    assert browser.post("/members/invite/", form).status_code == 302
    assert Invitation.objects.get().email == "new@example.com"


@pytest.mark.parametrize("referer", ["", "https://evil.example/members/", "//evil.example/", "javascript:alert(1)"])
def test_way_back_stays_on_the_site(referer: str, firm: Firm) -> None:
    user = MembershipFactory(firm=firm, user__password=PASSWORD).user
    browser = Tab(firm)
    browser.force_login(user)
    answer = browser.post("/members/two-steps/", {"wanted": "yes"}, headers={"referer": referer} if referer else {})
    assert answer["Location"] == f"{PASSWORD_PAGE}?next=%2Ff%2Fours%2F"


def test_no_secret_of_a_form_waits_in_the_session(firm: Firm) -> None:
    user = MembershipFactory(firm=firm, user__password=PASSWORD).user
    browser = Tab(firm)
    browser.force_login(user)
    assert where(browser.post("/connections/add/toggl/", {"key": "main", "secret": "planted-secret"})) == PASSWORD_PAGE
    assert "planted-secret" not in str(dict(browser.session))


def test_account_without_password_or_step_proves_its_mailbox(firm: Firm) -> None:
    browser = Tab(firm)
    browser.force_login(MembershipFactory(firm=firm).user)
    for path in ("/accounts/password/set/", "/leaving/"):
        assert where(browser.get(path)) == "/accounts/password/reset/", path


def test_proof_of_another_account_in_the_same_browser_does_not_do(firm: Firm) -> None:
    browser = signed_in(firm)
    session = browser.session
    session["account_authentication_methods_user"] = str(UserFactory().pk)
    session.save()
    assert where(browser.get("/accounts/2fa/totp/activate/")) != "/accounts/2fa/totp/activate/"


def test_proof_is_fresh_for_ten_minutes() -> None:
    assert proof.FRESH_FOR.total_seconds() == 600
    assert site.ACCOUNT_REAUTHENTICATION_TIMEOUT == 0


def test_way_in_by_the_app_comes_before_that_by_a_passkey(firm: Firm) -> None:
    user = MembershipFactory(firm=firm, user__password=PASSWORD).user
    browser = by_password(user)
    Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data={"name": "Key", "credential": {}})
    assert where(browser.get("/")) == "/accounts/2fa/webauthn/reauthenticate/"
    RecoveryCodes.activate(user)
    assert where(browser.get("/")) == STEP_PAGE
    page = browser.get(STEP_PAGE).content.decode()
    assert "/accounts/2fa/webauthn/reauthenticate/" in page
    assert re.search(r'href="/accounts/reauthenticate/', page) is None
