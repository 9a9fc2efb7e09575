"""`manage.py sync`: read Toggl and Billit now, in this process (design section 10)."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.utils import timezone

from integrations.clients.http.transport import ServiceError
from integrations.mirror import sync
from integrations.models import Company, Workspace
from invoicing.ledger.states import derive
from invoicing.management import arguments
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, WRONG, Fault, JsonCommand

_Done = TypeVar("_Done")
PATIENCE = 60.0
"""Seconds to wait for a worker that reads the same workspace at this moment."""


class Command(JsonCommand):
    """Reads every workspace and company of a firm (or of all), then brings the ledger up to date."""

    help = "Read the hours from Toggl and the products and customers from Billit, now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG")
        parser.add_argument("--workspace", metavar="TOGGL_ID", type=int, help="only this workspace, and no company")
        parser.add_argument("--full", action="store_true", help="re-read everything since the books begin")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Read one after the other; what fails is said and the others go on."""
        workspaces, companies = self._asked(options["firm"], options["workspace"])
        full: bool = options["full"]
        code = DONE
        answer: dict[str, list[dict[str, Any]]] = {"workspaces": [], "companies": []}
        for workspace in workspaces:
            done = self._try(partial(sync.sync_workspace, workspace=workspace, full=full))
            if done is None:
                code = WRONG
                continue
            answer["workspaces"].append(asdict(done))
            if done.deferred_until is not None:
                until = f"{done.deferred_until:%H:%M:%S} UTC"
                self.say(f"Toggl takes no more requests for workspace {workspace} until {until}; it is read on then.")
        for company in companies:
            read = self._try(partial(sync.sync_company, company=company))
            if read is None:
                code = WRONG
                continue
            answer["companies"].append(_row(read))
            if read.deferred_until is not None:
                until = f"{read.deferred_until:%H:%M:%S} UTC"
                self.say(f"Billit takes no more requests for company {company} until {until}; it is read on then.")
        for workspace in workspaces:
            derive.derive(workspace=workspace, now=timezone.now())
        return answer, code

    def _asked(self, slug: str | None, workspace_id: int | None) -> tuple[QuerySet[Workspace], QuerySet[Company]]:
        workspaces = Workspace.objects.select_related("connection", "firm").order_by("firm_id", "remote_id")
        companies = Company.objects.select_related("connection", "firm").order_by("firm_id", "party_id")
        if slug is not None:
            firm = arguments.firm(slug)
            workspaces, companies = workspaces.for_firm(firm), companies.for_firm(firm)
        if workspace_id is not None:
            workspaces, companies = workspaces.filter(remote_id=workspace_id), companies.none()
            if not workspaces:
                raise Fault(f"No Toggl workspace {workspace_id} is connected. Onboard it first.", BAD_ARGUMENTS)
        return workspaces, companies

    def _try(self, read: Callable[..., _Done]) -> _Done | None:
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return read(now=timezone.now())
            except ServiceError as error:
                self.say(str(error))
                return None
            except sync.Busy as error:
                if time.monotonic() > until:
                    self.say(str(error))
                    return None
                time.sleep(0.5)


def _row(read: sync.CompanySync) -> dict[str, Any]:
    """As design section 10 has it, and when it is read on where that was deferred."""
    row: dict[str, Any] = {name: getattr(read, name) for name in ("company", "calls", "products", "customers")}
    return row if read.deferred_until is None else row | {"deferred_until": read.deferred_until}
