"""Starts the sandbox as a process of its own, which is the only way that anybody uses it."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from integrations.sandbox.http.wire import Record, dumps, loads
from integrations.sandbox.remote import Remote

_ROOT = Path(__file__).resolve().parents[2]


class StartError(Exception):
    """The sandbox did not come up; the text is what it said."""


class Process:
    """A running sandbox; a context manager that ends it."""

    def __init__(self, command: list[str], start_seconds: float) -> None:
        self._process = subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=None, text=True
        )
        try:
            line = self._first_line(start_seconds)
        except BaseException:
            self.stop()
            raise
        self.toggl_url: str = line["toggl_url"]
        self.billit_url: str = line["billit_url"]
        self.control_url: str = line["control_url"]
        self.onboarding: str = line["onboarding"]
        self.control = Remote(self.control_url)

    @property
    def pid(self) -> int:
        return self._process.pid

    def _first_line(self, seconds: float) -> Record:
        output = self._process.stdout
        if output is None or not select.select([output], [], [], seconds)[0]:
            raise StartError(f"The sandbox said nothing within {seconds:g} seconds.")
        text = output.readline()
        if not text.strip():
            raise StartError(f"The sandbox ended at once with exit code {self._process.wait(5)}.")
        line: Record = loads(text)
        return line

    def stop(self) -> int:
        """Ends the process and gives its exit code; a second call changes nothing."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return self._process.returncode

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(
    world: str | Record | Path = "demo",
    state: Path | None = None,
    *,
    toggl_port: int = 0,
    billit_port: int = 0,
    start_seconds: float = 20.0,
) -> Process:
    """Starts a sandbox with a world by name, file or value. It ends with `stop`, or when this process ends.
    Raises StartError."""
    given: Path | None = None
    if isinstance(world, dict):
        handle, name = tempfile.mkstemp(prefix="world-", suffix=".json")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(dumps(world))
        given = Path(name)
    elif isinstance(world, Path):
        world = world.resolve()
    command = [sys.executable, "-m", "integrations.sandbox", "--world", str(given or world)]
    command += ["--toggl-port", str(toggl_port), "--billit-port", str(billit_port), "--with-parent", str(os.getpid())]
    if state is not None:
        command += ["--state", str(state.resolve())]
    try:
        return Process(command, start_seconds)
    finally:
        if given is not None:
            given.unlink(missing_ok=True)
