"""Every constraint of the database, broken by a write that no verb and no form stands in front of (design D5).

`broken` maps each constraint to the test that breaks it; the last test fails when a model has one that is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import wraps

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models, transaction

from integrations.models import (
    Client,
    Company,
    Connection,
    Customer,
    Entry,
    Product,
    Project,
    Quota,
    Webhook,
    Workspace,
)
from invoicing.models import (
    Attempt,
    Claim,
    ClientMapping,
    Correction,
    CustomerPin,
    Dossier,
    DossierClient,
    Drift,
    Invoice,
    InvoiceLine,
    LedgerRow,
    ReportedMonth,
    Run,
    TagMapping,
)
from tests.factories import (
    NOW,
    AttemptFactory,
    ClaimFactory,
    ClientFactory,
    ClientMappingFactory,
    CompanyFactory,
    ConnectionFactory,
    CorrectionFactory,
    CustomerFactory,
    DossierClientFactory,
    DossierFactory,
    DriftFactory,
    EntryFactory,
    FirmFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    LedgerRowFactory,
    MembershipFactory,
    ProductFactory,
    ProjectFactory,
    ReportedMonthFactory,
    RunFactory,
    TagMappingFactory,
    UserFactory,
    WebhookFactory,
    WorkspaceFactory,
)
from toggbill.firms.models import AuditEvent, Firm, Invitation, Membership, MembershipDossier, User

pytestmark = pytest.mark.django_db
OURS = ("firms", "integrations", "invoicing")
broken: dict[str, str] = {}


def refuses(
    model: type[models.Model], name: str, *, trigger: str = ""
) -> Callable[[Callable[[], object]], Callable[[], None]]:
    """The test must end in the database's refusal by exactly this constraint (or unique field) of the model.

    `trigger`: what SQLite says instead where a trigger stands before the constraint.
    """
    label = f"{model._meta.label}.{name}"

    def decorate(test: Callable[[], object]) -> Callable[[], None]:
        broken[label] = test.__name__

        @wraps(test)
        def run() -> None:
            with pytest.raises(IntegrityError) as refused, transaction.atomic():
                test()
            signs = [trigger] if trigger and connection.vendor == "sqlite" else _signs(model, name)
            assert any(sign in str(refused.value) for sign in signs), refused.value

        return run

    return decorate


def _signs(model: type[models.Model], name: str) -> list[str]:
    """How the database names the constraint: PostgreSQL by its name, SQLite a plain unique one by its columns."""
    found = next((row for row in model._meta.constraints if row.name == name), None)
    table = model._meta.db_table
    if connection.vendor == "postgresql":
        return [f'"{name}"'] if found else [f'"{table}_{_column(model, name)}']
    if isinstance(found, models.UniqueConstraint) and found.condition is None:
        return ["UNIQUE constraint failed: " + ", ".join(f"{table}.{_column(model, field)}" for field in found.fields)]
    return [name] if found and not isinstance(found, models.UniqueConstraint) else _conditional(model, name, found)


def _conditional(model: type[models.Model], name: str, found: models.BaseConstraint | None) -> list[str]:
    table = model._meta.db_table
    fields = found.fields if isinstance(found, models.UniqueConstraint) else (name,)
    return [f"index '{name}'", "UNIQUE constraint failed: " + ", ".join(f"{table}.{_column(model, f)}" for f in fields)]


def _column(model: type[models.Model], field: str) -> str:
    column: str = model._meta.get_field(field).column  # type: ignore[union-attr, assignment]  # a concrete field
    return column


# --- firms ------------------------------------------------------------------------------------------------------------


@refuses(User, "email")
def test_email_twice() -> None:
    UserFactory(email="a@example.com")
    User.objects.bulk_create([User(email="a@example.com")])


@refuses(Firm, "slug")
def test_firm_slug_twice() -> None:
    FirmFactory(slug="one")
    Firm.objects.bulk_create([Firm(slug="one", name="Other")])


@refuses(Membership, "membership_once")
def test_member_twice_in_a_firm() -> None:
    first = MembershipFactory(role="viewer")
    Membership.objects.bulk_create([Membership(firm=first.firm, user=first.user, role="owner")])


@refuses(Membership, "membership_role")
def test_member_with_an_unknown_role() -> None:
    Membership.objects.filter(pk=MembershipFactory().pk).update(role="king")


@refuses(Membership, "membership_owner_sees_all")
def test_owner_who_sees_some_dossiers_only() -> None:
    Membership.objects.filter(pk=MembershipFactory(role="owner").pk).update(is_restricted=True)


@refuses(MembershipDossier, "member_dossier_once")
def test_dossier_named_twice_for_a_member() -> None:
    dossier = DossierFactory()
    member = MembershipFactory(firm=dossier.firm, role="viewer", is_restricted=True)
    rows = [MembershipDossier(firm=dossier.firm, membership=member, dossier=dossier) for _ in range(2)]
    MembershipDossier.objects.bulk_create(rows)


def _invited(firm: Firm, token: str, **changes: object) -> Invitation:
    fields: dict[str, object] = {"email": "new@example.com", "role": "viewer", "invited_by": "owner@example.com"}
    fields |= {"invited_at": NOW, "expires_at": NOW + timedelta(days=7), "token_hash": token * 64}
    invitation = Invitation(firm=firm, **fields | changes)
    Invitation.objects.bulk_create([invitation])
    return invitation


@refuses(Invitation, "token_hash")
def test_invitation_token_twice() -> None:
    _invited(FirmFactory(), "a")
    _invited(FirmFactory(), "a")


@refuses(Invitation, "invitation_once")
def test_second_open_invitation_of_an_address() -> None:
    firm = FirmFactory()
    _invited(firm, "a", accepted_at=NOW)
    _invited(FirmFactory(), "b")
    _invited(firm, "c")
    _invited(firm, "d")


@refuses(Invitation, "invitation_role")
def test_invitation_with_an_unknown_role() -> None:
    _invited(FirmFactory(), "a", role="king")


@refuses(Invitation, "invitation_owner_sees_all")
def test_invitation_of_an_owner_who_sees_some_dossiers_only() -> None:
    _invited(FirmFactory(), "a", role="owner", is_restricted=True)


def _event(firm: Firm, number: int) -> AuditEvent:
    return AuditEvent(
        firm=firm, number=number, at=NOW, actor="a", origin="b", type="c", subject="d", data={}, hash="0" * 64
    )


# That against INSERT OR REPLACE, which would overwrite an event without breaking the constraint.
@refuses(AuditEvent, "audit_number_once", trigger="the audit log is append-only")
def test_audit_number_twice() -> None:
    firm = FirmFactory()
    AuditEvent.objects.bulk_create([_event(firm, 1)])
    AuditEvent.objects.bulk_create([_event(firm, 1)])


@refuses(AuditEvent, "audit_number_from_one")
def test_audit_number_zero() -> None:
    AuditEvent.objects.bulk_create([_event(FirmFactory(), 0)])


# --- integrations -----------------------------------------------------------------------------------------------------


@refuses(Connection, "connection_key_once")
def test_connection_key_twice_for_a_service() -> None:
    first = ConnectionFactory(key="main")
    ConnectionFactory(firm=first.firm, key="main", service="billit")
    Connection.objects.bulk_create([Connection(firm=first.firm, key="main", service="toggl", secret="x")])


@refuses(Connection, "connection_service")
def test_connection_to_an_unknown_service() -> None:
    Connection.objects.filter(pk=ConnectionFactory().pk).update(service="other")


@refuses(Connection, "connection_method")
def test_toggl_connected_by_a_sign_in_at_billit() -> None:
    Connection.objects.filter(pk=ConnectionFactory().pk).update(method="sign_in")


def test_key_that_expires() -> None:
    row = ConnectionFactory(service="billit")
    with pytest.raises(IntegrityError, match="connection_method"), transaction.atomic():
        Connection.objects.filter(pk=row.pk).update(expires_at=NOW)


@refuses(Connection, "connection_removed_has_no_secret")
def test_removed_connection_that_keeps_its_secret() -> None:
    Connection.objects.filter(pk=ConnectionFactory().pk).update(removed_at=NOW, paused_at=NOW)


@refuses(Quota, "quota_once")
def test_quota_of_an_organisation_twice() -> None:
    row = ConnectionFactory()
    quotas = [Quota(firm=row.firm, connection=row, organization_id=7, remaining=1, resets_at=NOW) for _ in range(2)]
    Quota.objects.bulk_create(quotas)


@refuses(Workspace, "workspace_once")
def test_workspace_twice_in_a_firm() -> None:
    first = WorkspaceFactory(remote_id=4001)
    WorkspaceFactory(remote_id=4001)  # another firm's
    WorkspaceFactory(remote_id=4001, firm=first.firm)


@refuses(Webhook, "webhook_of_workspace_once")
def test_webhook_of_a_workspace_twice() -> None:
    WebhookFactory(workspace=WebhookFactory().workspace)


@refuses(Webhook, "webhook_of_company_once")
def test_webhook_of_a_company_twice() -> None:
    first = WebhookFactory(workspace=None, company=CompanyFactory(), topic="orders")
    WebhookFactory(workspace=None, company=first.company, topic="orders")


@refuses(Webhook, "webhook_of_one_service")
def test_webhook_of_a_workspace_that_tells_of_orders() -> None:
    Webhook.objects.filter(pk=WebhookFactory().pk).update(topic="orders")


@refuses(Webhook, "token_hash")
def test_webhook_with_the_address_of_another() -> None:
    WebhookFactory(token=WebhookFactory().token)


@refuses(Client, "client_once")
def test_client_twice_in_a_workspace() -> None:
    first = ClientFactory()
    ClientFactory(workspace=first.workspace, remote_id=first.remote_id)


@refuses(Project, "project_once")
def test_project_twice_in_a_workspace() -> None:
    first = ProjectFactory()
    ProjectFactory(workspace=first.workspace, remote_id=first.remote_id)


@refuses(Entry, "entry_once")
def test_entry_twice_in_a_workspace() -> None:
    first = EntryFactory()
    EntryFactory(workspace=first.workspace, remote_id=first.remote_id)


@refuses(Entry, "entry_seconds_not_negative")
def test_entry_of_negative_seconds() -> None:
    Entry.objects.filter(pk=EntryFactory(seconds=0).pk).update(seconds=-1)


@refuses(Company, "company_once")
def test_company_twice_in_a_firm() -> None:
    first = CompanyFactory()
    CompanyFactory(firm=first.firm, party_id=first.party_id)


@refuses(Product, "product_once")
def test_product_twice_in_a_company() -> None:
    first = ProductFactory()
    ProductFactory(company=first.company, reference=first.reference)  # Billit allows that: attention says so
    ProductFactory(company=first.company, remote_id=first.remote_id)


@refuses(Customer, "customer_once")
def test_customer_twice_in_a_company() -> None:
    first = CustomerFactory()
    CustomerFactory(company=first.company, party_id=first.party_id)


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


@refuses(DossierClient, "dossier_client_disjoint")
def test_client_named_by_two_dossiers_of_a_workspace() -> None:
    first = DossierClientFactory()
    other = DossierFactory(firm=first.firm, workspace=first.workspace)
    DossierClientFactory(dossier=other, client_remote_id=first.client_remote_id)


@refuses(TagMapping, "tag_mapping_once")
def test_tag_mapped_twice_when_case_and_blanks_are_ignored() -> None:
    first = TagMappingFactory(tag="Advice")
    TagMappingFactory(dossier=first.dossier, tag=" ADVICE ")


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


@refuses(LedgerRow, "ledger_decision_has_reason")
def test_decision_without_a_reason() -> None:
    LedgerRow.objects.filter(pk=LedgerRowFactory().pk).update(decision="written_off", state="written_off")


@refuses(Run, "run_once_per_cut_off")
def test_run_twice_for_a_cut_off() -> None:
    first = RunFactory()
    RunFactory(dossier=first.dossier)


# --- invoicing: invoices ----------------------------------------------------------------------------------------------


@refuses(Invoice, "reference")
def test_reference_twice() -> None:
    first = InvoiceFactory()
    InvoiceFactory(reference=first.reference)


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
    Invoice.objects.filter(pk=InvoiceFactory(status="approved").pk).update(delivery="sending")


@refuses(Invoice, "invoice_paid_only_when_posted")
def test_paid_before_it_is_posted() -> None:
    Invoice.objects.filter(pk=InvoiceFactory(status="approved").pk).update(payment="paid")


def test_day_of_payment_of_what_is_not_paid() -> None:
    row = InvoiceFactory(status="posted")
    with pytest.raises(IntegrityError, match="invoice_paid_only_when_posted"), transaction.atomic():
        Invoice.objects.filter(pk=row.pk).update(paid_date=NOW.date())


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


@pytest.mark.parametrize(("price", "seconds"), [("-95.00", 7200), ("95.00", -7200)])
def test_line_that_takes_off_has_both_price_and_seconds_negative(price: str, seconds: int) -> None:
    row = InvoiceLineFactory()
    with pytest.raises(IntegrityError, match="line_has_hours"), transaction.atomic():
        InvoiceLine.objects.filter(pk=row.pk).update(
            unit_price=Decimal(price), total=2 * Decimal(price), seconds=seconds
        )


def test_line_that_takes_off_is_taken() -> None:
    row = InvoiceLineFactory()
    InvoiceLine.objects.filter(pk=row.pk).update(unit_price=Decimal(-95), total=Decimal(-190), seconds=-7200)
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


def _another_line(claim: Claim) -> InvoiceLine:
    """A line of another invoice of the same dossier."""
    dossier = claim.line.invoice.dossier
    return InvoiceLineFactory(invoice=InvoiceFactory(dossier=dossier, with_line=False), with_claim=False)


def _like(claim: Claim, **changes: object) -> Claim:
    """A live claim on the same entry, on another line; not saved."""
    fields = {"firm": claim.firm, "entry": claim.entry, "started_at": NOW, "day": NOW.date(), "seconds": 3600}
    return Claim(line=_another_line(claim), **fields | changes)


@refuses(Claim, "claim_once")
def test_entry_billed_twice() -> None:
    first = ClaimFactory()
    Claim.objects.filter(pk=first.pk).update(released_at=NOW)
    again = {"firm": first.firm, "entry": first.entry, "started_at": NOW, "day": NOW.date(), "seconds": 3600}
    line = _another_line(first)
    Claim.objects.bulk_create([Claim(line=line, **again), Claim(line=line, released_at=NOW, **again)])
    Claim.objects.bulk_create([Claim(line=first.line, **again)])


def test_released_claim_cannot_come_back_beside_a_live_one() -> None:
    first = ClaimFactory()
    Claim.objects.filter(pk=first.pk).update(released_at=NOW)
    line = _another_line(first)
    Claim.objects.bulk_create(
        [Claim(firm=first.firm, entry=first.entry, line=line, seconds=1, started_at=NOW, day=NOW.date())]
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


@refuses(Attempt, "attempt_one_pending")
def test_second_attempt_while_one_is_pending() -> None:
    invoice = InvoiceFactory(status="posting")
    AttemptFactory(invoice=invoice, outcome="pending")
    AttemptFactory(invoice=invoice, outcome="pending", intent="send")
    AttemptFactory(invoice=invoice, outcome="no_answer", started_at=NOW - timedelta(hours=1))
    AttemptFactory(invoice=invoice, outcome="pending")


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


# --- no constraint is forgotten ---------------------------------------------------------------------------------------


def test_every_constraint_of_every_model_is_broken_by_a_test() -> None:
    standing = set()
    for model in (
        model for label in OURS for model in apps.get_app_config(label).get_models(include_auto_created=True)
    ):
        label = model._meta.label
        standing |= {f"{label}.{constraint.name}" for constraint in model._meta.constraints}
        standing |= {
            f"{label}.{field.name}" for field in model._meta.concrete_fields if field.unique and not field.primary_key
        }
        # A many-to-many table of Django's own says "once" in this older form; ours have none beside it.
        assert not (model._meta.unique_together and not model._meta.auto_created), label
    assert set(broken) == standing
    assert all(name in globals() for name in broken.values())


def test_every_model_of_the_product_is_among_those() -> None:
    assert {
        model._meta.app_label for model in apps.get_models() if model.__module__.startswith(("toggbill", "in"))
    } == {*OURS}
