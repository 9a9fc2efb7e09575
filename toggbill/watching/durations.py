"""How long tasks take, counted in rows: every worker of every machine adds to them, and whoever asks reads all."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import F, Max, Sum

from toggbill.models import TaskDuration

BOUNDS = (100, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000)
"""Milliseconds. One may be added; one that is taken away counts its rows among the next."""

_SLOTS = 8


def add(*, task: str, seconds: float, failed: bool, now: datetime) -> None:
    """A task has ended."""
    bound = next((each for each in BOUNDS if seconds * 1000 <= each), TaskDuration.BEYOND)
    key = {"task": task, "failed": failed, "up_to": bound, "slot": threading.get_ident() // 4096 % _SLOTS}
    rows = TaskDuration.objects.filter(**key)
    more = {"count": F("count") + 1, "seconds": F("seconds") + seconds, "latest_at": now}
    if not rows.update(**more):
        # Another worker may make it at this moment.
        TaskDuration.objects.bulk_create([TaskDuration(**key, latest_at=now)], ignore_conflicts=True)
        rows.update(**more)


@dataclass
class Durations:
    """All runs of a task with one end: how many ended within each bound (seconds, longer ones after it), and in all."""

    within: list[tuple[float, int]] = field(default_factory=list)
    count: int = 0
    seconds: float = 0.0


def read() -> dict[tuple[str, bool], Durations]:
    """By task, and whether it failed. One query, over some rows for each task."""
    counts: defaultdict[tuple[str, bool], dict[int, int]] = defaultdict(dict)
    found: defaultdict[tuple[str, bool], Durations] = defaultdict(Durations)
    rows = TaskDuration.objects.values_list("task", "failed", "up_to")
    for task, failed, up_to, count, seconds in rows.annotate(n=Sum("count"), s=Sum("seconds")).order_by():
        counts[task, failed][up_to] = count
        found[task, failed].count += count
        found[task, failed].seconds += seconds
    for key, by_bound in counts.items():
        found[key].within = [
            (bound / 1000, sum(n for up_to, n in by_bound.items() if TaskDuration.BEYOND < up_to <= bound))
            for bound in BOUNDS
        ]
    return dict(found)


def latest(prefix: str) -> datetime | None:
    """When a task whose name begins so ended last, on any machine."""
    moment: datetime | None = TaskDuration.objects.filter(task__startswith=prefix).aggregate(at=Max("latest_at"))["at"]
    return moment
