"""HTTP for the imitations: requests, answers, routes, and a threaded keep-alive server on loopback."""

from __future__ import annotations

import gzip
import json
import re
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

Record = dict[str, Any]

_DECIMAL_MARK = "\x00decimal:"
_MARKED_DECIMAL = re.compile(r'"\\u0000decimal:([^"]*)"')


def _mark_decimal(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{_DECIMAL_MARK}{value:f}"
    raise TypeError(f"{type(value).__name__} cannot stand in JSON")


def dumps(value: Any) -> str:
    """JSON text in which every Decimal is a number with exactly its own digits (the json module knows only float)."""
    text = json.dumps(value, default=_mark_decimal, ensure_ascii=True, separators=(",", ":"))
    return _MARKED_DECIMAL.sub(r"\1", text)


def loads(text: str | bytes) -> Any:
    """JSON with every fractional number as Decimal, so that no amount passes through float."""
    return json.loads(text, parse_float=Decimal)


@dataclass(slots=True)
class Request:
    """One HTTP request; header names are lower case, of a repeated query key the last value counts."""

    service: str
    method: str
    path: str
    target: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes
    base_url: str
    arrived: float = field(default_factory=time.monotonic)

    def body(self) -> Any:
        """The parsed JSON body, None when there is none. Raises ValueError when it is no JSON."""
        return loads(self.raw) if self.raw.strip() else None


@dataclass(slots=True)
class Answer:
    """One HTTP answer. `ending` other than "whole" is a fault: the connection hangs, is cut, or ends half-way.
    `compressible` content goes out as gzip to who asks for it."""

    status: int = 200
    content: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    ending: Literal["whole", "hang", "cut", "truncate"] = "whole"
    hang_seconds: float = 0.0
    compressible: bool = False


class RejectedError(Exception):
    """Ends a request early with its answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def html_answer(status: int, title: str) -> Answer:
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Answer(status, page.encode(), {"Content-Type": "text/html; charset=utf-8"})


Call = TypeVar("Call")


@dataclass(frozen=True, slots=True)
class Route(Generic[Call]):
    method: str
    pattern: re.Pattern[str]
    handler: Callable[..., Answer]


class Router(Generic[Call]):
    """Routes of one service. A handler takes the call and, for each group of its pattern, one string."""

    def __init__(self) -> None:
        self._routes: list[Route[Call]] = []

    def on(self, method: str, pattern: str) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
        def register(handler: Callable[..., Answer]) -> Callable[..., Answer]:
            self._routes.append(Route(method, re.compile(pattern), handler))
            return handler

        return register

    def find(self, method: str, path: str) -> tuple[Callable[..., Answer], tuple[str, ...]] | None:
        """The handler and its path arguments. A trailing slash is tolerated, as both services do."""
        plain = path.rstrip("/") or "/"
        for route in self._routes:
            if route.method == method and (match := route.pattern.fullmatch(plain)):
                return route.handler, match.groups()
        return None

    def knows(self, path: str) -> bool:
        plain = path.rstrip("/") or "/"
        return any(route.pattern.fullmatch(plain) for route in self._routes)


def _chunk_size(line: bytes) -> int:
    """The size that a chunk announces, 0 for the last one and for what is no size."""
    match = re.match(rb"[0-9a-fA-F]{1,8}", line)
    return int(match[0], 16) if match else 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this a small answer waits about 40 ms for the client's delayed acknowledgement.
    disable_nagle_algorithm = True
    # One write per answer instead of one per header line.
    wbufsize = 65536
    server: Server

    def _serve(self) -> None:
        raw = self._body()
        if raw is None:
            # Its sender died: nobody would do what half a request asks for.
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        request = Request(
            service=self.server.service,
            method=self.command,
            path=parts.path,
            target=self.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            raw=raw,
            base_url=self.server.url,
        )
        answer = self.server.answer(request)
        if answer.compressible and "gzip" in request.headers.get("accept-encoding", "").lower():
            answer.content = gzip.compress(answer.content, 1, mtime=0)
            answer.headers["Content-Encoding"] = "gzip"
        self._send(answer)
        if self.server.after is not None:
            self.wfile.flush()
            self.server.after()

    def __getattr__(self, name: str) -> Callable[[], None]:
        """`do_` and any method: one that is routed nowhere gets the service's 404 or 405, not http.server's own 501."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _body(self) -> bytes | None:
        """The whole body, also one that comes in chunks: what is left unread would pass for the next request. None
        when less came than was announced."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            pieces = []
            while size := _chunk_size(line := self.rfile.readline(1024)):
                pieces.append(self.rfile.read(size))
                self.rfile.readline(1024)
            if not line:
                return None
            while self.rfile.readline(1024).strip():
                continue  # a trailer, of which nobody makes use
            return b"".join(pieces)
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal():
            self.close_connection = True
            return b""
        body = self.rfile.read(int(length))
        return body if len(body) == int(length) else None

    def _send(self, answer: Answer) -> None:
        if answer.ending == "hang":
            self._wait_for_the_client_to_leave(answer.hang_seconds)
        if answer.ending in {"hang", "cut"}:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        if answer.ending == "truncate":
            self.wfile.write(answer.content[: len(answer.content) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.command != "HEAD":
            self.wfile.write(answer.content)

    def version_string(self) -> str:
        """The Server header: both services stand behind such a front."""
        return "nginx"

    def _wait_for_the_client_to_leave(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            readable, _, _ = select.select([self.connection], [], [], 0.05)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the journal of the control plane is the log."""


class Server(ThreadingHTTPServer):
    """One service on 127.0.0.1. `application` answers each request in a thread of the connection, in which `after` is
    called when the answer has left."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(
        self,
        service: str,
        port: int,
        application: Callable[[Request], Answer],
        after: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.service = service
        self.answer = application
        self.after = after
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is an ordinary event here; everything else has been answered with 500 before."""
