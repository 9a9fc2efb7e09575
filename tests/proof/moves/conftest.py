"""A recorder of moves."""

from __future__ import annotations

import pytest

from tests.proof.moves.recording import Recorder


@pytest.fixture
def recorder(db: None) -> Recorder:
    return Recorder()
