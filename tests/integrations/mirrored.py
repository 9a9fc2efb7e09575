"""A workspace and a company that are mirrored from the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import time_machine
from django.utils import timezone

from integrations.mirror import sync
from integrations.models import Company, Entry, Workspace
from integrations.sandbox.process import Process
from tests.worlds import (
    FIRST_ENTRY,
    WORKSPACE,
)

REPORT = f"/reports/api/v3/workspace/{WORKSPACE}/search/time_entries"
OUTAGE = {"service": "toggl", "path": "^/"}


@dataclass
class Mirror:
    """One firm's workspace and company, read against the sandbox."""

    sandbox: Process
    clock: time_machine.Traveller

    @property
    def workspace(self) -> Workspace:
        return Workspace.objects.select_related("connection", "firm").get()

    @property
    def company(self) -> Company:
        return Company.objects.select_related("connection", "firm").get()

    def read(self, **options: Any) -> sync.WorkspaceSync:
        return sync.sync_workspace(workspace=self.workspace, now=timezone.now(), **options)

    def counts(self, **options: Any) -> tuple[int, int, int, int, int]:
        """Reads; calls, seen, created, updated, deleted."""
        done = self.read(**options)
        return done.calls, done.seen, done.created, done.updated, done.deleted

    def settle(self) -> None:
        """As if the books had derived everything that was marked."""
        Entry.objects.update(marked_at=None)
        Company.objects.update(marked_at=None)

    def marked(self) -> set[int]:
        """The marked entries, by their serial in the world."""
        ids = Entry.objects.filter(marked_at__isnull=False).values_list("remote_id", flat=True)
        return {remote_id - FIRST_ENTRY for remote_id in ids}

    def row(self, serial: int) -> Entry:
        return Entry.objects.get(remote_id=FIRST_ENTRY + serial)

    def later(self, **span: float) -> None:
        """The clocks of both sides go on."""
        moment = timezone.now() + timedelta(**span)
        self.clock.move_to(moment, tick=False)
        self.sandbox.control.clock(moment)

    def requests(self, service: str = "toggl") -> list[tuple[str, str]]:
        return [(row["method"], row["path"]) for row in self.sandbox.control.log(service)]


def untouched(serial: int, **fields: Any) -> dict[str, Any]:
    """A change of an entry that leaves its time stamp as it is, as removing a tag may do at Toggl."""
    return {"id": FIRST_ENTRY + serial, "at": "2026-10-06T10:00:00Z", **fields}
