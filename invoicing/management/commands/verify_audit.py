"""`manage.py verify_audit`: whether nobody changed the audit log (design section 9)."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from invoicing.management import arguments
from toggbill.firms import audit
from toggbill.firms.command import DONE, WRONG, JsonCommand
from toggbill.firms.models import Firm


class Command(JsonCommand):
    """Recomputes the chain of one firm or of all; exit 1 when one is broken."""

    help = "Check the chain of the audit log: an edit, a gap, a reordering or a cut-off end is found."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Verify each firm."""
        firms = list(Firm.objects.order_by("slug")) if options["firm"] is None else [arguments.firm(options["firm"])]
        checks = [audit.verify(firm=firm) for firm in firms]
        for check in checks:
            if not check.ok:
                self.say(f"The audit log of {check.firm} does not hold from event {check.first_bad} on.")
        return {"firms": [asdict(check) for check in checks]}, DONE if all(c.ok for c in checks) else WRONG
