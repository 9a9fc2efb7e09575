"""Toggl's hourly budgets: per user and organisation, and per user for calls about the user.

A window opens at its first call and closes 3600 s later (support article on API limits); an exhausted one answers 402.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from integrations.sandbox.http.clock import Clock
from integrations.sandbox.http.switches import Switches
from integrations.sandbox.http.wire import Answer, RejectedError, json_answer

WINDOW = timedelta(hours=1)
USER_LIMIT = 30
# Enterprise is agreed per customer; 1200 is only a stand-in.
PLAN_LIMITS = {"free": 30, "starter": 240, "premium": 600, "enterprise": 1200}

Key = tuple[int, int | None]  # user id, organisation id or None for the user's own bucket


@dataclass(slots=True)
class Window:
    closes: datetime
    remaining: int


class Quota:
    def __init__(self, clock: Clock, switches: Switches) -> None:
        self._clock = clock
        self._switches = switches
        self._windows: dict[Key, Window] = {}

    def window(self, key: Key, limit: int) -> Window | None:
        """The open window of a bucket, None before its first call and after its end."""
        window = self._windows.get(key)
        return window if window and window.closes > self._clock.now() else None

    def set(self, key: Key, remaining: int, resets_in: int) -> None:
        self._windows[key] = Window(self._clock.now() + timedelta(seconds=resets_in), remaining)

    def charge(self, key: Key, limit: int) -> dict[str, str]:
        """Takes one request from the bucket and gives the headers that describe it.
        Raises RejectedError with a 402 when nothing is left."""
        window = self.window(key, limit)
        if window is None:
            window = self._windows[key] = Window(self._clock.now() + WINDOW, limit)
        seconds = max(1, round((window.closes - self._clock.now()).total_seconds()))
        if window.remaining <= 0 and self._switches["toggl_quota_enforced"]:
            raise RejectedError(self._exhausted(seconds))
        window.remaining -= 1
        return _told(window.remaining, seconds)

    def refund(self, key: Key) -> dict[str, str]:
        """Gives one request back (by switch: whether a refused one counts is not known); gives the new headers."""
        window = self._windows[key]
        window.remaining += 1
        return _told(window.remaining, max(1, round((window.closes - self._clock.now()).total_seconds())))

    def _exhausted(self, seconds: int) -> Answer:
        text = f"You have hit your hourly limit for API calls. {_ENDINGS[self._switches['toggl_quota_text']]}"
        text = text.format(seconds=seconds)
        if self._switches["toggl_quota_body"] == "bare":
            return Answer(402, text.encode(), {"Content-Type": "text/plain; charset=utf-8", **_told(0, seconds)})
        return json_answer(text, 402, _told(0, seconds))


# The three wordings that were met.
_ENDINGS = {
    "will_reset": "The quota will reset in {seconds} seconds.",
    "your_quota": "Your quota will reset in {seconds} seconds.",
    "upgrade": "Please upgrade to a paid plan to increase your limit.",
}


def _told(remaining: int, seconds: int) -> dict[str, str]:
    return {"X-Toggl-Quota-Remaining": str(remaining), "X-Toggl-Quota-Resets-In": str(seconds)}
