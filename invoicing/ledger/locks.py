"""The locks that verbs of the ledger share, and the marks that they leave under them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from integrations.models import Entry
from toggbill.firms.models import Firm

_CHUNK = 2000


def lock_log(firm: Firm) -> None:
    """Take the lock of the firm's log before rows that others lock under it: all verbs take them in this order."""
    Firm.objects.select_for_update(no_key=True).only("pk").get(pk=firm.pk)


def lock_entries(entries: QuerySet[Entry]) -> None:
    """Lock entries whose state is set here: who judges them at this moment is let finish, who comes later sees it.

    Otherwise a verdict that was read before the claim could be written after it. In the order of the mirror's ids, in
    which all lock them.
    """
    list(entries.order_by("remote_id").select_for_update(of=("self",), no_key=True).values_list("pk"))


@transaction.atomic
def mark(*, entries: Iterable[int], now: datetime) -> None:
    """Entries (row ids) that must be judged again. They are locked in the order in which the mirror writes them."""
    rows = list(entries)
    for start in range(0, len(rows), _CHUNK):
        part = Entry.objects.filter(pk__in=rows[start : start + _CHUNK])
        lock_entries(part)
        part.update(marked_at=now)
