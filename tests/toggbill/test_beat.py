"""Beat ticks on whatever the clock does (Celery's own scheduler is silent after a jump back)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from celery.beat import ScheduleEntry

from tests.worlds import NOW
from toggbill.beat import Scheduler
from toggbill.celery import app


@contextmanager
def _scheduler(folder: Path, sent: list[str]) -> Iterator[Scheduler]:
    made = Scheduler(app=app, schedule_filename=str(folder / "schedule"))

    def note(entry: ScheduleEntry, producer: object = None) -> None:
        sent.append(str(entry.name))

    made.__dict__.update(apply_entry=note, producer=None)  # no broker
    try:
        yield made
    finally:
        made._store.close()  # type: ignore[attr-defined]  # not `close`, which asks for the connection


def _in_a_minute(scheduler: Scheduler, clock: time_machine.Traveller, sent: list[str]) -> set[str]:
    """What is sent in a minute, beat asleep for as long as it says each time."""
    sent.clear()
    left = app.conf.beat_schedule["sync what is due"]["schedule"] + 2.0
    while left > 0:
        # Between two looks some time goes by, as on a machine.
        pause = min(max(scheduler.tick(), 0.02), left)
        clock.shift(timedelta(seconds=pause))
        left -= pause
    return set(sent)


ALL = set(app.conf.beat_schedule)


@pytest.mark.parametrize("days", [-2.0, -0.01, 2.0])
def test_beat_ticks_on_after_the_clock_was_set(days: float, tmp_path: Path) -> None:
    sent: list[str] = []
    with time_machine.travel(NOW, tick=False) as clock, _scheduler(tmp_path, sent) as scheduler:
        assert _in_a_minute(scheduler, clock, sent) >= ALL
        clock.shift(timedelta(days=days))
        assert _in_a_minute(scheduler, clock, sent) >= ALL
        assert _in_a_minute(scheduler, clock, sent) >= ALL


def test_beat_that_is_started_after_the_clock_was_set_back_ticks(tmp_path: Path) -> None:
    """The file in which beat keeps its latest runs is of the future then."""
    sent: list[str] = []
    with time_machine.travel(NOW + timedelta(days=2), tick=False) as clock, _scheduler(tmp_path, sent) as scheduler:
        _in_a_minute(scheduler, clock, sent)
    with time_machine.travel(NOW, tick=False) as clock, _scheduler(tmp_path, sent) as scheduler:
        assert _in_a_minute(scheduler, clock, sent) >= ALL


def test_ticks_keep_their_distance(tmp_path: Path) -> None:
    sent: list[str] = []
    with time_machine.travel(NOW, tick=False) as clock, _scheduler(tmp_path, sent) as scheduler:
        _in_a_minute(scheduler, clock, sent)
        counts: dict[str, int] = {}
        for _ in range(3):
            _in_a_minute(scheduler, clock, sent)
            counts = {name: counts.get(name, 0) + sent.count(name) for name in ALL}
    assert all(count <= 4 for count in counts.values()), counts


def test_settings_name_this_scheduler() -> None:
    assert app.conf.beat_scheduler == "toggbill.beat:Scheduler"
