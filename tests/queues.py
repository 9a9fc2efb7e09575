"""The broker of a test: in the memory of its own process, so that no message reaches a worker of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu import pools

from toggbill.celery import app


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


@contextmanager
def broker(url: str, transport: str | None = None, options: dict[str, Any] | None = None) -> Iterator[None]:
    """The application talks to the broker at ``url`` meanwhile, by a transport of ours if one is named."""
    before = {name: app.conf[name] for name in ("broker_url", "broker_transport", "broker_transport_options")}
    _connect({"broker_url": url, "broker_transport": transport, "broker_transport_options": options or {}})
    try:
        yield
    finally:
        _connect(before)


def _connect(values: dict[str, Any]) -> None:
    app.conf.update(values)
    # The pools hold connections to the broker before.
    pools.reset()
    app.amqp._producer_pool = None  # type: ignore[attr-defined]  # the stubs leave out what is private
    app._pool = None  # type: ignore[attr-defined]  # the same
