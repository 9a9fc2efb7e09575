"""Whether the installation is well: named checks, each with a sentence that says what is wrong and what to do.

English, as all commands speak; for whoever runs the site. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Min
from django.utils import timezone

from integrations.connections import key_rotation
from toggbill.database import clock
from toggbill.firms.audit import anchors
from toggbill.firms.models import Firm
from toggbill.watching import broker, durations, waiting

APART = timedelta(seconds=5)
"""The clocks of this machine and of the database may differ by so much."""

DAYS_UNSIGNED = 2
"""Each night the audit log is signed."""

TICKS_MISSED = 5
"""So many ticks in a row do not come when beat and workers are well."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, whether it is well, and a sentence or two."""

    name: str
    ok: bool
    text: str


def examine() -> list[Check]:
    """Every check, in the order in which one needs the other."""
    return [_asked(name, check) for name, check in _CHECKS.items()]


def _asked(name: str, check: Callable[[], tuple[bool, str]]) -> Check:
    try:
        ok, text = check()
    except DatabaseError as error:
        return Check(name, False, f"The database does not answer ({type(error).__name__}): see the check of it.")
    return Check(name, ok, text)


def _configuration() -> tuple[bool, str]:
    troubles = list(_misset())
    return not troubles, " ".join(troubles) or f"The site is {settings.PUBLIC_URL}, and sends mails."


def _misset() -> Iterator[str]:
    address = urlsplit(settings.PUBLIC_URL)
    is_own_machine = address.hostname in ("localhost", "127.0.0.1", "::1")
    if settings.DEBUG and not is_own_machine:
        yield "DEBUG is on: errors are shown in full to every visitor. Set DEBUG=0."
    if not is_own_machine and address.scheme != "https":
        yield "PUBLIC_URL does not begin with https: set it to the address that visitors use."
    if not is_own_machine and settings.EMAIL_BACKEND.endswith((".console.EmailBackend", ".dummy.EmailBackend")):
        yield "Mails are printed and not sent: set EMAIL_URL."


def _keys() -> tuple[bool, str]:
    if lost := key_rotation.unreadable():
        more = f" And {len(lost) - 10} more." if len(lost) > 10 else ""
        return False, f"Secrets that cannot be read: {' '.join(lost[:10])}{more}"
    return True, "Every stored secret can be read."


def _anchors() -> tuple[bool, str]:
    if not settings.AUDIT_SIGNING_KEYS:
        told = "AUDIT_SIGNING_KEY is not set: the audit log has no anchors, and an end that was cut off is not found."
        return bool(settings.DEBUG), f"{told} Set a key, and keep it outside the database."
    file = settings.ANCHORS_FILE
    try:
        found = anchors.read(file=file, keys=settings.AUDIT_SIGNING_KEYS)
    except OSError as error:
        return False, f"{file} cannot be read ({type(error).__name__}): give the site's user the right to it."
    if found.faults:
        more = f" And {len(found.faults) - 1} more." if len(found.faults) > 1 else ""
        return False, f"{found.faults[0]}{more} Run verify_audit, and look for who changed the file or the key."
    latest = found.latest or Firm.objects.filter(audit_number__gt=0).aggregate(at=Min("created_at"))["at"]
    if latest is None:
        return True, "There is no audit log to sign yet."
    days = (timezone.now() - latest).days
    told = (
        f"{found.lines} signed anchors, the latest of {latest:%Y-%m-%d}." if found.latest else "No anchor was written."
    )
    if days < DAYS_UNSIGNED:
        return True, told
    return False, f"{told} For {days} days nothing was signed: do beat and the ticks run, and is VAR_DIR writable?"


def _clock() -> tuple[bool, str]:
    apart = abs(clock.now() - timezone.now())
    told = f"The clocks of this machine and of the database are {apart.total_seconds():.1f} s apart."
    return apart <= APART, told if apart <= APART else f"{told} Have both set by a time server (NTP)."


def _database() -> tuple[bool, str]:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            return True, "SQLite: good for a first look and for one machine. Production takes PostgreSQL."
        cursor.execute("SHOW server_version")
        version = cursor.fetchone()[0]
        cursor.execute(
            "SELECT count(*) FROM pg_tables WHERE tablename = 'firms_auditevent' AND tableowner = current_user"
        )
        owns = bool(cursor.fetchone()[0])
    told = f"PostgreSQL {version} answers."
    if owns:
        told += " Its role owns the tables, so it could switch triggers off: see the two roles in docs/operations.md."
    return True, told


def _broker() -> tuple[bool, str]:
    if broker.takes_messages():
        return True, "The broker takes messages."
    return False, "The broker takes no message: it does not answer, or its disk or memory is full. What is due waits."


def _migrations() -> tuple[bool, str]:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not missing:
        return True, "The database is up to date."
    return False, f"{len(missing)} migrations are missing, first {missing[0][0]}: run manage.py migrate (release)."


def _static_files() -> tuple[bool, str]:
    if settings.DEBUG:
        return True, "Served from the source, since DEBUG is on."
    found = getattr(staticfiles_storage, "hashed_files", None)
    if found:
        return True, f"{len(found)} files are collected."
    return False, "Pages have no looks: run manage.py collectstatic (release) on this machine."


def _connections() -> tuple[bool, str]:
    counts = waiting.connections()
    told = f"{counts['works']} work, {counts['paused']} are paused."
    if not counts["broken"]:
        return True, told
    return False, f"{told} {counts['broken']} do not work: their firms see why on the page Connections."


def _oldest_due() -> tuple[bool, str]:
    now = timezone.now()
    due = {work: now - moment for work, moment in waiting.oldest(now).items() if moment is not None}
    if not due:
        return True, "Nothing is due."
    work = max(due, key=lambda name: due[name])
    minutes = due[work].total_seconds() / 60
    told = f"The oldest row that is due waits for {minutes:.0f} minutes ({work}, queue {waiting.WORK[work]})."
    if due[work].total_seconds() < waiting.LATE_SECONDS:
        return True, told
    return False, f"{told} Is a worker at work on that queue, and does the service answer?"


def _ticks() -> tuple[bool, str]:
    latest = durations.latest("tick_")
    if latest is None:
        return False, "No tick has ended yet: start beat and a worker with the queue ticks."
    ago = (timezone.now() - latest).total_seconds()
    told = f"The latest tick ended {ago:.0f} s ago."
    if ago <= TICKS_MISSED * max(settings.TICK_SECONDS, 1):
        return True, told
    return False, f"{told} Beat, or every worker with the queue ticks, stands still: start them."


_CHECKS: dict[str, Callable[[], tuple[bool, str]]] = {
    "configuration": _configuration,
    "database": _database,
    "migrations": _migrations,
    "clock": _clock,
    "keys": _keys,
    "audit anchors": _anchors,
    "broker": _broker,
    "static files": _static_files,
    "connections": _connections,
    "oldest due row": _oldest_due,
    "ticks": _ticks,
}
