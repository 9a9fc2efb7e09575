"""Connecting a firm to Toggl and Billit: ask the service what a credential opens, then write what is used of it.

Asking (``ask_toggl``, ``ask_billit``) goes over the network and belongs outside any transaction; the verbs that write
take what the asking brought back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from integrations import billit, toggl
from integrations.models import Company, Connection, Workspace
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.changes import Outcome, amend
from toggbill.firms.models import Firm


@dataclass(frozen=True, slots=True)
class TogglAccess:
    """What a Toggl token opens: its owner, and the workspaces by their Toggl id."""

    owner_name: str
    workspaces: Mapping[int, toggl.Workspace]


@dataclass(frozen=True, slots=True)
class BillitAccess:
    """What a Billit credential opens: the companies by their PartyID."""

    companies: Mapping[int, billit.Company]


def ask_toggl(*, token: str, pace: Callable[[], None] | None = None) -> TogglAccess:
    """Two calls: whose token it is and its workspaces. Raises ``transport.ServiceError``."""
    api = toggl.Api(url=settings.TOGGL_URL, token=token, pace=pace)
    try:
        me = api.me()
        return TogglAccess(me.fullname or me.email, {row.id: row for row in api.workspaces()})
    finally:
        api.close()


def ask_billit(*, api_key: str, pace: Callable[[], None] | None = None) -> BillitAccess:
    """One call: the companies. Raises ``transport.ServiceError``."""
    found = billit.companies(url=settings.BILLIT_API_URL, credential=billit.ApiKey(api_key), pace=pace)
    return BillitAccess({row.party_id: row for row in found})


def toggl_hindrances(access: TogglAccess, *, key: str, workspaces: Iterable[int], accept_partial: bool) -> list[str]:
    """Why these workspaces cannot be read with the token, a sentence each; empty when they can (design section 8)."""
    sentences = []
    for remote_id in sorted(set(workspaces)):
        found = access.workspaces.get(remote_id)
        if found is None:
            sentences.append(
                f"Toggl connection {key}: workspace {remote_id} is not open to this token "
                f"({_open(access.workspaces)}). Correct the workspace's id, or have the owner of the token invited to "
                "it in Toggl."
            )
        elif not found.admin and not accept_partial:
            sentences.append(
                f"Toggl connection {key}: the owner of the token is not an admin of workspace {remote_id}, so Toggl "
                "would silently leave out the hours of others. Use an admin's token, or accept a partial reading with "
                "accept_partial = true."
            )
    return sentences


def billit_hindrances(access: BillitAccess, *, key: str, companies: Iterable[int]) -> list[str]:
    """Why these companies cannot be billed for with the key, a sentence each; empty when they can."""
    sentences = []
    for party_id in sorted(set(companies)):
        found = access.companies.get(party_id)
        if found is None:
            sentences.append(
                f"Billit connection {key}: company {party_id} is not open to this key ({_open(access.companies)}). "
                "Correct the company's PartyID, or give the owner of the key access to it in Billit."
            )
        elif not found.api_allowed:
            sentences.append(
                f"Billit connection {key}: Billit does not allow company {party_id} to use its API. "
                "Have API access switched on for it in Billit (it depends on the subscription)."
            )
    return sentences


def connect_toggl(
    *, firm: Firm, key: str, token: str, accept_partial: bool, access: TogglAccess, by: Actor, now: datetime
) -> tuple[Connection, Outcome]:
    """Write a Toggl connection whose token has just been asked (``access``)."""
    values = {"secret": token.strip(), "accept_partial": accept_partial, "owner_name": access.owner_name[:200]}
    return _connect(firm=firm, service=Connection.Service.TOGGL, key=key, values=values, by=by, now=now)


def connect_billit(*, firm: Firm, key: str, api_key: str, by: Actor, now: datetime) -> tuple[Connection, Outcome]:
    """Write a Billit connection whose key has just been asked."""
    values = {"secret": api_key.strip()}
    return _connect(firm=firm, service=Connection.Service.BILLIT, key=key, values=values, by=by, now=now)


def take_workspace(*, connection: Connection, found: toggl.Workspace, now: datetime) -> tuple[Workspace, Outcome]:
    """Write a workspace that the connection reads; a new one is due for its first sync at once."""
    values = {
        "connection": connection,
        "organization_id": found.organization_id,
        "name": found.name[:250],
        "is_admin": found.admin,
    }
    row, is_new = Workspace.objects.get_or_create(
        firm_id=connection.firm_id, remote_id=found.id, defaults={**values, "next_sync_at": now}
    )
    return row, "created" if is_new else "updated" if amend(row, values) else "unchanged"


def take_company(*, connection: Connection, found: billit.Company, now: datetime) -> tuple[Company, Outcome]:
    """Write a company that the connection bills for; a new one is due for its first sync at once."""
    values = {"connection": connection, "name": found.name[:250], "vat_number": found.vat_number[:30]}
    row, is_new = Company.objects.get_or_create(
        firm_id=connection.firm_id, party_id=found.party_id, defaults={**values, "next_sync_at": now}
    )
    return row, "created" if is_new else "updated" if amend(row, values) else "unchanged"


@transaction.atomic
def _connect(
    *, firm: Firm, service: Connection.Service, key: str, values: dict[str, Any], by: Actor, now: datetime
) -> tuple[Connection, Outcome]:
    row, is_new = Connection.objects.get_or_create(
        firm=firm, service=service, key=key, defaults={**values, "latest_ok_at": now}
    )
    subject = f"connection {service} {key}"
    if is_new:
        shown = {name: value for name, value in values.items() if name != "secret"}
        record(firm=firm, news=[News("connection_added", subject, {"new": shown})], by=by, now=now)
        return row, "created"
    # The service has just answered: an earlier failure is over, and a pause that a refused credential caused with it.
    if row.failure == Connection.Failure.CREDENTIALS:
        values["paused_at"] = None
    if row.failure != Connection.Failure.NONE:
        values |= {"failure": Connection.Failure.NONE, "failure_text": "", "latest_ok_at": now}
    changed = amend(row, values)
    if not changed:
        return row, "unchanged"
    # That the secret was changed is news; what it was or is never leaves the column (design D7).
    old, new = (
        {name: value for name, value in side.items() if name != "secret"} for side in (changed.old, changed.new)
    )
    data = {"old": old, "new": new, "secret_changed": "secret" in changed.new}
    record(firm=firm, news=[News("connection_changed", subject, data)], by=by, now=now)
    return row, "updated"


def _open(things: Mapping[int, Any]) -> str:
    """What the credential does open, so that a mistyped id is seen at once."""
    if not things:
        return "it opens none"
    shown = ", ".join(f"{remote_id} {thing.name}" for remote_id, thing in sorted(things.items())[:10])
    return f"it opens {shown}" + (" and others" if len(things) > 10 else "")
