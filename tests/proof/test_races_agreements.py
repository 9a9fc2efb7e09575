"""Two at once about one agreement: of each balance that is consumed once, one has it, and the other is told why not.

Both have read the books before either may write: the test holds the firm until both wait for it, and lets them go on in
the order in which they came. Each race is run in both orders.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from invoicing.corrections import fees
from invoicing.corrections import replace as replacing
from invoicing.dossiers.agreements import agreements
from invoicing.drafting import blocks, runs, settlement
from invoicing.ledger.agreements import blocks as stocks
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.ledger.states import derive
from invoicing.models import Agreement, Correction, Deduction, Invoice, InvoiceLine
from tests.invoicing.agreements.agreed import (
    ADVANCES,
    HOUR,
    agree,
    balanced,
    bill,
    covers,
    draws,
    october,
    order,
    post_all,
    prepaid,
)
from tests.invoicing.scene import BY, Scene, in_thread, somebody_waits, until, waiting
from tests.proof.assertions import prove
from tests.worlds import entry
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm

# SQLite has one writer at a time: nobody reads and writes in between.
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]
Make = Callable[..., Scene]
Verb = Callable[[], Any]
SEPTEMBER = date(2026, 9, 30)
BOTH_WAYS = pytest.mark.parametrize("turned", [False, True], ids=["as named", "the other way round"])


def _race(books: Scene, first: Verb, second: Verb, *, turned: bool) -> list[Any]:
    """What both came to, as they are named here: what they gave, or the sentence why they could not."""
    verbs = [second, first] if turned else [first, second]
    finish: list[Callable[[], Any]] = []
    with transaction.atomic():
        lock_firm(books.firm)
        for verb in verbs:
            finish.append(_outcome(verb))
            until(lambda: waiting() == len(finish))
    came = [each() for each in finish]
    derive.derive_marked(now=timezone.now())
    return came[::-1] if turned else came


def _outcome(verb: Verb) -> Callable[[], Any]:
    def run() -> Any:
        try:
            return verb()
        except NotPossible as error:
            return str(error)

    return in_thread(run)


def _proved(books: Scene, orders: int) -> None:
    balanced(books)
    assert prove(books.firm, books.sandbox).orders == orders


def _advances(books: Scene, *months: int) -> tuple[Agreement, Invoice]:
    """The garage pays 250 euro on the first of each month; those of these months are sent, on one invoice."""
    asked = {"kind": "advance", "product": "PROV", "start": date(2026, months[0], 1), "settle_on": "10-31"}
    agreement = agree(books, **asked)
    books.draft(date(2026, months[-1], 1))
    (posted,) = post_all(books)
    books.read_back()
    return agreement, books.send(posted)


@BOTH_WAYS
def test_two_workers_bill_a_period_of_a_fee_once(scene: Make, turned: bool) -> None:
    books = scene(entries=[entry(1)], products=ADVANCES)
    october(books)
    one, other = _race(books, books.draft, books.draft, turned=turned)
    winner, late = (other, one) if turned else (one, other)
    assert [len(each.moved) for each in (winner, late)] == [1, 0]
    # What the other one is told: the draft stands already, as it should be.
    assert late.left == tuple(books.invoices(status="draft"))
    (posted,) = post_all(books)
    assert bill(posted) == [("fee", "Flat fee · Keeping the books · October 2026", "1.00", "250.00")]
    assert covers(books) == {"2026-10": [1]}
    assert len(books.events("invoice_drafted")) == 1
    _proved(books, 1)


@BOTH_WAYS
def test_run_and_person_who_settle_deduct_each_advance_once(scene: Make, turned: bool) -> None:
    books = scene(entries=[entry(1, seconds=5 * HOUR)], products=ADVANCES, start="2026-09-01")
    agreement, _ = _advances(books, 9)

    def settle() -> runs.Drafting:
        return settlement.settle(agreement=agreement, through=date(2026, 10, 31), by=BY, now=timezone.now())

    one, other = _race(books, books.draft, settle, turned=turned)
    winner, late = (other, one) if turned else (one, other)
    assert [len(each.moved) for each in (winner, late)] == [1, 0]
    assert late.left == tuple(books.invoices(status="draft"))
    assert [str(row.amount) for row in Deduction.objects.live()] == ["250.00"]
    (posted,) = post_all(books)
    assert sorted(line[3] for line in bill(posted) if line[0] != "advance") == ["-250.00", "475.00"]
    _proved(books, 2)


def test_two_that_write_a_deduction_take_no_more_than_the_advance_is(scene: Make) -> None:
    """Past every verb: the database lets the second wait, and refuses it when the first is there."""
    books = scene(entries=[entry(1, seconds=5 * HOUR)], products=ADVANCES, start="2026-09-01")
    _advances(books, 9)
    books.draft()
    row = Deduction.objects.get()
    assert row.line.total == Decimal("-250.00")
    # The line of the draft takes its deduction anew, of which another line has taken a part meanwhile.
    advance, line, draft = row.advance, row.line, row.line.invoice
    row.delete()
    other = InvoiceLine.objects.get(pk=line.pk)
    other.pk, other.position = None, 99
    with transaction.atomic():
        other.save()
        Deduction.objects.create(firm=books.firm, advance=advance, line=other, amount=Decimal("250.00"))
        finish = in_thread(lambda: _refused(books, advance, line))
        until(somebody_waits)
    assert "not so much is left of the advance" in finish()
    assert [each.line_id for each in Deduction.objects.live()] == [other.pk]
    assert draft.status == "draft"


def _refused(books: Scene, advance: InvoiceLine | None, line: InvoiceLine) -> str:
    try:
        Deduction.objects.create(firm=books.firm, advance=advance, line=line, amount=Decimal("250.00"))
    except DatabaseError as error:
        return str(error)
    return ""


@BOTH_WAYS
def test_two_runs_of_other_days_draw_a_block_once(scene: Make, turned: bool) -> None:
    """The block holds one of two hours: whichever run comes first, the earlier one draws it."""
    books = scene(entries=[entry(1), entry(2, "2026-11-10")], products=ADVANCES)
    agreement = prepaid(books, hours=Decimal(1))
    order(agreement)
    post_all(books)
    derive.derive_marked(now=timezone.now())
    later, earlier = _race(books, lambda: books.draft(date(2026, 11, 15)), books.draft, turned=turned)
    assert [len(each.plan.drawn) for each in (later, earlier)] == ([0, 1] if turned else [1, 0])
    assert draws() == [[1]]
    assert str(stocks.left(agreement)) == "0.00"
    books.draft(date(2026, 11, 15))
    (hours,) = post_all(books)
    assert bill(hours) == [("hours", "Advice", "1.00", "95.00")]
    _proved(books, 2)


@BOTH_WAYS
def test_run_that_refills_and_person_who_orders_make_one_block(scene: Make, turned: bool) -> None:
    books = scene(entries=[entry(1)], products=ADVANCES)
    agreement = prepaid(books, hours=Decimal(2), refill_at=Decimal(2))
    order(agreement)
    post_all(books)
    derive.derive_marked(now=timezone.now())

    def ordered() -> Invoice:
        return blocks.order_block(agreement=agreement, by=BY, now=timezone.now())

    run, person = _race(books, books.draft, ordered, turned=turned)
    (block,) = books.invoices(status="draft")
    if turned:
        assert person == block
        assert [invoice for invoice, _ in run.moved] == []
    else:
        assert [invoice for invoice, _ in run.moved] == [block]
        assert "waits already" in person
    post_all(books)
    assert (draws(), str(stocks.left(agreement))) == ([[1]], "3.00")
    _proved(books, 2)


@BOTH_WAYS
def test_agreement_that_ends_beside_a_draft_is_billed_as_it_stands_then(scene: Make, turned: bool) -> None:
    """The draft that was made first is not approved; drawn anew it says what the agreement says now."""
    books = scene(entries=[entry(1)], products=ADVANCES, start="2026-09-01")
    agreement = agree(books)
    books.draft(SEPTEMBER)
    post_all(books)

    def end() -> Agreement:
        return agreements.end(agreement=agreement, last_day=SEPTEMBER, by=BY, now=timezone.now())

    _ended, drafting = _race(books, end, books.draft, turned=turned)
    if turned:
        assert [invoice.total_excl for invoice, _ in drafting.moved] == [Decimal("250.00")]
        with pytest.raises(NotPossible, match="Draft again, then approve"):
            books.approve()
    else:
        assert "250.00" not in [str(invoice.total_excl) for invoice, _ in drafting.moved]
    books.draft()
    (hours,) = post_all(books)
    assert bill(hours) == [("hours", "Advice", "1.00", "95.00")]
    _proved(books, 2)


@BOTH_WAYS
def test_advance_is_given_back_or_deducted_never_both(scene: Make, turned: bool) -> None:
    books = scene(entries=[entry(1, seconds=5 * HOUR)], products=ADVANCES, start="2026-09-01")
    _, sent = _advances(books, 9)
    line = sent.lines.get()

    def give_back() -> Invoice:
        return fees.credit_lines(invoice=sent, lines=[line.pk], by=BY, now=timezone.now())

    note, drafting = _race(books, give_back, books.draft, turned=turned)
    ((invoice, _),) = drafting.moved
    deducted = [each[3] for each in bill(invoice) if each[0] == "deduction"]
    if turned:
        assert note.startswith("Nothing is left of the advance “Advance · Keeping the books")
        assert deducted == ["-250.00"]
    else:
        assert (note.kind, str(note.total_excl), deducted) == ("credit_note", "250.00", [])
    assert [str(row.amount) for row in Deduction.objects.live()] == ["250.00"]
    post_all(books)
    _proved(books, 2 if turned else 3)


@BOTH_WAYS
@pytest.mark.parametrize("verb", ["change", "end"])
def test_agreement_that_moves_beside_the_approval_of_its_draft(scene: Make, verb: str, turned: bool) -> None:
    """What was approved first stands; what was changed first is drawn anew before it is approved."""
    books = scene(entries=[entry(1)], products=ADVANCES, start="2026-09-01")
    agreement = agree(books)
    books.draft(SEPTEMBER)
    post_all(books)
    books.draft()
    (draft,) = books.invoices(status="draft")
    dearer = agreement_of(agreement)

    def move() -> Agreement:
        asked: dict[str, Any] = {"agreement": agreement, "by": BY, "now": timezone.now()}
        if verb == "end":
            return agreements.end(last_day=SEPTEMBER, **asked)
        return agreements.change(terms=replace(dearer, amount=Decimal("300.00")), **asked)

    def approve() -> Invoice:
        return runs.approve(invoice=draft, by=BY, now=timezone.now())

    _moved, approved = _race(books, move, approve, turned=turned)
    if turned:
        assert approved.status == "approved"
    else:
        assert approved.endswith("1 of its entries changed in Toggl since it was drafted. Draft again, then approve.")
    books.draft()
    books.approve()
    (posted,) = [books.post(invoice) for invoice in books.invoices(status="approved")]
    stands = {
        ("change", False): ("fee", "300.00", {"2026-10": [1]}),
        ("end", False): ("hours", "95.00", {}),
    }.get((verb, turned), ("fee", "250.00", {"2026-10": [1]}))
    ((kind, _, _, amount),) = bill(posted)
    assert (kind, amount, covers(books)) == stands
    assert books.draft(date(2026, 11, 15)).moved == ()
    _proved(books, 2)


@BOTH_WAYS
def test_block_that_is_credited_beside_a_run_that_draws_it_holds_no_hour(scene: Make, turned: bool) -> None:
    """The run comes between the claim and the answer of the credit note, or before both."""
    books = scene(entries=[entry(1)], products=ADVANCES)
    order(prepaid(books, hours=Decimal(3)))
    (block,) = post_all(books)
    books.read_back()
    sent = books.send(block)
    books.draft()
    books.control.put_entries(entry(2, "2026-10-06"))
    books.sync()
    note = fees.credit_lines(invoice=sent, lines=[sent.lines.get().pk], by=BY, now=timezone.now())
    books.approve(note)
    posted, _ = _race(books, lambda: books.post(note), books.draft, turned=turned)
    assert posted.status == "posted"
    assert draws() == []
    books.draft()
    (hours,) = post_all(books)
    assert bill(hours) == [("hours", "Advice", "2.00", "190.00")]
    _proved(books, 3)


def _sent_fee(books: Scene) -> Invoice:
    """The invoice of October's fee, which the customer has."""
    october(books)
    books.draft()
    (fee,) = post_all(books)
    books.read_back()
    return books.send(fee)


