"""How a person becomes a member, and the link with which an invited one chooses a password."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings

from tests.factories import PASSWORD, FirmFactory, MembershipFactory, UserFactory
from toggbill.firms.audit import Actor
from toggbill.firms.membership.invitations import add_member, mail_invitation
from toggbill.firms.models import AuditEvent, Firm, Membership, User

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def events(firm: Firm) -> list[tuple[str, str, dict[str, Any]]]:
    rows = AuditEvent.objects.for_firm(firm).order_by("number")
    return [(row.type, row.subject, row.data) for row in rows]


def test_add_member_without_password_makes_an_account_to_invite() -> None:
    firm = FirmFactory.create()
    joining = add_member(firm=firm, email=" New@Example.com ", role="manager", by=Actor.command(), now=NOW)
    user = User.objects.get(email="new@example.com")
    assert (joining.outcome, joining.to_invite, user.is_staff) == ("created", True, True)
    assert not user.has_usable_password()
    assert events(firm) == [("member_invited", "member new@example.com", {"role": "manager"})]


def test_add_member_with_password_makes_an_account_that_can_sign_in() -> None:
    firm = FirmFactory.create()
    joining = add_member(
        firm=firm, email="new@example.com", role="viewer", password=PASSWORD, by=Actor.command(), now=NOW
    )
    user = User.objects.get(email="new@example.com")
    assert (joining.outcome, joining.to_invite, user.is_staff) == ("created", False, False)
    assert user.check_password(PASSWORD)
    assert events(firm) == [("member_joined", "member new@example.com", {"role": "viewer"})]


def test_add_member_of_another_firm_keeps_the_password() -> None:
    firm, user = FirmFactory.create(), UserFactory.create(email="both@example.com", password=PASSWORD)
    MembershipFactory.create(user=user)
    joining = add_member(
        firm=firm, email="both@example.com", role="owner", password="another-one", by=Actor.command(), now=NOW
    )
    assert (joining.outcome, joining.to_invite) == ("created", False)
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert Membership.objects.filter(user=user).count() == 2
    assert events(firm) == [("member_joined", "member both@example.com", {"role": "owner"})]


def test_add_member_again_changes_nothing() -> None:
    firm = FirmFactory.create()
    add_member(firm=firm, email="new@example.com", role="viewer", by=Actor.command(), now=NOW)
    joining = add_member(firm=firm, email="new@example.com", role="viewer", by=Actor.command(), now=NOW)
    assert (joining.outcome, joining.to_invite) == ("unchanged", False)
    assert len(events(firm)) == 1


@pytest.mark.parametrize(("old", "new", "staff"), [("owner", "viewer", False), ("viewer", "bookkeeper", True)])
def test_add_member_with_another_role_changes_it(old: str, new: str, staff: bool) -> None:
    firm = FirmFactory.create()
    MembershipFactory.create(firm=firm)
    add_member(firm=firm, email="new@example.com", role=old, by=Actor.command(), now=NOW)
    joining = add_member(firm=firm, email="new@example.com", role=new, by=Actor.command(), now=NOW)
    assert (joining.outcome, joining.membership.role) == ("updated", new)
    assert User.objects.get(email="new@example.com").is_staff is staff
    assert events(firm)[1:] == [("member_role_changed", "member new@example.com", {"old": old, "new": new})]


def test_demoted_member_stays_staff_while_he_leads_another_firm() -> None:
    firm, user = FirmFactory.create(), UserFactory.create(email="both@example.com")
    MembershipFactory.create(user=user, role="owner")
    MembershipFactory.create(firm=firm)
    add_member(firm=firm, email="both@example.com", role="owner", by=Actor.command(), now=NOW)
    add_member(firm=firm, email="both@example.com", role="viewer", by=Actor.command(), now=NOW)
    user.refresh_from_db()
    assert user.is_staff


def test_mail_invitation_gives_a_link_that_opens_the_choice_of_a_password(
    client: Client, settings: Settings, tmp_path: Path
) -> None:
    settings.PUBLIC_URL = "https://toggbill.example"
    settings.STATIC_ROOT = tmp_path  # no files were collected for the tests, and that is a warning
    firm = FirmFactory.create(name="Fiduciaire\nExemple")
    user = add_member(firm=firm, email="new@example.com", role="viewer", by=Actor.command(), now=NOW).membership.user
    mail_invitation(firm=firm, user=user)
    (message,) = mail.outbox
    assert message.to == ["new@example.com"]
    assert message.subject == "Your account at toggbill for Fiduciaire Exemple"
    link = re.search(r"https://toggbill\.example(/accounts/password/reset/key/\S+)", str(message.body))
    assert link
    answer = client.get(link[1])
    # allauth keeps the key in the session and shows the form at an address without it.
    assert answer.status_code == 302
    assert answer.headers["Location"].endswith("-set-password/")
