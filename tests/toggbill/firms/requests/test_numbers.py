"""Numbers of rows fit into 64 bits, in addresses and in forms."""

from __future__ import annotations

import pytest

from tests.drawing.addresses import patterns
from tests.factories import DossierFactory, FirmFactory
from tests.visitors import signed_in, staff
from toggbill.firms.requests.numbers import BIGGEST, row_id, row_ids

TOO_MUCH = [str(BIGGEST + 1), "9" * 30, "9" * 5000]


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("7", 7), (str(BIGGEST), BIGGEST), ("0" * 40 + "7", 7)])
def test_number_of_a_row_is_read(text: str, number: int) -> None:
    assert row_id(text) == number


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", " 1", "1e3", "1_0", "١", "²", "a", "\0", *TOO_MUCH])
def test_what_no_row_can_have_is_no_number(text: str) -> None:
    assert row_id(text) is None
    assert row_ids(["5", text]) == {5}


def test_every_address_of_ours_takes_numbers_of_rows_only() -> None:
    ours = [pattern for pattern in patterns() if not pattern.route.startswith(("/accounts/", "/admin/"))]
    assert len(ours) > 40
    assert [pattern.route for pattern in ours if "<int:" in pattern.route] == []
    assert any("<id:" in pattern.route for pattern in ours)


@pytest.mark.django_db
@pytest.mark.parametrize("number", TOO_MUCH)
def test_number_beyond_every_row_is_not_found(number: str) -> None:
    firm = FirmFactory()
    DossierFactory(firm=firm, key="bakery")
    browser = signed_in(firm)
    assert browser.get(f"/members/{number}/").status_code == 404
    assert browser.post(f"/corrections/{number}/accept/").status_code == 404
    assert browser.post("/dossiers/bakery/hours/hold/", {"entry": number, "reason": "Wait"}).status_code == 404


@pytest.mark.django_db
@pytest.mark.parametrize("ticked", ["abc", "-1", *TOO_MUCH])
def test_rows_ticked_in_the_admin_are_numbers(ticked: str) -> None:
    browser = staff(FirmFactory())
    answer = browser.post("/admin/invoicing/invoice/", {"action": "approve", "_selected_action": ticked})
    assert answer.status_code == 400
