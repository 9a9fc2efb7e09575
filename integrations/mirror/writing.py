"""Writing what the services said into the mirrored rows: in bulk, and only what differs.

Seeing the same row ten times changes nothing. A change that may alter the books marks the entries (or the company) that
it touches; whoever ran the sync lets the books re-derive the marked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from django.db import models, transaction

from integrations.clients import billit, toggl
from integrations.mirror import own_tags
from integrations.models import Client, Company, Customer, Entry, Product, ProductPrice, Project, Workspace
from toggbill.database import bulk
from toggbill.firms.locks import lock_rows

_BATCH = 1000


@dataclass(slots=True)
class Changes:
    """Counts of rows."""

    seen: int = 0
    created: int = 0
    updated: int = 0
    deleted: int = 0


_ENTRY_FIELDS = (
    "started_at",
    "stopped_at",
    "seconds",
    "is_running",
    "description",
    "project_remote_id",
    "person_remote_id",
    "person_name",
    "billable",
    "tags",
    "changed_at",
    "deleted_at",
)
_LAST_FIELDS = ("last_project_remote_id", "last_tags")


class TagsWanted(Exception):
    """An entry of the page lost a tag: whether that is gone from Toggl itself has to be known first."""


@transaction.atomic
def entries(
    *,
    workspace: Workspace,
    read: Sequence[toggl.Entry],
    changes: Changes,
    now: datetime,
    tags: Collection[str] | None = None,
) -> None:
    """Create or update the rows of a page of entries; counts go to ``changes``.

    ``tags``: the names of all tags of the workspace, None when they were not read. Raises ``TagsWanted``, with nothing
    written, when they are needed.
    """
    # In the order of the ids: two that write the same rows never wait for each other.
    by_id = {entry.id: entry for entry in sorted(read, key=lambda entry: entry.id)}
    standing = {
        row[0]: row[1:]
        for row in Entry.objects.filter(workspace=workspace, remote_id__one_of=by_id).values_list(
            "remote_id", *_ENTRY_FIELDS, *_LAST_FIELDS
        )
    }
    write, own = [], own_tags.of(workspace)
    for remote_id, entry in by_id.items():
        values = _entry_values(entry, own)
        before = standing.get(remote_id)
        if before is not None and before[: len(_ENTRY_FIELDS)] == values:
            continue
        fields: dict[str, Any] = dict(zip(_ENTRY_FIELDS, values, strict=True))
        if before is not None:
            fields |= _as_last_was(dict(zip((*_ENTRY_FIELDS, *_LAST_FIELDS), before, strict=True)), fields, tags)
        write.append(
            Entry(firm_id=workspace.firm_id, workspace_id=workspace.pk, remote_id=remote_id, marked_at=now, **fields)
        )
    bulk.upsert(write, unique=["workspace", "remote_id"], update=[*_ENTRY_FIELDS, *_LAST_FIELDS, "marked_at"])
    changes.seen += len(by_id)
    changes.updated += sum(row.remote_id in standing for row in write)
    changes.created += sum(row.remote_id not in standing for row in write)


def _as_last_was(before: Mapping[str, Any], now_is: Mapping[str, Any], tags: Collection[str] | None) -> dict[str, Any]:
    """What an entry had when that was deleted in Toggl. Raises ``TagsWanted``.

    A project that it lost is kept until the projects are read: one that is still there was taken off by a person.
    """
    project = None
    if now_is["project_remote_id"] is None:
        project = before["project_remote_id"] or before["last_project_remote_id"]
    had, has = set(before["tags"]), set(now_is["tags"])
    lost = had - has
    if lost and tags is None:
        raise TagsWanted
    # Who gives an entry another tag has tagged it anew; where a name is new and one is gone, a tag was renamed.
    last = set(before["last_tags"]) - has if has <= had else set()
    return {"last_project_remote_id": project, "last_tags": sorted(last | (lost - set(tags or ())))}


@transaction.atomic
def settle_projects(*, workspace: Workspace) -> None:
    """The projects were read: those that entries lost and Toggl still has were taken off by a person."""
    still_there = Project.objects.present().filter(workspace=workspace).values("remote_id")
    lost = Entry.objects.marked().filter(workspace=workspace, last_project_remote_id__in=still_there)
    Entry.objects.filter(pk__in=lost.lock()).update(last_project_remote_id=None)


@transaction.atomic
def settle_clients(*, workspace: Workspace) -> None:
    """The clients were read: the same for the clients that projects lost."""
    lock_rows(Workspace.objects.filter(pk=workspace.pk))
    still_there = Client.objects.present().filter(workspace=workspace).values("remote_id")
    lost = Project.objects.filter(workspace=workspace, last_client_remote_id__in=still_there)
    lost.update(last_client_remote_id=None)


def _entry_values(entry: toggl.Entry, own: Collection[str]) -> tuple[Any, ...]:
    # A running entry has no stop, or a negative duration (R1); its seconds are not known yet. One of 0 seconds without
    # a stop was made without either: it is over (observed: read later, it stops when it starts).
    running = entry.seconds < 0 or (entry.stop is None and entry.seconds != 0)
    return (
        entry.start,
        entry.stop,
        0 if running else entry.seconds,
        running,
        entry.description,
        entry.project_id,
        entry.user_id,
        entry.user_name[:250],
        entry.billable,
        own_tags.without(entry.tags, own),
        entry.updated_at,
        None,
    )


def vanished(*, workspace: Workspace, since: datetime, until: datetime, seen: Collection[int]) -> list[int]:
    """The mirrored entries (row ids) that start in [since, until) and that a whole reading did not show."""
    standing = (
        Entry.objects.present()
        .filter(workspace=workspace, started_at__gte=since, started_at__lt=until)
        .values_list("pk", "remote_id")
    )
    return [pk for pk, remote_id in standing.iterator(chunk_size=5000) if remote_id not in seen]


def delete_entries(*, rows: Sequence[int], changes: Changes, now: datetime) -> None:
    """Mark entries as gone from Toggl; their latest known seconds stay."""
    for start in range(0, len(rows), _BATCH):
        with transaction.atomic():
            gone = Entry.objects.filter(pk__in=Entry.objects.filter(pk__in=rows[start : start + _BATCH]).lock())
            changes.deleted += gone.update(deleted_at=now, marked_at=now)


_Mirrored = TypeVar("_Mirrored", bound=models.Model)


def _replace(
    model: type[_Mirrored],
    *,
    owner: Mapping[str, Any],
    identity: str,
    read: Mapping[int, Mapping[str, Any]],
    fields: Sequence[str],
    now: datetime,
) -> set[int]:
    """Make the owner's rows equal to a complete reading: {remote id: values}. Returns the remote ids that changed.

    Under the owner's lock: a reader whose lease ran out may write the same rows still.
    """
    manager = model._default_manager
    (holder,) = owner.values()
    lock_rows(type(holder)._default_manager.filter(pk=holder.pk))
    standing = {row[0]: row[1:] for row in manager.filter(**owner).values_list(identity, *fields, "deleted_at")}
    changed = {key for key, values in read.items() if standing.get(key) != (*(values[field] for field in fields), None)}
    bulk.upsert(
        [
            model(firm_id=holder.firm_id, **owner, **{identity: key}, **read[key], deleted_at=None)
            for key in sorted(changed)
        ],
        unique=[*owner, identity],
        update=[*fields, "deleted_at"],
    )
    gone = {key for key, values in standing.items() if key not in read and values[-1] is None}
    manager.filter(**owner, **{f"{identity}__in": gone}).update(deleted_at=now)
    return changed | gone


@transaction.atomic
def clients(*, workspace: Workspace, read: Iterable[toggl.Client], now: datetime) -> None:
    """Mirror all Toggl clients of a workspace; the entries of those that changed are marked."""
    changed = _replace(
        Client,
        owner={"workspace": workspace},
        identity="remote_id",
        read={client.id: {"name": client.name[:500], "is_archived": client.archived} for client in read},
        fields=["name", "is_archived"],
        now=now,
    )
    of_changed = models.Q(client_remote_id__in=changed) | models.Q(last_client_remote_id__in=changed)
    _mark_entries_of(workspace, Project.objects.filter(of_changed, workspace=workspace).values("remote_id"), now)


@transaction.atomic
def projects(*, workspace: Workspace, read: Iterable[toggl.Project], now: datetime) -> None:
    """Mirror all projects of a workspace; the entries of those that changed are marked. An estimate changes nothing."""
    lock_rows(Workspace.objects.filter(pk=workspace.pk))
    read = list(read)
    standing = Project.objects.filter(workspace=workspace)
    had = {
        remote_id: client or last
        for remote_id, client, last in standing.values_list("remote_id", "client_remote_id", "last_client_remote_id")
    }
    changed = _replace(
        Project,
        owner={"workspace": workspace},
        identity="remote_id",
        read={
            project.id: {
                "name": project.name[:500],
                "client_remote_id": project.client_id,
                # Until the clients are read: one that is still there was taken off by a person.
                "last_client_remote_id": had.get(project.id) if project.client_id is None else None,
                "is_active": project.active,
            }
            for project in read
        },
        fields=["name", "client_remote_id", "last_client_remote_id", "is_active"],
        now=now,
    )
    _mark_entries_of(workspace, changed, now)
    _write_estimates(workspace, {project.id: project.estimated_seconds for project in read})


def _write_estimates(workspace: Workspace, read: Mapping[int, int | None]) -> None:
    rows = Project.objects.filter(workspace=workspace)
    changed = [row for row in rows if row.estimated_seconds != read.get(row.remote_id, row.estimated_seconds)]
    for row in changed:
        row.estimated_seconds = read[row.remote_id]
    Project.objects.bulk_update(changed, ["estimated_seconds"], batch_size=1000)


def _mark_entries_of(workspace: Workspace, projects: Any, now: datetime) -> None:
    of_them = models.Q(project_remote_id__in=projects) | models.Q(last_project_remote_id__in=projects)
    Entry.objects.filter(of_them, workspace=workspace).mark(now=now)


@transaction.atomic
def products(*, company: Company, read: Iterable[billit.Product], now: datetime) -> int:
    """Mirror all products of a company; when one changed, the company is marked. Returns how many there are."""
    rows = {
        product.id: {
            "reference": product.reference[:200],
            "description": product.description,
            "price": _places(product.price, "0.000001"),
            "vat_rate": _places(product.vat_rate, "0.01"),
        }
        for product in read
    }
    fields = ["reference", "description", "price", "vat_rate"]
    _company(company, Product, "remote_id", rows, fields, now)
    _prices(company, now)
    return len(rows)


def _prices(company: Company, now: datetime) -> None:
    """Keep each price that is new, with the firm's local day; of those of one day the last."""
    products = Product.objects.present().filter(company=company)
    latest = dict(
        ProductPrice.objects.filter(product__company=company).order_by("since").values_list("product_id", "price")
    )
    differ = [row for row in products if row.pk not in latest or latest[row.pk] != row.price]
    today = now.astimezone(company.firm.zone).date()
    ProductPrice.objects.bulk_create(
        [ProductPrice(firm_id=row.firm_id, product=row, price=row.price, since=today) for row in differ],
        update_conflicts=True,
        unique_fields=["product", "since"],
        update_fields=["price"],
    )


@transaction.atomic
def customers(*, company: Company, read: Iterable[billit.Customer], now: datetime) -> int:
    """Mirror all customers of a company; when one changed, the company is marked. Returns how many there are."""
    rows = {
        customer.party_id: {
            "name": customer.name[:500],
            "vat_number": customer.vat_number[:60],
            "email": customer.email[:500],
            "language": customer.language[:20],
            "country": customer.country[:60],
        }
        for customer in read
    }
    _company(company, Customer, "party_id", rows, ["name", "vat_number", "email", "language", "country"], now)
    return len(rows)


def _company(
    company: Company,
    model: type[models.Model],
    identity: str,
    read: Mapping[int, Any],
    fields: list[str],
    now: datetime,
) -> None:
    if _replace(model, owner={"company": company}, identity=identity, read=read, fields=fields, now=now):
        Company.objects.filter(pk=company.pk).update(marked_at=now)


def _places(value: Decimal | None, unit: str) -> Decimal | None:
    return None if value is None else value.quantize(Decimal(unit))
