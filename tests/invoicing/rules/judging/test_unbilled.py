"""Why an entry is not billable: said of it alone, and always as the judge has it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import State, TagRule
from invoicing.rules.judging.unbilled import NotBillable, Why, not_billable
from invoicing.rules.text import text_key
from tests.invoicing.strategies import an_entry, quick, some_rules


def why(**changes: object) -> NotBillable | None:
    asked = {"seconds": 3600, "tags": ["ADV"], "has_flag": True, "unbilled_tags": {"intern"}, "by_flag": False}
    return not_billable(**(asked | changes))  # type: ignore[arg-type]  # of their own types


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, None),
        ({"seconds": 0, "tags": ["Intern"]}, (Why.zero_seconds, "")),
        ({"tags": ["ADV", "INTERN "]}, (Why.tag, "INTERN ")),
        ({"tags": ["Intern"], "has_flag": False, "by_flag": True}, (Why.tag, "Intern")),
        ({"has_flag": False, "by_flag": True}, (Why.flag, "")),
        ({"has_flag": False}, None),
        ({"by_flag": True}, None),
    ],
)
def test_first_reason_that_holds_is_the_one(changes: dict[str, object], found: tuple[Why, str] | None) -> None:
    assert why(**changes) == found


@given(
    seconds=st.sampled_from([0, 1, 3600]),
    tags=st.lists(st.sampled_from(["ADV", "Intern", "intern\u00a0", "Travel"]), max_size=3),
    has_flag=st.booleans(),
    by_flag=st.booleans(),
    contradicted=st.booleans(),
)
@quick
def test_judge_says_not_billable_exactly_where_there_is_a_reason(
    seconds: int, tags: list[str], has_flag: bool, by_flag: bool, contradicted: bool
) -> None:
    rule = TagRule("Intern", "", bill=False, is_contradicted=contradicted)
    judge = Judge(some_rules(billable="flagged" if by_flag else "all", tags=(rule,)))
    entry = replace(an_entry(), seconds=seconds, tags=tuple(tags), billable=has_flag)
    found = not_billable(
        seconds=seconds,
        tags=tags,
        has_flag=has_flag,
        unbilled_tags=set() if contradicted else {text_key(rule.tag)},
        by_flag=by_flag,
    )
    assert (judge.verdict(entry).state is State.not_billable) is (found is not None)
