"""A tiny HTTP server on loopback that gives scripted raw answers and keeps what it was asked.

For answers that the sandbox would never give; whole conversations are tested against the sandbox.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Scripted:
    """One answer. `cut`: the connection is closed instead; `missing`: bytes that are announced and never come."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    missing: int = 0
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived: the path raw, with its query; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def as_json(value: Any, status: int = 200, **headers: str) -> Scripted:
    """An answer of JSON; a header's name is written with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Scripted(status, json.dumps(value).encode(), {"Content-Type": "application/json", **named})


class Server:
    """Answers in the order of the script; past its end with 418, which no client takes for success."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._script: list[Scripted] = []
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.owner = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def lines(self) -> list[str]:
        """The request lines, such as "GET /v1/products"."""
        return [f"{asked.method} {asked.path}" for asked in self.asked]

    def will_answer(self, *answers: Scripted) -> None:
        self._script.extend(answers)

    def take(self, asked: Asked) -> Scripted:
        self.asked.append(asked)
        return self._script.pop(0) if self._script else Scripted(418, b"nothing is scripted for this request")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def refusing_url() -> str:
    """An address of this machine at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: Server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 5
    server: _Http

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        scripted = self.server.owner.take(Asked(self.command, self.path, headers, body))
        time.sleep(scripted.delay)
        if scripted.cut:
            self.close_connection = True
            return
        try:
            self.send_response(scripted.status)
            for name, value in scripted.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(scripted.body) + scripted.missing))
            self.end_headers()
            self.wfile.write(scripted.body)
        except (BrokenPipeError, ConnectionResetError):
            # The client of a delayed answer has gone, as its test wants.
            self.close_connection = True
        if scripted.missing:
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a test looks at `asked`."""
