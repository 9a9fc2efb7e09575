"""So much at once of a connection and a firm; what finds no turn free comes again, and a person's wish goes ahead."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any

import pytest
import time_machine
from celery.exceptions import Ignore, Retry
from pytest_django import Settings

from integrations.connections.pacing import turns
from integrations.connections.pacing.turns import Lane, turn
from integrations.models import Workspace
from integrations.tasks import sync_workspace
from tests.factories import NOW, WorkspaceFactory
from tests.queues import Queue
from toggbill.queues import PEOPLE

pytestmark = pytest.mark.django_db


def take(stack: ExitStack, lane: Lane = Lane.READ, *, connection: int, firm: int = 1) -> bool:
    return stack.enter_context(turn(lane, connection=connection, firm=firm))


def test_connection_has_one_turn_and_a_firm_two_over_all_its_connections() -> None:
    with ExitStack() as stack:
        assert [take(stack, connection=1), take(stack, connection=1)] == [True, False]
        assert [take(stack, connection=2), take(stack, connection=3)] == [True, False]
        assert take(stack, connection=4, firm=2), "another firm has turns of its own"
        assert take(stack, Lane.POST, connection=1), "posts do not wait for readings"
        assert turns.free(Lane.READ, connection=5, firm=1) == 0
        assert turns.free(Lane.READ, connection=5, firm=2) == 1
    assert turns.free(Lane.READ, connection=1, firm=1) == 1


def test_more_posts_at_once_where_it_was_agreed(settings: Settings) -> None:
    settings.POSTS_AT_ONCE = 3
    with ExitStack() as stack:
        assert [take(stack, Lane.POST, connection=1) for _ in range(4)] == [True, True, True, False]


def test_turn_that_fails_is_over() -> None:
    with pytest.raises(RuntimeError), turn(Lane.READ, connection=1, firm=1):
        raise RuntimeError("the worker's task failed")
    with turn(Lane.READ, connection=1, firm=1) as has_room:
        assert has_room


def test_turn_of_a_worker_that_died_ends_by_itself(clock: time_machine.Traveller, settings: Settings) -> None:
    clock.move_to(NOW)
    # Held by its name: else its end would be the end of the turn.
    died = turn(Lane.READ, connection=1, firm=1)
    assert died.__enter__()
    clock.shift(settings.POSTING_LEASE_SECONDS - 1)
    assert turns.free(Lane.READ, connection=1, firm=1) == 0
    clock.shift(2)
    with turn(Lane.READ, connection=1, firm=1) as has_room:
        assert has_room


def test_turn_that_took_too_long_does_not_end_the_next_ones(clock: time_machine.Traveller, settings: Settings) -> None:
    clock.move_to(NOW)
    with turn(Lane.READ, connection=1, firm=1):
        clock.shift(settings.POSTING_LEASE_SECONDS + 1)
        following = turn(Lane.READ, connection=1, firm=1)
        assert following.__enter__()
    assert turns.free(Lane.READ, connection=1, firm=1) == 0


def test_eight_threads_find_one_turn() -> None:
    begin, taken = threading.Barrier(8), threading.Barrier(8)
    found: list[bool] = []

    def work() -> None:
        begin.wait(20)
        with turn(Lane.READ, connection=1, firm=1) as has_room:
            found.append(has_room)
            taken.wait(20)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(found) == [False] * 7 + [True]


def test_person_who_waits_goes_ahead_where_there_is_no_turn() -> None:
    with ExitStack() as stack:
        take(stack, connection=1)
        assert stack.enter_context(turn(Lane.READ, connection=1, firm=1, always=True))
    assert turns.free(Lane.READ, connection=1, firm=1) == 1


def test_companies_of_a_connection_take_turns() -> None:
    served = []
    for _ in range(5):
        company = turns.after_latest(Lane.POST, connection=1, of=[30, 10, 20])[0]
        turns.note_latest(Lane.POST, connection=1, company=company)
        served.append(company)
    assert served == [10, 20, 30, 10, 20]


def _message(workspace: Workspace, **request: Any) -> Any:
    """The task as a worker runs it for a message."""
    sync_workspace.push_request(called_directly=False, args=[], kwargs={"workspace_id": workspace.pk}, **request)
    try:
        return sync_workspace(workspace_id=workspace.pk)
    finally:
        sync_workspace.pop_request()


def test_message_without_a_turn_comes_again_and_the_same_once_more_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = WorkspaceFactory(), WorkspaceFactory()
    served: list[int] = []
    monkeypatch.setattr(sync_workspace, "run", lambda *, workspace_id: served.append(workspace_id))
    monkeypatch.setattr(sync_workspace, "retry", lambda **how: Retry(when=how["countdown"]))
    with turn(Lane.READ, connection=one.connection_id, firm=one.firm_id):
        with pytest.raises(Retry):
            _message(one)
        with pytest.raises(Ignore):
            _message(one)
        _message(other)
        assert served == [other.pk], "another firm's connection goes on"
        _message(one, delivery_info={"priority": PEOPLE})
        assert served == [other.pk, one.pk], "somebody waits for it"
    _message(one)
    assert served == [other.pk, one.pk, one.pk]


def test_message_comes_again_however_often_it_finds_no_turn(queue: Queue) -> None:
    row = WorkspaceFactory()
    with turn(Lane.READ, connection=row.connection_id, firm=row.firm_id):
        sync_workspace.push_request(called_directly=False, args=[], kwargs={"workspace_id": row.pk}, retries=50)
        try:
            with pytest.raises(Retry):
                sync_workspace(workspace_id=row.pk)
        finally:
            sync_workspace.pop_request()
    assert queue.waiting() == [("sync", "integrations.tasks.sync_workspace", {"workspace_id": row.pk})]
