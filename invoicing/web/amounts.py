"""Amounts and hours typed into a form: read as in files (design section 12), in whatever language the page is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.text import capfirst
from pydantic_core import PydanticCustomError

from invoicing.dossiers.faults import sentence
from invoicing.dossiers.sheets.cells import Row, amount


def typed(text: str) -> Decimal:
    """Raises ``ValidationError`` for what is no amount, or could be one of two."""
    try:
        return amount(text.strip())
    except PydanticCustomError as fault:
        told = fault.context or {}
        raise forms.ValidationError(capfirst(sentence(told["code"], told["facts"], Row.words))) from None


class AmountField(forms.DecimalField):
    """Django's own field takes the comma of `250,00` for a separator of thousands where the page is in English."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(localize=True, **kwargs)

    def to_python(self, value: Any) -> Any:
        """What was typed, None when it is empty."""
        if value in self.empty_values:
            return None
        return value if isinstance(value, Decimal) else typed(str(value))
