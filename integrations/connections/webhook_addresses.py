"""The addresses that Toggl and Billit call when something changed: opened for a workspace or a company, and closed.

The service is told an address of ours with a secret token, and signs what it delivers.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from integrations.clients import subscriptions
from integrations.clients.http.failures import Code, Message
from integrations.clients.http.transport import ServiceError
from integrations.clients.subscriptions import Entity, Kind, Made
from integrations.connections.opening import open_billit, open_workspace
from integrations.models import Company, Connection, Webhook, Workspace
from integrations.models.encryption import sealed
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.locks import lock_firm

_Topic = Webhook.Topic
# What Billit tells of: an order that changed (sent, paid), and the messages by which it is delivered.
_BILLIT: Mapping[_Topic, tuple[Entity, Kind]] = {
    _Topic.ORDERS: ("Order", "U"),
    _Topic.NEW_MESSAGES: ("Message", "I"),
    _Topic.MESSAGES: ("Message", "U"),
}


def connection_of(row: Webhook) -> Connection:
    """The connection through which the webhook was opened."""
    return target_of(row).connection


def target_of(row: Webhook) -> Workspace | Company:
    """The workspace or company that the webhook is of."""
    target = row.workspace or row.company
    if target is None:  # a constraint of the table
        raise ValueError(f"webhook {row.pk} is of nothing")
    return target


def address(row: Webhook) -> str:
    """Where the service calls; whoever knows it can make us look the token up, and no more."""
    return f"{_prefix(row.workspace or row.company)}{row.token}/"


def of(target: Workspace | Company) -> list[Webhook]:
    """The webhooks of a workspace or company, in the order in which they were made."""
    return list(target.webhooks.order_by("pk"))


def open_for(*, target: Workspace | Company, by: Actor, now: datetime) -> None:
    """Have the service tell us of changes, at a new address and under a new secret; what stood before is ended first.

    Raises ``transport.ServiceError``: then no webhook stands. Not within a transaction: the service calls the new
    address before it answers.
    """
    _sweep(target)
    try:
        for topic in [_Topic.ENTRIES] if isinstance(target, Workspace) else _BILLIT:
            row = _make(target, topic, now)
            try:
                made = _subscribe(row)
            except ServiceError as error:
                # The vendor's words may hold the address.
                error.mask(row.token)
                raise
            secret = sealed(row, "secret", made.secret)
            Webhook.objects.filter(pk=row.pk).update(remote_id=made.id, secret=secret)
            if not made.validated:
                facts = {"name": str(target), "address": settings.PUBLIC_URL}
                raise ServiceError(Message(Code.WEBHOOK_NOT_VALIDATED, facts))
    except ServiceError:
        _sweep_quietly(target)
        with transaction.atomic():
            lock_firm(target.firm)
            target.webhooks.all().delete()
        raise
    _tell(target, {"new": {"webhook": _named(target)}}, by, now)


def close_for(*, target: Workspace | Company, by: Actor, now: datetime) -> Message | None:
    """Have the service tell us no more. Its address is dead at once; None, or why the service could not be told."""
    trouble = _sweep_quietly(target)
    with transaction.atomic():
        lock_firm(target.firm)
        count, _ = target.webhooks.all().delete()
        if count:
            _tell(target, {"old": {"webhook": _named(target)}}, by, now)
    return trouble


def _make(target: Workspace | Company, topic: _Topic, now: datetime) -> Webhook:
    token = secrets.token_urlsafe(32)
    fields = {
        "firm_id": target.firm_id,
        "token": token,
        "token_hash": hash_of(token),
        # Billit makes up its own and tells it when the webhook is made.
        "secret": secrets.token_urlsafe(32) if topic == _Topic.ENTRIES else "",
        "remote_id": None,
        "made_at": now,
        "called_at": None,
    }
    row, _is_new = target.webhooks.update_or_create(topic=topic, defaults=fields)
    return row


def _subscribe(row: Webhook) -> Made:
    target = target_of(row)
    if isinstance(target, Workspace):
        with open_workspace(target) as api:
            return subscriptions.subscribe_to_entries(
                api,
                target.remote_id,
                # Unique in the workspace, in which another firm may have one too.
                description=f"toggbill {row.token_hash[:8]}",
                url=address(row),
                secret=row.secret,
            )
    entity, kind = _BILLIT[_Topic(row.topic)]
    with open_billit(target) as api:
        return subscriptions.subscribe_to_orders(api, entity=entity, kind=kind, url=address(row))


def _sweep(target: Workspace | Company) -> None:
    """End what calls us at the service for this workspace or company, and what calls an address that nobody has (an
    answer was lost once); those of other firms stay. Raises ``transport.ServiceError``."""
    prefix = _prefix(target)
    own = set(target.webhooks.values_list("token_hash", flat=True))

    def is_over(url: str) -> bool:
        if not url.startswith(prefix):
            return False
        token_hash = hash_of(url.removeprefix(prefix).rstrip("/"))
        return token_hash in own or not Webhook.objects.filter(token_hash=token_hash).exists()

    if isinstance(target, Workspace):
        with open_workspace(target) as toggl:
            for remote_id, url in subscriptions.entry_subscriptions(toggl, target.remote_id).items():
                if is_over(url):
                    subscriptions.end_entry_subscription(toggl, target.remote_id, remote_id)
    else:
        with open_billit(target) as billit:
            for remote_id, url in subscriptions.order_subscriptions(billit).items():
                if is_over(url):
                    subscriptions.end_order_subscription(billit, remote_id)


def _sweep_quietly(target: Workspace | Company) -> Message | None:
    try:
        _sweep(target)
    except ServiceError as error:
        return error.message
    return None


def forget(*, connection: Connection) -> None:
    """The addresses of a connection that is removed are dead: without its credential the service cannot be told.

    For the caller's transaction, in which the firm is locked.
    """
    Webhook.objects.filter(Q(workspace__connection=connection) | Q(company__connection=connection)).delete()


def _prefix(target: Workspace | Company | None) -> str:
    name = "toggl_hook" if isinstance(target, Workspace) else "billit_hook"
    return f"{settings.PUBLIC_URL}{reverse(name, args=['-']).removesuffix('-/')}"


def _named(target: Workspace | Company) -> str:
    return f"workspace {target.remote_id}" if isinstance(target, Workspace) else f"company {target.party_id}"


def _tell(target: Workspace | Company, data: dict[str, object], by: Actor, now: datetime) -> None:
    row = target.connection
    record(
        firm=target.firm, news=[News("connection_changed", f"connection {row.service} {row.key}", data)], by=by, now=now
    )


def hash_of(token: str) -> str:
    """What is looked up for the token of an address, in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()
