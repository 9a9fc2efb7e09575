"""The broker of files (design D3): kombu's own transport, with messages and tables that appear whole.

kombu opens a message's file, then locks it, then writes; a worker that looks in between takes an empty file away: the
message is lost, and the worker ends over it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic_ns
from typing import Any
from uuid import uuid4

from kombu.transport import filesystem
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """A message is written under another name and then moved; one process at a time is at the tables of bindings."""

    # The stubs of the transport and of its base name this argument differently.
    def _put(self, queue: str, payload: dict[str, Any], **kwargs: Any) -> None:  # type: ignore[override]
        # A worker takes the first name in the folder's order: the time stands in front.
        place = os.path.join(self.data_folder_out, f"{monotonic_ns()}_{uuid4()}.{queue}.msg")
        with open(f"{place}.new", "wb") as file:
            file.write(str_to_bytes(dumps(payload)))
        os.replace(f"{place}.new", place)

    def get_table(self, exchange: str) -> list[Any]:
        """The queues that are bound to an exchange."""
        with self._alone():
            table: list[Any] = super().get_table(exchange)
        return table

    def _queue_bind(self, exchange: str, routing_key: Any, pattern: Any, queue: str) -> None:
        with self._alone():
            super()._queue_bind(exchange, routing_key, pattern, queue)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with (self.control_folder / "lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class Transport(filesystem.Transport):
    """`CELERY_BROKER_TRANSPORT` names it; the folders are kombu's options."""

    Channel = Channel
