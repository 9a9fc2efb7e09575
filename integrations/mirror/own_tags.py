"""Tags that toggbill itself gives the entries of a workspace: the mirror leaves them out.

What toggbill writes into Toggl is no change by a person. The mirrored tags are those that say something of an entry, so
neither a mapping nor a comparison nor a page ever meets the others. A copy of a tagged entry, which a person goes on
from in Toggl, has the tag as well, and there it says no more.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from django.db import transaction

from integrations.models import Entry, Workspace
from toggbill.firms.locks import lock_rows

_BATCH = 1000
_compared_by: list[Callable[[str], str]] = []


def compare_by(key: Callable[[str], str]) -> None:
    """Hand in what a tag is compared by, once, before anything is read: whoever maps tags knows which of them are one
    (design R4), and stands above the mirror."""
    _compared_by[:] = [key]


def of(workspace: Workspace) -> frozenset[str]:
    """The keys of a workspace's own tags, as they stand now."""
    names = Workspace.objects.values_list("own_tags", flat=True).get(pk=workspace.pk)
    return frozenset(map(_key, names))


def of_entries(entries: Iterable[int]) -> dict[int, frozenset[str]]:
    """The same for entries (row ids): of those whose workspace has own tags; one query."""
    found = Entry.objects.filter(pk__in=list(entries)).exclude(workspace__own_tags=[])
    rows = found.values_list("pk", "workspace__own_tags")
    return {entry: frozenset(map(_key, names)) for entry, names in rows}


def without(tags: Iterable[str], own: Collection[str]) -> list[str]:
    """The tags that are not among the ``own`` ones (keys)."""
    return [tag for tag in tags if _key(tag) not in own] if own else list(tags)


@transaction.atomic
def take_over(*, workspace: Workspace, tag: str) -> None:
    """From now on this tag is toggbill's own in the workspace, and mirrored entries have it no more.

    The workspace is locked before its entries. Who took a tag over marks the entries.
    """
    lock_rows(Workspace.objects.filter(pk=workspace.pk))
    names = Workspace.objects.values_list("own_tags", flat=True).get(pk=workspace.pk)
    if _key(tag) in map(_key, names):
        return
    Workspace.objects.filter(pk=workspace.pk).update(own_tags=[*names, tag])
    workspace.own_tags = [*names, tag]
    entries = Entry.objects.filter(workspace=workspace).exclude(tags=[])
    tagged = [
        pk for pk, tags in entries.values_list("pk", "tags").iterator(chunk_size=5000) if _key(tag) in map(_key, tags)
    ]
    for start in range(0, len(tagged), _BATCH):
        part = Entry.objects.filter(pk__in=Entry.objects.filter(pk__in=tagged[start : start + _BATCH]).lock())
        rows = list(part.only("pk", "tags"))
        for row in rows:
            row.tags = without(row.tags, {_key(tag)})
        Entry.objects.bulk_update(rows, ["tags"], batch_size=_BATCH)


def _key(tag: str) -> str:
    """Toggl may know the tag in another spelling already, and then gives that."""
    (key,) = _compared_by
    return key(tag)
