"""A firm with a row of every model, each with a mark that would show if it leaked."""

from __future__ import annotations

from invoicing.models import Invoice, LedgerRow, moves
from tests.factories import (
    NOW,
    AdvanceLineFactory,
    AgreementFactory,
    AnnexFactory,
    AttemptFactory,
    BroughtOrderFactory,
    BudgetNoticeFactory,
    ClientFactory,
    ClientMappingFactory,
    ConnectionFactory,
    CorrectionFactory,
    CustomerFactory,
    DeductionFactory,
    DossierClientFactory,
    DossierFactory,
    DriftFactory,
    EntryFactory,
    InvitationFactory,
    InvoiceFactory,
    LedgerRowFactory,
    MembershipDossierFactory,
    PrepaidFactory,
    ProductFactory,
    ProjectFactory,
    ReportedMonthFactory,
    RunFactory,
    SavedViewFactory,
    TagMappingFactory,
    WebhookFactory,
    WorkspaceFactory,
    WriteBackFactory,
    enterprise_number,
)
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.models import Firm


def post_row(invoice: Invoice) -> None:
    """An annex is made of an approved invoice: it is posted afterwards."""
    row = Invoice.objects.filter(pk=invoice.pk)
    asked = {"post_requested_at": NOW, "post_requested_by": "owner@example.com"}
    moves.move(row, status=moves.Step("approved", "posting"), posting_since=NOW, **asked)
    posted = {"posting_since": None, "posted_at": NOW, "order_id": 9_471_203 + invoice.pk, "order_date": NOW.date()}
    moves.move(row, status=moves.Step("posting", "posted"), **posted)
    moves.move(LedgerRow.objects.filter(entry__claims__line__invoice=invoice), state=moves.Step("drafted", "invoiced"))
    invoice.refresh_from_db()


def furnish(firm: Firm, mark: str) -> None:
    """A row of every model, each with a mark that would show if it leaked."""
    toggl = ConnectionFactory(firm=firm, key=f"{mark}-toggl", owner_name=mark)
    workspace = WorkspaceFactory(firm=firm, connection=toggl, name=mark)
    dossier = DossierFactory(firm=firm, workspace=workspace, key=mark, name=mark, company__name=mark)
    toggl.quotas.create(firm=firm, remaining=3, resets_at="2026-11-20T10:00Z")
    client = ClientFactory(workspace=workspace, name=mark)
    ProjectFactory(workspace=workspace, name=mark)
    WebhookFactory(workspace=workspace)
    EntryFactory(workspace=workspace, description=mark)
    product = ProductFactory(company=dossier.company, description=mark, reference=mark)
    product.prices.create(firm=firm, price=product.price, since="2026-11-20")
    CustomerFactory(company=dossier.company, name=mark)
    dossier.company.pins.create(firm=firm, number=enterprise_number(1), party_id=1, pinned_at="2026-11-20T10:00Z")
    DossierClientFactory(dossier=dossier, client_remote_id=client.remote_id)
    TagMappingFactory(dossier=dossier, tag=mark)
    ClientMappingFactory(dossier=dossier, purchase_order=mark)
    BudgetNoticeFactory(agreement=AgreementFactory(dossier=dossier, key=mark, title=mark))
    PrepaidFactory(dossier=dossier, title=mark)
    LedgerRowFactory(dossier=dossier, client_name=mark)
    RunFactory(dossier=dossier)
    WriteBackFactory(entry__workspace=workspace, dossier=dossier, wanted=mark)
    invoice = InvoiceFactory(dossier=dossier, customer_name=mark, status="approved")
    AnnexFactory(invoice=invoice, name=mark)
    post_row(invoice)
    AttemptFactory(invoice=invoice)
    # An order of its own: those of the factories may be the one that was posted above.
    billed = InvoiceFactory(dossier=dossier, status="posted", customer_name=mark, order_id=8_000_000 + invoice.pk)
    advance = AdvanceLineFactory(invoice=billed)
    DeductionFactory(advance=advance)
    BroughtOrderFactory(agreement=advance.agreement, order_number=mark, description=mark)
    CorrectionFactory(invoice=invoice)
    DriftFactory(dossier=dossier, facts={"invoice": mark})
    ReportedMonthFactory(dossier=dossier)
    named = MembershipDossierFactory(dossier=dossier, membership__user__email=f"{mark}@example.com")
    SavedViewFactory(membership=named.membership, name=mark)
    dossier.month_proofs.create(firm=firm, month="2026-10-01", proved_at="2026-11-20T10:00Z")
    InvitationFactory(firm=firm, email=f"{mark}-invited@example.com")
    record(firm=firm, news=[News("run", f"dossier {mark}", {})], by=Actor(mark, ""), now=invoice.drafted_at)
