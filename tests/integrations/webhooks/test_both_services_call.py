"""Both services call for real: told an address, called, replaced, ended."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from integrations.clients.http.transport import Refused, RetryLater, ServiceError
from integrations.clients.subscriptions import order_subscriptions
from integrations.connections import webhook_addresses
from integrations.connections.opening import open_billit
from integrations.mirror import sync
from integrations.models import Company, Connection, Webhook, Workspace
from integrations.sandbox.process import Process
from invoicing.due import order_changes
from invoicing.models import Invoice
from invoicing.tasks import read_order_changes, tick_delivery
from tests.conftest import Outcome
from tests.factories import (
    CompanyFactory,
    ConnectionFactory,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    WorkspaceFactory,
)
from tests.queues import Queue
from tests.visitors import events
from tests.worlds import API_KEY, COMPANY, NOW, TOKEN, WORKSPACE, entry, small_world
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.models import AuditEvent, Firm

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


@pytest.fixture
def site(sandbox: Process, live_server: LiveServer, settings: Settings) -> Process:
    """The site, reachable by the sandbox under its own address."""
    settings.WHITENOISE_AUTOREFRESH = True
    settings.PUBLIC_URL = live_server.url
    return sandbox


@pytest.fixture
def workspace(site: Process) -> Workspace:
    """The workspace of the small world, read a quarter of an hour ago."""
    site.control.load(small_world())
    now = timezone.now()
    return WorkspaceFactory(
        connection=ConnectionFactory(firm=(firm := FirmFactory(slug="ours")), key="main", secret=TOKEN),
        firm=firm,
        remote_id=WORKSPACE,
        synced_at=now - timedelta(minutes=14),
        next_sync_at=now + timedelta(minutes=1),
    )


@pytest.fixture
def company(site: Process) -> Company:
    """The company of the small world, at a Billit that calls http on loopback."""
    site.control.load(small_world())
    site.control.switch(billit_webhook_http_localhost=True)
    firm = FirmFactory(slug="ours")
    connection = ConnectionFactory(firm=firm, service="billit", key="main", secret=API_KEY)
    return CompanyFactory(firm=firm, connection=connection, party_id=COMPANY)


def statuses(site: Process) -> list[int | None]:
    """What the site answered to each call of the services."""
    return [attempt["status"] for row in site.control.deliveries() for attempt in row["attempts"]]


@pytest.mark.django_db(transaction=True)
def test_toggl_is_told_the_address_and_calls_it(site: Process, workspace: Workspace) -> None:
    webhook_addresses.open_for(target=workspace, by=BY, now=timezone.now())
    row = Webhook.objects.get()
    assert statuses(site) == [200]
    assert (row.remote_id, row.token_hash) == (70001, hashlib.sha256(row.token.encode()).hexdigest())
    assert events(workspace.firm) == [
        ("connection_changed", "connection toggl main", {"new": {"webhook": f"workspace {WORKSPACE}"}})
    ]
    later = timezone.now() + timedelta(hours=1)
    Workspace.objects.update(next_sync_at=later)
    site.control.put_entries(_entry())
    assert statuses(site) == [200, 204]
    assert due(row) < later
    done = sync.sync_workspace(workspace=Workspace.objects.get(), now=timezone.now(), background=True)
    assert done.seen >= 1


def _entry() -> dict[str, Any]:
    return entry(90, "2026-11-19")


@pytest.mark.django_db(transaction=True)
def test_renewed_webhook_replaces_the_one_before(site: Process, workspace: Workspace) -> None:
    webhook_addresses.open_for(target=workspace, by=BY, now=timezone.now())
    first = Webhook.objects.get()
    webhook_addresses.open_for(target=workspace, by=BY, now=timezone.now())
    second = Webhook.objects.get()
    assert (first.token != second.token, first.secret != second.secret) == (True, True)
    assert call(first).status_code == 404
    assert [row["url"] for row in site.control.deliveries()] == [
        webhook_addresses.address(first),
        webhook_addresses.address(second),
    ]
    assert webhook_addresses.close_for(target=workspace, by=BY, now=timezone.now()) is None
    site.control.put_entries(_entry())
    assert statuses(site) == [200, 200]
    assert not Webhook.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_subscription_whose_answer_was_lost_is_ended_before_the_next(site: Process, workspace: Workspace) -> None:
    site.control.faults({"service": "toggl", "method": "POST", "path": "/webhooks/", "kind": "cut_after", "times": 1})
    with pytest.raises(ServiceError):
        webhook_addresses.open_for(target=workspace, by=BY, now=timezone.now())
    assert not Webhook.objects.exists()
    webhook_addresses.open_for(target=workspace, by=BY, now=timezone.now())
    site.control.put_entries(_entry())
    # Two pings, and one call of the one that stands.
    assert statuses(site) == [200, 200, 204]


@pytest.mark.django_db(transaction=True)
def test_subscription_of_another_firm_stays(site: Process, workspace: Workspace) -> None:
    webhook_addresses.open_for(target=workspace, by=BY, now=timezone.now())
    other = WorkspaceFactory(
        connection=ConnectionFactory(firm=(firm := FirmFactory(slug="theirs")), secret=TOKEN),
        firm=firm,
        remote_id=WORKSPACE,
    )
    webhook_addresses.open_for(target=other, by=BY, now=timezone.now())
    webhook_addresses.close_for(target=other, by=BY, now=timezone.now())
    site.control.put_entries(_entry())
    assert statuses(site) == [200, 200, 204]


@pytest.mark.django_db(transaction=True)
def test_address_that_cannot_be_reached_is_said_without_its_token(
    site: Process, workspace: Workspace, settings: Settings
) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    with pytest.raises(Refused) as refusal:
        webhook_addresses.open_for(target=workspace, by=BY, now=timezone.now())
    assert "http://127.0.0.1:9/hooks/toggl/***/ request failed" in str(refusal.value)
    assert not Webhook.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_billit_calls_when_an_order_is_paid_and_the_order_is_read(
    site: Process, onboard: Callable[..., Firm], command: Callable[..., Outcome], queue: Queue
) -> None:
    with time_machine.travel(NOW, tick=True):
        firm = onboard(small_world())
        command("sync", "--firm", firm.slug)
        posted = command("invoice", "--firm", firm.slug, "--through", "2026-10-31", "--approve", "--post").answer
        site.control.switch(billit_webhook_http_localhost=True)
        webhook_addresses.open_for(target=Company.objects.get(), by=BY, now=timezone.now())
        rows = list(Webhook.objects.order_by("topic"))
        assert [row.topic for row in rows] == ["messages", "new_messages", "orders"]
        assert all(row.secret and row.remote_id for row in rows)
        order_id = posted["invoices"][0]["order_id"]
        site.control.change_order(order_id, Paid=True, PaidDate="2026-11-19T00:00:00")
        assert statuses(site) == [204]
        assert Company.objects.filter(orders_due_at__isnull=False).count() == 1
        assert not Invoice.objects.filter(payment="paid").exists()
        tick_delivery.delay()
        assert sorted(queue.work()) == ["ask_ways", "read_order_changes", "tick_delivery"]
        assert list(Invoice.objects.filter(payment="paid").values_list("order_id", flat=True)) == [order_id]
        assert not Company.objects.filter(orders_due_at__isnull=False).exists()
        assert ("invoice_paid", {"date": "2026-11-19"}) in [(kind, data) for kind, _, data in events(firm)]
        tick_delivery.delay()
        assert queue.work() == ["tick_delivery"]


@pytest.mark.django_db(transaction=True)
def test_webhooks_of_billit_are_replaced_and_ended(site: Process, company: Company) -> None:
    for _ in range(2):
        webhook_addresses.open_for(target=company, by=BY, now=timezone.now())
        assert Webhook.objects.count() == 3
    assert webhook_addresses.close_for(target=company, by=BY, now=timezone.now()) is None
    assert not Webhook.objects.exists()
    with open_billit(company) as api:
        assert order_subscriptions(api) == {}


@pytest.mark.django_db
def test_orders_that_cannot_be_read_wait(sandbox: Process, queue: Queue) -> None:
    now = timezone.now()
    firm = FirmFactory()
    connection = ConnectionFactory(firm=firm, service="billit", secret="a-key-that-nobody-has")
    company = CompanyFactory(firm=firm, connection=connection, party_id=COMPANY, orders_due_at=now)
    InvoiceFactory(dossier=DossierFactory(firm=firm, company=company), status="posted", posted_at=now)
    read_order_changes(company_id=company.pk)
    company.refresh_from_db()
    assert company.orders_due_at is not None
    assert company.orders_due_at > now
    assert order_changes.due(now=now) == []


@pytest.mark.django_db(transaction=True)
def test_billit_that_wants_https_says_so(site: Process, company: Company) -> None:
    site.control.switch(billit_webhook_http_localhost=False)
    with pytest.raises(Refused, match="must be a valid https address"):
        webhook_addresses.open_for(target=company, by=BY, now=timezone.now())
    assert not Webhook.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_paused_connection_opens_no_webhook(site: Process, workspace: Workspace) -> None:
    Connection.objects.update(paused_at=timezone.now())
    with pytest.raises(RetryLater, match="is paused"):
        webhook_addresses.open_for(target=Workspace.objects.get(), by=BY, now=timezone.now())
    assert not Webhook.objects.exists()
