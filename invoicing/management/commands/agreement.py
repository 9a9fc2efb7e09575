"""`manage.py agreement`: what a person does with a fee agreement (design sections 10 and 11)."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.db import transaction
from django.utils import timezone

from invoicing.drafting import blocks
from invoicing.management import arguments
from invoicing.management.invoice_json import as_json
from invoicing.models import Invoice
from toggbill.firms.audit import Actor
from toggbill.firms.command import BAD_ARGUMENTS, DONE, Fault, JsonCommand
from toggbill.firms.errors import NotPossible


class Command(JsonCommand):
    """An agreement is named by its short name; what is drafted is approved and posted as any other invoice."""

    help = "Order the next block of prepaid hours."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--key", metavar="KEY", required=True, help="the short name of the agreement")
        deeds = parser.add_mutually_exclusive_group(required=True)
        deeds.add_argument("--order-block", action="store_true", help="draft the next block of prepaid hours")
        parser.add_argument("--dry-run", action="store_true", help="say what would be drafted, and change nothing")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Exit 2 for an unknown agreement, or one with which this cannot be done."""
        agreement = arguments.agreement(arguments.firm(options["firm"]), options["key"])
        try:
            with transaction.atomic():
                invoice = blocks.order_block(agreement=agreement, by=Actor.command(), now=timezone.now())
                (made,) = as_json(Invoice.objects.filter(pk=invoice.pk))
                if options["dry_run"]:
                    transaction.set_rollback(True)
        except NotPossible as error:
            raise Fault(str(error), BAD_ARGUMENTS) from error
        if options["dry_run"]:
            made["reference"] = None
        as_of = agreement.dossier.workspace.synced_at
        return {"invoices": [made], "skipped": [], "mirror_as_of": as_of}, DONE
