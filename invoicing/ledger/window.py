"""How far back a workspace is read again before drafting (design section 8). Reads only."""

from __future__ import annotations

from datetime import date, timedelta

from django.db.models import Min

from integrations.models import Workspace
from invoicing.ledger.agreements.fee_periods import counted_elsewhere, unlisted
from invoicing.models import Claim, LedgerRow

_State = LedgerRow.State


def uninvoiced_since(*, workspace: Workspace, today: date) -> date:
    """The first day of the window that is re-read before drafting: the earliest day with an hour that is not invoiced,
    and never later than the first of the month before, so that a tag taken off lately is noticed too.
    """
    waiting = [_State.RUNNING, _State.OPEN, _State.ATTENTION, _State.HELD, _State.ON_ACCOUNT, _State.DRAFTED]
    month_before = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    rows = (
        LedgerRow.objects.filter(state__in=waiting),
        # Covered hours that are on no line yet are listed on one, and counted, later.
        unlisted(Claim.objects.live()),
        counted_elsewhere(month_before),
    )
    found: list[date | None] = [
        some.filter(entry__workspace=workspace).aggregate(first=Min("day"))["first"] for some in rows
    ]
    return min(month_before, *(day or month_before for day in found))
