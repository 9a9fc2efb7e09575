"""What only paid plans have: on Free each of these is a 402 that no waiting cures."""

from __future__ import annotations

from integrations.sandbox.http.wire import Answer, json_answer
from integrations.sandbox.toggl.access import Call, refused, router

_NOT_IN_PLAN = "Workspace needs to have this feature enabled"


def _paid(call: Call, number: str) -> None:
    if call.is_free(call.entered(number)):
        raise refused(402, _NOT_IN_PLAN)


@router.on("GET", r"/api/v9/workspaces/(\d+)/tasks")
def tasks(call: Call, number: str) -> Answer:
    """The one list that comes in an envelope; this office has no tasks."""
    _paid(call, number)
    envelope = {"page": 1, "per_page": 50, "sort_field": "name", "sort_order": "ASC", "total_count": 0}
    return json_answer({"data": [], **envelope})


@router.on("GET", r"/api/v9/workspaces/(\d+)/projects/\d+/tasks")
def project_tasks(call: Call, number: str) -> Answer:
    _paid(call, number)
    return call.listed([])


@router.on("POST", r"/reports/api/v3/workspace/(\d+)/search/time_entries\.(csv|xlsx|pdf)")
def export(call: Call, number: str, kind: str) -> Answer:
    """Exports of the whole report; the sandbox has none to give, also on a paid plan."""
    if call.membership(int(number)) is None:
        raise refused(403, "Workspace not found/accessible")
    _paid(call, number)
    raise refused(404, f"The sandbox makes no {kind} files")
