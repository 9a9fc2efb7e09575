"""Connecting a firm to Toggl and Billit: ask the service what a credential opens, then write what is used of it.

Asking (``ask_toggl``, ``ask_billit``) goes over the network, outside any transaction; verbs take what it brought back.
Verbs raise ``NotAllowed`` for who may not connect the firm, ``Changed`` where the connection is another by now than was
read (``as_read``), and ``Unread`` where a person does not say what was read. What it is used for is in ``choosing``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext

from integrations.clients import billit, toggl
from integrations.clients.billit_sign_in import Pair
from integrations.connections import tokens, webhook_addresses
from integrations.connections.opening import open_toggl
from integrations.models import Company, Connection, Workspace
from toggbill.firms.access import demand_of_firm, dossiers_of
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.changes import Outcome, amend
from toggbill.firms.locks import lock_firm, lock_rows
from toggbill.firms.models import AuditEvent, Firm
from toggbill.firms.read import Figures, Read, check


@dataclass(frozen=True, slots=True)
class TogglAccess:
    """What a Toggl token opens: its owner and their time zone, the workspaces by their Toggl id, and the plan of each
    organisation ("" where Toggl does not say; empty when it was not asked)."""

    owner_name: str
    workspaces: Mapping[int, toggl.Workspace]
    timezone: str = ""
    plans: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BillitAccess:
    """What a Billit credential opens: the companies by their PartyID; and whose it is."""

    companies: Mapping[int, billit.Company]
    owner_name: str = ""


def ask_toggl(*, token: str, with_plans: bool = False, pace: Callable[[], None] | None = None) -> TogglAccess:
    """Two calls: whose token it is and its workspaces; a third for the plans. Raises ``transport.ServiceError``."""
    with closing(toggl.Api(url=settings.TOGGL_URL, token=token, pace=pace)) as api:
        return _ask_toggl(api, with_plans=with_plans)


def _ask_toggl(api: toggl.Api, *, with_plans: bool) -> TogglAccess:
    me, workspaces = api.me(), {row.id: row for row in api.workspaces()}
    return TogglAccess(me.fullname or me.email, workspaces, me.timezone, api.plans() if with_plans else {})


def ask_billit(*, api_key: str, pace: Callable[[], None] | None = None) -> BillitAccess:
    """One call: the companies. Raises ``transport.ServiceError``."""
    return _ask_billit(billit.ApiKey(api_key), pace)


def ask_billit_signed_in(*, pair: Pair) -> BillitAccess:
    """The same with an access token."""
    return _ask_billit(billit.Bearer(pair.access), None)


def ask_again(*, connection: Connection, now: datetime) -> TogglAccess | BillitAccess:
    """What a connection that stands opens today. Raises ``transport.ServiceError``."""
    if connection.service == Connection.Service.TOGGL:
        with open_toggl(connection, now=now) as api:
            return _ask_toggl(api, with_plans=True)
    return _ask_billit(tokens.credential(connection, now=now), None)


def _ask_billit(credential: billit.Credential, pace: Callable[[], None] | None) -> BillitAccess:
    found = billit.account(url=settings.BILLIT_API_URL, credential=credential, pace=pace)
    return BillitAccess({row.party_id: row for row in found.companies}, found.owner)


def toggl_hindrances(access: TogglAccess, *, key: str, workspaces: Iterable[int], accept_partial: bool) -> list[str]:
    """Why these workspaces cannot be read with the token, a sentence each; empty when they can (design section 8)."""
    sentences = []
    for remote_id in sorted(set(workspaces)):
        found = access.workspaces.get(remote_id)
        if found is None:
            sentences.append(
                gettext(
                    "Toggl connection %(key)s: workspace %(id)s is not open to this token (%(open)s). Correct the "
                    "workspace's id, or have the owner of the token invited to it in Toggl."
                )
                % {"key": key, "id": remote_id, "open": _open(access.workspaces)}
            )
        elif not found.admin and not accept_partial:
            sentences.append(
                gettext(
                    "Toggl connection %(key)s: the owner of the token is not an admin of workspace %(id)s, so Toggl "
                    "would silently leave out the hours of others. Use an admin's token, or accept a partial reading "
                    "with accept_partial = true."
                )
                % {"key": key, "id": remote_id}
            )
    return sentences


def billit_hindrances(access: BillitAccess, *, key: str, companies: Iterable[int]) -> list[str]:
    """Why these companies cannot be billed for with the key, a sentence each; empty when they can."""
    sentences = []
    for party_id in sorted(set(companies)):
        found = access.companies.get(party_id)
        if found is None:
            sentences.append(
                gettext(
                    "Billit connection %(key)s: company %(id)s is not open to this key (%(open)s). Correct the "
                    "company's PartyID, or give the owner of the key access to it in Billit."
                )
                % {"key": key, "id": party_id, "open": _open(access.companies)}
            )
        elif not found.api_allowed:
            sentences.append(
                gettext(
                    "Billit connection %(key)s: Billit does not allow company %(id)s to use its API. "
                    "Have API access switched on for it in Billit (it depends on the subscription)."
                )
                % {"key": key, "id": party_id}
            )
    return sentences


def connect_toggl(
    *,
    firm: Firm,
    key: str,
    token: str,
    accept_partial: bool,
    access: TogglAccess,
    by: Actor,
    now: datetime,
    read: Read | None = None,
) -> tuple[Connection, Outcome]:
    """Write a Toggl connection whose token has just been asked (``access``).

    ``read``: what was read of the one that stands; None for a new one, also by the name of one that was removed.
    """
    values = {"secret": token.strip(), "accept_partial": accept_partial, "owner_name": access.owner_name[:200]}
    if access.timezone:
        values["timezone"] = access.timezone[:64]
    return _connect(firm=firm, service=Connection.Service.TOGGL, key=key, values=values, by=by, now=now, read=read)


def connect_billit(
    *, firm: Firm, key: str, api_key: str, by: Actor, now: datetime, read: Read | None = None
) -> tuple[Connection, Outcome]:
    """Write a Billit connection whose key has just been asked; ``read`` as of ``connect_toggl``."""
    values = {
        "method": Connection.Method.KEY,
        **_WITHOUT_SECRETS,
        "secret": api_key.strip(),
    }
    return _connect(firm=firm, service=Connection.Service.BILLIT, key=key, values=values, by=by, now=now, read=read)


def connect_billit_signed_in(
    *,
    firm: Firm,
    key: str,
    pair: Pair,
    access: BillitAccess,
    by: Actor,
    now: datetime,
    read: Read | None = None,
) -> tuple[Connection, Outcome]:
    """Write a Billit connection to which a person has just signed in, for the first time or again.

    ``read`` as of ``connect_toggl``. Who is refused ends the pair at Billit (``tokens.revoke``).
    """
    values = {
        "method": Connection.Method.SIGN_IN,
        **_WITHOUT_SECRETS,
        "secret": pair.access,
        "refresh_secret": pair.refresh,
        "expires_at": tokens.ends_at(pair, now=now),
        "owner_name": access.owner_name[:200],
    }
    return _connect(firm=firm, service=Connection.Service.BILLIT, key=key, values=values, by=by, now=now, read=read)


def subject(row: Connection) -> str:
    """What an event about a connection is about."""
    return f"connection {row.service} {row.key}"


def as_read(row: Connection) -> Figures:
    """What a page shows of a connection: by whose credential it opens what, what hangs on it, and who changed it last.

    Not how it is at the moment (its latest call, a failure): that changes by itself.
    """
    return all_as_read(row.firm, [row])[0]


def all_as_read(firm: Firm, rows: Sequence[Connection]) -> list[Figures]:
    """The same of several connections of the firm, in four queries."""
    opens, dossiers = defaultdict[int, list[str]](list), defaultdict[int, set[str]](set)
    for model, number in ((Workspace, "remote_id"), (Company, "party_id")):
        chosen = model._default_manager.filter(connection__in=rows)
        for pk, name, identity in chosen.values_list("connection", "name", number):
            opens[pk].append(f"{name} ({identity})")
    depend = dossiers_of(firm).filter(Q(workspace__connection__in=rows) | Q(company__connection__in=rows))
    for key, *connections in depend.values_list("key", "workspace__connection", "company__connection"):
        for pk in connections:
            dossiers[pk].add(key)
    # A credential is told apart by the event that gave it: nothing of a secret leaves its column (design D7).
    given = AuditEvent.objects.filter(firm=firm, subject__in=map(subject, rows), type__in=_GIVEN).order_by("number")
    latest = {about: (number, at, who) for about, number, at, who in given.values_list(*_OF_AN_EVENT)}
    return [
        Figures.of(
            subject(row),
            {
                "description": str(row),
                "method": str(row.method),
                "owner": row.owner_name,
                "accept_partial": row.accept_partial,
                "opens": sorted(opens[row.pk]),
                "dossiers": sorted(dossiers[row.pk]),
                "is_paused": row.paused_at is not None,
                "is_removed": row.removed_at is not None,
                "latest_change": _said(latest.get(subject(row))),
            },
        )
        for row in rows
    ]


def _said(event: tuple[int, datetime, str] | None) -> list[Any] | None:
    return None if event is None else [event[0], event[1].isoformat(), event[2]]


_OF_AN_EVENT = ("subject", "number", "at", "actor")
_GIVEN = ("connection_added", "connection_changed")


@transaction.atomic
def check_read(*, connection: Connection, by: Actor, read: Read | None) -> None:
    """Raises as the verbs do, before anything is done at the service that cannot be taken back."""
    row = locked(connection, by)
    check(read, lambda: [as_read(row)], by=by)


@transaction.atomic
def accept_partial(
    *, connection: Connection, accepted: bool, by: Actor, now: datetime, read: Read | None = None
) -> Connection:
    """Whether the firm accepts a token that is not an admin's, which reads only part (design section 8)."""
    row = locked(connection, by)
    check(read, lambda: [as_read(row)], by=by)
    changed = amend(row, {"accept_partial": accepted})
    if changed:
        _tell(row, "connection_changed", {"old": changed.old, "new": changed.new}, by, now)
    return row


