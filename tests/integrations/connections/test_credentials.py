"""What a credential opens is asked of the services over HTTP; what is written of it never holds the secret in clear."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pytest_django import Settings

from integrations.clients import billit, toggl
from integrations.clients.http.transport import BadCredentials, RetryLater
from integrations.connections.choosing import take_company, take_workspace
from integrations.connections.credentials import (
    BillitAccess,
    TogglAccess,
    ask_billit,
    ask_toggl,
    billit_hindrances,
    connect_billit,
    connect_toggl,
    toggl_hindrances,
)
from integrations.models import Company, Connection, Workspace
from integrations.sandbox.process import Process, start
from tests.factories import FirmFactory
from toggbill.firms.audit import Actor
from toggbill.firms.models import AuditEvent, Firm

NOW = datetime(2026, 9, 1, 8, tzinfo=UTC)
LATER = datetime(2026, 9, 2, 8, tzinfo=UTC)
TOKEN = "0123456789abcdef0123456789abcdef"
API_KEY = "5ad1c0de-0000-4000-8000-000000000001"
ACCESS = TogglAccess("Odile Verkansel", {4001: toggl.Workspace(4001, 3001, "Bureau", admin=True, premium=True)})


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    with start("empty") as running:
        yield running


@pytest.fixture
def sandbox(process: Process, settings: Settings) -> Process:
    process.control.load("empty")
    process.control.faults()
    process.control.clear_log()
    settings.TOGGL_URL, settings.BILLIT_API_URL = process.toggl_url, process.billit_url
    return process


def events(firm: Firm) -> list[tuple[str, str, dict[str, Any]]]:
    return [(row.type, row.subject, row.data) for row in AuditEvent.objects.for_firm(firm).order_by("number")]


def test_ask_toggl_takes_two_calls(sandbox: Process) -> None:
    access = ask_toggl(token=f" {TOKEN}\n")
    assert access.owner_name == "Odile Verkansel"
    assert [(row.id, row.organization_id, row.name, row.admin) for row in access.workspaces.values()] == [
        (4001, 3001, "Bureau", True)
    ]
    assert [row["path"] for row in sandbox.control.log("toggl")] == ["/api/v9/me", "/api/v9/me/workspaces"]


def test_ask_billit_takes_one_call(sandbox: Process) -> None:
    access = ask_billit(api_key=f" {API_KEY}\n")
    assert [(row.party_id, row.name, row.api_allowed) for row in access.companies.values()] == [
        (7001, "Bureau Exemple SRL", True)
    ]
    assert [row["path"] for row in sandbox.control.log("billit")] == ["/v1/account/accountInformation"]


@pytest.mark.usefixtures("sandbox")
def test_ask_with_a_wrong_credential_is_refused_without_showing_it() -> None:
    with pytest.raises(BadCredentials) as of_toggl:
        ask_toggl(token="ffffffffffffffffffffffffffffffff")
    with pytest.raises(BadCredentials) as of_billit:
        ask_billit(api_key="5ad1c0de-ffff")
    assert "ffff" not in f"{of_toggl.value} {of_billit.value}"


def test_ask_when_the_service_is_down_asks_to_come_back(settings: Settings) -> None:
    settings.TOGGL_URL = settings.BILLIT_API_URL = "http://127.0.0.1:9"
    with pytest.raises(RetryLater):
        ask_toggl(token=TOKEN)
    with pytest.raises(RetryLater):
        ask_billit(api_key=API_KEY)


def test_toggl_hindrances_of_what_the_token_opens_are_none() -> None:
    assert toggl_hindrances(ACCESS, key="main", workspaces=[4001], accept_partial=False) == []


def test_toggl_hindrances_name_a_workspace_that_is_not_open() -> None:
    assert toggl_hindrances(ACCESS, key="main", workspaces=[4009], accept_partial=False) == [
        (
            "Toggl connection main: workspace 4009 is not open to this token (it opens 4001 Bureau). "
            "Correct the workspace's id, or have the owner of the token invited to it in Toggl."
        ),
    ]


def test_toggl_hindrances_name_a_token_that_reads_only_part() -> None:
    access = TogglAccess("Bart", {4001: toggl.Workspace(4001, 3001, "Bureau", admin=False, premium=True)})
    assert toggl_hindrances(access, key="main", workspaces=[4001], accept_partial=False) == [
        (
            "Toggl connection main: the owner of the token is not an admin of workspace 4001, so Toggl would silently "
            "leave out the hours of others. Use an admin's token, or accept a partial reading with "
            "accept_partial = true."
        ),
    ]
    assert toggl_hindrances(access, key="main", workspaces=[4001], accept_partial=True) == []


def test_billit_hindrances_name_a_company_that_is_not_open_or_not_allowed() -> None:
    access = BillitAccess({7001: billit.Company(7001, "Bureau", "", api_allowed=False, language="FR")})
    assert billit_hindrances(access, key="main", companies=[7009, 7001]) == [
        (
            "Billit connection main: Billit does not allow company 7001 to use its API. "
            "Have API access switched on for it in Billit (it depends on the subscription)."
        ),
        (
            "Billit connection main: company 7009 is not open to this key (it opens 7001 Bureau). "
            "Correct the company's PartyID, or give the owner of the key access to it in Billit."
        ),
    ]
    assert billit_hindrances(BillitAccess({}), key="main", companies=[1])[0].startswith(
        "Billit connection main: company 1 is not open to this key (it opens none)."
    )


def connected(firm: Firm, *, token: str = TOKEN, accept_partial: bool = False) -> tuple[Connection, str]:
    return connect_toggl(
        firm=firm,
        key="main",
        token=token,
        accept_partial=accept_partial,
        access=ACCESS,
        by=Actor.command(),
        now=NOW,
    )


@pytest.mark.django_db
def test_connect_toggl_writes_the_connection_once() -> None:
    firm = FirmFactory.create()
    row, outcome = connected(firm)
    assert (outcome, row.service, row.key, row.owner_name, row.latest_ok_at) == (
        "created",
        "toggl",
        "main",
        "Odile Verkansel",
        NOW,
    )
    assert Connection.objects.get().secret == TOKEN
    assert connected(firm) == (row, "unchanged")
    assert events(firm) == [
        (
            "connection_added",
            "connection toggl main",
            {"new": {"accept_partial": False, "owner_name": "Odile Verkansel"}},
        )
    ]


@pytest.mark.django_db
def test_connect_toggl_with_another_token_says_so_but_not_which() -> None:
    firm = FirmFactory.create()
    connected(firm)
    row, outcome = connected(firm, token="another", accept_partial=True)
    assert outcome == "updated"
    assert Connection.objects.get(pk=row.pk).secret == "another"
    assert events(firm)[1:] == [
        (
            "connection_changed",
            "connection toggl main",
            {"old": {"accept_partial": False}, "new": {"accept_partial": True}, "secret_changed": True},
        )
    ]


@pytest.mark.django_db
def test_connect_toggl_heals_a_connection_that_a_refused_token_paused() -> None:
    firm = FirmFactory.create()
    row, _ = connected(firm)
    Connection.objects.filter(pk=row.pk).update(failure="credentials", failure_code="token_refused", paused_at=NOW)
    assert connected(firm)[1] == "updated"
    row.refresh_from_db()
    assert (row.failure, row.failure_code, row.paused_at) == ("none", "", None)


@pytest.mark.django_db
def test_connect_toggl_leaves_a_pause_that_a_person_made() -> None:
    firm = FirmFactory.create()
    row, _ = connected(firm)
    Connection.objects.filter(pk=row.pk).update(paused_at=NOW)
    assert connected(firm)[1] == "unchanged"
    row.refresh_from_db()
    assert row.paused_at == NOW


@pytest.mark.django_db
def test_connect_billit_keeps_the_key_of_the_same_name_apart_from_toggl() -> None:
    firm = FirmFactory.create()
    connected(firm)
    row, outcome = connect_billit(firm=firm, key="main", api_key=f"{API_KEY}\n", by=Actor.command(), now=NOW)
    assert (outcome, Connection.objects.get(pk=row.pk).secret) == ("created", API_KEY)
    assert events(firm)[1:] == [("connection_added", "connection billit main", {"new": {}})]


@pytest.mark.django_db
def test_take_workspace_is_due_at_once_and_follows_its_name() -> None:
    firm = FirmFactory.create()
    connection, _ = connected(firm)
    row, outcome = take_workspace(connection=connection, found=ACCESS.workspaces[4001], now=NOW)
    assert (outcome, row.remote_id, row.organization_id, row.name, row.is_admin, row.next_sync_at) == (
        "created",
        4001,
        3001,
        "Bureau",
        True,
        NOW,
    )
    renamed = toggl.Workspace(4001, 3001, "Cabinet", admin=True, premium=True)
    assert take_workspace(connection=connection, found=ACCESS.workspaces[4001], now=LATER) == (row, "unchanged")
    assert take_workspace(connection=connection, found=renamed, now=LATER) == (row, "updated")
    stored = Workspace.objects.get()
    assert (stored.name, stored.next_sync_at) == ("Cabinet", NOW)


@pytest.mark.django_db
def test_take_company_is_due_at_once_and_follows_its_name() -> None:
    firm = FirmFactory.create()
    connection, _ = connect_billit(firm=firm, key="main", api_key=API_KEY, by=Actor.command(), now=NOW)
    found = billit.Company(7001, "B" * 300, "BE0999000001", api_allowed=True, language="FR")
    row, outcome = take_company(connection=connection, found=found, by=Actor.command(), now=NOW)
    assert (outcome, row.name, row.next_sync_at) == ("created", "B" * 250, NOW)
    assert take_company(connection=connection, found=found, by=Actor.command(), now=LATER) == (row, "unchanged")
    renamed = billit.Company(7001, "Bureau", "BE0999000001", api_allowed=True, language="FR")
    assert take_company(connection=connection, found=renamed, by=Actor.command(), now=LATER) == (row, "updated")
    assert Company.objects.get().name == "Bureau"
    changed = [event.data for event in AuditEvent.objects.filter(firm=firm, type="company_changed")]
    assert changed == [{"old": {"name": "B" * 250}, "new": {"name": "Bureau"}}]
