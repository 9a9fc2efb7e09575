"""What can be wrong with a rule or a mapping that somebody states: a code and facts, and the words for them.

A check gives faults; whoever read the statement (onboarding file, sheet, form) shows each at its place. The words are
those of a file, where they follow the place; a form begins them with a capital letter.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from toggbill.firms.errors import NotPossible

WORDS: Mapping[str, str] = {
    # how it is written
    "empty": _("must not be empty."),
    "too_long": _("has %(n)s characters; the longest is %(most)s."),
    "tag_too_long": _("is too long; the longest has %(most)s characters."),
    "control_characters": _("holds control characters, such as a line break; write it on one line."),
    "not_a_short_name": _("“%(value)s” will not do; use letters, digits, hyphens and underscores only."),
    "unknown_word": _("“%(value)s” is not known; use %(choices)s."),
    "not_whole": _("“%(value)s” is not a whole number."),
    "not_an_id": _("“%(value)s” is out of range; use a whole number from 1 on."),
    "not_ids": _("needs ids, each once, with blanks between them."),
    "not_yes_or_no": _("“%(value)s” is neither yes nor no."),
    "not_a_day": _("“%(value)s” is not a day; write it such as 2026-09-01."),
    "not_an_amount": _("“%(value)s” is not an amount; write it such as 5000.00."),
    "twice": _("stands in this file twice."),
    # a rule
    "out_of_range": _("“%(value)s” is out of range; use a whole number from %(least)s to %(most)s."),
    "day_out_of_range": _("“%(value)s” is out of range; use a day of the years %(least)s to %(most)s."),
    "day_of_week": _("give the day of the week: 1 (Monday) to 7."),
    "day_of_month": _("give the day of the month: 1 to 28."),
    "limit_not_said": _(
        "missing; with mode %(mode)s invoices go out by themselves: give the amount above which a person approves, "
        "or say no_limit."
    ),
    "limit_and_none": _("stands beside auto_limit; give the limit, or say that there is none."),
    "four_eyes_sends": _(
        "stands beside mode send, by which invoices go out unseen; choose mode post, and a person sends."
    ),
    "tag_speaks": _("“%(value)s” says what is billed in dossier %(dossier)s of this workspace; choose another tag."),
    "taken": _("the firm already has a dossier of this short name: choose another one."),
    "invoiced": _("stays %(old)s, since dossier %(dossier)s has invoiced; make another dossier."),
    "clients_elsewhere": _("%(clients)s: dossier %(dossier)s of this workspace bills that too."),
    "whole_workspace": _(
        "dossier %(dossier)s bills the whole workspace %(workspace)s too; name the clients of one of them."
    ),
    "two_firms": _("workspace and company belong to different firms."),
    # a mapping
    "tag_written": _("“%(value)s” is a tag that toggbill itself gives billed hours in Toggl; choose another tag."),
    "no_product": _("missing; name a product's reference, or write no under bill."),
    "person_not_billed": _("a person without a tag has a product: name the tag that is not billed for the person."),
    "product_not_billed": _("a tag that is not billed leads to no product: leave this empty."),
    "not_a_number": _("“%(value)s” is not a valid VAT or Belgian enterprise number: check its digits."),
    "two_customers": _("stands beside vat; name the customer by one of the two."),
    # an agreement
    "agreement_taken": _("the firm already has an agreement of this short name: choose another one."),
    "agreement_elsewhere": _("is an agreement of dossier %(dossier)s: choose another short name."),
    "agreement_billed": _(
        "stays %(old)s, since agreement %(agreement)s has billed a period; end it, and make another agreement."
    ),
    "no_agreed_customer": _("missing; name the customer by a Toggl client or by a VAT number."),
    "two_agreed_customers": _("stands beside client; name the customer by one of the two."),
    "until_before_from": _("%(value)s lies before %(start)s, the first day."),
    "once_without_end": _("missing; what is billed once and in arrears is due on the last day."),
    "more_than_cents": _("“%(value)s” has more than two decimals."),
    "no_extra_product": _("missing; name the product as which hours beyond the included ones are billed."),
    "no_included_hours": _("missing; say how many hours of a period the fee includes."),
    "not_of_this_kind": _("does not belong to an agreement of kind %(kind)s."),
    "no_advances": _("missing; give a plan of days with amounts, or one amount and every."),
    "beside_a_plan": _("stands beside plan, whose advances have amounts of their own; leave one of the two out."),
    "plan_day_twice": _("has %(day)s twice; give each day one amount."),
    "plan_day_outside": _("has %(day)s, which lies before the first or after the last day of the agreement."),
    "not_a_day_of_the_year": _("“%(value)s” is not a day of the year; write month and day, such as 12-31."),
    "advance_billed": _("keeps the advance of %(day)s with %(amount)s: it is billed; take it back by a credit note."),
    "prepaid_needs": _("missing; prepaid hours need the hours of a block and the price of an hour."),
    "block_of_nothing": _("must be above zero; say how many hours a block has."),
    "budget_of_nothing": _("must be above zero; leave it out where there is no budget."),
    "refill_above_block": _("is above the %(hours)s hours of a block; a block that is full would be refilled at once."),
    "scopes_overlap": _(
        "agreements %(agreement)s and %(other)s of this customer could cover the same hour; part them by their days, "
        "or by naming products alone or projects alone in both."
    ),
}
_LONGEST_QUOTE = 60
_SHORT_NAME = re.compile(r"[-a-zA-Z0-9_]+")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, at a field of the rule or mapping.

    ``beside``: the other fields that the check has read; a reader who could not read one of them says only that.
    """

    field: str
    code: str
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    beside: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The words, in the reader's language."""
        return sentence(self.code, self.facts)


