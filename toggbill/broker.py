"""kombu's own transports (design D3), each with a fault of theirs mended, or a question that they do not know.

Files: kombu opens a message's file, then locks it, then writes; a worker that looks in between takes an empty file
away: the message is lost, and the worker ends over it. And it remembers the bindings of queues for the whole process.

Redis: when the connection is lost while messages are not acknowledged, the worker ends over trying to hand them back
through the lost connection. They need no handing back: Redis gives them out again, and before that the rows do (D4).

RabbitMQ: one whose disk or memory is full keeps its connections and takes no message. So it is asked with one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from tempfile import TemporaryFile
from time import time_ns
from typing import Any, ClassVar
from uuid import uuid4

from kombu.transport import filesystem, pyamqp, redis, virtual
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps
from redis.backoff import NoBackoff
from redis.retry import Retry

_NUMBERS = count()


def _name(queue: str, priority: int = 0) -> str:
    """The name of a new message's file. A worker takes the first name in the order of the alphabet.

    So the priority stands in front (0 to 9, the lower first), then the time, with as many digits for ever, and of a
    clock that a restart of the machine does not set back; then a number, since two messages of a process may have one
    time. What follows the first dot must be the queue's name and nothing else: by that kombu knows whose the message
    is, and passes over any other.
    """
    return f"{priority}_{time_ns():020d}_{next(_NUMBERS):010d}_{uuid4()}.{queue}.msg"


class FilesChannel(filesystem.Channel):
    """A message is written under another name and then moved; one process at a time is at the tables of bindings."""

    # The stubs of the transport and of its base name this argument differently.
    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]  # as said
        priority = self._get_message_priority(payload, reverse=False)
        place = os.path.join(self.data_folder_out, _name(queue, priority))
        try:
            with open(f"{place}.new", "wb") as file:
                file.write(str_to_bytes(dumps(payload)))
            os.replace(f"{place}.new", place)
        except OSError:
            # A full disk has room for the name, and keeps it.
            with suppress(OSError):
                os.unlink(f"{place}.new")
            raise

    def get_table(self, exchange: str) -> list[Any]:
        """The queues that are bound to an exchange."""
        with self._alone():
            table: list[Any] = super().get_table(exchange)
        return table

    def _queue_bind(self, exchange: str, routing_key: Any, pattern: Any, queue: str) -> None:
        with self._alone():
            super()._queue_bind(exchange, routing_key, pattern, queue)

    def take_one(self) -> None:
        """Write a file as large as a message and take it away. Raises OSError."""
        with TemporaryFile(dir=self.data_folder_out) as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.control_folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class Files(filesystem.Transport):
    """`CELERY_BROKER_TRANSPORT` names it; the folders are kombu's options."""

    Channel = FilesChannel
    _states: ClassVar[dict[str, virtual.BrokerState]] = {}

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        # kombu has one for the whole process. A queue that is bound in one folder then counts as bound in every other,
        # where nobody wrote it down, and what is put into it there is lost.
        folder = str(client.transport_options.get("control_folder", "control"))
        self.state = self._states.setdefault(folder, virtual.BrokerState())


class _Unacknowledged(redis.QoS):
    def restore_unacked(self, client: Any = None) -> None:
        if self._is_connected():
            super().restore_unacked(client)

    def ack(self, delivery_tag: str) -> None:
        if self._is_connected():
            super().ack(delivery_tag)

    def _is_connected(self) -> bool:
        # Connection.collect and close take away what leads to Redis; the stubs know nothing of that.
        return getattr(self.channel.connection, "client", None) is not None


class RedisChannel(redis.Channel):
    """What a lost connection has not acknowledged stays with Redis."""

    QoS = _Unacknowledged

    # The stubs of the transport leave out what is private.
    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        parameters: dict[str, Any] = super()._connparams(asynchronous=asynchronous)  # type: ignore[misc]  # as said
        client: Any = self.connection.client
        if "max_retries" in client.transport_options:
            # A page says itself how often it tries; the client would try four times in between, with pauses.
            parameters["retry"] = Retry(NoBackoff(), 0)
        return parameters

    def take_one(self) -> None:
        """Write and drop a key: a Redis that is full, or cannot save, answers and takes nothing. Raises RedisError."""
        with self.conn_or_acquire() as client:
            client.set("toggbill.ready", "1", px=1)


class Redis(redis.Transport):
    """`CELERY_BROKER_TRANSPORT` names it."""

    Channel = RedisChannel


class RabbitMQChannel(pyamqp.Channel):
    """A channel that can be asked whether RabbitMQ takes messages."""

    def take_one(self) -> None:
        """Put messages that no queue is bound to: they are confirmed, and dropped. Raises OSError and AMQPError."""
        # One that is full takes the first message of a connection all the same, and reads no further.
        for _ in range(2):
            self.basic_publish_confirm(self.prepare_message(b""), routing_key="toggbill.ready", confirm_timeout=2)


class RabbitMQConnection(pyamqp.Connection):
    """A connection of such channels."""

    Channel = RabbitMQChannel


class RabbitMQ(pyamqp.Transport):
    """`CELERY_BROKER_TRANSPORT` names it."""

    Connection = RabbitMQConnection