@transaction.atomic
def pause(*, connection: Connection, by: Actor, now: datetime, read: Read | None = None) -> Connection:
    """Nothing is read or posted through it until it is resumed; its dossiers wait. Twice is once."""
    row = locked(connection, by)
    check(read, lambda: [as_read(row)], by=by)
    if row.paused_at is None:
        amend(row, {"paused_at": now})
        _tell(row, "connection_paused", {}, by, now)
    return row


@transaction.atomic
def resume(*, connection: Connection, by: Actor, now: datetime, read: Read | None = None) -> Connection:
    """Let it work again, and soon. A removed one stays removed: it has no credential."""
    row = locked(connection, by)
    check(read, lambda: [as_read(row)], by=by)
    if row.paused_at is not None and row.removed_at is None:
        amend(row, {"paused_at": None})
        read_soon(row, now)
        _tell(row, "connection_resumed", {}, by, now)
    return row


@transaction.atomic
def remove(*, connection: Connection, by: Actor, now: datetime, read: Read | None = None) -> Connection:
    """Destroy its secrets at once. What was read or billed through it is kept, and waits for another connection.

    A sign-in at Billit is ended there by ``tokens.revoke``, after the commit and with the token read before."""
    row = locked(connection, by)
    check(read, lambda: [as_read(row)], by=by)
    if row.removed_at is None:
        amend(row, _WITHOUT_SECRETS | {"paused_at": row.paused_at or now, "removed_at": now})
        webhook_addresses.forget(connection=row)
        depends = {
            "workspaces": sorted(row.workspaces.values_list("remote_id", flat=True)),
            "companies": sorted(row.companies.values_list("party_id", flat=True)),
        }
        _tell(row, "connection_removed", depends, by, now)
    return row