class Refused(NotPossible):
    """A verb was told something that cannot stand. ``faults`` by the short name or tag that they are about."""

    def __init__(self, faults: Sequence[tuple[str, Fault]]) -> None:
        super().__init__(" ".join(f"{what}, {fault.field}: {fault.sentence}" for what, fault in faults))
        self.faults = tuple(faults)


def sentence(code: str, facts: Mapping[str, Any], words: Mapping[str, str] | None = None) -> str:
    """The words of a fault; ``words``: those of a reader who says some of them otherwise."""
    text = (words or {}).get(code) or WORDS[code]
    return gettext(text) % {name: _quoted(value) for name, value in facts.items()}


def refuse(faults: Iterable[tuple[str, Fault]]) -> None:
    """Raise ``Refused`` if there is one."""
    if found := list(faults):
        raise Refused(found)


def line(name: str, value: str, *, longest: int, required: bool = False) -> list[Fault]:
    """A text of one line, stripped, with at most so many characters. Blanks of every width are as good as one, and
    signs that do not show (a soft hyphen) do no harm: they come along when a name is copied."""
    if required and not value:
        return [Fault(name, "empty")]
    if len(value) > longest:
        return [Fault(name, "too_long", {"n": len(value), "most": longest})]
    return [] if all(map(_may_stand, value)) else [Fault(name, "control_characters")]


def _may_stand(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) in ("Zs", "Cf")


def word(name: str, value: str, choices: Sequence[str]) -> list[Fault]:
    """One of these words."""
    return [] if value in choices else [Fault(name, "unknown_word", {"value": value, "choices": either(choices)})]


def short_name(name: str, value: str) -> list[Fault]:
    """A short name: letters, digits, hyphens and underscores, at most 50."""
    faults = line(name, value, longest=50, required=True)
    if not faults and not _SHORT_NAME.fullmatch(value):
        faults.append(Fault(name, "not_a_short_name", {"value": value}))
    return faults


def between(name: str, value: int, least: int, most: int) -> list[Fault]:
    """A whole number within limits, both of them allowed."""
    if least <= value <= most:
        return []
    return [Fault(name, "out_of_range", {"value": value, "least": least, "most": most})]


def repeated(values: Sequence[Hashable]) -> dict[int, int]:
    """The places of values that an earlier one equals: {place: place of the first}. Empty ones do not count."""
    first: dict[Hashable, int] = {}
    found = {}
    for place, value in enumerate(values):
        if value not in ("", 0, None) and first.setdefault(value, place) != place:
            found[place] = first[value]
    return found


def either(choices: Sequence[str]) -> str:
    """Words of which one is to be used: `a, b or c`."""
    return gettext(" or ").join([", ".join(choices[:-1]), choices[-1]]) if len(choices) > 1 else "".join(choices)


def _quoted(value: Any) -> Any:
    return f"{value[: _LONGEST_QUOTE - 1]}…" if isinstance(value, str) and len(value) > _LONGEST_QUOTE else value
