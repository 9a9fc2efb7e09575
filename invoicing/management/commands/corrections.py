"""`manage.py corrections`: what changed after billing, alike together, and a decision on all of a group."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.utils import timezone

from integrations.clients.http.transport import ServiceError
from invoicing.corrections import options, together
from invoicing.management import arguments
from invoicing.management.invoice_json import as_json
from invoicing.models import Correction, Invoice
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, WRONG, Fault, JsonCommand


class Command(JsonCommand):
    """Without ``--decide`` it lists the open corrections by group, each with the digest of what there is to read."""

    help = "List the open corrections, alike ones together, or decide on all of a group."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--dossier", metavar="KEY")
        parser.add_argument("--group", metavar="NAME", help="the group that is decided")
        parser.add_argument("--decide", choices=together.REMEDIES)
        parser.add_argument("--read", metavar="DIGEST", help="the digest with which the group was listed")
        parser.add_argument("--note", metavar="TEXT", default="")

    def work(self, **given: Any) -> tuple[dict[str, Any], int]:
        """List, or decide; exit 1 when what was read has changed, or the group cannot be decided so."""
        dossiers = arguments.dossiers(arguments.firm(given["firm"]), given["dossier"])
        rows = Correction.objects.open().filter(invoice__dossier__in=dossiers).select_related(*options.BEHIND)
        groups = together.groups(rows.order_by("claim__started_at", "pk"))
        if given["decide"] is None:
            return {"groups": [_told(group) for group in groups]}, DONE
        if not given["group"] or not given["read"]:
            raise Fault("Say which group (--group) and the digest of what you read of it (--read).", BAD_ARGUMENTS)
        if len(given["note"]) > options.LONGEST_NOTE:
            raise Fault(f"A note has at most {options.LONGEST_NOTE} characters.", BAD_ARGUMENTS)
        group = next((found for found in groups if found.name == given["group"]), None)
        if group is None:
            raise Fault(f"No open corrections are named “{given['group']}”. Without --decide they are listed.", WRONG)
        try:
            done = together.decide(
                group=group,
                remedy=given["decide"],
                by=Actor.command(),
                now=timezone.now(),
                note=given["note"],
                digest=given["read"],
            )
        except (NotPossible, ServiceError) as error:
            raise Fault(str(error), WRONG) from error
        entries = sorted(row.entry.remote_id for row in done.corrections)
        notes = Invoice.objects.filter(pk__in=[made.pk for made in done.notes]).order_by("pk")
        decision = str(done.corrections[0].decision)
        return {"decided": {"decision": decision, "entries": entries}, "invoices": as_json(notes)}, DONE


def _told(group: together.Group) -> dict[str, Any]:
    told = {
        "group": group.name,
        "dossier": group.dossier.key,
        "what": group.what,
        "corrections": len(group.corrections),
        "entries": sorted(row.entry.remote_id for row in group.corrections),
        "invoices": [invoice.reference for invoice in group.invoices],
        "seconds": group.seconds,
        "hours": f"{group.hours:.2f}",
        "amount": f"{group.amount:.2f}",
    }
    if "product" in group.what:
        told["product"] = list(group.products)
    if "customer" in group.what:
        told["customer"] = list(group.customers)
    possible = [remedy for remedy in together.REMEDIES if not group.why_not[remedy]]
    refused = {remedy: why for remedy, why in group.why_not.items() if why}
    return told | {"possible": possible, "refused": refused, "digest": group.figures.digest}
