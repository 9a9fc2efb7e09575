"""A file that was exported and is imported again changes nothing, whatever stands and whatever the member's language.

Drawn texts hold what spreadsheets stumble over: signs that begin a formula, apostrophes before them, zeros before
digits, what looks like a number, a day or an error.
"""

from __future__ import annotations

import io
import unicodedata
from dataclasses import asdict
from typing import Any

import pytest
from django.utils import translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invoicing.dossiers.files import reader, reading, writing
from invoicing.dossiers.files.columns import COLUMNS, headings
from invoicing.dossiers.files.reading import LIMITS, Kind
from invoicing.dossiers.rules import LIMITS as WHOLE
from invoicing.dossiers.rules import WORDS
from invoicing.dossiers.sheets.cells import (
    AgreementRow,
    Cell,
    ClientRow,
    DossierRow,
    Row,
    TagRow,
    plan,
    references,
    text_of,
)
from invoicing.rules import days
from invoicing.rules.cells import neutral, plain
from invoicing.rules.judging.mapping import Treatment
from invoicing.rules.text import text_key

AWKWARD = (
    *("007", "1.10", "1,50", "2026-03-04", "1/9/2026", "#N/A", "TRUE", "1E5", "4500012345678901234"),
    *(
        "=1+1",
        "'=1+1",
        "''",
        "'",
        "''-",
        "+32 2",
        "-",
        "@x",
        '"',
        'a"b',
        "a;b",
        "a,b",
        "sep=;",
        "_x0041_",
        "aé",
        "€",
        "😀",
    ),
)
LETTERS = st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\xa0")


def kept(text: str) -> str:
    """As a verb keeps it: one line of printable signs, composed, without blanks at its ends."""
    return "".join(sign for sign in unicodedata.normalize("NFC", text) if sign.isprintable()).strip()


TEXTS = st.one_of(
    st.sampled_from(AWKWARD),
    st.text(LETTERS, max_size=12).map(kept),
    st.tuples(st.sampled_from(AWKWARD), st.sampled_from(AWKWARD)).map("".join),
)
IDS = st.one_of(st.integers(1, 10**7), st.integers(10**14, 2**63 - 1)).map(str)
WHOLES = st.integers(-(10**9), 10**9).map(str)
FLAGS = st.sampled_from(["yes", "no"])
AMOUNTS = st.decimals(0, 10**12 - 1, places=2).map(str)
DAYS = st.dates(days.FIRST, days.LAST).map(str)
KEYS = st.text("abcXYZ019_-", min_size=1, max_size=20)


def maybe(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.just(""), strategy)


