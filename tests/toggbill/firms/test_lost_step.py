"""A member who lost the second step: who may take it away, and who is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client
from pytest_django import Settings

from tests.conftest import Outcome
from tests.factories import PASSWORD, FirmFactory, MembershipFactory, UserFactory
from tests.visitors import Tab, events, prove, signed_in, text
from toggbill.firms.models import Firm, Membership, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def no_mail(settings: Settings) -> None:
    """A mail server that nobody answers for."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", language="fr")


def in_english(browser: Client) -> Client:
    """The same browser, whose person reads English whatever the firm does."""
    browser.cookies["django_language"] = "en"
    return browser


def with_second_step(firm: Firm, elsewhere: Client | None = None) -> Membership:
    """A member with an app and recovery codes, who is signed in elsewhere."""
    row = MembershipFactory(firm=firm, user__email="lost@example.com", user__password=PASSWORD, role="bookkeeper")
    if elsewhere is not None:
        elsewhere.post("/accounts/login/", {"login": "lost@example.com", "password": PASSWORD})
    TOTP.activate(row.user, generate_totp_secret())
    RecoveryCodes.activate(row.user)
    return row


def reset(browser: Client, row: Membership) -> str:
    """What the page says when an owner removes the member's second step."""
    return browser.post(f"/members/{row.pk}/second-step/", follow=True).content.decode()


def steps(row: Membership) -> int:
    return int(Authenticator.objects.filter(user=row.user_id).count())


def test_owner_removes_the_second_step_of_a_member(firm: Firm) -> None:
    elsewhere = Tab(firm)
    row = with_second_step(firm, elsewhere)
    prove(elsewhere, "mfa")
    assert elsewhere.get("/").status_code == 200
    assert UserSession.objects.filter(user=row.user).count() == 1
    owner = in_english(signed_in(firm, email="owner@example.com"))
    assert "A lost second step" in text(owner, f"/members/{row.pk}/")
    assert "The second step of lost@example.com is removed, and every session ended." in reset(owner, row)
    assert steps(row) == 0
    assert elsewhere.get("/").status_code == 302
    assert not UserSession.objects.filter(user=row.user).exists()
    assert events(firm) == [("member_mfa_reset", "member lost@example.com", {})]
    [message] = mail.outbox
    assert message.to == ["lost@example.com"]
    assert message.subject == "Votre deuxième étape sur toggbill a été retirée"
    assert "owner@example.com" in str(message.body)
    answer = Client().post("/accounts/login/", {"login": "lost@example.com", "password": PASSWORD})
    assert answer["Location"] == "/"
    assert "A lost second step" not in text(owner, f"/members/{row.pk}/")


def test_member_of_a_firm_that_demands_two_steps_sets_up_a_new_one(firm: Firm) -> None:
    Firm.objects.update(requires_mfa=True)
    row = with_second_step(firm)
    owner = MembershipFactory(firm=firm).user
    TOTP.activate(owner, generate_totp_secret())
    browser = Tab(firm)
    browser.force_login(owner)
    prove(browser, "mfa")
    reset(browser, row)
    again = Client()
    again.post("/accounts/login/", {"login": "lost@example.com", "password": PASSWORD})
    assert again.get("/")["Location"] == "/accounts/2fa/"


def test_owner_does_not_weaken_an_account_of_another_firm(firm: Firm) -> None:
    row = with_second_step(firm)
    MembershipFactory(user=row.user, role="viewer")
    owner = in_english(signed_in(firm))
    why = "lost@example.com does not work for this firm alone, so whoever runs toggbill has to reset the second step."
    assert why in text(owner, f"/members/{row.pk}/")
    assert why in reset(owner, row)
    assert steps(row) == 2
    assert mail.outbox == []
    assert events(firm) == []


def test_owner_does_not_weaken_the_operator(firm: Firm) -> None:
    row = with_second_step(firm)
    User.objects.filter(pk=row.user_id).update(is_superuser=True)
    reset(signed_in(firm), row)
    assert steps(row) == 2


def test_nobody_resets_his_own_or_what_is_not_there(firm: Firm) -> None:
    row = with_second_step(firm)
    Membership.objects.filter(pk=row.pk).update(role="owner")
    browser = Tab(firm)
    browser.force_login(row.user)
    prove(browser, "mfa")
    in_english(browser)
    assert "Your own second step you change on the page" in reset(browser, row)
    assert steps(row) == 2
    plain = MembershipFactory(firm=firm, user__email="plain@example.com")
    assert "plain@example.com signs in in one step." in reset(browser, plain)


@pytest.mark.parametrize("role", ["manager", "bookkeeper", "viewer"])
def test_only_owners_may(role: str, firm: Firm) -> None:
    row = with_second_step(firm)
    assert signed_in(firm, role).post(f"/members/{row.pk}/second-step/").status_code == 403
    assert signed_in(FirmFactory()).post(f"/members/{row.pk}/second-step/").status_code == 404
    assert steps(row) == 2


@pytest.mark.usefixtures("no_mail")
def test_mail_that_cannot_be_sent_is_said(firm: Firm) -> None:
    row = with_second_step(firm)
    told = reset(in_english(signed_in(firm)), row)
    assert "lost@example.com could not be told by mail: tell the person yourself." in told
    assert steps(row) == 0


def test_operator_resets_any_account(firm: Firm, command: Callable[..., Outcome]) -> None:
    row = with_second_step(firm)
    other = MembershipFactory(user=row.user, firm=FirmFactory(slug="theirs"), role="viewer").firm
    done = command("reset_mfa", " Lost@Example.com")
    assert (done.code, done.answer) == (0, {"email": "lost@example.com", "removed": 1})
    assert steps(row) == 0
    assert events(firm) == events(other) == [("member_mfa_reset", "member lost@example.com", {})]
    assert "La personne qui gère toggbill" in str(mail.outbox[0].body)
    again = command("reset_mfa", "lost@example.com")
    assert (again.code, again.answer) == (0, {"email": "lost@example.com", "removed": 0})
    assert "signs in in one step" in again.words
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("no_mail")
def test_operator_is_told_of_a_mail_that_was_not_sent(firm: Firm, command: Callable[..., Outcome]) -> None:
    with_second_step(firm)
    done = command("reset_mfa", "lost@example.com")
    assert done.code == 0
    assert "could not be told by mail" in done.words


def test_operator_names_an_account_that_is_there(command: Callable[..., Outcome]) -> None:
    UserFactory(email="somebody@example.com")
    done = command("reset_mfa", "nobody@example.com")
    assert (done.code, done.answer) == (2, None)
    assert "There is no account “nobody@example.com”." in done.words
