"""Webhooks: who may call, what a call does (a reading is due sooner, no more), and both services calling for real."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from integrations.connections import credentials, webhook_addresses
from integrations.models import Company, Connection, Webhook, Workspace
from integrations.sandbox.process import Process
from integrations.webhooks import receiving
from tests.conftest import Outcome
from tests.factories import (
    CompanyFactory,
    ConnectionFactory,
    FirmFactory,
    WebhookFactory,
    WorkspaceFactory,
)
from tests.worlds import API_KEY, COMPANY, small_world
from toggbill.firms.audit import Actor, Authority

BY = Actor("owner@example.com", "web 127.0.0.1", Authority.COMMAND)


def toggl_signature(secret: str, body: bytes) -> str:
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def billit_signature(secret: str, body: bytes, at: int = 1767174960) -> str:
    return f"t={at},s={hmac.new(secret.encode(), b'%d.' % at + body, hashlib.sha256).hexdigest()}"


def call(row: Webhook, body: bytes = b"{}", signature: str | None = None, **more: Any) -> Any:
    """A call as the service makes it, signed unless said otherwise; the browser checks for the cross-site token."""
    service = "toggl" if row.workspace_id else "billit"
    sign = toggl_signature if service == "toggl" else billit_signature
    header = "X-Webhook-Signature-256" if service == "toggl" else "Billit-Signature"
    given = sign(row.secret, body) if signature is None else signature
    browser = Client(enforce_csrf_checks=True, headers={header: given} if given else {})
    return browser.post(f"/hooks/{service}/{row.token}/", body, content_type="application/json", **more)


def due(row: Webhook) -> Any:
    """When the workspace is read next."""
    return Workspace.objects.get(webhooks=row.pk).next_sync_at


def of_workspace(**fields: Any) -> Webhook:
    """A webhook of a workspace that was read ten minutes ago, and is read in five."""
    now = timezone.now()
    times = {"next_sync_at": now + timedelta(minutes=5), "synced_at": now - timedelta(minutes=10)}
    return WebhookFactory(workspace=WorkspaceFactory(**times | fields))


def of_company(**fields: Any) -> Webhook:
    return WebhookFactory(workspace=None, company=CompanyFactory(**fields), topic="orders")


def test_signature_of_billit_is_that_of_the_reference() -> None:
    body = b'{"UpdatedEntityID":2615999,"UpdatedEntityType":"Order","WebhookUpdateTypeTC":"U"}'
    header = "t=1767174960,s=f70fdbd2e78a1df4ed344c857115c485485c4ded3ccb77bd989ac61a08df25fe"
    assert receiving.billit_signed("5f9d8a2e-test-secret", body, header)
    assert not receiving.billit_signed("5f9d8a2e-test-secret", body + b" ", header)
    assert not receiving.billit_signed("5f9d8a2e-test-secret", body, header.replace("t=17", "t=18"))
    assert not receiving.billit_signed("", body, header)


@pytest.mark.parametrize("header", ["", "sha256=", "s=,t=", "t=1,s=" + "0" * 64, "t=1,s=é" + "0" * 63, "ü", "t=1"])
def test_no_nonsense_passes_for_a_signature(header: str) -> None:
    assert not receiving.billit_signed("secret", b"{}", header)
    assert not receiving.toggl_signed("secret", b"{}", header)
    assert not receiving.toggl_signed("", b"{}", toggl_signature("", b"{}"))


@pytest.mark.django_db
def test_signed_call_makes_the_workspace_due() -> None:
    row = of_workspace()
    before = timezone.now()
    assert call(row).status_code == 204
    assert before <= due(row) <= timezone.now()
    row.refresh_from_db()
    assert row.called_at is not None


@pytest.mark.django_db
def test_call_after_a_reading_waits_for_the_pause() -> None:
    now = timezone.now()
    row = of_workspace(synced_at=now - timedelta(minutes=1))
    assert call(row).status_code == 204
    assert due(row) == now + timedelta(minutes=2)
    # A second one, and a repeated one, find it due already.
    assert call(row).status_code == call(row, b'{"event_id":1}').status_code == 204
    assert due(row) == now + timedelta(minutes=2)


@pytest.mark.django_db
def test_call_never_puts_a_reading_off() -> None:
    sooner = timezone.now() + timedelta(seconds=30)
    row = of_workspace(next_sync_at=sooner, synced_at=timezone.now())
    assert call(row).status_code == 204
    assert due(row) == sooner


@pytest.mark.django_db
def test_call_of_billit_makes_the_orders_of_the_company_due() -> None:
    row = of_company()
    before = timezone.now()
    assert call(row).status_code == 204
    company = Company.objects.get()
    assert company.orders_due_at is not None
    assert before <= company.orders_due_at <= timezone.now()
    first = company.orders_due_at
    assert call(row).status_code == 204
    company.refresh_from_db()
    assert company.orders_due_at == first


@pytest.mark.django_db
@pytest.mark.parametrize("make", [of_workspace, of_company])
def test_call_without_its_signature_is_refused(make: Callable[[], Webhook], caplog: pytest.LogCaptureFixture) -> None:
    row = make()
    wrong = "sha256=" + "0" * 64 if row.workspace_id else "t=1,s=" + "0" * 64
    with caplog.at_level(logging.DEBUG):
        for signature in ("", wrong):
            assert call(row, signature=signature).status_code == 403
    row.refresh_from_db()
    assert row.called_at is None
    assert f"webhook {row.pk} was called with a signature that does not fit" in caplog.text
    assert row.token not in caplog.text
    assert row.secret not in caplog.text


@pytest.mark.django_db
def test_signature_is_over_the_raw_bytes() -> None:
    row = of_workspace()
    body = b'{ "payload":  "\xc3\xa9" }'
    assert call(row, json.dumps(json.loads(body)).encode(), toggl_signature(row.secret, body)).status_code == 403
    assert call(row, body).status_code == 204


@pytest.mark.django_db
def test_unknown_token_is_not_there() -> None:
    row = of_workspace()
    other = WebhookFactory.create()
    Webhook.objects.filter(pk=other.pk).delete()
    assert call(other).status_code == 404
    # The token of the one service opens nothing at the address of the other.
    body = b"{}"
    header = {"Billit-Signature": billit_signature(row.secret, body)}
    answer = Client(headers=header).post(f"/hooks/billit/{row.token}/", body, content_type="application/json")
    assert answer.status_code == 404


@pytest.mark.django_db
def test_body_is_at_most_256_kilobytes() -> None:
    row = of_workspace()
    largest = b'"' + b"x" * (256 * 1024 - 2) + b'"'
    assert call(row, largest).status_code == 204
    assert call(row, largest + b" ").status_code == 413


@pytest.mark.django_db
def test_only_post_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    row = of_workspace()
    answer = Client().get(f"/hooks/toggl/{row.token}/")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert row.token not in caplog.text


@pytest.mark.django_db
def test_too_many_refused_calls_from_one_address_are_not_looked_at(settings: Settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = {"webhook_refused": "3/m/ip", "webhook": "2/m/key"}
    row = of_workspace()
    assert [call(row, signature="").status_code for _ in range(4)] == [403, 403, 403, 429]
    assert [call(row).status_code for _ in range(3)] == [204, 204, 429]
    assert call(of_company()).status_code == 204


@pytest.mark.django_db
def test_ping_of_toggl_is_answered_with_its_code() -> None:
    row = of_workspace()
    answer = call(row, b'{"event_id":0,"payload":"ping","validation_code":"abc123"}')
    assert (answer.status_code, answer.json()) == (200, {"validation_code": "abc123"})
    for body in (b"no JSON", b"[]", b'{"validation_code":{}}', b'{"validation_code":""}', b"[" * 20_000):
        assert call(row, body).status_code == 204
    assert call(of_company(), b'{"validation_code":"abc123"}').status_code == 204


@pytest.mark.django_db
def test_paused_connection_is_left_alone() -> None:
    row = of_workspace()
    Connection.objects.update(paused_at=timezone.now())
    later = due(row)
    assert call(row).status_code == 204
    assert due(row) == later


@pytest.mark.django_db
def test_call_before_billit_told_the_secret_changes_nothing() -> None:
    row = WebhookFactory(workspace=None, company=CompanyFactory(), topic="orders", secret="")
    assert call(row, signature=billit_signature("anything", b"{}")).status_code == 204
    assert Company.objects.get().orders_due_at is None


@pytest.mark.django_db
def test_removed_connection_has_no_address_any_more() -> None:
    row, company = of_workspace(), of_company()
    credentials.remove(connection=webhook_addresses.connection_of(row), by=BY, now=timezone.now())
    assert call(row).status_code == 404
    assert call(company).status_code == 204


@pytest.mark.django_db
def test_closed_firm_has_no_address_any_more(command: Callable[..., Outcome]) -> None:
    row, company = of_workspace(), of_company()
    for hook in (row, company):
        assert command("close_firm", "--firm", hook.firm.slug, "--sure", hook.firm.slug).code == 0
        assert call(hook).status_code == 404
    assert not Webhook.objects.exists()


@pytest.fixture
def site(sandbox: Process, live_server: LiveServer, settings: Settings) -> Process:
    """The site, reachable by the sandbox under its own address."""
    settings.WHITENOISE_AUTOREFRESH = True
    settings.PUBLIC_URL = live_server.url
    return sandbox


@pytest.fixture
def company(site: Process) -> Company:
    """The company of the small world, at a Billit that calls http on loopback."""
    site.control.load(small_world())
    site.control.switch(billit_webhook_http_localhost=True)
    firm = FirmFactory(slug="ours")
    connection = ConnectionFactory(firm=firm, service="billit", key="main", secret=API_KEY)
    return CompanyFactory(firm=firm, connection=connection, party_id=COMPANY)
