"""The worker that gunicorn runs (gunicorn.conf.py): waitress reads requests and sends answers, a few threads make them.

gunicorn's own threads read from the visitor's line themselves, so that as many visitors as there are threads stop a
site by sending half a request each, or by not reading the answer. Here one loop holds all lines: a thread gets a
request when all of it has come, and gives its answer back whole. gunicorn keeps what it is good at: processes, signals,
restarts.
"""

from __future__ import annotations

import os
import time
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from gunicorn.workers.base import Worker
from waitress import create_server, wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer

CONNECTIONS = 500
"""Lines that one process holds. Beyond, the next visitor gets the place of the one who has been silent for longest."""
SILENCE_SECONDS = 60
"""How long a line may be silent: between two requests, within one, or by not reading an answer."""
REQUEST_SECONDS = 120
"""How long a request may take to arrive, however busily its bytes drip."""
_PARTS_OF_THE_LOOP = 50  # what stands in the loop besides visitors, and room to turn somebody out before it is full


class BufferingWorker(Worker):
    """`worker_class` of gunicorn. Of gunicorn's settings it heeds threads, backlog, timeout and graceful_timeout."""

    def run(self) -> None:
        """Serve until gunicorn says stop; then answer what has come, for `graceful_timeout` seconds at most."""
        self._lines: dict[int, Any] = {}
        self._next_look = 0.0
        self._began: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
        server = create_server(
            self.wsgi,
            map=self._lines,
            sockets=[each.sock for each in self.sockets],
            threads=self.cfg.threads,
            backlog=self.cfg.backlog,
            ident="",
            connection_limit=CONNECTIONS + _PARTS_OF_THE_LOOP,
            asyncore_use_poll=True,  # select() ends at file 1024
            channel_timeout=SILENCE_SECONDS,
            cleanup_interval=5,
            max_request_header_size=64 * 1024,
            max_request_body_size=settings.LARGEST_BODY + 1,
            inbuf_overflow=64 * 1024,  # more of a body or an answer lies in a temporary file
            outbuf_overflow=256 * 1024,
            outbuf_high_watermark=1024**3,  # a thread never waits for a visitor who does not read
            clear_untrusted_proxy_headers=False,  # Django and allauth judge them: TRUSTED_PROXIES
        )
        # Another parent: gunicorn's own process was killed, and nobody would ever end us.
        while self.alive and os.getppid() == self.ppid:
            self._turn()
        self._finish()
        server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._lines, ignore_all=True)

    def _turn(self) -> None:
        """Move what can be moved on the lines, for a second at most."""
        self.notify()
        self._turn_out()
        wasyncore.loop(timeout=1.0, use_poll=True, map=self._lines, count=1)

    def _turn_out(self) -> None:
        """Close the lines of those who take too long, and the most silent ones when all places are taken."""
        now = time.monotonic()
        if len(self._lines) <= CONNECTIONS and now < self._next_look:
            return
        self._next_look = now + 1.0
        # Who has sent a whole request is served; anybody else can send again.
        idle = [line for line in self._visitors() if not line.requests]
        for line in idle:
            if line.request is not None and now - self._began.setdefault(line.request, now) > REQUEST_SECONDS:
                line.will_close = True
        surplus = len(self._lines) - CONNECTIONS
        for line in sorted(idle, key=lambda line: line.last_activity)[: max(surplus, 0)]:
            line.will_close = True

    def _finish(self) -> None:
        until = time.monotonic() + self.cfg.graceful_timeout
        for each in self._lines.values():
            if isinstance(each, BaseWSGIServer):
                each.accepting = False
        while time.monotonic() < until and any(line.requests or line.total_outbufs_len for line in self._visitors()):
            self._turn()

    def _visitors(self) -> list[Any]:
        return [each for each in self._lines.values() if isinstance(each, HTTPChannel)]
