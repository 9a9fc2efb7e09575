"""What people do in the world of all agreements, so that doing it again does nothing twice: they order the first block,
write an invoice down, and take back what was sent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal

from django.utils import timezone

from integrations.models import Entry
from invoicing.corrections import decide, fees
from invoicing.drafting import blocks
from invoicing.drafting.changing.discounts import Wish, write_line
from invoicing.models import Agreement, Claim, Dossier, Invoice, InvoiceLine
from tests.invoicing.scene import BY
from toggbill.firms.errors import NotPossible

_Kind = InvoiceLine.Kind
REASON = "As agreed on the telephone"
OFF = Decimal("4.00")
"""Per cent that are taken off the first line of the customer who pays by the hour."""


def order_first_blocks() -> None:
    """One of each agreement of prepaid hours that has none."""
    for agreement in Agreement.objects.filter(kind=Agreement.Kind.PREPAID, lines__isnull=True).order_by("pk"):
        blocks.order_block(agreement=agreement, by=BY, now=timezone.now())


def write_down(dossier: Dossier) -> None:
    """The draft of the customer who pays by the hour."""
    drafts = Invoice.objects.drafts().filter(dossier=dossier, kind=Invoice.Kind.INVOICE)
    for invoice in drafts.exclude(lines__agreement__isnull=False).exclude(lines__discount_reason=REASON):
        write_line(invoice=invoice, position=1, wish=Wish(per_cent=OFF), reason=REASON, by=BY, now=timezone.now())


def take_back(dossier: Dossier) -> None:
    """The fee in arrears with its extra hour, the first block, the advance that no settlement deducted, all hours of
    who pays by the hour, and those of the settlement once its invoice has no other credit note that waits."""
    _of_agreements(dossier, [_Kind.FEE, _Kind.EXTRA], lambda line: line.agreement_id in _with_extra(dossier))
    _of_agreements(dossier, [_Kind.BLOCK], lambda line: line.part == 1)
    _of_agreements(dossier, [_Kind.ADVANCE], lambda line: not line.deductions.live().exists())
    for is_settled in (False, True):
        lines = InvoiceLine.objects.filter(invoice__dossier=dossier, kind=_Kind.HOURS, invoice__kind="invoice")
        claims = Claim.objects.of_entries().filter(line__in=lines.filter(agreement__isnull=not is_settled))
        if Claim.objects.of_credits().filter(takes_back__in=claims).exists():
            continue
        entries = Entry.objects.filter(pk__in=claims.live().posted().values("entry")).order_by("pk")
        with suppress(NotPossible):
            decide.credit(entries=list(entries), rebill=True, by=BY, now=timezone.now())


def _of_agreements(dossier: Dossier, kinds: list[_Kind], concerned: Callable[[InvoiceLine], bool]) -> None:
    of_kind = InvoiceLine.objects.filter(invoice__dossier=dossier, kind__in=kinds)
    if any(concerned(line) for line in of_kind.filter(takes_back__isnull=False)):
        return
    posted = of_kind.live().filter(takes_back__isnull=True, invoice__status="posted").order_by("pk")
    lines = [line for line in posted.select_related("invoice__firm", "invoice__company") if concerned(line)]
    if lines:
        with suppress(NotPossible):
            (invoice,) = {line.invoice for line in lines}
            fees.credit_lines(invoice=invoice, lines=[line.pk for line in lines], by=BY, now=timezone.now())


def _with_extra(dossier: Dossier) -> set[int]:
    agreements = Agreement.objects.filter(dossier=dossier, included_hours__isnull=False)
    return set(agreements.values_list("pk", flat=True))
