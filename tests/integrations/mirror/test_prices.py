"""The mirror keeps each price of a product with the day on which it was first seen; a person may correct that day."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from integrations.clients import billit
from integrations.mirror import prices, writing
from integrations.models import Company, ProductPrice
from tests.factories import NOW, CompanyFactory, FirmFactory, ProductFactory
from tests.visitors import address, events, staff
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
BY = Actor("owner@example.com", "page", Authority.COMMAND)
TODAY = date(2026, 11, 20)


@pytest.fixture
def company() -> Company:
    return CompanyFactory(firm=FirmFactory(slug="ours", timezone="Europe/Brussels"))


def read(company: Company, price: str | None, now: datetime = NOW, number: int = 1) -> None:
    amount = None if price is None else Decimal(price)
    writing.products(company=company, read=[billit.Product(number, "ADV", "Advice", amount, Decimal(21))], now=now)


def kept(company: Company) -> list[tuple[str, str | None]]:
    rows = ProductPrice.objects.filter(product__company=company).order_by("product", "since")
    return [(f"{row.since}", None if row.price is None else f"{row.price:.2f}") for row in rows]


def test_each_price_is_kept_with_the_firms_day_on_which_it_was_first_seen(company: Company) -> None:
    read(company, "80")
    read(company, "80", NOW + timedelta(days=1))
    # 23:30 in UTC is the next day in Brussels.
    read(company, "95", datetime.fromisoformat("2026-11-30T23:30:00+00:00"))
    read(company, None, NOW + timedelta(days=20))
    assert kept(company) == [("2026-11-20", "80.00"), ("2026-12-01", "95.00"), ("2026-12-10", None)]


def test_of_several_prices_of_a_day_the_last_is_kept(company: Company) -> None:
    read(company, "80")
    read(company, "85", NOW + timedelta(hours=1))
    assert kept(company) == [("2026-11-20", "85.00")]


def test_a_product_that_is_gone_keeps_its_prices(company: Company) -> None:
    read(company, "80")
    writing.products(company=company, read=[], now=NOW + timedelta(days=1))
    read(company, "80", NOW + timedelta(days=2))
    assert kept(company) == [("2026-11-20", "80.00")]


def test_two_prices_of_a_product_never_share_a_day() -> None:
    row = ProductFactory()
    row.prices.create(firm=row.firm, price=1, since=TODAY)
    with pytest.raises(IntegrityError), transaction.atomic():
        row.prices.create(firm=row.firm, price=2, since=TODAY)


def history(company: Company) -> list[ProductPrice]:
    product = ProductFactory(company=company, remote_id=8001, reference="ADV", price=Decimal(95))
    days = ((date(2026, 10, 1), 80), (date(2026, 11, 3), 90), (date(2026, 11, 18), 95))
    return [product.prices.create(firm=company.firm, price=Decimal(price), since=day) for day, price in days]


def test_a_corrected_day_is_an_event_and_what_the_company_bills_is_judged_anew(company: Company) -> None:
    _first, second, _third = history(company)
    prices.correct_day(price=second, since=date(2026, 11, 1), by=BY, now=NOW)
    assert kept(company)[1] == ("2026-11-01", "90.00")
    assert events(company.firm) == [
        (
            "rule_changed",
            "product 8001",
            {
                "old": {"reference": "ADV", "price": "90", "since": "2026-11-03"},
                "new": {"reference": "ADV", "price": "90", "since": "2026-11-01"},
            },
        )
    ]
    company.refresh_from_db()
    assert company.marked_at == NOW
    prices.correct_day(price=second, since=date(2026, 11, 1), by=BY, now=NOW + timedelta(hours=1))
    assert len(events(company.firm)) == 1


@pytest.mark.parametrize(
    ("place", "since"),
    [
        (1, date(2026, 10, 1)),
        (1, date(2026, 9, 1)),
        (1, date(2026, 11, 18)),
        (0, date(2026, 11, 3)),
        (2, date(2026, 11, 21)),
        (2, date(2026, 11, 3)),
    ],
)
def test_prices_never_change_places_and_none_begins_tomorrow(place: int, since: date, company: Company) -> None:
    row = history(company)[place]
    before = kept(company)
    with pytest.raises(NotPossible, match="cannot be in force from"):
        prices.correct_day(price=row, since=since, by=BY, now=NOW)
    assert (kept(company), events(company.firm)) == (before, [])


@pytest.mark.parametrize(("role", "status"), [("owner", 302), ("manager", 302), ("bookkeeper", 302), ("viewer", 403)])
def test_the_day_is_corrected_in_the_admin_by_who_maps(role: str, status: int, company: Company) -> None:
    row = history(company)[1]
    answer = staff(company.firm, role).post(address(ProductPrice, "change", row.pk), {"since": "2026-11-02"})
    assert answer.status_code == status
    assert kept(company)[1][0] == ("2026-11-02" if status == 302 else "2026-11-03")


def test_a_day_that_cannot_be_is_said_in_the_admin(company: Company) -> None:
    row = history(company)[1]
    answer = staff(company.firm).post(address(ProductPrice, "change", row.pk), {"since": "2026-09-02"}, follow=True)
    assert "cannot be in force from" in answer.content.decode()
    assert kept(company)[1][0] == "2026-11-03"
