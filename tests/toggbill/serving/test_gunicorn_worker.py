"""The worker that holds the lines of visitors: how long it waits for whom, and how it ends."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from toggbill.serving import gunicorn_worker
from toggbill.serving.gunicorn_worker import BufferingWorker


class Served:
    """A worker in a thread, which serves a small application: it answers with the body that it got."""

    def __init__(self) -> None:
        self.began, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()
        config = Config()
        config.set("threads", 2)
        config.set("graceful_timeout", 10)
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.worker = BufferingWorker(
            0, os.getppid(), [SimpleNamespace(sock=listener)], None, 30, config, Logger(config)
        )
        self.worker.wsgi = self._application
        self.thread = threading.Thread(target=self.worker.run)
        self.thread.start()

    def _application(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.began.set()
        assert self.may_answer.wait(20)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def line(self, sent: bytes) -> socket.socket:
        line = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        line.sendall(sent)
        return line

    def stop(self) -> None:
        self.worker.alive = False
        self.thread.join(20)
        self.worker.tmp.close()
        assert not self.thread.is_alive()


@pytest.fixture
def served() -> Iterator[Served]:
    found = Served()
    yield found
    found.may_answer.set()
    found.stop()


def _all(line: socket.socket) -> bytes:
    with line:
        return b"".join(iter(lambda: line.recv(4096), b""))


def test_body_in_chunks_comes_whole_and_with_its_length(served: Served) -> None:
    """Django reads nothing of a body whose length nobody tells."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert _all(served.line(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")).endswith(b"\r\n\r\nabcde")


@pytest.mark.slow
def test_request_that_drips_for_too_long_is_ended(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunicorn_worker, "REQUEST_SECONDS", 1)
    with served.line(b"GET / HTTP/1.1\r\nX: ") as line:
        for _ in range(100):
            try:
                line.sendall(b"x")
            except OSError:
                break
            time.sleep(0.1)
        else:
            pytest.fail("ten seconds of single bytes were borne")
    assert not served.began.is_set()


def test_stopping_answers_what_has_come(served: Served) -> None:
    served.may_answer.clear()
    line = served.line(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    idle = served.line(b"GET / HT")
    assert served.began.wait(10)
    served.worker.alive = False
    time.sleep(0.2)
    served.may_answer.set()
    assert _all(line).startswith(b"HTTP/1.1 200 OK")
    assert _all(idle) == b""
    served.thread.join(10)
    assert not served.thread.is_alive()


def test_body_above_the_limit_is_refused_before_it_comes(served: Served) -> None:
    line = served.line(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
    assert line.recv(12) == b"HTTP/1.1 413"
    line.close()
    assert not served.began.is_set()


def test_a_worker_whose_gunicorn_is_gone_ends(served: Served) -> None:
    served.worker.ppid = -1
    served.thread.join(10)
    assert not served.thread.is_alive()
