"""Budgets: fixed fees of the present period and projects that Toggl estimates, to the second and the cent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest

from integrations.models import Entry, Project
from invoicing.wip.budgets import Budget, budgets
from tests.invoicing.agreements.agreed import HOUR, PRODUCTS, agree
from tests.invoicing.scene import Scene
from tests.visitors import signed_in, text
from tests.worlds import BAKERY, BAKERY_PROJECT, GARAGE, GARAGE_PROJECT, entry, project

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
TODAY = date(2026, 11, 20)


def found(books: Scene, today: date = TODAY) -> list[Budget]:
    return budgets(dossiers=[books.dossier], today=today)


def shown(books: Scene, today: date = TODAY) -> list[tuple[str, int, str, str, int]]:
    """Name, seconds, share of the hours and of the amount, notice."""
    return [(b.name, b.seconds, str(b.of_hours), str(b.of_amount), b.notice) for b in found(books, today)]


def test_fee_with_included_hours_by_the_period_of_today(scene: Make) -> None:
    books = scene(
        entries=[
            entry(1, "2026-10-05", seconds=9 * HOUR),  # of October
            entry(2, "2026-11-03", seconds=2 * HOUR),  # 190.00
            entry(3, "2026-11-19", tag="Books"),  # 60.00
        ],
        products=PRODUCTS,
    )
    agree(books, start=date(2026, 9, 15), amount=Decimal("500.00"), included_hours=Decimal(4), extra_product="ADV")
    (budget,) = found(books)
    assert (budget.first, budget.last, budget.customer) == (date(2026, 11, 1), date(2026, 11, 30), "Garage Vonk SRL")
    assert (budget.seconds, budget.hours, budget.value, budget.amount) == (
        3 * HOUR,
        4 * HOUR,
        Decimal("250.00"),
        Decimal("500.00"),
    )
    # three of four hours, half of the fee: the higher counts
    assert shown(books) == [("Keeping the books", 3 * HOUR, "75.0", "50.0", 0)]
    assert shown(books, date(2026, 10, 31)) == [("Keeping the books", 9 * HOUR, "225.0", "171.0", 100)]
    # September was cut, and nothing was worked; before it nothing was agreed
    assert shown(books, date(2026, 9, 20)) == [("Keeping the books", 0, "0.0", "0.0", 0)]
    assert shown(books, date(2026, 9, 14)) == []


@pytest.mark.parametrize(("seconds", "notice"), [(7 * 3600 + 3419, 0), (8 * HOUR, 80), (35_981, 80), (10 * HOUR, 100)])
def test_notice_at_eighty_and_a_hundred_per_cent(scene: Make, seconds: int, notice: int) -> None:
    books = scene(entries=[entry(1, "2026-11-03", seconds=seconds)], products=PRODUCTS)
    agree(books, amount=Decimal("9000.00"), included_hours=Decimal(10), extra_product="ADV")
    assert [budget.notice for budget in found(books)] == [notice]


def test_projects_that_are_estimated_in_toggl(scene: Make) -> None:
    books = scene(
        projects=[
            project(GARAGE_PROJECT, "Garage", GARAGE, estimated_seconds=10 * HOUR),
            project(BAKERY_PROJECT, "Bakery", BAKERY),
        ]
    )
    # all its hours count, whatever became of them: 1 h + 2 h + 0.5 h of 10
    assert shown(books) == [("Garage", 3 * HOUR + 1800, "35.0", "None", 0)]
    (budget,) = found(books)
    assert (budget.first, budget.last, budget.amount) == (None, None, None)
    Entry.objects.update(marked_at=None)
    books.control.put_toggl("projects", project(GARAGE_PROJECT, "Garage", GARAGE, estimated_seconds=4 * HOUR))
    books.sync()
    assert shown(books) == [("Garage", 3 * HOUR + 1800, "87.5", "None", 80)]
    books.control.put_toggl("projects", project(GARAGE_PROJECT, "Garage", GARAGE, estimated_seconds=None))
    books.sync()
    assert Project.objects.get(remote_id=GARAGE_PROJECT).estimated_seconds is None
    assert found(books) == []


def test_page_of_budgets(scene: Make) -> None:
    books = scene(
        entries=[entry(1, "2026-11-03", seconds=9 * HOUR)],
        products=PRODUCTS,
        projects=[project(GARAGE_PROJECT, "Garage", GARAGE, estimated_seconds=8 * HOUR)],
    )
    client = signed_in(books.firm, "viewer")
    assert "1 budget is used up" in text(client, "/budgets/")
    agree(books, amount=Decimal("1000.00"))
    words = text(client, "/budgets/")
    assert "Garage Garage Vonk SRL" in words
    assert "whole project 9.00 of 8.00 h" in words
    assert "113 % · used up" in words
    assert "9.00 € 855.00 of € 1,000.00" in words
    assert "86 % · nearly used up" in words
    Project.objects.update(estimated_seconds=None)
    assert "1 budget is nearly used up" in text(client, "/budgets/")
