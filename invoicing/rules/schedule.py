"""When a run is due and where it cuts off (design R8 and R9). All days are local days of the firm."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_EVERY = ("manual", "daily", "weekly", "monthly")
DAYS = {"weekly": (1, 7), "monthly": (1, 28)}
"""The first and the last day of a schedule that has one: of the week (Monday 1), of the month."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A dossier's schedule. `day` is the weekday 1-7 (Monday 1) of a weekly one, the day 1-28 of a monthly one, and
    does not count in the others. Raises ValueError for an unknown `every` and a day out of range."""

    every: str
    day: int | None = None

    def __post_init__(self) -> None:
        if self.every not in _EVERY:
            raise ValueError(f"Unknown schedule {self.every!r}: write one of {', '.join(_EVERY)}.")
        if self.every in DAYS:
            first, last = DAYS[self.every]
            if self.day is None or not first <= self.day <= last:
                raise ValueError(f"A {self.every} schedule needs a day from {first} to {last}, not {self.day}.")


def latest_due(schedule: Schedule, today: date, after: date | None) -> date | None:
    """The latest scheduled day from the day after `after` (None: ever) to `today`, or None when no run is due.

    Earlier days that were missed are not made up one by one: the latest cut-off covers them (design R9)."""
    due = _latest(schedule, today)
    return due if due is not None and (after is None or due > after) else None


def next_due(schedule: Schedule, today: date) -> date | None:
    """The first scheduled day after `today`, or None for a manual schedule."""
    latest = _latest(schedule, today)
    if latest is None:
        return None
    if schedule.every == "monthly":
        # No month is longer than 31 days, so that many from its first day on lie in the next month.
        return (latest.replace(day=1) + timedelta(days=31)).replace(day=latest.day)
    return latest + timedelta(days=7 if schedule.every == "weekly" else 1)


def _latest(schedule: Schedule, today: date) -> date | None:
    if schedule.every == "daily":
        return today
    if schedule.day is None or schedule.every == "manual":
        return None
    if schedule.every == "weekly":
        return today - timedelta(days=(today.isoweekday() - schedule.day) % 7)
    this_month = today.replace(day=schedule.day)
    if this_month <= today:
        return this_month
    return (today.replace(day=1) - timedelta(days=1)).replace(day=schedule.day)


def cut_off(due: date) -> date:
    """The last day that a run due on `due` bills: the day before."""
    return due - timedelta(days=1)


def starts_at(day: date, zone: tzinfo) -> datetime:
    """The instant in UTC at which a local day starts: midnight, or the first moment after it where clocks skip it."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)
