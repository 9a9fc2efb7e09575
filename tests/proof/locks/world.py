"""One firm in which every transaction that writes has something to lock: several rows of each kind."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from allauth.mfa.models import Authenticator
from django.db import models

from integrations.models import Company, Connection, Entry, Quota
from invoicing.models import Attempt, Claim, Correction, Dossier, Invoice, LedgerRow
from invoicing.posting.post import fresh
from tests.factories import (
    NOW,
    AgreementFactory,
    AttemptFactory,
    BroughtOrderFactory,
    BudgetNoticeFactory,
    ClaimFactory,
    ClientFactory,
    ClientMappingFactory,
    CompanyFactory,
    ConnectionFactory,
    CorrectionFactory,
    CustomerFactory,
    DossierFactory,
    DriftFactory,
    EntryFactory,
    FeeLineFactory,
    FirmFactory,
    InvitationFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    LedgerRowFactory,
    MembershipFactory,
    MonthProofFactory,
    PrepaidFactory,
    ProductFactory,
    ProjectFactory,
    TagMappingFactory,
    UserFactory,
    WebhookFactory,
    WorkspaceFactory,
    WriteBackFactory,
    enterprise_number,
)
from toggbill.firms.models import Firm, User

TODAY = date(2026, 11, 20)
BUYER = 66_001


@dataclass(frozen=True)
class World:
    """Names and the rows that they stand for, read anew at each call: a verb changes the object that it is given."""

    keys: dict[str, tuple[type[models.Model], list[int]]]

    def all(self, name: str) -> list[Any]:
        """Rows, the last first: a verb may rely on no order."""
        model, keys = self.keys[name]
        return list(model._default_manager.filter(pk__in=keys).order_by("-pk"))

    def one(self, name: str) -> Any:
        """The first row of this name."""
        model, keys = self.keys[name]
        row = model._default_manager.get(pk=keys[0])
        return fresh(row) if isinstance(row, Invoice) else row

    def ids(self, name: str) -> list[int]:
        """Row ids, the last first."""
        return sorted(self.keys[name][1], reverse=True)


def build() -> World:
    """Make the firm."""
    firm = FirmFactory(slug="ours")
    named: dict[str, list[Any]] = {"firm": [firm]}
    _people(firm, named)
    _services(firm, named)
    _hours(named)
    _invoices(named)
    return World({name: (type(rows[0]), [row.pk for row in rows]) for name, rows in named.items()})


def _people(firm: Firm, named: dict[str, list[Any]]) -> None:
    MembershipFactory(firm=firm)
    named["owner"] = [MembershipFactory(firm=firm)]
    named["viewer"] = [MembershipFactory(firm=firm, role="viewer")]
    lost, busy = MembershipFactory(firm=firm, role="viewer"), MembershipFactory(firm=firm, role="viewer")
    MembershipFactory(firm=FirmFactory(slug="theirs"), user=busy.user)
    for row in (lost, busy):
        Authenticator.objects.create(user=row.user, type=Authenticator.Type.TOTP, data={"secret": "s"})
    named |= {"lost": [lost], "busy": [busy.user], "guest": [UserFactory()]}
    named["newcomer's invitation"] = [InvitationFactory(firm=firm)]
    named["guest's invitation"] = [InvitationFactory(firm=firm, email=named["guest"][0].email)]
    named["asking"] = [UserFactory(asked_firm="A New One")]
    for _ in range(2):
        User.objects.filter(pk=UserFactory(asked_firm="Never Proven").pk).update(joined_at=NOW - timedelta(days=30))


def _services(firm: Firm, named: dict[str, list[Any]]) -> None:
    read = ConnectionFactory(firm=firm)
    signed_in = ConnectionFactory(firm=firm, service="billit", method="sign_in", refresh_secret="r" * 32)
    Connection.objects.filter(pk=signed_in.pk).update(expires_at=NOW)
    paused = ConnectionFactory(firm=firm, paused_at=NOW)
    named |= {"read": [read], "signed in": [signed_in], "paused": [paused]}
    Quota.objects.create(firm=firm, connection=read, organization_id=0, remaining=3, resets_at=NOW)
    workspaces = [WorkspaceFactory(firm=firm, connection=read) for _ in range(3)]
    for _ in range(2):
        WorkspaceFactory(firm=firm, connection=paused)
    companies = [CompanyFactory(firm=firm, connection=signed_in) for _ in range(3)]
    named |= {"workspaces": workspaces[:2], "companies": companies[:2], "spare": workspaces[2:]}
    for company in companies:
        product = ProductFactory(company=company, reference="ADV")
        product.prices.create(firm=firm, price=Decimal("80.00"), since=TODAY - timedelta(days=90))
        named.setdefault("prices", []).append(
            product.prices.create(firm=firm, price=product.price, since=TODAY - timedelta(days=2))
        )
        CustomerFactory(company=company, party_id=BUYER)
        CustomerFactory(company=company)
        Company.objects.filter(pk=company.pk).update(marked_at=NOW)
        WebhookFactory(workspace=None, company=company, topic="orders")
    for workspace in workspaces:
        WebhookFactory(workspace=workspace)
        for number in range(2):
            client = ClientFactory(workspace=workspace)
            ProjectFactory(workspace=workspace, remote_id=601 + number, client_remote_id=client.remote_id)
    # Two dossiers of one company: what changes there concerns two workspaces.
    made = [DossierFactory(firm=firm, workspace=each, company=companies[0]) for each in workspaces[:2]]
    Dossier.objects.filter(pk__in=[row.pk for row in made]).update(
        mode="send", no_limit=True, every="daily", due_at=NOW, reconcile_at=NOW, annex=True
    )
    named["dossiers"] = list(made)
    for dossier in made:
        TagMappingFactory(dossier=dossier)
        client = dossier.workspace.clients.order_by("remote_id")[0]
        ClientMappingFactory(dossier=dossier, client_remote_id=client.remote_id, number="", customer_party_id=BUYER)
    named["drift"] = [DriftFactory(dossier=dossier) for dossier in made]


def _hours(named: dict[str, list[Any]]) -> None:
    dossier: Any = named["dossiers"][0]
    for state, fields in {
        "open": {},
        "held": {"decision": "held", "decision_text": "Agreed"},
        "written_off": {"decision": "written_off", "decision_text": "Agreed"},
    }.items():
        rows = [LedgerRowFactory(dossier=dossier, state=state, **fields).entry for _ in range(2)]
        named[state] = list(rows)
    named["doubtful"] = [LedgerRowFactory(dossier=dossier, reason="implausible").entry for _ in range(2)]
    ClientFactory(workspace=dossier.workspace, name="Bakery")
    for reason, tags in (("unknown_tag", ["Advise"]), ("no_vat", ["ADV"]), ("no_tag", [])):
        for _ in range(2):
            LedgerRowFactory(dossier=dossier, reason=reason, client_name="Bakery", tags=tags)
    other: Any = named["dossiers"][1]
    named["elsewhere"] = [LedgerRowFactory(dossier=other).entry for _ in range(2)]
    # They lost a project that is still there.
    lost = {"marked_at": NOW, "last_project_remote_id": 601}
    named["marked"] = [EntryFactory(workspace=dossier.workspace, **lost) for _ in range(3)]
    Entry.objects.update(project_remote_id=601)


def _invoice(dossier: Any, status: str, **fields: Any) -> Invoice:
    """One with two entries on its line."""
    made: Invoice = InvoiceFactory(dossier=dossier, status=status, with_line=False, hours=Decimal("3.00"), **fields)
    line = InvoiceLineFactory(invoice=made, quantity=Decimal("3.00"), with_claim=False)
    for seconds in (7200, 3600):
        ClaimFactory(line=line, seconds=seconds)
    return made


def _invoices(named: dict[str, list[Any]]) -> None:
    dossier: Any = named["dossiers"][0]
    for name, status, fields in (
        ("drafts", "draft", {}),
        ("approved", "approved", {"post_requested_at": NOW, "post_requested_by": "x"}),
        ("posting", "posting", {}),
        ("unsent", "posted", {}),
        ("sending", "posted", {"delivery": "sending", "sending_since": NOW}),
        ("sent", "posted", {"delivery": "sent", "delivery_due_at": NOW}),
        ("replacing", "posted", {"replacing_since": NOW}),
    ):
        named[name] = [_invoice(dossier, status, **fields) for _ in range(2)]
    for each in named["dossiers"]:
        MonthProofFactory(dossier=each)
    # What Toggl is to write, is being asked to write, and has refused.
    leased = {"written": "facturé", "is_sure": False, "lease_until": NOW + timedelta(minutes=5)}
    refused = {"failure": "refused", "tries": 1, "due_at": NOW + timedelta(hours=1)}
    for name, fields in (("to tag", {}), ("tagging", leased), ("not tagged", refused)):
        named[name] = [WriteBackFactory(dossier=dossier, **fields) for _ in range(2)]
    # What agreements bill, and hours that a fee covers.
    client = dossier.workspace.clients.order_by("remote_id")[0].remote_id
    named["prepaid"] = [PrepaidFactory(dossier=dossier, client_remote_id=client, products=["X"])]
    named["agreements"] = [AgreementFactory(dossier=dossier) for _ in range(2)]
    for each in named["agreements"]:
        BudgetNoticeFactory(agreement=each)
    named["with a fee"] = [_invoice(dossier, "posted", delivery="sent")]
    named["fees"] = [FeeLineFactory(invoice=named["with a fee"][0], agreement=named["agreements"][0])]
    for _ in range(2):
        covered = LedgerRowFactory(dossier=dossier, state="covered", agreement=named["agreements"][0])
        ClaimFactory(line=named["fees"][0], row=covered, kind="covered")
    number = enterprise_number(77)
    named["advances"] = [
        AgreementFactory(dossier=dossier, kind="advance", client_remote_id=None, number=number, products=["NONE"])
    ]
    named["brought"] = [BroughtOrderFactory(agreement=named["advances"][0], customer_vat=number) for _ in range(2)]
    doubt = _invoice(dossier, "in_doubt", needs_person=True)
    named["in doubt"] = [doubt]
    named["in doubt's attempt"] = [AttemptFactory(invoice=doubt, outcome=Attempt.Outcome.NO_ANSWER)]
    for name, intent in (("posting", "post"), ("sending", "send"), ("replacing", "delete")):
        pending = {"intent": intent, "outcome": Attempt.Outcome.PENDING}
        named[f"{name}'s attempts"] = [AttemptFactory(invoice=row, **pending) for row in named[name]]
    sent = _invoice(dossier, "posted", delivery="sent")
    named["note"] = [_note(sent, "posting")]
    named["note's attempt"] = [AttemptFactory(invoice=named["note"][0], outcome=Attempt.Outcome.PENDING)]
    named["draft note"] = [_note(_invoice(dossier, "posted", delivery="sent"), "draft")]
    # More and less time: what is alike is decided together.
    for name, seconds in (("unsent", 1800), ("sent", -1800)):
        row: Any = named[name][0]
        claim = Claim.objects.filter(line__invoice=row).order_by("pk").first()
        named[f"{name}'s correction"] = [CorrectionFactory(invoice=row, claim=claim, seconds=seconds)]
    waiting: Any = named["unsent"][1]
    claim = Claim.objects.filter(line__invoice=waiting).order_by("pk").first()
    named["decided"] = [CorrectionFactory(invoice=waiting, claim=claim, decision="next_invoice")]
    for correction in Correction.objects.all():
        LedgerRow.objects.filter(entry=correction.entry).update(correction_seconds=correction.seconds)
        Entry.objects.filter(pk=correction.entry_id).update(seconds=correction.claim.seconds + correction.seconds)
    # The waiting draft of the customer that the mapping leads to, with hours from before the price changed.
    named["earlier"] = [_invoice(dossier, "draft", buyer_key=f"party:{BUYER}", earlier_seconds=10_800)]
    claims = Claim.objects.filter(line__invoice__in=[row.pk for row in named["earlier"]])
    client = dossier.workspace.clients.order_by("remote_id")[0]
    Entry.objects.filter(claims__in=claims).update(project_remote_id=601)
    claims.update(project_remote_id=601, client_remote_id=client.remote_id)


def _note(about: Invoice, status: str) -> Invoice:
    """A credit note that takes both entries of an invoice back."""
    made: Invoice = InvoiceFactory(
        dossier=about.dossier, kind="credit_note", about=about, status=status, with_line=False, hours=Decimal("3.00")
    )
    line = InvoiceLineFactory(invoice=made, quantity=Decimal("3.00"), with_claim=False)
    for claim in Claim.objects.filter(line__invoice=about):
        row = LedgerRow.objects.get(entry=claim.entry)
        ClaimFactory(line=line, row=row, kind="credit", takes_back=claim, seconds=claim.seconds)
    return made
