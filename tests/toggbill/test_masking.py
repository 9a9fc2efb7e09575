"""Tokens and codes that addresses and queries carry reach no log, no error page and no report of an error."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as site
from django.contrib.auth.models import AnonymousUser
from django.core import mail
from django.test import Client, RequestFactory
from django.utils import timezone
from django.views.debug import get_exception_reporter_class
from pytest_django import Settings

from integrations.models import Webhook
from tests.factories import FirmFactory, WebhookFactory
from toggbill import log_lines, masking
from toggbill.firms.audit import Actor
from toggbill.firms.membership import invitations

TOKEN = "planted-t0ken-0123456789abcdefABCDEF"
ADDRESSES = [
    f"/hooks/toggl/{TOKEN}/",
    f"/hooks/billit/{TOKEN}/",
    f"/hooks/billit/{TOKEN}/more",
    f"/invitations/{TOKEN}/",
    f"/accounts/password/reset/key/1a-{TOKEN}/",
    f"/accounts/confirm-email/{TOKEN}/",
    f"/connections/signed-in/?code={TOKEN}&state={TOKEN}",
    f"/accounts/login/?next=/invitations/{TOKEN}/",
    f"/accounts/login/?next=%2Finvitations%2F{TOKEN}%2F",
    f"/?token={TOKEN}",
    f"/nowhere/?x=1&y={TOKEN}",
]


@pytest.fixture(params=["text", "json"])
def lines(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Any:
    """What is logged, as the handler of the site writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log_lines.formatter(request.param))
    logging.getLogger().addHandler(handler)
    caplog.set_level(logging.DEBUG)
    yield lambda: stream.getvalue() + caplog.text
    logging.getLogger().removeHandler(handler)


@pytest.mark.django_db
@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_address_puts_its_token_into_a_log(address: str, method: str, lines: Any) -> None:
    browser = Client(raise_request_exception=False, enforce_csrf_checks=True)
    getattr(browser, method)(address, HTTP_REFERER=f"https://testserver{address}")
    assert TOKEN not in lines()


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_error_at_an_address_tells_no_token(
    address: str, debug: bool, settings: Settings, lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEBUG, settings.ADMINS = debug, [("Operator", "operator@example.com")]

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"it broke at https://toggbill.example{address} with code={TOKEN}")

    monkeypatch.setattr("django.contrib.sessions.middleware.SessionMiddleware.process_request", broken)
    answer = Client(raise_request_exception=False).get(address, HTTP_REFERER=f"https://testserver{address}")
    assert answer.status_code == 500
    assert TOKEN not in answer.content.decode()
    told = lines()
    assert "it broke at" in told
    assert TOKEN not in told
    assert [letter for letter in mail.outbox if TOKEN in str(letter.message())] == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_report_of_an_error_as_a_text_tells_no_token(address: str) -> None:
    request = RequestFactory().get(address, HTTP_REFERER=f"https://testserver{address}")
    request.user = AnonymousUser()
    make: Any = get_exception_reporter_class(request)
    try:
        raise ValueError(f"{address} has state={TOKEN}")
    except ValueError:
        reporter = make(request, *sys.exc_info(), is_email=True)
    for text in (reporter.get_traceback_text(), reporter.get_traceback_html()):
        assert TOKEN not in text
        assert "ValueError" in text


@pytest.mark.django_db
def test_real_links_stand_in_no_log(lines: Any) -> None:
    row, token = invitations.invite(
        firm=FirmFactory(),
        email="new@example.com",
        role="viewer",
        by=Actor.command(),
        now=timezone.now(),
    )
    hook: Webhook = WebhookFactory()
    browser = Client(raise_request_exception=False)
    for address in (f"/invitations/{token}/", f"/invitations/{token}/nowhere/", f"/hooks/toggl/{hook.token}/"):
        browser.get(address)
        browser.post(address, data=b"{}", content_type="application/json")
    told = lines()
    assert row.email
    assert [secret for secret in (token, hook.token) if secret in told] == []


def test_other_loggers_of_the_process_are_masked_too(capsys: pytest.CaptureFixture[str]) -> None:
    """gunicorn's and the like have handlers and formats of their own."""
    logger, stream = logging.getLogger("gunicorn.access.of-a-test"), io.StringIO()
    logger.propagate = False
    logger.addHandler(logging.StreamHandler(stream))
    for address in ADDRESSES:
        logger.error('%s "GET %s HTTP/1.1" 200 "%s"', "203.0.113.7", address, f"https://toggbill.example{address}")
    assert TOKEN not in stream.getvalue()
    assert '203.0.113.7 "GET /hooks/toggl/***/ HTTP/1.1" 200' in stream.getvalue()


def test_what_is_no_secret_stays() -> None:
    for text in (
        "Not Found: /members/invitations/12/again/",
        "Not Found: /dossiers/bakery/hours/",
        "status code: 404",
        "/invitations/…",
        "the state is posted",
    ):
        assert masking.masked(text) == text
    assert masking.masked("/invoices/?dossier=bakery&page=2") == "/invoices/?dossier=***&page=***"


@pytest.mark.slow
def test_nothing_leaves_for_sentry_with_a_token() -> None:
    """The site as it starts with SENTRY_DSN, and an error in a view; what would leave is printed."""
    program = """
import django, sentry_sdk
django.setup()
sent = []
from sentry_sdk.transport import Transport
class Kept(Transport):
    def capture_envelope(self, envelope):
        sent.extend(item.payload.get_bytes().decode() for item in envelope.items)
sentry_sdk.get_client().transport = Kept()
from django.contrib.sessions.middleware import SessionMiddleware
import logging
def broken(self, request):
    logging.getLogger("x").warning("before %s", request.get_full_path())
    raise RuntimeError("broke at " + request.build_absolute_uri() + " code=TOKEN")
SessionMiddleware.process_request = broken
from django.test import Client
for address in ADDRESSES:
    browser = Client(raise_request_exception=False, SERVER_NAME="localhost")
    browser.get(address, headers={"referer": "https://localhost" + address})
sentry_sdk.flush()
print(len(sent))
print("\\n".join(sent))
"""
    text = program.replace("ADDRESSES", repr(ADDRESSES)).replace("TOKEN", TOKEN)
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=site.BASE_DIR,
        env={name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
        | {"DEBUG": "1", "SENTRY_DSN": "https://key@sentry.invalid/1", "DJANGO_SETTINGS_MODULE": "toggbill.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count, _, sent = done.stdout.partition("\n")
    assert int(count) >= len(ADDRESSES)
    assert "broke at" in sent
    assert TOKEN not in sent
    assert not re.search(TOKEN, done.stderr)
