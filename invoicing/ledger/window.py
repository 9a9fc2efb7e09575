"""How far back a workspace is read again before drafting (design section 8). Reads only."""

from __future__ import annotations

from datetime import date, timedelta

from django.db.models import Min, QuerySet
from django.db.models.functions import TruncMonth

from integrations.models import Workspace
from invoicing.ledger.agreements.fee_periods import counted_elsewhere, unlisted
from invoicing.models import Claim, LedgerRow

_State = LedgerRow.State


def uninvoiced_since(*, workspace: Workspace, today: date) -> date:
    """The first day of the window that is re-read before drafting: the earliest day with an hour that is not invoiced,
    and never later than the first of the month before, so that a tag taken off lately is noticed too.
    """
    month_before = _month_before(today)
    found: list[date | None] = [some.aggregate(first=Min("day"))["first"] for some in _waiting(workspace, month_before)]
    return min(month_before, *(day or month_before for day in found))


def months_that_wait(*, workspace: Workspace, today: date) -> set[date]:
    """The months (first days) with an hour that is not invoiced."""
    found = set[date]()
    for some in _waiting(workspace, _month_before(today)):
        found.update(some.order_by().values_list(TruncMonth("day"), flat=True).distinct())
    return found


def _waiting(workspace: Workspace, month_before: date) -> tuple[QuerySet[LedgerRow], ...]:
    waiting = [_State.RUNNING, _State.OPEN, _State.ATTENTION, _State.HELD, _State.ON_ACCOUNT, _State.DRAFTED]
    return (
        LedgerRow.objects.filter(dossier__workspace=workspace, state__in=waiting),
        # Covered hours that are on no line yet are listed on one, and counted, later.
        unlisted(Claim.objects.live()).filter(dossier__workspace=workspace),
        counted_elsewhere(workspace, month_before),
    )


def _month_before(today: date) -> date:
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)
