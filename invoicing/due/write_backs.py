"""Asking Toggl to give billed entries their tag, and to take it away again: what is wanted stands in the rows.

A courtesy to who looks into Toggl; the books never depend on it. It asks for what readings leave over of Toggl's hourly
budget, in the lane of readings, so that it is never in their way. Each entry is noted for itself: Toggl does a part and
refuses the rest. Before Toggl is asked the rows say so, and who was ended meanwhile leaves rows that are asked again,
since a tag that is written twice is written once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from integrations.clients import toggl
from integrations.clients.http.failures import english
from integrations.clients.http.transport import (
    BadCredentials,
    QuotaExhausted,
    Refused,
    RetryLater,
    ServiceError,
    TooManyRequests,
)
from integrations.connections import stopping, tokens
from integrations.connections.opening import open_toggl
from integrations.connections.pacing import quota
from integrations.models import Quota, Workspace
from invoicing.models import WriteBack
from toggbill.firms.locks import lock_rows

LEFT_TO_READINGS = quota.RESERVE + 12
"""Calls of an hour that are left to people and readings: four increments, dictionaries, and the re-reading of what is
billed with its totals. Toggl's Free plan has 30."""

CALLS_A_TURN = 5
"""Requests of one turn: readings of the connection wait so long, at the most."""

LEASE = timedelta(minutes=5)
RETRY_AFTER = timedelta(minutes=5)
REFUSED_AGAIN = (timedelta(hours=1), timedelta(days=1), timedelta(days=7))
"""After the first refusal of an entry, the second, and every further one: a locked period may be opened."""


@dataclass(slots=True)
class Report:
    """Counts of entries, and of requests; ``deferred_until``: when Toggl is asked on, where it is not now."""

    written: int = 0
    taken_away: int = 0
    refused: int = 0
    calls: int = 0
    deferred_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """Rows of which Toggl is asked one thing; ``before``: by row id, what was written and whether that was sure."""

    rows: Sequence[WriteBack]
    tag: str
    takes_away: bool
    until: datetime
    before: Mapping[int, tuple[str, bool]] = field(default_factory=dict)


def due(*, now: datetime) -> list[int]:
    """The workspaces (row ids) in which something is due and whose budget allows it; one query."""
    found = rows_due(now=now).order_by()
    return sorted(found.values_list("entry__workspace", flat=True).distinct())


def rows_due(*, now: datetime) -> QuerySet[WriteBack]:
    """What is due in workspaces whose budget allows it."""
    spent = Quota.objects.filter(
        connection=OuterRef("entry__workspace__connection"),
        organization_id=OuterRef("entry__workspace__organization_id"),
        remaining__lte=LEFT_TO_READINGS,
        resets_at__gt=now,
        resets_at__lte=now + quota.LONGEST_WINDOW,
    )
    return WriteBack.objects.due(now).filter(~Exists(spent))


def try_again(*, workspace: Workspace, now: datetime) -> int:
    """What Toggl refused in a workspace is due now: somebody has opened what was locked. Gives how many rows."""
    with transaction.atomic():
        refused = WriteBack.objects.refused().filter(firm=workspace.firm_id, entry__workspace=workspace)
        rows = lock_rows(refused.filter(due_at__gt=now))
        return WriteBack.objects.filter(pk__in=rows).update(due_at=now)


def serve(*, workspace: Workspace, now: datetime, turns: int | None = CALLS_A_TURN) -> Report:
    """Write what is due in a workspace, as far as the budget goes, with so many requests at the most (None: with all
    that it takes); the rows say what came of it.

    A service that does not answer is no error here: the rows are due again later, and readings tell of it.
    """
    report = Report()
    for _turn in count() if turns is None else range(turns):
        report.deferred_until = _deferred(workspace, now)
        if report.deferred_until is not None or (asked := _claim(workspace, now)) is None:
            return report
        try:
            _ask(workspace, asked, report, now)
        except ServiceError as error:
            report.deferred_until = _put_off(workspace, asked, error, now)
            return report
    return report


def _deferred(workspace: Workspace, now: datetime) -> datetime | None:
    known = Quota.objects.filter(connection=workspace.connection, organization_id=workspace.organization_id)
    row = known.filter(resets_at__gt=now, resets_at__lte=now + quota.LONGEST_WINDOW).first()
    return None if row is None or row.remaining > LEFT_TO_READINGS else row.resets_at


@transaction.atomic
def _claim(workspace: Workspace, now: datetime) -> _Asked | None:
    """The longest due row, and others of which the same is asked; from now on they may have that tag, or no more."""
    due = WriteBack.objects.due(now).filter(firm=workspace.firm_id, entry__workspace=workspace)
    first = due.order_by("due_at", "pk").first()
    if first is None:
        return None
    if first.takes_away:
        alike = due.filter(written=first.written).exclude(wanted=F("written"))
    else:
        alike = due.filter(Q(written="") | Q(written=F("wanted")), wanted=first.wanted)
    chosen = list(alike.order_by("due_at", "pk").values_list("pk", flat=True)[: toggl.TAGGED_AT_ONCE])
    # Asked once more under their locks: another worker may have taken some meanwhile.
    locked = alike.filter(pk__in=chosen).select_related("entry").order_by("pk")
    rows = list(locked.select_for_update(of=("self",), no_key=True))
    if not rows:
        return None
    until = now + LEASE
    before = {row.pk: (row.written, row.is_sure) for row in rows}
    WriteBack.objects.filter(pk__in=before).update(written=first.tag, is_sure=False, lease_until=until)
    return _Asked(rows, first.tag, first.takes_away, until, before)


