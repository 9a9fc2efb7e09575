"""`manage.py reconcile`: Toggl, the ledger and Billit side by side (design section 10)."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from integrations import sync
from integrations.transport import ServiceError
from invoicing import asked
from invoicing import reconcile as reconciliation
from toggbill.firms.command import DONE, WRONG, Fault, JsonCommand


class Command(JsonCommand):
    """Every difference has a kind and a sentence; exit 1 when there is one."""

    help = "Compare the ledger with what Toggl and Billit say today."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--dossier", metavar="KEY")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Ask both services and compare."""
        dossiers = asked.dossiers(asked.firm(options["firm"]), options["dossier"])
        try:
            report = reconciliation.reconcile(dossiers=dossiers, now=timezone.now())
        except (ServiceError, sync.Busy) as error:
            raise Fault(str(error), WRONG) from error
        drift = [{key: value for key, value in asdict(found).items() if value is not None} for found in report.drift]
        for found in report.drift:
            self.say(found.sentence)
        return {"checked": report.checked, "drift": drift}, WRONG if drift else DONE
