"""The Toggl client of an agreement is mapped to another customer while a draft of the earlier one waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from invoicing.dossiers import mappings
from invoicing.drafting import settlement
from invoicing.rules.judging.mapping import ClientRule
from tests.invoicing.agreements.agreed import ADVANCES, HOUR, bill
from tests.invoicing.agreements.test_settlement import provisions
from tests.invoicing.scene import BY, Scene
from tests.worlds import BAKERY_PARTY, GARAGE, entry
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.mark.slow
def test_what_stands_on_a_draft_of_the_earlier_customer_is_not_billed_to_the_next_one(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-05", seconds=HOUR)], products=ADVANCES, start="2026-09-01")
    agreement = provisions(books, start=date(2026, 10, 1), settle_on="")
    books.draft(date(2026, 10, 31))
    (first,) = books.invoices(status="draft")
    mappings.map_clients(
        dossier=books.dossier, rules=[ClientRule(GARAGE, party_id=BAKERY_PARTY)], by=BY, now=timezone.now()
    )
    asked: dict[str, Any] = {"agreement": agreement, "through": date(2026, 10, 31), "by": BY, "now": timezone.now()}
    with pytest.raises(NotPossible, match=f"Draft {first} for Garage Vonk SRL still holds what this would bill"):
        settlement.settle(**asked)
    assert [invoice.pk for invoice in books.invoices()] == [first.pk]
    # The next run draws it anew, for the customer that it has now.
    books.draft(date(2026, 10, 31))
    settlement.settle(**asked)
    (settled,) = books.invoices(status="draft")
    assert settled.customer_party_id == BAKERY_PARTY
    assert sorted(line[0] for line in bill(settled)) == ["advance", "advance", "hours"]
