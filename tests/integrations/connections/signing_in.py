"""Signing in at Billit, and how often a sign-in was renewed there."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import requests

from integrations.models import Connection
from integrations.sandbox.process import Process
from toggbill.firms.audit import Actor, Authority

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
BY = Actor("owner@example.com", "page", Authority.COMMAND)
RENEWAL = {"service": "billit", "method": "POST", "path": "^/OAuth2/token$"}


def code_of(address: str, *, state: str) -> str:
    """What Billit's page gives back when the owner logs in and allows it."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    form = query | {"email": "owner@example.com", "password": "", "decision": "allow"}
    answer = requests.post(address.partition("?")[0], data=form, allow_redirects=False, timeout=10)
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}{back.path}" == "https://toggbill.example/connections/signed-in/"
    found = parse_qs(back.query)
    assert found["state"] == [state]
    return found["code"][0]


def renewals(sandbox: Process) -> int:
    return sum(row["path"] == "/OAuth2/token" for row in sandbox.control.log("billit"))


def stored(row: Connection) -> Connection:
    return Connection.objects.get(pk=row.pk)
