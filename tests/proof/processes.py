"""The product's own processes, started as in production, on the database and the broker that they are given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.db import connection

from integrations.sandbox.process import Process

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 480.0
"""Seconds in which whatever is waited for must come about, beside more other tests than the machine has cores.
What takes a minute alone took three of them there."""

LEASE = 3
"""Seconds of every lease and pause of the processes that are started here: longer than a turn takes beside other tests,
or what one worker does is taken for dead by the next one, again and again."""

_CELERY = [sys.executable, "-m", "celery", "-A", "toggbill", "--quiet"]
_WORKER = [
    *_CELERY,
    "worker",
    "-Q",
    "ticks,sync,post,send",
    "--pool",
    "threads",
    "--without-gossip",
    "--without-mingle",
]


@dataclass
class Place:
    """Where the processes work; ``redis_url`` "" is the broker of files in the folder."""

    database_url: str
    redis_url: str
    sandbox: Process
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """As design section 10 names it; everything that waits waits a second."""
        return {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "toggbill.settings",
            "DEBUG": "1",
            "VAR_DIR": str(self.folder),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "TOGGL_URL": self.sandbox.toggl_url,
            "BILLIT_API_URL": self.sandbox.billit_url,
            "TOGGL_REQUESTS_PER_SECOND": "0",
            "BILLIT_REQUESTS_PER_SECOND": "0",
            "TICK_SECONDS": "1",
            "POSTING_LEASE_SECONDS": str(LEASE),
            "IN_DOUBT_SECONDS": str(LEASE),
            # All threads at one company, so that they meet.
            "POSTS_AT_ONCE": "8",
            **self.settings,
        }

    @property
    def log(self) -> Path:
        """What the processes said."""
        return self.folder / "processes.log"

    def start(self, command: list[str]) -> subprocess.Popen[bytes]:
        """A process whose output goes to the log."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def worker(self, threads: int = 4) -> subprocess.Popen[bytes]:
        """A worker of all queues."""
        return self.start([*_WORKER, "-c", str(threads)])

    def beat(self) -> subprocess.Popen[bytes]:
        """A beat with a schedule file of its own: two of them are two."""
        schedule = self.folder / f"beat-{time.monotonic_ns()}"
        return self.start([*_CELERY, "beat", "--schedule", str(schedule)])

    @contextmanager
    def at_work(self, *, workers: int = 1, beats: int = 1) -> Iterator[None]:
        """So many workers and beats; in the end they are killed, as everything here must bear."""
        running = [self.worker() for _ in range(workers)] + [self.beat() for _ in range(beats)]
        try:
            yield
        finally:
            for process in running:
                kill(process)

    def until(self, met: Callable[[], object]) -> None:
        """Waits until something is met; fails with the end of the log.

        Between two questions it waits as long as the first took: the processes need the machine, too.
        """
        end, asked = time.monotonic() + PATIENCE, time.monotonic()
        while not met():
            answered = time.monotonic()
            assert answered < end, self.log.read_text(errors="replace")[-5000:] if self.log.exists() else ""
            time.sleep(max(0.05, answered - asked))
            asked = time.monotonic()


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL: it has no time for anything."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait(10)


def database_url() -> str:
    """The address of the database that this test runs on."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    login = f"{database['USER']}:{database['PASSWORD']}" if database["PASSWORD"] else database["USER"]
    return f"postgresql://{login}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
