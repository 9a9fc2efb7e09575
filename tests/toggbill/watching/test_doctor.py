"""`doctor` says what is wrong with an installation, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from tests.conftest import Outcome
from tests.factories import ConnectionFactory, FirmFactory, WorkspaceFactory
from tests.queues import broker
from toggbill.firms.audit import anchors
from toggbill.firms.models import Firm
from toggbill.models import TaskDuration
from toggbill.watching import doctor, durations

pytestmark = pytest.mark.django_db
NAMES = [
    "configuration",
    "database",
    "migrations",
    "clock",
    "keys",
    "audit anchors",
    "broker",
    "static files",
    "connections",
    "oldest due row",
    "ticks",
]


@pytest.fixture(autouse=True)
def well(settings: Settings) -> None:
    """An installation of which nothing is wrong."""
    settings.DEBUG, settings.PUBLIC_URL = True, "http://127.0.0.1:8000"
    durations.add(task="tick_sync", seconds=0.1, failed=False, now=timezone.now())


def found(name: str) -> doctor.Check:
    [check] = [check for check in doctor.examine() if check.name == name]
    return check


def test_all_is_well(command: Callable[..., Outcome]) -> None:
    with broker("memory://"):
        done = command("doctor")
    assert (done.code, done.answer["ok"]) == (0, True), done.words
    assert [check["name"] for check in done.answer["checks"]] == NAMES
    assert all(check["ok"] and check["text"] for check in done.answer["checks"])


def test_what_is_wrong_ends_with_1_and_is_said_in_words(command: Callable[..., Outcome]) -> None:
    ConnectionFactory(failure="credentials", failure_code="credential_refused")
    with broker("redis://127.0.0.1:1/0"):
        done = command("doctor")
    assert (done.code, done.answer["ok"]) == (1, False)
    assert [check["name"] for check in done.answer["checks"] if not check["ok"]] == ["broker", "connections"]
    assert "WRONG  broker: The broker takes no message" in done.words


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"DEBUG": True}, "DEBUG is on"),
        ({"PUBLIC_URL": "http://toggbill.example"}, "PUBLIC_URL does not begin with https"),
        ({"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}, "Mails are printed"),
    ],
)
def test_configuration_of_production(changed: dict[str, Any], sentence: str, settings: Settings) -> None:
    settings.DEBUG, settings.PUBLIC_URL = False, "https://toggbill.example"
    assert found("configuration").ok
    for name, value in changed.items():
        setattr(settings, name, value)
    check = found("configuration")
    assert not check.ok
    assert sentence in check.text


def test_secret_that_no_key_opens_is_named(settings: Settings) -> None:
    ConnectionFactory(service="billit", key="lost", secret="planted-secret")
    assert found("keys").ok
    settings.FIELD_ENCRYPTION_KEYS = ["another-key-than-before-0123456789"]
    check = found("keys")
    assert not check.ok
    assert "Billit lost" in check.text
    assert "planted" not in check.text


def test_clocks_that_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toggbill.database.clock.now", lambda: timezone.now() + timedelta(seconds=90))
    check = found("clock")
    assert (check.ok, "90.0 s apart" in check.text) == (False, True)


def test_row_that_waits_for_too_long_and_ticks_that_stand_still() -> None:
    WorkspaceFactory(next_sync_at=timezone.now() - timedelta(minutes=40))
    check = found("oldest due row")
    assert (check.ok, "waits for 40 minutes (sync_workspace, queue sync)" in check.text) == (False, True)
    assert found("ticks").ok
    TaskDuration.objects.update(latest_at=timezone.now() - timedelta(hours=1))
    assert not found("ticks").ok
    TaskDuration.objects.all().delete()
    assert "No tick has ended yet" in found("ticks").text


def test_static_files_that_were_not_collected(settings: Settings) -> None:
    settings.DEBUG, settings.PUBLIC_URL = False, "https://toggbill.example"
    check = found("static files")
    assert (check.ok, "collectstatic" in check.text) == (False, True)


def test_anchors_that_are_missing_old_or_signed_by_nobody_known(settings: Settings, tmp_path: Path) -> None:
    assert found("audit anchors").ok, "a first look needs none"
    settings.DEBUG = False
    check = found("audit anchors")
    assert (check.ok, check.text[:28]) == (False, "AUDIT_SIGNING_KEY is not set")
    settings.AUDIT_SIGNING_KEYS, settings.ANCHORS_FILE = [bytes(32)], tmp_path / "anchors.jsonl"
    assert found("audit anchors") == doctor.Check("audit anchors", True, "There is no audit log to sign yet.")
    long_ago = timezone.now() - timedelta(days=3)
    FirmFactory(audit_number=1)
    Firm.objects.update(created_at=long_ago)
    assert found("audit anchors").text.startswith("No anchor was written. For 3 days nothing was signed")
    file, keys = settings.ANCHORS_FILE, settings.AUDIT_SIGNING_KEYS
    anchors.append(file=file, keys=keys, timestamp_url="", now=long_ago)
    check = found("audit anchors")
    assert (check.ok, check.text.partition(".")[0]) == (False, f"1 signed anchors, the latest of {long_ago:%Y-%m-%d}")
    anchors.append(file=file, keys=keys, timestamp_url="", now=timezone.now())
    assert found("audit anchors").ok
    settings.AUDIT_SIGNING_KEYS = [bytes(31) + b"x"]
    check = found("audit anchors")
    assert (check.ok, check.text.partition(".jsonl")[0]) == (False, "Line 1 of anchors")
    assert "was not signed by this site. And 1 more." in check.text
