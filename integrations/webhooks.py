"""Calls from Toggl and Billit that something changed. They hasten a reading, and nothing in them is believed.

A firm opens them for a workspace or a company; the service is then told an address of ours with a secret token, and
signs what it delivers. Whoever knows the token and not the signing secret is refused. Deliveries come twice, late, out
of order or not at all (neither service promises more), so the ticks read as ever and a call only makes them sooner.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from integrations import subscriptions, sync
from integrations.models import Company, Connection, Webhook, Workspace
from integrations.subscriptions import Entity, Kind, Made
from integrations.transport import ServiceError
from toggbill.firms.audit import Actor, News, record

LARGEST = 256 * 1024
"""Bytes of a body (design section 10)."""

PAUSE = timedelta(minutes=3)
"""From one reading of a workspace to the next one that a call may bring: 20 an hour, and Toggl's Free plan has 30."""

_Topic = Webhook.Topic
# What Billit tells of: an order that changed (sent, paid), and the messages by which it is delivered.
_BILLIT: Mapping[_Topic, tuple[Entity, Kind]] = {
    _Topic.ORDERS: ("Order", "U"),
    _Topic.NEW_MESSAGES: ("Message", "I"),
    _Topic.MESSAGES: ("Message", "U"),
}


# --- a call comes in ------------------------------------------------------------------------------------------------


def find(token: str) -> Webhook | None:
    """The webhook behind an address; None for one that nobody has."""
    rows = Webhook.objects.select_related("workspace__connection", "company__connection")
    return rows.filter(token_hash=_hash(token)).first()


def toggl_signed(secret: str, body: bytes, header: str) -> bool:
    """Whether `X-Webhook-Signature-256` fits: `sha256=<hex>` over the raw body (Toggl docs: validating events)."""
    expected = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    return bool(secret) and hmac.compare_digest(expected.encode(), header.strip().lower().encode())


def billit_signed(secret: str, body: bytes, header: str) -> bool:
    """Whether `Billit-Signature` fits: `t=<seconds>,s=<hex>` over `<t>.<raw body>` (Billit docs: verify-signature).

    How old it may be is not asked: a call that is repeated brings a reading, and readings are spaced.
    """
    parts = re.fullmatch(r"t=([0-9]{1,20}),\s*s=([0-9a-f]{64})", header.strip().lower())
    if parts is None or not secret:
        return False
    expected = hmac.new(secret.encode(), parts[1].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts[2])


def hasten(*, webhook: Webhook, now: datetime) -> None:
    """Something changed: the workspace is read again soon, or the orders of the company are.

    Nothing happens while the connection is paused, nor where no reading is due at all (a firm that left). A reading
    that goes on at this moment sets its own next one, so at worst the change is read a quarter of an hour later.
    """
    Webhook.objects.filter(pk=webhook.pk).update(called_at=now)
    if connection_of(webhook).paused_at is not None:
        return
    target = _target(webhook)
    if isinstance(target, Workspace):
        due = now if target.synced_at is None else max(now, target.synced_at + PAUSE)
        Workspace.objects.filter(pk=target.pk, next_sync_at__gt=due).update(next_sync_at=due)
    else:
        served = Company.objects.filter(pk=target.pk, next_sync_at__isnull=False)
        served.filter(orders_due_at__isnull=True).update(orders_due_at=now)


def connection_of(row: Webhook) -> Connection:
    """The connection through which the webhook was opened."""
    return _target(row).connection


def _target(row: Webhook) -> Workspace | Company:
    target = row.workspace or row.company
    if target is None:  # a constraint of the table
        raise ValueError(f"webhook {row.pk} is of nothing")
    return target


# --- opening and closing --------------------------------------------------------------------------------------------


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
                error.args = (str(error).replace(row.token, "…"),)
                raise
            Webhook.objects.filter(pk=row.pk).update(remote_id=made.id, secret=made.secret)
            if not made.validated:
                raise ServiceError(
                    f"Toggl made the webhook of {target}, but did not accept our answer to its call, so it would "
                    f"never call. Check that {settings.PUBLIC_URL} can be reached from outside, then try again."
                )
    except ServiceError:
        _sweep_quietly(target)
        target.webhooks.all().delete()
        raise
    _tell(target, {"new": {"webhook": _named(target)}}, by, now)


def close_for(*, target: Workspace | Company, by: Actor, now: datetime) -> str:
    """Have the service tell us no more. Its address is dead at once; "" or why the service could not be told."""
    trouble = _sweep_quietly(target)
    with transaction.atomic():
        count, _ = target.webhooks.all().delete()
        if count:
            _tell(target, {"old": {"webhook": _named(target)}}, by, now)
    return trouble


def _make(target: Workspace | Company, topic: _Topic, now: datetime) -> Webhook:
    token = secrets.token_urlsafe(32)
    fields = {
        "firm_id": target.firm_id,
        "token": token,
        "token_hash": _hash(token),
        # Billit makes up its own and tells it when the webhook is made.
        "secret": secrets.token_urlsafe(32) if topic == _Topic.ENTRIES else "",
        "remote_id": None,
        "made_at": now,
        "called_at": None,
    }
    row, _is_new = target.webhooks.update_or_create(topic=topic, defaults=fields)
    return row


def _subscribe(row: Webhook) -> Made:
    target = _target(row)
    if isinstance(target, Workspace):
        with sync.asking_toggl(target) as api:
            return subscriptions.subscribe_to_entries(
                api,
                target.remote_id,
                # Unique in the workspace, in which another firm may have one too.
                description=f"toggbill {row.token_hash[:8]}",
                url=address(row),
                secret=row.secret,
            )
    entity, kind = _BILLIT[_Topic(row.topic)]
    with sync.asking_billit(target) as api:
        return subscriptions.subscribe_to_orders(api, entity=entity, kind=kind, url=address(row))


def _sweep(target: Workspace | Company) -> None:
    """End what calls us at the service for this workspace or company, and what calls an address that nobody has (an
    answer was lost once); those of other firms stay. Raises ``transport.ServiceError``."""
    prefix = _prefix(target)
    own = set(target.webhooks.values_list("token_hash", flat=True))

    def is_over(url: str) -> bool:
        if not url.startswith(prefix):
            return False
        token_hash = _hash(url.removeprefix(prefix).rstrip("/"))
        return token_hash in own or not Webhook.objects.filter(token_hash=token_hash).exists()

    if isinstance(target, Workspace):
        with sync.asking_toggl(target) as toggl:
            for remote_id, url in subscriptions.entry_subscriptions(toggl, target.remote_id).items():
                if is_over(url):
                    subscriptions.end_entry_subscription(toggl, target.remote_id, remote_id)
    else:
        with sync.asking_billit(target) as billit:
            for remote_id, url in subscriptions.order_subscriptions(billit).items():
                if is_over(url):
                    subscriptions.end_order_subscription(billit, remote_id)


def _sweep_quietly(target: Workspace | Company) -> str:
    try:
        _sweep(target)
    except ServiceError as error:
        return str(error)
    return ""


def forget(*, connection: Connection) -> None:
    """The addresses of a connection that is removed are dead: without its credential the service cannot be told."""
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


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
