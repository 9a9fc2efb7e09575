"""The optional per-second limiter of both services; its 429 is a web server's HTML page, as Toggl's recorded one is, or
by switch a JSON string."""

from __future__ import annotations

import time

from integrations.sandbox.http.wire import Answer, RejectedError, html_answer, json_answer


class Pace:
    """A leaky bucket per key that holds one second's worth of requests."""

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, key: str, per_second: float, refusal: Answer | None = None) -> None:
        """Raises RejectedError with a 429 when the bucket of `key` is full; 0 means no limit."""
        if per_second <= 0:
            return
        moment = time.monotonic()
        level, seen = self._levels.get(key, (0.0, moment))
        level = max(0.0, level - (moment - seen) * per_second)
        if level + 1 > max(per_second, 1.0):
            self._levels[key] = (level, moment)
            raise RejectedError(refusal or too_many())
        self._levels[key] = (level + 1, moment)


def too_many(*, html: bool = True, retry_after: int = 0) -> Answer:
    """A 429; `retry_after` in seconds, 0 = no such header."""
    answer = html_answer(429, "429 Too Many Requests") if html else json_answer("Too Many Requests", 429)
    if retry_after:
        answer.headers["Retry-After"] = str(retry_after)
    return answer
