"""An agreement with advances that ends before its time: what is billed stays and is settled, what is planned goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from invoicing.corrections import options
from invoicing.dossiers.agreements import agreements
from invoicing.dossiers.faults import Refused
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.models import Agreement, Deduction, Invoice
from tests.invoicing.agreements.agreed import ADVANCES, HOUR, agree, balanced, bill, post_all, totals
from tests.invoicing.scene import BY, Scene
from tests.visitors import inputs, signed_in, words
from tests.worlds import entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.mark.slow
def test_settlement_of_the_end_takes_off_what_was_billed_beyond_it_too(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=5 * HOUR)], products=ADVANCES)
    agreement = agree(books, kind="advance", product="PROV")
    # one advance of 250.00 for each of September, October and November
    books.draft(date(2026, 10, 31))
    post_all(books)
    agreements.end(agreement=agreement, last_day=date(2026, 10, 15), by=BY, now=timezone.now())
    books.sync()
    books.draft()
    (settled,) = post_all(books)
    # 5 h at 95.00: the two that fell due by the end pay all of it
    assert [line[3] for line in bill(settled)] == ["475.00", "-250.00", "-225.00"]
    # late hours of the same time take off the rest, and that of November
    books.control.put_entries(entry(2, "2026-10-14", seconds=3 * HOUR))
    books.sync()
    books.draft()
    (late,) = post_all(books)
    assert [line[3] for line in bill(late)] == ["285.00", "-25.00", "-250.00"]
    assert totals(late) == ("10.00", "2.10", "12.10")
    assert sum(each.amount for each in Deduction.objects.live()) == 750
    balanced(books)


PLAN = tuple((date(2026, month, 15), Decimal(amount)) for month, amount in ((9, 100), (10, 200), (11, 300), (12, 400)))


def planned(agreement: Agreement) -> list[str]:
    agreement.refresh_from_db()
    return [each["day"] for each in agreement.plan]


def end(agreement: Agreement, last_day: date) -> None:
    agreements.end(agreement=agreement, last_day=last_day, by=BY, now=timezone.now())


def with_plan(books: Scene, **changes: Any) -> Agreement:
    return agree(books, **{"kind": "advance", "product": "PROV", "amount": Decimal(0), "plan": PLAN} | changes)


@pytest.mark.slow
def test_end_drops_the_planned_advances_behind_it_that_are_not_billed(scene: Make) -> None:
    books = scene(entries=[], products=ADVANCES)
    agreement = with_plan(books)
    books.draft(date(2026, 10, 14))
    post_all(books)
    books.draft(date(2026, 11, 14))
    # October's is posted and stays; November's is on a draft alone, December's nowhere
    end(agreement, date(2026, 9, 30))
    assert planned(agreement) == ["2026-09-15", "2026-10-15"]
    assert books.events("agreement_changed")[-1].data["dropped"] == [
        {"day": "2026-11-15", "amount": "300.00"},
        {"day": "2026-12-15", "amount": "400.00"},
    ]
    books.sync()
    books.draft(date(2026, 11, 19))
    assert not Invoice.objects.drafts().exists()
    # the same terms once more, and another day, are no fault; a day behind the end that nobody billed is one
    stands = agreement_of(agreement)
    assert agreements.set_agreements(dossier=books.dossier, agreements=[stands], by=BY, now=timezone.now()) == {
        "unchanged": 1
    }
    wanted = replace(stands, plan=PLAN[:3])
    with pytest.raises(Refused, match="plan: has 2026-11-15, which lies before the first or after the last day"):
        agreements.change(agreement=agreement, terms=wanted, by=BY, now=timezone.now())
    with pytest.raises(Refused, match=r"plan: keeps the advance of 2026-10-15 with 200\.00"):
        agreements.change(agreement=agreement, terms=replace(stands, plan=PLAN[:1]), by=BY, now=timezone.now())
    end(agreement, date(2026, 9, 14))
    assert planned(agreement) == ["2026-09-15", "2026-10-15"]


@pytest.mark.slow
def test_end_before_all_planned_advances_leaves_a_plan_that_never_falls_due(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=ADVANCES)
    agreement = with_plan(books, plan=PLAN[1:])
    books.draft(date(2026, 10, 14))
    end(agreement, date(2026, 10, 7))
    books.sync()
    assert planned(agreement) == ["2026-10-15", "2026-11-15", "2026-12-15"]
    assert "dropped" not in books.events("agreement_changed")[-1].data
    books.draft(date(2026, 11, 19))
    (draft,) = books.invoices(status="draft")
    assert bill(draft) == [("hours", "Advice", "1.00", "95.00")]
    agreements.change(
        agreement=agreement, terms=replace(agreement_of(agreement), title="Books"), by=BY, now=timezone.now()
    )
    books.sync()
    balanced(books)


def test_page_of_the_end_says_what_becomes_of_planned_advances(scene: Make) -> None:
    books = scene(entries=[], products=ADVANCES)
    agreement = with_plan(books)
    books.draft(date(2026, 10, 14))
    (posted,) = post_all(books)
    visitor = signed_in(books.firm)
    address = f"/dossiers/{books.dossier.key}/agreements/{agreement.pk}/end/"
    looked = visitor.post(address, {"last_day": "2026-09-30", "look": "1"}, headers={"HX-Request": "true"})
    said = (
        f"Invoice {options.name_of(posted)} bills the advance of 15 Oct 2026 already, behind the end. It stays, and "
        "the settlement takes it off: what is left of it after that is given back by a credit note. "
        "These planned advances never fall due: 15 Nov 2026, € 300.00; 15 Dec 2026, € 400.00. "
        "Hours from 1 Oct 2026 on are billed by the hour, unless another agreement covers them."
    )
    assert words(looked.content).strip().startswith(said)
    (read,) = inputs(visitor.get(address).content.decode(), "read")
    answer = visitor.post(address, {"last_day": "2026-09-30", "read": read}, follow=True)
    assert "ends on 30 Sep 2026." in words(answer.content)
    # its terms are shown with the day that stays, and saved with it
    own = f"/dossiers/{books.dossier.key}/agreements/{agreement.pk}/"
    page = visitor.get(own).content.decode()
    assert "2026-10-15 200.00" in page
    stated = {"title": "Other words", "start": "2026-09-01", "end": "2026-09-30", "product": "PROV", "every": "month"}
    stated |= {"plan": "2026-09-15 100.00\n2026-10-15 200.00", "read": inputs(page, "read")[0]}
    assert "“Other words” is saved." in words(visitor.post(own, stated, follow=True).content)
