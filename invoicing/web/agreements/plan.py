"""The field of a plan of advances."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from invoicing.rules import days
from invoicing.web.amounts import typed


class PlanField(forms.CharField):
    """Days with amounts, one of them a line: `2026-01-01 250.00`. The value is a tuple of pairs."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": 6}), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """What stands is shown as it would be typed."""
        if isinstance(value, str) or value is None:
            return value
        return "\n".join(f"{day} {formats.localize(Decimal(amount))}" for day, amount in value)

    def to_python(self, value: Any) -> Any:
        """Raises ``ValidationError`` for the first line that is no day with an amount."""
        return tuple(self._pair(line) for line in str(value or "").splitlines() if line.strip())

    def _pair(self, line: str) -> tuple[date, Decimal]:
        written, _blank, amount = line.strip().partition(" ")
        try:
            return days.day(written), typed(amount)
        except (ValueError, forms.ValidationError) as error:
            raise forms.ValidationError(
                _("“%(line)s” is no day with an amount: write one on each line, such as 2026-01-01 250.00."),
                params={"line": line.strip()[:60]},
            ) from error
