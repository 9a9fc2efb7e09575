"""Calls from Toggl and Billit that something changed. They hasten a reading, and nothing in them is believed.

Whoever knows the token of an address and not the signing secret is refused. Deliveries come twice, late, out of order
or not at all (neither service promises more), so the ticks read as ever and a call only makes them sooner.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime, timedelta

from integrations.connections.webhook_addresses import connection_of, hash_of, target_of
from integrations.models import Company, Webhook, Workspace

LARGEST = 256 * 1024
"""Bytes of a body (design section 10)."""

PAUSE = timedelta(minutes=3)
"""From one reading of a workspace to the next one that a call may bring: 20 an hour, and Toggl's Free plan has 30."""


def find(token: str) -> Webhook | None:
    """The webhook behind an address; None for one that nobody has."""
    rows = Webhook.objects.select_related("firm", "workspace__connection", "company__connection")
    return rows.filter(token_hash=hash_of(token)).first()


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
    target = target_of(webhook)
    if isinstance(target, Workspace):
        due = now if target.synced_at is None else max(now, target.synced_at + PAUSE)
        Workspace.objects.filter(pk=target.pk, next_sync_at__gt=due).update(next_sync_at=due)
    else:
        served = Company.objects.filter(pk=target.pk, next_sync_at__isnull=False)
        served.filter(orders_due_at__isnull=True).update(orders_due_at=now)
