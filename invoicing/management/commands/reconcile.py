"""`manage.py reconcile`: Toggl, the ledger and Billit side by side (design section 10)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from integrations.clients.http.failures import english
from integrations.clients.http.transport import ServiceError
from integrations.mirror import sync
from invoicing.management import arguments
from invoicing.reconciliation import reconcile as reconciliation
from toggbill.firms.management.command import DONE, WRONG, Fault, JsonCommand


class Command(JsonCommand):
    """Every difference has a kind, a sentence and an action; exit 1 when there is one, or a rule is broken.

    What Toggl's budget does not allow yet is no failure: ``not_compared`` (there only if something was not) names
    dossiers, or totals of months, and why: a code with its facts.
    """

    help = "Compare the ledger with what Toggl and Billit say today."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--dossier", metavar="KEY")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Ask both services and compare."""
        dossiers = arguments.dossiers(arguments.firm(options["firm"]), options["dossier"])
        try:
            report = reconciliation.reconcile(dossiers=dossiers, now=timezone.now(), partly=True)
        except (ServiceError, sync.Busy) as error:
            raise Fault(str(error), WRONG) from error
        for found in report.drift:
            self.say(f"{found.sentence} {found.action}")
        keys = {dossier.pk: dossier.key for dossier in dossiers}
        for broken in report.broken:
            about = f"Dossier {keys[broken.dossier]}, {broken.month:%Y-%m}, {broken.rule}"
            self.say(f"{about}: {broken.sentence} {broken.action}")
        for trouble in report.troubles:
            self.say(f"Months were not compared with Toggl's totals: {english(trouble)}")
        for why in report.unread:
            self.say(f"Some months were not compared with Toggl's totals: {english(why)}")
        for pk, why in report.left_out.items():
            self.say(f"Dossier {keys[pk]} was not compared: {english(why)}")
        left_out = [{"dossier": keys[pk], **why.data()} for pk, why in report.left_out.items()]
        left_out += [{"what": "months", **why.data()} for why in [*report.troubles, *report.unread]]
        told: dict[str, Any] = {"checked": report.checked, "drift": [found.told() for found in report.drift]}
        if left_out:
            told["not_compared"] = left_out
        return told, WRONG if told["drift"] or report.broken else DONE
