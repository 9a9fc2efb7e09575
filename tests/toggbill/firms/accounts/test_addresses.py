"""Changing an account: who is told, what the firms find in their logs, and which account an address leads to."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core import mail
from django.db import connection
from django.db.models.signals import pre_save
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from tests.factories import PASSWORD, FirmFactory, MembershipFactory, UserFactory
from tests.toggbill.test_second_step import code_of
from tests.visitors import browser_of, events, of_operator, prove, superuser, text
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import NotPossible
from toggbill.firms.identity import addresses
from toggbill.firms.membership import invitations, members
from toggbill.firms.models import Firm, Invitation, Membership, User

pytestmark = pytest.mark.django_db
BY = Actor("owner@example.com", "web", Authority.COMMAND)


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def member(firm: Firm) -> Membership:
    """A member with the address of the sign-in and a further one, both proven."""
    row = MembershipFactory(firm=firm, user__email="old@example.com", user__password=PASSWORD)
    EmailAddress.objects.create(user=row.user, email="old@example.com", verified=True, primary=True)
    EmailAddress.objects.create(user=row.user, email="new@example.com", verified=True)
    return row


def invited(firm: Firm, email: str, role: str = "viewer", by: Actor = BY) -> str:
    _row, token = invitations.invite(firm=firm, email=email, role=role, by=by, now=timezone.now())
    return f"/invitations/{token}/"


# --- the address of the sign-in -------------------------------------------------------------------------------------


def test_change_of_the_address_is_told_to_the_old_one_and_to_every_firm(firm: Firm, member: Membership) -> None:
    other = MembershipFactory(user=member.user, firm=FirmFactory(slug="theirs"), role="viewer").firm
    invited(firm, "friend@example.com", by=Actor(member.user.email, "web", Authority.COMMAND))
    browser = browser_of(member.user, None)
    form = {"action_primary": "", "email": "new@example.com"}
    assert browser.post("/accounts/email/", form).status_code == 302
    member.user.refresh_from_db()
    assert member.user.email == "new@example.com"
    change = ("member_email_changed", "member old@example.com", {"old": "old@example.com", "new": "new@example.com"})
    assert events(firm)[1:] == events(other) == [change]
    [message] = mail.outbox
    assert message.to == ["old@example.com"]
    assert "new@example.com" in str(message.body)
    # What the person sent stays theirs.
    assert Invitation.objects.get().invited_by == "new@example.com"


def test_stolen_session_does_not_change_the_address(member: Membership) -> None:
    browser = Client()
    browser.force_login(member.user)
    prove(browser, "password", ago=601)
    for form in ({"action_primary": "", "email": "new@example.com"}, {"action_add": "", "email": "thief@example.com"}):
        assert browser.post("/accounts/email/", form)["Location"].startswith("/accounts/reauthenticate/")
    member.user.refresh_from_db()
    assert member.user.email == "old@example.com"
    assert not EmailAddress.objects.filter(email="thief@example.com").exists()
    assert mail.outbox == []


def test_operator_changes_the_address_in_the_same_way(
    firm: Firm, member: Membership, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    form = {"email": "Given@Example.com", "name": "Other", "is_active": "on"}
    operator = superuser()
    operator.get(of_operator(User, "change", member.user.pk))
    with django_capture_on_commit_callbacks() as after:
        assert operator.post(of_operator(User, "change", member.user.pk), form).status_code == 302
    assert len(after) == 1
    member.user.refresh_from_db()
    assert (member.user.email, member.user.name) == ("given@example.com", "Other")
    assert events(firm)[-1] == (
        "member_email_changed",
        "member old@example.com",
        {"old": "old@example.com", "new": "given@example.com"},
    )
    rows = EmailAddress.objects.filter(user=member.user).order_by("email").values_list("email", "verified", "primary")
    assert list(rows) == [("given@example.com", True, True), ("new@example.com", True, False)]


@pytest.mark.django_db(transaction=True)
def test_old_address_hears_of_the_operators_change(member: Membership) -> None:
    form = {"email": "given@example.com", "name": "", "is_active": "on"}
    assert superuser().post(of_operator(User, "change", member.user.pk), form).status_code == 302
    assert [message.to for message in mail.outbox] == [["old@example.com"]]


def test_address_of_another_account_is_not_given_away(member: Membership) -> None:
    other = UserFactory(email="other@example.com")
    form = {"email": "new@example.com", "name": "", "is_active": "on"}
    page = superuser().post(of_operator(User, "change", other.pk), form)
    assert "Another account has this address: choose another one." in page.content.decode()
    with pytest.raises(NotPossible, match="Another account has this address"):
        addresses.change_address(user=other, email=" New@example.com", by=BY, now=timezone.now())
    other.refresh_from_db()
    assert other.email == "other@example.com"


# --- the other events of an account ---------------------------------------------------------------------------------


def test_password_is_an_event_of_every_firm(firm: Firm, member: Membership) -> None:
    browser = browser_of(member.user, None)
    new = {"oldpassword": PASSWORD, "password1": "another-long-invented-one", "password2": "another-long-invented-one"}
    assert browser.post("/accounts/password/change/", new).status_code == 302
    stranger = Client()
    stranger.post("/accounts/password/reset/", {"email": "old@example.com"})
    link = re.search(r"http://testserver(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body))
    assert link
    page = stranger.get(link[1], follow=True)
    stranger.post(page.redirect_chain[-1][0], {"password1": PASSWORD, "password2": PASSWORD})
    assert events(firm) == [
        ("member_password_changed", "member old@example.com", {"by_mail": False}),
        ("member_password_changed", "member old@example.com", {"by_mail": True}),
    ]


@pytest.mark.django_db(transaction=True)
def test_second_step_is_an_event_of_every_firm(firm: Firm, member: Membership) -> None:
    browser = browser_of(member.user, None)
    secret = browser.get("/accounts/2fa/totp/activate/").context["form"].secret
    browser.post("/accounts/2fa/totp/activate/", {"code": code_of(secret)})
    browser.post("/accounts/2fa/recovery-codes/generate/")
    browser.post("/accounts/2fa/totp/deactivate/")
    assert not Authenticator.objects.exists()
    about = "member old@example.com"
    assert events(firm) == [
        ("member_mfa_added", about, {"step": "totp"}),
        ("member_codes_made", about, {}),
        ("member_mfa_removed", about, {"step": "totp"}),
    ]


def test_further_address_is_an_event_once_it_is_proven_and_when_it_goes(firm: Firm, member: Membership) -> None:
    browser = browser_of(member.user, None)
    browser.post("/accounts/email/", {"action_add": "", "email": "third@example.com"})
    assert events(firm) == []
    link = re.search(r"http://testserver(/accounts/confirm-email/\S+)", str(mail.outbox[-1].body))
    assert link
    assert browser.post(link[1]).status_code == 302
    browser.post("/accounts/email/", {"action_remove": "", "email": "third@example.com"})
    about = "member old@example.com"
    assert events(firm) == [
        ("member_email_added", about, {"email": "third@example.com"}),
        ("member_email_removed", about, {"email": "third@example.com"}),
    ]


def test_event_that_cannot_be_written_undoes_the_change(member: Membership, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**_given: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(addresses, "record", fails)
    browser = browser_of(member.user, None)
    browser.raise_request_exception = False
    assert browser.post("/accounts/email/", {"action_primary": "", "email": "new@example.com"}).status_code == 500
    member.user.refresh_from_db()
    assert member.user.email == "old@example.com"


# --- which account an address leads to ------------------------------------------------------------------------------


def test_invitation_to_a_further_address_of_an_account_works(member: Membership) -> None:
    other = FirmFactory(name="Second Firm")
    link = invited(other, "new@example.com")
    assert "Sign in with it to accept" in text(Client(), link)
    assert browser_of(member.user, None).post(link)["Location"] == f"/f/{other.slug}/"
    assert Membership.objects.filter(user=member.user, firm=other, role="viewer").exists()
    assert User.objects.filter(email="new@example.com").count() == 0


def test_invitation_to_an_address_that_was_never_proven_is_not_for_the_account(member: Membership) -> None:
    EmailAddress.objects.filter(email="new@example.com").update(verified=False)
    other = FirmFactory()
    link = invited(other, "new@example.com")
    browser = browser_of(member.user, None)
    assert "You are signed in as old@example.com" in text(browser, link)
    assert browser.post(link).status_code == 200
    assert not Membership.objects.filter(firm=other).exists()


def test_member_is_known_by_every_address(firm: Firm, member: Membership) -> None:
    with pytest.raises(NotPossible, match=r"new@example\.com is a member already"):
        invited(firm, "New@Example.com")
    joining = invitations.add_member(firm=firm, email="new@example.com", role="owner", by=BY, now=timezone.now())
    assert (joining.outcome, joining.membership.pk) == ("unchanged", member.pk)
    assert User.objects.count() == 1


def test_invited_account_without_a_password_gets_the_one_that_is_chosen(firm: Firm) -> None:
    user = UserFactory(email="made@example.com")
    link = invited(firm, "made@example.com")
    form = {"name": "Made", "password1": PASSWORD, "password2": PASSWORD}
    assert Client().post(link, form)["Location"] == "/f/ours/"
    user.refresh_from_db()
    assert (user.check_password(PASSWORD), user.name) == (True, "Made")
    assert list(EmailAddress.objects.values_list("email", "verified", "primary")) == [("made@example.com", True, True)]


# --- invitations of who goes ----------------------------------------------------------------------------------------


def leave(row: Membership) -> None:
    members.remove(membership=row, by=BY, now=timezone.now())


def demote(row: Membership) -> None:
    members.change_role(membership=row, role="manager", by=BY, now=timezone.now())


@pytest.mark.parametrize("go", [leave, demote])
def test_open_invitations_end_with_the_right_to_send_them(
    go: Callable[[Membership], None], firm: Firm, member: Membership
) -> None:
    MembershipFactory(firm=firm, user__email="owner@example.com")
    theirs = invited(firm, "accomplice@example.com", "owner", by=Actor(member.user.email, "web", Authority.COMMAND))
    kept = invited(firm, "friend@example.com")
    elsewhere = invited(FirmFactory(), "accomplice@example.com", by=Actor(member.user.email, "web", Authority.COMMAND))
    go(member)
    assert Client().get(theirs).status_code == 404
    assert Client().get(kept).status_code == 200
    assert Client().get(elsewhere).status_code == 200
    assert ("member_invitation_revoked", "member accomplice@example.com", {"role": "owner"}) in events(firm)


def test_open_invitations_to_any_address_of_a_removed_member_end(firm: Firm, member: Membership) -> None:
    MembershipFactory(firm=firm)
    EmailAddress.objects.filter(email="new@example.com").update(verified=False)
    link = invited(firm, "new@example.com")
    EmailAddress.objects.filter(email="new@example.com").update(verified=True)
    leave(member)
    assert Client().get(link).status_code == 404
    assert browser_of(member.user, None).post(link).status_code == 404
    assert not Membership.objects.filter(user=member.user).exists()


# --- two at once ----------------------------------------------------------------------------------------------------


@pytest.mark.postgresql  # SQLite lets one transaction write at a time
@pytest.mark.django_db(transaction=True)
def test_simultaneous_first_sign_ins_do_not_fail() -> None:
    user = MembershipFactory(user__password=PASSWORD).user
    assert not EmailAddress.objects.exists()
    barrier, answers = threading.Barrier(3), []

    def together(**_given: object) -> None:
        # All three have seen that there is no row yet.
        barrier.wait(timeout=20)

    def sign_in() -> None:
        try:
            answer = Client().post("/accounts/login/", {"login": user.email, "password": PASSWORD})
            answers.append((answer.status_code, answer["Location"]))
        finally:
            connection.close()

    threads = [threading.Thread(target=sign_in) for _ in range(3)]
    pre_save.connect(together, sender=EmailAddress)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    finally:
        pre_save.disconnect(together, sender=EmailAddress)
    assert answers == [(302, "/")] * 3
    assert list(EmailAddress.objects.values_list("email", "verified", "primary")) == [(user.email, True, True)]


def test_address_that_another_account_has_proven_stays_there(member: Membership) -> None:
    late = UserFactory(email="new@example.com", password=PASSWORD)
    answer = Client().post("/accounts/login/", {"login": "new@example.com", "password": PASSWORD})
    assert answer["Location"] == "/accounts/confirm-email/"
    assert not EmailAddress.objects.filter(user=late, verified=True).exists()
