from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.billing.rating import (
    Rounding,
    Totals,
    VatGroup,
    billed_seconds,
    hours,
    line_total,
    round_seconds,
    totals,
    vat_of,
)
from invoicing.rules.judging.mapping import Treatment
from tests.invoicing.strategies import durations, prices, quick, rates, roundings


@pytest.mark.parametrize(
    ("seconds", "rounding", "rounded"),
    [
        (1234, Rounding(), 1234),
        (0, Rounding(15), 0),
        (1, Rounding(15), 900),
        (900, Rounding(15), 900),
        (901, Rounding(15), 1800),
        (899, Rounding(15, "down"), 0),
        (1799, Rounding(15, "down"), 900),
        (449, Rounding(15, "nearest"), 0),
        (450, Rounding(15, "nearest"), 900),
        (1350, Rounding(15, "nearest"), 1800),
        (29, Rounding(1, "nearest"), 0),
        (30, Rounding(1, "nearest"), 60),
        (60, Rounding(0, minimum=15), 900),
        (60, Rounding(6, minimum=15), 900),
        (1000, Rounding(6, minimum=15), 1080),
        (60, Rounding(15, "down", minimum=10), 600),
        (0, Rounding(15, minimum=10), 0),
        (60, Rounding(15, "up", "line", minimum=30), 900),
    ],
)
def test_round_seconds(seconds: int, rounding: Rounding, rounded: int) -> None:
    assert round_seconds(seconds, rounding) == rounded


@pytest.mark.parametrize(
    ("rounding", "billed"),
    [
        (Rounding(), 1860),
        (Rounding(15), 2700),
        (Rounding(15, level="line"), 2700),
        (Rounding(15, "down"), 900),
        (Rounding(15, "down", "line"), 1800),
        (Rounding(15, "nearest"), 1800),
        (Rounding(15, "nearest", "line"), 1800),
        (Rounding(0, minimum=10), 2340),
        (Rounding(0, level="line", minimum=60), 1860),
    ],
)
def test_billed_seconds_at_entry_and_line_level(rounding: Rounding, billed: int) -> None:
    # 840 + 120 + 900 = 1860 seconds
    assert billed_seconds([840, 120, 900], rounding) == billed


def test_billed_seconds_of_no_entry() -> None:
    assert billed_seconds([], Rounding(15, minimum=15)) == 0


def test_round_seconds_of_a_negative_duration_is_refused() -> None:
    with pytest.raises(ValueError, match="-1 seconds"):
        round_seconds(-1, Rounding())


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"minutes": -1}, "negative"),
        ({"minimum": -1}, "negative"),
        ({"direction": "sideways"}, "sideways"),
        ({"level": "invoice"}, "invoice"),
    ],
)
def test_rounding_refuses_what_it_does_not_know(arguments: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Rounding(**arguments)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("seconds", "quantity"),
    [
        (0, "0.00"),
        (17, "0.00"),
        (18, "0.01"),
        (1200, "0.33"),
        (2400, "0.67"),
        (3600, "1.00"),
        (3617, "1.00"),
        (3618, "1.01"),
        (5454, "1.52"),
        (360_000_018, "100000.01"),
    ],
)
def test_hours_half_up(seconds: int, quantity: str) -> None:
    assert str(hours(seconds)) == quantity


@pytest.mark.parametrize(
    ("quantity", "price", "total"),
    [
        ("1.00", "80.00", "80.00"),
        ("0.33", "75.50", "24.92"),
        ("0.50", "0.01", "0.01"),
        ("0.25", "75.50", "18.88"),
        ("1.50", "100.555", "150.83"),
        ("2.30", "50.445", "116.02"),
    ],
)
def test_line_total_half_up(quantity: str, price: str, total: str) -> None:
    assert str(line_total(Decimal(quantity), Decimal(price))) == total


