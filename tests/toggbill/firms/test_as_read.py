"""Members, invitations and the firm are changed as they were read (design D12), on the pages and in the admin."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tests.factories import NOW, DossierFactory, FirmFactory, InvitationFactory, MembershipFactory
from tests.visitors import address, events, signed_in, staff
from toggbill.firms.access import NotAllowed
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.membership import invitations, lost_step, members
from toggbill.firms.models import Firm, Invitation, Membership
from toggbill.firms.read import Read

pytestmark = pytest.mark.django_db
COLLEAGUE = Actor("colleague@example.com", "web", Authority.COMMAND)


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def row(firm: Firm) -> Membership:
    return MembershipFactory(firm=firm, role="viewer", user__email="m@example.com")


def carried(browser: Client, path: str, action: str) -> str:
    """What the hidden field of the form with this action holds on a page."""
    page = browser.get(path).content.decode()
    form = re.search(rf'<form[^>]*{re.escape(action)}.*?name="read" value="([^"]+)"', page, re.DOTALL)
    assert form, action
    return form[1]


@pytest.mark.parametrize("what", ["", "remove/"])
def test_a_member_who_changed_since_is_not_changed(what: str, firm: Firm, row: Membership) -> None:
    DossierFactory(firm=firm, key="bakery")
    browser, path = signed_in(firm), f"/members/{row.pk}/"
    read = carried(browser, path, f"/members/{row.pk}/{what}")
    members.change_role(membership=row, role="manager", by=COLLEAGUE, now=NOW)
    answer = browser.post(f"{path}{what}", {"role": "bookkeeper", "read": read})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert re.findall(r"<td>(\w+)</td>", page) == ["viewer", "manager"]
    assert Membership.objects.get(pk=row.pk).role == "manager"
    anew = re.search(r'name="read" value="([^"]+)"', page)
    assert anew
    assert browser.post(f"{path}{what}", {"role": "bookkeeper", "read": anew[1]}).status_code == 302
    assert [each.role for each in Membership.objects.filter(pk=row.pk)] == ([] if what else ["bookkeeper"])


def test_a_form_that_does_not_say_what_it_showed_does_nothing(firm: Firm, row: Membership) -> None:
    browser, invitation = signed_in(firm), InvitationFactory(firm=firm)
    paths = [f"/members/{row.pk}/", f"/members/{row.pk}/remove/", "/members/two-steps/", "/members/heads/", "/mails/"]
    paths += [f"/members/invitations/{invitation.pk}/{what}/" for what in ("again", "revoke")]
    for path in paths:
        assert browser.post(path, {"role": "manager", "wanted": "yes", "read": "x"}).status_code == 400, path
    assert events(firm) == []
    assert Invitation.objects.filter(pk=invitation.pk).exists()


@pytest.mark.parametrize("what", ["again", "revoke"])
def test_an_invitation_that_was_renewed_since_stays(what: str, firm: Firm) -> None:
    browser, invitation = signed_in(firm), InvitationFactory(firm=firm, email="new@example.com")
    path = f"/members/invitations/{invitation.pk}/{what}/"
    read = carried(browser, "/members/", path)
    invitations.renew(invitation=invitation, by=COLLEAGUE, now=NOW + timedelta(days=1))
    assert browser.post(path, {"read": read}).status_code == 409
    assert [kind for kind, _subject, _data in events(firm)] == ["member_invited"]


def test_demand_of_two_steps_is_made_of_the_firm_that_was_read(firm: Firm) -> None:
    browser = signed_in(firm)
    read = carried(browser, "/members/", "/members/two-steps/")
    members.require_mfa(firm=firm, wanted=True, by=COLLEAGUE, now=NOW)
    Firm.objects.filter(pk=firm.pk).update(requires_mfa=False, name="Another")
    assert browser.post("/members/two-steps/", {"wanted": "yes", "read": read}).status_code == 409
    assert not Firm.objects.get(pk=firm.pk).requires_mfa


@pytest.mark.parametrize("path", ["/mails/", "/members/heads/"])
def test_mails_are_chosen_as_they_were_read(path: str, firm: Firm) -> None:
    browser = signed_in(firm)
    own = Membership.objects.get(firm=firm)
    read = carried(browser, "/mails/" if path == "/mails/" else "/members/", "post" if path == "/mails/" else path)
    members.choose_mails(membership=own, wanted=["week"], by=COLLEAGUE, now=NOW)
    assert browser.post(path, {"wanted": "yes", "kind": "drafts", "read": read}).status_code == 409
    own.refresh_from_db()
    assert (own.mails_week, own.mails_drafts, own.wants_heads) == (True, False, False)


def test_the_admin_changes_and_removes_what_it_showed(firm: Firm, row: Membership) -> None:
    browser = staff(firm)
    change, delete = (address(Membership, what, row.pk) for what in ("change", "delete"))
    forms = [(change, {"role": "bookkeeper"}), (delete, {"post": "yes"})]
    before = [(path, form | {"read": carried(browser, path, "post")}) for path, form in forms]
    members.change_role(membership=row, role="manager", by=COLLEAGUE, now=NOW)
    for path, form in before:
        assert browser.post(path, form).status_code == 409
        assert browser.post(path, form | {"read": ""}).status_code == 400
    assert Membership.objects.get(pk=row.pk).role == "manager"
    path = address(Firm, "change", firm.pk)
    form = {"name": "Mine", "language": "nl", "read": carried(browser, path, "post")}
    Firm.objects.filter(pk=firm.pk).update(name="Theirs")
    assert browser.post(path, form).status_code == 409
    assert Firm.objects.get(pk=firm.pk).name == "Theirs"


def test_the_admin_keeps_the_dossiers_of_a_member_whose_role_it_changes(firm: Firm, row: Membership) -> None:
    bakery = DossierFactory(firm=firm, key="bakery")
    members.restrict(membership=row, dossiers=[bakery], by=COLLEAGUE, now=NOW)
    assert staff(firm).post(address(Membership, "change", row.pk), {"role": "manager"}).status_code == 302
    row.refresh_from_db()
    assert (row.role, members.restriction(row)) == ("manager", ["bakery"])
    assert staff(firm).post(address(Membership, "change", row.pk), {"role": "owner"}).status_code == 302
    row.refresh_from_db()
    assert (row.role, members.restriction(row)) == ("owner", None)


Verb = Callable[[Membership, Invitation, Actor], Any]
VERBS: dict[str, Verb] = {
    "invite": lambda row, _i, by: invitations.invite(
        firm=row.firm, email="x@example.com", role="viewer", by=by, now=NOW
    ),
    "add": lambda row, _i, by: invitations.add_member(
        firm=row.firm, email="x@example.com", role="viewer", by=by, now=NOW
    ),
    "renew": lambda _row, i, by: invitations.renew(
        invitation=i, by=by, now=NOW, read=Read.of([invitations.as_read(i)])
    ),
    "revoke": lambda _row, i, by: invitations.revoke(
        invitation=i, by=by, now=NOW, read=Read.of([invitations.as_read(i)])
    ),
    "change": lambda row, _i, by: members.change_reach(
        membership=row, role="owner", dossiers=None, by=by, now=NOW, read=Read.of([members.as_read(row)])
    ),
    "remove": lambda row, _i, by: members.remove(membership=row, by=by, now=NOW, read=Read.of([members.as_read(row)])),
    "two steps": lambda row, _i, by: members.require_mfa(firm=row.firm, wanted=True, by=by, now=NOW),
    "second step": lambda row, _i, by: lost_step.reset_by_owner(membership=row, owner=row.user, by=by, now=NOW),
}


@pytest.mark.parametrize("role", ["manager", "bookkeeper", "viewer", "outsider"])
@pytest.mark.parametrize("verb", VERBS)
def test_only_an_owner_of_this_firm_does_it(verb: str, role: str, firm: Firm, row: Membership) -> None:
    invitation = InvitationFactory(firm=firm)
    elsewhere = FirmFactory() if role == "outsider" else firm
    actor = MembershipFactory(firm=elsewhere, role="owner" if role == "outsider" else role)
    by = Actor(actor.user.email, "web", Authority.MEMBER, actor.pk, actor.user_id)
    with pytest.raises(NotAllowed, match=r"may not do this in firm “Our Firm”: invite, change and remove members"):
        VERBS[verb](row, invitation, by)
    assert events(firm) == []
