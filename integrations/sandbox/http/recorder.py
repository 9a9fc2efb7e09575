"""Traffic kept for a later look: every request and answer as one line of JSON, where `SANDBOX_RECORD` names a folder.

A line holds "service", "method", "path", "query", "headers", "body", "status" (None: the client got no answer),
"answer", "answer_headers" and "fault", the kind of the scripted fault that met the request. A body is JSON as it was
sent, or its text when it is none. Secrets are masked.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import threading
from pathlib import Path

from integrations.sandbox.http.wire import Answer, Request, loads

VARIABLE = "SANDBOX_RECORD"
MASK = "***"
_SECRET_HEADERS = frozenset({"authorization", "apikey", "cookie", "set-cookie"})
# Billit's "Code" names an error; only OAuth's "code" is a secret.
_SECRET_MEMBERS = re.compile(
    rb'"((?i:api_token|apikey|api_key|secret|client_secret|access_token|refresh_token|password|validation_code)|code)"'
    rb'\s*:\s*"(?:[^"\\]|\\.)*"'
)


class Recorder:
    """Appends to one file of this process in `folder`; the file is made with the first line."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{os.getpid()}-{os.urandom(4).hex()}.jsonl"
        self._file: int | None = None
        self._lock = threading.Lock()

    @classmethod
    def of_environment(cls) -> Recorder | None:
        folder = os.environ.get(VARIABLE)
        return cls(Path(folder)) if folder else None

    def write(self, request: Request, answer: Answer, fault: str | None) -> None:
        """One line, in one write, so that a process that is killed leaves whole lines behind."""
        secrets = _credentials(request)
        frame = {
            "service": request.service,
            "method": request.method,
            "path": request.path,
            "query": request.query,
            "headers": {name: MASK if name in _SECRET_HEADERS else text for name, text in request.headers.items()},
            "status": answer.status if answer.ending in {"whole", "truncate"} else None,
            "fault": fault,
            "answer_headers": {name.lower(): text for name, text in answer.headers.items()},
        }
        # An answer of a thousand rows is not parsed again: its bytes are JSON already.
        line = json.dumps(frame).encode()[:-1]
        line += b',"body":' + _value(request.raw, sure=False) + b',"answer":' + _value(answer.content, sure=True) + b"}"
        line = _SECRET_MEMBERS.sub(rb'"\1":"' + MASK.encode() + b'"', line)
        for secret in secrets:
            line = line.replace(secret, MASK.encode())
        with self._lock:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.write(self._file, line + b"\n")


def _value(raw: bytes, *, sure: bool) -> bytes:
    """The bytes as a JSON value on one line: themselves when they are one, else their text as a string."""
    if not raw.strip():
        return b"null"
    text = raw.decode("utf-8", "replace")
    looks_like_json = b"\n" not in raw and raw[:1] in b'[{"' and raw[-1:] in b']}"'
    if not (sure and looks_like_json):
        try:
            loads(raw)
        except (ValueError, RecursionError):
            return json.dumps(text).encode()
        if b"\n" in raw or b"\r" in raw:
            return json.dumps(json.loads(raw)).encode()
    return raw


def _credentials(request: Request) -> list[bytes]:
    """What the request proves itself with, so that it is masked wherever it is repeated."""
    found = [request.headers.get("apikey", "")]
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found.append(rest)
    elif scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            name = password = ""
        # Toggl's literal "api_token" is no secret, and an address without its password opens nothing.
        found.append(name if password == "api_token" else password)  # noqa: S105 - Toggl's documented word
    return [secret.encode() for secret in found if len(secret) >= 8]
