"""What the ledger says of an entry, and how tests change one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from invoicing.models import LedgerRow
from tests.invoicing.scene import Scene
from tests.worlds import (
    FIRST_ENTRY,
)

Load = Callable[..., Scene]


def row(serial: int = 1) -> LedgerRow:
    return LedgerRow.objects.select_related("entry").get(entry__remote_id=FIRST_ENTRY + serial)


def state(serial: int = 1) -> tuple[str, str]:
    found = row(serial)
    return found.state, found.reason


def edit(scene: Scene, serial: int = 1, **changes: Any) -> None:
    """Somebody changes an entry in Toggl, and the next sync reads it."""
    scene.later(minutes=10)
    scene.control.put_entries({"id": FIRST_ENTRY + serial, **changes})
    scene.sync()
