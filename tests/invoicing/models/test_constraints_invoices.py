"""Constraints of invoices, each broken by a write that nothing stands in front of."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from invoicing.models import (
    Annex,
    Attempt,
    Claim,
    Invoice,
    InvoiceLine,
)
from tests.factories import (
    NOW,
    AnnexFactory,
    AttemptFactory,
    ClaimFactory,
    InvoiceFactory,
    InvoiceLineFactory,
)
from tests.invoicing.refusing import another_line, refuses

pytestmark = pytest.mark.django_db


# --- invoicing: invoices ----------------------------------------------------------------------------------------------


@refuses(Invoice, "reference")
def test_reference_twice() -> None:
    first = InvoiceFactory()
    InvoiceFactory(reference=first.reference)


@refuses(Annex, "invoice", trigger="an annex is never changed")
def test_second_annex_of_an_invoice() -> None:
    first = AnnexFactory()
    AnnexFactory()
    AnnexFactory(invoice=first.invoice)


@refuses(Invoice, "invoice_one_waiting_draft")
def test_second_waiting_draft_of_a_customer() -> None:
    first = InvoiceFactory(buyer_key="party:1")
    InvoiceFactory(dossier=first.dossier, buyer_key="party:1", purchase_order="PO-1")
    InvoiceFactory(dossier=first.dossier, buyer_key="party:1", buyer_reference="Dept. 7")
    InvoiceFactory(dossier=first.dossier, buyer_key="party:1", status="posted")
    InvoiceFactory(dossier=first.dossier, buyer_key="party:1", status="void")
    InvoiceFactory(buyer_key="party:1")
    InvoiceFactory(dossier=first.dossier, buyer_key="party:1")


def test_waiting_credit_note_is_no_waiting_draft() -> None:
    first = InvoiceFactory(buyer_key="party:1", status="posted")
    InvoiceFactory(dossier=first.dossier, buyer_key="party:1", kind="credit_note", about=first)
    InvoiceFactory(dossier=first.dossier, buyer_key="party:1")


def test_replacement_of_what_is_not_posted() -> None:
    row = InvoiceFactory(status="approved")
    with pytest.raises(IntegrityError, match="invoice_replaced_only_unsent"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(replacing_since=NOW)


@refuses(Invoice, "invoice_order_once")
def test_one_order_of_two_invoices() -> None:
    first = InvoiceFactory(status="posted")
    InvoiceFactory(status="posted", order_id=first.order_id)  # another company's order
    InvoiceFactory(dossier=first.dossier, status="posted", order_id=first.order_id)


@refuses(Invoice, "invoice_posted_has_order")
def test_posted_without_an_order() -> None:
    Invoice.objects.filter(pk=InvoiceFactory(status="posted").pk).update(order_id=None)


def test_posted_without_its_time() -> None:
    row = InvoiceFactory(status="posted")
    with pytest.raises(IntegrityError, match="invoice_posted_has_order"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(posted_at=None)


@refuses(Invoice, "invoice_posting_has_lease")
def test_posting_without_a_lease() -> None:
    Invoice.objects.filter(pk=InvoiceFactory(status="posting").pk).update(posting_since=None)


def test_lease_of_what_is_not_being_posted() -> None:
    row = InvoiceFactory(status="approved")
    with pytest.raises(IntegrityError, match="invoice_posting_has_lease"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(posting_since=NOW)


@refuses(Invoice, "invoice_problem_is_named")
def test_refused_without_a_reason() -> None:
    Invoice.objects.filter(pk=InvoiceFactory(status="refused").pk).update(problem="")


def test_in_doubt_without_a_reason() -> None:
    row = InvoiceFactory(status="in_doubt")
    with pytest.raises(IntegrityError, match="invoice_problem_is_named"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(problem="")


@refuses(Invoice, "invoice_known_codes")
def test_problem_of_an_invoice_in_words() -> None:
    Invoice.objects.filter(pk=InvoiceFactory(status="refused").pk).update(problem="The VAT rate is not allowed.")


@pytest.mark.parametrize("column", ["attention", "delivery_problem", "problem"])
def test_any_column_of_an_invoice_with_a_code_that_is_none(column: str) -> None:
    row = InvoiceFactory()
    with pytest.raises(IntegrityError, match="invoice_known_codes"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(**{column: "asked_order"})  # no message by itself


@refuses(Invoice, "invoice_posting_was_asked")
def test_posting_that_nobody_asked_for() -> None:
    row = InvoiceFactory(status="approved")
    Invoice.objects.filter(pk=row.pk).update(status="posting", posting_since=NOW)


@refuses(Invoice, "invoice_sending_was_asked")
def test_sending_that_nobody_asked_for() -> None:
    Invoice.objects.filter(pk=InvoiceFactory(status="posted").pk).update(delivery="sending", sending_since=NOW)


@refuses(Invoice, "invoice_asked_by_somebody")
def test_wish_of_nobody() -> None:
    Invoice.objects.filter(pk=InvoiceFactory(status="approved").pk).update(post_requested_at=NOW)


def test_wish_to_send_of_nobody_and_a_wish_that_is_taken_back_under_way() -> None:
    row = InvoiceFactory(status="posted")
    with pytest.raises(IntegrityError, match="invoice_asked_by_somebody"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(send_requested_at=NOW)
    row = InvoiceFactory(status="posting")
    with pytest.raises(IntegrityError, match="invoice_posting_was_asked"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(post_requested_at=None, post_requested_by="")


@refuses(Invoice, "invoice_approved_before_posting")
def test_posted_without_anybodys_approval() -> None:
    Invoice.objects.filter(pk=InvoiceFactory(status="posted").pk).update(approved_at=None)


@pytest.mark.parametrize("status", ["approved", "posting", "refused", "in_doubt"])
def test_nothing_but_a_draft_or_void_goes_without_approval(status: str) -> None:
    row = InvoiceFactory(status=status)
    with pytest.raises(IntegrityError, match="invoice_approved_before_posting"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(approved_at=None)


@refuses(Invoice, "invoice_totals_add_up")
def test_total_one_cent_too_high() -> None:
    row = InvoiceFactory()
    Invoice.objects.filter(pk=row.pk).update(total_incl=row.total_incl + Decimal("0.01"))


def test_total_one_cent_too_low() -> None:
    row = InvoiceFactory()
    with pytest.raises(IntegrityError, match="invoice_totals_add_up"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(total_vat=row.total_vat + Decimal("0.01"))


@refuses(Invoice, "invoice_sent_only_when_posted")
def test_sent_before_it_is_posted() -> None:
    asked = {"send_requested_at": NOW, "send_requested_by": "owner@example.com"}
    Invoice.objects.filter(pk=InvoiceFactory(status="approved").pk).update(delivery="sending", **asked)


@refuses(Invoice, "invoice_paid_only_when_posted")
def test_paid_before_it_is_posted() -> None:
    Invoice.objects.filter(pk=InvoiceFactory(status="approved").pk).update(payment="paid")


def test_day_of_payment_of_what_is_not_paid() -> None:
    row = InvoiceFactory(status="posted")
    with pytest.raises(IntegrityError, match="invoice_paid_only_when_posted"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(paid_date=NOW.date())


@refuses(Invoice, "invoice_delivery_has_its_facts")
def test_delivered_without_a_moment() -> None:
    Invoice.objects.filter(pk=InvoiceFactory(status="posted", delivery="sent").pk).update(delivery="delivered")


def test_delivery_refused_without_a_reason() -> None:
    row = InvoiceFactory(status="posted", delivery="sent")
    with pytest.raises(IntegrityError, match="invoice_delivery_has_its_facts"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(delivery="refused")


@refuses(Invoice, "invoice_way_leads_somewhere")
def test_way_without_a_receiver() -> None:
    Invoice.objects.filter(pk=InvoiceFactory(status="posted").pk).update(way="peppol")


@pytest.mark.parametrize("fields", [{"way": "none", "way_to": "0208:1"}, {"way": "letter", "way_to": "Street 1"}])
def test_receiver_without_a_way(fields: dict[str, str]) -> None:
    row = InvoiceFactory(status="posted")
    with pytest.raises(IntegrityError, match="invoice_way_leads_somewhere"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(**fields)


@refuses(Invoice, "invoice_delivery_of_what_was_sent")
def test_delivery_awaited_of_what_was_not_sent() -> None:
    Invoice.objects.filter(pk=InvoiceFactory(status="posted").pk).update(delivery_due_at=NOW)


@pytest.mark.parametrize("column", ["tell_delivery_at", "delivered_at"])
def test_delivery_told_of_what_was_not_sent(column: str) -> None:
    row = InvoiceFactory(status="posted")
    with pytest.raises(IntegrityError, match="invoice_delivery_of_what_was_sent"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(**{column: NOW})


@refuses(InvoiceLine, "line_position_once")
def test_two_lines_in_one_place() -> None:
    invoice = InvoiceFactory()
    InvoiceLineFactory(invoice=invoice, position=1)


@refuses(InvoiceLine, "line_has_hours")
def test_line_without_hours() -> None:
    InvoiceLine.objects.filter(pk=InvoiceLineFactory().pk).update(quantity=0, total=0)


def test_line_without_seconds() -> None:
    row = InvoiceLineFactory()
    with pytest.raises(IntegrityError, match="line_has_hours"), transaction.atomic():
        InvoiceLine.objects.filter(pk=row.pk).update(seconds=0)


@pytest.mark.parametrize(
    ("quantity", "price", "seconds"),
    [(-2, 95, 7200), (2, 95, -7200), (2, -95, -7200), (2, -95, 7200), (-2, -95, -7200), (-2, -95, 7200)],
)
def test_line_that_takes_off_has_both_quantity_and_seconds_negative(quantity: int, price: int, seconds: int) -> None:
    row = InvoiceLineFactory()
    with pytest.raises(IntegrityError, match="line_has_hours"), transaction.atomic():
        InvoiceLine.objects.filter(pk=row.pk).update(
            quantity=quantity, unit_price=price, total=quantity * price, seconds=seconds
        )


def test_line_that_takes_off_is_taken() -> None:
    row = InvoiceLineFactory()
    InvoiceLine.objects.filter(pk=row.pk).update(quantity=Decimal(-2), total=Decimal(-190), seconds=-7200)
    row.refresh_from_db()
    assert (row.total, row.seconds) == (Decimal("-190.00"), -7200)


@refuses(InvoiceLine, "line_quantity_times_price")
def test_line_one_cent_too_dear() -> None:
    InvoiceLine.objects.filter(pk=InvoiceLineFactory().pk).update(total=Decimal("190.01"))


def test_line_one_cent_too_cheap() -> None:
    row = InvoiceLineFactory()
    with pytest.raises(IntegrityError, match="line_quantity_times_price"), transaction.atomic():
        InvoiceLine.objects.filter(pk=row.pk).update(total=Decimal("189.99"))


def test_line_rounded_half_up_is_taken() -> None:
    """0.30 h x 12.35 = 3.705: the cent that half up gives stands at the very edge of the constraint."""
    row = InvoiceLineFactory()
    InvoiceLine.objects.filter(pk=row.pk).update(
        quantity=Decimal("0.30"), unit_price=Decimal("12.35"), total=Decimal("3.71")
    )
    row.refresh_from_db()
    assert row.total == Decimal("3.71")


@refuses(Claim, "claim_once", trigger="invoicing_claim.firm_id, invoicing_claim.entry_remote_id")
def test_entry_billed_twice() -> None:
    first = ClaimFactory()
    Claim.objects.filter(pk=first.pk).update(released_at=NOW)
    again = {"firm": first.firm, "entry": first.entry, "entry_remote_id": first.entry_remote_id, "seconds": 3600}
    again |= {"started_at": NOW, "day": NOW.date()}
    line = another_line(first)
    Claim.objects.bulk_create([Claim(line=line, **again), Claim(line=line, released_at=NOW, **again)])
    Claim.objects.bulk_create([Claim(line=first.line, **again)])


def test_released_claim_cannot_come_back_beside_a_live_one() -> None:
    first = ClaimFactory()
    Claim.objects.filter(pk=first.pk).update(released_at=NOW)
    line = another_line(first)
    Claim.objects.bulk_create(
        [
            Claim(
                firm=first.firm,
                entry=first.entry,
                entry_remote_id=first.entry_remote_id,
                line=line,
                seconds=1,
                started_at=NOW,
                day=NOW.date(),
            )
        ]
    )
    with pytest.raises(IntegrityError, match="claim"), transaction.atomic():
        Claim.objects.filter(pk=first.pk).update(released_at=None)


@refuses(Claim, "claim_has_seconds")
def test_claim_without_seconds() -> None:
    Claim.objects.filter(pk=ClaimFactory().pk).update(seconds=0)


def test_claim_of_an_entry_is_never_negative() -> None:
    row = ClaimFactory()
    with pytest.raises(IntegrityError, match="claim_has_seconds"), transaction.atomic():
        Claim.objects.filter(pk=row.pk).update(seconds=-1)


@refuses(Attempt, "attempt_known_code")
def test_answer_of_an_attempt_in_words() -> None:
    Attempt.objects.filter(pk=AttemptFactory(answer="refused").pk).update(answer="No.")


@refuses(Attempt, "attempt_accepted_has_left")
def test_answer_to_a_request_that_never_left() -> None:
    Attempt.objects.filter(pk=AttemptFactory().pk).update(left_at=None)


@refuses(Attempt, "attempt_one_pending")
def test_second_attempt_while_one_is_pending() -> None:
    invoice = InvoiceFactory(status="posting")
    AttemptFactory(invoice=invoice, outcome="pending")
    AttemptFactory(invoice=invoice, outcome="pending", intent="send")
    AttemptFactory(invoice=invoice, outcome="no_answer", started_at=NOW - timedelta(hours=1))
    AttemptFactory(invoice=invoice, outcome="pending")
