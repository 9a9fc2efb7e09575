"""The broker of files: no message is taken before it is whole, and a full disk loses no wish."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, cast

import pytest
from django.conf import settings as site
from kombu import Connection
from kombu.simple import SimpleQueue
from kombu.utils.json import dumps
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from tests.factories import InvoiceFactory
from tests.queues import broker
from tests.visitors import read_of, signed_in
from toggbill.broker import _name


def _options(folder: Path) -> dict[str, Any]:
    options: dict[str, Any] = {"store_processed": False, "control_folder": str(folder / "control")}
    for name in ("data_folder_in", "data_folder_out"):
        options[name] = str(folder / "messages")
    for name in ("control", "messages"):
        (folder / name).mkdir(exist_ok=True)
    return options


def _connect(folder: Path) -> Connection:
    return Connection("filesystem://", transport="toggbill.broker:Files", transport_options=_options(folder))


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


def test_queue_of_one_name_in_two_folders_is_two(tmp_path: Path) -> None:
    """kombu's own transport takes the second for bound, since the first is, and loses what is put into it."""
    for name in ("one", "other"):
        folder = tmp_path / name
        folder.mkdir()
        with _connect(folder) as connection, connection.SimpleQueue("post") as queue:
            queue.put(name)
            assert _taken(queue) == name


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's own device for it: what is written there meets ENOSPC."""

    def opened(place: str, mode: str) -> IO[bytes]:
        Path(place).touch()  # a full disk has room for the name
        return open("/dev/full", mode)

    monkeypatch.setattr("toggbill.broker.open", opened, raising=False)
    # Whoever asks for a temporary file closes it.
    monkeypatch.setattr("toggbill.broker.TemporaryFile", lambda dir: open("/dev/full", "wb"))  # noqa: SIM115 - as said


@pytest.mark.usefixtures("full_disk")
def test_full_disk_leaves_no_half_message(tmp_path: Path) -> None:
    with _connect(tmp_path) as connection, connection.SimpleQueue("post") as queue:
        with pytest.raises(OSError, match="No space left on device"):
            queue.put("hello")
        with pytest.raises(OSError, match="No space left on device"):
            cast(Any, connection.default_channel).take_one()
    assert list((tmp_path / "messages").iterdir()) == []


def test_probe_leaves_nothing_behind(tmp_path: Path) -> None:
    with _connect(tmp_path) as connection:
        cast(Any, connection.default_channel).take_one()
    assert list((tmp_path / "messages").iterdir()) == []


@pytest.mark.django_db
def test_click_keeps_its_wish_and_readyz_says_so_when_the_disk_is_full(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    settings.WHITENOISE_AUTOREFRESH = True
    quiet = {"workspace__next_sync_at": None, "company__next_sync_at": None}
    invoice = InvoiceFactory(status="approved", **{f"dossier__{name}": value for name, value in quiet.items()})
    client = signed_in(invoice.firm)
    with broker("filesystem://", "toggbill.broker:Files", _options(tmp_path)):
        assert client.get("/readyz").json() == {"ready": True}
        request.getfixturevalue("full_disk")
        with django_capture_on_commit_callbacks(execute=True) as callbacks:
            answer = client.post(f"/invoices/{invoice.reference}/post/", {"read": read_of(invoice)})
        assert (answer.status_code, len(callbacks)) == (302, 1)
        answer = client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"ready": False, "failing": "broker"})
    invoice.refresh_from_db()
    assert invoice.post_requested_at is not None
    assert list((tmp_path / "messages").iterdir()) == []


BROKERS = [
    ({"REDIS_URL": "redis://h/0"}, "Redis redis://h/0 RedisElseDatabase"),
    # As .env.example has it, with nothing behind it.
    ({"REDIS_URL": "redis://h/0", "BROKER_URL": ""}, "Redis redis://h/0 RedisElseDatabase"),
    ({"REDIS_URL": "redis://h/0", "BROKER_URL": "amqp://h//"}, "RabbitMQ amqp://h// RedisElseDatabase"),
    ({"BROKER_URL": "amqp://h//"}, "RabbitMQ amqp://h// DatabaseCache"),
    ({"BROKER_URL": "redis://h/1"}, "Redis redis://h/1 DatabaseCache"),
    ({}, "Files filesystem://localhost LocMemCache"),
]


@pytest.mark.parametrize(("given", "expected"), BROKERS)
def test_one_variable_says_where_messages_wait(given: dict[str, str], expected: str, tmp_path: Path) -> None:
    said = (
        "from toggbill import settings as s;"
        "print(s.CELERY_BROKER_TRANSPORT.rpartition(':')[2], s.CELERY_BROKER_URL,"
        " s.CACHES['default']['BACKEND'].rpartition('.')[2])"
    )
    own = {"PATH": os.environ["PATH"], "DEBUG": "1", "VAR_DIR": str(tmp_path), **given}
    command = [sys.executable, "-c", said]
    done = subprocess.run(command, cwd=site.BASE_DIR, env=own, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
