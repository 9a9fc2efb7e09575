"""Faults that a test or a visitor injects: no answer before or after the work, statuses, slowness, broken bodies.

A fault meets requests by service, method, path (a regular expression) and tenant (a PartyID, key or token), and fires
on the n-th of them, on so many, or by a seeded die.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from integrations.sandbox.http.pace import too_many
from integrations.sandbox.http.wire import Answer, Record, Request, html_answer, json_answer

# What each kind does. Those that name no work are answered before it, so that nothing has happened.
KINDS: dict[str, str] = {
    "timeout_before": "no answer; the work is not done",
    "timeout_after": "no answer, yet the work is done",
    "cut_before": "connection cut; the work is not done",
    "cut_after": "connection cut after the work is done",
    "html500": "500 with a web page",
    "html500_after": "500 with a web page, yet the work is done",
    "unavailable": "503",
    "too_many": "429, with Retry-After when retry_after is given",
    "quota": "402: the hourly budget is used up",
    "status": "any status, headers and body",
    "slow": "the right answer, late",
    "truncate": "half of the right answer",
    "empty": "200 with an empty body, the work done",
    "expire_token": "the credential expires",
}
_FIELDS = {
    "service",
    "method",
    "path",
    "tenant",
    "nth",
    "times",
    "probability",
    "seed",
    "kind",
    "status",
    "headers",
    "body",
    "seconds",
    "retry_after",
}


@dataclass(slots=True)
class Fault:
    """One scripted fault. `nth` fires on that matching request only, `times` on so many, `probability` by a seeded die;
    without any of them it fires on every match."""

    kind: str
    service: str | None = None
    method: str | None = None
    path: re.Pattern[str] | None = None
    tenant: str | None = None
    nth: int | None = None
    times: int | None = None
    probability: float | None = None
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: object = None
    seconds: float = 60.0
    retry_after: int | None = None
    die: random.Random = field(default_factory=random.Random)
    seen: int = 0
    fired: int = 0

    @classmethod
    def read(cls, record: Record) -> Fault:
        """Raises ValueError that names what is wrong with the record."""
        if unknown := set(record) - _FIELDS:
            raise ValueError(f"A fault has no field {', '.join(sorted(unknown))}; it has {', '.join(sorted(_FIELDS))}.")
        kind = record.get("kind")
        if kind not in KINDS:
            raise ValueError(f"The kind of a fault is one of {', '.join(KINDS)}, not {kind!r}.")
        pattern = record.get("path")
        fault = cls(
            kind=str(kind),
            service=record.get("service"),
            method=record.get("method"),
            path=re.compile(pattern) if pattern else None,
            tenant=None if record.get("tenant") is None else str(record["tenant"]),
            nth=record.get("nth"),
            times=record.get("times"),
            probability=None if record.get("probability") is None else float(record["probability"]),
            status=int(record.get("status", 503)),
            headers={str(name): str(value) for name, value in (record.get("headers") or {}).items()},
            body=record.get("body"),
            seconds=float(record.get("seconds", 1.0 if kind == "slow" else 60.0)),
            retry_after=None if record.get("retry_after") is None else int(record["retry_after"]),
        )
        # Reproducible chance for tests, not secrecy.
        fault.die = random.Random(record.get("seed", 0))  # noqa: S311 - no secret
        return fault

    def meets(self, request: Request, tenants: set[str]) -> bool:
        return (
            self.service in {None, request.service}
            and self.method in {None, request.method}
            and (self.path is None or self.path.search(request.path) is not None)
            and (self.tenant is None or self.tenant in tenants)
        )

    def fires(self) -> bool:
        self.seen += 1
        if self.nth is not None:
            due = self.seen == self.nth
        elif self.probability is not None:
            due = self.die.random() < self.probability
        else:
            due = True
        if due and self.times is not None and self.fired >= self.times:
            due = False
        self.fired += due
        return due

    def before(self) -> Answer | None:
        """The answer when the work is not to be done; slowness happens here too."""
        if self.kind == "slow":
            time.sleep(self.seconds)
            return None
        made = _BEFORE.get(self.kind)
        return made(self) if made else None

    def after(self, answer: Answer) -> Answer:
        """The work is done; spoil its answer."""
        if self.kind == "timeout_after":
            answer.ending, answer.hang_seconds = "hang", self.seconds
        elif self.kind == "cut_after":
            answer.ending = "cut"
        elif self.kind == "truncate":
            answer.ending = "truncate"
        elif self.kind == "html500_after":
            return html_answer(500, "500 Internal Server Error")
        elif self.kind == "empty":
            return Answer(200)
        return answer

    def told(self) -> Record:
        """The fault as the control plane shows it, with how often it was met and fired."""
        shown: Record = {"kind": self.kind, "seen": self.seen, "fired": self.fired}
        for name in ("service", "method", "tenant", "nth", "times", "probability"):
            if getattr(self, name) is not None:
                shown[name] = getattr(self, name)
        if self.path is not None:
            shown["path"] = self.path.pattern
        return shown


def _status(fault: Fault) -> Answer:
    if fault.body is None or isinstance(fault.body, str):
        return Answer(fault.status, (fault.body or "").encode(), dict(fault.headers))
    return json_answer(fault.body, fault.status, fault.headers)


def _quota(fault: Fault) -> Answer:
    seconds = fault.retry_after or 1800
    text = f"You have hit your hourly limit for API calls. The quota will reset in {seconds} seconds."
    return json_answer(text, 402, {"X-Toggl-Quota-Remaining": "0", "X-Toggl-Quota-Resets-In": str(seconds)})


_BEFORE: dict[str, Callable[[Fault], Answer]] = {
    "timeout_before": lambda fault: Answer(ending="hang", hang_seconds=fault.seconds),
    "cut_before": lambda fault: Answer(ending="cut"),
    "html500": lambda fault: html_answer(500, "500 Internal Server Error"),
    "unavailable": lambda fault: html_answer(503, "503 Service Unavailable"),
    "too_many": lambda fault: too_many(retry_after=fault.retry_after or 0),
    "quota": _quota,
    "status": _status,
}


class Faults:
    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def replace(self, records: list[Record]) -> None:
        faults = [Fault.read(record) for record in records]
        with self._lock:
            self._faults = faults

    def add(self, record: Record) -> None:
        """One more, after those that are there. Raises ValueError."""
        fault = Fault.read(record)
        with self._lock:
            self._faults.append(fault)

    def told(self) -> list[Record]:
        with self._lock:
            return [fault.told() for fault in self._faults]

    def find(self, request: Request, tenants: set[str]) -> Fault | None:
        """The first fault that meets the request and fires; those after it do not see, nor count, that request."""
        with self._lock:
            for fault in self._faults:
                if fault.meets(request, tenants) and fault.fires():
                    return fault
        return None
