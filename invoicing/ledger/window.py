"""How far back a workspace is read again before drafting (design section 8). Reads only."""

from __future__ import annotations

from datetime import date, timedelta

from django.db.models import Exists, Min, OuterRef, Q

from integrations.models import Workspace
from invoicing.models import Claim, LedgerRow

_State = LedgerRow.State


def uninvoiced_since(*, workspace: Workspace, today: date) -> date:
    """The first day of the window that is re-read before drafting: the earliest day with an hour that is not invoiced,
    and never later than the first of the month before, so that a tag taken off lately is noticed too.
    """
    rows = LedgerRow.objects.filter(entry__workspace=workspace)
    waiting = [_State.RUNNING, _State.OPEN, _State.ATTENTION, _State.HELD, _State.ON_ACCOUNT, _State.DRAFTED]
    # Covered hours that are on no line yet are listed on one, and counted, later.
    unlisted = Q(state=_State.COVERED) & ~Exists(Claim.objects.live().covered().filter(entry=OuterRef("entry")))
    found = rows.filter(Q(state__in=waiting) | unlisted)
    earliest: date | None = found.aggregate(first=Min("day"))["first"]
    month_before = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    return month_before if earliest is None else min(earliest, month_before)
