"""Users, firms, connections, and rows that a sync would write."""

# factory_boy declares its types only in part: its declarations and decorators count as untyped.
# mypy: allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal

from factory.declarations import LazyAttribute, LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.django import Password

from integrations.models import Client, Company, Connection, Customer, Entry, Product, Project, Webhook, Workspace
from tests.factories.declared import NOW, DjangoModelFactory, enterprise_number
from toggbill.firms.models import Firm, Invitation, Membership, MembershipDossier, User


class UserFactory(DjangoModelFactory[User]):
    """A user who cannot sign in with a password, unless one is given: `UserFactory(password=PASSWORD)`."""

    class Meta:
        model = User

    email = Sequence(lambda n: f"person{n}@example.com")
    name = Sequence(lambda n: f"Person {n}")
    password = Password(None)


class FirmFactory(DjangoModelFactory[Firm]):
    """A firm in Brussels that reads English."""

    class Meta:
        model = Firm

    slug = Sequence(lambda n: f"firm-{n}")
    name = Sequence(lambda n: f"Firm {n}")
    language = "en"


class MembershipFactory(DjangoModelFactory[Membership]):
    """A member; an owner unless a role is given."""

    class Meta:
        model = Membership

    firm = SubFactory(FirmFactory)
    user = SubFactory(UserFactory)
    role = Membership.Role.OWNER


class MembershipDossierFactory(DjangoModelFactory[MembershipDossier]):
    """A dossier named for a restricted member."""

    class Meta:
        model = MembershipDossier

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory("tests.factories.DossierFactory")
    membership = SubFactory(MembershipFactory, firm=SelfAttribute("..firm"), role="viewer", is_restricted=True)


class InvitationFactory(DjangoModelFactory[Invitation]):
    """An open invitation whose link nobody has; `membership.invitations.invite` makes one with a link."""

    class Meta:
        model = Invitation

    firm = SubFactory(FirmFactory)
    email = Sequence(lambda n: f"invited{n}@example.com")
    role = Membership.Role.BOOKKEEPER
    token_hash = Sequence(lambda n: f"{n:064x}")
    invited_by = "owner@example.com"
    invited_at = NOW
    expires_at = NOW + timedelta(days=7)


class ConnectionFactory(DjangoModelFactory[Connection]):
    """A Toggl connection; `service="billit"` for the other."""

    class Meta:
        model = Connection

    firm = SubFactory(FirmFactory)
    service = Connection.Service.TOGGL
    key = Sequence(lambda n: f"connection-{n}")
    secret = Sequence(lambda n: f"secret-of-connection-{n}")
    latest_ok_at = NOW - timedelta(minutes=5)


class WorkspaceFactory(DjangoModelFactory[Workspace]):
    """A Toggl workspace that was read four minutes ago."""

    class Meta:
        model = Workspace

    firm = SubFactory(FirmFactory)
    connection = SubFactory(ConnectionFactory, firm=SelfAttribute("..firm"))
    remote_id = Sequence(lambda n: 4001 + n)
    name = Sequence(lambda n: f"Workspace {n}")
    is_admin = True
    next_sync_at = NOW + timedelta(minutes=5)
    synced_at = NOW - timedelta(minutes=4)


class CompanyFactory(DjangoModelFactory[Company]):
    """A Billit company."""

    class Meta:
        model = Company

    firm = SubFactory(FirmFactory)
    connection = SubFactory(ConnectionFactory, firm=SelfAttribute("..firm"), service="billit")
    party_id = Sequence(lambda n: 7001 + n)
    name = Sequence(lambda n: f"Company {n}")
    vat_number = Sequence(lambda n: enterprise_number(5000 + n))
    next_sync_at = NOW + timedelta(minutes=5)
    synced_at = NOW - timedelta(minutes=4)


class WebhookFactory(DjangoModelFactory[Webhook]):
    """A webhook of a workspace; of a company with `company=`, `workspace=None` and a topic of Billit's."""

    class Meta:
        model = Webhook

    firm = LazyAttribute(lambda o: (o.workspace or o.company).firm)
    workspace = SubFactory(WorkspaceFactory)
    company = None
    topic = Webhook.Topic.ENTRIES
    token = Sequence(lambda n: f"token-of-webhook-{n}")
    token_hash = LazyAttribute(lambda o: hashlib.sha256(o.token.encode()).hexdigest())
    secret = Sequence(lambda n: f"secret-of-webhook-{n}")
    remote_id = Sequence(lambda n: 70_001 + n)
    made_at = NOW


class ClientFactory(DjangoModelFactory[Client]):
    """A Toggl client whose name carries its number."""

    class Meta:
        model = Client

    firm = SelfAttribute("workspace.firm")
    workspace = SubFactory(WorkspaceFactory)
    remote_id = Sequence(lambda n: 501 + n)
    name = Sequence(lambda n: f"Client {n} {enterprise_number(n)}")


class ProjectFactory(DjangoModelFactory[Project]):
    """A Toggl project of no client; give `client_remote_id`."""

    class Meta:
        model = Project

    firm = SelfAttribute("workspace.firm")
    workspace = SubFactory(WorkspaceFactory)
    remote_id = Sequence(lambda n: 601 + n)
    name = Sequence(lambda n: f"Project {n}")


class EntryFactory(DjangoModelFactory[Entry]):
    """A stopped entry of one hour with the tag ADV."""

    class Meta:
        model = Entry

    firm = SelfAttribute("workspace.firm")
    workspace = SubFactory(WorkspaceFactory)
    remote_id = Sequence(lambda n: 900_001 + n)
    started_at = NOW - timedelta(days=10)
    seconds = 3600
    stopped_at = LazyAttribute(lambda o: None if o.is_running else o.started_at + timedelta(seconds=o.seconds))
    is_running = False
    description = Sequence(lambda n: f"Work {n}")
    person_remote_id = 301
    person_name = "An Example"
    tags = LazyFunction(lambda: ["ADV"])
    changed_at = LazyAttribute(lambda o: o.stopped_at or o.started_at)


class ProductFactory(DjangoModelFactory[Product]):
    """A Billit product of 95 euro an hour."""

    class Meta:
        model = Product

    firm = SelfAttribute("company.firm")
    company = SubFactory(CompanyFactory)
    remote_id = Sequence(lambda n: 8001 + n)
    reference = Sequence(lambda n: f"PROD{n}")
    description = LazyAttribute(lambda o: f"Product {o.reference}")
    price = Decimal("95.00")
    vat_rate = Decimal("21.00")


def number_of_party(party_id: int) -> str:
    """The VAT number of a party, the same wherever it is named."""
    return enterprise_number(2000 + (party_id - 88_001) % 1_000)


class CustomerFactory(DjangoModelFactory[Customer]):
    """A Billit customer."""

    class Meta:
        model = Customer

    firm = SelfAttribute("company.firm")
    company = SubFactory(CompanyFactory)
    party_id = Sequence(lambda n: 88_001 + n)
    name = Sequence(lambda n: f"Customer {n}")
    vat_number = LazyAttribute(lambda o: number_of_party(o.party_id))
    language = "FR"
