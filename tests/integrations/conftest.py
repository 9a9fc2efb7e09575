"""Fixtures of the two services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine

from integrations.sandbox.process import Process
from tests.integrations.answers import Server
from tests.integrations.mirrored import Mirror
from tests.worlds import (
    NOW,
    small_world,
)
from toggbill.firms.models import Firm


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def mirror(sandbox: Process, clock: time_machine.Traveller, onboard: Callable[..., Firm]) -> Callable[..., Mirror]:
    """Onboards a world; nothing is read yet, and the request log is empty."""

    def load(world: dict[str, Any] | str | None = None, **changes: Any) -> Mirror:
        options = {"now": NOW} if isinstance(world, str) else {}
        onboard(small_world(**changes) if world is None else world, **options)
        sandbox.control.clear_log()
        return Mirror(sandbox, clock)

    return load
