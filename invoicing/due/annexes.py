"""Annexes of hours that a worker has to make: a message was lost, an earlier try failed, or approval sent none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber

from invoicing.annexes.freeze import TOGETHER, lacking
from invoicing.models import Invoice


@transaction.atomic
def take_due(*, now: datetime, firm: int | None = None) -> list[Invoice]:
    """Approved invoices without the annex that their dossier wants: of each firm (or of one, row id) a turn's worth.

    They are not due again for the length of a lease, since a tick does not enqueue anew what still waits in the queue;
    one that failed is left alone for a while.
    """
    may = Q(not_before__isnull=True) | Q(not_before__lte=now)
    waiting = lacking().filter(may) if firm is None else lacking().filter(may, firm=firm)
    place = Window(RowNumber(), partition_by=F("firm"), order_by=F("pk").asc())
    chosen = waiting.annotate(place=place).filter(place__lte=TOGETHER).values_list("pk", flat=True)
    due = lacking().filter(may, pk__in=list(chosen)).order_by("pk").only("pk", "firm")
    found = list(due.select_for_update(no_key=True, of=("self",)))
    wait = now + timedelta(seconds=settings.POSTING_LEASE_SECONDS)
    Invoice.objects.filter(pk__in=[invoice.pk for invoice in found]).update(not_before=wait)
    return found


def portions(invoices: Iterable[Invoice]) -> list[list[int]]:
    """What is made together (row ids): at most so many, of one firm."""
    by_firm: defaultdict[int, list[int]] = defaultdict(list)
    for invoice in invoices:
        by_firm[invoice.firm_id].append(invoice.pk)
    starts = ((rows, start) for rows in by_firm.values() for start in range(0, len(rows), TOGETHER))
    return [rows[start : start + TOGETHER] for rows, start in starts]
