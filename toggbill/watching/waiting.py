"""What waits, in the rows: since when the oldest of each kind of work is due, what is in doubt, what is behind.

Right with any number of processes and machines, since it is the database that says so. Each figure is one query that an
index bounds to the rows that wait, or one over a row for each firm, dossier, workspace, company, connection or quota.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Min, Q, QuerySet

from integrations.connections.pacing.quota import RESERVE
from integrations.models import Company, Connection, Entry, Quota, Workspace
from integrations.models.connections import NOT_PAUSED, served_through
from invoicing.annexes.freeze import lacking
from invoicing.due import write_backs
from invoicing.models import Agreement, Attempt, Dossier, Drift, Invoice, WriteBack
from invoicing.models.invoices.waiting import SEND_ASKED
from toggbill.firms.models import Firm

LATE_SECONDS = 15 * 60
"""A row that waits longer than this for a worker means that no worker is at work."""

RECENT = timedelta(hours=1)
_Status, _Delivery = Invoice.Status, Invoice.Delivery

WORK = {
    "sync_workspace": "sync",
    "sync_company": "sync",
    "run": "sync",
    "compare": "sync",
    "write_back": "sync",
    "derive": "ticks",
    "annex": "post",
    "post": "post",
    "read_orders": "post",
    "read_deliveries": "post",
    "send": "send",
    "mail": "send",
}
"""Kinds of work, and the queue that each waits in."""

READINGS = ("sync_workspace", "sync_company", "run", "compare")
"""Those that wait for a worker alone: late ones mean that none is at work."""


def posts_asked() -> QuerySet[Invoice]:
    """Approved invoices that somebody wants posted."""
    return Invoice.objects.filter(status=_Status.APPROVED, post_requested_at__isnull=False)


def sends_asked() -> QuerySet[Invoice]:
    """Posted invoices that somebody wants sent."""
    return Invoice.objects.posted().filter(SEND_ASKED)


def runs_due(now: datetime) -> QuerySet[Dossier]:
    """Dossiers whose run is due and waits for nothing but a worker."""
    return Dossier.objects.due(now).filter(waiting="")


def write_backs_due(now: datetime) -> QuerySet[WriteBack]:
    """Entries that are to get their tag in Toggl, or to lose it, and whose budget allows it."""
    return write_backs.rows_due(now=now)


def annexes_to_make(now: datetime) -> QuerySet[Invoice]:
    """Approved invoices that wait for their annex, and for nothing but a worker: not for a while after one failed."""
    return lacking().filter(Q(not_before__isnull=True) | Q(not_before__lte=now))


def annexes_alone(now: datetime) -> QuerySet[Invoice]:
    """Those of them that nobody has asked to post yet: where somebody has, the post waits with its annex."""
    return annexes_to_make(now).filter(post_requested_at__isnull=True)


def oldest(now: datetime, *, of: Collection[str] = tuple(WORK)) -> Mapping[str, datetime | None]:
    """Since when the oldest row of each kind of ``WORK``, or of some, waits; what waits on purpose, or for a person,
    does not.

    A post or a send counts from the moment at which it was asked for, an annex from that of the approval.
    """
    served = Connection.objects.served()
    can_be = served_through("company__connection__")
    asked: dict[str, Callable[[], datetime | None]] = {
        "sync_workspace": lambda: _first(served, "workspaces__next_sync_at", now),
        "sync_company": lambda: _first(served, "companies__next_sync_at", now),
        "run": lambda: _least(runs_due(now), "due_at"),
        "compare": lambda: _least(Dossier.objects.comparison_due(now), "reconcile_at"),
        "write_back": lambda: _least(write_backs_due(now), "due_at"),
        "derive": lambda: _least(Entry.objects.marked(), "marked_at"),
        "annex": lambda: _least(annexes_to_make(now), "approved_at"),
        "post": lambda: _least(posts_asked().filter(can_be), "post_requested_at"),
        "read_orders": lambda: _least(Company.objects.orders_due(now), "orders_due_at"),
        "read_deliveries": lambda: _least(Invoice.objects.posted().delivery_due(now), "delivery_due_at"),
        "send": lambda: _least(sends_asked().filter(can_be), "send_requested_at"),
        "mail": lambda: _mails(now),
    }
    return {work: asked[work]() for work in of}


def _mails(now: datetime) -> datetime | None:
    """The oldest of the mails that are due: on drafts, blocks and deliveries, on the week, on budgets. Four queries."""
    at_work = Firm.objects.filter(closed_at__isnull=True)
    of_firms = at_work.aggregate(
        week=Min("digest_due_at", filter=Q(digest_due_at__lte=now)),
        budgets=Min("budgets_due_at", filter=Q(budgets_due_at__lte=now)),
    )
    found = [
        _least(Dossier.objects.filter(firm__closed_at__isnull=True), "tell_drafts_at"),
        _least(Agreement.objects.filter(firm__closed_at__isnull=True), "tell_left_at"),
        _least(Invoice.objects.delivery_to_tell(), "tell_delivery_at"),
        *of_firms.values(),
    ]
    return min((moment for moment in found if moment is not None), default=None)


def _least(rows: QuerySet[Any], column: str) -> datetime | None:
    moment: datetime | None = rows.order_by().aggregate(at=Min(column))["at"]
    return moment


def _first(rows: QuerySet[Connection], path: str, now: datetime) -> datetime | None:
    moment: datetime | None = rows.aggregate(at=Min(path, filter=Q(**{f"{path}__lte": now})))["at"]
    return moment


def doubts() -> Mapping[tuple[str, bool], int]:
    """How many posts and sends are in doubt; those that a person has to decide (True) apart."""
    found = {(intent, person): 0 for intent in ("post", "send") for person in (False, True)}
    posts = Invoice.objects.filter(status=_Status.IN_DOUBT).values_list("needs_person").annotate(n=Count("pk"))
    for person, count in posts.order_by():
        found["post", person] = count
    found["send", False] = Invoice.objects.filter(delivery=_Delivery.IN_DOUBT).count()
    return found


def attempts(now: datetime) -> Mapping[tuple[str, str], int]:
    """How many attempts of the latest hour came to which outcome, by intent."""
    recent = Attempt.objects.filter(finished_at__gt=now - RECENT).values_list("intent", "outcome")
    return {(intent, outcome): count for intent, outcome, count in recent.annotate(n=Count("pk")).order_by()}


def lag(now: datetime) -> Mapping[str, float]:
    """Seconds since the reading that is the longest ago, of workspaces and of companies that workers may read. One that
    was never read, and has a dossier, counts from when that was made."""
    found = {}
    for name, rows in (("workspace", Workspace.objects.served()), ("company", Company.objects.served())):
        never = Min("dossiers__created_at", filter=Q(synced_at__isnull=True))
        moments = [moment for moment in rows.aggregate(read=Min("synced_at"), never=never).values() if moment]
        found[name] = (now - min(moments)).total_seconds() if moments else 0.0
    return found


def quotas(now: datetime) -> tuple[int | None, int]:
    """The fewest calls that any of Toggl's budgets has left, and how many have no more than the reserve for people."""
    rows = Quota.objects.filter(resets_at__gt=now, connection__in=Connection.objects.standing())
    told = rows.aggregate(fewest=Min("remaining"), spent=Count("pk", filter=Q(remaining__lte=RESERVE)))
    return told["fewest"], told["spent"]


def findings() -> Mapping[str, int]:
    """Open differences with Toggl and Billit, by kind."""
    found = Drift.objects.unanswered().values_list("kind").annotate(n=Count("pk")).order_by()
    return dict.fromkeys(Drift.Kind.values, 0) | dict(found)


def connections() -> Mapping[str, int]:
    """Connections by how they are: ``works``, ``broken``, ``paused``."""
    broken = ~Q(failure=Connection.Failure.NONE) | Q(sign_in_lost_at__isnull=False)
    at_work = NOT_PAUSED
    told: Mapping[str, int] = Connection.objects.standing().aggregate(
        works=Count("pk", filter=at_work & ~broken),
        broken=Count("pk", filter=at_work & broken),
        paused=Count("pk", filter=~at_work),
    )
    return told
