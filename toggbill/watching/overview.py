"""What runs in all firms, for the operator: what each kind of work waits for, and which firms are behind. No row of a
firm is shown: counts and ages alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Q, QuerySet

from integrations.mirror.sync import LEASE
from integrations.models import Company, Connection, Entry, Workspace
from integrations.models.connections import NOT_PAUSED, served_through
from invoicing.models import Dossier, Invoice
from toggbill.firms.models import Firm
from toggbill.watching import durations, waiting

MOST = 100
"""Firms that are shown: those whose work waits longest."""

_Status, _Delivery = Invoice.Status, Invoice.Delivery


@dataclass(slots=True)
class FirmRow:
    """A firm: how much is under way, waits and failed, and since when the oldest waits."""

    firm: Firm
    under_way: int = 0
    waits: int = 0
    failed: int = 0
    oldest: datetime | None = None

    def add(self, what: str, count: int, oldest: datetime | None = None) -> None:
        """Some more of ``under_way``, ``waits`` or ``failed``."""
        setattr(self, what, getattr(self, what) + count)
        if oldest is not None and (self.oldest is None or oldest < self.oldest):
            self.oldest = oldest


@dataclass(frozen=True, slots=True)
class Work:
    """A kind of work: its queue, and since when its oldest row is due."""

    name: str
    queue: str
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The page: each kind of work, firms with something to tell (longest wait first), the latest tick."""

    work: Sequence[Work]
    firms: Sequence[FirmRow]
    ticked: datetime | None


def of_all(*, now: datetime) -> Overview:
    """What runs, in a fixed number of queries."""
    work = [Work(name, waiting.WORK[name], oldest) for name, oldest in waiting.oldest(now).items()]
    return Overview(work, _firms(now), durations.latest("tick_"))


def _firms(now: datetime) -> list[FirmRow]:
    since, lease = now - LEASE, now - timedelta(seconds=settings.POSTING_LEASE_SECONDS)
    can_be = served_through("company__connection__")
    at_billit = Q(status=_Status.POSTING, posting_since__gte=lease) | Q(
        delivery=_Delivery.SENDING, sending_since__gte=lease
    )
    doubt = Q(status__in=[_Status.REFUSED, _Status.IN_DOUBT]) | Q(delivery__in=[_Delivery.FAILED, _Delivery.IN_DOUBT])
    broken = ~Q(failure=Connection.Failure.NONE) | Q(sign_in_lost_at__isnull=False)
    counted: list[tuple[str, QuerySet[Any], str | None]] = [
        ("under_way", Workspace.objects.filter(claimed_at__gte=since), None),
        ("under_way", Company.objects.filter(claimed_at__gte=since), None),
        ("under_way", Invoice.objects.filter(at_billit), None),
        ("waits", Workspace.objects.due(now, since), "next_sync_at"),
        ("waits", Company.objects.due(now, since), "next_sync_at"),
        ("waits", waiting.runs_due(now), "due_at"),
        ("waits", Dossier.objects.comparison_due(now), "reconcile_at"),
        ("waits", waiting.write_backs_due(now), "due_at"),
        ("waits", Entry.objects.marked(), "marked_at"),
        ("waits", waiting.annexes_alone(now), "approved_at"),
        ("waits", waiting.posts_asked().filter(can_be), "post_requested_at"),
        ("waits", waiting.sends_asked().filter(can_be), "send_requested_at"),
        ("failed", Connection.objects.standing().filter(broken, NOT_PAUSED), None),
        ("failed", Invoice.objects.filter(doubt), None),
    ]
    found: dict[int, FirmRow] = {}
    for what, rows, moment in counted:
        figures = {"n": Count("pk")} | ({"oldest": Min(moment)} if moment else {})
        told: list[dict[str, Any]] = list(rows.order_by().values("firm").annotate(**figures))
        for of_firm in told:
            row = found.setdefault(of_firm["firm"], FirmRow(Firm(pk=of_firm["firm"])))
            row.add(what, of_firm["n"], of_firm.get("oldest"))
    shown = sorted(found.values(), key=lambda row: (row.oldest is None, row.oldest, -row.failed))[:MOST]
    firms = Firm.objects.in_bulk([row.firm.pk for row in shown])
    for row in shown:
        row.firm = firms[row.firm.pk]
    return shown
