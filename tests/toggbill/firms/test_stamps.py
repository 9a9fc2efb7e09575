"""Time stamps (RFC 3161) of the anchors, against a small service of the tests."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.conftest import Outcome
from tests.factories import FirmFactory
from tests.toggbill.firms.stamping import Service, openssl, serving
from toggbill.firms.audit import anchors, stamps

pytestmark = pytest.mark.django_db
KEY = hashlib.sha256(b"one").digest()
NIGHT = datetime(2026, 11, 21, 0, 1, tzinfo=UTC)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with serving(tmp_path) as running:
        yield running


@pytest.fixture
def file(settings: Settings, tmp_path: Path, service: Service) -> Path:
    settings.AUDIT_SIGNING_KEYS, settings.TIMESTAMP_URL = [KEY], service.url
    settings.ANCHORS_FILE = tmp_path / "audit-anchors.jsonl"
    return tmp_path / "audit-anchors.jsonl"


def night(file: Path, service: Service, number: int = 0) -> anchors.Json:
    FirmFactory()
    line = anchors.append(file=file, keys=[KEY], timestamp_url=service.url, now=NIGHT + timedelta(days=number))
    assert line is not None
    return line


def test_each_line_is_stamped_and_the_stamp_holds(
    file: Path, service: Service, command: Callable[..., Outcome]
) -> None:
    done = command("anchor_audit")
    assert (done.code, done.answer["stamped"]) == (0, True)
    assert len(service.asked) == 1
    assert command("verify_audit").code == 0
    assert command("verify_audit", "--stamp-roots", str(service.roots)).code == 0


def test_openssl_checks_a_stamp_as_the_page_says(file: Path, service: Service, tmp_path: Path) -> None:
    line = night(file, service)
    (tmp_path / "stamp.tsr").write_bytes(base64.b64decode(line.pop("stamp")))
    (tmp_path / "line.json").write_text(anchors.canonical(line), encoding="utf-8")
    check = ["ts", "-verify", "-in", "stamp.tsr", "-CAfile", "root.pem", "-data"]
    openssl(tmp_path, *check, "line.json")
    (tmp_path / "other.json").write_text(anchors.canonical(line | {"at": "2026-11-22"}), encoding="utf-8")
    with pytest.raises(AssertionError, match="imprint mismatch"):
        openssl(tmp_path, *check, "other.json")


def test_a_stamp_of_another_line_is_found(file: Path, service: Service, command: Callable[..., Outcome]) -> None:
    first, second = night(file, service), night(file, service, 1)
    swapped = anchors.canonical(second | {"stamp": first["stamp"]})
    file.write_text(f"{anchors.canonical(first)}\n{swapped}\n", encoding="utf-8")
    done = command("verify_audit")
    assert done.code == 1
    assert "Line 2 of audit-anchors.jsonl: its time stamp is of something else" in done.words


def test_a_stamp_of_another_service_is_found(
    file: Path, service: Service, tmp_path: Path, command: Callable[..., Outcome]
) -> None:
    night(file, service)
    (tmp_path / "other").mkdir()
    other = Service(tmp_path / "other")
    other.make()
    done = command("verify_audit", "--stamp-roots", str(other.roots))
    assert done.code == 1
    assert "its time stamp is not signed by the service" in done.words


@pytest.mark.parametrize("answer", [(500, b""), (200, b"no stamp"), (200, b""), (302, b""), (200, b"x" * 200_000)])
def test_a_service_that_gives_no_stamp_hinders_no_line(
    file: Path,
    service: Service,
    command: Callable[..., Outcome],
    answer: tuple[int, bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    service.answer = answer
    done = command("anchor_audit")
    assert (done.code, done.answer["stamped"]) == (0, False)
    assert "gave no stamp" in done.words
    assert "The time-stamping service gave no stamp" in caplog.text
    assert command("verify_audit").code == 0


def test_a_stamp_that_was_given_before_is_none(file: Path, service: Service) -> None:
    first = night(file, service)
    service.answer = (200, base64.b64decode(first["stamp"]))
    assert "stamp" not in night(file, service, 1)


def test_a_service_that_is_not_there_hinders_no_line(file: Path) -> None:
    FirmFactory()
    line = anchors.append(file=file, keys=[KEY], timestamp_url="http://127.0.0.1:9/tsa", now=NIGHT)
    assert line is not None
    assert "stamp" not in line
    assert json.loads(file.read_text()) == line


def test_what_is_no_stamp_is_said() -> None:
    for stamp in ("%%%", base64.b64encode(b"nonsense").decode(), ""):
        with pytest.raises(stamps.BadStamp):
            stamps.check(stamp, data=b"x")
