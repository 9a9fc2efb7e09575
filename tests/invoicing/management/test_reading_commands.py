"""The commands that read: sync, ledger, reconcile, verify_audit, export_audit. One JSON object, exit 0, 1 or 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from integrations.models import Company, Connection, Entry, Workspace
from integrations.sandbox.process import Process
from invoicing.management.commands import sync as sync_command
from invoicing.models import LedgerRow
from tests.conftest import Outcome
from tests.invoicing.scene import Scene
from tests.worlds import COMPANY, NOW, ORGANIZATION, WORKSPACE, small_world
from toggbill.database import triggers
from toggbill.firms.models import AuditEvent, Firm

Command = Callable[..., Outcome]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def small(clock: time_machine.Traveller, onboard: Callable[..., Firm]) -> Firm:
    """The small firm, onboarded; nothing is read yet."""
    return onboard(small_world())


def one_sentence(done: Outcome) -> str:
    """What stands on standard error: one sentence for a person, no traceback."""
    words = done.words.strip()
    assert "\n" not in words
    assert "Traceback" not in words
    assert words
    return words


# --- sync -------------------------------------------------------------------------------------------------------------


def test_sync_prints_what_it_read(small: Firm, command: Command) -> None:
    done = command("sync", "--firm", "small")
    assert done.code == 0
    assert done.answer == {
        "workspaces": [
            {
                "workspace": WORKSPACE,
                "calls": 3,
                "seen": 6,
                "created": 6,
                "updated": 0,
                "deleted": 0,
                "quota_remaining": 597,
                "deferred_until": None,
            }
        ],
        "companies": [{"company": 7001, "calls": 2, "products": 3, "customers": 2}],
    }
    assert done.words == ""
    assert LedgerRow.objects.filter(firm=small).count() == 6
    again = command("sync").answer["workspaces"][0]
    assert (again["calls"], again["created"], again["updated"], again["deleted"]) == (1, 0, 0, 0)
    full = command("sync", "--full").answer["workspaces"][0]
    assert (full["calls"], full["seen"], full["created"], full["updated"]) == (3, 6, 0, 0)


def test_sync_of_one_workspace_leaves_the_companies(small: Firm, command: Command) -> None:
    done = command("sync", "--workspace", str(WORKSPACE))
    assert done.code == 0
    assert (len(done.answer["workspaces"]), done.answer["companies"]) == (1, [])


def test_sync_without_quota_is_deferred_and_no_failure(small: Firm, command: Command, sandbox: Process) -> None:
    sandbox.control.quota(ORGANIZATION, remaining=0, resets_in=900)
    done = command("sync", "--firm", "small")
    assert done.code == 0
    row = done.answer["workspaces"][0]
    assert (row["deferred_until"], row["seen"], row["quota_remaining"]) == ("2026-11-20T09:15:00Z", 0, 0)
    assert (
        one_sentence(done) == "Toggl takes no more requests for workspace Small until 09:15:00 UTC; it is read on then."
    )
    assert len(done.answer["companies"]) == 1


@pytest.mark.parametrize(("path", "products"), [("/v1/products", 0), ("/v1/parties", 3)])
def test_sync_that_billit_asks_to_slow_down_is_deferred_and_no_failure(
    small: Firm, command: Command, sandbox: Process, path: str, products: int
) -> None:
    sandbox.control.faults({"service": "billit", "kind": "too_many", "path": path, "retry_after": 90})
    done = command("sync", "--firm", "small")
    assert (done.code, len(done.answer["workspaces"])) == (0, 1)
    (row,) = done.answer["companies"]
    assert (row["products"], row["customers"], row["deferred_until"]) == (products, 0, "2026-11-20T09:01:30Z")
    said = one_sentence(done)
    assert said == "Billit takes no more requests for company Small SRL until 09:01:30 UTC; it is read on then."
    assert Company.objects.get().next_sync_at == NOW + timedelta(seconds=90)
    assert Connection.objects.get(service="billit").failure == "none", "that it is asked too often is no failure"
    sandbox.control.faults()
    again = command("sync", "--firm", "small").answer["companies"]
    assert again == [{"company": COMPANY, "calls": 2, "products": 3, "customers": 2}]


@pytest.mark.parametrize(
    ("service", "says"), [("toggl", "Toggl does not accept the API token"), ("billit", "Billit")], ids=str
)
def test_sync_with_a_wrong_credential_says_so_and_goes_on_with_the_rest(
    small: Firm, command: Command, service: str, says: str
) -> None:
    row = Connection.objects.get(service=service)
    row.secret = "wrong-secret-of-somebody"
    row.save()
    done = command("sync", "--firm", "small")
    assert done.code == 1
    sentence = one_sentence(done)
    assert sentence.startswith(says)
    assert "wrong-secret" not in sentence
    assert (len(done.answer["workspaces"]), len(done.answer["companies"])) == ((0, 1) if service == "toggl" else (1, 0))


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        {"kind": "html500"},
        {"kind": "status", "status": 200, "body": "<!doctype html><title>Maintenance</title>"},
        {"kind": "truncate"},
        {"kind": "cut_before"},
        {"kind": "status", "status": 402, "body": '"Workspace needs to have this feature enabled"'},
    ],
    ids=["503", "html500", "html", "truncated", "cut", "plan feature"],
)
def test_sync_names_a_service_that_does_not_answer_rightly(
    small: Firm, command: Command, sandbox: Process, fault: dict[str, Any]
) -> None:
    sandbox.control.faults({"service": "toggl", **fault})
    done = command("sync", "--firm", "small")
    assert done.code == 1
    assert one_sentence(done).startswith("Toggl")
    assert done.answer["workspaces"] == []
    assert done.answer["companies"] == [{"company": 7001, "calls": 2, "products": 3, "customers": 2}]


def test_sync_of_services_that_are_gone_altogether(small: Firm, command: Command, settings: Any) -> None:
    settings.TOGGL_URL = settings.BILLIT_API_URL = "http://127.0.0.1:9"  # nobody listens there
    done = command("sync", "--firm", "small")
    assert (done.code, done.answer) == (1, {"workspaces": [], "companies": []})
    lines = done.words.strip().splitlines()
    assert [line.split()[0] for line in lines] == ["Toggl", "Billit"]


def test_sync_waits_for_a_worker_and_then_says_that_it_is_busy(
    small: Firm, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_command, "PATIENCE", 0.0)
    Workspace.objects.update(claimed_at=NOW)
    done = command("sync", "--workspace", str(WORKSPACE))
    assert (done.code, done.answer["workspaces"]) == (1, [])
    assert "being read by another process" in one_sentence(done)


def test_sync_without_any_firm_has_nothing_to_do(db: None, command: Command) -> None:
    assert command("sync") == Outcome(0, {"workspaces": [], "companies": []}, "")


def test_sync_of_all_firms_reads_only_the_firm_that_was_asked_for(
    small: Firm, command: Command, onboard: Callable[..., Firm]
) -> None:
    other = small_world()
    other["firm"] = {**other["firm"], "slug": "other", "owner": "other@example.com"}
    onboard(other)
    assert len(command("sync").answer["workspaces"]) == 2
    assert len(command("sync", "--firm", "other").answer["workspaces"]) == 1
    assert Entry.objects.values("firm__slug").distinct().count() == 2


# --- wrong questions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sync", "--firm", "nobody"], "There is no firm “nobody”. Known: small."),
        (["sync", "--workspace", "4999"], "No Toggl workspace 4999 is connected. Onboard it first."),
        (["ledger", "--firm", "nobody"], "There is no firm “nobody”. Known: small."),
        (["ledger", "--firm", "small", "--dossier", "x"], "Firm “small” has no dossier “x”. Known: small."),
        (
            ["ledger", "--firm", "small", "--month", "2026-13"],
            "“2026-13” is not a month. Write it YYYY-MM, such as 2026-10.",
        ),
        (
            ["ledger", "--firm", "small", "--month", "october"],
            "“october” is not a month. Write it YYYY-MM, such as 2026-10.",
        ),
        (
            ["ledger", "--firm", "small", "--month", "2026-10-01"],
            "“2026-10-01” is not a month. Write it YYYY-MM, such as 2026-10.",
        ),
        (["ledger", "--firm", "small", "--month", ""], "“” is not a month. Write it YYYY-MM, such as 2026-10."),
        (["reconcile", "--firm", "nobody"], "There is no firm “nobody”. Known: small."),
        (["reconcile", "--firm", "small", "--dossier", "x"], "Firm “small” has no dossier “x”. Known: small."),
        (["verify_audit", "--firm", "nobody"], "There is no firm “nobody”. Known: small."),
        (["export_audit", "--firm", "nobody"], "There is no firm “nobody”. Known: small."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_question_is_answered_with_one_sentence_and_exit_2(
    small: Firm, command: Command, sandbox: Process, arguments: list[str], says: str
) -> None:
    sandbox.control.clear_log()
    done = command(*arguments)
    assert (done.code, done.answer) == (2, None)
    assert one_sentence(done) == says
    assert sandbox.control.log() == []


@pytest.mark.django_db
def test_a_firm_asked_for_when_there_is_none_yet(command: Command) -> None:
    done = command("ledger", "--firm", "small")
    assert done.code == 2
    assert one_sentence(done).endswith("There is none yet: run `manage.py onboard FILE.toml` first.")


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["ledger"], ["export_audit"], ["sync", "--workspace", "x"]],
    ids=" ".join,
)
def test_arguments_that_are_missing_or_unknown_exit_2_without_output(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, "DEBUG": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


# --- the audit commands -----------------------------------------------------------------------------------------------


def test_verify_audit_prints_each_firm_and_finds_a_broken_one(
    small: Firm, command: Command, onboard: Callable[..., Firm]
) -> None:
    other = small_world()
    other["firm"] = {**other["firm"], "slug": "other", "owner": "other@example.com"}
    broken = onboard(other)
    events = AuditEvent.objects.for_firm(small).count()
    assert events > 3
    good = {"firm": "small", "events": events, "ok": True, "first_bad": None}
    done = command("verify_audit")
    assert done.code == 0
    assert done.words.startswith("There are no anchors in ")
    assert done.answer == {"firms": [{"firm": "other", "events": events, "ok": True, "first_bad": None}, good]}
    connection.check_constraints()  # what PostgreSQL checks at commit hinders a change of the table
    triggers.remove(connection, AuditEvent._meta.db_table)
    AuditEvent.objects.for_firm(broken).filter(number=2).update(actor="somebody else")
    done = command("verify_audit")
    assert done.code == 1
    assert done.answer == {"firms": [{"firm": "other", "events": events, "ok": False, "first_bad": 2}, good]}
    assert "The audit log of other does not hold from event 2 on." in done.words.splitlines()
    alone = command("verify_audit", "--firm", "small")
    assert (alone.code, alone.answer) == (0, {"firms": [good]})


def test_export_audit_writes_one_event_a_line_and_nothing_else(small: Firm, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("export_audit", "--firm", "small")
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert [line["number"] for line in lines] == list(range(1, AuditEvent.objects.count() + 1))
    assert {line["firm"] for line in lines} == {"small"}
    assert "0123456789abcdef" not in printed.out  # no token


def test_reading_commands_change_nothing_in_the_books(scene: Callable[..., Scene]) -> None:
    made = scene()
    rows = list(LedgerRow.objects.order_by("pk").values())
    events = AuditEvent.objects.count()
    made.later(minutes=1)
    for name in ("ledger", "reconcile", "verify_audit"):
        assert made.command(name, "--firm", "small").code == 0
    assert list(LedgerRow.objects.order_by("pk").values()) == rows
    assert AuditEvent.objects.count() == events
    assert Company.objects.get().synced_at == timezone.now() - timedelta(minutes=1)
