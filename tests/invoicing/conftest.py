"""Fixtures of the books at work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import time_machine

from integrations.sandbox.process import Process
from tests.conftest import Outcome
from tests.invoicing.scene import Scene
from tests.worlds import NOW, small_world
from toggbill.firms.models import Firm


@pytest.fixture
def scene(
    sandbox: Process, clock: time_machine.Traveller, onboard: Callable[..., Firm], command: Callable[..., Outcome]
) -> Callable[..., Scene]:
    """Onboards and syncs a firm: `scene()` the small world, `scene(entries=...)` with changes, `scene("demo")`.

    `synced=False` leaves the reading to the test.
    """

    def load(world: dict[str, Any] | str | None = None, *, synced: bool = True, **changes: Any) -> Scene:
        # A world by name has no time of its own.
        options = {"now": NOW} if isinstance(world, str) else {}
        firm = onboard(small_world(**changes) if world is None else world, **options)
        made = Scene(sandbox, firm, command, clock)
        if synced:
            made.sync()
        made.control.clear_log()
        return made

    return load
