"""Beat, which only ticks (design D4): also after the clock was set back.

Celery counts from the moment of an entry's latest run, and keeps the entries in the order of their next one. When the
clock is set back by two days, all of that lies two days ahead, and beat is silent for so long.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry

SLACK = timedelta(seconds=1)
"""A latest run that lies further ahead was noted by a clock that was set back since."""


class Scheduler(PersistentScheduler):
    """`CELERY_BEAT_SCHEDULER` names it."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Sends one tick if one is due; gives the seconds until the next one."""
        ahead = [entry for entry in self.schedule.values() if self._is_ahead(entry)]
        for entry in ahead:
            entry.last_run_at = entry.default_now()
        if ahead or self._waits_too_long():
            # Made anew from the entries, whose moments are right again.
            self._heap = None
        seconds: float = super().tick(*args, **kwargs)
        return seconds

    def _is_ahead(self, entry: ScheduleEntry) -> bool:
        return entry.last_run_at is not None and entry.last_run_at - entry.default_now() > SLACK

    def _waits_too_long(self) -> bool:
        """Whether the next entry stands further away than the longest pause of those that come again and again."""
        ours: Any = self  # the stubs leave out the heap and what fills it
        pauses = [entry.schedule.run_every for entry in ours.schedule.values() if hasattr(entry.schedule, "run_every")]
        if not ours._heap or not pauses:
            return False
        event = ours._heap[0]
        return bool(event.time - ours._when(event.entry, 0) > (max(pauses) + SLACK).total_seconds())
