"""The people of a workspace, Toggl users whose hours it has, as mappings name them (design section 11)."""

from __future__ import annotations

from collections.abc import Mapping

from integrations.models import Entry, Workspace

LATEST = 2000
"""So many of the latest entries say who works: an older one may be named by the id."""


def people_of(workspace: Workspace) -> Mapping[int, str]:
    """The names of those who worked lately, by their ids at Toggl, in the order of the names."""
    latest = (
        Entry.objects.filter(workspace=workspace).order_by("-started_at").values_list("person_remote_id", "person_name")
    )
    found: dict[int, str] = {}
    for person, name in latest[:LATEST]:
        found.setdefault(person, name)
    return dict(sorted(found.items(), key=lambda each: (each[1].casefold(), each[0])))


def has_person(workspace: Workspace, person: int) -> bool:
    """Whether the workspace has hours of this Toggl user."""
    return Entry.objects.filter(workspace=workspace, person_remote_id=person).exists()
