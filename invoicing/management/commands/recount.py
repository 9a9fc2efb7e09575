"""`manage.py recount`: counts all that is kept of months anew from the rows (design section 10)."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.utils import timezone

from invoicing.ledger import months
from invoicing.management import arguments
from toggbill.firms.management.command import DONE, JsonCommand


class Command(JsonCommand):
    """Sums and proofs of months, month by month; what was wrong is right afterwards."""

    help = "Count what is kept of the books' months anew from the rows, and put right what was not so."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--dossier", metavar="KEY")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """The months of the dossiers that were asked for."""
        dossiers = arguments.dossiers(arguments.firm(options["firm"]), options["dossier"])
        done = months.recount(dossiers=dossiers, now=timezone.now())
        if done.changed:
            self.say(f"In {done.changed} of {done.months} months what was kept was wrong. It is right now.")
        return asdict(done), DONE
