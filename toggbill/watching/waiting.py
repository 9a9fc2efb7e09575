"""What waits, in the rows: since when the oldest of each kind of work is due, what is in doubt, what is behind.

Right with any number of processes and machines, since it is the database that says so. Each figure is one query that an
index bounds to the rows that wait, or one over a row for each workspace, company, connection or quota.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q, QuerySet

from integrations.connections.pacing.quota import RESERVE
from integrations.models import Company, Connection, Quota, Workspace
from integrations.models.connections import NOT_PAUSED, served_through
from invoicing.models import Attempt, Dossier, Drift, Invoice
from invoicing.models.invoices.waiting import SEND_ASKED

LATE_SECONDS = 15 * 60
"""A row that waits longer than this for a worker means that no worker is at work."""

RECENT = timedelta(hours=1)
_Status, _Delivery = Invoice.Status, Invoice.Delivery

WORK = {
    "sync_workspace": "sync",
    "sync_company": "sync",
    "run": "sync",
    "compare": "sync",
    "post": "post",
    "read_orders": "post",
    "read_deliveries": "post",
    "send": "send",
}
"""Kinds of work, and the queue that each waits in."""


def posts_asked() -> QuerySet[Invoice]:
    """Approved invoices that somebody wants posted."""
    return Invoice.objects.filter(status=_Status.APPROVED, post_requested_at__isnull=False)


def sends_asked() -> QuerySet[Invoice]:
    """Posted invoices that somebody wants sent."""
    return Invoice.objects.posted().filter(SEND_ASKED)


def runs_due(now: datetime) -> QuerySet[Dossier]:
    """Dossiers whose run is due and waits for nothing but a worker."""
    return Dossier.objects.due(now).filter(waiting="")


def oldest(now: datetime) -> Mapping[str, datetime | None]:
    """Since when the oldest row of each kind of ``WORK`` waits; what waits on purpose, or for a person, does not.

    A post or a send counts from the moment at which it was asked for.
    """
    served = Connection.objects.served()
    can_be = served_through("company__connection__")
    return {
        "sync_workspace": _first(served, "workspaces__next_sync_at", now),
        "sync_company": _first(served, "companies__next_sync_at", now),
        "run": runs_due(now).aggregate(at=Min("due_at"))["at"],
        "compare": Dossier.objects.comparison_due(now).aggregate(at=Min("reconcile_at"))["at"],
        "post": posts_asked().filter(can_be).aggregate(at=Min("post_requested_at"))["at"],
        "read_orders": Company.objects.orders_due(now).aggregate(at=Min("orders_due_at"))["at"],
        "read_deliveries": Invoice.objects.posted().delivery_due(now).aggregate(at=Min("delivery_due_at"))["at"],
        "send": sends_asked().filter(can_be).aggregate(at=Min("send_requested_at"))["at"],
    }


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
    """Seconds since the reading that is the longest ago, of workspaces and of companies that workers may read."""
    found = {}
    for name, rows in (("workspace", Workspace.objects.served()), ("company", Company.objects.served())):
        read = rows.filter(synced_at__isnull=False).aggregate(at=Min("synced_at"))["at"]
        found[name] = 0.0 if read is None else (now - read).total_seconds()
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
