"""Writing a line of a waiting draft down or up, with a reason (design section 11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils import formats
from django.utils.translation import gettext

from invoicing.deciding import figures, rights
from invoicing.drafting import deductions
from invoicing.drafting.runs import locked
from invoicing.ledger.facts.books import known_customers, refusal
from invoicing.models import Invoice, InvoiceLine
from invoicing.models.problems import columns
from invoicing.rules.billing import discounts, rating
from invoicing.rules.text import text_key, xml_text
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.firms.read import Read, check

LONGEST_REASON = 200
_LARGEST = Decimal(10) ** 9
_LARGEST_PER_CENT = Decimal(1000)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a line is to come to: an ``amount`` in euro excl. VAT, or so much ``per_cent`` less than its value at rate
    (negative: more). The one or the other; the value at rate, or 0 %, takes a discount back."""

    amount: Decimal | None = None
    per_cent: Decimal | None = None


@transaction.atomic
def write_line(
    *,
    invoice: Invoice,
    position: int,
    wish: Wish,
    reason: str,
    by: Actor,
    now: datetime,
    read: Read | None = None,
) -> Invoice:
    """Give a line of a draft another amount than its value at rate. The customer reads ``reason`` on the invoice.

    It stays so when the draft is redrawn (``rules.discounts.kept``) and when the order is replaced. A settlement takes
    off the advances that its hours come to now. Raises
    ``NotPossible`` where the wish makes no line that can be billed, ``NotAllowed`` (beyond 10 % it takes a right of its
    own), ``Changed`` and ``Unread``.
    """
    lock_firm(invoice.firm)
    invoice = locked(invoice)
    rights.demand(by, "draft", invoice.dossier)
    check(read, lambda: [figures.of_invoice(invoice)], by=by)
    if invoice.status != Invoice.Status.DRAFT or invoice.kind != Invoice.Kind.INVOICE:
        raise NotPossible(
            gettext("Invoice %(invoice)s is no draft: only a line that waits can be given another amount.")
            % {"invoice": invoice}
        )
    lines = list(invoice.lines.order_by("position").select_related("deduction").prefetch_related("claims"))
    line = _writable(invoice, next((each for each in lines if each.position == position), None), position)
    before = line.discount, line.discount_reason
    discount = _discount(line, wish)
    reason = _reason(reason) if discount else ""
    if not discounts.is_free(discount, line.value):
        rights.demand(by, "discount", invoice.dossier)
    line.total, line.discount, line.discount_reason = line.value - discount, discount, reason
    line.discount_per_cent = wish.per_cent if discount else None
    line.save(update_fields=["total", "discount", "discount_per_cent", "discount_reason"])
    lines = deductions.plan_anew(invoice=invoice, lines=lines, now=now)
    _set_totals(invoice, lines)
    known = known_customers(invoice.company, [invoice.customer_party_id])
    for name, value in columns("attention", refusal(invoice, lines, known)).items():
        setattr(invoice, name, value)
    invoice.save(update_fields=["total_excl", "total_vat", "total_incl", "attention", "attention_facts"])
    audit.record(firm=invoice.firm, news=[_news(invoice, line, before, lines)], by=by, now=now)
    return invoice


def _writable(invoice: Invoice, line: InvoiceLine | None, position: int) -> InvoiceLine:
    if line is None:
        raise NotPossible(
            gettext("Invoice %(invoice)s has no line %(n)d: open the page again.") % {"invoice": invoice, "n": position}
        )
    if line.corrects:
        raise NotPossible(
            gettext("Line %(n)d corrects an earlier invoice, at the price and the discount of that: it stays as it is.")
            % {"n": position}
        )
    if not line.is_writable:
        raise NotPossible(gettext("Line %(n)d bills neither hours nor a fee: it stays as it is.") % {"n": position})
    return line


def _discount(line: InvoiceLine, wish: Wish) -> Decimal:
    amount, per_cent = wish.amount, wish.per_cent
    if amount is not None and per_cent is None:
        if amount < 0 or amount >= _LARGEST or amount != rating.to_cents(amount):
            raise NotPossible(
                gettext("%(amount)s is no amount that a line can come to: give 0.00 or more, with two decimals.")
                % {"amount": formats.number_format(amount)}
            )
        return line.value - amount
    if per_cent is None or amount is not None:
        raise NotPossible(gettext("Give either an amount or per cent, not both and not neither."))
    if abs(per_cent) >= _LARGEST_PER_CENT or per_cent > 100 or per_cent != rating.to_cents(per_cent):
        raise NotPossible(
            gettext("%(per_cent)s %% is no discount: give at most 100, less than 0 to add, with two decimals.")
            % {"per_cent": formats.number_format(per_cent)}
        )
    return discounts.of_per_cent(line.value, per_cent)


def _reason(given: str) -> str:
    reason = " ".join(xml_text(given).split())
    if not text_key(reason):
        raise NotPossible(gettext("Say why the line gets another amount: the customer reads it on the invoice."))
    if len(reason) > LONGEST_REASON:
        raise NotPossible(
            gettext("The reason has %(n)d characters: say it in %(most)d at most.")
            % {"n": len(reason), "most": LONGEST_REASON}
        )
    return reason


def _set_totals(invoice: Invoice, lines: Sequence[InvoiceLine]) -> None:
    sums = rating.totals((line.vat_rate, line.total) for line in lines)
    # What is deducted of advances never comes to more than the hours do.
    takes_off = any(line.quantity < 0 and line.kind != InvoiceLine.Kind.DEDUCTION for line in lines)
    is_too_little = takes_off and (sums.excl <= 0 or sums.incl <= 0 or any(group.base < 0 for group in sums.groups))
    if is_too_little:
        raise NotPossible(
            gettext("Other lines of invoice %(invoice)s take off more than would be left of it: write less off.")
            % {"invoice": invoice}
        )
    invoice.total_excl, invoice.total_vat, invoice.total_incl = sums.excl, sums.vat, sums.incl


def _news(invoice: Invoice, line: InvoiceLine, before: tuple[Decimal, str], lines: Sequence[InvoiceLine]) -> News:
    """The event of a line that was given another amount: what it is worth at rate, what was and is taken off, why; of a
    settlement also what it deducts of advances now."""
    deducted = -sum((each.total for each in lines if each.kind == InvoiceLine.Kind.DEDUCTION), Decimal(0))
    is_settlement = any(each.kind == InvoiceLine.Kind.HOURS and each.agreement_id is not None for each in lines)
    return News(
        "line_written",
        f"invoice {invoice.reference}",
        {
            "line": line.description,
            "position": line.position,
            "value": f"{line.value:.2f}",
            "amount": f"{line.total:.2f}",
            "discount": f"{line.discount:.2f}",
            "reason": line.discount_reason,
            **({} if line.discount_per_cent is None else {"per_cent": f"{line.discount_per_cent:.2f}"}),
            "before": {"discount": f"{before[0]:.2f}", "reason": before[1]},
            "total_excl": f"{invoice.total_excl:.2f}",
            **({"deducted": f"{deducted:.2f}"} if is_settlement else {}),
        },
    )
