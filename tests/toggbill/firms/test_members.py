"""The members page: inviting, accepting, changing, restricting, removing, and demanding two steps."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client
from django.utils import timezone

from tests.factories import (
    NOW,
    PASSWORD,
    DossierFactory,
    FirmFactory,
    InvitationFactory,
    InvoiceFactory,
    MembershipFactory,
    UserFactory,
)
from tests.visitors import Tab, browser_of, events, read_of, signed_in, text
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import NotPossible
from toggbill.firms.membership import invitations, members
from toggbill.firms.models import Firm, Invitation, Membership, User

pytestmark = pytest.mark.django_db
BY = Actor("owner@example.com", "web", Authority.COMMAND)


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


def mailed_link() -> str:
    found = re.search(r"(/invitations/\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


def invited(firm: Firm, email: str = "new@example.com", role: str = "viewer") -> str:
    _row, token = invitations.invite(firm=firm, email=email, role=role, by=BY, now=timezone.now())
    return f"/invitations/{token}/"


JOIN = {"name": "New Person", "password1": PASSWORD, "password2": PASSWORD}


def test_invited_person_joins_with_role_and_dossiers(firm: Firm) -> None:
    bakery = DossierFactory(firm=firm, key="bakery")
    DossierFactory(firm=firm, key="hidden")
    owner = signed_in(firm, email="owner@example.com")
    form = {"email": "New@Example.com", "role": "bookkeeper", "dossiers": [bakery.pk]}
    assert owner.post("/members/invite/", form).status_code == 302
    [message] = mail.outbox
    assert (message.to, message.subject) == (["new@example.com"], "Our Firm invites you to toggbill")
    assert Invitation.objects.get().token_hash not in str(message.body)
    browser = Tab(firm)
    page = text(browser, mailed_link())
    assert "owner@example.com invites new@example.com, as bookkeeper." in page
    assert browser.post(mailed_link(), JOIN)["Location"] == "/f/ours/"
    row = Membership.objects.get(user__email="new@example.com")
    assert (row.role, row.is_restricted, row.user.is_staff, row.user.name) == ("bookkeeper", True, True, "New Person")
    assert members.restriction(row) == ["bakery"]
    assert [
        d.key
        for d in browser.get("/").context["portfolio"].rows
        and [r.dossier for r in browser.get("/").context["portfolio"].rows]
    ] == ["bakery"]
    assert events(firm) == [
        ("member_invited", "member new@example.com", {"role": "bookkeeper", "dossiers": ["bakery"]}),
        ("member_joined", "member new@example.com", {"role": "bookkeeper", "invited_by": "owner@example.com"}),
    ]
    assert Client().get(mailed_link()).status_code == 404


def test_member_of_another_firm_accepts_signed_in_and_switches(firm: Firm) -> None:
    user = MembershipFactory(user__email="both@example.com", user__password=PASSWORD).user
    link = invited(firm, "both@example.com")
    assert "Sign in with it to accept" in text(Client(), link)
    assert Client().post(link, JOIN).status_code == 200
    assert user.memberships.count() == 1
    browser = browser_of(user, firm)
    assert browser.post(link)["Location"] == "/f/ours/"
    assert user.memberships.count() == 2
    assert "Our Firm" in text(browser, "/")


def test_invitation_is_for_its_address_alone(firm: Firm) -> None:
    link = invited(firm)
    browser = signed_in(FirmFactory(), email="else@example.com")
    assert "You are signed in as else@example.com" in text(browser, link)
    assert browser.post(link).status_code == 200
    assert not Membership.objects.filter(firm=firm).exists()


def test_invitation_that_is_old_used_or_revoked_is_not_there(firm: Firm) -> None:
    link = invited(firm)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert Client().get(link).status_code == 404
    assert Client().post(link, JOIN).status_code == 404
    assert not User.objects.filter(email="new@example.com").exists()
    assert Client().get("/invitations/guessed/").status_code == 404


def test_invitation_sent_again_kills_the_old_link(firm: Firm) -> None:
    link = invited(firm)
    owner = signed_in(firm)
    row = Invitation.objects.get()
    assert owner.post(f"/members/invitations/{row.pk}/again/").status_code == 302
    assert Client().get(link).status_code == 404
    assert Client().get(mailed_link()).status_code == 200
    assert owner.post(f"/members/invitations/{row.pk}/revoke/").status_code == 302
    assert Client().get(mailed_link()).status_code == 404
    assert [kind for kind, _subject, _data in events(firm)] == [
        "member_invited",
        "member_invited",
        "member_invitation_revoked",
    ]


def test_invitation_twice_or_of_a_member_is_refused_with_a_sentence(firm: Firm) -> None:
    owner = signed_in(firm, email="owner@example.com")
    invited(firm)
    again = owner.post("/members/invite/", {"email": "new@example.com", "role": "viewer"})
    assert again.status_code == 422
    assert "new@example.com is invited already" in again.content.decode()
    member = owner.post("/members/invite/", {"email": "owner@example.com", "role": "viewer"})
    assert "owner@example.com is a member already." in member.content.decode()
    assert mail.outbox == []


def test_dossiers_of_another_firm_cannot_be_named(firm: Firm) -> None:
    theirs = DossierFactory()
    form = {"email": "new@example.com", "role": "viewer", "dossiers": [theirs.pk]}
    assert signed_in(firm).post("/members/invite/", form).status_code == 422
    assert not Invitation.objects.exists()


def test_who_signed_up_with_a_foreign_address_keeps_no_way_in(firm: Firm) -> None:
    squatter = UserFactory(email="new@example.com", password="known-to-the-squatter")
    EmailAddress.objects.create(user=squatter, email=squatter.email, verified=False, primary=True)
    link = invited(firm)
    Client().post(link, JOIN)
    squatter.refresh_from_db()
    assert squatter.check_password(PASSWORD)
    assert EmailAddress.objects.get().verified
    second = UserFactory(email="two@example.com", password="known-to-the-squatter")
    EmailAddress.objects.create(user=second, email=second.email, verified=False, primary=True)
    joining = invitations.add_member(firm=firm, email="two@example.com", role="viewer", by=BY, now=NOW)
    assert (joining.to_invite, joining.membership.user.has_usable_password()) == (True, False)


def test_weak_password_is_refused_when_joining(firm: Firm) -> None:
    link = invited(firm)
    answer = Client().post(link, JOIN | {"password1": "12345", "password2": "12345"})
    assert answer.status_code == 422
    assert not User.objects.filter(email="new@example.com").exists()


def test_role_and_dossiers_are_changed_together(firm: Firm) -> None:
    bakery = DossierFactory(firm=firm, key="bakery")
    row = MembershipFactory(firm=firm, role="viewer", user__email="m@example.com")
    owner = signed_in(firm)
    assert owner.post(f"/members/{row.pk}/", {"role": "manager", "dossiers": [bakery.pk]}).status_code == 302
    row.refresh_from_db()
    assert (row.role, row.is_restricted, members.restriction(row)) == ("manager", True, ["bakery"])
    assert owner.post(f"/members/{row.pk}/", {"role": "owner", "dossiers": [bakery.pk]}).status_code == 422
    assert owner.post(f"/members/{row.pk}/", {"role": "owner"}).status_code == 302
    row.refresh_from_db()
    assert (row.role, row.is_restricted, row.named.count()) == ("owner", False, 0)
    assert events(firm) == [
        ("member_role_changed", "member m@example.com", {"old": "viewer", "new": "manager"}),
        ("member_restricted", "member m@example.com", {"old": None, "new": ["bakery"]}),
        ("member_restricted", "member m@example.com", {"old": ["bakery"], "new": None}),
        ("member_role_changed", "member m@example.com", {"old": "manager", "new": "owner"}),
    ]


def test_only_owner_stays(firm: Firm) -> None:
    owner = signed_in(firm)
    row = Membership.objects.get(firm=firm)
    assert owner.post(f"/members/{row.pk}/", {"role": "viewer"}).status_code == 422
    owner.post(f"/members/{row.pk}/remove/")
    row.refresh_from_db()
    assert row.role == "owner"
    with pytest.raises(NotPossible):
        members.remove(membership=row, by=BY, now=NOW)


def test_removed_member_is_outside_at_once(firm: Firm) -> None:
    browser = signed_in(firm, "manager", email="m@example.com", is_staff=True)
    row = Membership.objects.get(firm=firm)
    owner = signed_in(firm)
    assert owner.post(f"/members/{row.pk}/remove/").status_code == 302
    assert browser.get("/").status_code == 404
    assert browser.get("/admin/").status_code == 404
    assert events(firm) == [("member_removed", "member m@example.com", {"role": "manager"})]


def test_members_of_another_firm_are_not_there(firm: Firm) -> None:
    theirs, invitation = MembershipFactory(role="viewer"), InvitationFactory()
    owner = signed_in(firm)
    for path in (f"/members/{theirs.pk}/", f"/members/{theirs.pk}/remove/"):
        assert owner.post(path, {"role": "owner"}).status_code == 404
    for what in ("again", "revoke"):
        assert owner.post(f"/members/invitations/{invitation.pk}/{what}/").status_code == 404
    page = text(owner, "/members/")
    assert theirs.user.email not in page
    assert invitation.email not in page


def test_bookkeeper_approves_up_to_the_limit_of_the_dossier(firm: Firm) -> None:
    dossier = DossierFactory(firm=firm, auto_limit=Decimal("190.00"))
    small, large = (
        InvoiceFactory(dossier=dossier),
        InvoiceFactory(dossier=dossier, total_excl=Decimal("190.01"), with_line=False),
    )
    browser = signed_in(firm, "bookkeeper")
    assert browser.post(f"/invoices/{small.reference}/approve/", {"read": read_of(small)}).status_code == 302
    refused = browser.post(f"/invoices/{large.reference}/approve/", {"read": read_of(large)})
    assert refused.status_code == 403
    assert "comes to 190.01 excl. VAT, above the limit of 190.00 of dossier" in refused.content.decode()
    assert "approve" not in browser.get(f"/invoices/{large.reference}/").context["steps"]
    small.refresh_from_db()
    large.refresh_from_db()
    assert (small.status, large.status) == ("approved", "draft")
    answer = signed_in(firm, "manager").post(f"/invoices/{large.reference}/approve/", {"read": read_of(large)})
    assert answer.status_code == 302
