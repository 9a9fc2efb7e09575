"""Faults that a test injects: no answer before or after the work, statuses, slowness, broken bodies."""

from __future__ import annotations

import random
import re
import threading
import time
from dataclasses import dataclass, field

from integrations.sandbox.wire import Answer, Record, Request, html_answer, json_answer

KINDS = (
    "timeout_before",
    "timeout_after",
    "cut_before",
    "cut_after",
    "status",
    "slow",
    "truncate",
    "html500",
)
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
        )
        # Reproducible chance for tests, not secrecy.
        fault.die = random.Random(record.get("seed", 0))  # noqa: S311
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
        elif self.kind == "timeout_before":
            return Answer(ending="hang", hang_seconds=self.seconds)
        elif self.kind == "cut_before":
            return Answer(ending="cut")
        elif self.kind == "html500":
            return html_answer(500, "500 Internal Server Error")
        elif self.kind == "status":
            if self.body is None or isinstance(self.body, str):
                return Answer(self.status, (self.body or "").encode(), dict(self.headers))
            return json_answer(self.body, self.status, self.headers)
        return None

    def after(self, answer: Answer) -> None:
        """The work is done; spoil its answer."""
        if self.kind == "timeout_after":
            answer.ending, answer.hang_seconds = "hang", self.seconds
        elif self.kind == "cut_after":
            answer.ending = "cut"
        elif self.kind == "truncate":
            answer.ending = "truncate"


class Faults:
    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def replace(self, records: list[Record]) -> None:
        faults = [Fault.read(record) for record in records]
        with self._lock:
            self._faults = faults

    def find(self, request: Request, tenants: set[str]) -> Fault | None:
        """The first fault that meets the request and fires; those after it do not see, nor count, that request."""
        with self._lock:
            for fault in self._faults:
                if fault.meets(request, tenants) and fault.fires():
                    return fault
        return None
