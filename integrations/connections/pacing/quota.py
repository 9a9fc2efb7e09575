"""How often a service may be asked: Toggl's hourly budgets (design section 8) and the spacing of requests (design D6).

Both stand in the database, so that all workers share them. Background work leaves a reserve for what a person asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from integrations.clients.http.failures import Code, Message
from integrations.clients.http.transport import QuotaExhausted
from integrations.connections import stopping
from integrations.models import Connection, Quota, Workspace
from toggbill.database import clock

RESERVE = 5
"""Calls of an hour that background work leaves to people."""

LONGEST_WINDOW = timedelta(hours=1)
"""Toggl's budgets are hourly: a reset that lies further away was written by a wrong clock."""

LONGEST_TURN = timedelta(minutes=1)
"""No turn of a request lies further away: what does was written by a wrong clock."""

ASK_AGAIN = timedelta(seconds=10)
"""A turn that lies further away is not reserved: who wants it asks again after this time."""

USER_BUDGET = 0
"""`Quota.organization_id` of the user's own budget."""


def note(*, connection: Connection, organization_id: int, remaining: int, resets_in: float, now: datetime) -> None:
    """Keep what an answer's headers said: calls left, and seconds until the budget is full again."""
    Quota.objects.update_or_create(
        connection=connection,
        organization_id=organization_id,
        defaults={
            "firm_id": connection.firm_id,
            "remaining": remaining,
            "resets_at": now + min(timedelta(seconds=resets_in), LONGEST_WINDOW),
        },
    )


def note_spent(workspace: Workspace, error: QuotaExhausted, *, now: datetime) -> datetime:
    """Keep that a budget is used up, of the two the one that Toggl said no for, where its answer's headers did not say
    so already; gives until when."""
    wait = error.after or LONGEST_WINDOW.total_seconds()
    connection = workspace.connection
    budget = USER_BUDGET if error.is_owners else workspace.organization_id
    if not deferred_until(connection=connection, organization_id=budget, background=False, now=now):
        note(connection=connection, organization_id=budget, remaining=0, resets_in=wait, now=now)
    return now + min(timedelta(seconds=wait), LONGEST_WINDOW)


def used_up(workspace: Workspace, *, until: datetime) -> Message:
    """What is said of a reading that the budget put off."""
    return Message(Code.QUOTA_USED_UP, {"workspace": str(workspace), "at": until.isoformat()})


class Budget(NamedTuple):
    """Calls left as of the latest answer, None when nothing is known or the hour is over; and when the budget allows
    the next call if it does not now, None: go on."""

    remaining: int | None
    deferred_until: datetime | None


def budget(*, connection: Connection, organization_id: int, background: bool, now: datetime) -> Budget:
    """What is left for a person, or for work in the background: one query."""
    known = Quota.objects.filter(resets_at__gt=now, resets_at__lte=now + LONGEST_WINDOW)
    row = known.filter(connection=connection, organization_id=organization_id).first()
    if row is None:
        return Budget(None, None)
    return Budget(row.remaining, None if row.remaining > (RESERVE if background else 0) else row.resets_at)


def remaining(*, connection: Connection, organization_id: int, now: datetime) -> int | None:
    """Calls left as of the latest answer; None when nothing is known or the hour is over."""
    return budget(connection=connection, organization_id=organization_id, background=False, now=now).remaining


def deferred_until(*, connection: Connection, organization_id: int, background: bool, now: datetime) -> datetime | None:
    """When the budget allows the next call, if it does not now: None means go on."""
    return budget(connection=connection, organization_id=organization_id, background=background, now=now).deferred_until


def pace(connection: Connection, requests_per_second: float) -> Callable[[], None] | None:
    """A function that waits for this connection's turn; None when there is no limit.

    The turn is reserved in the connection's row by the database's clock, so that the requests of all workers together
    keep the distance, whatever their own clocks say. It raises ``Stopping`` when the process ends meanwhile.
    """
    if requests_per_second <= 0:
        return None
    distance = timedelta(seconds=1 / requests_per_second)

    def wait() -> None:
        while True:
            away, is_ours = _reserve(connection, distance)
            stopping.sleep(away.total_seconds())
            if is_ours:
                return

    return wait


@transaction.atomic
def _reserve(connection: Connection, distance: timedelta) -> tuple[timedelta, bool]:
    """How long to wait, and whether the turn is then ours; else it has to be asked for again."""
    row = Connection.objects.select_for_update(no_key=True).only("next_request_at").get(pk=connection.pk)
    now = clock.now()
    turn = max(now, row.next_request_at or now)
    if turn - now > max(LONGEST_TURN, 2 * distance):
        turn = now
    if turn - now > max(ASK_AGAIN, distance):
        return ASK_AGAIN, False
    Connection.objects.filter(pk=connection.pk).update(next_request_at=turn + distance)
    return turn - now, True
