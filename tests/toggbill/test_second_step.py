"""Signing up, signing in in two steps, passkeys, sessions, locks, and what browsers report."""

from __future__ import annotations

import json
import logging
import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.contrib.auth.hashers import identify_hasher
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from tests.factories import PASSWORD, FirmFactory, MembershipFactory, UserFactory
from tests.visitors import events, prove, signed_in, text
from toggbill import settings as site
from toggbill.firms.audit import Actor
from toggbill.firms.identity import mfa
from toggbill.firms.membership.invitations import add_member
from toggbill.firms.models import Firm, Membership, User

pytestmark = pytest.mark.django_db


SIGN_UP = {"firm_name": "Fiduciaire Été", "email": "new@example.com", "password1": PASSWORD, "password2": PASSWORD}


def test_sign_up_opens_a_firm_once_the_address_is_proven(settings: Settings) -> None:
    settings.SIGNUP_OPEN = True
    settings.PASSWORD_HASHERS = site.PASSWORD_HASHERS
    browser = Client()
    answer = browser.post("/accounts/signup/", SIGN_UP)
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/confirm-email/")
    assert not Firm.objects.exists()
    assert identify_hasher(User.objects.get().password).algorithm == "argon2"
    assert browser.get("/").status_code == 302
    sign_in = {"login": "new@example.com", "password": PASSWORD}
    assert Client().post("/accounts/login/", sign_in)["Location"] == "/accounts/confirm-email/"
    link = re.search(r"http://testserver(/accounts/confirm-email/\S+)", str(mail.outbox[0].body))
    assert link
    assert browser.post(link[1]).status_code == 302
    row = Membership.objects.get(user__email="new@example.com")
    assert (row.firm.slug, row.firm.name, row.role, row.user.is_staff) == (
        "fiduciaire-ete",
        "Fiduciaire Été",
        "owner",
        True,
    )
    assert Client().post("/accounts/login/", sign_in)["Location"] == "/"
    assert events(row.firm) == [("member_joined", "member new@example.com", {"role": "owner"})]
    assert browser.post(link[1]).status_code == 404
    assert Firm.objects.count() == 1


def proven(email: str) -> None:
    """Follow the link in the latest mail to an address."""
    body = next(str(message.body) for message in reversed(mail.outbox) if message.to == [email])
    link = re.search(r"http://testserver(/accounts/confirm-email/\S+)", body)
    assert link
    assert Client().post(link[1]).status_code == 302


def test_account_that_is_never_proven_leaves_nothing_behind(settings: Settings) -> None:
    settings.SIGNUP_OPEN = True
    Client().post("/accounts/signup/", SIGN_UP)
    Client().post("/accounts/signup/", SIGN_UP | {"email": "proven@example.com"})
    proven("proven@example.com")
    UserFactory(email="made-by-a-firm@example.com")
    week = timedelta(days=7, seconds=1)
    User.objects.update(joined_at=timezone.now() - week)
    Client().post("/accounts/signup/", SIGN_UP | {"email": "another@example.com"})
    assert sorted(User.objects.values_list("email", flat=True)) == [
        "another@example.com",
        "made-by-a-firm@example.com",
        "proven@example.com",
    ]
    assert not EmailAddress.objects.filter(email="new@example.com").exists()
    assert Firm.objects.count() == 1


def test_account_that_is_invited_before_it_is_proven_opens_no_firm(settings: Settings) -> None:
    settings.SIGNUP_OPEN = True
    Client().post("/accounts/signup/", SIGN_UP)
    firm = FirmFactory(slug="ours")
    add_member(firm=firm, email="new@example.com", role="viewer", by=Actor.command(), now=timezone.now())
    assert User.objects.get().asked_firm == ""
    assert Firm.objects.count() == 1


def test_sign_up_of_a_second_firm_of_that_name_gets_a_number(settings: Settings) -> None:
    settings.SIGNUP_OPEN = True
    FirmFactory(slug="fiduciaire-ete")
    Client().post("/accounts/signup/", SIGN_UP)
    proven("new@example.com")
    assert Firm.objects.filter(slug="fiduciaire-ete-2").exists()


def test_sign_up_with_a_known_address_makes_nothing_and_says_nothing(settings: Settings) -> None:
    settings.SIGNUP_OPEN = True
    UserFactory(email="new@example.com", password=PASSWORD)
    answer = Client().post("/accounts/signup/", SIGN_UP)
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/confirm-email/")
    assert Firm.objects.count() == 0
    assert User.objects.count() == 1


def test_sign_up_is_closed_unless_it_is_opened() -> None:
    answer = Client().post("/accounts/signup/", SIGN_UP)
    assert "Members are invited" in answer.content.decode()
    assert not User.objects.exists()
    assert "Open a firm" not in text(Client(), "/accounts/login/")


def code_of(secret: str) -> str:
    """What the app would show now."""
    return str(format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time())))))


def test_code_of_the_app_is_asked_after_the_password() -> None:
    user = MembershipFactory(user__password=PASSWORD).user
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    stored = Authenticator.objects.get(user=user).data["secret"]
    assert secret not in stored
    browser = Client()
    answer = browser.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert answer["Location"] == "/accounts/2fa/authenticate/"
    assert browser.get("/").status_code == 302
    assert "Second step" in text(browser, "/accounts/2fa/authenticate/")
    assert browser.post("/accounts/2fa/authenticate/", {"code": "000000"}).status_code == 200
    assert browser.post("/accounts/2fa/authenticate/", {"code": code_of(secret)})["Location"] == "/"
    assert browser.get("/", follow=True).status_code == 200


