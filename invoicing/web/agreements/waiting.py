"""What becomes of invoices when an agreement is changed or ended, said before it is done (design section 11)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from django.db.models import Sum
from django.utils import formats
from django.utils.translation import gettext as _

from invoicing.corrections import options
from invoicing.dossiers.agreements import planned
from invoicing.ledger.agreements import agreements, blocks
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.models import Agreement, Invoice, InvoiceLine, LedgerRow
from invoicing.rules import agreement as rules
from invoicing.rules.agreements.periods import fee, period_of
from invoicing.web import descriptions
from invoicing.web.agreements import words
from invoicing.web.agreements.balance import ONE_EACH

_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Effect:
    """A sentence, and the invoice that it is about."""

    text: str
    invoice: Invoice | None = None


def of_change(lines: Iterable[InvoiceLine]) -> list[Effect]:
    """What other terms change on the invoices on which an agreement's ``lines`` are."""
    drafts = {line.invoice: None for line in lines if line.invoice.status == Invoice.Status.DRAFT}
    return [
        Effect(
            _(
                "The waiting draft for %(customer)s holds a line of this agreement: once it is changed, draft the "
                "dossier again before you approve it."
            )
            % {"customer": draft.customer_name},
            draft,
        )
        for draft in drafts
    ]


def of_end(row: Agreement, last_day: date) -> list[Effect]:
    """What an end with ``last_day`` changes on invoices, and how the hours after it are billed."""
    terms = agreement_of(row)
    ended = replace(terms, end=last_day)
    found = [effect for line in lines_of(row) if (effect := _of_line(line, terms, ended)) is not None]
    if gone := planned.unbilled(row, last_day):
        said = "; ".join(f"{descriptions.day(day)}, {descriptions.money(amount)}" for day, amount in gone)
        found.append(Effect(_("These planned advances never fall due: %(advances)s.") % {"advances": said}))
    found.append(
        Effect(
            _("Hours from %(day)s on are billed by the hour, unless another agreement covers them.")
            % {"day": descriptions.day(last_day + _A_DAY)}
        )
    )
    return [*found, *_settles(row, terms, last_day)]


def _settles(row: Agreement, terms: rules.Agreement, last_day: date) -> Iterator[Effect]:
    """What comes of the hours on account, and of what is left of advances or of blocks."""
    if terms.kind == rules.Kind.advance:
        rows = LedgerRow.objects.filter(agreement=row, state=LedgerRow.State.ON_ACCOUNT, day__lte=last_day)
        advances = agreements.standing([terms])[row.pk].advances
        text = _(
            "%(hours)s are on account until then: they are settled with that day, and what is left of the advances, "
            "%(left)s so far, is deducted. What remains of them is given back by you."
        )
        yield Effect(
            text
            % {
                "hours": descriptions.hours(rows.aggregate(total=Sum("seconds"))["total"]),
                "left": descriptions.money(sum((each.left for each in advances), Decimal(0))),
            }
        )
    elif terms.kind == rules.Kind.prepaid:
        text = _("%(left)s h are left of its blocks so far: only hours until then still draw them.")
        yield Effect(text % {"left": formats.number_format(blocks.left(row), 2)})


def lines_of(row: Agreement) -> list[InvoiceLine]:
    """The live lines of an agreement with their invoices, by period."""
    lines = row.lines.live().filter(takes_back__isnull=True).select_related("invoice").order_by("period", "part", "pk")
    return list(lines)


def _of_line(line: InvoiceLine, terms: rules.Agreement, ended: rules.Agreement) -> Effect | None:
    """What the end changes of one line; None: nothing that anybody has to know."""
    if line.period is None or ended.end is None:
        return None
    period = words.lying(terms, line.period)
    said = {"invoice": options.name_of(line.invoice), "customer": line.invoice.customer_name}
    said["period"] = words.period(terms, period)
    is_draft = line.invoice.status == Invoice.Status.DRAFT
    if line.kind not in ONE_EACH or (period.last is not None and period.last <= ended.end):
        text = _(
            "The waiting draft for %(customer)s bills %(period)s: that stays, and the dossier is drafted again before "
            "you approve it."
        )
        return Effect(text % said, line.invoice) if is_draft else None
    if not is_draft and line.kind == InvoiceLine.Kind.ADVANCE:
        text = _(
            "Invoice %(invoice)s bills the advance of %(period)s already, behind the end. It stays, and the settlement "
            "takes it off: what is left of it after that is given back by a credit note."
        )
    elif not is_draft:
        text = _(
            "Invoice %(invoice)s bills %(period)s already, of which days lie behind the end. That stays as it is: "
            "credit the line if it is to be taken back."
        )
    elif period.first > ended.end:
        text = _(
            "The waiting draft for %(customer)s bills %(period)s: draft the dossier again before you approve it, and "
            "that line is gone."
        )
    else:
        cut = period_of(ended, max(line.period, ended.start))
        said |= {"cut": words.period(ended, cut), "amount": descriptions.money(fee(ended, cut))}
        text = _(
            "The waiting draft for %(customer)s bills %(period)s: draft the dossier again before you approve it, and "
            "it bills %(cut)s, %(amount)s."
        )
    return Effect(text % said, line.invoice)
