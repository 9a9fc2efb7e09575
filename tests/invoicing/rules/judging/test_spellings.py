"""Whatever the spelling, the verdict is the same: of tags, references, numbers and names as people type them."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.dossiers.mappings import check_tags
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import Product, TagRule, Verdict, customer_number, normalise_number, read_number
from invoicing.rules.text import same_case_key, text_key
from tests.invoicing.strategies import a_product, an_entry, belgian_number, quick, some_rules

APOSTROPHES = "'‘’‚‛ʹʻʼʽʾʿ′‵`´＇"
DASHES = "-‐‑‒–—―−⁃－﹘"
BLANKS = [" ", "\u00a0", "\u202f", "\u2009", "\u3000", "\t", "\n", "\r\n", "\x0b", "\u2028"]
UNSEEN = ["\u200b", "\u200d", "\u00ad", "\u2060", "\ufeff", "\u200e", "\ufe0e", "\ufe0f", "\U000e0101", "\x00", "\x1b"]


@st.composite
def spelled(draw: st.DrawFn, text: str, *, in_any_case: bool = True) -> str:
    """The same text as somebody else would type, paste or import it."""
    characters = draw(st.lists(st.sampled_from(BLANKS), max_size=2))
    for character in text:
        if character == " ":
            characters += draw(st.lists(st.sampled_from(BLANKS), min_size=1, max_size=3))
        elif character in "'-":
            characters.append(draw(st.sampled_from(APOSTROPHES if character == "'" else DASHES)))
        else:
            other = character.swapcase() if in_any_case and draw(st.booleans()) else character
            # The wide forms of Chinese and Japanese keyboards.
            is_wide = len(other) == 1 and "!" <= other <= "~" and draw(st.integers(0, 4)) == 0
            characters.append(chr(ord(other) + 0xFEE0) if is_wide else other)
        characters += draw(st.lists(st.sampled_from(UNSEEN), max_size=1))
    typed = "".join(characters)
    taken_apart = unicodedata.normalize("NFD", typed)
    return draw(st.sampled_from([typed, taken_apart])) + draw(st.sampled_from(["", *BLANKS]))


TAGS = ("Advies", "non facturable", "à l'essai", "Année - clôture", "Straßenbau", "intern", "Zoo")
texts = st.sampled_from([*TAGS, "ADV-1", "Boek houding"])


@pytest.mark.slow
@given(text=texts, data=st.data())
@quick
def test_every_spelling_has_the_key_of_the_text(text: str, data: st.DataObject) -> None:
    assert text_key(data.draw(spelled(text))) == text_key(text)
    assert same_case_key(data.draw(spelled(text, in_any_case=False))) == same_case_key(text)


PRODUCTS = (
    a_product(reference="ADV-1"),
    a_product(id=2, reference="Boek houding", price=Decimal("60.00")),
    a_product(id=3, reference="Zoo", price=Decimal("70.00")),
)
RULES = (
    TagRule("Advies", "ADV-1", priority=3),
    TagRule("Straßenbau", "Boek houding"),
    TagRule("Année - clôture", "NOWHERE"),
    TagRule("non facturable", "", bill=False),
    TagRule("à l'essai", "", bill=False),
)


def _said(verdict: Verdict) -> tuple[object, ...]:
    product: Product | None = verdict.product
    return verdict.state, verdict.reason, product and product.id, verdict.buyer, [*map(text_key, verdict.ignored_tags)]


@pytest.mark.slow
@given(
    tags=st.lists(st.sampled_from(TAGS), max_size=3, unique=True),
    default=st.sampled_from(["", "ADV-1"]),
    data=st.data(),
)
@quick
def test_tags_mappings_and_references_in_any_spelling_lead_to_the_same(
    tags: list[str], default: str, data: st.DataObject
) -> None:
    plain = some_rules(products=PRODUCTS, tags=RULES, default_product=default)
    other = replace(
        plain,
        products=tuple(replace(each, reference=data.draw(spelled(each.reference))) for each in PRODUCTS),
        tags=tuple(
            replace(each, tag=data.draw(spelled(each.tag)), product=each.product and data.draw(spelled(each.product)))
            for each in RULES
        ),
        default_product=default and data.draw(spelled(default)),
    )
    respelled = [data.draw(spelled(tag)) for tag in tags]
    assert _said(Judge(other).verdict(an_entry(tags=tuple(respelled)))) == _said(
        Judge(plain).verdict(an_entry(tags=tuple(tags)))
    )


NUMBER = belgian_number(1)
NAMES = (
    f"Bakery {NUMBER}",
    f"Bakery (TVA: BE {NUMBER[2:6]} {NUMBER[6:9]} {NUMBER[9:]})",
    f"Bakery {NUMBER[2:6]}.{NUMBER[6:9]}.{NUMBER[9:]}",
    f"Bakery {NUMBER[2:6]}-{NUMBER[6:9]}-{NUMBER[9:]} - Ghent",
    f"Bakery-{NUMBER}",
    f"Bakery {NUMBER[3:]}",
    f"Boulangerie NL {NUMBER[3:]} B01",
    f"d'Hondt tél. {NUMBER[2:]}",
    f"{NUMBER} / {belgian_number(2)}",
    "Bakery BE0999000128",
    "Bakery",
)


@pytest.mark.slow
@given(name=st.sampled_from(NAMES), data=st.data())
@quick
def test_a_name_in_any_spelling_has_the_same_number(name: str, data: st.DataObject) -> None:
    other = data.draw(spelled(name, in_any_case=False))
    assert read_number(other) == read_number(name)
    entries = [an_entry(client_name=each) for each in (name, other)]
    first, second = (Judge(some_rules()).verdict(entry) for entry in entries)
    assert first == second


@given(text=st.sampled_from([NUMBER, "BE 0999.000.129", "0999-000-129", "CHE-999.999.996 MWST"]), data=st.data())
@quick
def test_a_number_that_is_typed_is_the_same_in_any_spelling(text: str, data: st.DataObject) -> None:
    other = data.draw(spelled(text, in_any_case=False))
    assert (normalise_number(other), customer_number(other)) == (normalise_number(text), customer_number(text))


@given(tag=st.sampled_from(TAGS), data=st.data())
@quick
def test_a_tag_is_mapped_once_however_it_is_spelled(tag: str, data: st.DataObject) -> None:
    first, second = check_tags([TagRule(tag, "ADV"), TagRule(data.draw(spelled(tag)), "ADV")])
    assert first == []
    assert "twice" in {fault.code for fault in second}
