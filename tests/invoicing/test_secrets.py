"""Secrets are planted, everything is made to happen, and nothing that leaves the process holds one of them."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.conf import settings as site
from django.contrib.admin.models import LogEntry
from django.db import connection as database
from django.test import Client
from pytest_django import Settings

from integrations.connections import key_rotation
from integrations.models import Connection
from integrations.models.encryption import EncryptedTextField
from integrations.sandbox.process import Process
from invoicing import tasks
from invoicing.models import Dossier, Invoice
from tests.conftest import Outcome
from tests.factories import NOW, ConnectionFactory, FirmFactory
from tests.invoicing.scene import Scene
from tests.queues import Queue
from tests.visitors import address, events, managed, pages_of, staff, superuser
from tests.worlds import API_KEY, TOKEN
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db

PLANTED = "planted-5ecret-0123456789abcdef"
REFRESH = "planted-refre5h-0123456789abcdef"
SECRETS = (TOKEN, API_KEY, PLANTED, REFRESH)


@pytest.fixture(autouse=True)
def static_files_from_the_source(settings: Settings) -> None:
    """Without ``collectstatic`` there is no folder to serve from, and whitenoise would warn of it."""
    settings.WHITENOISE_AUTOREFRESH = True


def shown(text: object) -> set[str]:
    """The secrets that stand in a text."""
    return {secret for secret in SECRETS if secret in str(text)}


def plant(firm: Firm) -> Connection:
    """Two more connections, by token and by sign-in, with secrets that no service knows."""
    ConnectionFactory(firm=firm, key="planted", secret=PLANTED)
    return ConnectionFactory(
        firm=firm,
        service="billit",
        key="signed",
        method="sign_in",
        secret=PLANTED,
        refresh_secret=REFRESH,
        expires_at=NOW,
    )


def test_no_secret_leaves_in_logs_audit_commands_messages_or_pages(
    scene: Callable[..., Scene],
    queue: Queue,
    command: Callable[..., Outcome],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    at_work = scene()
    plant(at_work.firm)
    firm = at_work.firm
    told: list[object] = []
    told.append(at_work.invoice("--approve", "--post"))
    for arguments in (
        ("sync", "--firm", firm.slug),
        ("ledger", "--firm", firm.slug),
        ("reconcile", "--firm", firm.slug),
        ("verify_audit", "--firm", firm.slug),
        ("rotate_keys",),
        ("export_firm", "--firm", firm.slug, "--to", str(tmp_path / "all.zip")),
    ):
        told.append(command(*arguments))
    Dossier.objects.update(due_at=NOW, every="daily")
    for tick in (tasks.tick_sync, tasks.tick_runs, tasks.tick_delivery):
        tick.apply(throw=True)
    messages = queue.waiting()
    assert {name.rpartition(".")[2] for _queue, name, _arguments in messages} >= {"run_dossier", "derive_marked"}
    # Only ids travel.
    assert all(isinstance(value, int) for *_rest, arguments in messages for value in arguments.values())
    browser = staff(firm)
    invoice = Invoice.objects.filter(firm=firm).first()
    assert invoice is not None
    paths = [*pages_of(at_work.dossier, invoice), "/connections/", "/leaving/"]
    for row in Connection.objects.filter(firm=firm):
        paths += [f"/connections/{row.service}/{row.key}/", f"/connections/{row.service}/{row.key}/remove/"]
        paths += [address(Connection, "change", row.pk), address(Connection, "history", row.pk)]
    told += [browser.get(path).content.decode() for path in paths]
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        told += [archive.read(name).decode() for name in archive.namelist()]
    told += [messages, events(firm), [str(vars(entry)) for entry in LogEntry.objects.all()], caplog.text]
    assert [shown(text) for text in told] == [set()] * len(told)


def test_no_secret_stands_in_the_admin_history_after_it_was_changed(firm_at: Firm, sandbox: Process) -> None:
    browser = staff(firm_at)
    form = {"service": "toggl", "key": "main", "new_secret": TOKEN} | managed("quotas", [])
    assert browser.post(address(Connection, "add"), form).status_code == 302
    row = Connection.objects.get()
    form = {"new_secret": PLANTED, "accept_partial": "on"} | managed("quotas", [])
    refused = browser.post(address(Connection, "change", row.pk), form).content.decode()
    entries = [f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all()]
    history = browser.get(address(Connection, "history", row.pk)).content.decode()
    assert [shown(text) for text in (refused, entries, history)] == [set()] * 3
    assert LogEntry.objects.exists()


@pytest.fixture
def firm_at() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("where", ["pages", "admin", "rotate"])
def test_an_error_page_shows_no_secret(
    where: str, debug: bool, firm_at: Firm, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    row = plant(firm_at)
    settings.DEBUG = debug
    # What breaks, breaks with the secret in hand: the client is made with it.
    settings.TOGGL_URL = None
    browser = staff(firm_at)
    browser.raise_request_exception = False
    path, form = {
        "pages": ("/connections/add/toggl/", {"key": "main", "secret": TOKEN}),
        "rotate": ("/connections/toggl/planted/rotate/", {"secret": TOKEN}),
        "admin": (
            address(Connection, "add"),
            {"service": "toggl", "key": "main", "new_secret": TOKEN} | managed("quotas", []),
        ),
    }[where]
    answer = browser.post(path, form)
    assert answer.status_code == 500
    page = answer.content.decode()
    assert ("Traceback" in page) is debug
    assert (shown(page), shown(caplog.text)) == (set(), set())
    for key in site.FIELD_ENCRYPTION_KEYS:
        assert key not in page
    assert row.pk is not None


def test_secrets_at_rest_are_ciphertext(firm_at: Firm) -> None:
    plant(firm_at)
    with database.cursor() as cursor:
        cursor.execute("SELECT secret, refresh_secret FROM integrations_connection")
        assert shown(cursor.fetchall()) == set()


def test_every_column_that_sounds_like_a_secret_is_encrypted() -> None:
    for model in apps.get_models():
        if model._meta.app_label not in {"integrations", "invoicing", "firms"}:
            continue
        for field in model._meta.concrete_fields:
            if "secret" in field.name:
                assert isinstance(field, EncryptedTextField), (model, field.name)


def test_a_superuser_sees_no_secret_either(firm_at: Firm) -> None:
    row = plant(firm_at)
    browser: Client = superuser(firm_at)
    for path in (address(Connection, "changelist"), address(Connection, "change", row.pk)):
        assert shown(browser.get(path).content.decode()) == set()


def rotate(command: Callable[..., Outcome]) -> Any:
    done = command("rotate_keys")
    assert done.code == 0, done.words
    return done.answer


def ciphertexts() -> list[str]:
    with database.cursor() as cursor:
        cursor.execute("SELECT secret, refresh_secret FROM integrations_connection ORDER BY id")
        return [text for row in cursor.fetchall() for text in row if text]


def test_rotate_keys_writes_every_secret_with_the_newest_key(
    firm_at: Firm, command: Callable[..., Outcome], settings: Settings
) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [old]
    plant(firm_at)
    assert rotate(command) == {"rotated": 3}
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    assert rotate(command) == {"rotated": 3}
    # The old key is needed no more.
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert [Fernet(new).decrypt(text.encode()).decode() for text in ciphertexts()] == [PLANTED, PLANTED, REFRESH]
    assert [(row.secret, row.refresh_secret) for row in Connection.objects.order_by("pk")] == [
        (PLANTED, ""),
        (PLANTED, REFRESH),
    ]


def test_rotate_keys_without_the_old_key_says_so_and_changes_nothing(
    firm_at: Firm, command: Callable[..., Outcome], settings: Settings
) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    plant(firm_at)
    before = ciphertexts()
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    done = command("rotate_keys")
    assert (done.code, done.answer) == (1, None)
    assert "none of FIELD_ENCRYPTION_KEYS fits" in done.words
    assert ciphertexts() == before


def test_rotate_keys_knows_every_encrypted_column() -> None:
    found = {(model._meta.label, name) for model, names in key_rotation.encrypted_fields() for name in names}
    assert {("integrations.Connection", "secret"), ("integrations.Connection", "refresh_secret")} <= found


def test_a_log_of_json_holds_no_secret_when_a_service_echoes_it(
    firm_at: Firm, sandbox: Process, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {"service": "toggl", "kind": "status", "status": 400, "body": f"bad token {TOKEN}"}
    sandbox.control.faults(echo)
    page = staff(firm_at).post("/connections/add/toggl/", {"key": "main", "secret": TOKEN}).content.decode()
    assert "bad token ***" in page
    assert (shown(page), shown(caplog.text), shown(json.dumps(events(firm_at)))) == (set(), set(), set())
