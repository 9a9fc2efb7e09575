"""Which workspaces and companies of a connection the firm works with, and what the services say of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import ProtectedError, Q

from integrations.clients import billit, toggl
from integrations.connections.credentials import BillitAccess, TogglAccess, as_read, locked, subject
from integrations.models import Company, Connection, Workspace
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.changes import Outcome, amend
from toggbill.firms.locks import lock_firm, lock_rows
from toggbill.firms.read import Read, check


@transaction.atomic
def choose(
    *,
    connection: Connection,
    access: TogglAccess | BillitAccess,
    ids: Iterable[int],
    by: Actor,
    now: datetime,
    read: Read | None = None,
) -> list[str]:
    """Read these workspaces, or bill for these companies, by the ids of the services, and no others.

    Gives the names of those that stay although they were not chosen, since a dossier or hours hang on them. Raises
    ``NotAllowed``, ``Changed`` where it opens something else than was read, and ``Unread``."""
    wanted = set(ids)
    row = locked(connection, by)
    check(read, lambda: [as_read(row)], by=by)
    if isinstance(access, TogglAccess):
        lock_rows(Workspace.objects.filter(Q(connection=row) | Q(firm=row.firm, remote_id__in=wanted)))
    else:
        lock_rows(Company.objects.filter(Q(connection=row) | Q(firm=row.firm, party_id__in=wanted)))
    kept, before = [], _chosen(connection)
    if isinstance(access, TogglAccess):
        for remote_id in sorted(wanted & access.workspaces.keys()):
            found = access.workspaces[remote_id]
            plan = access.plans.get(found.organization_id)
            take_workspace(connection=connection, found=found, plan=plan, now=now)
        for workspace in connection.workspaces.exclude(remote_id__in=wanted).order_by("pk"):
            kept += [] if _drop(workspace) else [workspace.name]
    else:
        for party_id in sorted(wanted & access.companies.keys()):
            take_company(connection=connection, found=access.companies[party_id], by=by, now=now)
        for company in connection.companies.exclude(party_id__in=wanted).order_by("pk"):
            kept += [] if _drop(company) else [company.name]
    after = _chosen(connection)
    if before != after:
        news = News("connection_changed", subject(connection), {"old": {"opens": before}, "new": {"opens": after}})
        record(firm=connection.firm, news=[news], by=by, now=now)
    return kept


def take_workspace(
    *, connection: Connection, found: toggl.Workspace, plan: str | None = None, now: datetime
) -> tuple[Workspace, Outcome]:
    """Write a workspace that the connection reads; a new one is due for its first sync at once."""
    values: dict[str, Any] = {
        "connection": connection,
        "organization_id": found.organization_id,
        "name": found.name[:250],
        "is_admin": found.admin,
    }
    if plan is not None:
        values["plan"] = plan[:40]
    row, is_new = Workspace.objects.get_or_create(
        firm_id=connection.firm_id, remote_id=found.id, defaults={**values, "next_sync_at": now}
    )
    return row, "created" if is_new else "updated" if amend(row, values) else "unchanged"


def take_company(*, connection: Connection, found: billit.Company, by: Actor, now: datetime) -> tuple[Company, Outcome]:
    """Write a company that the connection bills for; a new one is due for its first sync at once."""
    values = {"connection": connection, **_said_of(found), "next_sync_at": now}
    row, is_new = Company.objects.get_or_create(firm_id=connection.firm_id, party_id=found.party_id, defaults=values)
    if is_new:
        return row, "created"
    is_changed = note_company(company=row, found=found, by=by, now=now)
    return row, "updated" if amend(row, {"connection": connection}) or is_changed else "unchanged"


@transaction.atomic
def note_company(*, company: Company, found: billit.Company, by: Actor, now: datetime) -> bool:
    """Keep what Billit says of a company itself; what changed is an event, ``company_changed``, and gives True.

    One that charges VAT no more, or again, is marked: its hours are judged anew.
    """
    said = _said_of(found)
    if not any(getattr(company, name) != value for name, value in said.items()):
        return False
    lock_firm(company.firm)
    lock_rows(Company.objects.filter(pk=company.pk))
    company.refresh_from_db(fields=list(said))
    changed = amend(company, said)
    amend(company, {"marked_at": now} if "small_enterprise" in changed.new else {})
    if changed:
        news = News("company_changed", f"company {company.party_id}", {"old": changed.old, "new": changed.new})
        record(firm=company.firm, news=[news], by=by, now=now)
    return bool(changed)


def _said_of(found: billit.Company) -> dict[str, Any]:
    return {
        "name": found.name[:250],
        "vat_number": found.vat_number[:30],
        "api_allowed": found.api_allowed,
        "small_enterprise": found.small_enterprise,
        "sending_open": found.sending_open,
    }


def _chosen(connection: Connection) -> list[int]:
    rows = connection.workspaces if connection.service == Connection.Service.TOGGL else connection.companies
    field_name = "remote_id" if connection.service == Connection.Service.TOGGL else "party_id"
    return sorted(rows.values_list(field_name, flat=True))


def _drop(row: Workspace | Company) -> bool:
    """Take a mirror away on which nothing hangs; False when something does."""
    try:
        with transaction.atomic():
            # With its key, before what hangs on it is deleted: a sync locks it first, too.
            type(row)._default_manager.select_for_update().get(pk=row.pk)
            row.delete()
    except ProtectedError:
        return False
    return True
