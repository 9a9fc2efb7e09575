"""What workers do for the mirror. Ids in, one verb, errors into a row; safe to run twice."""

from celery import shared_task
from django.utils import timezone

from integrations import sync
from integrations.models import Company, Workspace
from integrations.transport import ServiceError


@shared_task(queue="sync")
def sync_workspace(*, workspace_id: int, **_: object) -> None:
    """Read one workspace; a failure stands on its connection and is tried again when the next sync is due."""
    workspace = Workspace.objects.select_related("connection").get(pk=workspace_id)
    try:
        sync.sync_workspace(workspace=workspace, now=timezone.now(), background=True)
    except (ServiceError, sync.Busy):
        sync.postpone(row=workspace, now=timezone.now())


@shared_task(queue="sync")
def sync_company(*, company_id: int, **_: object) -> None:
    """Read one company; a failure stands on its connection and is tried again when the next sync is due."""
    company = Company.objects.select_related("connection").get(pk=company_id)
    try:
        sync.sync_company(company=company, now=timezone.now())
    except (ServiceError, sync.Busy):
        sync.postpone(row=company, now=timezone.now())
