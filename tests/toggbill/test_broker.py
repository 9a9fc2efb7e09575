"""The broker of files: no message is taken before it is whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from kombu.simple import SimpleQueue
from kombu.utils.json import dumps

from toggbill.broker import _name


def _connect(folder: Path) -> Connection:
    options: dict[str, Any] = {"store_processed": False, "control_folder": str(folder / "control")}
    for name in ("data_folder_in", "data_folder_out"):
        options[name] = str(folder / "messages")
    for name in ("control", "messages"):
        (folder / name).mkdir(exist_ok=True)
    return Connection("filesystem://", transport="toggbill.broker:Files", transport_options=options)


def _taken(queue: SimpleQueue) -> object:
    message = queue.get(block=False)
    message.ack()
    payload: object = message.payload
    return payload


def test_messages_arrive_once_and_in_their_order(tmp_path: Path) -> None:
    with _connect(tmp_path) as writer, writer.SimpleQueue("order") as queue:
        for number in range(20):
            queue.put(number)
    with _connect(tmp_path) as reader, reader.SimpleQueue("order") as queue:
        assert [_taken(queue) for _ in range(20)] == list(range(20))
        with pytest.raises(queue.Empty):
            queue.get(block=False)


def test_worker_that_looks_while_a_message_is_written_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kombu's own transport shows the file before it holds the message."""
    looks = 0

    def look(value: object) -> str:
        nonlocal looks
        looks += 1
        with _connect(tmp_path) as reader, reader.SimpleQueue("post") as queue, pytest.raises(queue.Empty):
            queue.get(block=False)
        text: str = dumps(value)
        return text

    with _connect(tmp_path) as connection, connection.SimpleQueue("post") as queue:
        # As kombu's `_put` has it, this is called after the file was opened.
        monkeypatch.setattr("toggbill.broker.dumps", look)
        queue.put("hello")
        assert looks == 1
        assert _taken(queue) == "hello"


def test_order_is_kept_over_a_restart_of_the_machine_and_a_power_of_ten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A monotonic clock begins anew with the machine, and a number without leading zeros sorts as a word."""
    monkeypatch.setattr("time.monotonic_ns", lambda: 5)
    moments = iter([10**18 - 1, 10**18, 10**18, 10**18 + 1])
    monkeypatch.setattr("toggbill.broker.time_ns", lambda: next(moments))
    with _connect(tmp_path) as connection, connection.SimpleQueue("order") as queue:
        for number in range(4):
            queue.put(number)
        assert [_taken(queue) for _ in range(4)] == [0, 1, 2, 3]


def test_name_of_a_message_is_its_queues_from_the_first_dot_on() -> None:
    """Else kombu takes it for another queue's, and the queue for empty."""
    assert _name("post").partition(".")[2] == "post.msg"
    assert _name("a.b").partition(".")[2] == "a.b.msg"
