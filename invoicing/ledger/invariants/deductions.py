"""What must hold of what is taken off advances: part of the one list in ``invariants`` (section 11)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from django.db.models import DecimalField, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Abs, Coalesce
from django.utils.translation import gettext_noop

from invoicing.ledger.invariants.broken import Broken
from invoicing.ledger.invariants.scope import Scope
from invoicing.models import Deduction
from invoicing.models.advances.deductions import OUT_OF_STEP

_HALF_A_CENT = Decimal("0.00501")  # and a hair: SQLite adds decimals as floating point


def _together(name: str) -> Subquery:
    """What the live deductions of the same advance come to; none for a deduction of the other sort."""
    live = Deduction.objects.live().filter(**{name: OuterRef(name)}).order_by().values(name)
    return Subquery(live.annotate(total=Sum("amount")).values("total"))


def deducted_once(scope: Scope) -> Iterator[Broken]:
    """Of an advance no more is taken off than it is: each deduction stands on a line of its amount, counts as long as
    that line does, and no longer, and together they come to no more than the advance."""
    rows = Deduction.objects.filter(scope.of_firms(""), line__invoice__dossier__in=scope.dossiers)
    rows = rows.filter(scope.within("line__invoice__period_from"))
    is_astray = OUT_OF_STEP | Q(amount__gt=F("own") + _HALF_A_CENT) | Q(amount__lt=F("own") - _HALF_A_CENT)
    is_astray |= Q(together__gt=F("whole") + _HALF_A_CENT)
    rows = rows.annotate(
        own=Abs(F("line__total")),
        together=Coalesce(_together("advance"), _together("brought"), Decimal(0), output_field=DecimalField()),
        whole=Coalesce(F("advance__total"), F("brought__total_excl")),
    )
    words = gettext_noop(
        "Line %(line)s of invoice %(invoice)s takes %(ours)s off an advance of %(theirs)s, which has not so much left."
    )
    for row in rows.filter(is_astray).select_related("line__invoice", "advance", "brought"):
        invoice = row.line.invoice
        whole = row.advance.total if row.advance is not None else row.brought.total_excl if row.brought else None
        facts = {"invoice": str(invoice), "line": row.line.position, "ours": row.amount, "theirs": whole}
        subject = f"invoice {invoice.reference} line {row.line.position}"
        yield Broken(invoice.dossier_id, invoice.period_from.replace(day=1), subject, words, facts)
