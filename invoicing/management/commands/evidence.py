"""`manage.py evidence`: everything that proves a month, in one file that is checked without toggbill."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.utils import timezone

from invoicing.evidence import pack
from invoicing.management import arguments
from toggbill.firms.audit import Actor
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, WRONG, Fault, JsonCommand


class Command(JsonCommand):
    """Writes the pack beside its place and then moves it there, so that a half one is never found."""

    help = "Write everything that proves a dossier's month into one ZIP file, with a program that checks it offline."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--dossier", metavar="KEY", required=True)
        parser.add_argument("--month", metavar="YYYY-MM", required=True)
        parser.add_argument("--to", metavar="FILE.zip", type=Path, required=True)

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """The file and its hash; the hash stands in the firm's audit log, too."""
        (dossier,) = arguments.dossiers(arguments.firm(options["firm"]), options["dossier"])
        month, to = arguments.month(options["month"]), options["to"]
        if to.is_dir() or not to.parent.is_dir():
            raise Fault(f"{to} cannot be written: give the path of a file in a folder that is there.", BAD_ARGUMENTS)
        half = to.with_name(f"{to.name}.part")
        try:
            with half.open("w+b") as file:
                half.chmod(0o600)
                made = pack.make(dossier=dossier, month=month, to=file, by=Actor.command(), now=timezone.now())
            half.replace(to)
        except OSError as error:
            raise Fault(f"{to} cannot be written: {error.strerror}. Give another path.", WRONG) from None
        finally:
            half.unlink(missing_ok=True)
        if not made.balanced:
            self.say(f"The month is not balanced, and the pack says so: see `ledger --month {options['month']}`.")
        self.say(f"Check it anywhere: unpack {to} and run python3 check.py there.")
        return {"file": str(to), "sha256": made.sha256}, DONE
