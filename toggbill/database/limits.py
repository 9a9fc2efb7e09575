"""How long a statement of a page may wait and work; workers and commands finish what they began."""

from __future__ import annotations

from django.conf import settings
from django.db import connection, connections

FIRST = "first_of_each_transaction"
"""The option of a connection (``OPTIONS``) with the statements that each of its transactions begins with."""
# SQLSTATE of what ends a wait: lock_not_available, deadlock_detected; and of what ends a statement: query_canceled.
_LOCKED, _CANCELED = frozenset({"55P03", "40P01"}), "57014"
_SQLITE_BUSY, _SQLITE_LOCKED = 5, 6


def limit_pages() -> None:
    """Put `WEB_LOCK_TIMEOUT_SECONDS` and `WEB_STATEMENT_TIMEOUT_SECONDS` on every connection that this process opens.

    Behind a pooler (`DATABASE_POOLED`) they are set anew in each transaction, since no session lasts longer.
    A worker waits for ever, and has to: what Billit has answered must be written down whoever holds the row.
    """
    database = connections.settings["default"]
    options = database.setdefault("OPTIONS", {})
    lock, statement = settings.WEB_LOCK_TIMEOUT_SECONDS, settings.WEB_STATEMENT_TIMEOUT_SECONDS
    if database["ENGINE"] == "toggbill.database.sqlite3":
        options["timeout"] = lock or options["timeout"]
        return
    limits = {"lock_timeout": round(lock * 1000), "statement_timeout": round(statement * 1000)}
    if settings.DATABASE_POOLED:
        options[FIRST] = [f"SET LOCAL {name} = {limit}" for name, limit in limits.items()]
        return
    given = " ".join(f"-c {name}={limit}" for name, limit in limits.items())
    options["options"] = f"{options.get('options', '')} {given}".strip()


def wait_for_locks() -> None:
    """Wait for whatever is locked until the end of this transaction: it writes down what a service has already done."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = 0")


def is_locked(error: BaseException) -> bool:
    """Whether a row, or SQLite's whole database, was held by somebody else for longer than we wait."""
    return _state(error) in _LOCKED or _sqlite_code(error) in {_SQLITE_BUSY, _SQLITE_LOCKED}


def took_too_long(error: BaseException) -> bool:
    """Whether a statement worked for longer than a page may."""
    return _state(error) == _CANCELED


def _state(error: BaseException) -> str:
    return getattr(error.__cause__, "sqlstate", None) or ""


def _sqlite_code(error: BaseException) -> int:
    # The lowest byte; the others say which kind of busy it is.
    return int(getattr(error.__cause__, "sqlite_errorcode", 0)) & 0xFF
