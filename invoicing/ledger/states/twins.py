"""Hours that stand in a workspace twice (design R4, `duplicate_entry`): which entries say the same. Reads only.

An entry that changes may make a twin of another, or free one: both are to be judged anew with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from django.db.models import Count

from integrations.models import Entry, Workspace
from invoicing.ledger.facts.books import Facts
from invoicing.models import LedgerRow
from invoicing.rules.judging import plausibility


class _Found(NamedTuple):
    pk: int
    remote_id: int
    started_at: datetime
    seconds: int
    person_remote_id: int
    project_remote_id: int | None


def of(books: Facts, *, workspace: Workspace, rows: Collection[Entry]) -> dict[int, int]:
    """By row id: the entry (row id) that says the same and has a lower id, for those of ``rows`` that have one."""
    own = {row.pk: row for row in rows}
    alike = [
        each.pk
        for group in _alike(workspace, {row.started_at for row in rows})
        if any(each.pk in own for each in group[1:])
        for each in group
    ]
    if not alike:
        return {}
    found = [own[pk] for pk in alike if pk in own]
    if others := [pk for pk in alike if pk not in own]:
        found += Entry.objects.filter(pk__in=others)
    pks = {row.remote_id: row.pk for row in found}
    twins = plausibility.twins(map(books.entry, found), books.lets_through)
    return {pks[higher]: pks[lower] for higher, lower in twins.items() if pks[higher] in own}


def reached(*, workspace: Workspace, entries: Collection[int]) -> set[int]:
    """The other entries (row ids) that may be twins of these or were, and have a higher id."""
    own = set(entries)
    starts = Entry.objects.filter(pk__one_of=own).values_list("started_at", flat=True)
    found = set(LedgerRow.objects.filter(twin__pk__one_of=own).values_list("entry_id", flat=True))
    for group in _alike(workspace, set(starts)):
        lowest = next((place for place, each in enumerate(group) if each.pk in own), len(group))
        found.update(each.pk for each in group[lowest:])
    return found - own


def _alike(workspace: Workspace, starts: set[datetime]) -> Iterator[list[_Found]]:
    """The entries that begin together, last as long, and are of one person and project; by Toggl's id, two at least."""
    there = Entry.objects.present().filter(
        workspace=workspace, started_at__one_of=starts, is_running=False, seconds__gt=0
    )
    twice = there.order_by().values_list(*_Found._fields[2:]).annotate(entries=Count("pk")).filter(entries__gt=1)
    groups: dict[tuple[object, ...], list[_Found]] = {tuple(row[:-1]): [] for row in twice}
    if not groups:
        return
    for row in there.filter(started_at__one_of={row[0] for row in groups}).values_list(*_Found._fields):
        if (said := row[2:]) in groups:
            groups[said].append(_Found(*row))
    for group in groups.values():
        yield sorted(group, key=lambda each: each.remote_id)
