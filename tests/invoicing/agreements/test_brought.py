"""Advances and fees that Billit itself billed, brought in by their orders (design section 11)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from invoicing.deciding import figures
from invoicing.dossiers.agreements import agreements, brought
from invoicing.dossiers.faults import Refused
from invoicing.drafting import runs, settlement
from invoicing.models import Agreement, BroughtOrder, Drift, Invoice
from tests.factories import MembershipFactory
from tests.invoicing.agreements.agreed import ADVANCES, HOUR, agree, balanced, bill, post_all, prepaid, terms, totals
from tests.invoicing.agreements.by_billit import invoice_at_billit
from tests.invoicing.scene import BY, Scene, everything
from tests.worlds import BAKERY, BAKERY_PARTY, entry
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import Changed, NotPossible, Unread
from toggbill.firms.read import Read

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
SEPTEMBER, OCTOBER, NOVEMBER = date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1)
TODAY = date(2026, 11, 20)


def provisions(books: Scene, **changes: Any) -> Agreement:
    """250 euro a month from September 2026 on."""
    return agree(books, **{"kind": "advance", "product": "PROV"} | changes)


def bring(agreement: Agreement, orders: dict[int, date | None], **keywords: Any) -> list[BroughtOrder]:
    return brought.bring_advance(agreement=agreement, orders=orders, now=timezone.now(), **{"by": BY} | keywords)


def settle(agreement: Agreement) -> Invoice:
    ((draft, _planned),) = settlement.settle(agreement=agreement, through=TODAY, by=BY, now=timezone.now()).moved
    return draft


@pytest.mark.slow
def test_provisions_of_billit_are_not_billed_again_and_are_deducted_once(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=10 * HOUR)], products=ADVANCES)
    agreement = provisions(books)
    first, second = invoice_at_billit("2026-09-02"), invoice_at_billit("2026-10-01", "240.00")
    early, late = bring(agreement, {first: SEPTEMBER, second: OCTOBER})
    assert [str(each) for each in (early.vat_rate, early.ventilation_code, early.total_incl)] == ["21", "4", "302.50"]
    (said, _other) = books.events("order_brought")
    assert said.data == {
        "agreement": "garage",
        "order_id": first,
        "number": str(early),
        "date": "2026-09-02",
        "period": "2026-09-01",
        "total_excl": "250.00",
        "total_incl": "302.50",
        "vat_rate": "21",
    }
    # only November is left to bill
    books.draft(TODAY)
    (november,) = post_all(books)
    assert bill(november) == [("advance", "Advance · Keeping the books · November 2026", "1.00", "250.00")]
    # 10 h at 95.00 less three advances, two of them Billit's own
    settled = settle(agreement)
    assert bill(settled) == [
        ("hours", "Advice", "10.00", "950.00"),
        ("deduction", f"Provision · advance of invoice {early} of 02/09/2026", "-1.00", "-250.00"),
        ("deduction", f"Provision · advance of invoice {late} of 01/10/2026", "-1.00", "-240.00"),
        ("deduction", f"Advance · advance of invoice {november} of 20/11/2026", "-1.00", "-250.00"),
    ]
    assert totals(settled) == ("210.00", "44.10", "254.10")
    with pytest.raises(NotPossible, match=f"deducts order {early}"):
        brought.let_go(brought=early, by=BY, now=timezone.now())
    books.post(runs.approve(invoice=settled, by=BY, now=timezone.now()))
    settled.refresh_from_db()
    assert settled.status == "posted"
    assert books.draft(TODAY).moved == ()
    balanced(books)


def test_fee_of_billit_frees_no_period_and_covers_its_hours(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-09-10"), entry(2, "2026-10-06")], products=ADVANCES)
    agreement = agree(books)
    (row,) = bring(agreement, {invoice_at_billit("2026-09-30"): SEPTEMBER})
    books.draft(date(2026, 10, 31))
    (october,) = books.invoices(status="draft")
    assert bill(october) == [("fee", "Flat fee · Keeping the books · October 2026", "1.00", "250.00")]
    assert set(books.states().values()) == {"covered"}
    balanced(books)
    # once a period is billed by Billit what makes the periods stays, as with one of ours
    with pytest.raises(Refused):
        agreements.change(agreement=agreement, terms=terms(every="quarter"), by=BY, now=timezone.now())
    # let go, September is billed here
    runs.void(invoice=october, by=BY, now=timezone.now())
    brought.let_go(brought=row, by=BY, now=timezone.now())
    books.draft(date(2026, 10, 31))
    (draft,) = books.invoices(status="draft")
    assert [line[1] for line in bill(draft)] == [
        "Flat fee · Keeping the books · September 2026",
        "Flat fee · Keeping the books · October 2026",
    ]
    with pytest.raises(NotPossible, match="was let go already"):
        brought.let_go(brought=row, by=BY, now=timezone.now())
    assert [event.data["order_id"] for event in books.events("order_let_go")] == [row.order_id]


@pytest.mark.slow
def test_what_cannot_be_brought_in_is_refused(scene: Make) -> None:
    books = scene(entries=[], products=ADVANCES)
    agreement = provisions(books)
    books.draft(date(2026, 8, 31))
    (own,) = post_all(books)
    one_rate = {"Quantity": 1, "UnitPriceExcl": 10, "Description": "A", "VATPercentage": 21}
    credited, deleted, fine = (invoice_at_billit("2026-10-02") for _ in range(3))
    invoice_at_billit(
        "2026-10-03", OrderType="CreditNote", AboutInvoiceNumber=number_of(books, credited), OrderNumber="CN-1"
    )
    books.control.change_order(deleted, Deleted=True)
    (note,) = [row["OrderID"] for row in books.control.orders() if row["OrderType"] == "CreditNote"]
    blocks = prepaid(books, key="blocks", client_id=BAKERY)
    before = everything()
    for order, period, why in (
        (credited, OCTOBER, "was credited, refused or cancelled"),
        (deleted, OCTOBER, f"Billit has no order {deleted}"),
        (note, OCTOBER, "is no invoice to a customer"),
        (invoice_at_billit("2026-10-02", CustomerID=BAKERY_PARTY), OCTOBER, "is another customer’s"),
        (invoice_at_billit("2026-10-02", Currency="USD"), OCTOBER, "is in USD: only euro"),
        (invoice_at_billit("2026-10-02", OrderLines=[one_rate, one_rate | {"VATPercentage": 6}]), OCTOBER, "several"),
        (own.order_id, OCTOBER, f"is invoice {own} of toggbill’s own"),
        (fine, SEPTEMBER, f"2026-09-01, is billed already by {own}"),
        (fine, date(2026, 10, 2), "bills nothing on 2026-10-02"),
    ):
        with pytest.raises(NotPossible, match=why):
            bring(agreement, {order or 0: period})
    with pytest.raises(NotPossible, match="is of prepaid hours"):
        bring(blocks, {fine: None})
    with pytest.raises(NotPossible, match="at least one order"):
        bring(agreement, {})
    # all or none: the second stands for what the first does
    with pytest.raises(NotPossible, match="2026-10-01, is billed already"):
        bring(agreement, {fine: OCTOBER, invoice_at_billit("2026-10-02"): OCTOBER})
    assert everything() == before
    bring(agreement, {fine: None})
    with pytest.raises(NotPossible, match="was brought in already, for agreement garage"):
        bring(agreement, {fine: OCTOBER})


def number_of(books: Scene, order: int) -> str:
    return next(str(row["OrderNumber"]) for row in books.control.orders() if row["OrderID"] == order)


def test_person_decides_on_the_orders_that_the_page_showed(scene: Make) -> None:
    books = scene(entries=[], products=ADVANCES)
    agreement = provisions(books)
    order = invoice_at_billit("2026-09-02")
    customers = brought.customers_of(agreement)
    listed = brought.orders_at_billit(agreement, customers, since=date(2026, 1, 1))
    assert [(each.id, str(each.total_excl), each.dated) for each in listed] == [(order, "250", date(2026, 9, 2))]
    member = MembershipFactory(firm=books.firm, role="owner")
    person = Actor(member.user.email, "web 127.0.0.1", Authority.MEMBER, member.pk)
    read = Read.of([figures.of_agreement(agreement), *map(figures.of_order, listed)])
    with pytest.raises(Unread):
        bring(agreement, {order: SEPTEMBER}, by=person, read=Read())
    books.control.change_order(order, TotalExcl=251, TotalIncl=303)
    with pytest.raises(Changed):
        bring(agreement, {order: SEPTEMBER}, by=person, read=read)
    assert not BroughtOrder.objects.exists()


@pytest.mark.slow
def test_order_that_billit_takes_back_holds_the_settlement_and_is_a_finding(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-11-05", seconds=10 * HOUR)], products=ADVANCES)
    agreement = provisions(books, start=NOVEMBER)
    orders = [invoice_at_billit(f"2026-0{month}-01") for month in (7, 8, 9)]
    rows = bring(agreement, dict.fromkeys(orders))
    settled = runs.approve(invoice=settle(agreement), by=BY, now=timezone.now())
    assert [line[3] for line in bill(settled)] == ["250.00", "950.00", *["-250.00"] * 3]
    # one deleted, one credited, one changed while the settlement waits
    books.control.change_order(orders[0], Deleted=True)
    invoice_at_billit("2026-11-02", OrderType="CreditNote", AboutInvoiceNumber=str(rows[1]), OrderNumber="CN-1")
    books.control.change_order(orders[2], TotalExcl=260, TotalVAT=54.6, TotalIncl=314.6)
    with pytest.raises(NotPossible, match=f"It deducts invoice {rows[0]}"):
        books.post(settled)
    settled.refresh_from_db()
    assert (settled.status, settled.attention) == ("approved", "brought_in_question")
    kept = list(Drift.objects.standing().order_by("order_id").values_list("kind", "order_id", "facts"))
    said = [{"invoice": str(row), "agreement": "garage"} for row in rows]
    expected = [
        ("order_deleted", orders[0], said[0]),
        ("order_changed", orders[1], said[1] | {"credited": True}),
        ("order_changed", orders[2], said[2] | {"amounts": ["314.60", "302.50"]}),
    ]
    assert kept == expected
    found = books.command("reconcile", "--firm", books.firm.slug)
    assert found.code == 1
    assert [(each["kind"], each["order_id"]) for each in found.answer["drift"]] == [each[:2] for each in expected]
    assert "was brought in for agreement garage" in found.answer["drift"][0]["action"]
    # dropped, the next draft keeps the three with their reason; let go, nothing is found any more
    runs.void(invoice=settled, by=BY, now=timezone.now())
    drafting = settlement.settle(agreement=agreement, through=TODAY, by=BY, now=timezone.now())
    assert [str(each.reason) for each in drafting.plan.withheld] == ["advance_finding"] * 3
    for row in rows:
        brought.let_go(brought=row, by=BY, now=timezone.now())
    books.command("reconcile", "--firm", books.firm.slug)
    assert not Drift.objects.standing().exists()


def test_command_brings_an_order_in(scene: Make) -> None:
    books = scene(entries=[], products=ADVANCES)
    provisions(books)
    order = invoice_at_billit("2026-09-02")
    asked = ("agreement", "--firm", books.firm.slug, "--key", "garage", "--bring", str(order), "--for", "2026-09-01")
    before = everything()
    told = books.command(*asked, "--dry-run").answer["brought"]
    assert everything() == before
    assert told == {
        "order_id": order,
        "order_number": number_of(books, order),
        "date": "2026-09-02",
        "period": "2026-09-01",
        "vat_rate": "21.00",
        "total_excl": "250.00",
        "total_vat": "52.50",
        "total_incl": "302.50",
    }
    assert books.command(*asked).answer["brought"] == told
    assert BroughtOrder.objects.live().get().order_id == order
    again = books.command(*asked)
    assert again.code == 2
    assert "was brought in already" in again.words
