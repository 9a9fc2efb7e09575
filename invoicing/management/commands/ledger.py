"""`manage.py ledger`: the books by dossier and month (design section 10). Reads only."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from invoicing.ledger import balance
from invoicing.management import arguments
from toggbill.firms.management.command import DONE, JsonCommand


class Command(JsonCommand):
    """Sums of entries and seconds by state, and which rules do not hold in them."""

    help = "Print the books: entries and seconds by state, attention by reason, and whether they balance."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--dossier", metavar="KEY")
        parser.add_argument("--month", metavar="YYYY-MM")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """The months of the dossiers that were asked for."""
        dossiers = arguments.dossiers(arguments.firm(options["firm"]), options["dossier"])
        month = None if options["month"] is None else arguments.month(options["month"])
        found = balance.months(dossiers=dossiers, month=month)
        for sheet in found:
            for broken in sheet.broken:
                about = f"Dossier {sheet.dossier.key}, {sheet.month:%Y-%m}, {broken.rule}"
                self.say(f"{about}: {broken.sentence} {broken.action}")
        return {
            "dossiers": [
                {
                    "dossier": sheet.dossier.key,
                    "month": f"{sheet.month:%Y-%m}",
                    "states": {state: asdict(tally) for state, tally in sheet.states.items()},
                    "attention": {reason: asdict(tally) for reason, tally in sorted(sheet.attention.items())},
                    "corrections": asdict(sheet.corrections),
                    "balanced": sheet.balanced,
                    "broken": [broken.told() for broken in sheet.broken],
                }
                for sheet in found
            ]
        }, DONE
