"""What a comparison finds, and its words: a sentence, and what to do about it, in the language of who reads them.

A finding keeps its facts and no sentence, so that a row which one night wrote is read in French and in Dutch. They are
JSON values: ``day``, ``invoice`` (its number, else its reference), ``changed`` (names of fields), ``words`` (whether
there is nothing to decide on: what is billed stays right), ``now`` (what the fields are), ``state``, ``amounts``
(Billit's and ours, in euro), ``parties`` (the same), ``number``; of an order that was brought in ``agreement`` (its
short name), and ``credited`` where Billit credited it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django.utils import formats, translation
from django.utils.translation import gettext as _

from invoicing.models import Drift

Facts = dict[str, Any]
_Kind = Drift.Kind


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference in a dossier (row id): which entry (Toggl's id), order or reference, and its facts."""

    kind: Drift.Kind
    dossier: int
    entry: int | None = None
    order_id: int | None = None
    reference: str | None = None
    facts: Facts = field(default_factory=dict)

    @property
    def about(self) -> str:
        """What it is about, the same each time it is found."""
        return Drift.about_of(entry=self.entry, order_id=self.order_id, reference=self.reference)

    @property
    def sentence(self) -> str:
        """What differs."""
        return sentence(self.kind, self.facts | {"entry": self.entry, "order": self.order_id})

    @property
    def action(self) -> str:
        """What to do about it."""
        return action(self.kind, self.facts)

    def told(self) -> dict[str, Any]:
        """As JSON (design section 10); what it is not about is left out."""
        told = {
            "kind": str(self.kind),
            "sentence": self.sentence,
            "action": self.action,
            "entry": self.entry,
            "order_id": self.order_id,
            "reference": self.reference,
        }
        return {name: value for name, value in told.items() if value is not None}


def of_row(row: Drift) -> Finding:
    """The finding that a row keeps."""
    return Finding(
        _Kind(row.kind), row.dossier_id, row.entry_remote_id, row.order_id, row.reference or None, dict(row.facts)
    )


def sentence(kind: Drift.Kind, facts: Facts) -> str:
    """What differs, in the language in force. ``facts`` as above, with ``entry`` and ``order`` (ids)."""
    values = _values(facts)
    match kind:
        case _Kind.ENTRY_CHANGED:
            text = _("Entry %(entry)s of %(day)s changed in Toggl after invoice %(invoice)s billed it: %(changed)s.")
        case _Kind.ENTRY_DELETED:
            text = _("Entry %(entry)s of %(day)s was deleted in Toggl after invoice %(invoice)s billed it.")
        case _Kind.ENTRY_MISSING:
            text = _(
                "Entry %(entry)s of %(day)s was in Toggl but not mirrored. It is now, and stands in the books as "
                "%(state)s."
            )
        case _Kind.ORDER_MISSING:
            text = _("Order %(order)s of invoice %(invoice)s is not in Billit.")
        case _Kind.ORDER_DELETED:
            text = _("Order %(order)s of invoice %(invoice)s was deleted in Billit.")
        case _Kind.ORDER_CHANGED if "credited" in facts:
            text = _("Order %(order)s (invoice %(invoice)s) was credited, refused or cancelled in Billit.")
        case _Kind.ORDER_CHANGED if "amounts" in facts:
            text = _("Order %(order)s of invoice %(invoice)s amounts to %(theirs)s in Billit, to %(ours)s here.")
        case _Kind.ORDER_CHANGED:
            text = _("Order %(order)s of invoice %(invoice)s is for party %(theirs)s in Billit, for %(ours)s here.")
        case _Kind.ORDER_UNKNOWN:
            text = _(
                "Billit has order %(order)s (%(number)s) with a reference of ours, but no invoice here is posted as it."
            )
        case _Kind.ORDER_SENT:
            text = _("Order %(order)s of invoice %(invoice)s was sent in Billit itself.")
    return text % values


def action(kind: Drift.Kind, facts: Facts) -> str:
    """What a person does about it, in the language in force."""
    if "agreement" in facts:
        return _(
            "It was brought in for agreement %(agreement)s. Set it right in Billit, or let it go on the agreement’s "
            "page: then toggbill bills what it stood for."
        ) % {"agreement": facts["agreement"]}
    match kind:
        case _Kind.ENTRY_CHANGED if facts.get("words"):
            return _(
                "The hours are billed right. Acknowledge it with a reason, or change the entry back in Toggl if the "
                "invoice has the right time."
            )
        case _Kind.ENTRY_CHANGED | _Kind.ENTRY_DELETED:
            return _(
                "Decide on its correction: accept the difference, settle it on the next invoice, or correct the "
                "invoice. If Toggl is wrong, change it back there."
            )
        case _Kind.ENTRY_MISSING:
            return _("Nothing: the next run takes it along. If it happens again, read the workspace whole.")
        case _Kind.ORDER_MISSING:
            return _("Find out in Billit who removed it before anything is billed again: its hours count as invoiced.")
        case _Kind.ORDER_DELETED:
            return _(
                "Bill its hours anew on the invoice’s page, or bring the order back in Billit: until then they count "
                "as invoiced, and nobody owes them."
            )
        case _Kind.ORDER_CHANGED if "amounts" in facts:
            return _("Set the order right in Billit; if the customer has it already, credit it and bill it again.")
        case _Kind.ORDER_CHANGED:
            return _("Give the order its customer back in Billit; if it is sent, credit it and bill it again.")
        case _Kind.ORDER_UNKNOWN:
            return _("Look at it in Billit before anything is posted again, and delete it there if it is a double.")
        case _Kind.ORDER_SENT:
            return _("Nothing: it counts as sent here, too, and is not sent again.")


def _values(facts: Facts) -> dict[str, Any]:
    values = dict(facts)
    if "day" in facts:
        values["day"] = _day(facts["day"])
    if "changed" in facts:
        values["changed"] = ", ".join(_field(name) for name in facts["changed"])
    if "state" in facts:
        # The name of a state is the source of its translations.
        state = str(facts["state"])
        values["state"] = _("needs attention") if state == "attention" else translation.gettext(state.replace("_", " "))
    if "amounts" in facts:
        values["theirs"], values["ours"] = (_amount(amount) for amount in facts["amounts"])
    if "parties" in facts:
        values["theirs"], values["ours"] = facts["parties"]
    if "number" in facts:
        values["number"] = facts["number"] or _("without number")
    return values


def _field(name: str) -> str:
    match name:
        case "start":
            return _("start")
        case "seconds":
            return _("seconds")
        case "project":
            return _("project")
        case "tags":
            return _("tags")
        case "product":
            return _("product")
        case "customer":
            return _("customer")
        case "billable":
            return _("billable flag")
        case _:
            return _("description")


def _is_english() -> bool:
    return (translation.get_language() or "en").startswith("en")


def _day(text: str) -> str:
    return text if _is_english() else date.fromisoformat(text).strftime("%d/%m/%Y")


def _amount(text: str) -> str:
    return text if _is_english() else formats.number_format(Decimal(text), 2)
