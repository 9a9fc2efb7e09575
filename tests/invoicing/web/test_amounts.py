"""What is typed as an amount means the same on an English, a French and a Dutch page."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.forms import DecimalField
from django.utils import translation

from invoicing.web.agreements.forms import FORMS
from invoicing.web.agreements.plan import PlanField
from invoicing.web.amounts import AmountField

LANGUAGES = pytest.mark.parametrize("language", ["en", "fr", "nl"])
TYPED = pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("250", "250"),
        ("250,00", "250.00"),
        ("250.00", "250.00"),
        ("€ 250,5", "250.5"),
        ("1.500,00", "1500.00"),
        ("1,500.00", "1500.00"),
        ("1 500,00", "1500.00"),
        ("1\u202f500,00", "1500.00"),
        ("0,125", "0.125"),
        ("-12,50", "-12.50"),
    ],
)


@LANGUAGES
@TYPED
def test_amount_is_read_the_same_in_every_language(language: str, text: str, amount: str) -> None:
    with translation.override(language):
        assert AmountField().clean(text) == Decimal(amount)
        assert PlanField().clean(f"2026-01-01 {text}") == ((date(2026, 1, 1), Decimal(amount)),)


@LANGUAGES
@pytest.mark.parametrize("text", ["1.500", "1,500", "12€50", "a lot", "1_000", "NaN", "1e3"])
def test_what_could_be_two_amounts_or_is_none_is_refused(language: str, text: str) -> None:
    with translation.override(language):
        with pytest.raises(ValidationError):
            AmountField().clean(text)
        with pytest.raises(ValidationError):
            PlanField().clean(f"2026-01-01 {text}")


@LANGUAGES
@pytest.mark.parametrize("standing", ["1234.50", "1500.00", "0.25"])
def test_what_stands_is_shown_as_it_may_be_sent_back(language: str, standing: str) -> None:
    field = AmountField()
    with translation.override(language):
        shown = field.widget.format_value(field.prepare_value(Decimal(standing)))
        assert field.clean(shown) == Decimal(standing)


def test_no_form_of_agreements_has_a_field_that_reads_amounts_otherwise() -> None:

    numbers = [
        field for form in FORMS.values() for field in form.base_fields.values() if isinstance(field, DecimalField)
    ]
    assert numbers
    assert all(isinstance(field, AmountField) for field in numbers)
