"""Fixtures of the books at work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
from kombu import pools

from integrations.sandbox.process import Process
from tests.conftest import Outcome
from tests.invoicing.scene import Scene
from tests.worlds import NOW, small_world
from toggbill.celery import app
from toggbill.firms.models import Firm


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Time stands at NOW."""
    with time_machine.travel(NOW, tick=False) as coordinates:
        yield coordinates


@pytest.fixture
def scene(
    sandbox: Process, clock: time_machine.Traveller, onboard: Callable[..., Firm], command: Callable[..., Outcome]
) -> Callable[..., Scene]:
    """Onboards and syncs a firm: `scene()` the small world, `scene(entries=...)` with changes, `scene("demo")`.

    `synced=False` leaves the reading to the test.
    """

    def load(world: dict[str, Any] | str | None = None, *, synced: bool = True, **changes: Any) -> Scene:
        # A world by name has no time of its own.
        options = {"now": NOW} if isinstance(world, str) else {}
        firm = onboard(small_world(**changes) if world is None else world, **options)
        made = Scene(sandbox, firm, command, clock)
        if synced:
            made.sync()
        made.control.clear_log()
        return made

    return load


class Queue:
    """A broker in memory, and a worker that does what lies in it, in this thread."""

    def waiting(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Takes everything out: queue, task and keyword arguments of each message."""
        return [(queue, name, arguments) for queue, name, arguments, _ in self._take()]

    def work(self, rounds: int = 10) -> list[str]:
        """Does everything, and what comes of it, until nothing is left; returns the tasks that were done."""
        done: list[str] = []
        for _ in range(rounds):
            messages = self._take()
            if not messages:
                return done
            for _, name, arguments, chain in messages:
                app.tasks[name].apply(kwargs=arguments, throw=True)
                done.append(name.rpartition(".")[2])
                if chain:
                    following = app.signature(chain.pop())
                    following.apply_async(chain=chain)
        raise AssertionError(f"there is always something left: {done}")

    def _take(self) -> list[tuple[str, str, dict[str, Any], list[Any]]]:
        found = []
        with app.connection_for_read() as connection:
            for name in ("ticks", "sync", "post", "send", "celery"):
                with connection.SimpleQueue(name) as queue:
                    while True:
                        try:
                            message = queue.get(block=False)
                        except queue.Empty:
                            break
                        message.ack()
                        arguments, keywords, more = message.payload
                        assert arguments == []
                        found.append((name, message.headers["task"], keywords, more.get("chain") or []))
        return found


@pytest.fixture
def queue() -> Iterator[Queue]:
    """The broker of this process in memory: no message of a test reaches a worker of the machine."""
    before = {name: app.conf[name] for name in ("broker_url", "broker_transport_options")}
    _broker({"broker_url": "memory://", "broker_transport_options": {}})
    queue = Queue()
    queue.waiting()
    yield queue
    queue.waiting()
    _broker(before)


def _broker(values: dict[str, Any]) -> None:
    app.conf.update(values)
    # The pools hold connections to the broker before.
    pools.reset()
    app.amqp._producer_pool = None  # type: ignore[attr-defined]  # the stubs leave out what is private
    app._pool = None  # type: ignore[attr-defined]  # the same
