"""`manage.py write_back`: give billed entries their tag in Toggl now, in this process (design section 8)."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from integrations.models import Workspace
from invoicing.due import write_backs
from invoicing.management import arguments
from invoicing.models import WriteBack
from toggbill.firms.management.command import DONE, JsonCommand


class Command(JsonCommand):
    """What is due in each workspace of a firm, as far as Toggl's budget goes; the workers do the rest later."""

    help = "Give billed hours their tag in Toggl, and take it from those that are billed no more, now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As the other commands that ask a service."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--again", action="store_true", help="also what Toggl refused, such as in a locked period")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """One workspace after the other."""
        firm = arguments.firm(options["firm"])
        rows = []
        for workspace in Workspace.objects.for_firm(firm).select_related("connection").order_by("remote_id"):
            if options["again"]:
                write_backs.try_again(workspace=workspace, now=timezone.now())
            report = write_backs.serve(workspace=workspace, now=timezone.now(), turns=None)
            rows.append({"workspace": workspace.remote_id, **asdict(report)})
            if report.deferred_until is not None:
                until = f"{report.deferred_until:%H:%M:%S} UTC"
                self.say(f"Toggl is asked no more for workspace {workspace} until {until}; the workers go on then.")
        return {"workspaces": rows, "waiting": WriteBack.objects.for_firm(firm).waiting().count()}, DONE
