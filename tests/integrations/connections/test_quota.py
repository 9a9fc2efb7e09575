"""Toggl's hourly budgets and the spacing of requests, kept in the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection as database

from integrations.clients.http.transport import QuotaExhausted
from integrations.connections import stopping
from integrations.connections.opening import open_billit, open_toggl
from integrations.connections.pacing import quota
from integrations.models import Company, Connection, Quota
from integrations.sandbox.process import Process
from tests.factories import ConnectionFactory
from tests.worlds import COMPANY, ORGANIZATION, TOKEN, WORKSPACE, small_world

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def noted(connection: Connection, remaining: int, *, organization: int = 3001, resets_in: float = 600) -> None:
    quota.note(connection=connection, organization_id=organization, remaining=remaining, resets_in=resets_in, now=NOW)


def until(connection: Connection, *, background: bool, now: datetime = NOW, organization: int = 3001) -> Any:
    return quota.deferred_until(connection=connection, organization_id=organization, background=background, now=now)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("remaining", "background", "waits"),
    [
        (600, True, False),
        (6, True, False),
        (5, True, True),
        (1, True, True),
        (0, True, True),
        (5, False, False),
        (1, False, False),
        (0, False, True),
        (-1, False, True),
    ],
)
def test_background_work_leaves_a_reserve_of_five(remaining: int, background: bool, waits: bool) -> None:
    connection = ConnectionFactory()
    noted(connection, remaining)
    assert until(connection, background=background) == (NOW + timedelta(seconds=600) if waits else None)


@pytest.mark.django_db
def test_a_budget_of_which_nothing_is_known_is_not_waited_for() -> None:
    connection = ConnectionFactory()
    assert until(connection, background=True) is None
    assert quota.remaining(connection=connection, organization_id=3001, now=NOW) is None


@pytest.mark.django_db
def test_a_budget_is_full_again_at_its_reset_to_the_second() -> None:
    connection = ConnectionFactory()
    noted(connection, 0, resets_in=600)
    assert until(connection, background=False, now=NOW + timedelta(seconds=599)) == NOW + timedelta(seconds=600)
    assert until(connection, background=True, now=NOW + timedelta(seconds=600)) is None
    assert quota.remaining(connection=connection, organization_id=3001, now=NOW + timedelta(seconds=600)) is None


@pytest.mark.django_db
def test_each_organisation_and_each_connection_has_its_own_budget() -> None:
    connection, other = ConnectionFactory(), ConnectionFactory()
    noted(connection, 0)
    assert until(connection, background=False) == NOW + timedelta(seconds=600)
    assert until(connection, background=False, organization=3002) is None
    assert until(connection, background=False, organization=quota.USER_BUDGET) is None
    assert until(other, background=False) is None


@pytest.mark.django_db
def test_the_latest_answer_counts_and_there_is_one_row_of_each_budget() -> None:
    connection = ConnectionFactory()
    noted(connection, 599)
    noted(connection, 598, resets_in=590)
    row = Quota.objects.get()
    assert (row.remaining, row.resets_at, row.firm) == (598, NOW + timedelta(seconds=590), connection.firm)


@pytest.mark.django_db
def test_both_budgets_are_fed_by_the_headers_of_the_answers(sandbox: Process) -> None:
    sandbox.control.load(small_world(plan="starter"))
    connection = ConnectionFactory(secret=TOKEN)
    with open_toggl(connection, organization_id=ORGANIZATION, now=NOW) as api:
        api.workspaces()
        api.clients(WORKSPACE)
        api.clients(WORKSPACE)
    rows = {row.organization_id: (row.remaining, row.resets_at) for row in Quota.objects.all()}
    reset = NOW + timedelta(hours=1)
    assert rows == {quota.USER_BUDGET: (29, reset), ORGANIZATION: (238, reset)}


@pytest.mark.django_db
@pytest.mark.parametrize(("remaining", "background", "waits"), [(0, False, True), (5, True, True), (5, False, False)])
def test_owners_budget_is_asked_before_a_call_on_it(
    sandbox: Process, remaining: int, background: bool, waits: bool
) -> None:
    sandbox.control.load(small_world(plan="starter"))
    connection = ConnectionFactory(secret=TOKEN)
    noted(connection, remaining, organization=quota.USER_BUDGET)
    with open_toggl(connection, organization_id=ORGANIZATION, background=background, now=NOW) as api:
        if waits:
            with pytest.raises(QuotaExhausted, match="owner") as refused:
                api.workspaces()
            assert (refused.value.is_owners, refused.value.after) == (True, 600)
            assert api.calls == 0
        else:
            assert api.workspaces()
        assert api.clients(WORKSPACE), "those of the organisation go on"


@pytest.mark.django_db
def test_no_limit_means_no_waiting_function() -> None:
    assert quota.pace(ConnectionFactory(), 0) is None


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """What the requests wait, in seconds, while the clock stands still: their distance is that of the rows alone."""
    waited: list[float] = []
    monkeypatch.setattr(stopping, "sleep", waited.append)
    with time_machine.travel(NOW, tick=False):
        yield waited


def reserved(connection: Connection) -> timedelta:
    """How far the turns that were given reach from now on, as the connection's row has it."""
    connection.refresh_from_db(fields=["next_request_at"])
    assert connection.next_request_at is not None
    return connection.next_request_at - NOW


