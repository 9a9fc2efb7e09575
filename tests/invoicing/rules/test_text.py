"""The text key: what looks the same is the same (design R4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.text import same_case_key, text_key, xml_text


@pytest.mark.parametrize(
    "spelled",
    [
        "d'été - intern",
        "D'ÉTÉ - INTERN",
        "d’e\u0301te\u0301 – intern",
        "d´été \u2212 intern",
        "d`été\u00a0-\u202fintern",
        "  d‵été\t-\r\nintern\u3000",
        "d\u00ad'\u200bété \u2043 in\ufe0ftern\x00",
        "ｄ＇été － ｉｎｔｅｒｎ",
        "dʼété\u2028\u2014 intern\U000e0100",
    ],
)
def test_spellings_of_the_same_have_one_key(spelled: str) -> None:
    assert text_key(spelled) == "d'été - intern"


@pytest.mark.parametrize("other", ["d'ete - intern", "dété - intern", "d'été intern", "d'été -- intern"])
def test_other_texts_have_another(other: str) -> None:
    assert text_key(other) != "d'été - intern"


@pytest.mark.parametrize("blank", ["", " ", "\u200b", "\u00a0\t\n", "\x1b\u00ad"])
def test_what_does_not_show_has_an_empty_key(blank: str) -> None:
    assert text_key(blank) == same_case_key(blank) == ""


def test_the_case_is_kept_where_a_name_is_read() -> None:
    assert same_case_key("  Straße\u00a0“ŒUVRE” ﬁn ") == "Straße “ŒUVRE” fin"
    assert text_key("STRASSE") == text_key("Straße")


INVISIBLE = st.sampled_from(["\u200b", "\u00ad", "\u2060", "\ufeff", "\ufe0f", "\x00", "\x7f"])
BLANK = st.sampled_from([" ", "\u00a0", "\u202f", "\t", "\n", "\u2003"])


@given(words=st.lists(st.text("abcÀéßıŁ'-0", min_size=1, max_size=8), min_size=1, max_size=4), data=st.data())
def test_blanks_and_what_does_not_show_never_count(words: list[str], data: st.DataObject) -> None:
    spelled = data.draw(st.text(BLANK, max_size=2))
    for word in words:
        spelled += "".join(character + data.draw(st.text(INVISIBLE, max_size=1)) for character in word)
        spelled += data.draw(st.text(BLANK, min_size=1, max_size=3))
    assert text_key(spelled) == text_key(" ".join(words))
    assert text_key(spelled.upper()) == text_key(text_key(" ".join(words).upper()))


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Nota\x0bbijlage\x0c2", "Nota bijlage 2"),
        ("a\x00b\x1b[1m\x1f\ufffe\uffff", "ab[1m"),
        ("regel 1\nregel 2\tkolom\r", "regel 1\nregel 2\tkolom\r"),
        ("\x7f \x85 😀 \ud800x", "\x7f \x85 😀 x"),
    ],
)
def test_a_text_as_xml_can_hold_it(text: str, held: str) -> None:
    assert xml_text(text) == held
