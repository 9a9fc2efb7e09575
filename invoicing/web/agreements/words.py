"""The terms of a fee agreement and how it stands, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.utils import formats
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from invoicing.ledger import attention
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.models import Agreement, InvoiceLine
from invoicing.rules import agreement as rules
from invoicing.rules import planning
from invoicing.rules.agreements.periods import Period, period_of
from invoicing.rules.billing.lines import period_title
from invoicing.rules.judging.mapping import Reason
from invoicing.web import descriptions
from invoicing.web.agreements.balance import Balance

_BY_DAY = (rules.Kind.advance, rules.Kind.prepaid)


def terms(row: Agreement) -> str:
    """Amount, period and when it is due: € 250.00 every month, in arrears."""
    if row.kind == Agreement.Kind.ADVANCE:
        return _advances(row)
    if row.hours is not None and row.price is not None:
        return _blocks(row.hours, row.price, row.refill_at)
    words = _("%(amount)s %(every)s, in advance") if row.in_advance else _("%(amount)s %(every)s, in arrears")
    said = words % {"amount": descriptions.money(row.amount), "every": row.get_every_display()}
    if row.included_hours is None:
        return said
    hours = formats.number_format(row.included_hours, 2)
    included = {"terms": said, "hours": hours, "product": row.extra_product}
    return _("%(terms)s; %(hours)s h included, beyond that as %(product)s") % included


def _advances(row: Agreement) -> str:
    """The advances and when they are settled: 12 advances, € 3,000.00 in all; settled each year on 31/12."""
    planned = [Decimal(each["amount"]) for each in row.plan]
    if planned:
        said = ngettext("%(n)d advance, %(amount)s in all", "%(n)d advances, %(amount)s in all", len(planned)) % {
            "n": len(planned),
            "amount": descriptions.money(sum(planned, Decimal(0))),
        }
    else:
        every = {"amount": descriptions.money(row.amount), "every": row.get_every_display()}
        said = _("%(amount)s %(every)s, as an advance") % every
    if not row.settle_on:
        return said
    month, day = row.settle_on.split("-")
    return _("%(terms)s; settled each year on %(day)s") % {"terms": said, "day": f"{day}/{month}"}


def _blocks(hours: Decimal, price: Decimal, refill_at: Decimal | None) -> str:
    """A block and when the next one is drafted: blocks of 20.00 h at € 85.00; a new one below 4.00 h."""
    block = {"hours": formats.number_format(hours, 2), "price": descriptions.money(price)}
    said = _("blocks of %(hours)s h at %(price)s an hour") % block
    if refill_at is None:
        return said
    return _("%(terms)s; a new one below %(hours)s h") % {"terms": said, "hours": formats.number_format(refill_at, 2)}


def days(row: Agreement) -> str:
    """From when until when."""
    if row.end_date is None:
        return _("from %(day)s on") % {"day": descriptions.day(row.start_date)}
    return f"{descriptions.day(row.start_date)} – {descriptions.day(row.end_date)}"


def scope(row: Agreement, projects: Mapping[int, str]) -> str:
    """Which hours it covers; ``projects``: their names by their ids."""
    named = [*row.products, *(projects.get(number, "") or str(number) for number in row.projects)]
    return _("hours of %(scope)s") % {"scope": ", ".join(named)} if named else _("all hours")


def period(terms: rules.Agreement, period: Period) -> str:
    """A period by its months, or by its days where it is cut or billed once; an advance or a block by its day."""
    if terms.kind in _BY_DAY:
        return descriptions.day(period.first)
    if period.last is None:
        return _("from %(day)s on") % {"day": descriptions.day(period.first)}
    if period.is_cut or terms.every == rules.Every.once:
        return f"{descriptions.day(period.first)} – {descriptions.day(period.last)}"
    return period_title(period.first, period.last, get_language() or "en", "en")


def period_of_line(line: InvoiceLine) -> str:
    """The period that a line of an agreement bills; "" of any other line."""
    if line.agreement is None or line.period is None:
        return ""
    terms = agreement_of(line.agreement)
    return period(terms, lying(terms, line.period))


def lying(terms: rules.Agreement, key: date) -> Period:
    """The period of that key; of an advance or a block its day."""
    if terms.kind in _BY_DAY:
        return Period(key, key, key, 0)
    return period_of(terms, max(key, terms.start))


def covered(line: InvoiceLine) -> str:
    """The hours that a line of an agreement covers; they are no part of its own seconds, which are none."""
    claims = list(line.claims.all())
    if not claims:
        return _("No hours are listed on it.")
    if line.kind == InvoiceLine.Kind.BLOCK:
        text = ngettext("%(n)d entry drawn, %(time)s", "%(n)d entries drawn, %(time)s", len(claims))
        return text % {"n": len(claims), "time": descriptions.hours(sum(claim.seconds for claim in claims))}
    text = ngettext("%(n)d entry covered, %(time)s", "%(n)d entries covered, %(time)s", len(claims))
    return text % {"n": len(claims), "time": descriptions.hours(sum(claim.seconds for claim in claims))}


@dataclass(frozen=True, slots=True)
class Withheld:
    """What is due of an agreement and cannot be billed: its title, the period in words, and why."""

    title: str
    period: str
    words: attention.Words


def withheld(plan: planning.Plan, agreements: Iterable[rules.Agreement]) -> list[Withheld]:
    """What a run over a dossier leaves of its agreements."""
    by_key = {terms.key: terms for terms in agreements}
    found = [(by_key[each.agreement], each) for each in plan.withheld]
    return [Withheld(terms.title, period(terms, lying(terms, each.period)), why(each.reason)) for terms, each in found]


_WHY = {
    Reason.unknown_product: attention.Words(
        gettext_lazy("Product unknown to Billit"),
        gettext_lazy(
            "The agreement is billed as a product that Billit does not have: choose another one, or add it there."
        ),
    ),
}


def why(reason: str) -> attention.Words:
    """Why a line of an agreement cannot be billed, and what to do."""
    return _WHY.get(Reason(reason)) or attention.words(reason)


def coming(balance: Balance) -> str:
    """The next period."""
    return "" if balance.coming is None else period(balance.terms, balance.coming.period)


def worth(balance: Balance) -> str:
    """What the covered hours of billed periods are worth beside what is billed; "" where no hour has a price."""
    if not balance.value:
        return ""
    if balance.terms.kind == rules.Kind.advance:
        said = {"value": descriptions.money(balance.value), "fees": descriptions.money(balance.fees)}
        return _("worth %(value)s at the price of their product, beside advances of %(fees)s") % said
    said = {"value": descriptions.money(balance.value), "difference": descriptions.money(abs(balance.short))}
    if balance.short > 0:
        return _("worth %(value)s by the hour in the billed periods, %(difference)s more than the fees") % said
    if balance.short < 0:
        return _("worth %(value)s by the hour in the billed periods, %(difference)s less than the fees") % said
    return _("worth %(value)s by the hour in the billed periods, as much as the fees") % said
