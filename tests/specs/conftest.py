"""A sandbox of its own that records, and the specifications, without which nothing here can be judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations.sandbox.http.recorder import VARIABLE
from integrations.sandbox.process import Process, start
from tests.specs import swagger


@pytest.fixture(scope="session")
def specifications() -> None:
    """Skips, aloud, where the vendors' files are not at hand: they are not ours to ship."""
    if reason := swagger.absent():
        pytest.skip(reason)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """The folder into which the sandbox of this test records."""
    return tmp_path / "recording"


@pytest.fixture
def sandbox_process(recording: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """A sandbox for this test alone, which takes the place of the one that other tests share."""
    monkeypatch.setenv(VARIABLE, str(recording))
    with start("empty") as process:
        yield process
