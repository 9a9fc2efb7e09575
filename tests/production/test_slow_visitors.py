"""The site answers while visitors send half of what they announced, or do not read what they asked for."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.production.site import HOST, Site
from toggbill.serving.gunicorn_worker import CONNECTIONS

pytestmark = pytest.mark.slow

HEAD = f"GET /accounts/login/ HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-Proto: https\r\n".encode()
MANY = 60  # several times as many as there are threads


@contextmanager
def lines(site: Site, count: int, sent: bytes, *, room: int = 0) -> Iterator[list[socket.socket]]:
    """Connections on which so much was sent, and nothing is read."""
    with ExitStack() as stack:
        held = []
        for _ in range(count):
            line = stack.enter_context(socket.socket())
            if room:
                line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
            line.connect(("127.0.0.1", site.port))
            line.sendall(sent)
            held.append(line)
        yield held


def answers_at_once(site: Site) -> None:
    visitor = site.visitor()
    for path in ("/healthz", "/accounts/login/", "/healthz"):
        begun = time.monotonic()
        assert visitor.get(path, seconds=10).status == 200
        assert time.monotonic() - begun < 3


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        HEAD,
        HEAD.replace(b"GET", b"POST") + b"Content-Length: 2000\r\n\r\nlogin=own",
        HEAD.replace(b"GET", b"POST") + b"Transfer-Encoding: chunked\r\n\r\n7d0\r\nlogin=own",
    ],
    ids=["nothing", "half a line", "half a head", "half a body", "half a chunk"],
)
def test_half_a_request_holds_nobody_up(site: Site, sent: bytes) -> None:
    with lines(site, MANY, sent):
        answers_at_once(site)


def test_answers_that_nobody_reads_hold_nobody_up(site: Site) -> None:
    page = site.visitor().get("/accounts/login/").text
    style = re.search(r'href="(/static/vendor/tabler/[^"]+\.css)"', page)
    assert style is not None
    # Half a megabyte, of which the buffers of a line hold a little.
    with lines(site, MANY, HEAD.replace(b"/accounts/login/", style[1].encode()) + b"\r\n", room=2048):
        time.sleep(0.5)
        answers_at_once(site)


def test_more_visitors_than_places_turn_the_most_silent_out(site: Site) -> None:
    with lines(site, CONNECTIONS + 100, HEAD) as held:
        answers_at_once(site)
        held[0].settimeout(10)
        assert held[0].recv(1) == b""
        # Who still sends is let finish.
        held[-1].settimeout(10)
        held[-1].sendall(b"\r\n")
        assert held[-1].recv(15) == b"HTTP/1.1 200 OK"


def test_body_that_comes_slowly_comes_whole(site: Site) -> None:
    owner = site.visitor()
    owner.get("/accounts/login/")
    body = f"login=nobody%40example.com&password=x&csrfmiddlewaretoken={owner.cookies['csrftoken']}".encode()
    head = (
        HEAD.replace(b"GET", b"POST")
        + (
            f"Cookie: csrftoken={owner.cookies['csrftoken']}\r\nReferer: https://{HOST}/\r\nConnection: close\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
    )
    with lines(site, 1, head) as (line,):
        line.settimeout(10)
        for start in range(0, len(body), 20):
            line.sendall(body[start : start + 20])
            time.sleep(0.02)
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"nobody@example.com" in answer
