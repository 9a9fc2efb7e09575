"""Connections are removed, what they open is chosen, and a firm is closed as it was read (design D12), by who may."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from integrations.clients import toggl
from integrations.clients.billit_sign_in import Pair
from integrations.connections import choosing, credentials
from integrations.connections.credentials import BillitAccess, TogglAccess
from integrations.models import Connection, Workspace
from integrations.sandbox.process import Process
from tests.factories import (
    NOW,
    CompanyFactory,
    ConnectionFactory,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    MembershipFactory,
    WorkspaceFactory,
)
from tests.visitors import events, signed_in, text
from toggbill.firms.access import NotAllowed
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import Changed, Unread
from toggbill.firms.models import Firm
from toggbill.firms.read import Read
from toggbill.leaving import closing

pytestmark = pytest.mark.django_db
TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


def read_on(page: str) -> str:
    found = re.search(r'name="read" value="([^"]+)"', page)
    assert found
    return found[1]


def test_a_connection_on_which_another_dossier_hangs_by_now_stays(firm: Firm) -> None:
    workspace = WorkspaceFactory(firm=firm, connection__key="main")
    browser, path = signed_in(firm), "/connections/toggl/main/remove/"
    read = read_on(browser.get(path).content.decode())
    dossier = DossierFactory(firm=firm, workspace=workspace, company=CompanyFactory(firm=firm), key="bakery")
    answer = browser.post(path, {"read": read})
    assert answer.status_code == 409
    assert re.findall(r"<td>([^<]*)</td>", answer.content.decode()) == ["–", "bakery"]
    row = Connection.objects.get(pk=workspace.connection_id)
    assert (row.removed_at, row.secret != "") == (None, True)
    assert browser.post(path, {"read": "x"}).status_code == 400
    assert dossier.name in text(browser, path)
    assert browser.post(path, {"read": read_on(answer.content.decode())}).status_code == 302
    row.refresh_from_db()
    assert row.removed_at is not None


@pytest.mark.parametrize("step", ["pause", "resume", "rotate"])
def test_a_connection_with_another_credential_by_now_is_left_alone(step: str, firm: Firm, sandbox: Process) -> None:
    row = ConnectionFactory(firm=firm, key="main", secret="old", paused_at=NOW if step == "resume" else None)
    browser, path = signed_in(firm), "/connections/toggl/main/"
    page = browser.get(path).content.decode()
    form = re.search(rf'action="/f/ours{path}{step}/".*?name="read" value="([^"]+)"', page, re.DOTALL)
    assert form
    access, by = TogglAccess("Another Owner", {}), Actor("colleague@example.com", "web", Authority.COMMAND)
    told: dict[str, Any] = {"accept_partial": False, "access": access, "by": by, "now": NOW}
    credentials.connect_toggl(firm=firm, key="main", token="n" * 32, **told)
    told_of = events(firm)
    more = {"secret": TOKEN} if step == "rotate" else {}
    answer = browser.post(f"{path}{step}/", {"read": form[1]} | more)
    changed = answer.content.decode()
    assert answer.status_code == 409
    cells = [text for text in re.findall(r"<td>([^<]*)</td>", changed) if "·" not in text]
    assert cells == ["–", "Another Owner", "–"]
    assert "colleague@example.com" in changed
    # A secret goes in and never comes out, so that the form with one is not shown anew.
    assert (TOKEN in changed, 'name="read"' in changed) == (False, step != "rotate")
    assert browser.post(f"{path}{step}/", {"read": "x"} | more).status_code == 400
    row.refresh_from_db()
    assert (row.secret, row.paused_at is not None, events(firm)) == ("n" * 32, step == "resume", told_of)


def test_a_new_credential_does_not_take_up_what_was_removed_meanwhile(firm: Firm) -> None:
    row, owner = ConnectionFactory(firm=firm, service="toggl"), MembershipFactory(firm=firm, role="owner")
    by = Actor(owner.user.email, "web", Authority.MEMBER, owner.pk, owner.user_id)
    read = Read.of([credentials.as_read(row)])
    credentials.remove(connection=row, by=by, now=NOW, read=read)
    with pytest.raises(Changed):
        VERBS["replace"](row, by, read)
    row.refresh_from_db()
    assert (row.secret, row.removed_at) == ("", NOW)
    VERBS["replace"](row, by, Read.of([credentials.as_read(row)]))
    row.refresh_from_db()
    assert (row.secret, row.removed_at) == ("t" * 32, None)


def test_a_new_connection_of_a_name_that_a_colleague_took_meanwhile_replaces_nothing(firm: Firm) -> None:
    owner = MembershipFactory(firm=firm, role="owner")
    by = Actor(owner.user.email, "web", Authority.MEMBER, owner.pk, owner.user_id)
    VERBS["connect"](ConnectionFactory(firm=firm), by, Read())
    with pytest.raises(Unread):
        credentials.connect_billit(firm=firm, key="new", api_key="mine", by=by, now=NOW)
    assert Connection.objects.get(key="new").secret == "key"


def test_what_a_colleague_chose_meanwhile_is_not_given_up(firm: Firm) -> None:
    connection = ConnectionFactory(firm=firm, service="toggl", key="main")
    opens = {
        n: toggl.Workspace(id=n, organization_id=1, name=f"Workspace {n}", admin=True, premium=False) for n in (1, 2)
    }
    access, by = TogglAccess("Owner", opens), Actor("owner@example.com", "web", Authority.COMMAND)
    read = Read.of([credentials.as_read(connection)])
    told: dict[str, Any] = {"connection": connection, "access": access, "by": by, "now": NOW}
    choosing.choose(ids=[1], read=read, **told)
    with pytest.raises(Changed) as refusal:
        choosing.choose(ids=[2], read=read, **told)
    [(old, new)] = refusal.value.changes
    assert (old.shown["opens"], new.shown["opens"]) == ([], ["Workspace 1 (1)"])
    assert list(Workspace.objects.values_list("remote_id", flat=True)) == [1]


def test_a_firm_with_other_unfinished_work_than_was_read_stays_open(firm: Firm) -> None:
    dossier = DossierFactory(firm=firm)
    browser = signed_in(firm)
    read = read_on(browser.get("/leaving/").content.decode())
    InvoiceFactory(dossier=dossier)
    answer = browser.post("/leaving/close/", {"sure": "ours", "read": read})
    assert answer.status_code == 409
    assert re.findall(r"<td>(\d+)</td>", answer.content.decode()) == ["0", "1"]
    assert Firm.objects.get(pk=firm.pk).closed_at is None
    again = {"sure": "ours", "read": read_on(answer.content.decode())}
    assert "The firm is closed" in browser.post("/leaving/close/", again, follow=True).content.decode()
    assert Firm.objects.get(pk=firm.pk).closed_at is not None


Verb = Callable[[Connection, Actor, Read], Any]
VERBS: dict[str, Verb] = {
    "pause": lambda row, by, read: credentials.pause(connection=row, by=by, now=NOW, read=read),
    "resume": lambda row, by, read: credentials.resume(connection=row, by=by, now=NOW, read=read),
    "part": lambda row, by, read: credentials.accept_partial(connection=row, accepted=True, by=by, now=NOW, read=read),
    "remove": lambda row, by, read: credentials.remove(connection=row, by=by, now=NOW, read=read),
    "choose": lambda row, by, read: choosing.choose(
        connection=row, access=TogglAccess("", {}), ids=[], by=by, now=NOW, read=read
    ),
    "replace": lambda row, by, read: credentials.connect_toggl(
        firm=row.firm,
        key=row.key,
        token="t" * 32,
        accept_partial=False,
        access=TogglAccess("", {}),
        by=by,
        now=NOW,
        read=read,
    ),
    "sign in": lambda row, by, read: credentials.connect_billit_signed_in(
        firm=row.firm,
        key="signed-in",
        pair=Pair("a" * 32, "r" * 32, 3600),
        access=BillitAccess({}),
        by=by,
        now=NOW,
        read=read,
    ),
    "connect": lambda row, by, _read: credentials.connect_billit(
        firm=row.firm, key="new", api_key="key", by=by, now=NOW
    ),
    "close": lambda row, by, _read: closing.close(firm=row.firm, by=by, now=NOW),
}


@pytest.mark.parametrize("role", ["bookkeeper", "viewer", "outsider"])
@pytest.mark.parametrize("verb", VERBS)
def test_only_who_may_connect_does_it(verb: str, role: str, firm: Firm) -> None:
    row = ConnectionFactory(firm=firm, service="toggl")
    elsewhere = FirmFactory() if role == "outsider" else firm
    actor = MembershipFactory(firm=elsewhere, role="owner" if role == "outsider" else role)
    by = Actor(actor.user.email, "web", Authority.MEMBER, actor.pk, actor.user_id)
    with pytest.raises(NotAllowed, match="may not do this in firm “Our Firm”"):
        VERBS[verb](row, by, Read.of([credentials.as_read(row)]))
    assert events(firm) == []


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "connect"])
def test_what_says_not_what_it_showed_is_refused(verb: str, firm: Firm) -> None:
    ConnectionFactory(firm=firm, service="billit", key="signed-in")
    row, owner = ConnectionFactory(firm=firm, service="toggl"), MembershipFactory(firm=firm, role="owner")
    by = Actor(owner.user.email, "web", Authority.MEMBER, owner.pk, owner.user_id)
    with pytest.raises(Unread):
        VERBS[verb](row, by, Read())
    assert events(firm) == []
