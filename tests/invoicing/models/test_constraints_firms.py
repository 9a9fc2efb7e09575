"""Constraints of firms, of members and of the mirror, each broken by a write that nothing stands in front of."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from integrations.models import (
    Client,
    Company,
    Connection,
    Customer,
    Entry,
    Product,
    ProductPrice,
    Project,
    Quota,
    Webhook,
    Workspace,
)
from tests.factories import (
    NOW,
    ClientFactory,
    CompanyFactory,
    ConnectionFactory,
    CustomerFactory,
    DossierFactory,
    EntryFactory,
    FirmFactory,
    MembershipFactory,
    ProductFactory,
    ProjectFactory,
    UserFactory,
    WebhookFactory,
    WorkspaceFactory,
)
from tests.invoicing.refusing import refuses
from toggbill.firms.models import AuditEvent, Firm, Invitation, Membership, MembershipDossier, User

pytestmark = pytest.mark.django_db


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


@refuses(Connection, "connection_lost_is_not_renewed")
def test_lost_sign_in_that_could_be_renewed() -> None:
    row = ConnectionFactory(service="billit", method="sign_in", refresh_secret="r", expires_at=NOW)
    Connection.objects.filter(pk=row.pk).update(sign_in_lost_at=NOW)


@refuses(Connection, "connection_known_code")
def test_failure_of_a_connection_in_words() -> None:
    row = ConnectionFactory(failure="refused", failure_code="refused")
    Connection.objects.filter(pk=row.pk).update(failure_code="Toggl refused.")


@refuses(Connection, "connection_works_without_failure")
def test_connection_that_works_with_a_failure() -> None:
    row = ConnectionFactory(failure="refused", failure_code="refused")
    Connection.objects.filter(pk=row.pk).update(failure="none")


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


@refuses(ProductPrice, "product_price_once_a_day")
def test_two_prices_of_a_product_from_one_day_on() -> None:
    first = ProductFactory()
    day = date(2026, 9, 1)
    ProductPrice.objects.create(firm=first.firm, product=first, price=Decimal(95), since=day)
    ProductPrice.objects.create(firm=first.firm, product=first, price=Decimal(99), since=day + timedelta(days=1))
    ProductPrice.objects.create(firm=first.firm, product=first, price=Decimal(99), since=day)


@refuses(Customer, "customer_once")
def test_customer_twice_in_a_company() -> None:
    first = CustomerFactory()
    CustomerFactory(company=first.company, party_id=first.party_id)
