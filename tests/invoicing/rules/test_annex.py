"""What an annex of hours says, in numbers and in words."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from decimal import Decimal

import pytest

from invoicing.rules.annexes.content import Annex, AnnexEntry, AnnexLine, EarlierFee, clock, plain, rounded
from invoicing.rules.annexes.words import WORDS, Words, number, rounding_in_words
from invoicing.rules.billing.differences import LANGUAGES
from invoicing.rules.billing.rating import Rounding

ENTRY = AnnexEntry(date(2026, 10, 5), "Odile Verkansel", "Work", 3600, 3600)
FEE = EarlierFee("Bookkeeping", "2026-0017", 3600, (ENTRY,))
LINE = AnnexLine(1, "Advice", Decimal("1.00"), 3600, (ENTRY,))
ANNEX = Annex(
    language="en",
    firm="Small",
    customer="Garage Vonk SRL",
    customer_number="BE0563846944",
    reference="tb-1",
    title="October 2026",
    purchase_order="",
    about="",
    period_from=date(2026, 10, 5),
    period_till=date(2026, 10, 5),
    rounding=Rounding(),
    lines=(LINE,),
)


def test_totals_are_those_of_the_lines_and_what_is_taken_off_counts_against_them() -> None:
    off = AnnexLine(2, "Correction", Decimal("-0.25"), -900, (replace(ENTRY, seconds=-900, rounded=None),))
    annex = replace(ANNEX, lines=(LINE, off))
    assert (annex.seconds, annex.quantity, annex.entries) == (2700, Decimal("0.75"), 2)
    assert replace(ANNEX, lines=()).quantity == Decimal("0.00")


def test_digest_tells_whatever_it_says() -> None:
    changed = {
        "language": "fr",
        "firm": "Other",
        "customer": "Other",
        "customer_number": "",
        "reference": "tb-2",
        "title": "November 2026",
        "purchase_order": "PO",
        "about": "F-1",
        "period_from": date(2026, 10, 4),
        "period_till": date(2026, 10, 6),
        "rounding": Rounding(15),
        "lines": (),
        "left": (("Block of hours", Decimal("2.00")),),
        "vat_apart": Decimal("-0.01"),
        "earlier": (FEE,),
    }
    assert set(changed) == {field.name for field in fields(Annex)}
    annexes = [ANNEX, *(replace(ANNEX, **{name: value}) for name, value in changed.items())]  # type: ignore[arg-type]  # drawn
    for name, value in {"day": date(2026, 10, 6), "person": "", "text": "W", "seconds": 1, "rounded": None}.items():
        entry = replace(ENTRY, **{name: value})  # type: ignore[arg-type]  # drawn
        annexes.append(replace(ANNEX, lines=(replace(LINE, entries=(entry,)),)))
        annexes.append(replace(ANNEX, earlier=(replace(FEE, entries=(entry,)),)))
    for name, value in {"description": "Fee", "invoice": "2026-0018", "seconds": 1}.items():
        annexes.append(replace(ANNEX, earlier=(replace(FEE, **{name: value}),)))  # type: ignore[arg-type]  # drawn
    assert len({annex.digest() for annex in annexes}) == len(annexes)
    assert replace(ANNEX, firm="Small").digest() == ANNEX.digest()


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [
        (Rounding(), 1000),
        (Rounding(15), 1800),
        (Rounding(15, "nearest"), 900),
        (Rounding(15, "down"), 900),
        (Rounding(0, "up", "entry", 30), 1800),
        (Rounding(15, "up", "line"), None),
        (Rounding(0, "up", "line"), 1000),
    ],
)
def test_rounded_is_the_entrys_own_unless_the_line_is_rounded(rounding: Rounding, expected: int | None) -> None:
    assert rounded(1000, rounding) == expected


def test_clock_writes_hours_minutes_and_seconds() -> None:
    assert [clock(seconds) for seconds in (0, 59, 3600, 360_061, -900)] == [
        "0:00:00",
        "0:00:59",
        "1:00:00",
        "100:01:01",
        "-0:15:00",
    ]
    assert [clock(seconds, brief=True) for seconds in (900, 901, -1800)] == ["0:15", "0:15:01", "-0:30"]


def test_plain_is_one_line_that_reads_from_left_to_right() -> None:
    assert plain(" a\tb\r\nc\x00d\x85e ") == "a b c d e"
    assert plain("12\u202e34\u2066 5\ud83d") == "1234 5"
    assert plain("été – 5 €") == "été – 5 €"


def test_every_language_that_lines_are_written_in_has_all_words() -> None:
    assert set(WORDS) == LANGUAGES
    for words in WORDS.values():
        assert set(words.directions) == {"up", "nearest", "down"}
        assert all(getattr(words, field.name) for field in fields(Words))
        assert (words.about.count("{number}"), words.subtotal.count("{n}")) == (1, 1)
        assert words.page.index("{page}") < words.page.index("{pages}")


def test_numbers_have_the_decimal_sign_of_the_language() -> None:
    assert [number(Decimal("-1234.50"), language) for language in ("en", "fr", "nl", "de")] == [
        "-1234.50",
        "-1234,50",
        "-1234,50",
        "-1234,50",
    ]


@pytest.mark.parametrize(
    ("rounding", "language", "expected"),
    [
        (Rounding(), "fr", ""),
        (Rounding(0, "up", "line", 6), "en", ""),
        (Rounding(15), "en", "The time of each entry is rounded up to a multiple of 15 minutes."),
        (Rounding(0, "up", "entry", 6), "nl", "Elke prestatie telt voor minstens 6 minuten."),
        (
            Rounding(5, "up", "entry", 15),
            "fr",
            (
                "La durée de chaque prestation est arrondie au multiple supérieur de 5 minutes, avec un minimum de 15 "
                "minutes."
            ),
        ),
        (
            Rounding(6, "nearest", "line"),
            "nl",
            "De tijd van elke regel wordt in haar geheel afgerond naar het dichtstbijzijnde veelvoud van 6 minuten.",
        ),
        (
            Rounding(6, "down", "line"),
            "de",
            "Die Zeit jeder Zeile wird als Ganzes auf das niedrigere Vielfache von 6 Minuten gerundet.",
        ),
    ],
)
def test_rounding_is_said_in_a_sentence(rounding: Rounding, language: str, expected: str) -> None:
    assert rounding_in_words(rounding, language) == expected
