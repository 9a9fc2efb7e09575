"""PDF files of pages of HTML, made by a child process (``renderer``) with bounded time and memory.

A rendering may take all memory, or end its process when a system library is missing: neither happens to a worker or to
the site. The child stays warm for a minute, since it needs a second to begin; a process has one, so renderings wait for
each other.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, NamedTuple, cast

from integrations.clients.http.failures import Message
from invoicing.annexes import renderer
from invoicing.models.problems import Code

HERE = renderer.HERE
PACKAGES = "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
"""What Debian and Ubuntu call the system libraries that WeasyPrint loads."""

_SECONDS, _SECONDS_EACH, _SECONDS_ENTRY = 20.0, 2.0, 0.03
_MEGABYTES, _MEGABYTES_ENTRY, _MEGABYTES_MOST = 1024, 0.3, 4096
# One with 3,000 entries needs up to 30 seconds and 360 MB. A busy machine lets it wait far longer, since it has the
# lower priority; who hangs without working is ended after ten times what it may work.
_PATIENCE = 10
_REFUSED = (renderer.LIBRARY_MISSING, renderer.FONT_MISSING)


class Document(NamedTuple):
    """A page of HTML, and how many entries it lists: by them time and memory are given."""

    html: str
    entries: int


def rendered(documents: Sequence[Document]) -> list[bytes | Message]:
    """The PDF of each document, or why there is none; one that fails leaves the others alone."""
    results: list[bytes | Message] = []
    while len(results) < len(documents):
        made, failure = _warm.run(documents[len(results) :])
        results += made
        left = len(documents) - len(results)
        if failure is not None and left:
            # Without the library or a font none can be made; else the first that is not there is the one that failed.
            results += [failure] * (left if failure.code == Code.ANNEX_LIBRARY else 1)
    return results


def fault() -> Message | None:
    """What is missing on this machine for an annex to be made; None when nothing is."""
    with _Child("--check") as child:
        return child.failure(_SECONDS * _PATIENCE)


class _Child:
    """One process that renders, ended at the latest with this one."""

    def __init__(self, *arguments: str) -> None:
        self.owner = os.getpid()
        self._is_late = False
        # A file takes any number of warnings, a pipe would stop the child once it is full.
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed with the child
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(HERE / "renderer.py"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env=_environment(),
        )

    def __enter__(self) -> _Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def ask(self, work: bytes, count: int, wait: float) -> list[bytes]:
        """The files that it made until it was done, ended or took longer than so many seconds."""
        stdin, stdout = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        watch = threading.Timer(wait, self._expire)
        watch.start()
        made: list[bytes] = []
        try:
            # One that has just ended takes nothing: what it said tells why.
            with suppress(BrokenPipeError):
                stdin.write(len(work).to_bytes(8, "big") + work)
                stdin.flush()
            while len(made) < count:
                size = stdout.read(8)
                pdf = stdout.read(int.from_bytes(size, "big"))
                if len(size) < 8 or len(pdf) < int.from_bytes(size, "big"):
                    break
                made.append(pdf)
        finally:
            watch.cancel()
        return made

    def _expire(self) -> None:
        self._is_late = True
        self._process.kill()

    def failure(self, wait: float) -> Message | None:
        """Why it ended, once it has; None when it ended well. ``wait``: the seconds that it had."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(wait)
        code = self._process.returncode
        if self._is_late or code is None:
            return Message(Code.ANNEX_FAILED, {"why": f"{wait:.0f} s"})
        if code == 0:
            return None
        self._said.seek(0)
        said = self._said.read().decode(errors="replace").strip().splitlines()
        if code in _REFUSED:
            return Message(Code.ANNEX_LIBRARY, {"missing": said[-1][:200] if said else "?", "packages": PACKAGES})
        why = f"signal {-code}" if code < 0 else (said[-1] if said else f"{code}")
        return Message(Code.ANNEX_FAILED, {"why": why[:200]})

    def end(self) -> None:
        """At once. A process that was forked from ours leaves it alone."""
        if self.owner == os.getpid():
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._said):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


class _Warm:
    """The child of this process that is kept for the next request."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._child: _Child | None = None

    def run(self, documents: Sequence[Document]) -> tuple[list[bytes], Message | None]:
        """What the child made of them, and why not of all. None for why: one that was there before has ended, go on."""
        entries = sum(document.entries for document in documents)
        seconds = _SECONDS + _SECONDS_EACH * len(documents) + _SECONDS_ENTRY * entries
        most = max(document.entries for document in documents)
        megabytes = min(_MEGABYTES_MOST, _MEGABYTES + _MEGABYTES_ENTRY * most)
        work = {"documents": [document.html for document in documents], "seconds": seconds, "megabytes": megabytes}
        with self._turn:
            before = self._child if self._child is not None and self._child.owner == os.getpid() else None
            child = self._child = before or _Child()
            made = child.ask(json.dumps(work).encode(), len(documents), seconds * _PATIENCE)
            if len(made) == len(documents):
                return made, None
            failure = child.failure(seconds * _PATIENCE)
            self._end()
        if before and not made:
            return [], None
        return made, failure or Message(Code.ANNEX_FAILED, {"why": "0"})

    def end(self) -> None:
        """The next request begins a new one."""
        with self._turn:
            self._end()

    def _end(self) -> None:
        if self._child is not None:
            self._child.end()
            self._child = None


_warm = _Warm()
atexit.register(_warm.end)


def _environment() -> dict[str, str]:
    """Nothing of the site's own environment, which holds secrets, but where programs and libraries lie."""
    kept = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH")
    found = {name: os.environ[name] for name in kept if name in os.environ}
    return found | {"LC_ALL": "C.UTF-8", "FONTCONFIG_FILE": str(HERE / "fonts" / "fonts.conf")}
