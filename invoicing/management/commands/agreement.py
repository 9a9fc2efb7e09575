"""`manage.py agreement`: what a person does with a fee agreement (design sections 10 and 11)."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.clients.http.transport import ServiceError
from invoicing.dossiers.agreements import brought
from invoicing.drafting import blocks, settlement
from invoicing.management import arguments
from invoicing.management.invoice_json import as_json, planned, skipped_json
from invoicing.models import Agreement, Invoice
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, Fault, JsonCommand


class Command(JsonCommand):
    """An agreement is named by its short name; what is drafted is approved and posted as any other invoice."""

    help = "Order the next block of prepaid hours, settle the hours on account, or bring in an order of Billit's own."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--key", metavar="KEY", required=True, help="the short name of the agreement")
        deeds = parser.add_mutually_exclusive_group(required=True)
        deeds.add_argument("--order-block", action="store_true", help="draft the next block of prepaid hours")
        deeds.add_argument("--settle", action="store_true", help="bill the hours on account, less the advances")
        deeds.add_argument(
            "--bring", metavar="ORDER", type=int, help="bring in an order that Billit itself made (its id)"
        )
        parser.add_argument(
            "--for", dest="stands_for", metavar="DAY", help="with --bring: the advance's or period's day"
        )
        parser.add_argument("--through", metavar="DAY", help="with --settle: up to this day; without it today")
        parser.add_argument("--dry-run", action="store_true", help="say what would be drafted, and change nothing")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Exit 2 for an unknown agreement or day, or an agreement with which this cannot be done."""
        agreement = arguments.agreement(arguments.firm(options["firm"]), options["key"])
        today = timezone.now().astimezone(agreement.firm.zone).date()
        through = arguments.day(options["through"]) if options["through"] else today
        try:
            if options["bring"] is not None:
                return self._bring(agreement, options["bring"], options["stands_for"], is_dry=options["dry_run"]), DONE
            if options["order_block"]:
                return self._order(agreement, is_dry=options["dry_run"]), DONE
            return self._settle(agreement, through, is_dry=options["dry_run"]), DONE
        except NotPossible as error:
            raise Fault(str(error), BAD_ARGUMENTS) from error
        except ServiceError as error:
            raise Fault(str(error)) from error

    def _bring(self, agreement: Agreement, order: int, stands_for: str | None, *, is_dry: bool) -> dict[str, Any]:
        """Besides what the other deeds print: ``brought``, the order as Billit says it is."""
        period = arguments.day(stands_for) if stands_for else None
        with transaction.atomic():
            (row,) = brought.bring_advance(
                agreement=agreement, orders={order: period}, by=Actor.command(), now=timezone.now()
            )
            if is_dry:
                transaction.set_rollback(True)
        told = {
            "order_id": row.order_id,
            "order_number": row.order_number,
            "date": row.order_date.isoformat(),
            "period": None if row.period is None else row.period.isoformat(),
            "vat_rate": f"{row.vat_rate:.2f}",
            "total_excl": f"{row.total_excl:.2f}",
            "total_vat": f"{row.total_vat:.2f}",
            "total_incl": f"{row.total_incl:.2f}",
        }
        return {"invoices": [], "skipped": [], "mirror_as_of": agreement.dossier.workspace.synced_at, "brought": told}

    def _order(self, agreement: Agreement, *, is_dry: bool) -> dict[str, Any]:
        with transaction.atomic():
            invoice = blocks.order_block(agreement=agreement, by=Actor.command(), now=timezone.now())
            (made,) = as_json(Invoice.objects.filter(pk=invoice.pk))
            if is_dry:
                transaction.set_rollback(True)
        if is_dry:
            made["reference"] = None
        return {"invoices": [made], "skipped": [], "mirror_as_of": agreement.dossier.workspace.synced_at}

    def _settle(self, agreement: Agreement, through: date, *, is_dry: bool) -> dict[str, Any]:
        now = timezone.now()
        if is_dry:
            drafting = settlement.preview(agreement=agreement, through=through, now=now)
            invoices = [planned(invoice, plan) for invoice, plan in drafting.moved]
        else:
            drafting = settlement.settle(agreement=agreement, through=through, by=Actor.command(), now=now)
            moved = [invoice.pk for invoice, _ in drafting.moved]
            invoices = as_json(Invoice.objects.filter(pk__in=moved).order_by("pk"))
        as_of = drafting.mirror_as_of
        return {"invoices": invoices, "skipped": skipped_json(drafting.plan), "mirror_as_of": as_of}
