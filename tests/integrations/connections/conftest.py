"""A connection that somebody signed in to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_django import Settings

from integrations.connections import tokens
from integrations.models import Connection
from integrations.sandbox.process import Process
from tests.factories import CompanyFactory, ConnectionFactory, FirmFactory
from tests.integrations.connections.signing_in import NOW, code_of


@pytest.fixture
def signed(sandbox: Process, settings: Settings) -> Callable[[], Connection]:
    """Signs in at the sandbox over HTTP as a person would; the connection bills for company 7001."""
    settings.BILLIT_LOGIN_URL = sandbox.billit_url
    settings.BILLIT_CLIENT_ID, settings.BILLIT_CLIENT_SECRET = "toggbill", "secret-of-the-client"
    settings.PUBLIC_URL = "https://toggbill.example"
    sandbox.control.put_oauth_clients(
        {
            "client_id": "toggbill",
            "client_secret": "secret-of-the-client",
            "redirect_uris": ["https://toggbill.example/connections/signed-in/"],
        }
    )
    sandbox.control.clock(NOW)

    def sign() -> Connection:
        pair = tokens.first_pair(code=code_of(tokens.sign_in_address(state="a-state"), state="a-state"))
        row = ConnectionFactory(
            firm=FirmFactory(slug="ours"),
            service="billit",
            key="main",
            method=Connection.Method.SIGN_IN,
            secret=pair.access,
            refresh_secret=pair.refresh,
            expires_at=tokens.ends_at(pair, now=NOW),
        )
        CompanyFactory(firm=row.firm, connection=row, party_id=7001)
        sandbox.control.clear_log()
        return row

    return sign
