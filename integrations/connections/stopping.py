"""Whether this process is being ended: a turn then stops before its next request and gives back what it did not do.

The worker's signal handler asks for it (``toggbill.celery``); requests of the services' clients pass by ``check``.
"""

from __future__ import annotations

import time

from integrations.clients.http.failures import Code, Message
from integrations.clients.http.transport import RetryLater

_SLICE = 0.2
"""Seconds of a sleep after which it is asked whether the process ends."""


class Stopping(RetryLater):
    """The process is being ended, and nothing was sent: another one does it, at once."""

    def __init__(self) -> None:
        super().__init__(Message(Code.WORKER_STOPS), after=1.0)


class _Flag:
    # No threading.Event: a signal handler that sets one may wait for a lock that its own thread holds.
    asked = False


def ask() -> None:
    """The process is to end. May be called by a signal handler."""
    _Flag.asked = True


def forget() -> None:
    """It goes on after all: a process of the tests that stood for a worker."""
    _Flag.asked = False


def asked() -> bool:
    """Whether the process is to end."""
    return _Flag.asked


def check() -> None:
    """Raises ``Stopping`` once the process is to end."""
    if asked():
        raise Stopping


def sleep(seconds: float) -> None:
    """Sleep by a clock that nobody sets. Raises ``Stopping`` as soon as the process is to end."""
    until = time.monotonic() + seconds
    check()
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE))
        check()
