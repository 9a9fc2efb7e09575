"""Settlements as an accountant would reckon them, every figure to the cent, against the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from invoicing.corrections import decide, fees, replace
from invoicing.dossiers.agreements import agreements
from invoicing.drafting import runs, settlement
from invoicing.models import Agreement, ClientMapping, Deduction, Invoice, InvoiceLine, LedgerRow
from tests.invoicing.agreements.agreed import ADVANCES, HOUR, agree, balanced, bill, post_all, terms, totals
from tests.invoicing.scene import BY, Scene, everything, ids
from tests.worlds import BAKERY_PARTY, BAKERY_PROJECT, GARAGE, entry, product
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]

SETTLED = date(2026, 11, 15)
# 20 h Advice at 95.00, 12 h Books at 60.00, 5 h Tax at 120.00: 1900.00 + 720.00 + 600.00 = 3220.00
YEAR = [
    entry(1, "2026-01-12", seconds=10 * HOUR),
    entry(2, "2026-04-15", seconds=10 * HOUR),
    entry(3, "2026-06-02", seconds=12 * HOUR, tag="Books"),
    entry(4, "2026-11-15", seconds=5 * HOUR, tag="FIS"),
    entry(5, "2026-11-16", seconds=2 * HOUR),
]


def provisions(books: Scene, **changes: Any) -> Agreement:
    """250 euro a month from December 2025 on, settled each 15 November."""
    stated: dict[str, Any] = {"kind": "advance", "product": "PROV", "start": date(2025, 12, 1), "settle_on": "11-15"}
    return agree(books, **stated | changes)


def one_quarter(books: Scene, **changes: Any) -> list[Invoice]:
    """One advance of 250 euro on 1 September and one on 1 October, posted; settled each 31 October."""
    agree(books, **{"kind": "advance", "product": "PROV", "settle_on": "10-31", "end": date(2026, 10, 31)} | changes)
    posted = []
    for through in (date(2026, 8, 31), date(2026, 9, 30)):
        books.draft(through)
        posted += post_all(books)
    return posted


def left() -> list[str]:
    """What is left of each advance that is at Billit, oldest first."""
    lines = InvoiceLine.objects.live().filter(kind="advance", takes_back__isnull=True, invoice__status="posted")
    return [
        str(line.total - sum((each.amount for each in line.deductions.live()), Decimal(0)))
        for line in lines.order_by("period")
    ]


@pytest.mark.slow
def test_twelve_provisions_one_credited_and_a_settlement_above_them(scene: Make) -> None:
    books = scene(entries=YEAR, products=ADVANCES, start="2025-12-01")
    provisions(books)
    assert set(books.states().values()) == {"on_account"}
    # December to March on one invoice; that of March is given back
    books.draft(date(2026, 2, 28))
    (winter,) = post_all(books)
    assert totals(winter) == ("1000.00", "210.00", "1210.00")
    march = books.send(winter).lines.get(period=date(2026, 3, 1))
    note = fees.credit_lines(invoice=winter, lines=[march.pk], by=BY, now=timezone.now())
    assert totals(note) == ("250.00", "52.50", "302.50")
    books.post(runs.approve(invoice=note, by=BY, now=timezone.now()))
    # April to November
    books.draft(date(2026, 10, 31))
    (summer,) = post_all(books)
    assert totals(summer) == ("2000.00", "420.00", "2420.00")
    assert left() == ["250.00", "250.00", "250.00", "0.00", *["250.00"] * 8]

    # 16 November: all hours up to the 15th, less eleven advances
    books.draft(SETTLED)
    (settled,) = post_all(books)
    number, day = winter.__class__.objects.get(pk=winter.pk), "20/11/2026"
    assert bill(settled)[:5] == [
        ("hours", "Advice", "20.00", "1900.00"),
        ("hours", "Bookkeeping", "12.00", "720.00"),
        ("hours", "Tax", "5.00", "600.00"),
        ("deduction", f"Advance · advance of invoice {number} of {day}", "-1.00", "-250.00"),
        ("deduction", f"Advance · advance of invoice {number} of {day}", "-1.00", "-250.00"),
    ]
    assert [line[0] for line in bill(settled)] == ["hours"] * 3 + ["deduction"] * 11
    assert totals(settled) == ("470.00", "98.70", "568.70")
    assert not settled.lines.filter(is_late=True).exists()
    assert (settled.period_from, settled.period_till) == (date(2026, 1, 12), date(2026, 11, 15))
    assert set(left()) == {"0.00"}
    states = books.states()
    assert [states[each] for each in ids(1, 2, 3, 4, 5)] == ["invoiced"] * 4 + ["on_account"]
    assert books.draft(SETTLED).moved == ()
    balanced(books)


@pytest.mark.slow
def test_settlement_below_its_provisions_carries_the_rest_over_and_a_late_hour_draws_it(scene: Make) -> None:
    books = scene(entries=YEAR[:1], products=ADVANCES, start="2025-12-01")
    provisions(books, end=SETTLED)
    books.draft(date(2026, 10, 31))
    (advances,) = post_all(books)
    assert totals(advances) == ("3000.00", "630.00", "3630.00")
    # 10 h at 95.00 are 950.00: three advances in full, and 200.00 of the fourth
    books.draft(SETTLED)
    (settled,) = post_all(books)
    assert [line[3] for line in bill(settled)] == ["950.00", "-250.00", "-250.00", "-250.00", "-200.00"]
    assert totals(settled) == ("0.00", "0.00", "0.00")
    assert left() == ["0.00"] * 3 + ["50.00"] + ["250.00"] * 8
    balanced(books)

    # a late hour of October: 95.00, for which 50.00 of March and 45.00 of April are taken off
    books.control.put_entries(entry(6, "2026-10-20"))
    books.sync()
    books.draft(date(2026, 11, 19))
    (late,) = post_all(books)
    assert [line[3] for line in bill(late)] == ["95.00", "-50.00", "-45.00"]
    assert [line.is_late for line in late.lines.order_by("position")] == [True, False, False]
    assert left()[3:5] == ["0.00", "205.00"]
    balanced(books)

    # what is left of April is given back, and no more
    books.send(advances)
    april = advances.lines.get(period=date(2026, 4, 1))
    note = fees.credit_lines(invoice=advances, lines=[april.pk], by=BY, now=timezone.now())
    assert totals(note) == ("205.00", "43.05", "248.05")
    assert left()[4] == "0.00"
    runs.void(invoice=note, by=BY, now=timezone.now())
    assert left()[4] == "205.00"
    note = fees.credit_lines(invoice=advances, lines=[april.pk], by=BY, now=timezone.now())
    books.post(runs.approve(invoice=note, by=BY, now=timezone.now()))
    with pytest.raises(NotPossible, match="Nothing is left of the advance"):
        fees.credit_lines(invoice=advances, lines=[april.pk], by=BY, now=timezone.now())
    assert books.draft(date(2026, 11, 19)).moved == ()
    balanced(books)


@pytest.mark.slow
def test_dropped_settlement_frees_its_deductions_and_hours(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=3 * HOUR)], products=ADVANCES)
    one_quarter(books)
    books.draft()
    (draft,) = books.invoices(status="draft")
    assert [line[3] for line in bill(draft)] == ["285.00", "-250.00", "-35.00"]
    assert left() == ["0.00", "215.00"]
    assert books.states() == {ids(1)[0]: "drafted"}
    before = everything()
    assert list(books.draft().left) == [draft]
    assert everything()["invoicing.Deduction"] == before["invoicing.Deduction"]
    runs.void(invoice=draft, by=BY, now=timezone.now())
    assert left() == ["250.00", "250.00"]
    assert books.states() == {ids(1)[0]: "on_account"}
    balanced(books)
    books.draft()
    (again,) = books.invoices(status="draft")
    assert [line[3] for line in bill(again)] == ["285.00", "-250.00", "-35.00"]
    balanced(books)


def test_only_advances_at_billit_are_deducted_and_a_waiting_settlement_is_drawn_anew_with_them(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=3 * HOUR)], products=ADVANCES)
    agree(books, kind="advance", product="PROV", settle_on="10-31", every="year")
    books.draft(date(2026, 9, 30))
    (advance,) = books.approve()
    books.draft()
    (draft,) = books.invoices(status="draft")
    assert totals(draft) == ("285.00", "59.85", "344.85")
    books.post(advance)
    books.draft()
    (draft,) = books.invoices(status="draft")
    assert [line[3] for line in bill(draft)] == ["285.00", "-250.00"]
    assert totals(draft) == ("35.00", "7.35", "42.35")
    balanced(books)


@pytest.mark.slow
def test_order_of_a_settlement_deleted_in_billit_is_billed_anew_with_its_deductions(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=3 * HOUR)], products=ADVANCES)
    one_quarter(books)
    settled = books.posted()
    books.control.change_order(settled.order_id or 0, Deleted=True)
    (again,) = replace.bill_anew(invoice=settled, by=BY, now=timezone.now())
    assert (again.status, [line[3] for line in bill(again)]) == ("approved", ["285.00", "-250.00", "-35.00"])
    assert Deduction.objects.live().count() == 2
    assert Deduction.objects.exclude(released_at=None).count() == 2
    balanced(books)


@pytest.mark.slow
def test_invoice_of_a_deducted_advance_is_not_replaced(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=3 * HOUR)], products=ADVANCES)
    september, _october = one_quarter(books)
    settled = books.posted()
    books.control.change_order(september.order_id or 0, Deleted=True)
    with pytest.raises(NotPossible, match=f"Invoice {settled} deducts an advance of invoice"):
        replace.bill_anew(invoice=september, by=BY, now=timezone.now())
    assert left() == ["0.00", "215.00"]


@pytest.mark.slow
def test_settlement_waits_while_a_person_has_to_decide_on_the_order_of_an_advance(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=3 * HOUR)], products=ADVANCES)
    september, _october = one_quarter(books)
    settled = books.approved()
    books.control.change_order(september.order_id or 0, Deleted=True)
    with pytest.raises(NotPossible, match="was deleted in Billit"):
        books.post(settled)
    settled.refresh_from_db()
    assert (settled.status, settled.attention) == ("approved", "order_was_deleted")
    runs.void(invoice=settled, by=BY, now=timezone.now())
    # what is not clear is not deducted
    drafting = books.draft()
    assert [(each.period, each.reason) for each in drafting.plan.withheld] == [(date(2026, 9, 1), "advance_finding")]
    (draft,) = books.invoices(status="draft")
    assert [line[3] for line in bill(draft)] == ["285.00", "-250.00"]


def test_advance_of_another_vat_rate_than_the_hours_is_kept_and_named(scene: Make) -> None:
    products = [product(0, "ADV", "Advice", vat="6.00"), *ADVANCES[1:]]
    books = scene(entries=[entry(1, seconds=3 * HOUR)], products=products)
    one_quarter(books)
    outcome = books.invoice()
    assert outcome.answer["skipped"] == [
        {"agreement": "garage", "period": "2026-09-01", "reason": "advance_other_vat"},
        {"agreement": "garage", "period": "2026-10-01", "reason": "advance_other_vat"},
    ]
    (draft,) = books.invoices(status="draft")
    assert totals(draft) == ("285.00", "17.10", "302.10")
    assert left() == ["250.00", "250.00"]


def test_advances_are_deducted_only_as_far_as_hours_of_their_rate_go(scene: Make) -> None:
    products = [ADVANCES[0], product(1, "CPT", "Bookkeeping", "60.00", vat="6.00"), *ADVANCES[2:]]
    entries = [entry(1, seconds=3 * HOUR), entry(2, "2026-10-06", seconds=10 * HOUR, tag="Books")]
    books = scene(entries=entries, products=products)
    one_quarter(books)
    books.draft()
    (draft,) = books.invoices(status="draft")
    assert [line[3] for line in bill(draft)] == ["285.00", "600.00", "-250.00", "-35.00"]
    assert totals(draft) == ("600.00", "36.00", "636.00")


def test_advance_of_an_earlier_customer_is_kept_and_named(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=3 * HOUR)], products=ADVANCES)
    one_quarter(books)
    ClientMapping.objects.filter(client_remote_id=GARAGE).update(
        customer_party_id=BAKERY_PARTY, number="", is_proposed=False
    )
    books.rules()
    books.sync()
    drafting = books.draft()
    assert [each.reason for each in drafting.plan.withheld] == ["advance_other_customer"] * 2
    (draft,) = books.invoices(status="draft")
    assert (draft.customer_party_id, totals(draft)) == (BAKERY_PARTY, ("285.00", "59.85", "344.85"))
    assert left() == ["250.00", "250.00"]


@pytest.mark.slow
def test_agreement_that_ends_settles_what_was_worked(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=3 * HOUR), entry(2, "2026-10-20")], products=ADVANCES)
    agreement = agree(books, kind="advance", product="PROV", every="year")
    books.draft(date(2026, 9, 30))
    post_all(books)
    assert books.draft().moved == ()
    agreements.end(agreement=agreement, last_day=date(2026, 10, 10), by=BY, now=timezone.now())
    books.draft()
    (draft,) = books.invoices(status="draft")
    # the hour of 20 October is by the hour
    assert bill(draft) == [
        ("hours", "Advice", "1.00", "95.00"),
        ("hours", "Advice", "3.00", "285.00"),
        ("deduction", bill(draft)[2][1], "-1.00", "-250.00"),
    ]
    agreements.end(agreement=agreement, last_day=date(2026, 10, 25), by=BY, now=timezone.now())
    with pytest.raises(NotPossible, match="Draft again, then approve"):
        books.approve()
    books.sync()
    balanced(books)


# --- by a person ------------------------------------------------------------------------------------------------------


def test_person_settles_one_customer_and_later_runs_keep_it(scene: Make) -> None:
    books = scene(
        entries=[entry(1, seconds=3 * HOUR), entry(2, "2026-10-20"), entry(3, project_id=BAKERY_PROJECT)],
        products=ADVANCES,
    )
    agreement = agree(books, kind="advance", product="PROV", every="year")
    books.draft(date(2026, 9, 30))
    post_all(books)
    foreseen = settlement.preview(agreement=agreement, through=date(2026, 10, 10), now=timezone.now())
    assert [planned.total_excl for _, planned in foreseen.moved] == [Decimal("35.00")]
    assert books.states()[ids(1)[0]] == "on_account"
    drafting = settlement.settle(agreement=agreement, through=date(2026, 10, 10), by=BY, now=timezone.now())
    ((draft, _planned),) = drafting.moved
    assert [line[3] for line in bill(draft)] == ["285.00", "-250.00"]
    states = books.states()
    assert [states[each] for each in ids(1, 2, 3)] == ["drafted", "on_account", "open"]
    (event,) = books.events("agreement_settled")
    assert event.data == {"agreement": "garage", "through": "2026-10-10"}
    # a run bills the others, and leaves the settlement as it is
    books.draft()
    assert Invoice.objects.filter(status="draft").count() == 2
    draft.refresh_from_db()
    assert [line[3] for line in bill(draft)] == ["285.00", "-250.00"]
    balanced(books)


def test_what_cannot_be_settled_is_refused(scene: Make) -> None:
    books = scene(entries=[], products=ADVANCES)
    advance = agree(books, kind="advance", product="PROV", start=date(2026, 10, 1), products=("ADV",))
    fee = agree(books, key="fee", products=("CPT",))
    before = everything()
    for agreement, through, why in (
        (fee, date(2026, 10, 31), "Agreement fee has no advances"),
        (advance, date(2026, 9, 30), "Agreement garage begins on 2026-10-01"),
        (advance, date(2026, 11, 21), "2026-11-21 is after today"),
    ):
        with pytest.raises(NotPossible, match=why):
            settlement.settle(agreement=agreement, through=through, by=BY, now=timezone.now())
    assert everything() == before


@pytest.mark.slow
def test_terms_of_a_settled_agreement_changed_while_its_draft_waits(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=3 * HOUR), entry(2, "2026-10-06", tag="Books")], products=ADVANCES)
    one_quarter(books)
    books.draft()
    agreement = Agreement.objects.get()
    stated = {"kind": "advance", "product": "PROV", "settle_on": "10-31", "end": date(2026, 10, 31)}
    narrower = terms(**stated, products=("CPT",))
    agreements.change(agreement=agreement, terms=narrower, by=BY, now=timezone.now())
    with pytest.raises(NotPossible, match="Draft again, then approve"):
        books.approve()
    books.draft()
    (draft,) = books.invoices(status="draft")
    # the hours of advice left the scope: nothing is deducted from them
    assert sorted(line[3] for line in bill(draft)) == ["-60.00", "285.00", "60.00"]
    assert LedgerRow.objects.filter(state="drafted").count() == 2
    balanced(books)


@pytest.mark.slow
def test_command_settles_and_says_before_what_it_would_do(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=3 * HOUR)], products=ADVANCES)
    agree(books, kind="advance", product="PROV", every="year")
    books.draft(date(2026, 9, 30))
    post_all(books)
    asked = ("agreement", "--firm", "small", "--key", "garage", "--settle", "--through", "2026-10-31")
    outcome = books.command(*asked, "--dry-run")
    (foreseen,) = outcome.answer["invoices"]
    assert (outcome.code, foreseen["reference"], foreseen["total_excl"]) == (0, None, "35.00")
    assert not books.invoices(status="draft")
    outcome = books.command(*asked)
    (made,) = outcome.answer["invoices"]
    assert made | {"reference": None} == foreseen
    assert [(line["kind"], line["quantity"], line["unit_price"], line["total"]) for line in made["lines"]] == [
        ("hours", "3.00", "95.00", "285.00"),
        ("deduction", "-1.00", "250.00", "-250.00"),
    ]
    assert outcome.answer["skipped"] == []
    for wrong in (("--key", "nobody"), ("--key", "garage", "--through", "2027-01-01")):
        assert books.command("agreement", "--firm", "small", "--settle", *wrong).code == 2


@pytest.mark.slow
def test_credit_note_for_all_of_a_settlement_frees_its_advances_and_a_part_does_not(scene: Make) -> None:
    entries = [entry(1, seconds=3 * HOUR), entry(2, "2026-10-06")]
    books = scene(entries=entries, products=ADVANCES)
    one_quarter(books)
    settled = books.send(books.posted())
    assert [line[3] for line in bill(settled)] == ["380.00", "-250.00", "-130.00"]
    rows = list(LedgerRow.objects.order_by("entry__remote_id").select_related("entry"))
    with pytest.raises(NotPossible, match=r"has 0\.00 left in Billit"):
        decide.credit(entries=[rows[1].entry], rebill=True, by=BY, now=timezone.now())
    note = decide.credit(entries=[row.entry for row in rows], rebill=True, by=BY, now=timezone.now())
    assert [line[3] for line in bill(note)] == ["380.00", "-250.00", "-130.00"]
    assert totals(note) == ("0.00", "0.00", "0.00")
    books.post(runs.approve(invoice=note, by=BY, now=timezone.now()))
    assert left() == ["250.00", "250.00"]
    assert set(books.states().values()) == {"on_account"}
    balanced(books)
    books.draft()
    (again,) = books.invoices(status="draft")
    assert [line[3] for line in bill(again)] == ["380.00", "-250.00", "-130.00"]
    balanced(books)
