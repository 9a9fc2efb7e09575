"""The database's clock, which all workers share: what they wait for together is decided by it, not by their own.

A machine whose clock is two days ahead for a minute would otherwise leave moments in the rows for which every other
worker then waits two days. On SQLite all processes are on one machine, and have its clock.
"""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection
from django.utils import timezone


def now() -> datetime:
    """This moment, in UTC. Within a transaction it goes on, as a clock does."""
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment.astimezone(UTC)
