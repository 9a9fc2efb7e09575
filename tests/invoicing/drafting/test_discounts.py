"""A line of a waiting draft is written down or up: who may, what the order says, and what becomes of it later."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from invoicing.drafting import runs
from invoicing.drafting.changing import discounts
from invoicing.drafting.changing.discounts import Wish
from invoicing.management.invoice_json import as_json
from invoicing.models import Invoice, InvoiceLine
from tests.factories import MembershipFactory
from tests.invoicing.after_billing import at_billit, bill_next, correction, deleted, prove
from tests.invoicing.corrections.crediting import credit, sent
from tests.invoicing.scene import BY, OCTOBER, Scene
from tests.visitors import read_of, signed_in
from tests.worlds import entry
from toggbill.firms.access import NotAllowed
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import Changed, NotPossible
from toggbill.firms.read import Read

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
D = Decimal


def drafted(scene: Make, *entries: Any, **rules: Any) -> tuple[Scene, Invoice]:
    """Two hours at 95.00, drafted."""
    books = scene(entries=list(entries) or [entry(1), entry(2)], **rules)
    books.draft()
    return books, books.invoices().get()


def write(
    invoice: Invoice,
    *,
    amount: str | None = None,
    per_cent: str | None = None,
    reason: str = "As agreed",
    by: Actor = BY,
    position: int = 1,
    read: Read | None = None,
) -> Invoice:
    wish = Wish(None if amount is None else D(amount), None if per_cent is None else D(per_cent))
    return discounts.write_line(
        invoice=invoice, position=position, wish=wish, reason=reason, by=by, now=timezone.now(), read=read
    )


def line(invoice: Invoice, position: int = 1) -> tuple[Decimal, Decimal, Decimal | None, str, Decimal]:
    row = InvoiceLine.objects.get(invoice=invoice, position=position)
    return row.value, row.discount, row.discount_per_cent, row.discount_reason, row.total


def sums(invoice: Invoice) -> tuple[Decimal, Decimal, Decimal]:
    invoice.refresh_from_db()
    return invoice.total_excl, invoice.total_vat, invoice.total_incl


# --- the amount -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "written", "totals"),
    [
        ({"amount": "180.00"}, ("190.00", "10.00", None, "As agreed", "180.00"), ("180.00", "37.80", "217.80")),
        ({"per_cent": "12.5"}, ("190.00", "23.75", D("12.5"), "As agreed", "166.25"), ("166.25", "34.91", "201.16")),
        ({"amount": "200.00"}, ("190.00", "-10.00", None, "As agreed", "200.00"), ("200.00", "42.00", "242.00")),
        ({"per_cent": "-10"}, ("190.00", "-19.00", D(-10), "As agreed", "209.00"), ("209.00", "43.89", "252.89")),
        ({"amount": "0.00"}, ("190.00", "190.00", None, "As agreed", "0.00"), ("0.00", "0.00", "0.00")),
        ({"amount": "190.00"}, ("190.00", "0.00", None, "", "190.00"), ("190.00", "39.90", "229.90")),
        ({"per_cent": "0"}, ("190.00", "0.00", None, "", "190.00"), ("190.00", "39.90", "229.90")),
    ],
)
def test_a_line_is_given_another_amount(scene: Make, wish: dict[str, Any], written: Any, totals: Any) -> None:
    books, invoice = drafted(scene)
    write(invoice, **wish)
    value, discount, per_cent, reason, total = written
    assert line(invoice) == (D(value), D(discount), per_cent, reason, D(total))
    assert sums(invoice) == tuple(map(D, totals))
    prove(books)
    (event,) = books.events("line_written")
    assert (event.subject, event.actor) == (f"invoice {invoice.reference}", BY.name)
    assert event.data == {
        "line": "Advice",
        "position": 1,
        "value": value,
        "amount": total,
        "discount": discount,
        "reason": reason,
        **({} if per_cent is None else {"per_cent": f"{per_cent:.2f}"}),
        "before": {"discount": "0.00", "reason": ""},
        "total_excl": totals[0],
    }


def test_what_the_commands_print_says_the_discount(scene: Make) -> None:
    books, invoice = drafted(scene)
    write(invoice, amount="180.00")
    (told,) = as_json(books.invoices())
    (said,) = told["lines"]
    assert (said["quantity"], said["unit_price"], said["discount"], said["total"]) == (
        "2.00",
        "95.00",
        "10.00",
        "180.00",
    )


@pytest.mark.parametrize(
    ("wish", "reason", "words"),
    [
        ({"amount": "-0.01"}, "Why", "no amount that a line can come to"),
        ({"amount": "180.001"}, "Why", "with two decimals"),
        ({"amount": "1000000000"}, "Why", "no amount that a line can come to"),
        ({"per_cent": "100.01"}, "Why", "is no discount: give at most 100"),
        ({"per_cent": "12.345"}, "Why", "with two decimals"),
        ({"per_cent": "-1000"}, "Why", "is no discount"),
        ({"amount": "180", "per_cent": "5"}, "Why", "not both and not neither"),
        ({}, "Why", "not both and not neither"),
        ({"amount": "180"}, "", "Say why the line gets another amount"),
        ({"amount": "180"}, " \u200b\u00a0 ", "Say why the line gets another amount"),
        ({"amount": "180"}, "w" * 201, "has 201 characters"),
        ({"amount": "180", "position": 2}, "Why", "has no line 2"),
    ],
)
def test_what_makes_no_line_is_refused_with_a_sentence(
    scene: Make, wish: dict[str, Any], reason: str, words: str
) -> None:
    books, invoice = drafted(scene)
    with pytest.raises(NotPossible, match=words):
        write(invoice, **wish, reason=reason)
    assert line(invoice) == (D("190.00"), D(0), None, "", D("190.00"))
    assert books.events("line_written") == []


def test_only_a_line_that_waits_is_given_another_amount(scene: Make) -> None:
    books, invoice = drafted(scene)
    (approved,) = books.approve()
    with pytest.raises(NotPossible, match="is no draft"):
        write(approved, amount="180.00")
    books.post(approved)
    with pytest.raises(NotPossible, match="is no draft"):
        write(invoice, amount="180.00")


def test_it_is_done_on_what_was_read(scene: Make) -> None:
    _books, invoice = drafted(scene)
    read = Read.unpack(read_of(invoice))
    write(invoice, amount="185.00")
    with pytest.raises(Changed):
        write(invoice, amount="180.00", read=read)
    assert line(invoice)[4] == D("185.00")


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "wish", "allowed"),
    [
        ("bookkeeper", {"per_cent": "10"}, True),
        ("bookkeeper", {"amount": "170.99"}, False),
        ("bookkeeper", {"amount": "209.00"}, True),
        ("bookkeeper", {"amount": "209.01"}, False),
        ("manager", {"amount": "0.00"}, True),
        ("owner", {"per_cent": "-50"}, True),
        ("viewer", {"per_cent": "1"}, False),
    ],
)
def test_beyond_ten_per_cent_it_is_a_right_of_its_own(
    scene: Make, role: str, wish: dict[str, Any], allowed: bool
) -> None:
    books, invoice = drafted(scene)
    member = MembershipFactory(firm=books.firm, role=role)
    by = Actor(member.user.email, "web 127.0.0.1", Authority.MEMBER, member.pk)
    read = Read.unpack(read_of(invoice))
    if allowed:
        write(invoice, **wish, by=by, read=read)
        assert line(invoice)[1] != 0
        return
    with pytest.raises(NotAllowed):
        write(invoice, **wish, by=by, read=read)
    assert line(invoice)[1] == 0


# --- what becomes of it -----------------------------------------------------------------------------------------------


def test_it_stays_when_the_draft_is_redrawn_and_is_said_in_its_event(scene: Make) -> None:
    books, invoice = drafted(scene)
    write(invoice, per_cent="10")
    assert books.draft().moved == ()
    books.control.put_entries(entry(3))
    books.sync()
    preview = runs.preview(dossier=books.dossier, cut_off=OCTOBER, now=timezone.now())
    assert preview.plan.invoices[0].total_excl == D("256.50")
    books.draft()
    assert line(invoice) == (D("285.00"), D("28.50"), D(10), "As agreed", D("256.50"))
    event = books.events("invoice_drafted")[-1]
    assert event.data["discounts"] == [{"line": "Advice", "discount": "28.50", "reason": "As agreed"}]
    prove(books)


def test_one_that_no_line_has_any_more_is_told_in_the_event(scene: Make) -> None:
    books, invoice = drafted(scene)
    write(invoice, amount="180.00")
    books.rules(group_by="entry")
    books.sync()
    books.draft()
    assert [row.discount for row in invoice.lines.all()] == [0, 0]
    event = books.events("invoice_drafted")[-1]
    assert event.data["discounts_gone"] == [{"line": "Advice", "discount": "10.00", "reason": "As agreed"}]
    assert "discounts" not in event.data


def test_with_a_draft_that_is_dropped_it_is_gone(scene: Make) -> None:
    books, invoice = drafted(scene)
    write(invoice, amount="180.00")
    runs.void(invoice=invoice, by=BY, now=timezone.now())
    books.draft()
    assert line(books.invoices(status="draft").get()) == (D("190.00"), D(0), None, "", D("190.00"))


def test_the_order_has_it_as_an_allowance_of_its_line_and_billits_totals_agree(scene: Make) -> None:
    books, invoice = drafted(scene)
    write(invoice, amount="180.00", reason="Starter’s discount")
    (approved,) = books.approve()
    posted = books.post(approved)
    order = at_billit(books, posted)
    sold, off = order["OrderLines"]
    assert (sold["Quantity"], sold["UnitPriceExcl"], sold["TotalExcl"]) == (2, 95, 190)
    assert (off["Quantity"], off["UnitPriceExcl"], off["Description"]) == (1, -10, "Starter’s discount")
    assert off["AllowanceChargeIndicator"] is False
    assert sold["LinkedOrderLineID"] == off["LinkedOrderLineID"]
    assert (order["TotalExcl"], order["TotalVAT"], order["TotalIncl"]) == (D("180.00"), D("37.80"), D("217.80"))
    books.read_back()
    posted.refresh_from_db()
    assert (posted.legal_excl, posted.legal_vat, posted.legal_incl) == (D("180.00"), D("37.80"), D("217.80"))
    assert posted.attention == ""
    assert books.send(posted).delivery in ("sending", "sent", "delivered")


def test_amounts_that_billit_makes_otherwise_are_noted(scene: Make) -> None:
    books, invoice = drafted(scene)
    write(invoice, amount="180.00")
    (approved,) = books.approve()
    posted = books.post(approved)
    books.control.change_order(at_billit(books, posted)["OrderID"], TotalExcl=190.00, TotalVAT=39.90, TotalIncl=229.90)
    books.read_back()
    posted.refresh_from_db()
    assert posted.attention != ""


def test_with_an_allowance_as_a_line_peppol_refuses_and_says_so(scene: Make) -> None:
    books, invoice = drafted(scene)
    books.control.switch(billit_allowances="lines")
    write(invoice, amount="180.00")
    (approved,) = books.approve()
    posted = books.post(approved)
    assert at_billit(books, posted)["TotalExcl"] == D("180.00")
    sent_then = books.send(posted)
    assert (sent_then.delivery, "BR-27" in str(sent_then.delivery_problem_facts)) == ("failed", True)


@pytest.mark.slow
def test_a_discount_goes_with_what_is_credited(scene: Make) -> None:
    """3 h at 95.00 less 28.50; an hour of it back: 95.00 less 9.50, then the rest: 190.00 less 19.00."""
    books, invoice = drafted(scene, entry(1), entry(2), entry(3))
    write(invoice, per_cent="10")
    billed = sent(books)
    assert billed.pk == invoice.pk
    note = credit(2)
    assert line(note) == (D("95.00"), D("9.50"), None, "As agreed", D("85.50"))
    assert sums(note) == (D("85.50"), D("17.96"), D("103.46"))
    (approved,) = books.approve(note)
    order = at_billit(books, books.post(approved))
    assert (order["OrderType"], order["TotalExcl"]) == ("CreditNote", D("85.50"))
    rest = credit(1, 3)
    assert line(rest) == (D("190.00"), D("19.00"), None, "As agreed", D("171.00"))
    prove(books)


@pytest.mark.slow
def test_a_difference_is_billed_at_the_discount_of_its_line(scene: Make) -> None:
    """An hour of two goes: 95.00 less 10 % is taken off, not 95.00."""
    books, invoice = drafted(scene, entry(1), entry(2), entry(9, "2026-11-05", seconds=7200))
    write(invoice, per_cent="10")
    (approved,) = books.approve()
    posted = books.post(approved)
    books.read_back()
    deleted(books, 1)
    assert correction().seconds == -3600
    bill_next(correction())
    books.draft(timezone.localdate())
    draft = books.invoices(status="draft").get()
    assert line(draft, 2) == (D("-95.00"), D("-9.50"), None, "As agreed", D("-85.50"))
    assert sums(draft)[0] == D("104.50")
    with pytest.raises(NotPossible, match="corrects an earlier invoice"):
        write(draft, amount="0.00", position=2)
    with pytest.raises(NotPossible, match="take off more than would be left"):
        write(draft, amount="80.00")
    write(draft, amount="180.00")
    (again,) = books.draft(timezone.localdate()).left
    assert again.pk == draft.pk
    prove(books)
    (approved,) = books.approve()
    order = at_billit(books, books.post(approved))
    assert order["TotalExcl"] == D("94.50")
    assert posted.order_id != order["OrderID"]


def test_the_page_takes_an_amount_in_place(scene: Make) -> None:
    books, invoice = drafted(scene)
    browser = signed_in(books.firm)
    page = f"/invoices/{invoice.reference}/"
    assert "Change the amount" in browser.get(page).content.decode()
    form = {"read": read_of(invoice), "value": "180,00", "unit": "amount", "reason": "As agreed"}
    done = browser.post(f"{page}lines/1/amount/", form, follow=True)
    text = " ".join(done.content.decode().split())
    assert "The line has another amount" in text
    assert "instead of" in text
    assert "As agreed" in text
    assert line(invoice) == (D("190.00"), D("10.00"), None, "As agreed", D("180.00"))
    for value, unit, words in (
        ("1.500", "amount", "can be read in two ways"),
        ("ten", "amount", "is not an amount"),
        ("5", "euro", "Say whether that is an amount or per cent"),
    ):
        form = {"read": read_of(invoice), "value": value, "unit": unit, "reason": "As agreed"}
        done = browser.post(f"{page}lines/1/amount/", form, follow=True)
        assert words in done.content.decode()
    form = {"read": read_of(invoice), "value": "-2,5 %", "unit": "per_cent", "reason": "Urgent"}
    browser.post(f"{page}lines/1/amount/", form)
    assert line(invoice) == (D("190.00"), D("-4.75"), D("-2.5"), "Urgent", D("194.75"))
