"""A connection that fails again and again is left alone for a while (design section 7: an open circuit means later).

Workers ask before they call; a person's own command always tries. Any good call closes the circuit.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from django.db.models import F

from integrations.clients.http.failures import Code, Message
from integrations.clients.http.transport import NoAnswer, QuotaExhausted, RetryLater, ServiceError
from integrations.connections.stopping import Stopping
from integrations.models import Connection

OPENS_AFTER = 5
"""Failures in a row."""

FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(minutes=15)

SPREAD = 0.2
"""By what part a rest is longer or shorter: not all connections of an outage come back in the same second."""


def check(connection: Connection, *, now: datetime) -> None:
    """Raises ``RetryLater`` while the connection is left alone; nothing was sent."""
    row = Connection.objects.only("rest_until", "failures", "service", "key").get(pk=connection.pk)
    if (error := rest(row, now=now)) is not None:
        raise error


def rest(row: Connection, *, now: datetime) -> RetryLater | None:
    """What ``check`` raises, as the row has it."""
    # A rest that lies further away than any was written by a wrong clock.
    if row.rest_until is not None and now < row.rest_until <= now + LONGEST_REST * (1 + SPREAD):
        facts = {"connection": str(row), "n": row.failures, "at": row.rest_until.isoformat()}
        message = Message(Code.CONNECTION_RESTS, facts)
        return RetryLater(message, after=(row.rest_until - now).total_seconds())
    return None


def note(connection: Connection, *, answered: bool, failure: ServiceError | None, now: datetime) -> None:
    """After calls: whether one of them was answered, and the error of the last one. A silence is counted."""
    silent = failure is not None and _is_the_service(failure)
    if answered or not silent:
        _worked(connection)
    if silent:
        _failed(connection, now)


def _is_the_service(error: ServiceError) -> bool:
    """A refusal is an answer; only silence, 5xx and nonsense say that the service itself is unwell."""
    if isinstance(error, NoAnswer):
        return error.status != 409
    return isinstance(error, RetryLater) and not isinstance(error, (QuotaExhausted, Stopping))


def _failed(connection: Connection, now: datetime) -> None:
    Connection.objects.filter(pk=connection.pk).update(failures=F("failures") + 1)
    failures = Connection.objects.values_list("failures", flat=True).get(pk=connection.pk)
    if failures >= OPENS_AFTER:
        rest = min(LONGEST_REST, FIRST_REST * 2 ** min(failures - OPENS_AFTER, 10))
        rest *= random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311 - no secret
        Connection.objects.filter(pk=connection.pk).update(rest_until=now + rest)


def _worked(connection: Connection) -> None:
    resting = Connection.objects.filter(pk=connection.pk, failures__gt=0)
    resting.update(failures=0, rest_until=None)