# What stands in columns of its own and in no audit event: secrets, and what becomes of them.
_WITHOUT_SECRETS: dict[str, Any] = {
    "secret": "",
    "refresh_secret": "",
    "expires_at": None,
    "renewing_since": None,
    "renewal_until": None,
    "sign_in_lost_at": None,
    "told_at": None,
}
_UNTOLD = frozenset(_WITHOUT_SECRETS)


@transaction.atomic
def _connect(
    *,
    firm: Firm,
    service: Connection.Service,
    key: str,
    values: dict[str, Any],
    by: Actor,
    now: datetime,
    read: Read | None,
) -> tuple[Connection, Outcome]:
    lock_firm(firm)
    demand_of_firm(by, "connect", firm)
    row, is_new = Connection.objects.select_for_update(no_key=True).get_or_create(
        firm=firm, service=service, key=key, defaults={**values, "latest_ok_at": now}
    )
    if is_new:
        _tell(row, "connection_added", {"new": _told(values)}, by, now)
        return row, "created"
    if row.removed_at is None or read is not None:
        check(read, lambda: [as_read(row)], by=by)
    if row.removed_at is not None:
        # The name of a removed one is taken up again, with what hung on it.
        healthy = {**Connection.WORKS, "latest_ok_at": now, "told_at": None}
        amend(row, values | healthy | {"removed_at": None, "paused_at": None})
        read_soon(row, now)
        _tell(row, "connection_added", {"new": _told(values)}, by, now)
        return row, "created"
    # The service has just answered: an earlier failure is over, and a pause that a refused credential caused with it.
    if row.failure == Connection.Failure.CREDENTIALS:
        values["paused_at"] = None
    if row.failure != Connection.Failure.NONE:
        values |= {**Connection.WORKS, "latest_ok_at": now, "told_at": None}
    changed = amend(row, values)
    if not changed:
        return row, "unchanged"
    # That the secret was changed is news; what it was or is never leaves the column (design D7).
    data = {"old": _told(changed.old), "new": _told(changed.new), "secret_changed": "secret" in changed.new}
    _tell(row, "connection_changed", data, by, now)
    return row, "updated"


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in values.items() if name not in _UNTOLD}
    if told.get("method") == Connection.Method.KEY:
        # A key is what a credential is when nothing else is said.
        del told["method"]
    return {name: str(value) if name == "method" else value for name, value in told.items()}


