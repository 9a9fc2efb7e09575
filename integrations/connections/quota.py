"""How often a service may be asked: Toggl's hourly budgets (design section 8) and the spacing of requests (design D6).

Both stand in the database, so that all workers share them. Background work leaves a reserve for what a person asks for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from integrations.clients.failures import Code, Message
from integrations.models import Connection, Quota, Workspace

RESERVE = 5
"""Calls of an hour that background work leaves to people."""

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
            "resets_at": now + timedelta(seconds=resets_in),
        },
    )


def used_up(workspace: Workspace, *, until: datetime) -> Message:
    """What is said of a reading that the budget put off."""
    return Message(Code.QUOTA_USED_UP, {"workspace": str(workspace), "at": until.isoformat()})


def remaining(*, connection: Connection, organization_id: int, now: datetime) -> int | None:
    """Calls left as of the latest answer; None when nothing is known or the hour is over."""
    row = Quota.objects.filter(connection=connection, organization_id=organization_id, resets_at__gt=now).first()
    return None if row is None else row.remaining


def deferred_until(*, connection: Connection, organization_id: int, background: bool, now: datetime) -> datetime | None:
    """When the budget allows the next call, if it does not now: None means go on."""
    row = Quota.objects.filter(connection=connection, organization_id=organization_id, resets_at__gt=now).first()
    if row is None or row.remaining > (RESERVE if background else 0):
        return None
    return row.resets_at


def pace(connection: Connection, requests_per_second: float) -> Callable[[], None] | None:
    """A function that waits for this connection's turn; None when there is no limit.

    The turn is reserved in the connection's row, so that the requests of all workers together keep the distance.
    """
    if requests_per_second <= 0:
        return None
    distance = timedelta(seconds=1 / requests_per_second)

    def wait() -> None:
        with transaction.atomic():
            row = Connection.objects.select_for_update(no_key=True).only("next_request_at").get(pk=connection.pk)
            now = timezone.now()
            turn = max(now, row.next_request_at or now)
            Connection.objects.filter(pk=connection.pk).update(next_request_at=turn + distance)
        time.sleep((turn - now).total_seconds())

    return wait
