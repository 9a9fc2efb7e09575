"""Who sees which entries (support article on access rights): in reports and in webhooks alike."""

from __future__ import annotations

from collections.abc import Callable

from integrations.sandbox.http.wire import Record
from integrations.sandbox.toggl.store import Entry, Store


def visibility(store: Store, user: Record, workspace_id: int) -> Callable[[Entry], bool]:
    """An admin sees all; a member their own and what stands on public projects. Nobody is told that it is partial."""
    membership = store.membership(user, workspace_id)
    if membership is None:
        return lambda entry: False
    if membership.get("admin"):
        return lambda entry: True
    limited = bool(store.workspaces[workspace_id].get("limit_public_project_data"))

    def visible(entry: Entry) -> bool:
        if entry.user_id == user["id"]:
            return True
        project = store.project(entry)
        return not limited and project is not None and not project.get("is_private")

    return visible
