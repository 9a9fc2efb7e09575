"""The optional per-second limiter of both services; its 429 is a web server's HTML page, as Toggl's recorded one is."""

from __future__ import annotations

import time

from integrations.sandbox.wire import Answer, RejectedError, html_answer


class Pace:
    """A leaky bucket per key that holds one second's worth of requests."""

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, key: str, per_second: float) -> None:
        """Raises RejectedError with a 429 when the bucket of `key` is full; 0 means no limit."""
        if per_second <= 0:
            return
        moment = time.monotonic()
        level, seen = self._levels.get(key, (0.0, moment))
        level = max(0.0, level - (moment - seen) * per_second)
        if level + 1 > max(per_second, 1.0):
            self._levels[key] = (level, moment)
            raise RejectedError(too_many())
        self._levels[key] = (level + 1, moment)


def too_many() -> Answer:
    return html_answer(429, "429 Too Many Requests")
