"""What the site keeps of itself: how long the workers' tasks take. It belongs to no firm and names none."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class TaskDuration(models.Model):
    """How many runs of a task ended within ``up_to`` milliseconds and no earlier bound, and their seconds together.

    Counted for ever, by all workers of all machines. ``slot``: a worker writes one of a few rows, so that they seldom
    wait for each other.
    """

    BEYOND = 0
    """``up_to`` of what took longer than every bound."""

    task = models.CharField(max_length=80)
    failed = models.BooleanField()
    up_to = models.PositiveIntegerField()
    slot = models.PositiveSmallIntegerField()
    count = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(default=0)
    latest_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["task", "failed", "up_to", "slot"], name="task_duration_once"),
        ]

    def __str__(self) -> str:
        return f"{self.task} {self.up_to}"
