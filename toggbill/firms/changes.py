"""What a verb changed of a row: for the audit log (old and new) and for the counts of ``onboard``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from django.db import models

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
    differ = {name: value for name, value in values.items() if getattr(row, name) != value}
    amended = Amended(
        old={name: plain(getattr(row, name)) for name in differ},
        new={name: plain(value) for name, value in differ.items()},
    )
    for name, value in differ.items():
        setattr(row, name, value)
    if differ:
        row.save(update_fields=list(differ))
    return amended


def plain(value: Any) -> Any:
    """A field's value as the audit log keeps it: amounts and days as text, rows by their name."""
    if isinstance(value, Decimal | models.Model):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value