@pytest.mark.parametrize(
    ("treatment", "rate", "expected"),
    [
        (Treatment.domestic, "0", ("0", 1)),
        (Treatment.domestic, "6", ("6", 2)),
        (Treatment.domestic, "12", ("12", 3)),
        (Treatment.domestic, "21", ("21", 4)),
        (Treatment.reverse_charge, "21", ("0", 21)),
        (Treatment.eu_services, "6", ("0", 55)),
        (Treatment.outside_scope, "21", ("0", 22)),
    ],
)
def test_vat_of(treatment: Treatment, rate: str, expected: tuple[str, int]) -> None:
    assert vat_of(treatment, Decimal(rate)) == (Decimal(expected[0]), expected[1])


def test_vat_of_a_rate_that_belgium_does_not_have() -> None:
    with pytest.raises(ValueError, match="20 %"):
        vat_of(Treatment.domestic, Decimal(20))


@pytest.mark.parametrize(
    ("treatment", "rate", "expected"),
    [
        (Treatment.domestic, 0, (0, 101)),
        (Treatment.domestic, 21, (21, 4)),
        (Treatment.eu_services, 0, (0, 55)),
        (Treatment.outside_scope, 21, (0, 22)),
    ],
)
def test_vat_of_a_company_that_is_exempt(treatment: Treatment, rate: int, expected: tuple[int, int]) -> None:
    found, code = vat_of(treatment, Decimal(rate), 101)
    assert (int(found), code) == expected


def test_totals_of_two_rates() -> None:
    lines = [("21", "150.83"), ("6", "116.02")]
    assert totals((Decimal(rate), Decimal(total)) for rate, total in lines) == Totals(
        Decimal("266.85"),
        Decimal("38.63"),
        Decimal("305.48"),
        (
            VatGroup(Decimal(6), Decimal("116.02"), Decimal("6.96")),
            VatGroup(Decimal(21), Decimal("150.83"), Decimal("31.67")),
        ),
    )


def test_totals_take_vat_on_the_sum_and_not_on_the_lines() -> None:
    # Line by line 0.5 cent would be rounded up three times: 0.03 x 21 % = 0.0063 each.
    sums = totals([(Decimal(21), Decimal("0.03"))] * 3)
    assert (sums.excl, sums.vat, sums.incl) == (Decimal("0.09"), Decimal("0.02"), Decimal("0.11"))


def test_totals_round_half_a_cent_up() -> None:
    assert totals([(Decimal(21), Decimal("0.50"))]).vat == Decimal("0.11")
    assert totals([(Decimal(6), Decimal("7.75"))]).vat == Decimal("0.47")


def test_totals_of_nothing() -> None:
    assert str(totals([]).incl) == "0.00"


@given(seconds=st.lists(durations, max_size=20), rounding=roundings)
@quick
def test_billed_seconds_keep_to_the_rule(seconds: list[int], rounding: Rounding) -> None:
    billed = billed_seconds(seconds, rounding)
    step, raw = rounding.minutes * 60, sum(seconds)
    if rounding.direction == "up" or not step:
        assert billed >= raw
    if rounding.level == "line" or not rounding.minimum:
        assert billed % (step or 1) == 0
        assert abs(billed - raw) <= max(step - 1, 0) * (1 if rounding.level == "line" else len(seconds))
    assert billed == billed_seconds(list(reversed(seconds)), rounding)


@given(seconds=durations)
@quick
def test_hours_are_within_half_a_hundredth(seconds: int) -> None:
    assert -18 < hours(seconds) * 3600 - seconds <= 18


@given(lines=st.lists(st.tuples(rates, prices), max_size=20))
@quick
def test_totals_add_up(lines: list[tuple[Decimal, Decimal]]) -> None:
    sums = totals(lines)
    assert sums.excl == sum(total for _, total in lines) == sum(group.base for group in sums.groups)
    assert sums.incl == sums.excl + sums.vat
    assert sums.vat == sum(group.vat for group in sums.groups)
    assert all(abs(group.vat * 100 - group.base * group.rate) <= Decimal("0.5") for group in sums.groups)
    assert totals(reversed(lines)) == sums
