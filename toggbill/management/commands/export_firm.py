"""`manage.py export_firm`: everything of a firm in one archive (JSON Lines, CSV, and the audit log)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from invoicing.management import arguments
from toggbill.firms.audit import Actor
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, WRONG, Fault, JsonCommand
from toggbill.leaving import archive


class Command(JsonCommand):
    """Writes the archive beside its place and then moves it there, so that a half one is never found."""

    help = "Write everything of a firm into one ZIP file. Secrets stay behind."

    def add_arguments(self, parser: CommandParser) -> None:
        """The firm and the file."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--to", metavar="FILE.zip", type=Path, required=True)

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """The counts of what was written."""
        firm, to = arguments.firm(options["firm"]), options["to"]
        if to.is_dir() or not to.parent.is_dir():
            raise Fault(f"{to} cannot be written: give the path of a file in a folder that is there.", BAD_ARGUMENTS)
        half = to.with_name(f"{to.name}.part")
        try:
            with half.open("wb") as file:
                half.chmod(0o600)
                written = archive.write(firm=firm, to=file, by=Actor.command(), now=timezone.now())
            half.replace(to)
        except OSError as error:
            raise Fault(f"{to} cannot be written: {error.strerror}. Give another path.", WRONG) from None
        finally:
            half.unlink(missing_ok=True)
        self.say(f"Everything of {firm.slug} is in {to}. Check its log: python verify_audit.py audit.jsonl")
        return {"firm": firm.slug, "events": written.events, "head": written.head, "rows": written.rows}, DONE
