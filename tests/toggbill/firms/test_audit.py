"""The audit chain: what is hashed, what a tamperer cannot hide, and that numbers have no gap."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from tests.factories import FirmFactory
from tests.toggbill.firms.rewriting import unlock
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.models import AuditEvent, Firm

NOW = datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC)
BY = Actor("Zoë <owner@example.com>", "203.0.113.7")


def write(firm: Firm, count: int, *, now: datetime = NOW) -> None:
    for number in range(count):
        news = News("invoice_drafted", f"invoice tb-{number}", {"total": "1.00", "n": number, "naïf": ["é", None]})
        audit.record(firm=firm, news=[news], by=BY, now=now)


def sql(statement: str, *values: str | int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def exported(firm: Firm) -> str:
    out = io.StringIO()
    call_command("export_audit", "--firm", firm.slug, stdout=out)
    return out.getvalue()


def verified_offline(export: str, head: tuple[int, str]) -> int | None:
    """What anybody can do with the exported file and the noted head; the number of the first event that fails."""
    previous, number = "0" * 64, 0
    for number, line in enumerate(export.splitlines(), start=1):
        event = json.loads(line)
        claimed = event.pop("hash")
        text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256((previous + text).encode()).hexdigest()
        if event["number"] != number or claimed != previous:
            return number
    return None if head == (number, previous) else min(head[0], number) + 1


def check(firm: Firm) -> tuple[int, bool, int | None]:
    found = audit.verify(firm=firm)
    return found.events, found.ok, found.first_bad


# --- the chain --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_first_event_hashes_to_what_the_design_says() -> None:
    firm = FirmFactory(slug="fiduciaire")
    audit.record(firm=firm, news=[News("run", "dossier é", {"b": 1, "a": "x"})], by=Actor("schedule", "w"), now=NOW)
    text = (
        '{"actor":"schedule","at":"2026-11-20T09:00:00.123456Z","data":{"a":"x","b":1},"firm":"fiduciaire",'
        '"number":1,"origin":"w","subject":"dossier é","type":"run"}'
    )
    expected = hashlib.sha256(("0" * 64 + text).encode("utf-8")).hexdigest()
    event = AuditEvent.objects.get()
    assert (event.number, event.hash) == (1, expected)
    firm.refresh_from_db()
    assert (firm.audit_number, firm.audit_hash) == (1, expected)
    assert exported(firm) == text.replace('"number":1', f'"hash":"{expected}","number":1') + "\n"


@pytest.mark.django_db
def test_a_moment_without_microseconds_or_in_another_zone_is_written_in_utc_with_six_digits() -> None:
    firm = FirmFactory()
    local = datetime(2026, 11, 20, 10, 0, tzinfo=timezone(timedelta(hours=1)))
    audit.record(firm=firm, news=[News("run", "d", {})], by=BY, now=local)
    assert json.loads(exported(firm))["at"] == "2026-11-20T09:00:00.000000Z"
    assert check(firm) == (1, True, None)


@pytest.mark.django_db
def test_an_export_verifies_offline_and_ends_at_the_head() -> None:
    firm = FirmFactory()
    write(firm, 5)
    firm.refresh_from_db()
    export = exported(firm)
    assert len(export.splitlines()) == 5
    assert verified_offline(export, (5, firm.audit_hash)) is None
    assert check(firm) == (5, True, None)
    assert set(json.loads(export.splitlines()[0])) == {
        "number",
        "firm",
        "at",
        "actor",
        "origin",
        "type",
        "subject",
        "data",
        "hash",
    }


@pytest.mark.django_db
def test_a_firm_without_events_holds() -> None:
    firm = FirmFactory()
    assert check(firm) == (0, True, None)
    assert exported(firm) == ""


@pytest.mark.django_db
def test_each_firm_has_its_own_chain_from_one() -> None:
    one, other = FirmFactory(), FirmFactory()
    write(one, 2)
    write(other, 3)
    write(one, 1)
    assert list(AuditEvent.objects.for_firm(one).order_by("number").values_list("number", flat=True)) == [1, 2, 3]
    assert check(one) == (3, True, None)
    assert check(other) == (3, True, None)
    assert {json.loads(line)["firm"] for line in exported(other).splitlines()} == {other.slug}


@pytest.mark.django_db
def test_several_events_at_once_are_chained_in_their_order() -> None:
    firm = FirmFactory()
    audit.record(firm=firm, news=[News("run", str(n), {}) for n in range(1200)], by=BY, now=NOW)
    assert check(firm) == (1200, True, None)
    assert list(AuditEvent.objects.order_by("number").values_list("subject", flat=True)[:3]) == ["0", "1", "2"]


@pytest.mark.django_db
def test_no_news_writes_nothing() -> None:
    firm = FirmFactory()
    audit.record(firm=firm, news=[], by=BY, now=NOW)
    firm.refresh_from_db()
    assert (firm.audit_number, AuditEvent.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_an_event_of_a_transaction_that_failed_leaves_no_gap() -> None:
    firm = FirmFactory()
    write(firm, 1)

    def fails() -> None:
        with transaction.atomic():
            write(firm, 2)
            raise RuntimeError("the work of the caller failed")

    with pytest.raises(RuntimeError):
        fails()
    write(firm, 1)
    assert check(firm) == (2, True, None)


# --- tampering --------------------------------------------------------------------------------------------------------


def edit(column: str, value: str) -> Any:
    return lambda: sql(f"UPDATE firms_auditevent SET {column} = %s WHERE number = 3", value)


def swap() -> None:
    for old, new in ((2, 900), (4, 2), (900, 4)):
        sql("UPDATE firms_auditevent SET number = %s WHERE number = %s", new, old)


def renumbered() -> None:
    """Event 3 is taken out, and the later ones move up to hide it."""
    sql("DELETE FROM firms_auditevent WHERE number = 3")
    for number in (4, 5):
        sql("UPDATE firms_auditevent SET number = %s WHERE number = %s", number - 1, number)


def forged() -> None:
    """An event behind the end, chained rightly, but unknown to the head."""
    last = AuditEvent.objects.get(number=5)
    last.pk, last.number = None, 6
    text = audit.canonical(
        number=6,
        firm=last.firm.slug,
        at=last.at,
        actor=last.actor,
        origin=last.origin,
        type=last.type,
        subject=last.subject,
        data=last.data,
    )
    last.hash = audit.link(last.hash, text)
    last.save()


TAMPERINGS = {
    "actor": (edit("actor", "somebody else"), 3, 5),
    "origin": (edit("origin", "elsewhere"), 3, 5),
    "type": (edit("type", "invoice_void"), 3, 5),
    "subject": (edit("subject", "invoice tb-9"), 3, 5),
    "data": (edit("data", '{"total":"2.00"}'), 3, 5),
    "at": (edit("at", "2026-11-20 09:00:01+00:00"), 3, 5),
    "hash": (edit("hash", "f" * 64), 3, 5),
    "gap": (lambda: sql("DELETE FROM firms_auditevent WHERE number = 3"), 3, 4),
    "first gone": (lambda: sql("DELETE FROM firms_auditevent WHERE number = 1"), 1, 4),
    "gap hidden": (renumbered, 3, 4),
    "order": (swap, 2, 5),
    "cut end": (lambda: sql("DELETE FROM firms_auditevent WHERE number >= 4"), 4, 3),
    "last gone": (lambda: sql("DELETE FROM firms_auditevent WHERE number = 5"), 5, 4),
    "all gone": (lambda: sql("DELETE FROM firms_auditevent"), 1, 0),
    "forged end": (forged, 6, 6),
    "head": (lambda: sql("UPDATE firms_firm SET audit_hash = %s", "0" * 64), 6, 5),
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE firms_auditevent SET actor = 'somebody else'",
        "UPDATE firms_auditevent SET number = 9 WHERE number = 1",
        "DELETE FROM firms_auditevent WHERE number = 2",
        "TRUNCATE firms_auditevent",
        (
            "INSERT OR REPLACE INTO firms_auditevent (firm_id, number, at, actor, origin, type, subject, data, hash) "
            "SELECT firm_id, number, at, 'x', origin, type, subject, data, hash FROM firms_auditevent WHERE number = 1"
        ),
    ],
    ids=["edit", "renumber", "delete", "truncate", "replace"],
)
def test_the_database_refuses_to_change_an_event(statement: str) -> None:
    if connection.vendor == "sqlite" and statement.startswith("TRUNCATE"):
        statement = "DELETE FROM firms_auditevent"  # SQLite has no other way to empty a table
    if connection.vendor == "postgresql" and statement.startswith("INSERT"):
        # PostgreSQL's way to replace a row is an UPDATE.
        statement = statement.replace("OR REPLACE ", "") + " ON CONFLICT (firm_id, number) DO UPDATE SET actor = 'x'"
    firm = FirmFactory()
    write(firm, 3)
    rows = list(AuditEvent.objects.order_by("number").values())
    connection.check_constraints()
    with pytest.raises(DatabaseError, match="the audit log is append-only"), transaction.atomic():
        sql(statement)
    assert list(AuditEvent.objects.order_by("number").values()) == rows
    assert check(firm) == (3, True, None)


@pytest.mark.django_db
@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampering_is_found_at_its_place(name: str) -> None:
    firm = FirmFactory()
    write(firm, 5)
    unlock()
    tamper, first_bad, events = TAMPERINGS[name]
    tamper()
    assert check(firm) == (events, False, first_bad)


@pytest.mark.django_db
@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampering_is_found_offline_in_the_export(name: str) -> None:
    firm = FirmFactory()
    write(firm, 5)
    unlock()
    TAMPERINGS[name][0]()
    firm.refresh_from_db()
    assert verified_offline(exported(firm), (firm.audit_number, firm.audit_hash)) == TAMPERINGS[name][1]


# --- two writers ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_threads_write_numbers_without_a_gap() -> None:
    firm = FirmFactory()
    failures: list[BaseException] = []
    together = threading.Barrier(2, timeout=20)

    def worker(name: str) -> None:
        try:
            together.wait()
            for number in range(15):
                with transaction.atomic():
                    audit.record(firm=firm, news=[News("run", f"{name}{number}", {})] * 2, by=BY, now=NOW)
        except BaseException as error:  # shown by the test, not lost with the thread
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=worker, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    assert list(AuditEvent.objects.order_by("number").values_list("number", flat=True)) == list(range(1, 61))
    assert check(firm) == (60, True, None)
    subjects = AuditEvent.objects.order_by("number").values_list("subject", flat=True)
    assert [text for text in subjects if text.startswith("a")] == [f"a{n}" for n in range(15) for _ in range(2)]
