"""The first lines that an agreement will bill, before it is saved: by the rules that the runs call, none of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import islice

from django.utils.translation import gettext as _

from invoicing.ledger import attention
from invoicing.ledger.facts.books import terms as terms_of_run
from invoicing.models import Dossier
from invoicing.rules import agreement as rules
from invoicing.rules.agreements.fees import Agreed, Standing, lines_due
from invoicing.rules.billing.lines import Withheld
from invoicing.rules.judging.judge import Judge
from invoicing.web import descriptions
from invoicing.web.agreements import words
from invoicing.web.agreements.balance import to_bill

SHOWN = 4
"""Lines that are shown; then only that others follow."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line to come: the day on which it is due, what it says, and its amount in euro without VAT."""

    day: date
    description: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Ahead:
    """The first lines; ``more``: others follow. ``why``: what keeps lines from being billed as things stand."""

    lines: Sequence[Line] = ()
    more: bool = False
    why: Sequence[attention.Words] = ()
    notes: Sequence[str] = ()


def first_lines(
    dossier: Dossier, judge: Judge, terms: rules.Agreement, *, billed: Collection[date] = (), now: datetime
) -> Ahead:
    """What an agreement of these terms bills first; the periods ``billed`` (keys) are on an invoice already."""
    terms = replace(terms, books_from=dossier.start_date)
    coming = list(islice((each for each in to_bill(terms) if each.period.key not in billed), SHOWN + 1))
    if terms.kind == rules.Kind.prepaid:
        return Ahead(notes=[_("It bills nothing by itself: the first block is billed once somebody orders it.")])
    if not coming:
        return Ahead(notes=[_("It bills nothing more.") if billed else _("It bills nothing.")])
    shown = {each.period.key: each for each in coming[:SHOWN]}
    found = lines_due(
        judge.under(agreements=(terms,)),
        terms_of_run(dossier, cut_off=coming[:SHOWN][-1].cut_off, late_through=None, now=now),
        Agreed(
            {terms.id: Standing(fees=dict.fromkeys(billed, 0))}, only=frozenset((terms.id, period) for period in shown)
        ),
        {},
    )
    lines = [
        Line(
            shown[line.due.period].day,
            " · ".join(filter(None, (line.description, line.description_extended))),
            line.total,
        )
        for _buyer, line in found.lines
        if line.due is not None
    ]
    return Ahead(lines, len(coming) > SHOWN, _why(found.withheld), _notes(dossier, terms))


def _why(withheld: Iterable[Withheld]) -> list[attention.Words]:
    return [words.why(reason) for reason in dict.fromkeys(each.reason for each in withheld)]


def _notes(dossier: Dossier, terms: rules.Agreement) -> list[str]:
    if terms.start >= dossier.start_date:
        return []
    start = descriptions.day(dossier.start_date)
    return [_("The books of this dossier begin on %(day)s: what was due before is billed elsewhere.") % {"day": start}]