@BOTH_WAYS
def test_fee_that_is_credited_beside_a_run_that_lists_a_late_hour_on_it(scene: Make, turned: bool) -> None:
    books = scene(entries=[entry(1)], products=ADVANCES)
    sent = _sent_fee(books)
    books.control.put_entries(entry(2, "2026-10-06"))
    books.sync()
    note = fees.credit_lines(invoice=sent, lines=[sent.lines.get().pk], by=BY, now=timezone.now())
    books.approve(note)
    posted, _ = _race(books, lambda: books.post(note), books.draft, turned=turned)
    assert posted.status == "posted"
    books.draft()
    (again,) = post_all(books)
    assert bill(again) == [("fee", "Flat fee · Keeping the books · October 2026", "1.00", "250.00")]
    assert covers(books) == {"2026-10": [1, 2]}
    _proved(books, 3)


def test_run_while_a_settlement_is_deleted_at_billit_deducts_none_of_its_advances(scene: Make) -> None:
    """The settlement bills later advances beside its hours; a late hour would take one of these off."""
    books = scene(entries=[entry(1, seconds=5 * HOUR)], products=ADVANCES, start="2026-09-01")
    _advances(books, 9)
    settled = books.posted()
    assert [line[0] for line in bill(settled)] == ["advance", "advance", "hours", "deduction"]
    books.control.put_entries(entry(1, seconds=6 * HOUR), entry(2, "2026-10-06"))
    books.sync()
    (correction,) = Correction.objects.filter(decision="open")
    with books.fault("slow", method="DELETE", path=r"^/v1/orders/\d+$", seconds=1.0, times=1):
        finish = in_thread(lambda: replacing.replace(correction=correction, by=BY, now=timezone.now()))
        until(lambda: Invoice.objects.being_replaced().exists())
        books.draft()
        assert not Deduction.objects.live().filter(advance__invoice=settled).exists()
        (anew,) = finish()
    settled.refresh_from_db()
    assert (settled.status, anew.status) == ("void", "approved")
    books.post(anew)
    books.draft()
    post_all(books)
    hours = InvoiceLine.objects.filter(kind="hours", invoice__status="posted")
    assert sorted(str(line.total) for line in hours) == ["570.00", "95.00"]
    assert sorted(str(row.amount) for row in Deduction.objects.live()) == ["250.00", "95.00"]
    _proved(books, 3)


@BOTH_WAYS
def test_two_people_take_back_a_fee_once(scene: Make, turned: bool) -> None:
    books = scene(entries=[entry(1)], products=ADVANCES)
    sent = _sent_fee(books)
    line = sent.lines.get().pk

    def take_back() -> Invoice:
        return fees.credit_lines(invoice=sent, lines=[line], by=BY, now=timezone.now())

    one, other = _race(books, take_back, take_back, turned=turned)
    winner, late = (other, one) if turned else (one, other)
    assert (winner.kind, str(winner.total_excl)) == ("credit_note", "250.00")
    assert "waits already" in late
    post_all(books)
    _proved(books, 2)
