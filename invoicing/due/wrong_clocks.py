"""Moments that a wrong clock wrote too far ahead are brought back, so that nothing waits for them.

Rows are read by the database's clock (``toggbill.database.clock``), which may be set back, and people's clicks are
written by the clock of the web process. So each tick looks for moments that nobody writes when all is well: a pause
longer than any, and a beginning that lies ahead. What reads such a moment more often than ticks come looks for itself
(``connections.quota``, ``connections.circuit``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q

from integrations.clients.billit_sign_in import LONGEST_LIFE
from integrations.clients.http.transport import LONGEST_RETRY_AFTER
from integrations.connections import tokens
from integrations.connections.pacing import circuit, quota
from integrations.models import Company, Connection, Quota, Workspace
from invoicing.due import write_backs
from invoicing.due.order_changes import PAUSE
from invoicing.models import Attempt, Dossier, Invoice, WriteBack
from invoicing.posting.sending import way
from invoicing.rules import delivery
from toggbill.firms.locks import lock_rows

SLACK = timedelta(minutes=1)
"""By so much the clocks of healthy machines may differ."""

_STALE = timedelta(hours=1)
"""What was read at a moment that is wrong is taken for read so long ago."""

_RETRY = timedelta(seconds=LONGEST_RETRY_AFTER)


@dataclass(frozen=True, slots=True)
class Bound:
    """A column, and how far ahead the moment in it may lie; one beyond that becomes ``back`` before now."""

    model: type[models.Model]
    column: str
    ahead: timedelta = timedelta(0)
    back: timedelta = timedelta(0)
    only: Q = field(default_factory=Q)

    def beyond(self, now: datetime) -> Q:
        """The rows whose moment nobody writes when all is well."""
        return self.only & Q(**{f"{self.column}__gt": now + self.ahead + SLACK})


def bounds() -> Sequence[Bound]:
    """Every column for which something waits, those of one table together."""
    lease = timedelta(seconds=settings.POSTING_LEASE_SECONDS)
    doubt = timedelta(seconds=settings.IN_DOUBT_SECONDS)
    unanswered = Q(invoice__in=Invoice.objects.unanswered().values("pk"))
    return (
        Bound(Connection, "rest_until", circuit.LONGEST_REST * (1 + circuit.SPREAD)),
        Bound(Connection, "next_request_at", quota.LONGEST_TURN),
        Bound(Connection, "expires_at", timedelta(seconds=LONGEST_LIFE)),
        Bound(Connection, "renewal_until", tokens.RENEWAL_LEASE),
        Bound(Quota, "resets_at", quota.LONGEST_WINDOW),
        Bound(Workspace, "next_sync_at", _RETRY),
        Bound(Workspace, "claimed_at"),
        Bound(Workspace, "synced_at"),
        Bound(Workspace, "reread_at", back=_STALE),
        Bound(Workspace, "dictionaries_at", back=_STALE),
        Bound(Company, "next_sync_at", _RETRY),
        Bound(Company, "claimed_at"),
        Bound(Company, "synced_at"),
        Bound(Company, "orders_due_at", PAUSE),
        # Until the coming night, which may be an hour longer than others.
        Bound(Dossier, "reconcile_at", timedelta(hours=25)),
        Bound(Dossier, "reconcile_asked_at"),
        Bound(Invoice, "not_before", max(_RETRY, lease, doubt)),
        Bound(Invoice, "posting_since"),
        Bound(Invoice, "sending_since"),
        Bound(Invoice, "replacing_since"),
        Bound(Invoice, "way_asked_at", back=way.HOLDS),
        Bound(Invoice, "sent_at", only=Q(delivery=Invoice.Delivery.SENT)),
        Bound(Invoice, "delivery_due_at", delivery.DAILY),
        # What Toggl refused is asked again a week later all the same.
        Bound(WriteBack, "due_at", quota.LONGEST_WINDOW, only=Q(failure="")),
        Bound(WriteBack, "lease_until", write_backs.LEASE),
        Bound(Attempt, "started_at", only=unanswered),
        Bound(Attempt, "left_at", only=unanswered),
        Bound(Attempt, "finished_at", only=unanswered),
    )


def bring_back(*, now: datetime) -> int:
    """Mend every moment that lies too far ahead; returns how many rows had one. ``now`` is the database's."""
    count = 0
    for model, columns in groupby(bounds(), key=lambda bound: bound.model):
        count += _of_table(model, list(columns), now)
    return count + _runs_ahead(now)


def _of_table(model: type[models.Model], columns: Sequence[Bound], now: datetime) -> int:
    wrong = Q()
    for bound in columns:
        wrong |= bound.beyond(now)
    # What all of them ask is asked once, beside them: as a part of each the index for it would be of no use.
    (shared, *others) = {bound.only for bound in columns}
    rows = model._default_manager
    found = list(rows.filter(Q() if others else shared, wrong).values_list("pk", flat=True))
    if not found:
        return 0
    with transaction.atomic():
        lock_rows(rows.filter(pk__in=found))
        for bound in columns:
            rows.filter(bound.beyond(now), pk__in=found).update(**{bound.column: now - bound.back})
    return len(found)


def _runs_ahead(now: datetime) -> int:
    """Dossiers that were drafted for a day that has not come: the day is served when it does.

    That they were due is the only way in which the day of their next run can be wrong.
    """
    ahead = Dossier.objects.filter(scheduled_through__gt=now.date()).select_related("firm")
    found = [
        row for row in ahead if row.scheduled_through and row.scheduled_through > now.astimezone(row.firm.zone).date()
    ]
    for row in found:
        today = now.astimezone(row.firm.zone).date()
        Dossier.objects.filter(pk=row.pk, scheduled_through=row.scheduled_through).update(
            scheduled_through=today, due_at=now
        )
    return len(found)
