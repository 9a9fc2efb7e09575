"""A difference is reckoned by the rounding that was frozen with its line, whatever the dossier says since."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from invoicing.corrections import decide, options
from invoicing.models import Correction, Invoice
from tests.invoicing.after_billing import bill, bill_next, changed, correction, deleted, prove
from tests.invoicing.scene import BY, OCTOBER, Scene
from tests.worlds import entry, zulu
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
Rule = dict[str, Any]

NONE: Rule = {"minutes": 0, "direction": "up", "level": "entry", "minimum": 0}
QUARTERS: Rule = NONE | {"minutes": 15}
NEAREST: Rule = NONE | {"minutes": 30, "direction": "nearest"}
DOWN: Rule = NONE | {"minutes": 15, "direction": "down"}
HOUR_AT_LEAST: Rule = NONE | {"minimum": 60}
LINE: Rule = QUARTERS | {"level": "line"}


def rules(books: Scene, rule: Rule) -> None:
    books.rules(**{f"rounding_{name}": value for name, value in rule.items()})


def lasts(books: Scene, minutes: int) -> None:
    """Entry 1 has so many minutes in Toggl; 0: it is deleted."""
    books.later(minutes=5)
    if minutes:
        changed(books, {"id": entry(1)["id"], "stop": zulu(START + timedelta(minutes=minutes))})
    else:
        deleted(books, 1)


START = datetime.fromisoformat("2026-10-05T09:00:00+00:00")
# Rule when it was billed, rules since, minutes billed and now: hours on the next invoice, and hours that a credit note
# takes back of the entry. The line holds another entry of 20 minutes.
CASES: dict[str, tuple[Rule, list[Rule], int, int, str, str]] = {
    "quarters, then none, up": (QUARTERS, [NONE], 61, 76, "0.25", "1.25"),
    "quarters, then none, hidden": (QUARTERS, [NONE], 61, 70, "0.00", "1.25"),
    "quarters, then none, down": (QUARTERS, [NONE], 61, 30, "-0.75", "1.25"),
    "quarters, then none, deleted": (QUARTERS, [NONE], 61, 0, "-1.25", "1.25"),
    "none, then quarters": (NONE, [QUARTERS], 61, 70, "0.15", "1.02"),
    "none, then quarters, then nearest": (NONE, [QUARTERS, NEAREST], 61, 31, "-0.50", "1.02"),
    "several times, and back to what it was": (QUARTERS, [NONE, LINE, QUARTERS], 61, 76, "0.25", "1.25"),
    "nearest, then down": (NEAREST, [DOWN], 44, 46, "0.50", "0.50"),
    "down, then up": (DOWN, [QUARTERS], 44, 46, "0.25", "0.50"),
    "minimum, then none": (HOUR_AT_LEAST, [NONE], 20, 0, "-1.00", "1.00"),
    "minimum, then none, hidden": (HOUR_AT_LEAST, [NONE], 20, 50, "0.00", "1.00"),
    "none, then minimum": (NONE, [HOUR_AT_LEAST], 20, 30, "0.16", "0.34"),
    "line, then none": (LINE, [NONE], 61, 72, "0.25", "1.00"),
    "line, then none, hidden": (LINE, [NONE], 61, 70, "0.00", "1.00"),
    "line, then entry": (LINE, [QUARTERS], 61, 0, "-1.00", "1.00"),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, scene: Make) -> tuple[Scene, Decimal, Decimal]:
    """The books after billing and after the rule changed; hours on the next invoice, and of a credit note."""
    then, since, billed, now_is, more, back = CASES[request.param]
    books = scene(entries=[entry(1, seconds=billed * 60), entry(2, "2026-10-06", seconds=1200)], rounding=then)
    books.send(books.posted())
    for rule in since:
        rules(books, rule)
    lasts(books, now_is)
    books.control.put_entries(entry(3, "2026-10-07", seconds=36_000))
    books.sync()
    return books, Decimal(more), Decimal(back)


@pytest.mark.slow
def test_next_invoice_reckons_by_the_rule_of_the_line(case: tuple[Scene, Decimal, Decimal]) -> None:
    books, hours, _back = case
    if not hours:
        with pytest.raises(NotPossible, match=r"comes to 0\.00 hours by the rounding of its invoice"):
            bill_next(correction())
        return
    bill_next(correction())
    books.draft(OCTOBER)
    made = Invoice.objects.get(status="draft")
    (line,) = [row for row in bill(made) if "Correction" in row[0]]
    assert (line[1], line[2]) == (hours, Decimal("95.00"))
    books.post(*books.approve(made))
    prove(books)


@pytest.mark.slow
def test_credit_note_takes_back_what_the_rule_of_the_line_billed(case: tuple[Scene, Decimal, Decimal]) -> None:
    books, _hours, back = case
    note = decide.credit(correction=correction(), rebill=False, by=BY, now=timezone.now())
    assert [row[1] for row in bill(note)] == [back]
    books.post(*books.approve(note))
    prove(books)


def test_both_remedies_of_a_deleted_entry_agree(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=3660), entry(2, "2026-10-06", seconds=1200)], rounding=QUARTERS)
    books.send(books.posted())
    rules(books, HOUR_AT_LEAST)
    lasts(books, 0)
    (found,) = options.cases(Correction.objects.filter(pk=correction().pk))
    said = {remedy.name: remedy.consequence for remedy in found.remedies}
    assert "− 1.25 h, − € 118.75" in said["next-invoice"]
    assert "1.25 h, € 118.75" in said["credit"]
