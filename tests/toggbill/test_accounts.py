"""Signing in and out, and choosing a password: the pages of the accounts, in our look."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client

from tests.factories import PASSWORD, MembershipFactory, UserFactory
from tests.visitors import prove

pytestmark = pytest.mark.django_db


def test_login_leads_to_the_dossiers() -> None:
    user = MembershipFactory(user__password=PASSWORD).user
    answer = Client().post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_login_with_a_wrong_password_is_refused() -> None:
    user = UserFactory(password=PASSWORD)
    answer = Client().post("/accounts/login/", {"login": user.email, "password": "wrong"})
    assert answer.status_code == 200
    assert "not correct" in answer.content.decode()


def test_logout_wants_a_post_and_leads_to_the_sign_in() -> None:
    client = Client()
    client.force_login(UserFactory())
    assert "Sign out?" in client.get("/accounts/logout/").content.decode()
    answer = client.post("/accounts/logout/")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/")
    assert "_auth_user_id" not in client.session


def test_password_is_chosen_through_the_mailed_link() -> None:
    user = UserFactory(password="an-earlier-password")
    client = Client()
    answer = client.post("/accounts/password/reset/", {"email": user.email}, follow=True)
    assert "Look in your mail" in answer.content.decode()
    [message] = mail.outbox
    link = re.search(r"http://testserver(/\S+)", str(message.body))
    assert link is not None
    page = client.get(link[1], follow=True)
    assert "Choose your password" in page.content.decode()
    form = {"password1": PASSWORD, "password2": PASSWORD}
    done = client.post(page.redirect_chain[-1][0], form, follow=True)
    assert "Your password is set" in done.content.decode()
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert "This link no longer works" in Client().get(link[1], follow=True).content.decode()


def test_password_reset_does_not_say_who_has_an_account() -> None:
    answer = Client().post("/accounts/password/reset/", {"email": "nobody@example.com"}, follow=True)
    assert "Look in your mail" in answer.content.decode()


def test_nobody_signs_up_by_himself() -> None:
    answer = Client().post(
        "/accounts/signup/", {"email": "new@example.com", "password1": PASSWORD, "password2": PASSWORD}
    )
    assert answer.status_code == 200
    assert "<form" not in answer.content.decode()


@pytest.mark.parametrize("path", ["login", "password/reset", "password/change", "logout", "inactive", "email"])
def test_account_pages_wear_our_look(path: str) -> None:
    client = Client()
    if path in {"password/change", "logout", "email"}:
        client.force_login(UserFactory(password=PASSWORD))
        prove(client, "password")
    page = client.get(f"/accounts/{path}/").content.decode()
    assert "toggbill/app.css" in page
    assert " style=" not in page
    assert "<script>" not in page


def test_missing_page_says_what_to_do() -> None:
    answer = Client().get("/nowhere/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


def test_user_without_a_firm_is_told_whom_to_ask() -> None:
    client = Client()
    client.force_login(UserFactory())
    answer = client.get("/")
    assert answer.status_code == 403
    assert "Ask the firm that you work for to invite you." in answer.content.decode()
