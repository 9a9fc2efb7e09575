"""A thread that runs transactions on a connection of its own, halts them where a test says, and takes them back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection, connections

from tests.proof.locks import order

PATIENCE = 30
"""Seconds that nothing takes which goes on."""


class Stopped(Exception):
    """The rest of a transaction is what it does alone, too."""


class Worker:
    """One transaction at a time. ``error``: what ended it, but for the test itself."""

    def __init__(self) -> None:
        self.halted, self.go_on, self.done = threading.Event(), threading.Event(), threading.Event()
        self.is_to_stop = False
        self.error: BaseException | None = None
        self.pid = 0
        self._work: Callable[[], object] | None = None
        self._halt_after: int | None = None
        self._asked = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        assert self.done.wait(PATIENCE)

    def start(self, work: Callable[[], object], *, halt_after: int | None = None) -> None:
        """Begin; ``halt_after``: after which of the statements that may lock to wait for ``go_on``."""
        for event in (self.halted, self.go_on, self.done):
            event.clear()
        self._work, self._halt_after, self.is_to_stop, self.error = work, halt_after, False, None
        self._asked.release()

    def stop(self) -> None:
        """Take back what halts."""
        self.is_to_stop = True
        self.go_on.set()
        assert self.done.wait(PATIENCE)

    def end(self) -> None:
        """Close the connection."""
        self.go_on.set()
        self._work = None
        self._asked.release()
        self._thread.join(PATIENCE)

    def _serve(self) -> None:
        with connection.cursor() as cursor:
            # Who waits crosswise is told at once.
            cursor.execute("SET deadlock_timeout = '20ms'")
            cursor.execute("SELECT pg_backend_pid()")
            (self.pid,) = cursor.fetchone()
        self.done.set()
        while True:
            self._asked.acquire()
            if self._work is None:
                break
            try:
                self._run(self._work)
            except Stopped:
                pass
            except Exception as error:
                # A statement that was cancelled because it waited has told all there is to know.
                self.error = (
                    None if self.is_to_stop and "canceling statement due to user request" in str(error) else error
                )
            self.done.set()
        connections.close_all()

    def _run(self, work: Callable[[], object]) -> None:
        count = 0

        def halt(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            nonlocal count
            if self.is_to_stop:
                raise Stopped
            answer = execute(sql, params, many, context)
            if order.takes_locks(sql):
                if count == self._halt_after:
                    self.halted.set()
                    assert self.go_on.wait(PATIENCE)
                count += 1
            return answer

        with order.taken_back(), connection.execute_wrapper(halt):
            work()
