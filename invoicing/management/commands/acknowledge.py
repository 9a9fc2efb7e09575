"""`manage.py acknowledge`: what a comparison found may stay as it is (design section 10)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from invoicing.management import arguments
from invoicing.models import Drift
from invoicing.reconciliation import acknowledge, findings
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, Fault, JsonCommand


class Command(JsonCommand):
    """The findings are named as `reconcile` prints them: by kind, entry, order or reference."""

    help = "Acknowledge differences with Toggl and Billit, with a reason: they are no drift until they change."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--dossier", metavar="KEY")
        parser.add_argument("--kind", choices=Drift.Kind.values)
        parser.add_argument("--entry", metavar="ID", type=int, help="Toggl's id of the entry")
        parser.add_argument("--order", metavar="ID", type=int, help="Billit's id of the order")
        parser.add_argument("--reference", metavar="TEXT", help="the reference of the invoice")
        parser.add_argument("--reason", metavar="TEXT", required=True)

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """All that stand and are named so; exit 2 when none does."""
        dossiers = arguments.dossiers(arguments.firm(options["firm"]), options["dossier"])
        columns = {"kind": "kind", "entry": "entry_remote_id", "order": "order_id", "reference": "reference"}
        named = {column: options[name] for name, column in columns.items() if options[name] is not None}
        if not named:
            raise Fault("Say which differences: --kind, --entry, --order or --reference.", BAD_ARGUMENTS)
        rows = Drift.objects.unanswered().filter(dossier__in=dossiers, **named).select_related("firm")
        found = list(rows.order_by("first_seen_at", "pk"))
        if not found:
            raise Fault("No difference that stands is named so. `reconcile` prints those that do.", BAD_ARGUMENTS)
        try:
            done = acknowledge.acknowledge(
                findings=found, reason=options["reason"], by=Actor.command(), now=timezone.now()
            )
        except NotPossible as error:
            raise Fault(str(error), BAD_ARGUMENTS) from error
        return {"acknowledged": [findings.of_row(row).told() for row in done]}, DONE
