"""Bad tries lock whoever makes them, nobody else, and do not fill the log of a firm."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from tests.factories import NOW, PASSWORD, FirmFactory, MembershipFactory
from tests.visitors import events
from toggbill.firms.accounts.bad_tries import SAID_IN_AN_HOUR, record_lock
from toggbill.firms.audit import Actor
from toggbill.firms.models import Firm, Membership

pytestmark = pytest.mark.django_db
BY = Actor("nobody", "web 203.0.113.9")


@pytest.fixture(autouse=True)
def proxied(settings: Settings) -> None:
    """Addresses of visitors come from one proxy in front; no folder of static files is needed."""
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture
def member() -> Membership:
    return MembershipFactory(user__password=PASSWORD, user__email="m@example.com")


def sign_in(address: str, password: str = "wrong") -> HttpResponse:
    browser = Client(headers={"x-forwarded-for": address})
    answer = browser.post("/accounts/login/", {"login": "m@example.com", "password": password})
    assert isinstance(answer, HttpResponse)
    return answer


def test_five_bad_tries_lock_the_address_that_made_them(member: Membership) -> None:
    for _ in range(5):
        sign_in("203.0.113.9")
    for _ in range(2):
        answer = sign_in("203.0.113.9", PASSWORD)
        assert answer.status_code == 200
        assert "Too many failed login attempts" in answer.content.decode()
    assert events(member.firm) == [("sign_in_locked", "member m@example.com", {"is_last_of_hour": False})]


@pytest.mark.parametrize(
    ("stranger", "owner"), [("203.0.113.9", "198.51.100.7"), ("2001:db8:1:1::1", "2001:db8:2:2::1")]
)
def test_bad_tries_of_a_stranger_lock_nobody_else_out(stranger: str, owner: str, member: Membership) -> None:
    for _ in range(12):
        sign_in(stranger)
    assert sign_in(owner, PASSWORD).status_code == 302


def test_another_address_of_the_same_network_is_the_same_stranger(member: Membership) -> None:
    for last in range(1, 7):
        answer = sign_in(f"2001:db8:1:1::{last}")
    assert "Too many failed login attempts" in answer.content.decode()


def test_strangers_from_everywhere_say_it_once_an_hour_for_a_member(member: Membership) -> None:
    for network in range(1, 4):
        for _ in range(7):
            sign_in(f"203.0.113.{network}")
    assert len(events(member.firm)) == 1
    record_lock(member=member, by=BY, now=NOW)
    record_lock(member=member, by=BY, now=NOW + timedelta(minutes=59))
    record_lock(member=member, by=BY, now=NOW + timedelta(minutes=61))
    assert len(events(member.firm)) <= 3


def test_log_of_a_firm_with_many_members_is_not_filled() -> None:
    firm: Firm = FirmFactory()
    rows = [MembershipFactory(firm=firm, role="viewer") for _ in range(SAID_IN_AN_HOUR + 5)]
    for row in rows:
        record_lock(member=row, by=BY, now=NOW)
    assert [data["is_last_of_hour"] for _kind, _subject, data in events(firm)] == [False] * 9 + [True]
    record_lock(member=rows[-1], by=BY, now=NOW + timedelta(minutes=61))
    assert events(firm)[-1] == ("sign_in_locked", f"member {rows[-1].user.email}", {"is_last_of_hour": False})
