"""Hours that the fee of an agreement covers, or that a block pays, are billed by it: they have their tag in Toggl."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from invoicing.models import WriteBack
from tests.invoicing.agreements.agreed import PRODUCTS, october, post_all
from tests.invoicing.scene import Scene, ids
from tests.worlds import entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
TAG = "facturé"


def wanted() -> dict[int, str]:
    return dict(WriteBack.objects.values_list("entry__remote_id", "wanted"))


def test_covered_hours_want_the_tag_once_their_fee_is_posted_and_late_ones_too(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS, billed_tag=TAG)
    october(books)
    books.draft()
    assert wanted() == {}
    post_all(books)
    assert wanted() == {ids(1)[0]: TAG}
    books.control.put_entries(entry(2, "2026-10-09"))
    books.sync()
    # It hangs on the line that is posted already.
    books.draft()
    assert wanted() == dict.fromkeys(ids(1, 2), TAG)
