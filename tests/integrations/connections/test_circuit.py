"""A connection that fails again and again is left alone, and closes with the first good call."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.clients.http.failures import Code, Message
from integrations.clients.http.transport import (
    BadCredentials,
    NoAnswer,
    QuotaExhausted,
    Refused,
    RetryLater,
    ServiceError,
)
from integrations.connections.pacing import circuit
from integrations.models import Connection
from tests.factories import NOW, ConnectionFactory

pytestmark = pytest.mark.django_db


CUT = NoAnswer(Message(Code.OTHER, {"said": "cut"}))
NO = Message(Code.OTHER, {"said": "no"})


def _fail(connection: Connection, error: ServiceError, times: int = 1) -> None:
    for _ in range(times):
        circuit.note(connection, answered=False, failure=error, now=NOW)


def test_fifth_failure_in_a_row_opens_it_for_about_half_a_minute() -> None:
    connection = ConnectionFactory()
    _fail(connection, CUT, 4)
    circuit.check(connection, now=NOW)
    _fail(connection, RetryLater(NO))
    with pytest.raises(RetryLater, match="failed 5 times in a row") as caught:
        circuit.check(connection, now=NOW)
    assert caught.value.after is not None
    assert 24 <= caught.value.after <= 36
    circuit.check(connection, now=NOW + timedelta(seconds=37))


def test_each_further_failure_doubles_the_rest_up_to_a_quarter_of_an_hour() -> None:
    connection = ConnectionFactory()
    rests = []
    for _ in range(circuit.OPENS_AFTER + 8):
        _fail(connection, CUT)
        connection.refresh_from_db()
        rests.append(None if connection.rest_until is None else (connection.rest_until - NOW).total_seconds())
    assert rests[:4] == [None] * 4
    for rest, least in zip(rests[4:], [30, 60, 120, 240, 480, 900, 900, 900, 900], strict=True):
        assert rest is not None
        assert least * 0.8 <= rest <= least * 1.2


def test_good_call_closes_it() -> None:
    connection = ConnectionFactory()
    _fail(connection, CUT, 6)
    circuit.note(connection, answered=True, failure=None, now=NOW)
    circuit.check(connection, now=NOW)
    connection.refresh_from_db()
    assert (connection.failures, connection.rest_until) == (0, None)


def test_failures_after_an_answer_are_not_in_a_row() -> None:
    connection = ConnectionFactory()
    _fail(connection, CUT, 4)
    circuit.note(connection, answered=True, failure=CUT, now=NOW)
    connection.refresh_from_db()
    assert (connection.failures, connection.rest_until) == (1, None)


@pytest.mark.parametrize(
    "error",
    [
        Refused(NO, status=400),
        BadCredentials(NO),
        QuotaExhausted(NO, after=60),
        NoAnswer(NO, status=409),
    ],
    ids=lambda error: type(error).__name__,
)
def test_answer_that_says_no_is_no_failure_of_the_service(error: ServiceError) -> None:
    connection = ConnectionFactory()
    _fail(connection, error, circuit.OPENS_AFTER + 1)
    circuit.check(connection, now=NOW)


def test_a_rest_that_a_wrong_clock_wrote_is_none() -> None:
    connection = ConnectionFactory(failures=9, rest_until=NOW + timedelta(days=2))
    circuit.check(connection, now=NOW)
