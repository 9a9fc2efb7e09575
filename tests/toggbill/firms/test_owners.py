"""No path leaves a firm without an owner: the pages, the admin, the onboarding file, two at once, and raw SQL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core import mail
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone

from integrations.sandbox.process import Process
from tests.conftest import Outcome
from tests.factories import FirmFactory, MembershipFactory
from tests.visitors import events, of_operator, staff, superuser
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import NotPossible
from toggbill.firms.membership import invitations, members
from toggbill.firms.models import Firm, Membership, User

pytestmark = pytest.mark.django_db
BY = Actor("owner@example.com", "web", Authority.COMMAND)


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


def owners(firm: Firm) -> int:
    return Membership.objects.filter(firm=firm, role="owner").count()


# --- verbs ----------------------------------------------------------------------------------------------------------


def test_adding_the_only_owner_with_another_role_is_refused(firm: Firm) -> None:
    row = MembershipFactory(firm=firm)
    with pytest.raises(NotPossible, match="The firm needs an owner"):
        invitations.add_member(firm=firm, email=row.user.email, role="viewer", by=BY, now=timezone.now())
    assert owners(firm) == 1
    assert events(firm) == []


def test_owner_whose_account_is_closed_is_none(firm: Firm) -> None:
    MembershipFactory(firm=firm, user__is_active=False)
    row = MembershipFactory(firm=firm)
    for verb in (_remove, _demote):
        with pytest.raises(NotPossible, match="The firm needs an owner"):
            verb(row)
    assert owners(firm) == 2


def _remove(row: Membership) -> None:
    members.remove(membership=row, by=BY, now=timezone.now())


def _demote(row: Membership) -> None:
    members.change_role(membership=row, role="viewer", by=BY, now=timezone.now())


def _add_again(row: Membership) -> None:
    invitations.add_member(firm=row.firm, email=row.user.email, role="viewer", by=BY, now=timezone.now())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("first", "second"), [(_remove, _remove), (_demote, _remove), (_add_again, _demote)])
def test_two_owners_who_take_each_other_away_at_once_leave_one(
    first: Callable[[Membership], None], second: Callable[[Membership], None]
) -> None:
    firm = FirmFactory()
    rows = [MembershipFactory(firm=firm), MembershipFactory(firm=firm)]
    barrier, refused = threading.Barrier(2), []

    def act(verb: Callable[[Membership], None], row: Membership) -> None:
        try:
            barrier.wait(timeout=20)
            verb(row)
        except NotPossible as refusal:
            refused.append(str(refusal))
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=pair) for pair in zip((first, second), rows, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert refused == ["The firm needs an owner: make another member owner first."]
    assert owners(firm) == 1


# --- the database ---------------------------------------------------------------------------------------------------


def _execute(statement: str, *values: int) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM firms_membership WHERE firm_id = %s",
        "UPDATE firms_membership SET role = 'viewer' WHERE firm_id = %s",
        "DELETE FROM firms_membership WHERE role = 'owner' AND firm_id = %s",
    ],
)
def test_database_refuses_to_take_the_last_owner(statement: str, firm: Firm) -> None:
    MembershipFactory(firm=firm)
    MembershipFactory(firm=firm, role="viewer")
    with pytest.raises(DatabaseError, match="a firm keeps an owner"):
        _execute(statement, firm.pk)
    assert (owners(firm), Membership.objects.filter(firm=firm).count()) == (1, 2)


def test_database_refuses_to_move_the_last_owner_to_another_firm(firm: Firm) -> None:
    row = MembershipFactory(firm=firm)
    with pytest.raises(DatabaseError, match="a firm keeps an owner"):
        _execute("UPDATE firms_membership SET firm_id = %s WHERE id = %s", FirmFactory().pk, row.pk)
    with pytest.raises(DatabaseError, match="a firm keeps an owner"), transaction.atomic():
        row.user.delete()
    assert owners(firm) == 1


def test_database_lets_an_owner_of_two_go(firm: Firm) -> None:
    row = MembershipFactory(firm=firm)
    MembershipFactory(firm=firm)
    _execute("DELETE FROM firms_membership WHERE id = %s", row.pk)
    assert owners(firm) == 1


@pytest.mark.postgresql  # SQLite lets one transaction write at a time
@pytest.mark.django_db(transaction=True)
def test_database_refuses_the_second_of_two_transactions_that_take_an_owner_each() -> None:
    firm = FirmFactory()
    rows = [MembershipFactory(firm=firm), MembershipFactory(firm=firm)]
    taken, refused = threading.Event(), []

    def second() -> None:
        try:
            taken.wait(timeout=20)
            _execute("DELETE FROM firms_membership WHERE id = %s", rows[1].pk)
        except DatabaseError as error:
            refused.append(str(error))
        finally:
            connection.close()

    thread = threading.Thread(target=second)
    thread.start()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM firms_membership WHERE id = %s", [rows[0].pk])
        taken.set()
        # Until the other transaction waits for this one.
        for _ in range(2000):
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone() != (0,):
                break
            thread.join(timeout=0.01)
    thread.join(timeout=60)
    assert len(refused) == 1
    assert "a firm keeps an owner" in refused[0]
    assert owners(firm) == 1


# --- the admin ------------------------------------------------------------------------------------------------------


def test_firm_that_the_operator_makes_begins_with_an_owner(firm: Firm) -> None:
    form = {"slug": "new", "name": "New", "timezone": "Europe/Brussels", "language": "fr"}
    operator = superuser()
    assert operator.post(of_operator(Firm, "add"), form).status_code == 200
    assert not Firm.objects.filter(slug="new").exists()
    assert operator.post(of_operator(Firm, "add"), form | {"owner": "Boss@Example.com"}).status_code == 302
    row = Membership.objects.get(firm__slug="new")
    assert (row.user.email, row.role) == ("boss@example.com", "owner")
    assert events(row.firm)[0] == ("member_invited", "member boss@example.com", {"role": "owner"})


def test_account_of_the_only_owner_stays_open(firm: Firm) -> None:
    row = MembershipFactory(firm=firm)
    form = {"email": row.user.email, "name": ""}
    page = superuser().post(of_operator(User, "change", row.user.pk), form).content.decode()
    assert "No other owner is left in Our Firm: make another member owner first." in page
    row.user.refresh_from_db()
    assert row.user.is_active
    MembershipFactory(firm=firm)
    assert superuser().post(of_operator(User, "change", row.user.pk), form).status_code == 302
    row.user.refresh_from_db()
    assert not row.user.is_active


# --- the onboarding file --------------------------------------------------------------------------------------------


def _file(tmp_path: Path, *users: tuple[str, str]) -> str:
    text = '[firm]\nslug = "bureau"\nname = "Bureau"\n'
    text += "".join(f'[[users]]\nemail = "{email}"\nrole = "{role}"\n' for email, role in users)
    (tmp_path / "firm.toml").write_text(text, encoding="utf-8")
    return str(tmp_path / "firm.toml")


def test_file_leaves_no_firm_without_an_owner(
    tmp_path: Path, command: Callable[..., Outcome], sandbox: Process
) -> None:
    for users in ([], [("clerk@example.com", "viewer")]):
        done = command("onboard", _file(tmp_path, *users))
        assert (done.code, done.answer) == (2, None)
        assert "[[users]]: The firm needs an owner: give one of the users the role owner." in done.words
        assert "Nothing was changed." in done.words
    assert not Firm.objects.exists()
    assert command("onboard", _file(tmp_path, ("boss@example.com", "owner"))).code == 0
    done = command("onboard", _file(tmp_path, ("boss@example.com", "viewer")))
    assert done.code == 2
    assert "[[users]]: The firm needs an owner: make another member owner first." in done.words
    assert owners(Firm.objects.get()) == 1


def test_file_hands_a_firm_over_in_whatever_order(
    tmp_path: Path, command: Callable[..., Outcome], sandbox: Process
) -> None:
    assert command("onboard", _file(tmp_path, ("boss@example.com", "owner"))).code == 0
    done = command("onboard", _file(tmp_path, ("boss@example.com", "viewer"), ("next@example.com", "owner")))
    assert done.code == 0, done.words
    roles = dict(Membership.objects.values_list("user__email", "role"))
    assert roles == {"boss@example.com": "viewer", "next@example.com": "owner"}
    assert [message.to for message in mail.outbox] == [["boss@example.com"], ["next@example.com"]]


# --- the doors of the admin -----------------------------------------------------------------------------------------


def test_admin_has_no_second_door_for_passwords(firm: Firm) -> None:
    MembershipFactory(firm=firm, user__email="victim@example.com", user__password="an-invented-password")
    sent = {"username": "victim@example.com", "password": "an-invented-password"}
    for browser, site in (
        (Client(), "/f/ours/admin/"),
        (staff(firm), "/f/ours/admin/"),
        (superuser(), "/f/ours/admin/"),
        (Client(), "/operator/"),
        (superuser(), "/operator/"),
    ):
        before = browser.session.get("_auth_user_id")
        answer = browser.post(f"{site}login/", sent)
        assert answer.status_code == 302
        assert browser.session.get("_auth_user_id") == before
    new = {"old_password": "x", "new_password1": "y", "new_password2": "y"}
    for browser, site in ((staff(firm), "/f/ours/admin/"), (superuser(), "/operator/")):
        for path in (f"{site}password_change/", f"{site}password_change/done/"):
            assert browser.get(path)["Location"] == "/accounts/password/change/"
            assert browser.post(path, new)["Location"] == "/accounts/password/change/"
        assert browser.get(f"{site}login/?next=//evil.example/")["Location"] == site
