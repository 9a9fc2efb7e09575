"""Whether the site is alive and can do its work (design section 10), for the machine that watches it: no detail."""

from __future__ import annotations

from datetime import datetime

from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Min, Q
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from integrations.models import Connection
from invoicing.models import Dossier

# A row that waits longer than this for a worker means that no worker is at work.
LATE_SECONDS = 15 * 60


@require_GET
def healthz(request: HttpRequest) -> JsonResponse:
    """Whether the process is alive."""
    return JsonResponse({"alive": True})


@require_GET
def readyz(request: HttpRequest) -> JsonResponse:
    """Whether the site can do its work: the database answers, the broker takes messages, and no due row waits for long.

    When it cannot, ``failing`` names the first of these: ``database``, ``broker`` or ``workers``.
    """
    checks = {"database": _database_answers, "broker": _broker_takes_messages, "workers": _workers_keep_up}
    for name, is_well in checks.items():
        if not is_well():
            return JsonResponse({"ready": False, "failing": name}, status=503)
    return JsonResponse({"ready": True})


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _broker_takes_messages() -> bool:
    try:
        with current_app.connection_for_write(transport_options=settings.PAGE_BROKER_OPTIONS) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            # A disk or a memory that is full answers all the same. Kombu's own transports do not know the question.
            if take_one := getattr(broker.default_channel, "take_one", None):
                take_one()
    except Exception:  # every transport has errors of its own, and each means the same here
        return False
    return True


def _workers_keep_up() -> bool:
    now = timezone.now()
    due = _oldest_due(now)
    return due is None or (now - due).total_seconds() < LATE_SECONDS


def _oldest_due(now: datetime) -> datetime | None:
    """Since when the row that waits longest for a worker is due; what waits on purpose does not count."""
    # A refused credential waits for a person, not for a worker.
    served = Connection.objects.served()
    dues = [
        Dossier.objects.due(now).filter(waiting="").aggregate(due=Min("due_at"))["due"],
        Dossier.objects.comparison_due(now).aggregate(due=Min("reconcile_at"))["due"],
        served.aggregate(due=Min("workspaces__next_sync_at", filter=Q(workspaces__next_sync_at__lte=now)))["due"],
        served.aggregate(due=Min("companies__next_sync_at", filter=Q(companies__next_sync_at__lte=now)))["due"],
    ]
    return min((due for due in dues if due is not None), default=None)
