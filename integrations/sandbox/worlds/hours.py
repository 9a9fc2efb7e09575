"""Time entries by the million: drawn one by one when they are needed, so that no list of records stands in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from integrations.sandbox.http.clock import BRUSSELS, zulu
from integrations.sandbox.http.wire import Record

FIRST_ENTRY = 4_300_000_001  # beyond 32 bits, as Toggl's real ids are
LARGEST_WORLD = 1_000_000


class Hour(NamedTuple):
    """One entry to be: moments are aware UTC, `stop` None while it runs."""

    user_id: int
    project_id: int | None
    description: str
    billable: bool
    tags: tuple[str, ...]
    start: datetime
    stop: datetime | None


class Hours:
    """The entries of a world as a sequence that is drawn anew, and the same, at each reading."""

    def __init__(self, count: int, workspace_id: int, draw: Callable[[], Iterator[Hour]]) -> None:
        self.workspace_id = workspace_id
        self._count = count
        self._draw = draw

    def __len__(self) -> int:
        return self._count

    def hours(self) -> Iterator[tuple[int, Hour]]:
        """Each entry with its id."""
        return enumerate(self._draw(), FIRST_ENTRY)

    def __iter__(self) -> Iterator[Record]:
        """The records that a world in a file would hold."""
        for number, hour in self.hours():
            yield {
                "id": number,
                "workspace_id": self.workspace_id,
                "user_id": hour.user_id,
                "project_id": hour.project_id,
                "description": hour.description,
                "billable": hour.billable,
                "tags": list(hour.tags),
                "start": zulu(hour.start),
                "stop": zulu(hour.stop) if hour.stop else None,
            }


def moments(first: date, last: date, count: int, now: datetime) -> Iterator[datetime]:
    """`count` starts spread evenly over the working days, 8:30 to 16:30 in Brussels, none later than two hours ago."""
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    working = [day for day in days if day.weekday() < 5] or [first]
    # The change to or from summer time falls on a Sunday night, so a day's minutes may be added in UTC.
    mornings = [datetime(day.year, day.month, day.day, 8, 30, tzinfo=BRUSSELS).astimezone(UTC) for day in working]
    minutes = [timedelta(minutes=minute) for minute in range(480)]
    latest = now.replace(microsecond=0) - timedelta(hours=2)
    for index in range(count):
        yield min(mornings[index * len(mornings) // count] + minutes[index * 7 % 480], latest)