def _ask(workspace: Workspace, asked: _Asked, report: Report, now: datetime) -> None:
    """One request. Raises ``ServiceError``; a refusal of the whole is one of each entry."""
    ids = [row.entry.remote_id for row in asked.rows]
    with open_toggl(workspace.connection, organization_id=workspace.organization_id, now=now) as api:
        try:
            found = api.tag_entries(workspace.remote_id, ids, tag=asked.tag, takes_away=asked.takes_away)
        except Refused as error:
            said = error.reason or english(error.message)
            found = toggl.Tagged(frozenset(), dict.fromkeys(ids, said))
        finally:
            report.calls += api.calls
    _note(asked, found, report, now)


@transaction.atomic
def _note(asked: _Asked, found: toggl.Tagged, report: Report, now: datetime) -> None:
    """What Toggl did with each; only of rows that are still ours: after the lease another worker may have them."""
    rows = _ours(asked)
    for row in rows:
        entry = row.entry.remote_id
        row.lease_until = None
        if entry in found.done:
            row.written, row.is_sure = ("" if asked.takes_away else asked.tag), True
            row.tries, row.failure, row.said = 0, "", ""
            row.due_at = None if row.wanted == row.written else now
            report.taken_away += asked.takes_away
            report.written += not asked.takes_away
            continue
        if (said := found.refused.get(entry)) is None:
            _failed(row, WriteBack.Failure.UNANSWERED, "", now)
        else:
            row.written, row.is_sure = asked.before[row.pk]
            _failed(row, WriteBack.Failure.REFUSED, said, now)
        report.refused += 1
    _save(rows)


def _failed(row: WriteBack, failure: WriteBack.Failure, said: str, now: datetime) -> None:
    if row.is_sure and row.wanted == row.written:
        # Freed, or billed again, while Toggl was asked: what it refused is not wanted any more.
        row.due_at, row.tries, row.failure, row.said = None, 0, "", ""
        return
    row.due_at = now + REFUSED_AGAIN[min(row.tries, len(REFUSED_AGAIN) - 1)]
    row.tries, row.failure, row.said = min(row.tries + 1, 1000), failure, said


def _put_off(workspace: Workspace, asked: _Asked, error: ServiceError, now: datetime) -> datetime:
    """The request did not do its work: everything that is due in the workspace waits; gives until when."""
    until = now + timedelta(seconds=_wait(error))
    if isinstance(error, QuotaExhausted):
        quota.note_spent(workspace, error, now=now)
    # Toggl said no, or nothing left: the rows are as they were. Else nobody knows, and they are asked again.
    was_sent = not isinstance(
        error, (BadCredentials, QuotaExhausted, TooManyRequests, tokens.Resting, stopping.Stopping)
    )
    waiting = WriteBack.objects.due(now).filter(firm=workspace.firm_id, entry__workspace=workspace)
    asked_for = [row.pk for row in asked.rows]
    with transaction.atomic():
        locked = lock_rows(WriteBack.objects.filter(Q(pk__in=asked_for) | Q(pk__in=waiting.values("pk"))))
        rows = _ours(asked)
        for row in rows:
            row.lease_until, row.due_at = None, until
            if not was_sent:
                row.written, row.is_sure = asked.before[row.pk]
            if row.is_sure and row.wanted == row.written:
                row.due_at, row.tries, row.failure, row.said = None, 0, "", ""
        _save(rows)
        WriteBack.objects.filter(pk__in=list(waiting.filter(pk__in=locked).values_list("pk", flat=True))).update(
            due_at=until
        )
    return until


def _wait(error: ServiceError) -> float:
    if isinstance(error, stopping.Stopping):
        return 0
    longest = quota.LONGEST_WINDOW.total_seconds()
    if isinstance(error, RetryLater) and error.after is not None:
        return min(max(error.after, 1), longest)
    return longest if isinstance(error, BadCredentials) else RETRY_AFTER.total_seconds()


def _ours(asked: _Asked) -> list[WriteBack]:
    keys = [row.pk for row in asked.rows]
    ours = WriteBack.objects.filter(pk__in=keys, lease_until=asked.until).select_related("entry").order_by("pk")
    return list(ours.select_for_update(of=("self",), no_key=True))


def _save(rows: Sequence[WriteBack]) -> None:
    fields = ["written", "is_sure", "due_at", "lease_until", "tries", "failure", "said"]
    WriteBack.objects.bulk_update(rows, fields, batch_size=500)
