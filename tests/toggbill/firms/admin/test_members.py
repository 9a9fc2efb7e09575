"""Members, users and the firm in the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from pytest_django import DjangoCaptureOnCommitCallbacks

from tests.factories import (
    NOW,
    FirmFactory,
    MembershipFactory,
)
from tests.visitors import address, events, of_operator, staff, superuser
from toggbill.firms.admin.rows import FirmAdmin
from toggbill.firms.audit import Actor, News, record, verify
from toggbill.firms.models import Firm, Membership, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


def test_member_added_is_invited_by_mail(
    firm: Firm, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        form = {"email": "New@Example.com", "role": "manager"}
        assert staff(firm).post(address(Membership, "add"), form).status_code == 302
    user = User.objects.get(email="new@example.com")
    assert (user.memberships.get().firm, user.memberships.get().role, user.is_staff) == (firm, "manager", True)
    assert [message.to for message in mail.outbox] == [["new@example.com"]]
    assert [(kind, subject) for kind, subject, _data in events(firm)] == [("member_invited", "member new@example.com")]


def test_member_role_changed_is_audited(firm: Firm) -> None:
    row = MembershipFactory(firm=firm, role="viewer")
    assert staff(firm).post(address(Membership, "change", row.pk), {"role": "manager"}).status_code == 302
    row.refresh_from_db()
    assert row.role == "manager"
    assert [kind for kind, _subject, _data in events(firm)] == ["member_role_changed"]


def test_member_removed_loses_the_admin(firm: Firm) -> None:
    row = MembershipFactory(firm=firm, role="manager", user__is_staff=True)
    assert staff(firm).post(address(Membership, "delete", row.pk), {"post": "yes"}).status_code == 302
    user = User.objects.get(pk=row.user_id)
    assert (user.memberships.exists(), user.is_staff) == (False, False)
    assert [kind for kind, _subject, _data in events(firm)] == ["member_removed"]


def test_firm_keeps_an_owner(firm: Firm) -> None:
    browser = staff(firm)
    row = Membership.objects.get(firm=firm)
    answer = browser.post(address(Membership, "change", row.pk), {"role": "viewer"})
    assert "The firm needs an owner" in answer.content.decode()
    assert browser.post(address(Membership, "delete", row.pk), {"post": "yes"}).status_code == 403


def test_users_are_shown_to_owners_and_changed_by_the_operator(firm: Firm) -> None:
    ours = MembershipFactory(firm=firm, user__email="ours@example.com").user
    theirs = MembershipFactory(user__email="theirs@example.com").user
    browser = staff(firm)
    page = browser.get(address(User, "changelist")).content.decode()
    assert ours.email in page
    assert theirs.email not in page
    form = {"email": "taken@example.com", "name": "", "is_active": "on"}
    assert browser.post(address(User, "change", ours.pk), form).status_code == 403
    assert staff(firm, "manager").get(address(User, "changelist")).status_code == 403
    assert superuser().post(of_operator(User, "change", ours.pk), form).status_code == 302


def test_firm_page_is_the_own_one(firm: Firm) -> None:
    theirs = FirmFactory(name="Their Firm")
    browser = staff(firm)
    assert "Their Firm" not in browser.get(address(Firm, "changelist")).content.decode()
    assert browser.get(address(Firm, "change", theirs.pk)).status_code == 404
    assert browser.get(address(Firm, "add")).status_code == 403
    assert browser.post(address(Firm, "change", firm.pk), {"name": "New Name", "language": "nl"}).status_code == 302
    firm.refresh_from_db()
    assert (firm.slug, firm.name, firm.language) == ("ours", "New Name", "nl")
    [(kind, _subject, data)] = events(firm)
    old = {"name": "Our Firm", "timezone": "Europe/Brussels", "language": "en", "requires_mfa": False}
    assert (kind, data) == ("rule_changed", {"old": old, "new": old | {"name": "New Name", "language": "nl"}})


def test_firm_that_is_changed_keeps_what_was_logged_meanwhile(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    save = FirmAdmin.save_model

    def late(admin: FirmAdmin, request: Any, obj: Firm, form: Any, change: bool) -> None:
        """A worker writes an event after the form has read the firm, and before it is saved."""
        record(firm=firm, news=[News("run", "dossier ours", {})], by=Actor.schedule(), now=NOW)
        save(admin, request, obj, form, change)

    monkeypatch.setattr(FirmAdmin, "save_model", late)
    assert staff(firm).post(address(Firm, "change", firm.pk), {"name": "Other", "language": "nl"}).status_code == 302
    firm.refresh_from_db()
    assert (firm.name, firm.language, firm.audit_number) == ("Other", "nl", 2)
    assert [kind for kind, _subject, _data in events(firm)] == ["run", "rule_changed"]
    assert verify(firm=firm).ok
