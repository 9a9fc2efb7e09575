"""`manage.py export_audit`: the audit log as JSON Lines (design section 9)."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from invoicing.management import arguments
from toggbill.firms import audit
from toggbill.firms.management.command import Fault


class Command(BaseCommand):
    """One event a line, in the order of the numbers; each line is the hashed object plus its hash."""

    help = "Write a firm's audit log as JSON Lines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the lines."""
        try:
            firm = arguments.firm(options["firm"])
        except Fault as fault:
            self.stderr.write("\n".join(fault.sentences))
            sys.exit(fault.code)
        for line in audit.export(firm=firm):
            self.stdout.write(line)
