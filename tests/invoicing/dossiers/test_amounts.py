"""An amount that people write is that amount or a fault, never silently another one (design section 12)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from invoicing.dossiers.sheets.cells import AgreementRow, Cell, amount

# Where groups are parted, and by which sign the cents.
SPELLINGS = [("", ","), ("", "."), (".", ","), (" ", ","), (",", "."), (" ", ".")]


def spelt(value: Decimal, group: str, mark: str) -> str:
    """An amount of cents, as a spreadsheet or a person writes it."""
    return f"{value:,.2f}".replace(",", "G").replace(".", mark).replace("G", group)


@pytest.mark.parametrize(("group", "mark"), SPELLINGS)
@given(value=st.decimals(-(10**12), 10**12, places=2))
@example(value=Decimal("0.00"))
@example(value=Decimal("-1500.00"))
def test_each_spelling_is_read_as_what_was_written(group: str, mark: str, value: Decimal) -> None:
    text = spelt(value, group, mark)
    for written in (text, f"{text} €", f"€ {text}", f"EUR {text}"):
        assert amount(written) == value


@given(text=st.from_regex(r"\A-?[0-9 .,€]{1,12}\Z"))
@example("012,345")
@example("0 500")
@example("0.500,00")
@example("0,125,125")
@example("12€50")
def test_what_is_read_is_no_other_value(text: str) -> None:
    """The whole part is what stands before the last mark, unless all its marks part groups of three."""
    try:
        found = amount(text)
    except PydanticCustomError:
        return
    digits = "".join(sign for sign in text if sign.isdigit())
    behind = max(text.strip(" €").rfind(","), text.strip(" €").rfind("."))
    decimals = len(text.strip(" €")) - behind - 1 if behind >= 0 else 0
    bare = text.strip(" €").lstrip("-").strip(" €")
    groups = bare.replace(",", ".").replace(" ", ".").split(".")
    if len(groups) > 1 and all(len(group) == 3 for group in groups[1:]) and not groups[0].startswith("0"):
        decimals = 0
    sign = -1 if "-" in text else 1
    assert found == sign * Decimal(int(digits)).scaleb(-decimals)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("0.500", "0.5"), ("0,500", "0.5"), ("0.125", "0.125"), ("0,125", "0.125"), ("-0,500", "-0.5")),
        *(("012,345", "12.345"), ("€ 0,500", "0.5"), ("-€ 5,00", "-5"), ("1\N{NO-BREAK SPACE}500,00", "1500")),
    ],
)
def test_behind_a_first_zero_stand_decimals(text: str, value: str) -> None:
    assert amount(text) == Decimal(value)


@pytest.mark.parametrize("text", ["0 500", "0.500.000", "01.500,00", "0.500,00", "12€50", "1eur500", "1.500", "12,500"])
def test_what_is_no_amount_or_two_is_a_fault(text: str) -> None:
    with pytest.raises(PydanticCustomError):
        amount(text)


@pytest.mark.parametrize(
    ("kind", "shown", "value"),
    [("number", "0.125", "0.125"), ("number", "1.125", "1.125"), ("number", "1500", "1500"), ("padded", "0500", "500")],
)
def test_a_number_of_a_workbook_is_itself(kind: str, shown: str, value: str) -> None:
    row = AgreementRow.read({"key": Cell("fee"), "hours": Cell(shown, kind)})
    assert row.hours == Decimal(value)


def test_a_number_that_its_format_shows_with_a_point_is_a_fault() -> None:
    row = AgreementRow.read({"hours": Cell("0.500", "padded")})
    assert [text for place, text in row.faults() if place == "hours"] == [
        "“0.500” can be read in two ways: write it with its cents, such as 1500,00 or 1,50."
    ]
