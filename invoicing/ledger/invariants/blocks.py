"""What must hold of prepaid hours, each rule by its name: part of the one list in ``invariants`` (section 11)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from django.db.models import Exists, Max, OuterRef, Q, Sum
from django.utils.translation import gettext_noop

from invoicing.ledger.invariants.broken import Broken
from invoicing.ledger.invariants.scope import Scope
from invoicing.models import Claim, Invoice, InvoiceLine, LedgerRow
from invoicing.models.invoices.claims import on_live_line


def prepaid_once(scope: Scope) -> Iterator[Broken]:
    """An hour draws one block, which Billit has, and stands in the books as prepaid, or waits for a person; what
    stands there as prepaid draws a block."""
    claims = scope.claims().prepaid().select_related("entry__ledger_row", "line__invoice")
    states = [LedgerRow.State.PREPAID, LedgerRow.State.ATTENTION]
    fitting = Q(entry__ledger_row__state__in=states) & Q(line__kind=InvoiceLine.Kind.BLOCK)
    fitting &= on_live_line()
    words = gettext_noop(
        "Entry %(entry)s of %(day)s draws a block on invoice %(invoice)s, and stands in the books as %(state)s."
    )
    for claim in claims.exclude(fitting):
        row: LedgerRow | None = getattr(claim.entry, "ledger_row", None)
        state = "" if row is None else row.state
        facts = {"entry": claim.entry_remote_id, "invoice": str(claim.line.invoice), "state": state}
        yield _of_entry(claim.line.invoice.dossier_id, claim.day, words, facts)
    drawing = Claim.objects.live().prepaid().filter(entry=OuterRef("entry"))
    words = gettext_noop("Entry %(entry)s of %(day)s stands in the books as prepaid, and draws no block.")
    rows = scope.rows().filter(state=LedgerRow.State.PREPAID).exclude(Exists(drawing))
    for dossier, entry, day in rows.values_list("dossier_id", "entry__remote_id", "day"):
        yield _of_entry(dossier, day, words, {"entry": entry})


def block_left(scope: Scope) -> Iterator[Broken]:
    """A block falls below zero by less than one entry: what was drawn of it without the longest of its entries is less
    than what it had, with what earlier blocks were below zero taken off."""
    wanted = scope.lines().filter(kind=InvoiceLine.Kind.BLOCK, takes_back__isnull=True)
    agreements = set(wanted.order_by().values_list("agreement", flat=True))
    if not agreements:
        return
    lines = InvoiceLine.objects.live().filter(agreement__in=agreements, kind=InvoiceLine.Kind.BLOCK)
    lines = lines.filter(takes_back__isnull=True, invoice__status=Invoice.Status.POSTED).select_related("invoice")
    claims = Claim.objects.live().prepaid().filter(line__in=lines.values("pk")).order_by()
    drawn = {pk: (total, most) for pk, total, most in claims.values_list("line").annotate(Sum("drawn"), Max("drawn"))}
    left = defaultdict[int | None, Decimal](Decimal)
    own = set(wanted.values_list("pk", flat=True))
    words = gettext_noop("Line %(line)s of invoice %(invoice)s has %(ours)s hours, and hours draw %(theirs)s of them.")
    for line in lines.order_by("part"):
        total, most = drawn.get(line.pk, (0, 0))
        had = left[line.agreement_id] + line.quantity * 3600
        left[line.agreement_id] = min(had - total, Decimal(0))
        if total and total - most >= had and line.pk in own:
            facts = {"invoice": str(line.invoice), "line": line.position, "ours": had / 3600, "theirs": total / 3600}
            subject = f"invoice {line.invoice.reference} line {line.position}"
            month = line.invoice.period_from.replace(day=1)
            yield Broken(line.invoice.dossier_id, month, subject, words, facts)


def _of_entry(dossier: int, day: date, words: str, facts: dict[str, object]) -> Broken:
    return Broken(dossier, day.replace(day=1), f"entry {facts['entry']}", words, facts | {"day": day})
