"""What a verb changed of a row: for the audit log (old and new) and the counts of ``onboard``. And the firm's row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from django.db import models, transaction

from toggbill.database.encryption import Unreadable
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.locks import lock_firm
from toggbill.firms.models import Firm
from toggbill.firms.read import Figures, Read, check

Outcome = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class Amended:
    """The fields that differ, as JSON values; empty when the row stood already as it was asked to."""

    old: dict[str, Any]
    new: dict[str, Any]

    def __bool__(self) -> bool:
        return bool(self.new)


def amend(row: models.Model, values: Mapping[str, Any]) -> Amended:
    """Save those fields of a row that differ from ``values``, and only those."""
    differ = {name: value for name, value in values.items() if _standing(row, name) != value}
    amended = Amended(
        old={name: plain(_standing(row, name)) for name in differ},
        new={name: plain(value) for name, value in differ.items()},
    )
    for name, value in differ.items():
        setattr(row, name, value)
    if differ:
        row.save(update_fields=list(differ))
    return amended


def _standing(row: models.Model, name: str) -> Any:
    """What the field holds; None for a secret that cannot be read, so that it can be entered anew."""
    try:
        return getattr(row, name)
    except Unreadable:
        return None


def plain(value: Any) -> Any:
    """A field's value as the audit log keeps it: amounts and days as text, rows by their name."""
    if isinstance(value, Decimal | models.Model):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


_OF_A_FIRM = ("name", "timezone", "language", "requires_mfa")


def firm_as_read(firm: Firm) -> Figures:
    """What a page shows of what the firm sets for itself (design D12)."""
    values = {name: getattr(firm, name) for name in _OF_A_FIRM if name != "name"}
    return Figures.of(f"firm {firm.slug}", {"description": firm.name, "firm_name": firm.name, **values})


@transaction.atomic
def change_firm_as_read(
    *, firm: Firm, values: Mapping[str, Any], by: Actor, now: datetime, read: Read | None = None
) -> Amended:
    """The same as ``change_firm`` of a firm that still is as it was read. Raises ``Changed`` and ``Unread``."""
    lock_firm(firm)
    row = Firm.objects.get(pk=firm.pk)
    check(read, lambda: [firm_as_read(row)], by=by)
    return change_firm(firm=firm, values=values, by=by, now=now)


@transaction.atomic
def change_firm(*, firm: Firm, values: Mapping[str, Any], by: Actor, now: datetime) -> Amended:
    """Change what a firm sets for itself: name, zone, language, whether it asks for a second step.

    ``rule_changed`` of the firm then holds ``old`` and ``new``, each with all four, as that of a dossier holds its
    rules whole. Another time zone is ``invoicing.dossiers.firm.set_firm``'s to set, since days hang on it.
    """
    lock_firm(firm)
    row = Firm.objects.get(pk=firm.pk)
    old = {name: getattr(row, name) for name in _OF_A_FIRM}
    changed = amend(row, values)
    for name, value in values.items():
        setattr(firm, name, value)
    if changed:
        new = {name: getattr(row, name) for name in _OF_A_FIRM}
        record(firm=firm, news=[News("rule_changed", f"firm {firm.slug}", {"old": old, "new": new})], by=by, now=now)
    return changed
