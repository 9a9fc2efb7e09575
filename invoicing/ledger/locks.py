"""Entries by their row ids: locked, or marked to be judged again, however many, in the one order (``firms.locks``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db import connection, transaction

from integrations.models import Entry, Workspace

_CHUNK = 2000


_RULES = 0x746F6767
"""The first number of an advisory lock in PostgreSQL: that it is the one of a workspace's rules."""


def lock_rules(workspaces: Iterable[int], *, shared: bool = False) -> None:
    """Lock the rules by which the entries of workspaces (row ids) are judged: after the firm, before any entry.

    Who changes one has them alone; who judges shares them, so that many judge at once and none by rules that are being
    changed. SQLite lets one transaction write at a time.
    """
    if connection.vendor != "postgresql":
        return
    name = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    with connection.cursor() as cursor:
        for workspace in sorted(set(workspaces)):
            cursor.execute(f"SELECT {name}(%s, %s)", [_RULES, workspace % 2**31])


def lock_entries(entries: Iterable[int]) -> None:
    """Lock entries whose state is set here: who judges them at this moment is let finish, who comes later sees it.

    Otherwise a verdict that was read before the claim could be written after it. A transaction locks all that it needs
    at once: those of a second call lie before some of the first.
    """
    for part in portions(entries):
        Entry.objects.filter(pk__one_of=part).lock()


@transaction.atomic
def mark(*, entries: Iterable[int], now: datetime) -> None:
    """Entries (row ids) that must be judged again."""
    for part in portions(entries):
        Entry.objects.filter(pk__in=part).mark(now=now)


def elsewhere(entries: Iterable[int]) -> list[int]:
    """The row ids of the same entries in other workspaces of the firm, from which or to which they were moved."""
    found: list[int] = []
    for part in portions(entries):
        own = list(Entry.objects.filter(pk__in=part).values_list("firm_id", "remote_id"))
        for firm_id in {firm_id for firm_id, _remote_id in own}:
            if Workspace.objects.filter(firm=firm_id)[1:2].exists():
                ids = [remote_id for firm, remote_id in own if firm == firm_id]
                same = Entry.objects.filter(firm=firm_id, remote_id__in=ids).exclude(pk__in=part)
                found += same.values_list("pk", flat=True)
    return found


def portions(entries: Iterable[int]) -> Iterator[list[int]]:
    """Row ids of entries in portions that SQLite takes as parameters, the lower ids of Toggl first."""
    rows = list(entries)
    if len(rows) > _CHUNK:
        portions = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
        by_remote_id = [
            pair for each in portions for pair in Entry.objects.filter(pk__in=each).values_list("remote_id", "pk")
        ]
        rows = [pk for _, pk in sorted(by_remote_id)]
    for start in range(0, len(rows), _CHUNK):
        yield rows[start : start + _CHUNK]
