"""The operator's looks: who runs the site sees every firm's rows, and the firm sees in its log that they did.

One event for each operator, firm, kind of rows and hour: what is opened again within the hour is no news.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import models, transaction

from toggbill.firms.audit import Actor, News, record
from toggbill.firms.locks import lock_firm
from toggbill.firms.models import AuditEvent, Firm, FirmOwned, Membership, User

SAID_ONCE_IN = timedelta(hours=1)


def record_look(*, operator: User, shown: Iterable[models.Model], by: Actor, now: datetime) -> None:
    """Write into the log of each firm, of which the operator is no member, that its rows were shown."""
    found: dict[str, set[int]] = {}
    for row in shown:
        found.setdefault(row._meta.label_lower, set()).update(_firms_of(row))
    own = set(Membership.objects.filter(user=operator).values_list("firm", flat=True)) if found else set()
    for label, firms in found.items():
        for pk in sorted(firms - own):
            _record(pk, operator, label, by, now)


def _firms_of(row: models.Model) -> set[int]:
    if isinstance(row, FirmOwned):
        return {row.firm_id}
    if isinstance(row, User):
        return set(Membership.objects.filter(user=row).values_list("firm", flat=True))
    return {row.pk} if isinstance(row, Firm) else set()


def _record(firm: int, operator: User, label: str, by: Actor, now: datetime) -> None:
    news = News("operator_looked", f"operator {operator.email}"[:200], {"rows": label})
    said = AuditEvent.objects.filter(
        firm=firm, subject=news.subject, type=news.type, data__rows=label, at__gt=now - SAID_ONCE_IN
    )
    if said.exists():
        return
    with transaction.atomic():
        # Two pages that are opened at once say it once.
        row = Firm.objects.get(pk=firm)
        lock_firm(row)
        if not said.exists():
            record(firm=row, news=[news], by=by, now=now)
