"""Calls that the imitations make by themselves: webhooks and pings, to loopback addresses only.

A change makes a job. The jobs of one request wait until its answer has left (or, by switch, go out before it); then a
thread sends them one after the other, again if their receiver did not answer 2xx and a retry is planned.
"""

from __future__ import annotations

import heapq
import http.client
import ipaddress
import itertools
import ssl
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from integrations.sandbox.http.clock import Clock, zulu
from integrations.sandbox.http.wire import Record, loads

_TIMEOUT_SECONDS = 10.0
_POLL_SECONDS = 0.05
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)  # until the job is noted
_ANSWER_KEPT = 2000  # bytes of the receiver's answer

Made = tuple[dict[str, str], bytes]  # headers and exact body of one attempt


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a receiver said: its status, None when there was none and `error` tells why."""

    status: int | None
    text: str = ""
    error: str = ""

    @property
    def good(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(slots=True)
class Job:
    """One call to make. `make` builds headers and body afresh for each attempt; `retries` are seconds to wait before
    each further one; `done` is told the last outcome, when no attempt follows."""

    service: str
    subject: str
    url: str
    make: Callable[[], Made]
    delay: float = 0.0
    retries: tuple[float, ...] = ()
    copies: int = 1
    early: bool = False
    reversed: bool = False
    done: Callable[[Outcome], None] | None = None
    due: datetime = _UNKNOWN
    record: Record = field(default_factory=dict)


def on_loopback(url: str) -> bool:
    """Whether an http or https address stays on this machine."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return False
    try:
        return parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname).is_loopback
    except ValueError:
        return False


def send(url: str, headers: dict[str, str], body: bytes, seconds: float = _TIMEOUT_SECONDS) -> Outcome:
    """One POST, no redirect followed. An address that is not on loopback is not called: nothing leaves the machine."""
    if not on_loopback(url):
        return Outcome(None, error="not sent: the sandbox calls loopback addresses only")
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname == "localhost" else str(parts.hostname)
    connection: http.client.HTTPConnection
    try:
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=context)
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=seconds)
    except ValueError as error:
        return Outcome(None, error=str(error))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target, body, {**headers, "Host": parts.netloc})
        answer = connection.getresponse()
        return Outcome(answer.status, answer.read(_ANSWER_KEPT).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Outcome(None, error=f"{type(error).__name__}: {error}")
    finally:
        connection.close()


class Deliveries:
    """The queue and the log of all calls that go out. `lock` is the sandbox's; times are the sandbox's clock."""

    def __init__(self, clock: Clock, lock: threading.RLock) -> None:
        self._clock = clock
        self._lock = lock
        self._queue: list[tuple[datetime, int, Job]] = []
        self._rows: list[Record] = []
        self._numbers = itertools.count(1)
        self._held = threading.local()
        self._wake = threading.Condition()
        self._tick: Callable[[], None] | None = None

    def start(self, tick: Callable[[], None]) -> None:
        """Starts the thread that sends; `tick` is asked about four times a second for what time alone makes due."""
        self._tick = tick
        threading.Thread(target=self._run, name="deliveries", daemon=True).start()

    # --- making jobs ------------------------------------------------------------------------------------------------

    def add(self, job: Job) -> None:
        """Takes a job of the request that this thread answers; `release` lets it go. It stands in the log from now on,
        so whoever has the answer of the request can wait for it."""
        due = self._clock.now() + timedelta(seconds=job.delay)
        for _ in range(max(1, job.copies)):
            twin = Job(job.service, job.subject, job.url, job.make, job.delay, job.retries)
            twin.early, twin.reversed, twin.done = job.early, job.reversed, job.done
            self._note(twin, due)
            self._of_this_thread().append(twin)

    def _of_this_thread(self) -> list[Job]:
        jobs: list[Job] | None = getattr(self._held, "jobs", None)
        if jobs is None:
            jobs = self._held.jobs = []
        return jobs

    def send_early(self) -> None:
        """Sends, in this thread, the jobs that are to arrive before the answer does. The sandbox's lock is not held."""
        jobs = self._of_this_thread()
        early = [job for job in jobs if job.early and not job.delay]
        jobs[:] = [job for job in jobs if not (job.early and not job.delay)]
        for job in early:
            self._attempt(job)

    def release(self) -> None:
        """Called when the answer has left: the jobs of this thread go into the queue."""
        jobs = self._of_this_thread()
        if not jobs:
            return
        if any(job.reversed for job in jobs):
            jobs.reverse()
        with self._wake:
            for job in jobs:
                heapq.heappush(self._queue, (job.due, next(self._numbers), job))
            self._wake.notify_all()
        jobs.clear()

    def call(self, service: str, subject: str, url: str, made: Made) -> Outcome:
        """Sends at once, from inside a request. The sandbox's lock, which this thread holds once, is let go meanwhile:
        the receiver may ask the sandbox something before it answers."""
        job = Job(service, subject, url, lambda: made)
        self._note(job, self._clock.now())
        self._lock.release()
        try:
            return self._attempt(job)
        finally:
            self._lock.acquire()

    # --- the log ----------------------------------------------------------------------------------------------------

    def _note(self, job: Job, due: datetime) -> None:
        job.due = due
        job.record = {"service": job.service, "subject": job.subject, "url": job.url, "due": zulu(due), "attempts": []}
        self._rows.append(job.record)

    def rows(self, service: str | None = None) -> list[Record]:
        """Every delivery with its attempts, oldest first; "due" is None when none follows."""
        return [row for row in list(self._rows) if service is None or row["service"] == service]

    def waiting(self, subject: str) -> bool:
        """Whether a delivery of this subject is still to be made."""
        return any(row["due"] is not None and row["subject"].startswith(subject) for row in list(self._rows))

    def clear(self) -> None:
        with self._wake:
            self._queue.clear()
            self._rows.clear()

    # --- sending ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        ticked = 0.0
        while True:
            if self._tick is not None and time.monotonic() - ticked > 0.25:
                try:
                    self._tick()
                except Exception:  # the thread must live on; whoever runs the sandbox is told
                    traceback.print_exc()
                self.release()
                ticked = time.monotonic()
            job = self._next()
            if job is not None:
                self._attempt(job)

    def _next(self) -> Job | None:
        """The first job that is due, after a short wait if there is none yet."""
        with self._wake:
            if not self._due():
                self._wake.wait(_POLL_SECONDS)
            return heapq.heappop(self._queue)[2] if self._due() else None

    def _due(self) -> bool:
        return bool(self._queue) and self._queue[0][0] <= self._clock.now()

    def _attempt(self, job: Job) -> Outcome:
        headers, body = job.make()
        at = self._clock.now()
        outcome = send(job.url, headers, body)
        again = not outcome.good and bool(job.retries)
        if not again and job.done is not None:
            with self._lock:
                job.done(outcome)
        attempt = {
            "at": zulu(at),
            "headers": headers,
            "body": body.decode("utf-8", "replace"),
            "status": outcome.status,
            "answer": outcome.text,
            "error": outcome.error,
        }
        job.record["attempts"] = [*job.record["attempts"], attempt]
        if not again:
            job.record["due"] = None
            return outcome
        due = at + timedelta(seconds=job.retries[0])
        job.retries = job.retries[1:]
        job.record["due"] = zulu(due)
        with self._wake:
            heapq.heappush(self._queue, (due, next(self._numbers), job))
        return outcome


def parsed(text: str) -> Record | None:
    """The JSON object of a receiver's answer, None for anything else."""
    try:
        value = loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