@pytest.mark.django_db
def test_requests_keep_their_distance(waits: list[float]) -> None:
    connection = ConnectionFactory()
    wait = quota.pace(connection, 20)
    assert wait is not None
    for _ in range(4):
        wait()
    assert waits == [0, 0.05, 0.1, 0.15]  # the first goes at once
    assert reserved(connection) == timedelta(milliseconds=200)


@pytest.mark.django_db(transaction=True)
def test_requests_of_two_workers_keep_their_distance_together(waits: list[float]) -> None:
    connection = ConnectionFactory()
    both = threading.Barrier(2)
    failures: list[BaseException] = []

    def worker() -> None:
        wait = quota.pace(connection, 20)
        assert wait is not None
        try:
            both.wait(timeout=20)
            for _ in range(50):
                wait()
        except BaseException as error:  # shown by the test, not lost with the thread
            failures.append(error)
        finally:
            database.close()

    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    assert sorted(waits) == pytest.approx([number * 0.05 for number in range(100)])  # a turn of its own for each
    assert reserved(connection) == timedelta(seconds=5)


@pytest.mark.django_db
def test_billits_requests_are_spaced_by_the_setting(sandbox: Process, settings: Any, waits: list[float]) -> None:
    sandbox.control.load(small_world())
    settings.BILLIT_REQUESTS_PER_SECOND = 20
    connection = ConnectionFactory(service="billit", secret="5ad1c0de-0000-4000-8000-000000000001")
    with open_billit(Company(connection=connection, party_id=COMPANY)) as api:
        for _ in range(3):
            list(api.products())
    assert waits == [0, 0.05, 0.1]
    assert reserved(connection) == timedelta(milliseconds=150)


@pytest.mark.wrong_clock
@pytest.mark.django_db
@pytest.mark.parametrize("days", [2, -2])
def test_a_worker_with_a_wrong_clock_holds_up_nobody(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock was two days off for a minute; neither it nor the others wait for that."""
    waited: list[float] = []
    monkeypatch.setattr(stopping, "sleep", waited.append)
    connection = ConnectionFactory()
    wait = quota.pace(connection, 1)
    assert wait is not None
    wait()
    with time_machine.travel(datetime.now(UTC) + timedelta(days=days)):
        wait()
    wait()
    assert len(waited) == 3
    assert all(0 <= seconds <= 3 for seconds in waited), waited


@pytest.mark.django_db
def test_a_turn_that_lies_further_away_than_any_is_none(waits: list[float]) -> None:
    connection = ConnectionFactory(next_request_at=NOW + timedelta(days=2))
    wait = quota.pace(connection, 1)
    assert wait is not None
    wait()
    assert waits == [0]
    assert reserved(connection) == timedelta(seconds=1)


@pytest.mark.django_db
def test_a_turn_that_is_far_away_is_asked_for_again_and_not_slept_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    connection = ConnectionFactory(next_request_at=NOW + timedelta(seconds=35))
    with time_machine.travel(NOW, tick=False) as clock:

        def sleep(seconds: float) -> None:
            waited.append(seconds)
            clock.shift(seconds)

        monkeypatch.setattr(stopping, "sleep", sleep)
        wait = quota.pace(connection, 1)
        assert wait is not None
        wait()
    assert waited == [10, 10, 10, 5]


@pytest.mark.django_db
def test_a_process_that_ends_sends_nothing_more_and_does_not_sleep_on() -> None:
    connection = ConnectionFactory(next_request_at=datetime.now(UTC) + timedelta(seconds=9))
    wait = quota.pace(connection, 1)
    assert wait is not None
    begun = time.monotonic()
    end = threading.Timer(0.3, stopping.ask)
    end.start()
    with pytest.raises(stopping.Stopping):
        wait()
    end.join()
    assert time.monotonic() - begun < 3


@pytest.mark.django_db
def test_a_reset_that_a_wrong_clock_wrote_is_not_waited_for() -> None:
    connection = ConnectionFactory()
    noted(connection, 0, resets_in=600)
    Quota.objects.update(resets_at=NOW + timedelta(days=2))
    assert until(connection, background=False) is None
    noted(connection, 0, resets_in=90_000)
    assert until(connection, background=False) == NOW + timedelta(hours=1), "the budgets are hourly"
