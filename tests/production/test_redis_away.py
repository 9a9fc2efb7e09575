"""Without Redis people sign in, are invited and click, services call, and the rate limits hold."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import time
from collections.abc import Iterator

import pytest
from psycopg import sql

from tests.production.addresses import Filler
from tests.production.site import OWNER, Site, until

pytestmark = pytest.mark.slow

STATUS = sql.SQL("SELECT status FROM invoicing_invoice WHERE reference = %s")
WISH = sql.SQL("SELECT post_requested_at IS NOT NULL FROM invoicing_invoice WHERE reference = %s")
INVITED = sql.SQL("SELECT count(*) FROM firms_invitation WHERE email = %s")
NEW_WEBHOOK = """
from django.utils import timezone
from integrations.models import Webhook, Workspace
from integrations.connections.webhook_addresses import hash_of
row = Workspace.objects.order_by("pk").first()
row.webhooks.all().delete()
Webhook.objects.create(firm=row.firm, workspace=row, topic="entries", token="token-of-a-test", secret="secret",
    token_hash=hash_of("token-of-a-test"), made_at=timezone.now(), remote_id=1)
"""


@pytest.fixture
def redis_away(site: Site) -> Iterator[None]:
    """Its port is closed; afterwards it is there again, and the workers with it."""
    site.stop("redis")
    yield
    site.start_redis()
    until(lambda: site.visitor().get("/readyz").status == 200, site.log("worker"))


@pytest.fixture
def redis_silent(site: Site) -> Iterator[None]:
    """It takes what is sent and says nothing."""
    site.processes["redis"].send_signal(signal.SIGSTOP)
    yield
    site.processes["redis"].send_signal(signal.SIGCONT)
    until(lambda: site.visitor().get("/readyz").status == 200, site.log("worker"))


@pytest.mark.usefixtures("redis_away")
def test_people_sign_in_are_invited_and_get_a_new_password(site: Site) -> None:
    owner = site.owner()
    page, invite = (Filler(site).path(name) for name in ("members", "invite"))
    fields = owner.form(page, invite) | {"email": "new@example.com", "role": "viewer"}
    assert owner.post(invite, fields).status == 302
    assert site.one(INVITED, "new@example.com") == 1
    assert "new@example.com" in owner.get(page).text
    for name in ("dossiers", "invoices", "attention", "corrections", "connections"):
        assert owner.get(Filler(site).path(name)).status == 200
    stranger = site.visitor()
    stranger.get("/accounts/password/reset/")
    answer = stranger.post("/accounts/password/reset/", {"email": OWNER})
    assert (answer.status, answer.headers["location"]) == (302, "/accounts/password/reset/done/")
    assert f"To: {OWNER}" in site.log("web")()


@pytest.mark.usefixtures("redis_away")
def test_rate_limits_hold_in_the_database(site: Site) -> None:
    stranger = site.visitor()
    stranger.get("/accounts/login/")
    tried = [
        "Too many failed login attempts"
        in stranger.post("/accounts/login/", {"login": "x@example.com", "password": "x"}).text
        for _ in range(7)
    ]
    assert tried == [False] * 5 + [True] * 2
    assert site.one(sql.SQL("SELECT count(*) FROM toggbill_cache")) > 0


@pytest.mark.usefixtures("redis_away")
def test_services_call_and_their_mark_is_kept(site: Site) -> None:
    site.manage("shell", "-v", "0", "-c", NEW_WEBHOOK)
    body = json.dumps({"payload": {}})
    signature = "sha256=" + hmac.new(b"secret", body.encode(), hashlib.sha256).hexdigest()
    answer = site.visitor().call("/hooks/toggl/token-of-a-test/", body, {"X-Webhook-Signature-256": signature})
    assert answer.status == 204
    assert site.one(sql.SQL("SELECT called_at IS NOT NULL FROM integrations_webhook"))


def test_click_is_kept_and_done_when_redis_is_back(site: Site, approved: str, redis_away: None) -> None:
    page, step = (Filler(site).path(name, reference=approved, step="post") for name in ("invoice", "step"))
    owner = site.owner()
    fields = owner.form(page, step)
    begun = time.monotonic()
    assert owner.post(step, fields).status == 302
    assert time.monotonic() - begun < 5
    assert site.one(WISH, approved) is True
    ready = site.visitor().get("/readyz")
    assert (ready.status, json.loads(ready.body)) == (503, {"ready": False, "failing": "broker"})
    site.start_redis()
    until(lambda: site.one(STATUS, approved) == "posted", site.log("worker"))
    site.stop("redis")  # the fixture starts it again


@pytest.mark.usefixtures("redis_silent")
def test_nobody_waits_long_for_a_redis_that_says_nothing(site: Site, approved: str) -> None:
    begun = time.monotonic()
    owner = site.owner()
    page, step = (Filler(site).path(name, reference=approved, step="post") for name in ("invoice", "step"))
    assert owner.post(step, owner.form(page, step)).status == 302
    assert site.one(WISH, approved) is True
    assert time.monotonic() - begun < 15
    assert site.visitor().get("/readyz").status == 503