def word(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from(list(WORDS[name]))


AMOUNT_COLUMNS = ("amount", "included_hours", "hours", "price", "refill_at", "budget_hours", "budget_amount")
ROWS: dict[type[Row], dict[str, st.SearchStrategy[str]]] = {
    TagRow: {
        "dossier": KEYS,
        "tag": TEXTS,
        "person": maybe(IDS),
        "bill": FLAGS,
        "product": TEXTS,
        "priority": maybe(WHOLES),
    },
    ClientRow: {
        "dossier": KEYS,
        "client": IDS,
        "vat": maybe(st.sampled_from(["BE0563846944", "NL004495445B01", "EL094259216"])),
        "customer": maybe(IDS),
        "vat_treatment": maybe(st.sampled_from([*map(str, Treatment)])),
        "po": TEXTS,
        "buyer_reference": TEXTS,
    },
    DossierRow: {
        "key": KEYS,
        "name": TEXTS,
        "workspace": IDS,
        "company": IDS,
        "start": DAYS,
        "clients": st.lists(IDS, unique=True, max_size=3).map(" ".join),
        "day": maybe(st.integers(1, 28).map(str)),
        "email_allowed": FLAGS,
        "no_limit": FLAGS,
        "four_eyes": FLAGS,
        "annex": FLAGS,
        "auto_limit": maybe(AMOUNTS),
        "default_product": TEXTS,
        "billed_tag": TEXTS,
        **{name: word(name) for name in WORDS},
        **{name: st.integers(*limits).map(str) for name, limits in WHOLE.items()},
    },
    AgreementRow: {
        "dossier": KEYS,
        "key": KEYS,
        "client": maybe(IDS),
        "vat": maybe(st.sampled_from(["BE0563846944", "NL004495445B01"])),
        "title": TEXTS.filter(bool),
        "kind": st.sampled_from(["fixed", "advance", "prepaid"]),
        "from": DAYS,
        "until": maybe(DAYS),
        "products": st.lists(TEXTS.filter(bool), max_size=3).map(references),
        "projects": st.lists(IDS, unique=True, max_size=3).map(" ".join),
        "product": TEXTS.filter(bool),
        "every": st.sampled_from(["month", "quarter", "year", "once"]),
        "in_advance": FLAGS,
        "extra_product": TEXTS,
        "part_periods": st.sampled_from(["full", "days"]),
        "plan": st.lists(st.tuples(DAYS, AMOUNTS), max_size=3).map(plan),
        "settle_on": st.sampled_from(["", "12-31", "02-28"]),
        **{name: maybe(AMOUNTS) for name in AMOUNT_COLUMNS},
    },
}


def back(content: bytes, kind: Kind, row: type[Row]) -> list[Row]:
    """The rows of a file, as a sheet reads them; read in this process, without its bounds."""
    answer = reader.read(io.BytesIO(content), {**asdict(LIMITS), "kind": kind})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_ask", lambda *_given: answer)
        table = reading.read(content, kind)
    names = [headings(row)[text_key(heading)] for heading in table.heading]
    return [row.read(dict(zip(names, each.cells, strict=True))) for each in table.rows]


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "fr", "nl"])
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
@pytest.mark.parametrize("row", ROWS)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_goes_out_comes_back_as_it_was(row: type[Row], kind: Kind, language: str, data: st.DataObject) -> None:
    columns = {name: ROWS[row][name] for name in row.columns()}
    rows: list[dict[str, str]] = data.draw(st.lists(st.fixed_dictionaries(columns), min_size=1, max_size=4))
    with translation.override(language):
        content = writing.as_csv(row, rows) if kind == "csv" else writing.as_xlsx(row, rows, title="a: b/c")
        found = back(content, kind, row)
    told = [row.read({name: Cell(neutral(text)) for name, text in each.items()}) for each in rows]
    assert [list(each.faults()) for each in found] == [[] for _each in rows]
    assert [each.given for each in found] == [each.given for each in told]
    lists = {"products", "plan"}
    texts = [name for name in columns if row.holds(name) in ("text", "vat") and name not in lists]
    assert [[getattr(each, name) or "" for name in texts] for each in found] == [
        [each[name] for name in texts] for each in rows
    ]


@given(TEXTS)
def test_a_neutral_text_is_plain_again_and_no_formula(text: str) -> None:
    assert plain(neutral(text)) == text
    assert not neutral(text).startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("row", COLUMNS)
def test_every_column_has_its_own_words_in_every_language(row: type[Row]) -> None:
    assert list(COLUMNS[row]) == list(row.columns())
    names: dict[str, str] = {column: column for column in row.columns()}
    for language in ("en", "fr", "nl"):
        with translation.override(language):
            for column, words in COLUMNS[row].items():
                name = text_key(translation.gettext(words.name))
                assert names.setdefault(name, column) == column, (language, name)
    assert {heading: headings(row)[heading] for heading in names} == names


def given_of(row: type[Row], **cells: str) -> dict[str, Any]:
    return row.read({name: Cell(text) for name, text in cells.items()}).given


@pytest.mark.parametrize("stands", ["Comptabilite\u0301", "a\xa0b", "a\xadb", "\u202ea", "'=1+1", "a\u2009b"])
def test_a_text_that_stands_in_another_composition_stays_as_it_is(stands: str) -> None:
    shown = text_of(Cell(neutral(stands)))
    row = TagRow.read({"dossier": Cell("bakery"), "tag": Cell(neutral(shown))}, {"dossier": "bakery", "tag": stands})
    assert (row.tag, list(row.faults())) == (stands, [])
    changed = TagRow.read({"dossier": Cell("bakery"), "tag": Cell("other")}, {"dossier": "bakery", "tag": stands})
    assert changed.tag == "other"


def test_blanks_and_accents_of_other_systems_are_those_of_ours() -> None:
    assert given_of(TagRow, dossier=" bakery\xa0", tag="Comptabilite\u0301\u2009Gent") == {
        "dossier": "bakery",
        "tag": "Comptabilité Gent",
    }
