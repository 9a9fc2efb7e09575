"""A receiver of webhooks: a small web server of the test that keeps what came and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from integrations.sandbox.http.wire import loads


@dataclass(frozen=True)
class Came:
    """One call: its path, its headers with lower-case names, its exact bytes."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return loads(self.raw)


class Receiver(ThreadingHTTPServer):
    """Keeps every call in `came`. `status` is what it answers; `reply` makes the body of an answer from a call."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.came: list[Came] = []
        self.status = 200
        self.reply: Callable[[Came], bytes] = lambda came: b""
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def bodies(self) -> list[Any]:
        return [came.body for came in self.came]

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        came = Came(self.path, {name.lower(): value for name, value in self.headers.items()}, raw)
        self.server.came.append(came)
        body = self.server.reply(came)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
