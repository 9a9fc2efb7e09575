"""What does not hold in the books, told in the reader's language: see ``invariants``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils import formats, translation
from django.utils.translation import gettext as _

from invoicing.models import LedgerRow

_State = LedgerRow.State


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that does not hold for one thing in a dossier (row id) and month (its first day).

    ``subject``: "entry <Toggl id>", "invoice <reference>", "invoice <reference> line <n>" or "month <YYYY-MM>".
    ``words``: the English sentence, into which ``facts`` are put. ``rule``: the name of the check that found it.
    """

    dossier: int
    month: date
    subject: str
    words: str
    facts: Mapping[str, Any]
    rule: str = ""

    def kept(self) -> list[Any]:
        """What is kept of it with the proof of its month: subject, words and facts, as JSON."""
        return [self.subject, self.words, {name: _packed(value) for name, value in self.facts.items()}]

    @classmethod
    def of_kept(cls, dossier: int, month: date, rule: str, kept: Sequence[Any]) -> Broken:
        """The same from what was kept (``kept``)."""
        subject, words, facts = kept
        return cls(dossier, month, subject, words, {name: _unpacked(value) for name, value in facts.items()}, rule)

    @property
    def sentence(self) -> str:
        """What does not hold, in the language in force."""
        return translation.gettext(self.words) % {name: _told(value) for name, value in self.facts.items()}

    @property
    def action(self) -> str:
        """What a person does about it, in the language in force."""
        if self.rule == "toggl_total":
            return month_action()
        match self.rule:
            case "one_state":
                return _("Run a sync; if it stays, tell whoever runs toggbill.")
            case "one_live_claim":
                return _("Credit it on one of its two invoices, or replace that one while it is not sent.")
        return _("Bill nothing more of it, and tell whoever runs toggbill.")

    def told(self) -> dict[str, str]:
        """As JSON (design section 10)."""
        return {"rule": self.rule, "subject": self.subject, "sentence": self.sentence}


def month_action() -> str:
    """What to do about a month whose total is not Toggl's."""
    return _(
        "Compare once more: the month is read again whole. If the difference stays, look in Toggl’s report of these "
        "days for what is not in the hours of this dossier."
    )


def _packed(value: Any) -> Any:
    """A fact as JSON: what JSON has no type for with the name of its type. Raises: TypeError for what is no fact."""
    match value:
        case date():
            return {"day": value.isoformat()}
        case Decimal():
            return {"decimal": str(value)}
        case tuple():
            return {"several": [_packed(each) for each in value]}
        case None | str() | int() | float():
            return value
    raise TypeError(f"{value!r} is no fact of a breach")


def _unpacked(value: Any) -> Any:
    match value:
        case {"day": day}:
            return date.fromisoformat(day)
        case {"decimal": number}:
            return Decimal(number)
        case {"several": values}:
            return tuple(_unpacked(each) for each in values)
    return value


def _told(value: Any) -> Any:
    english = (translation.get_language() or "en").startswith("en")
    match value:
        case date():
            return value.isoformat() if english else f"{value:%d/%m/%Y}"
        case Decimal():
            return f"{value:.2f}" if english else formats.number_format(value, 2)
        case (Decimal() as excl, Decimal() as vat, Decimal() as incl):
            return f"{_told(excl)} + {_told(vat)} = {_told(incl)}"
        case str() if value in _State.values:
            return str(_State(value).label)
        case _other:
            return "–" if value is None else value