def test_secrets_of_second_steps_are_encrypted_anew(settings: Settings) -> None:
    user = UserFactory()
    TOTP.activate(user, generate_totp_secret())
    old = Authenticator.objects.get().data["secret"]
    clear = mfa.MFAAdapter().decrypt(old)
    settings.FIELD_ENCRYPTION_KEYS = ["a-newer-passphrase", *settings.FIELD_ENCRYPTION_KEYS]
    assert mfa.rotate() == (1, [])
    new = Authenticator.objects.get().data["secret"]
    settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]
    assert mfa.MFAAdapter().decrypt(new) == clear


def test_firm_that_demands_two_steps_lets_nobody_on_without() -> None:
    firm = FirmFactory(name="Our Firm")
    owner = signed_in(firm)
    assert owner.post("/members/two-steps/", {"wanted": "yes"})["Location"] == f"/f/{firm.slug}/members/"
    told = {"name": "Our Firm", "timezone": "Europe/Brussels", "language": firm.language, "requires_mfa": True}
    assert events(firm) == [("rule_changed", f"firm {firm.slug}", {"old": told | {"requires_mfa": False}, "new": told})]
    for path in ("/", "/members/", "/invoices/", "/admin/", "/nowhere/", "/accounts/password/change/"):
        answer = owner.get(path)
        assert (answer.status_code, answer.headers.get("Location")) == (302, "/accounts/2fa/"), path
    assert "Our Firm asks for a second step" in text(owner, "/accounts/2fa/")
    user = User.objects.get(memberships__firm=firm)
    TOTP.activate(user, generate_totp_secret())
    prove(owner, "mfa")
    assert owner.get("/").status_code == 200
    [row] = Authenticator.objects.filter(user=user)
    assert not mfa.MFAAdapter().can_delete_authenticator(row)
    firm.requires_mfa = False
    firm.save()
    assert mfa.MFAAdapter().can_delete_authenticator(row)


def test_second_steps_wear_our_look_and_no_script_runs_inline() -> None:
    user = MembershipFactory(user__password=PASSWORD).user
    browser = Client()
    browser.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    TOTP.activate(user, generate_totp_secret())
    paths = [
        "/accounts/2fa/",
        "/accounts/2fa/webauthn/add/",
        "/accounts/2fa/webauthn/",
        "/accounts/sessions/",
        "/accounts/login/",
    ]
    for path in [
        *paths,
        "/accounts/2fa/recovery-codes/generate/",
        "/accounts/2fa/totp/deactivate/",
        "/accounts/reauthenticate/",
    ]:
        visitor = Client() if path == "/accounts/login/" else browser
        page = visitor.get(path, follow=True).content.decode()
        assert "toggbill/app.css" in page, path
        assert " style=" not in page
        for script in re.findall(r"<script[^>]*>", page):
            assert "src=" in script or 'type="application/json"' in script, (path, script)


def test_sessions_are_listed_and_ended_everywhere_else() -> None:
    user = MembershipFactory(user__password=PASSWORD).user
    here, there = Client(), Client(headers={"user-agent": "Another Browser"})
    for browser in (here, there):
        browser.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    page = text(here, "/accounts/sessions/")
    assert "You are signed in 2 times" in page
    assert "Another Browser" in page
    assert here.post("/accounts/sessions/").status_code == 302
    assert there.get("/")["Location"] == "/accounts/login/?next=/"
    assert here.get("/", follow=True).status_code == 200


def test_account_of_a_firm_counts_as_proven_and_one_that_signed_up_does_not() -> None:
    user = MembershipFactory(user__password=PASSWORD).user
    form = {"login": user.email, "password": PASSWORD}
    assert Client().post("/accounts/login/", form)["Location"] == "/"
    EmailAddress.objects.update(verified=False)
    assert Client().post("/accounts/login/", form)["Location"] == "/accounts/confirm-email/"


def report(**fields: str) -> dict[str, object]:
    return {"data": json.dumps({"csp-report": fields}), "content_type": "application/csp-report"}


def test_report_of_the_browser_becomes_a_line_of_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    told = report(
        **{
            "document-uri": "https://toggbill.example/invitations/the-token/?q=1",
            "blocked-uri": "https://evil.example/a.js?x=1\nforged",
            "violated-directive": "script-src",
            "original-policy": "left out",
        }
    )
    assert Client(enforce_csrf_checks=True).post("/csp-report/", **told).status_code == 204  # type: ignore[arg-type]  # headers
    [line] = [record.getMessage() for record in caplog.records if record.name == "toggbill.firms.requests.csp_reports"]
    assert "\n" not in line
    assert "the-token" not in line
    assert '"blocked-uri": "https://evil.example/a.js"' in line
    assert '"violated-directive": "script-src"' in line


@pytest.mark.parametrize("body", ["", "[]", "{}", "null", '{"csp-report": 3}', "not json", "[" * 5000])
def test_report_that_is_none_is_refused(body: str) -> None:
    assert Client().post("/csp-report/", body, content_type="application/csp-report").status_code == 400


def test_reports_are_limited_in_size_and_number() -> None:
    large = Client().post("/csp-report/", "x" * 16385, content_type="application/csp-report")
    assert large.status_code == 413
    statuses = [Client().post("/csp-report/", **report()).status_code for _ in range(31)]  # type: ignore[arg-type]  # headers
    assert statuses == [204] * 30 + [429]
