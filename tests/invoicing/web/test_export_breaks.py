"""An export that fails half-way, over real HTTP: no reader takes the half for the whole."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from invoicing.web.exports import hours as of_hours
from invoicing.web.exports import tables
from tests.factories import DossierFactory, FirmFactory, LedgerRowFactory
from tests.visitors import signed_in

pytestmark = pytest.mark.django_db(transaction=True)
ROWS = 12


@pytest.fixture
def member() -> Client:
    dossier = DossierFactory(firm=FirmFactory(slug="ours"), key="bakery")
    for _ in range(ROWS):
        LedgerRowFactory(dossier=dossier)
    return signed_in(dossier.firm, "viewer")


def fetched(live_server: LiveServer, member: Client, kind: str) -> tuple[HTTPResponse, bytes]:
    """The answer, and its body up to where the server ended it; shorter than it said is an error of the reader."""
    connection = HTTPConnection(urlsplit(live_server.url).netloc, timeout=20)
    try:
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in member.cookies.items())
        connection.request("GET", f"/f/ours/dossiers/bakery/hours/export.{kind}", headers={"Cookie": cookie})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_whole_export_says_how_long_it_is(kind: str, live_server: LiveServer, member: Client) -> None:
    answer, body = fetched(live_server, member, kind)
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(body)))
    assert answer.headers["Content-Disposition"].startswith("attachment")
    if kind == "csv":
        assert body.count(b"\r\n") == ROWS + 1


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_export_that_fails_at_its_last_row_is_an_error_and_no_file(
    kind: str, live_server: LiveServer, member: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours, asked = tables.in_hours, []

    def fails(seconds: int) -> object:
        asked.append(seconds)
        if len(asked) == ROWS:
            raise RuntimeError("the disk is full")
        return hours(seconds)

    monkeypatch.setattr(of_hours, "in_hours", fails)
    answer, body = fetched(live_server, member, kind)
    assert len(asked) == ROWS
    assert answer.status == 500
    assert "Content-Disposition" not in answer.headers
    assert b"Something went wrong here" in body
