"""A workspace is read because a person asks: what its page tells of the reading, and the wish (design section 8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from integrations.connections.pacing import quota
from integrations.mirror.sync import LEASE
from integrations.models import Workspace


@dataclass(frozen=True, slots=True)
class Reading:
    """How far the mirror of a workspace is.

    ``latest``: when it was read; ``following``: when it is read next by itself. ``is_under_way``: a worker reads it, or
    is about to. ``calls_left`` of Toggl's hourly budget as of its latest answer, None when nothing is known of this
    hour. ``possible_at``: when the budget lets it be read again, None: now.
    """

    latest: datetime | None
    following: datetime | None
    is_under_way: bool
    calls_left: int | None
    possible_at: datetime | None


def reading(workspace: Workspace, *, now: datetime) -> Reading:
    """The reading of a workspace, at this moment: one query."""
    connection, organization = workspace.connection, workspace.organization_id
    claimed, due = workspace.claimed_at, workspace.next_sync_at
    left = quota.budget(connection=connection, organization_id=organization, background=True, now=now)
    possible_at = left.deferred_until
    is_claimed = claimed is not None and now - LEASE <= claimed <= now
    return Reading(
        latest=workspace.synced_at,
        following=due,
        is_under_way=is_claimed or (possible_at is None and due is not None and due <= now),
        calls_left=left.remaining,
        possible_at=possible_at,
    )


def ask(*, workspace: Workspace, now: datetime) -> bool:
    """A person wants it read now; False when that is under way, or Toggl's budget does not allow it yet."""
    found = reading(workspace, now=now)
    if found.is_under_way or found.possible_at is not None:
        return False
    return bool(Workspace.objects.served().filter(pk=workspace.pk).update(next_sync_at=now))
