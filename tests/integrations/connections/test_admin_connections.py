"""Connections in the admin: the secret goes in and never comes out, and is tried before it is kept."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from integrations.connections import credentials
from integrations.models import Company, Connection
from integrations.sandbox.process import Process
from tests.factories import NOW, ConnectionFactory, FirmFactory
from tests.visitors import address, events, managed, staff, superuser
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db

TOKEN = "0123456789abcdef0123456789abcdef"
COLLEAGUE = Actor("colleague@example.com", "web", Authority.COMMAND)


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


def test_connection_secret_is_never_shown(firm: Firm) -> None:
    row = ConnectionFactory(firm=firm, secret="very-secret-token")
    for browser in (superuser(firm), staff(firm)):
        for path in (address(Connection, "change", row.pk), address(Connection, "changelist")):
            assert "very-secret-token" not in browser.get(path).content.decode()


def test_connection_added_takes_what_the_token_opens(firm: Firm, sandbox: Process) -> None:
    form = {"service": "toggl", "key": "main", "new_secret": TOKEN} | managed("quotas", [])
    answer = staff(firm).post(address(Connection, "add"), form)
    assert answer.status_code == 302
    row = Connection.objects.get()
    assert (row.firm, row.key, row.secret) == (firm, "main", TOKEN)
    assert [workspace.remote_id for workspace in row.workspaces.all()] == [4001]
    assert [kind for kind, _subject, _data in events(firm)] == ["connection_added"]
    assert TOKEN not in str(events(firm))


def test_connection_with_a_wrong_token_is_refused_with_a_sentence(firm: Firm, sandbox: Process) -> None:
    form = {"service": "toggl", "key": "main", "new_secret": "f" * 32} | managed("quotas", [])
    answer = staff(firm).post(address(Connection, "add"), form)
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert "f" * 32 not in answer.content.decode()
    assert not Connection.objects.exists()


def test_connection_of_billit_added_takes_its_companies(firm: Firm, sandbox: Process) -> None:
    key = "5ad1c0de-0000-4000-8000-000000000001"
    form = {"service": "billit", "key": "main", "new_secret": key} | managed("quotas", [])
    assert staff(firm).post(address(Connection, "add"), form).status_code == 302
    assert [company.party_id for company in Company.objects.filter(firm=firm)] == [7001]


def test_connection_without_a_new_secret_keeps_the_old_one(firm: Firm) -> None:
    row = ConnectionFactory(firm=firm, secret="stays")
    form = {"new_secret": "", "accept_partial": "on"} | managed("quotas", [])
    assert staff(firm).post(address(Connection, "change", row.pk), form).status_code == 302
    row.refresh_from_db()
    assert (row.secret, row.accept_partial) == ("stays", True)
    assert [kind for kind, _subject, _data in events(firm)] == ["connection_changed"]


def test_connection_without_a_secret_is_refused(firm: Firm) -> None:
    form = {"service": "toggl", "key": "main", "new_secret": ""} | managed("quotas", [])
    assert "Paste the API token" in staff(firm).post(address(Connection, "add"), form).content.decode()


def listed(browser: Client) -> str:
    """What the list carries of its connections."""
    found = re.search(r'name="read" value="([^"]+)"', browser.get(address(Connection, "changelist")).content.decode())
    assert found
    return found[1]


def test_connection_is_paused_and_resumed(firm: Firm) -> None:
    row, theirs = ConnectionFactory(firm=firm), ConnectionFactory()
    browser = staff(firm)
    for action in ("pause", "resume"):
        form = {"action": action, "_selected_action": [row.pk, theirs.pk], "read": listed(browser)}
        assert browser.post(address(Connection, "changelist"), form).status_code == 302
        row.refresh_from_db()
        theirs.refresh_from_db()
        assert (row.paused_at is not None, theirs.paused_at) == (action == "pause", None)
    assert [kind for kind, _subject, _data in events(firm)] == ["connection_paused", "connection_resumed"]


def test_connections_are_paused_as_they_were_listed_all_or_none(firm: Firm) -> None:
    row, other = ConnectionFactory(firm=firm, key="main"), ConnectionFactory(firm=firm, key="other")
    browser, path = staff(firm), address(Connection, "changelist")
    form = {"action": "pause", "_selected_action": [row.pk, other.pk], "read": listed(browser)}
    credentials.accept_partial(connection=other, accepted=True, by=COLLEAGUE, now=NOW)
    assert browser.post(path, form).status_code == 409
    assert browser.post(path, form | {"read": ""}).status_code == 400
    assert not Connection.objects.filter(paused_at__isnull=False).exists()
    assert browser.post(path, form | {"read": listed(browser)}).status_code == 302
    assert Connection.objects.filter(firm=firm, paused_at__isnull=False).count() == 2


def test_a_form_of_the_admin_changes_the_connection_that_it_showed(firm: Firm, sandbox: Process) -> None:
    row = ConnectionFactory(firm=firm, key="main", secret="stays")
    browser, path = staff(firm), address(Connection, "change", row.pk)
    found = re.search(r'name="read" value="([^"]+)"', browser.get(path).content.decode())
    assert found
    credentials.pause(connection=row, by=COLLEAGUE, now=NOW)
    for form in ({"new_secret": TOKEN}, {"new_secret": "", "accept_partial": "on"}):
        answer = browser.post(path, form | {"read": found[1]} | managed("quotas", []))
        page = answer.content.decode()
        assert (answer.status_code, re.findall(r"<td>(\w+)</td>", page)) == (409, ["no", "yes"])
        assert TOKEN not in page
        assert browser.post(path, form | {"read": ""} | managed("quotas", [])).status_code == 400
    row.refresh_from_db()
    assert (row.secret, row.accept_partial) == ("stays", False)
