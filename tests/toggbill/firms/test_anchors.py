"""Anchors: a log that is rewritten is not the one that was signed at night, and a rewritten file of anchors is none."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings as site
from django.core import mail
from pytest_django import Settings

from invoicing import tasks
from tests.conftest import Outcome
from tests.factories import FirmFactory, MembershipFactory
from tests.toggbill.firms.rewriting import Events, renamed, rewrite
from tests.visitors import signed_in
from toggbill import keys
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News, anchors
from toggbill.firms.models import AuditEvent, Firm, Membership

pytestmark = pytest.mark.django_db
KEY, OTHER = hashlib.sha256(b"one").digest(), hashlib.sha256(b"another").digest()
NIGHT = datetime(2026, 11, 21, 0, 1, tzinfo=UTC)
BY = Actor("owner@example.com", "page")


@pytest.fixture(autouse=True)
def file(settings: Settings, tmp_path: Path) -> Path:
    """The file of anchors, and the key that signs them."""
    settings.AUDIT_SIGNING_KEYS = [KEY]
    settings.ANCHORS_FILE = tmp_path / "audit-anchors.jsonl"
    return tmp_path / "audit-anchors.jsonl"


def write(firm: Firm, count: int) -> None:
    audit.record(firm=firm, news=[News("member_joined", "member x", {"n": n}) for n in range(count)], by=BY, now=NIGHT)


def night(number: int = 0) -> anchors.Json:
    """The line of a night."""
    line = anchors.append(
        file=site.ANCHORS_FILE, keys=site.AUDIT_SIGNING_KEYS, timestamp_url="", now=NIGHT + timedelta(days=number)
    )
    assert line is not None
    return line


def verified(command: Callable[..., Outcome], *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    done = command("verify_audit", *arguments)
    return done.code, done.answer["firms"], done.words


@pytest.fixture
def three_nights(file: Path) -> Firm:
    """A firm of nine events, three more before each night, and an hour after the last one a tenth."""
    firm = FirmFactory(slug="ours")
    for number in range(3):
        write(firm, 3)
        night(number)
    write(firm, 1)
    return firm


# --- writing ----------------------------------------------------------------------------------------------------------


def test_a_line_has_the_heads_of_all_firms_and_refers_to_the_line_before(file: Path) -> None:
    ours, theirs = FirmFactory(slug="ours"), FirmFactory(slug="theirs")
    write(ours, 2)
    night()
    write(theirs, 1)
    night(1)
    texts = file.read_text(encoding="utf-8").splitlines()
    first, second = map(json.loads, texts)
    ours.refresh_from_db()
    heads = [(head["firm"], head["number"], head["hash"]) for head in first["heads"]]
    assert heads == [("ours", 2, ours.audit_hash), ("theirs", 0, "0" * 64)]
    assert (first["at"], first["previous"]) == ("2026-11-21T00:01:00+00:00", "0" * 64)
    assert second["previous"] == hashlib.sha256(texts[0].encode()).hexdigest()
    assert [head["number"] for head in second["heads"]] == [2, 1]
    assert first["key"] == anchors.public_key(KEY)


def test_a_day_gets_one_line_however_often_and_by_however_many_it_is_asked_for(file: Path) -> None:
    FirmFactory()
    assert anchors.is_due(file=file, now=NIGHT)
    night()
    assert not anchors.is_due(file=file, now=NIGHT + timedelta(hours=23))
    assert anchors.is_due(file=file, now=NIGHT + timedelta(hours=24))
    arguments: dict[str, Any] = {"file": file, "keys": [KEY], "timestamp_url": ""}
    assert anchors.append(now=NIGHT + timedelta(hours=5), **arguments) is None
    assert len(file.read_text().splitlines()) == 1


@pytest.mark.django_db(transaction=True)
def test_workers_who_sign_at_once_write_one_line(file: Path) -> None:
    FirmFactory()
    together, came = threading.Barrier(4, timeout=20), list[object]()

    def worker() -> None:
        from django.db import connection  # noqa: PLC0415 - of this thread

        together.wait()
        came.append(anchors.append(file=file, keys=[KEY], timestamp_url="", now=NIGHT))
        connection.close()

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(line is None for line in came) == [False, True, True, True]
    assert len(file.read_text().splitlines()) == 1


def test_what_a_crash_left_of_a_line_is_taken_off(three_nights: Firm, file: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"at":"2026-11-24T00:0')
    found = anchors.read(file=file, keys=[KEY])
    assert (found.lines, found.faults) == (3, [])
    night(4)
    assert file.read_bytes().startswith(whole)
    found = anchors.read(file=file, keys=[KEY])
    assert (found.lines, found.faults) == (4, [])


def test_without_a_key_nothing_is_signed(settings: Settings, file: Path, command: Callable[..., Outcome]) -> None:
    settings.AUDIT_SIGNING_KEYS = []
    tasks.tick_anchors()
    assert not file.exists()
    done = command("anchor_audit")
    assert (done.code, done.answer) == (2, None)
    assert "AUDIT_SIGNING_KEY is not set" in done.words


def test_command_signs_once_a_day_and_tells_the_public_key(file: Path, command: Callable[..., Outcome]) -> None:
    write(FirmFactory(), 1)
    done = command("anchor_audit")
    told = {"stamped": False, "file": str(file), "public_key": anchors.public_key(KEY)}
    assert (done.code, done.answer) == (0, {"heads": 1} | told)
    again = command("anchor_audit")
    assert (again.code, again.answer) == (0, {"heads": 0} | told)
    assert "signed already" in again.words


# --- a rewritten log --------------------------------------------------------------------------------------------------


def test_an_honest_log_agrees_with_its_anchors(three_nights: Firm, command: Callable[..., Outcome]) -> None:
    assert verified(command) == (0, [{"firm": "ours", "events": 10, "ok": True, "first_bad": None}], "")


@pytest.mark.parametrize(
    ("change", "first_bad"),
    [
        (lambda events: [event | {"actor": "x"} if n == 4 else event for n, event in enumerate(events)], 4),
        (lambda events: [event for n, event in enumerate(events) if n != 4], 4),
        (lambda events: [event | {"actor": "x"} if n == 0 else event for n, event in enumerate(events)], 1),
        (lambda events: events[:7], 8),
        (lambda events: events[:0], 1),
        (renamed("member_joined", "somebody@example.com"), 1),
    ],
    ids=["actor", "taken out", "first", "cut end", "emptied", "all renamed"],
)
def test_a_log_that_was_chained_anew_is_found(
    three_nights: Firm, command: Callable[..., Outcome], change: Callable[[Events], Events], first_bad: int
) -> None:
    rewrite(three_nights, change)
    code, (told,), words = verified(command)
    assert (code, told["ok"], told["first_bad"]) == (1, False, first_bad)
    assert "signed" in words


def test_what_happened_since_the_last_night_is_not_vouched_for_yet(
    three_nights: Firm, command: Callable[..., Outcome]
) -> None:
    rewrite(three_nights, lambda events: [*events[:9], events[9] | {"actor": "x"}])
    assert verified(command)[0] == 0
    night(3)
    rewrite(three_nights, lambda events: [*events[:9], events[9] | {"actor": "y"}])
    assert verified(command)[1][0]["first_bad"] == 10


def test_a_firm_that_was_signed_and_is_gone_is_missed(three_nights: Firm, command: Callable[..., Outcome]) -> None:
    Firm.objects.filter(pk=three_nights.pk).update(slug="renamed")
    code, rows, words = verified(command)
    assert code == 1
    assert {"firm": "ours", "events": 0, "ok": False, "first_bad": 1} in rows
    assert "Firm ours was signed, and there is none of that name" in words


# --- a rewritten file -------------------------------------------------------------------------------------------------


def edited(text: str, **values: object) -> str:
    return anchors.canonical(json.loads(text) | values)


FILES: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "line out of the middle": (lambda lines: [lines[0], lines[2]], "does not follow the line before it"),
    "first line": (lambda lines: lines[1:], "does not follow the line before it"),
    "another day": (lambda lines: [lines[0], edited(lines[1], at="2026-11-25"), lines[2]], "not signed by this site"),
    "no heads": (lambda lines: [lines[0], edited(lines[1], heads=[]), lines[2]], "not signed by this site"),
    "no line": (lambda lines: [lines[0], "nonsense", lines[2]], "does not hold"),
    "no object": (lambda lines: [lines[0], "[1]", lines[2]], "does not hold"),
    "signature": (lambda lines: [*lines[:2], edited(lines[2], signature="AAAA")], "not signed by this site"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_found(three_nights: Firm, file: Path, command: Callable[..., Outcome], name: str) -> None:
    change, words = FILES[name]
    lines = change(file.read_text(encoding="utf-8").splitlines())
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    code, (told,), said = verified(command)
    assert (code, told["ok"]) == (1, False)
    assert words in said


def test_lines_signed_with_another_key_are_none(
    three_nights: Firm, file: Path, settings: Settings, command: Callable[..., Outcome]
) -> None:
    settings.AUDIT_SIGNING_KEYS = [OTHER]
    assert verified(command)[0] == 1
    settings.AUDIT_SIGNING_KEYS = [OTHER, KEY]
    assert verified(command)[0] == 0, "the older key still checks what it signed"
    line = night(3)
    assert line["key"] == anchors.public_key(OTHER)
    assert verified(command)[0] == 0


def test_a_file_kept_elsewhere_is_compared(
    three_nights: Firm, file: Path, tmp_path: Path, command: Callable[..., Outcome]
) -> None:
    kept = file.rename(tmp_path / "kept.jsonl")
    rewrite(three_nights, lambda events: events[:7])
    code, _, words = verified(command)
    assert code == 0
    assert "no anchors" in words
    assert verified(command, "--anchors", str(kept))[0] == 1
    assert command("verify_audit", "--anchors", str(file)).code == 2


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_key_is_32_bytes_in_base64_or_hex() -> None:
    assert keys.signing_keys("") == []
    assert keys.signing_keys(base64.b64encode(KEY).decode()) == [KEY]
    assert keys.signing_keys(base64.urlsafe_b64encode(b"\xfb\xff" + KEY[2:]).decode()) == [b"\xfb\xff" + KEY[2:]]
    assert keys.signing_keys(f" {KEY.hex()} , {base64.b64encode(OTHER).decode()}") == [KEY, OTHER]
    for bad in (
        "short",
        "a" * 64,
        base64.b64encode(KEY[:31]).decode(),
        "z" * 44,
        base64.b64encode(b"k" * 32).decode(),
        bytes(range(32)).hex(),
    ):
        with pytest.raises(keys.BadKey, match="Make one: python -c"):
            keys.signing_keys(bad)


# --- what others check ------------------------------------------------------------------------------------------------


def script(after: str) -> str:
    """The lines of Python in the README after a sentence."""
    page = (site.BASE_DIR / "README.md").read_text(encoding="utf-8")
    return page.split(after)[1].split("```python\n")[1].split("```")[0]


def test_anchors_are_checked_offline_by_the_lines_in_the_readme(three_nights: Firm, file: Path, tmp_path: Path) -> None:
    program = tmp_path / "check.py"
    program.write_text(script("Anchors are checked offline"), encoding="utf-8")

    def run() -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, str(program), str(file), anchors.public_key(KEY)]
        return subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=tmp_path)

    done = run()
    assert done.returncode == 0, done.stderr
    event = AuditEvent.objects.get(number=9)
    assert done.stdout.splitlines()[-1] == f"2026-11-23T00:01:00+00:00 ours 9 {event.hash}"
    file.write_text(file.read_text().replace("T00:01", "T00:02"))
    assert run().returncode == 1


# --- mails ------------------------------------------------------------------------------------------------------------


def test_owners_who_want_it_get_their_firms_head_and_no_others(
    file: Path, settings: Settings, time_machine: Any
) -> None:
    time_machine.move_to(NIGHT, tick=False)
    ours, theirs = FirmFactory(slug="ours", language="en"), FirmFactory(slug="theirs", language="fr")
    owner = MembershipFactory(firm=ours, wants_heads=True)
    MembershipFactory(firm=ours)
    MembershipFactory(firm=ours, role="manager", wants_heads=True)
    other = MembershipFactory(firm=theirs, wants_heads=True)
    write(ours, 2)
    mail.outbox.clear()
    tasks.tick_anchors()
    tasks.tick_anchors()
    assert [letter.to for letter in mail.outbox] == [[owner.user.email], [other.user.email]]
    letter = mail.outbox[0]
    assert "event 2" in letter.subject
    assert "theirs" not in letter.body
    (text,) = [line for line in letter.body.splitlines() if line.startswith("{")]
    told = json.loads(text)
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(anchors.public_key(KEY)))
    signature = base64.b64decode(told.pop("signature"))
    assert told.pop("key") == anchors.public_key(KEY)
    ours.refresh_from_db()
    assert told == {"at": "2026-11-21T00:01:00+00:00", "firm": "ours", "hash": ours.audit_hash, "number": 2}
    key.verify(signature, anchors.canonical(told).encode())
    with pytest.raises(InvalidSignature):
        key.verify(signature, anchors.canonical(told | {"number": 3}).encode())


def test_a_mail_that_cannot_be_sent_stops_neither_the_others_nor_the_line(
    file: Path, monkeypatch: pytest.MonkeyPatch, time_machine: Any
) -> None:
    time_machine.move_to(NIGHT, tick=False)
    MembershipFactory(wants_heads=True)
    MembershipFactory(wants_heads=True)
    tried: list[str] = []

    def send(title: str, body: str, sender: str, to: list[str]) -> None:
        tried.extend(to)
        raise OSError("no server")

    monkeypatch.setattr("toggbill.firms.audit.nightly.send_mail", send)
    tasks.tick_anchors()
    assert len(tried) == 2
    assert len(file.read_text().splitlines()) == 1


def test_an_owner_asks_for_the_mail_on_the_page_of_members() -> None:
    browser = signed_in(FirmFactory())
    assert "Send it each night" in browser.get("/members/").content.decode()
    assert browser.post("/members/heads/", {"wanted": "yes"}).status_code == 302
    assert Membership.objects.get().wants_heads
    assert "Send it no more" in browser.get("/members/").content.decode()
    browser.post("/members/heads/", {"wanted": "no"})
    assert not Membership.objects.get().wants_heads
    told = AuditEvent.objects.filter(type="member_mails_changed").order_by("number")
    assert [event.data for event in told] == [{"audit_heads": True}, {"audit_heads": False}]
