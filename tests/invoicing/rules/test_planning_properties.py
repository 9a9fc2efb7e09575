"""What holds of every plan, whatever the entries and rules."""

from dataclasses import replace
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from invoicing.rules.billing.rating import Rounding, billed_seconds, hours, line_total, totals
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import Entry, State, TagRule
from tests.invoicing.rules.planned import BOTH, lines_of, planned
from tests.invoicing.strategies import (
    GROUPINGS,
    books,
    books_rules,
    open_books,
    quick,
    roundings,
    some_rules,
)

whole_books = given(
    entries=books,
    group_by=st.sampled_from(GROUPINGS),
    rounding=roundings,
    held=st.sets(st.integers(1, 25), max_size=5),
    billable=st.sampled_from(["all", "flagged"]),
)


@whole_books
@quick
def test_plan_has_every_entry_on_one_line_or_in_one_named_state(
    entries: list[Entry], group_by: str, rounding: Rounding, held: set[int], billable: str
) -> None:
    rules = books_rules(billable=billable)
    found = planned(entries, rules, held, group_by=group_by, rounding=rounding)
    on_lines = [entry.id for line in lines_of(found) for entry in line.entries]
    skipped = {skip.entry: skip.reason for skip in found.skipped}
    assert len(on_lines) + len(found.skipped) == len({*on_lines, *skipped})
    judge = Judge(rules)
    for entry in entries:
        verdict = judge.verdict(entry)
        assert (verdict.reason is not None) == (verdict.state is State.attention)
        if entry.day > date(2026, 10, 31) or verdict.state not in (State.open, State.attention):
            assert entry.id not in on_lines
            assert entry.id not in skipped
        elif verdict.reason:
            assert skipped[entry.id] == verdict.reason
        elif entry.id in held:
            assert skipped[entry.id] == "held"
        else:
            assert (entry.id in on_lines) != (skipped.get(entry.id) == "rounds_to_zero")


@whole_books
@quick
def test_plan_conserves_seconds_and_adds_up(
    entries: list[Entry], group_by: str, rounding: Rounding, held: set[int], billable: str
) -> None:
    found = planned(entries, books_rules(billable=billable), held, group_by=group_by, rounding=rounding)
    raw = {entry.id: entry.seconds for entry in entries}
    for invoice in found.invoices:
        for line in invoice.lines:
            assert line.seconds == sum(raw[entry.id] for entry in line.entries)
            assert line.quantity == hours(billed_seconds([raw[entry.id] for entry in line.entries], rounding)) > 0
            assert line.total == line_total(line.quantity, line.unit_price)
            assert list(line.entries) == sorted(line.entries, key=lambda entry: (entry.start, entry.id))
            assert all(invoice.period_from <= entry.day <= invoice.period_till for entry in line.entries)
        sums = totals((line.vat_rate, line.total) for line in invoice.lines)
        assert (invoice.total_excl, invoice.total_vat, invoice.total_incl) == (sums.excl, sums.vat, sums.incl)
        assert invoice.total_excl == sum(line.total for line in invoice.lines)
        assert invoice.total_incl == invoice.total_excl + invoice.total_vat


@given(data=st.data(), entries=books, group_by=st.sampled_from(GROUPINGS), rounding=roundings)
@quick
def test_plan_does_not_depend_on_the_order_of_entries(
    data: st.DataObject, entries: list[Entry], group_by: str, rounding: Rounding
) -> None:
    shuffled = data.draw(st.permutations(entries))
    first = planned(entries, books_rules(), group_by=group_by, rounding=rounding)
    assert planned(shuffled, books_rules(), group_by=group_by, rounding=rounding) == first


@given(entries=open_books)
@quick
def test_plan_regrouped_bills_the_same_seconds(entries: list[Entry]) -> None:
    # Without rounding and from a minute on no line comes to nothing, so that grouping alone could lose a second.
    entries = [replace(entry, seconds=entry.seconds + 60) for entry in entries]
    rules = some_rules(products=BOTH, tags=(TagRule("free", "", bill=False),))
    sums = {
        group_by: sum(line.seconds for line in lines_of(planned(entries, rules, group_by=group_by)))
        for group_by in GROUPINGS
    }
    assert sums == dict.fromkeys(GROUPINGS, sum(entry.seconds for entry in entries))
