"""What workers do for the mirror. Ids in, one verb, errors into a row; safe to run twice."""

from datetime import datetime

from celery import shared_task

from integrations.clients.transport import ServiceError
from integrations.mirror import sync
from integrations.models import Company, Workspace
from toggbill.database import clock


@shared_task
def sync_workspace(*, workspace_id: int, **_: object) -> None:
    """Read one workspace; a failure stands on its connection and is tried again when the next sync is due."""
    workspace = Workspace.objects.select_related("connection").get(pk=workspace_id)
    if not _is_due(workspace, clock.now()):
        return
    try:
        sync.sync_workspace(workspace=workspace, now=clock.now(), background=True)
    except (ServiceError, sync.Busy) as error:
        sync.postpone(row=workspace, why=error, now=clock.now())


@shared_task
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