def _tell(row: Connection, kind: str, data: dict[str, Any], by: Actor, now: datetime) -> None:
    record(firm=row.firm, news=[News(kind, subject(row), data)], by=by, now=now)


def locked(connection: Connection, by: Actor) -> Connection:
    """The connection, locked after its firm, for who may connect the firm. Raises ``NotAllowed``."""
    lock_firm(connection.firm)
    demand_of_firm(by, "connect", connection.firm)
    rows = Connection.objects.select_for_update(of=("self",), no_key=True).select_related("firm")
    return rows.get(pk=connection.pk)


def read_soon(row: Connection, now: datetime) -> None:
    """What the connection opens is read soon. For the caller's transaction, in which the connection is locked."""
    lock_rows(row.workspaces.all())
    lock_rows(row.companies.all())
    row.workspaces.update(next_sync_at=now)
    row.companies.update(next_sync_at=now)


def _open(things: Mapping[int, Any]) -> str:
    """What the credential does open, so that a mistyped id is seen at once."""
    if not things:
        return gettext("it opens none")
    shown = ", ".join(f"{remote_id} {thing.name}" for remote_id, thing in sorted(things.items())[:10])
    sentence = gettext("it opens %(these)s and others") if len(things) > 10 else gettext("it opens %(these)s")
    return sentence % {"these": shown}
