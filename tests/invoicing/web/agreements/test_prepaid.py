"""Prepaid hours on the pages of agreements: made, listed and changed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from invoicing.models import Agreement
from tests.invoicing.agreements.agreed import HOUR, PRODUCTS, order, post_all, prepaid
from tests.invoicing.scene import Scene
from tests.visitors import signed_in, text
from tests.worlds import GARAGE, entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


def test_block_is_agreed_on_a_page(scene: Make) -> None:
    books = scene(entries=[], products=PRODUCTS)
    page = f"/dossiers/{books.dossier.key}/agreements/"
    visitor = signed_in(books.firm)
    address = f"{page}add/?customer={GARAGE}&kind=prepaid"
    assert "The blocks" in text(visitor, address)
    said = {"title": "Prepaid advice", "start": "2026-10-01", "product": "ADV", "hours": "20", "price": "85.00"}
    refused = visitor.post(address, said | {"refill_at": "21"})
    assert "above the 20 hours of a block" in refused.context["form"].errors["refill_at"][0]
    visitor.post(address, said | {"refill_at": "4"})
    made = Agreement.objects.get()
    assert (made.kind, made.hours, made.price, made.refill_at) == (
        "prepaid",
        Decimal("20.00"),
        Decimal("85.00"),
        Decimal("4.00"),
    )
    shown = text(visitor, page)
    assert "blocks of 20.00 h at € 85.00 an hour; a new one below 4.00 h" in shown


@pytest.mark.slow
def test_pages_of_a_block_that_is_drawn_down(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=3 * HOUR)], products=PRODUCTS)
    agreement = prepaid(books)
    order(agreement)
    (invoice,) = post_all(books)
    books.draft()
    page = f"/dossiers/{books.dossier.key}/agreements/"
    visitor = signed_in(books.firm)
    shown = text(visitor, page)
    assert "€ 1,700.00 1 time" in shown
    assert "a block, once it is ordered 17.00 h left" in shown
    assert "Hours drawn 3.00 h" in shown
    assert "17.00 h are left of its blocks so far" in text(visitor, f"{page}{agreement.pk}/end/")
    change = text(visitor, f"{page}{agreement.pk}/")
    assert "It bills nothing by itself" in change
    assert "1 entry drawn, 3.00 h" in text(visitor, f"/invoices/{invoice.reference}/")
    assert visitor.get(f"/dossiers/{books.dossier.key}/").status_code == 200
