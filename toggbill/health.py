"""Whether the site is alive and can do its work (design section 10), for the machine that watches it: no detail."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from toggbill.watching import broker, waiting


@require_GET
def healthz(request: HttpRequest) -> JsonResponse:
    """Whether the process is alive."""
    return JsonResponse({"alive": True})


@require_GET
def readyz(request: HttpRequest) -> JsonResponse:
    """Whether the site can do its work: the database answers, the broker takes messages, and no due row waits for long.

    When it cannot, ``failing`` names the first of these: ``database``, ``broker`` or ``workers``.
    """
    checks = {"database": _database_answers, "broker": broker.takes_messages, "workers": _workers_keep_up}
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


def _workers_keep_up() -> bool:
    now = timezone.now()
    # A credential that was refused waits for a person, not for a worker; and what Billit does not take now for Billit.
    dues = [moment for moment in waiting.oldest(now, of=waiting.READINGS).values() if moment]
    return not dues or (now - min(dues)).total_seconds() < waiting.LATE_SECONDS
