"""Sign-ins that were locked after bad tries, in the logs of the member's firms: within bounds, for anybody may try."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from toggbill.firms.audit import Actor, News, record
from toggbill.firms.identity.addresses import subject
from toggbill.firms.locks import lock_firm
from toggbill.firms.models import AuditEvent, Membership

SAID_IN_AN_HOUR = 10


def record_lock(*, member: Membership, by: Actor, now: datetime) -> None:
    """Write into the firm's log that a member's sign-in was locked: once an hour for a member, and bounded for a firm.

    The last of ``SAID_IN_AN_HOUR`` says that it is the last.
    """
    # Asked twice, so that who tries on and on does not hold the firm's row.
    if _left(member, now):
        _record(member, by, now)


def _left(member: Membership, now: datetime) -> int:
    """How many events the firm's log may still take, for this member."""
    since = now - timedelta(hours=1)
    said = AuditEvent.objects.filter(firm=member.firm_id, type="sign_in_locked", at__gt=since)
    subjects = list(said.values_list("subject", flat=True)[:SAID_IN_AN_HOUR])
    return 0 if subject(member.user.email) in subjects else SAID_IN_AN_HOUR - len(subjects)


@transaction.atomic
def _record(member: Membership, by: Actor, now: datetime) -> None:
    lock_firm(member.firm)
    if left := _left(member, now):
        news = News("sign_in_locked", subject(member.user.email), {"is_last_of_hour": left == 1})
        record(firm=member.firm, news=[news], by=by, now=now)
