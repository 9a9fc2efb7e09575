"""What workers do for the mirror. Ids in, one verb, errors into a row; safe to run twice."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, ClassVar

from celery import Task, shared_task
from celery.exceptions import Ignore

from integrations.clients.http.transport import ServiceError
from integrations.connections import stopping
from integrations.connections.pacing import turns
from integrations.connections.pacing.turns import Lane
from integrations.mirror import sync
from integrations.models import Company, Workspace
from toggbill.database import clock
from toggbill.firms.models import FirmOwned
from toggbill.queues import PEOPLE

AGAIN_SECONDS = 5
"""Until a message that found no turn free comes again."""


class InTurn(Task):  # type: ignore[type-arg]  # the class takes no arguments while it runs
    """What works through a connection: of one, and of a firm, so much at once (``turns``), in the ``lane`` named.

    A message that finds no turn free comes again; of several that say the same, one does. What a person waits for goes
    ahead.
    """

    lane: Lane
    # It comes again until there is a turn: by itself Celery gives up after three times.
    max_retries = None
    owners: ClassVar[Mapping[str, tuple[type[FirmOwned], str]]] = {
        "workspace_id": (Workspace, "connection"),
        "company_id": (Company, "connection"),
    }
    """By the argument that names a row: its model, and what leads from there to the connection."""

    def once(self, **row: int) -> None:
        """Enqueue it for this row, unless the same waits already."""
        if not turns.is_queued(self._what(row)):
            self.delay(**row)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        owner = None if self.request.called_directly else self._owner(kwargs)
        if owner is None:
            return self.run(*args, **kwargs)
        firm, connection = owner
        is_wish = (self.request.delivery_info or {}).get("priority") == PEOPLE
        with turns.turn(self.lane, connection=connection, firm=firm, always=is_wish) as has_room:
            if has_room:
                turns.taken_up(self._what(kwargs))
                done = self.run(*args, **kwargs)
        if has_room:
            # What it gave back as it ends is for another one, which is not to wait for this one's message.
            if not stopping.asked():
                self.follow(**kwargs)
            return done
        if not turns.is_next(self._what(kwargs), seconds=AGAIN_SECONDS - 1):
            raise Ignore
        raise self.retry(countdown=AGAIN_SECONDS)

    def _what(self, arguments: Mapping[str, Any]) -> str:
        return sha256(f"{self.name} {sorted(arguments.items())}".encode()).hexdigest()

    def follow(self, **arguments: Any) -> None:
        """What is enqueued once the turn has ended."""

    def _owner(self, arguments: Mapping[str, Any]) -> tuple[int, int] | None:
        """Firm and connection (row ids) of the row that the message names; None where that is gone."""
        for name, (model, path) in self.owners.items():
            if name in arguments:
                pk = arguments[name][0] if isinstance(arguments[name], list) else arguments[name]
                return model._default_manager.filter(pk=pk).values_list("firm", path).first()
        return None


@shared_task(base=InTurn, lane=Lane.READ)
def sync_workspace(*, workspace_id: int, **_: object) -> None:
    """Read one workspace; a failure stands on its connection and is tried again when the next sync is due."""
    workspace = Workspace.objects.select_related("connection").get(pk=workspace_id)
    if not _is_due(workspace, clock.now()):
        return
    try:
        sync.sync_workspace(workspace=workspace, now=clock.now(), background=True)
    except (ServiceError, sync.Busy) as error:
        sync.postpone(row=workspace, why=error, now=clock.now())


@shared_task(base=InTurn, lane=Lane.READ)
def sync_company(*, company_id: int, **_: object) -> None:
    """Read one company; a failure stands on its connection and is tried again when the next sync is due."""
    company = Company.objects.select_related("connection").get(pk=company_id)
    if not _is_due(company, clock.now()):
        return
    try:
        sync.sync_company(company=company, now=clock.now())
    except (ServiceError, sync.Busy) as error:
        sync.postpone(row=company, why=error, now=clock.now())


def _is_due(row: Workspace | Company, now: datetime) -> bool:
    """Whether there still is something to do: ticks that went on while the queue was long enqueued the row again."""
    return row.connection.paused_at is None and row.next_sync_at is not None and row.next_sync_at <= now
