"""When the books are compared with Toggl and Billit: each night, and when a person asks for it.

The dossier's row says when it is due (design D4): some time between one and five at night in the firm's time zone, the
dossiers of one workspace together, so that it is read once. What cannot be asked now is asked later.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Min, Q

from integrations.clients.http.failures import Message
from integrations.clients.http.transport import BadCredentials, Refused, RetryLater, ServiceError
from integrations.connections.tokens import Resting
from integrations.mirror import sync
from invoicing.models import Dossier
from invoicing.models.problems import columns
from invoicing.reconciliation import reconcile
from invoicing.rules import schedule
from toggbill.firms.locks import lock_rows

logger = logging.getLogger(__name__)
LEASE = timedelta(minutes=30)
BUSY_AFTER = timedelta(minutes=1)
RETRY_AFTER = timedelta(minutes=30)
LONGEST_WAIT = timedelta(minutes=5)
_NIGHT_BEGINS = timedelta(hours=1)
_NIGHT_MINUTES = 240
_STEP = 37  # has no divisor in common with the minutes: neighbouring workspaces lie far apart


def ask(*, dossier: Dossier, now: datetime) -> bool:
    """A person wants the comparison now; False when it was asked for in the last minute, or is under way."""
    asked = Dossier.objects.filter(
        Q(reconcile_asked_at__isnull=True) | Q(reconcile_asked_at__lte=now - BUSY_AFTER), pk=dossier.pk
    )
    return bool(asked.update(reconcile_at=now, reconcile_asked_at=now))


def is_under_way(dossier: Dossier, now: datetime) -> bool:
    """Whether a person who asked may wait for it: it was not put off, and has not been waiting for long."""
    asked = dossier.reconcile_asked_at
    return asked is not None and not dossier.reconcile_problem and now - asked < LONGEST_WAIT


def take_due(*, now: datetime) -> list[int]:
    """A dossier (row id) of each workspace that has one due. Gives those a night that have none yet."""
    for dossier in Dossier.objects.without_comparison().select_related("firm"):
        Dossier.objects.filter(pk=dossier.pk, reconcile_at__isnull=True).update(reconcile_at=next_night(dossier, now))
    due = Dossier.objects.comparison_due(now).values("workspace").annotate(first=Min("pk"))
    return list(due.values_list("first", flat=True))


def serve(*, dossier: Dossier, now: datetime) -> reconcile.Report | None:
    """Compare a dossier that is due with both services, and with it the others of its workspace that are due.

    None when it was not due any more, or when a service could not be asked: then the row says when it is tried again,
    and why. The due rows are claimed: a second worker finds nothing to do.
    """
    until = now + LEASE
    claimed = _claimed(dossier, until, now)
    if not claimed:
        return None
    background = all(row.reconcile_asked_at is None for row in claimed)
    try:
        report = reconcile.reconcile(dossiers=claimed, now=now, background=background)
    except sync.Busy as error:
        _later(claimed, until, now + BUSY_AFTER, error.message)
    except (BadCredentials, Refused, Resting) as error:
        # A person has to do something first: no repeat in the same night will help.
        _later(claimed, until, next_night(dossier, now), error.message, still_asked=False)
    except ServiceError as error:
        wait = timedelta(seconds=error.after) if isinstance(error, RetryLater) and error.after else RETRY_AFTER
        _later(claimed, until, now + max(wait, BUSY_AFTER), error.message)
    else:
        keys = {row.pk: row.key for row in claimed}
        for broken in report.broken:
            month = f"{broken.month:%Y-%m}"
            logger.error("The books of dossier %s, %s, break a rule: %s", keys[broken.dossier], month, broken.told())
        # They share one workspace, so there is one trouble at most.
        trouble = next(iter(report.troubles), None)
        _later(claimed, until, next_night(dossier, now), trouble, still_asked=False)
        return report
    return None


def next_night(dossier: Dossier, now: datetime) -> datetime:
    """The dossier's moment of the coming night, in UTC. Those of one workspace have the same."""
    zone = dossier.firm.zone
    today = now.astimezone(zone).date()
    offset = _NIGHT_BEGINS + timedelta(minutes=dossier.workspace_id * _STEP % _NIGHT_MINUTES)
    tonight = schedule.starts_at(today, zone) + offset
    return tonight if tonight > now else schedule.starts_at(today + timedelta(days=1), zone) + offset


def _claimed(dossier: Dossier, until: datetime, now: datetime) -> list[Dossier]:
    """The dossier first: what another worker took is not taken apart."""
    together = Dossier.objects.comparison_due(now).filter(workspace=dossier.workspace_id)
    rows = list(
        together.select_related("firm", "workspace__connection", "workspace__firm", "company__connection").order_by(
            "pk"
        )
    )
    rows.sort(key=lambda row: row.pk != dossier.pk)
    if not rows or rows[0].pk != dossier.pk:
        return []
    claimed: list[Dossier] = []
    for row in rows:
        if Dossier.objects.filter(pk=row.pk, reconcile_at=row.reconcile_at).update(reconcile_at=until):
            claimed.append(row)
        elif not claimed:
            return []
    return claimed


@transaction.atomic
def _later(
    claimed: Sequence[Dossier], until: datetime, at: datetime, why: Message | None, *, still_asked: bool = True
) -> None:
    """When it is due again; a person who asked meanwhile is not forgotten."""
    ours = Dossier.objects.filter(pk__in=[row.pk for row in claimed], reconcile_at=until)
    lock_rows(ours)
    fields: dict[str, Any] = {"reconcile_at": at, **columns("reconcile_problem", why)}
    if not still_asked:
        fields["reconcile_asked_at"] = None
    ours.update(**fields)
