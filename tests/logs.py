"""The log of a test, as the handler of the site writes it."""

from __future__ import annotations

import io
import json
import logging
from typing import Any, Self

import structlog

from toggbill import log_lines


class Log:
    """Keeps what is logged meanwhile at INFO and above; nothing that was named before is named in it."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self._handler = logging.StreamHandler(self._stream)
        self._handler.setFormatter(log_lines.formatter("json"))
        self._handler.setLevel(logging.INFO)

    def __enter__(self) -> Self:
        structlog.contextvars.clear_contextvars()
        logging.getLogger().addHandler(self._handler)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._handler)
        structlog.contextvars.clear_contextvars()

    def lines(self, event: str = "") -> list[dict[str, Any]]:
        """What each line says, of all or of one event."""
        found = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        return [line for line in found if event in ("", line["event"])]
