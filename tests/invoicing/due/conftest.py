"""A dossier whose October is billed and read back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.invoicing.scene import Scene
from tests.worlds import entry

Make = Callable[..., Scene]


@pytest.fixture
def billed(scene: Make) -> Scene:
    """The garage's October at Billit, read back: 1 h + 2 h of Advice."""
    made = scene(entries=[entry(1), entry(2, "2026-10-06", seconds=7200)])
    made.posted()
    made.read_back()
    made.later(hours=1)
    return made
