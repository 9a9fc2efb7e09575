"""Hours and value by month and state, and the age of what is open: in tables, and as the figures that are drawn."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from invoicing.models import Dossier, LedgerRow
from invoicing.web.dossiers import charts
from tests.factories import (
    NOW,
    DossierFactory,
    FirmFactory,
    LedgerRowFactory,
    MembershipDossierFactory,
    MembershipFactory,
)
from tests.visitors import browser_of, signed_in, words
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
TODAY = NOW.date()


@pytest.fixture
def firm(clock: time_machine.Traveller) -> Firm:
    made: Firm = FirmFactory(slug="ours")
    return made


def _hours(dossier: Dossier, ago: int, state: str = "open", hours: float = 1, price: str | None = "100.00") -> None:
    """Hours of so many days ago."""
    LedgerRowFactory(
        dossier=dossier,
        state=state,
        duration=int(hours * 3600),
        started_at=NOW - timedelta(days=ago),
        price=None if price is None else Decimal(price),
    )


def _drawn(page: bytes) -> dict[str, Any]:
    found = re.search(rb'<script id="chart-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    drawn: dict[str, Any] = json.loads(found[1])
    return drawn


def test_hours_and_value_by_month_and_state(firm: Firm) -> None:
    dossier = DossierFactory(firm=firm, name="Bakery")
    _hours(dossier, 1, "open", 1.5)
    _hours(dossier, 2, "invoiced", 2, "80.00")
    _hours(dossier, 40, "invoiced", 0.25)
    _hours(dossier, 41, "not_billable", 3)
    _hours(dossier, 800, "invoiced", 9)
    page = signed_in(firm).get("/charts/").content
    assert _drawn(page)["months"] == ["Oct 2026", "Nov 2026"]
    assert [(each["state"], each["name"], each["values"]) for each in _drawn(page)["hours"]] == [
        ("invoiced", "Invoiced", [0.25, 2.0]),
        ("open", "Open", [0.0, 1.5]),
        ("not_billable", "Not billable", [3.0, 0.0]),
    ]
    assert [(each["state"], each["values"]) for each in _drawn(page)["value"]] == [
        ("invoiced", [25.0, 160.0]),
        ("open", [0.0, 150.0]),
    ]
    text = words(page)
    assert "November 2026 2.00 1.50 – 3.50 October 2026 0.25 – 3.00 3.25" in text
    assert "November 2026 € 160.00 € 150.00 € 310.00 October 2026 € 25.00 – € 25.00" in text


@pytest.mark.parametrize(("days_ago", "band"), [(0, 0), (30, 0), (31, 1), (60, 1), (61, 2), (90, 2), (91, 3), (400, 3)])
def test_open_value_by_the_day_of_its_work(firm: Firm, days_ago: int, band: int) -> None:
    dossier = DossierFactory(firm=firm)
    _hours(dossier, days_ago, "open", 2)
    _hours(dossier, days_ago, "held", 5)
    ages = charts.by_age(LedgerRow.objects.all(), TODAY)
    assert [age.label for age in ages] == ["0–30 days", "31–60 days", "61–90 days", "over 90 days"]
    expected: list[tuple[int, int, Decimal | None]] = [(0, 0, None)] * 4
    expected[band] = (1, 7200, Decimal("200.00"))
    assert [(age.entries, age.sums.seconds, age.sums.value) for age in ages] == expected
    assert ages[band].oldest == TODAY - timedelta(days=days_ago)


def test_open_hours_without_a_price_have_no_value(firm: Firm) -> None:
    dossier = DossierFactory(firm=firm)
    _hours(dossier, 1, "open", 1, None)
    _hours(dossier, 1, "open", 1, "50.00")
    assert charts.by_age(LedgerRow.objects.all(), TODAY)[0].sums == charts.Cell(7200, Decimal("50.00"))


def test_twelve_months_up_to_this_one(firm: Firm) -> None:
    dossier = DossierFactory(firm=firm)
    for days_ago in (0, 350, 354, 355):  # 5 and 1 December 2025, 30 November 2025
        _hours(dossier, days_ago)
    found = [f"{month.first:%Y-%m}" for month in charts.by_month([dossier], TODAY)]
    assert found == ["2025-12", "2026-11"]


def test_one_dossier_alone_and_only_those_that_the_member_sees(firm: Firm) -> None:
    ours, hidden = DossierFactory(firm=firm, key="ours", name="Bakery"), DossierFactory(firm=firm, key="hidden")
    _hours(ours, 1, hours=1)
    _hours(hidden, 1, hours=4)
    owner = signed_in(firm)
    assert _drawn(owner.get("/charts/").content)["hours"][0]["values"] == [5.0]
    assert _drawn(owner.get("/charts/?dossier=ours").content)["hours"][0]["values"] == [1.0]
    restricted = MembershipFactory(firm=firm, role="bookkeeper", is_restricted=True)
    MembershipDossierFactory(membership=restricted, dossier=ours)
    browser = browser_of(restricted.user, firm)
    page = browser.get("/charts/").content
    assert _drawn(page)["hours"][0]["values"] == [1.0]
    assert hidden.name not in words(page)
    assert browser.get("/charts/?dossier=hidden").status_code == 404
    assert browser.get("/charts/?dossier=nowhere").status_code == 404


def test_nothing_to_draw(firm: Firm) -> None:
    DossierFactory(firm=firm)
    page = signed_in(firm).get("/charts/").content
    assert "No hours yet." in words(page)
    assert b"chart-data" not in page
    assert b"chart.umd" not in page
