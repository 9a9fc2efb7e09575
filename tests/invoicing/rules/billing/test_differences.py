"""What differences and credit notes amount to (design section 6): pure, over a whole line."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.billing.differences import (
    LANGUAGES,
    corrected_texts,
    credited_hours,
    credited_texts,
    differing_hours,
    line_hours,
    unsettled,
)
from invoicing.rules.billing.rating import Rounding
from tests.invoicing.strategies import durations, quick, roundings

QUARTER = Rounding(minutes=15, direction="up", level="entry")
QUARTER_OF_LINE = Rounding(minutes=15, direction="up", level="line")
lines = st.dictionaries(st.integers(1, 9), durations, min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("difference", "accepted", "left", "covered"),
    [
        (1800, 0, 1800, 0),
        (1800, 1800, 0, 1800),
        (2400, 1800, 600, 1800),
        (1200, 1800, 0, 1200),
        (0, 1800, 0, 0),
        (-600, 1800, -600, 0),
        (-600, -1800, 0, -600),
        (-2400, -1800, -600, -1800),
        (600, -1800, 600, 0),
    ],
)
def test_unsettled_is_what_no_acceptance_covers(difference: int, accepted: int, left: int, covered: int) -> None:
    assert unsettled(difference, accepted) == (left, covered)


@given(difference=st.integers(-90_000, 90_000), accepted=st.integers(-90_000, 90_000))
@quick
def test_unsettled_parts_add_up_and_never_change_direction(difference: int, accepted: int) -> None:
    left, covered = unsettled(difference, accepted)
    assert left + covered == difference
    assert left * difference >= 0
    assert covered * difference >= 0
    assert abs(covered) <= abs(accepted)


@pytest.mark.parametrize(
    ("rounding", "gone", "hours"),
    [
        (Rounding(), [2], "0.17"),  # 1.00 + 0.17 + 0.50 = 1.67, less 1.50
        (QUARTER, [2], "0.25"),  # 600 s is a quarter of an hour
        (QUARTER_OF_LINE, [2], "0.25"),  # 6000 s are 1.75 h, 5400 s 1.50 h
        (QUARTER_OF_LINE, [1], "1.00"),  # 2400 s are 0.75 h
        (QUARTER, [1, 2, 3], "1.75"),
        (Rounding(minutes=60, direction="up", level="line"), [2], "0.00"),  # two hours with it and without
    ],
)
def test_credited_hours_of_one_line(rounding: Rounding, gone: list[int], hours: str) -> None:
    assert credited_hours({1: 3600, 2: 600, 3: 1800}, gone, rounding) == Decimal(hours)


def test_credited_entry_that_is_not_on_the_line_is_a_fault() -> None:
    with pytest.raises(KeyError):
        credited_hours({1: 3600}, [2], QUARTER)


@given(line=lines, rounding=roundings, data=st.data())
@quick
def test_line_less_credit_is_the_line_that_the_others_make(
    line: dict[int, int], rounding: Rounding, data: st.DataObject
) -> None:
    gone = data.draw(st.sets(st.sampled_from(sorted(line)), min_size=1))
    credited = credited_hours(line, gone, rounding)
    others = line_hours([seconds for entry, seconds in line.items() if entry not in gone], rounding)
    assert line_hours(line.values(), rounding) - credited == others
    assert credited >= 0
    assert credited_hours(line, list(line), rounding) == line_hours(line.values(), rounding)


@given(line=lines, rounding=roundings, data=st.data())
@quick
def test_credits_one_after_the_other_take_off_the_whole_line(
    line: dict[int, int], rounding: Rounding, data: st.DataObject
) -> None:
    total, left = Decimal(0), dict(line)
    for entry in data.draw(st.permutations(sorted(line))):
        total += credited_hours(left, [entry], rounding)
        del left[entry]
    assert total == line_hours(line.values(), rounding)


@pytest.mark.parametrize(
    ("rounding", "changes", "hours"),
    [
        (Rounding(), [(1, 1800)], ["0.50"]),
        (Rounding(), [(1, -3600)], ["-1.00"]),
        (QUARTER, [(1, 400), (2, -600)], ["0.25", "-0.25"]),  # 4000 s are 1.25 h
        (QUARTER_OF_LINE, [(1, 300), (1, 1)], ["0.00", "0.25"]),  # 6000 s and 6300 s are 1.75 h
    ],
)
def test_differing_hours_of_one_line(rounding: Rounding, changes: list[tuple[int, int]], hours: list[str]) -> None:
    assert differing_hours({1: 3600, 2: 600, 3: 1800}, changes, rounding) == [Decimal(each) for each in hours]


@given(line=lines, rounding=roundings, data=st.data())
@quick
def test_differences_lead_to_the_line_of_the_hours_as_they_are(
    line: dict[int, int], rounding: Rounding, data: st.DataObject
) -> None:
    now_is = {entry: data.draw(st.integers(0, 40_000)) for entry in line}
    changes = [(entry, now_is[entry] - seconds) for entry, seconds in line.items()]
    hours = differing_hours(line, changes, rounding)
    assert line_hours(line.values(), rounding) + sum(hours) == line_hours(now_is.values(), rounding)
    assert all(hour * seconds >= 0 for hour, (_, seconds) in zip(hours, changes, strict=True))


def test_difference_of_more_than_was_billed_is_a_fault() -> None:
    with pytest.raises(ValueError, match="not negative"):
        differing_hours({1: 3600}, [(1, -3601)], QUARTER)


def test_texts_name_the_invoice_and_the_day_in_the_customers_language() -> None:
    day = date(2026, 10, 5)
    found = {
        language: corrected_texts("Advice", "", "2026/12", day, language)[0]
        + " | "
        + credited_texts("Advice", "", "2026/12", language)[0]
        for language in sorted(LANGUAGES)
    }
    assert found == {
        "de": "Advice · Korrektur der Rechnung 2026/12 vom 05/10/2026 | Advice · Gutschrift zur Rechnung 2026/12",
        "en": "Advice · Correction of invoice 2026/12, 05/10/2026 | Advice · Credit for invoice 2026/12",
        "fr": "Advice · Correction de la facture 2026/12, 05/10/2026 | Advice · Note de crédit sur la facture 2026/12",
        "nl": "Advice · Correctie van factuur 2026/12, 05/10/2026 | Advice · Creditnota bij factuur 2026/12",
    }


def test_texts_that_are_too_long_lose_what_was_billed_and_not_what_is_corrected() -> None:
    description, extended = credited_texts("A" * 512, "B" * 512, "2026/12", "en")
    assert (len(description), len(extended)) == (512, 512)
    assert extended.endswith("B… · Credit for invoice 2026/12")
