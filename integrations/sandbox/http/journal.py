"""The log of every request that reached an imitation, for tests to read."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from typing import Any

from integrations.sandbox.http.recorder import Recorder
from integrations.sandbox.http.wire import Answer, Record, Request, loads

_LARGE = 16_384
"""Bytes from which on an answer is kept compressed: a report page is half a megabyte."""


@dataclass(slots=True)
class _Kept:
    """One request and its answer as bytes; they are parsed only for who reads the log."""

    row: Record
    request: Request
    answer: bytes = b""
    compressed_answer: bytes = b""

    def readable(self) -> Record:
        content = zlib.decompress(self.compressed_answer) if self.compressed_answer else self.answer
        return {**self.row, "body": _readable(self.request.raw), "answer": _readable(content)}


class Journal:
    """Requests in the order of their arrival; `n` counts from 1 and starts again when the log is cleared."""

    def __init__(self) -> None:
        self._kept: list[_Kept] = []
        self._open: dict[int, _Kept] = {}
        self._lock = threading.Lock()
        self._recorder = Recorder.of_environment()

    def open(self, request: Request) -> Record:
        row: Record = {
            "service": request.service,
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": request.headers,
            "status": None,  # stays None when the client got no answer
            "fault": None,  # the kind of the scripted fault that met it
        }
        kept = _Kept(row, request)
        with self._lock:
            row["n"] = len(self._kept) + 1
            self._kept.append(kept)
            self._open[id(row)] = kept
        return row

    def close(self, row: Record, answer: Answer) -> None:
        with self._lock:
            kept = self._open.pop(id(row))
        if answer.ending in {"whole", "truncate"}:
            row["status"] = answer.status
        if len(answer.content) >= _LARGE:
            kept.compressed_answer = zlib.compress(answer.content, 1)
        else:
            kept.answer = answer.content
        if self._recorder is not None:
            self._recorder.write(kept.request, answer, row["fault"])

    def rows(self, service: str | None = None) -> list[Record]:
        with self._lock:
            kept = [one for one in self._kept if service is None or one.row["service"] == service]
        return [one.readable() for one in kept]

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


def _readable(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return loads(raw)
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")
