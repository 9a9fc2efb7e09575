"""Entries that say the same: which of them is a duplicate, and of which (design R4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import Entry, TagRule
from invoicing.rules.judging.plausibility import twins
from tests.invoicing.strategies import an_entry, books, books_rules, quick, some_rules

FIRST = an_entry(id=7, tags=("ADV", "Night"))


def found(*entries: Entry, **rules: Any) -> dict[int, int]:
    return twins(entries, Judge(some_rules(**rules)).lets_through)


def test_the_higher_id_is_the_duplicate_whatever_comes_first() -> None:
    again, thrice = replace(FIRST, id=8), replace(FIRST, id=900)
    assert found(thrice, again, FIRST) == {8: 7, 900: 7}


@pytest.mark.parametrize(
    "differs",
    [
        {"person_id": 22},
        {"start": FIRST.start + timedelta(seconds=1)},
        {"seconds": 3601},
        {"project_id": 12},
        {"description": "quarterly return"},
        {"description": "Quarterly return "},
        {"tags": ("ADV",)},
        {"tags": ("ADV", "Night", "Late")},
    ],
)
def test_who_says_something_else_is_none(differs: dict[str, Any]) -> None:
    assert found(FIRST, replace(FIRST, id=8, **differs)) == {}


def test_tags_are_a_set_in_any_spelling() -> None:
    assert found(FIRST, replace(FIRST, id=8, tags=("night\u200b", " adv", "ADV", "\u00ad"))) == {8: 7}


@pytest.mark.parametrize(
    ("earlier", "rules"),
    [
        ({"deleted": True}, {}),
        ({"running": True}, {}),
        ({"billable": False}, {"billable": "flagged"}),
        ({}, {"tags": (TagRule("night", "", bill=False),)}),
        ({}, {"start": FIRST.day + timedelta(days=1)}),
    ],
)
def test_an_earlier_one_that_is_not_to_be_billed_makes_no_duplicate(
    earlier: dict[str, Any], rules: dict[str, Any]
) -> None:
    assert found(replace(FIRST, **earlier), replace(FIRST, id=8), **rules) == {}


def test_an_earlier_one_that_waits_does() -> None:
    assert found(replace(FIRST, project_id=None, client_id=None), replace(FIRST, id=8, project_id=None)) == {8: 7}


@given(drawn=books, copies=st.lists(st.integers(0, 24), max_size=6))
@quick
def test_of_entries_that_say_the_same_exactly_the_first_is_billed(drawn: list[Entry], copies: list[int]) -> None:
    judge = Judge(books_rules())
    entries = [*drawn, *(replace(drawn[n], id=1000 + k) for k, n in enumerate(copies) if n < len(drawn))]
    pairs = twins(entries, judge.lets_through)
    by_id = {entry.id: entry for entry in entries}
    for higher, lower in pairs.items():
        assert lower < higher
        assert lower not in pairs
        assert judge.lets_through(by_id[lower])
    billable = {entry.id for entry in entries if judge.lets_through(entry)}
    copied = {1000 + k for k, n in enumerate(copies) if n < len(drawn) and drawn[n].id in billable}
    assert copied <= pairs.keys()
