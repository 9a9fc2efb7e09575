"""`manage.py verify_audit`: whether nobody changed the audit log (design section 9)."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from invoicing.ledger import audit_trail
from invoicing.management import arguments
from toggbill.firms.audit import Verification, anchors
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, WRONG, Fault, JsonCommand
from toggbill.firms.models import Firm

_TOLD = 20
"""Sentences about one firm: an emptied log has one for every invoice."""


class Command(JsonCommand):
    """Compares chain, anchors and rows of one firm or of all; exit 1 when they do not agree."""

    help = "Check the audit log: its chain, its signed anchors, and whether invoices and decisions follow from it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10; and where anchors lie that were kept elsewhere."""
        parser.add_argument("--firm", metavar="SLUG")
        parser.add_argument("--anchors", metavar="FILE", help="a file of anchors; without it, that of this machine")
        parser.add_argument(
            "--stamp-roots", metavar="FILE.pem", help="certificates of the time-stamping service, to check its stamps"
        )

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Verify each firm."""
        firms = list(Firm.objects.order_by("slug")) if options["firm"] is None else [arguments.firm(options["firm"])]
        # Before the log is read: what is signed meanwhile is no doubt of what was read.
        signed = self._anchors(options["anchors"], options["stamp_roots"])
        checks = [audit_trail.verify(firm=firm, witnesses=(signed.witness(firm),)) for firm in firms]
        if options["firm"] is None:
            checks += _gone(signed, firms)
        for check in checks:
            self._tell(check)
        told = [{"firm": c.firm, "events": c.events, "ok": c.ok, "first_bad": c.first_bad} for c in checks]
        return {"firms": told}, DONE if all(check.ok for check in checks) else WRONG

    def _anchors(self, file: str | None, roots: str | None) -> anchors.Anchors:
        where = settings.ANCHORS_FILE if file is None else Path(file)
        try:
            if file is not None and not where.exists():
                raise FileNotFoundError(where)
            found = anchors.read(
                file=where,
                keys=settings.AUDIT_SIGNING_KEYS,
                roots=b"" if roots is None else Path(roots).read_bytes(),
            )
        except OSError as error:
            raise Fault(f"The file cannot be read: {error}", BAD_ARGUMENTS) from None
        if not found.lines:
            self.say(f"There are no anchors in {where}: chain and rows alone are compared.")
        return found

    def _tell(self, check: Verification) -> None:
        if check.ok:
            return
        self.say(f"The audit log of {check.firm} does not hold from event {check.first_bad} on.")
        for sentence in check.sentences[:_TOLD]:
            self.say(f"{check.firm}: {sentence}")
        if len(check.sentences) > _TOLD:
            self.say(f"{check.firm}: and {len(check.sentences) - _TOLD} more.")


def _gone(signed: anchors.Anchors, firms: list[Firm]) -> Iterator[Verification]:
    """Firms that were signed and are not there: none can be deleted while it has a row."""
    for slug in sorted(signed.heads.keys() - {firm.slug for firm in firms}):
        if max(signed.heads[slug]):
            yield Verification(slug, 0, False, 1, (f"Firm {slug} was signed, and there is none of that name.",))
