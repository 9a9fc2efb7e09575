"""The log of every request that reached an imitation, for tests to read."""

from __future__ import annotations

import threading
from typing import Any

from integrations.sandbox.wire import Answer, Record, Request, loads


class Journal:
    """Requests in the order of their arrival; `n` counts from 1 and starts again when the log is cleared."""

    def __init__(self) -> None:
        self._rows: list[Record] = []
        self._lock = threading.Lock()

    def open(self, request: Request) -> Record:
        row: Record = {
            "service": request.service,
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": request.headers,
            "body": _readable(request.raw),
            "status": None,  # stays None when the client got no answer
            "answer": None,
        }
        with self._lock:
            row["n"] = len(self._rows) + 1
            self._rows.append(row)
        return row

    def close(self, row: Record, answer: Answer) -> None:
        if answer.ending in {"whole", "truncate"}:
            row["status"] = answer.status
        row["answer"] = _readable(answer.content)

    def rows(self, service: str | None = None) -> list[Record]:
        with self._lock:
            return [row for row in self._rows if service is None or row["service"] == service]

    def clear(self) -> None:
        with self._lock:
            self._rows.clear()


def _readable(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")
