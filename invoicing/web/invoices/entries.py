"""The entries below each line of an invoice: the time in Toggl, what is billed of it, and what led to the product."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from invoicing.ledger.facts.books import frozen_rounding
from invoicing.ledger.facts.products import chooser
from invoicing.models import Claim, Invoice, InvoiceLine
from invoicing.rules.billing.rating import Rounding, billed_seconds, hours, round_seconds
from invoicing.rules.judging.mapping import Choice, ChosenBy
from invoicing.web import descriptions

PER_PAGE = 200
"""Entries of all lines together that a page shows; of an invoice with more there are several pages."""
_Choose = Callable[[tuple[str, ...], int | None], Choice | None]


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry on a line; ``billed``: its seconds as they are rounded, None where entries are not rounded one by one.

    ``why``: what led to the product, or where today's rules would lead; "" for what was not billed for its tags.
    """

    claim: Claim
    billed: int | None
    why: str

    @property
    def can_leave(self) -> bool:
        """Whether it can be taken out of a draft: a difference or a covered hour is not billed as an entry."""
        return self.claim.kind == Claim.Kind.ENTRY


@dataclass(frozen=True, slots=True)
class ListedLine:
    """A line with those of its entries that the page shows, of ``count``; ``billed``: its seconds as they are rounded
    by ``rule``, None where nothing is."""

    row: InvoiceLine
    entries: Sequence[Listed]
    count: int
    billed: int | None
    rule: str

    @property
    def rounds_entries(self) -> bool:
        """Whether each of its entries has a rounded time of its own."""
        return any(each.billed is not None for each in self.entries)


def listed(invoice: Invoice, lines: Sequence[InvoiceLine], claims: Container[int]) -> list[ListedLine]:
    """These lines of an invoice, which come with their claims, each with those ``claims`` (row ids): three queries."""
    rounding = frozen_rounding(invoice)
    choose = chooser(invoice.dossier)
    return [_line(line, claims, rounding, choose) for line in lines]


def _line(line: InvoiceLine, shown: Container[int], rounding: Rounding, choose: _Choose) -> ListedLine:
    claims = list(line.claims.all())
    billed = _billed(line, claims, rounding)
    by_entry = billed is not None and rounding.level == "entry"
    entries = [
        Listed(claim, round_seconds(claim.seconds, rounding) if by_entry else None, _why(line, claim, choose))
        for claim in claims
        if claim.pk in shown
    ]
    rule = "" if billed is None else descriptions.rounding_in_words(rounding)
    return ListedLine(line, entries, len(claims), billed, rule)


def _billed(line: InvoiceLine, claims: Sequence[Claim], rounding: Rounding) -> int | None:
    """The seconds of a line as the rule rounds them; None where it rounds nothing, or the line was made otherwise: the
    rule of an invoice from before it was kept is not known."""
    if not (rounding.minutes or (rounding.minimum and rounding.level == "entry")):
        return None
    if not claims or any(claim.kind != Claim.Kind.ENTRY for claim in claims):
        return None
    found = billed_seconds((claim.seconds for claim in claims), rounding)
    return found if hours(found) == line.quantity else None


def _why(line: InvoiceLine, claim: Claim, choose: _Choose) -> str:
    if claim.kind != Claim.Kind.ENTRY or not line.product_reference:
        return ""
    choice = choose(tuple(claim.tags), claim.entry.person_remote_id)
    if choice is None:
        return _("By today’s rules these tags lead to no product.")
    lead = choice.lead
    if lead.product.reference != line.product_reference:
        return _("By today’s rules these tags lead to %(product)s.") % {"product": lead.product.reference}
    return _led(choice)


def _led(choice: Choice) -> str:
    lead = choice.lead
    match lead.by:
        case ChosenBy.person:
            return _("No tag leads to a product: the product of this person.")
        case ChosenBy.persons_mapping:
            text = _("The tag “%(tag)s” of this person is mapped to it.") % {"tag": lead.tag}
        case ChosenBy.default:
            return _("No tag leads to a product: the dossier’s default product.")
        case ChosenBy.reference:
            text = _("The tag “%(tag)s” is the product’s reference.") % {"tag": lead.tag}
        case ChosenBy.mapping:
            text = _("The tag “%(tag)s” is mapped to it.") % {"tag": lead.tag}
    if not choice.passed_over:
        return text
    others = ", ".join(
        _("“%(tag)s” (%(product)s, priority %(n)d)")
        % {"tag": each.tag, "product": each.product.reference, "n": each.priority}
        for each in choice.passed_over
    )
    return _("%(why)s Its priority %(n)d is above that of %(others)s.") % {
        "why": text,
        "n": lead.priority,
        "others": others,
    }
