"""Advances: each is billed once on its day, and the hours in their scope are on account."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.utils import timezone

from invoicing.corrections import fees
from invoicing.dossiers.agreements import agreements
from invoicing.dossiers.faults import Refused
from invoicing.drafting import runs
from invoicing.ledger.states import decisions
from invoicing.models import InvoiceLine, LedgerRow
from tests.invoicing.agreements.agreed import ADVANCES, agree, balanced, bill, post_all, terms, totals
from tests.invoicing.scene import BY, Scene, ids
from tests.worlds import BAKERY_PROJECT, entry, product

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]

PLAN = ((date(2026, 9, 15), Decimal("250.00")), (date(2026, 11, 2), Decimal("400.00")))


@pytest.mark.slow
def test_advances_are_billed_on_their_days_and_hours_are_on_account(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-09-10"), entry(2, project_id=BAKERY_PROJECT)], products=ADVANCES)
    agree(books, **terms_of_advances())
    assert books.states() == {ids(1)[0]: "on_account", ids(2)[0]: "open"}
    row = LedgerRow.objects.get(state="on_account")
    assert (row.product_reference, row.price, row.reason) == ("ADV", Decimal("95.000000"), "")

    # a run on 1 September bills the advance of that day
    books.draft(date(2026, 8, 31))
    (first,) = post_all(books)
    assert bill(first) == [("advance", "Advance · Keeping the books · September 2026", "1.00", "250.00")]
    assert totals(first) == ("250.00", "52.50", "302.50")
    assert (first.period_from, first.period_till) == (date(2026, 9, 1), date(2026, 9, 30))
    (line,) = json.loads(first.accepted_body)["OrderLines"]
    assert (line["Quantity"], line["Unit"], line["Reference"]) == (1, "C62", "PROV")

    # October's and November's stand on the customer's invoice of the run; the hour on account on none
    books.draft()
    bakery, garage = post_all(books)
    assert [line[1] for line in bill(garage)] == [
        "Advance · Keeping the books · October 2026",
        "Advance · Keeping the books · November 2026",
    ]
    assert totals(garage) == ("500.00", "105.00", "605.00")
    assert [line[0] for line in bill(bakery)] == ["hours"]
    assert books.states() == {ids(1)[0]: "on_account", ids(2)[0]: "invoiced"}
    assert books.draft().moved == ()
    balanced(books)
    outcome = books.command("ledger", "--firm", "small", "--month", "2026-09")
    (month,) = outcome.answer["dossiers"]
    assert month["states"]["on_account"] == {"entries": 1, "seconds": 3600}
    assert month["balanced"]


def terms_of_advances(**changes: object) -> dict[str, object]:
    return {"kind": "advance", "product": "PROV"} | changes


def test_plan_of_advances_with_amounts_of_their_own(scene: Make) -> None:
    books = scene(entries=[], products=ADVANCES)
    agree(books, **terms_of_advances(plan=PLAN, amount=Decimal(0)))
    books.draft(date(2026, 11, 1))
    (draft,) = books.invoices()
    assert bill(draft) == [
        ("advance", "Advance · Keeping the books · 15/09/2026", "1.00", "250.00"),
        ("advance", "Advance · Keeping the books · 02/11/2026", "1.00", "400.00"),
    ]
    outcome = books.invoice("--dry-run", through="2026-11-01")
    assert outcome.answer["invoices"] == []
    books.approve()
    outcome = books.invoice("--post", through="2026-11-01")
    assert [line["kind"] for line in outcome.answer["invoices"][0]["lines"]] == ["advance", "advance"]


@pytest.mark.slow
def test_dropped_advance_comes_again_and_a_credited_one_does_not(scene: Make) -> None:
    books = scene(entries=[], products=ADVANCES)
    agree(books, **terms_of_advances(start=date(2026, 10, 1), every="quarter"))
    books.draft()
    (draft,) = books.invoices()
    runs.void(invoice=draft, by=BY, now=timezone.now())
    books.draft()
    (again,) = books.invoices(status="draft")
    assert totals(again) == ("250.00", "52.50", "302.50")
    sent = books.send(books.post(runs.approve(invoice=again, by=BY, now=timezone.now())))
    line = sent.lines.get()
    note = fees.credit_lines(invoice=sent, lines=[line.pk], by=BY, now=timezone.now())
    books.post(runs.approve(invoice=note, by=BY, now=timezone.now()))
    assert books.draft().moved == ()
    assert InvoiceLine.objects.filter(kind="advance", released_at__isnull=True, takes_back__isnull=True).count() == 1
    balanced(books)


def test_product_of_the_advances_that_vanished_withholds_them_with_its_reason(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    agree(books, **terms_of_advances(start=date(2026, 10, 1), every="quarter"))
    outcome = books.invoice("--dry-run")
    assert outcome.answer["skipped"] == [{"agreement": "garage", "period": "2026-10-01", "reason": "unknown_product"}]
    assert not books.invoices()
    assert books.states() == {ids(1)[0]: "on_account"}


# --- hours on account -------------------------------------------------------------------------------------------------


def test_hour_without_a_price_is_attention_and_on_account_once_it_has_one(scene: Make) -> None:
    books = scene(entries=[entry(1, tags=[]), entry(2, "2026-10-06", seconds=17 * 3600)], products=ADVANCES)
    agree(books, **terms_of_advances(start=date(2026, 10, 1)))
    assert reasons() == {1: ("attention", "no_tag"), 2: ("attention", "implausible")}
    books.control.put_entries(entry(1))
    books.sync()
    decisions.bill(entries=[LedgerRow.objects.get(reason="implausible").entry], by=BY, now=timezone.now())
    assert reasons() == {1: ("on_account", ""), 2: ("on_account", "")}
    (confirmed,) = books.events("entry_confirmed")
    assert confirmed.subject == f"entry {ids(2)[0]}"


def reasons() -> dict[int, tuple[str, str]]:
    rows = LedgerRow.objects.values_list("entry__remote_id", "state", "reason")
    return {remote_id - ids(0)[0]: (state, reason) for remote_id, state, reason in rows}


def test_hour_on_account_is_held_and_written_off_like_an_open_one(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=ADVANCES)
    agree(books, **terms_of_advances(start=date(2026, 10, 1)))
    row = LedgerRow.objects.get()
    for verb, state in ((decisions.hold, "held"), (decisions.write_off, "written_off")):
        verb(entries=[row.entry], reason="Gift", by=BY, now=timezone.now())
        row.refresh_from_db()
        assert (row.state, row.agreement) == (state, None)
    decisions.reopen(entries=[row.entry], by=BY, now=timezone.now())
    row.refresh_from_db()
    assert (row.state, row.agreement is not None) == ("on_account", True)
    balanced(books)


def test_draft_of_hours_that_come_into_the_scope_is_taken_back(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=ADVANCES)
    books.draft()
    agree(books, **terms_of_advances(start=date(2026, 10, 1), every="year"))
    books.draft()
    (draft,) = books.invoices(status="draft")
    assert [line[0] for line in bill(draft)] == ["advance"]
    assert books.states() == {ids(1)[0]: "on_account"}
    balanced(books)


# --- terms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"amount": Decimal(0)}, "plan", "missing; give a plan of days with amounts, or one amount and every."),
        (
            {"plan": PLAN},
            "amount",
            "stands beside plan, whose advances have amounts of their own; leave one of the two",
        ),
        ({"amount": Decimal(0), "plan": (*PLAN, PLAN[0])}, "plan", "has 2026-09-15 twice; give each day one amount."),
        (
            {"amount": Decimal(0), "plan": PLAN, "end": date(2026, 10, 31)},
            "plan",
            "has 2026-11-02, which lies before the first or after the last day of the agreement.",
        ),
        (
            {"amount": Decimal(0), "plan": ((date(2026, 9, 1), Decimal("250.005")),)},
            "plan",
            "“250.005” has more than two decimals.",
        ),
        (
            {"amount": Decimal(0), "plan": ((date(2026, 9, 1), Decimal(0)),)},
            "plan",
            "“0” is not an amount; write it such as 5000.00.",
        ),
        ({"product": " "}, "product", "must not be empty."),
        ({"settle_on": "12-32"}, "settle_on", "“12-32” is not a day of the year; write month and day, such as 12-31."),
        ({"settle_on": "31-12"}, "settle_on", "“31-12” is not a day of the year; write month and day, such as 12-31."),
        ({"in_advance": True}, "in_advance", "does not belong to an agreement of kind advance."),
        ({"part_periods": "days"}, "part_periods", "does not belong to an agreement of kind advance."),
        ({"kind": "fixed", "plan": PLAN}, "plan", "does not belong to an agreement of kind fixed."),
        ({"kind": "fixed", "settle_on": "12-31"}, "settle_on", "does not belong to an agreement of kind fixed."),
    ],
)
def test_terms_that_cannot_be(changes: dict[str, object], field: str, sentence: str) -> None:
    (found,) = agreements.check_agreements([terms(**terms_of_advances(**changes))])
    assert [fault.field for fault in found] == [field]
    assert found[0].sentence.startswith(sentence)


def test_what_is_billed_stays_in_the_plan(scene: Make) -> None:
    books = scene(entries=[], products=ADVANCES)
    agreement = agree(books, **terms_of_advances(plan=PLAN, amount=Decimal(0)))
    books.draft()
    post_all(books)
    moved = ((date(2026, 9, 16), Decimal("250.00")), PLAN[1])
    dearer = ((date(2026, 9, 15), Decimal("300.00")), PLAN[1])
    for plan in (moved, dearer, PLAN[1:]):
        wanted = terms(**terms_of_advances(plan=plan, amount=Decimal(0)))
        with pytest.raises(Refused, match=r"plan: keeps the advance of 2026-09-15 with 250\.00: it"):
            agreements.change(agreement=agreement, terms=wanted, by=BY, now=timezone.now())
    with pytest.raises(Refused, match="garage, plan: stays"):
        agreements.change(
            agreement=agreement, terms=terms(**terms_of_advances(every="month")), by=BY, now=timezone.now()
        )
    later = (PLAN[0], (date(2026, 11, 3), Decimal("410.00")))
    agreements.change(
        agreement=agreement,
        terms=terms(**terms_of_advances(plan=later, amount=Decimal(0))),
        by=BY,
        now=timezone.now(),
    )
    agreement.refresh_from_db()
    assert agreement.plan == [{"day": "2026-09-15", "amount": "250.00"}, {"day": "2026-11-03", "amount": "410.00"}]
    changed = books.events("agreement_changed")[-1].data
    assert changed["new"]["plan"] == agreement.plan


def test_product_of_the_hours_decides_what_is_on_account(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-10-06", tag="Books")], products=[*ADVANCES, product(7, "X", "X")])
    agree(books, **terms_of_advances(products=("CPT",)))
    assert reasons() == {1: ("open", ""), 2: ("on_account", "")}
