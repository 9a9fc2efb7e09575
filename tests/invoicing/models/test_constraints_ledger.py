"""Constraints of rules, ledger, corrections and comparisons, each broken by a write that nothing stands in front of."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from invoicing.models import (
    Claim,
    ClientMapping,
    Correction,
    CustomerPin,
    Dossier,
    DossierClient,
    Drift,
    Invoice,
    LedgerRow,
    ReportedMonth,
    Run,
    SavedView,
    TagMapping,
)
from tests.factories import (
    NOW,
    ClaimFactory,
    ClientMappingFactory,
    CompanyFactory,
    CorrectionFactory,
    DossierClientFactory,
    DossierFactory,
    DriftFactory,
    InvoiceFactory,
    LedgerRowFactory,
    ReportedMonthFactory,
    RunFactory,
    SavedViewFactory,
    TagMappingFactory,
)
from tests.invoicing.refusing import another_line, refuses

pytestmark = pytest.mark.django_db


def _like(claim: Claim, **changes: object) -> Claim:
    """A live claim on the same entry, on another line; not saved."""
    of_entry = {"firm": claim.firm, "entry": claim.entry, "entry_remote_id": claim.entry_remote_id}
    fields = {**of_entry, "started_at": NOW, "day": NOW.date(), "seconds": 3600}
    return Claim(line=another_line(claim), **fields | changes)


# --- invoicing: the rules ---------------------------------------------------------------------------------------------


@refuses(Dossier, "dossier_key_once")
def test_dossier_key_twice_in_a_firm() -> None:
    first = DossierFactory(key="one")
    DossierFactory(key="one")
    DossierFactory(key="one", firm=first.firm)


@refuses(Dossier, "dossier_day_of_schedule")
def test_dossier_weekly_on_the_eighth_day() -> None:
    row = DossierFactory(every="weekly", day=7)
    Dossier.objects.filter(pk=row.pk).update(day=8)


@pytest.mark.parametrize(
    ("every", "day"),
    [
        ("weekly", 0),
        ("weekly", None),
        ("monthly", 0),
        ("monthly", 29),
        ("monthly", None),
        ("hourly", 1),
    ],
)
def test_dossier_with_any_other_day_that_no_schedule_has(every: str, day: int | None) -> None:
    row = DossierFactory()
    with pytest.raises(IntegrityError, match="dossier_day_of_schedule"), transaction.atomic():
        Dossier.objects.filter(pk=row.pk).update(every=every, day=day)


@refuses(Dossier, "dossier_price_day")
def test_dossier_that_bills_the_price_of_any_other_day() -> None:
    row = DossierFactory(price_day="draft")
    Dossier.objects.filter(pk=row.pk).update(price_day="work")
    Dossier.objects.filter(pk=row.pk).update(price_day="never")


@refuses(Dossier, "dossier_says_its_limit")
def test_dossier_that_posts_by_itself_without_a_word_on_its_limit() -> None:
    row = DossierFactory(auto_limit=5)
    Dossier.objects.filter(pk=row.pk).update(mode="post")
    Dossier.objects.filter(pk=row.pk).update(auto_limit=None)


@pytest.mark.parametrize("mode", ["post", "send"])
def test_dossier_that_goes_out_by_itself_without_a_word_on_its_limit(mode: str) -> None:
    row = DossierFactory()
    with pytest.raises(IntegrityError, match="dossier_says_its_limit"), transaction.atomic():
        Dossier.objects.filter(pk=row.pk).update(mode=mode)


@refuses(Dossier, "dossier_limit_or_none")
def test_dossier_with_a_limit_and_none() -> None:
    row = DossierFactory(mode="send", no_limit=True)
    Dossier.objects.filter(pk=row.pk).update(auto_limit=5000)


@refuses(Dossier, "dossier_four_eyes_sends_by_hand")
def test_dossier_of_four_eyes_that_sends_by_itself() -> None:
    Dossier.objects.filter(pk=DossierFactory(mode="send").pk).update(four_eyes=True)


@refuses(Dossier, "dossier_deviation_in_range")
def test_dossier_with_a_deviation_of_more_than_tenfold() -> None:
    Dossier.objects.filter(pk=DossierFactory().pk).update(deviation=1001)


@refuses(Dossier, "dossier_known_codes")
def test_dossier_that_waits_in_words() -> None:
    row = DossierFactory(waiting="quota_used_up", reconcile_problem="busy")
    Dossier.objects.filter(pk=row.pk).update(waiting="The quota is used up.")


def test_dossier_whose_comparison_waits_in_words() -> None:
    row = DossierFactory()
    with pytest.raises(IntegrityError, match="dossier_known_codes"), transaction.atomic():
        Dossier.objects.filter(pk=row.pk).update(reconcile_problem="Try again.")


@refuses(DossierClient, "dossier_client_disjoint")
def test_client_named_by_two_dossiers_of_a_workspace() -> None:
    first = DossierClientFactory()
    other = DossierFactory(firm=first.firm, workspace=first.workspace)
    DossierClientFactory(dossier=other, client_remote_id=first.client_remote_id)


@refuses(TagMapping, "tag_mapping_once")
def test_tag_mapped_twice_when_case_and_blanks_are_ignored() -> None:
    first = TagMappingFactory(tag="Advice")
    TagMappingFactory(dossier=first.dossier, tag=" ADVICE ")


@refuses(TagMapping, "tag_mapping_once_a_person")
def test_tag_mapped_twice_for_a_person() -> None:
    first = TagMappingFactory(tag="Advice", person_remote_id=301)
    TagMappingFactory(dossier=first.dossier, tag="Advice")
    other = TagMappingFactory(dossier=first.dossier, tag="Advice", person_remote_id=302)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE invoicing_tagmapping SET person_remote_id = 301 WHERE id = %s", [other.pk])


@refuses(TagMapping, "tag_mapping_of_tag_or_person")
def test_mapping_of_no_tag_and_nobody() -> None:
    row = TagMappingFactory(tag="", person_remote_id=301)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE invoicing_tagmapping SET person_remote_id = NULL WHERE id = %s", [row.pk])


def test_person_who_is_not_billed_without_a_tag() -> None:
    row = TagMappingFactory(tag="", person_remote_id=301)
    with (
        pytest.raises(IntegrityError, match="tag_mapping_of_tag_or_person"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE invoicing_tagmapping SET bill = false, product_reference = '' WHERE id = %s", [row.pk])


@refuses(TagMapping, "tag_mapping_product_or_not")
def test_tag_that_bills_without_a_product() -> None:
    TagMapping.objects.filter(pk=TagMappingFactory().pk).update(product_reference="")


def test_tag_that_does_not_bill_has_no_product() -> None:
    row = TagMappingFactory(bill=False)
    with pytest.raises(IntegrityError, match="tag_mapping_product_or_not"), transaction.atomic():
        TagMapping.objects.filter(pk=row.pk).update(product_reference="ADV")


@refuses(ClientMapping, "client_mapping_once")
def test_client_mapped_twice() -> None:
    first = ClientMappingFactory()
    ClientMappingFactory(dossier=first.dossier, client_remote_id=first.client_remote_id)


@refuses(ClientMapping, "client_mapping_one_customer")
def test_client_mapped_to_a_number_and_to_a_party() -> None:
    ClientMapping.objects.filter(pk=ClientMappingFactory().pk).update(customer_party_id=88_001)


@refuses(ClientMapping, "client_mapping_proposed_number")
def test_client_proposed_without_a_number() -> None:
    ClientMapping.objects.filter(pk=ClientMappingFactory(is_proposed=True).pk).update(number="")


@refuses(CustomerPin, "pin_once")
def test_number_pinned_twice_at_a_company() -> None:
    row = CompanyFactory()
    pins = [CustomerPin(firm=row.firm, company=row, number="BE1", party_id=n, pinned_at=NOW) for n in (1, 2)]
    CustomerPin.objects.bulk_create(pins)


# --- invoicing: the ledger --------------------------------------------------------------------------------------------


@refuses(LedgerRow, "entry")
def test_entry_in_two_states() -> None:
    first = LedgerRowFactory()
    LedgerRow.objects.bulk_create(
        [LedgerRow(firm=first.firm, entry=first.entry, dossier=first.dossier, day=first.day, seconds=1, state="held")]
    )


@refuses(LedgerRow, "ledger_attention_has_reason")
def test_attention_without_a_reason() -> None:
    LedgerRow.objects.filter(pk=LedgerRowFactory(reason="no_tag").pk).update(reason="")


def test_reason_without_attention() -> None:
    row = LedgerRowFactory()
    with pytest.raises(IntegrityError, match="ledger_attention_has_reason"), transaction.atomic():
        LedgerRow.objects.filter(pk=row.pk).update(reason="no_tag")


@refuses(LedgerRow, "ledger_seconds_not_negative")
def test_ledger_row_of_negative_seconds() -> None:
    LedgerRow.objects.filter(pk=LedgerRowFactory().pk).update(seconds=-1)


@refuses(LedgerRow, "ledger_correction_after_billing")
def test_correction_of_hours_that_are_not_billed() -> None:
    LedgerRow.objects.filter(pk=LedgerRowFactory().pk).update(correction_seconds=60)


def test_correction_in_words_of_hours_that_are_not_billed() -> None:
    row = LedgerRowFactory()
    with pytest.raises(IntegrityError, match="ledger_correction_after_billing"), transaction.atomic():
        LedgerRow.objects.filter(pk=row.pk).update(correction_text="product")


def test_acceptance_of_hours_that_are_not_billed() -> None:
    row = LedgerRowFactory()
    with pytest.raises(IntegrityError, match="ledger_correction_after_billing"), transaction.atomic():
        LedgerRow.objects.filter(pk=row.pk).update(accepted_seconds=60)


@refuses(LedgerRow, "ledger_duplicate_has_twin")
def test_duplicate_of_nothing() -> None:
    row = LedgerRowFactory(reason="no_tag")
    LedgerRow.objects.filter(pk=row.pk).update(reason="duplicate_entry")


@refuses(LedgerRow, "ledger_decision_has_reason")
def test_decision_without_a_reason() -> None:
    LedgerRow.objects.filter(pk=LedgerRowFactory().pk).update(decision="written_off", state="written_off")


@refuses(Run, "run_once_per_cut_off")
def test_run_twice_for_a_cut_off() -> None:
    first = RunFactory()
    RunFactory(dossier=first.dossier)


# --- invoicing: corrections -------------------------------------------------------------------------------------------


@refuses(Invoice, "invoice_one_waiting_credit_note")
def test_second_credit_note_for_an_invoice_while_one_waits() -> None:
    about = InvoiceFactory(status="posted")
    note = {"kind": "credit_note", "about": about, "dossier": about.dossier, "with_line": False}
    InvoiceFactory(**note, status="posted", buyer_key="party:1")
    InvoiceFactory(**note, status="void", buyer_key="party:2")
    InvoiceFactory(**note, status="refused", buyer_key="party:3")
    InvoiceFactory(**note, status="draft", buyer_key="party:4")


@refuses(Invoice, "invoice_credit_note_is_about")
def test_credit_note_about_nothing() -> None:
    Invoice.objects.filter(pk=InvoiceFactory().pk).update(kind="credit_note")


def test_invoice_about_another() -> None:
    about = InvoiceFactory(status="posted")
    row = InvoiceFactory(dossier=about.dossier)
    with pytest.raises(IntegrityError, match="invoice_credit_note_is_about"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(about=about)


@refuses(Invoice, "invoice_replaced_only_unsent")
def test_sent_invoice_that_is_being_replaced() -> None:
    row = InvoiceFactory(status="posted", replacing_since=NOW)
    Invoice.objects.filter(pk=row.pk).update(delivery="sent")


@refuses(Claim, "claim_difference_once")
def test_difference_billed_twice() -> None:
    correction = CorrectionFactory()
    claims = [_like(correction.claim, kind="difference", correction=correction) for _ in range(3)]
    claims[0].released_at = NOW
    Claim.objects.bulk_create(claims[:2])
    Claim.objects.bulk_create(claims[2:])


@refuses(Claim, "claim_credit_once")
def test_claim_taken_back_twice() -> None:
    first = ClaimFactory(line__invoice__status="posted")
    claims = [_like(first, kind="credit", takes_back=first) for _ in range(3)]
    claims[0].released_at = NOW
    Claim.objects.bulk_create(claims[:2])
    Claim.objects.bulk_create(claims[2:])


@refuses(Claim, "claim_of_its_kind")
def test_credit_that_takes_nothing_back() -> None:
    Claim.objects.filter(pk=ClaimFactory().pk).update(kind="credit")


def test_difference_without_a_correction() -> None:
    row = ClaimFactory()
    with pytest.raises(IntegrityError, match="claim_of_its_kind"), transaction.atomic():
        Claim.objects.filter(pk=row.pk).update(kind="difference")


@refuses(Correction, "correction_one_open")
def test_second_open_correction_of_an_entry() -> None:
    first = CorrectionFactory()
    done = {"decision": "accepted", "decided_at": NOW, "decided_by": "owner@example.com"}
    CorrectionFactory(invoice=first.invoice, **done)
    CorrectionFactory(invoice=first.invoice)


@refuses(Correction, "correction_decided_by_somebody")
def test_correction_decided_by_nobody() -> None:
    Correction.objects.filter(pk=CorrectionFactory().pk).update(decision="accepted", decided_at=NOW)


def test_open_correction_with_a_day_of_decision() -> None:
    row = CorrectionFactory()
    with pytest.raises(IntegrityError, match="correction_decided_by_somebody"), transaction.atomic():
        Correction.objects.filter(pk=row.pk).update(decided_at=NOW)


@refuses(Correction, "correction_settled_by_decision")
def test_open_correction_that_is_settled() -> None:
    row = CorrectionFactory()
    Correction.objects.filter(pk=row.pk).update(settlement=row.invoice)


@refuses(Correction, "correction_billed_has_seconds")
def test_correction_of_no_seconds_on_the_next_invoice() -> None:
    row = CorrectionFactory(decision="next_invoice", decided_at=NOW, decided_by="owner@example.com")
    Correction.objects.filter(pk=row.pk).update(seconds=0)


# --- comparisons ------------------------------------------------------------------------------------------------------


@refuses(Drift, "drift_stands_once")
def test_difference_that_stands_twice() -> None:
    row = DriftFactory()
    DriftFactory(dossier=row.dossier, about=row.about, gone_at=NOW)
    DriftFactory(dossier=row.dossier, about=row.about)


@refuses(Drift, "drift_gone_after_seen")
def test_difference_that_was_gone_before_it_was_seen() -> None:
    Drift.objects.filter(pk=DriftFactory().pk).update(gone_at=NOW - timedelta(days=1))


@refuses(ReportedMonth, "reported_month_once")
def test_month_that_is_reported_twice() -> None:
    ReportedMonthFactory(dossier=ReportedMonthFactory().dossier)


@refuses(ReportedMonth, "reported_month_has_days")
def test_reported_month_that_ends_before_it_begins() -> None:
    row = ReportedMonthFactory()
    ReportedMonth.objects.filter(pk=row.pk).update(through=row.month - timedelta(days=1))


@refuses(ReportedMonth, "reported_month_not_negative")
def test_reported_month_of_fewer_than_no_seconds() -> None:
    ReportedMonth.objects.filter(pk=ReportedMonthFactory().pk).update(own_seconds=-1)


@refuses(SavedView, "saved_view_once")
def test_view_of_a_member_under_one_name_twice() -> None:
    row = SavedViewFactory(name="October")
    SavedViewFactory(name="October")
    SavedViewFactory(membership=row.membership, name="October")


@refuses(SavedView, "saved_view_has_a_name")
def test_view_without_a_name() -> None:
    SavedViewFactory(name="")
