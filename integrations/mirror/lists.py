"""Whether Toggl's lists of clients and projects have to be read (again): what entries and projects name, against them.

PostgreSQL does not know yet how many rows were written a moment ago, and would look each of them up by walking the
other list: so the two are compared here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from integrations.models import Client, Project, Workspace


def lost_clients_stand(workspace: Workspace) -> bool:
    """Whether Toggl still has a client that one of its projects lost: a person took it off."""
    lost = Project.objects.filter(workspace=workspace, last_client_remote_id__isnull=False)
    present = Client.objects.present().filter(workspace=workspace)
    return bool(_distinct(lost, "last_client_remote_id") & _distinct(present, "remote_id"))


def lost_projects_stand(workspace: Workspace) -> bool:
    """The same of a project that a marked entry lost."""
    lost = workspace.entries.marked().filter(last_project_remote_id__isnull=False)
    return bool(_distinct(lost, "last_project_remote_id") & _projects(workspace))


def unknown_projects_used(workspace: Workspace, marked_at: datetime) -> bool:
    """Whether an entry that was marked at this moment has a project that the mirror does not have."""
    used = workspace.entries.present().filter(project_remote_id__isnull=False, marked_at=marked_at)
    return bool(_distinct(used, "project_remote_id") - _projects(workspace))


def _projects(workspace: Workspace) -> set[int]:
    return _distinct(Project.objects.present().filter(workspace=workspace), "remote_id")


def _distinct(rows: QuerySet[Any], field: str) -> set[int]:
    """The values that a field has in some rows."""
    return set(rows.order_by().values_list(field, flat=True).distinct())
