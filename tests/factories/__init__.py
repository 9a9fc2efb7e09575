"""Rows for tests, valid against every constraint. People, companies and numbers are invented.

Everything that hangs on one row shares its firm: `EntryFactory(workspace=dossier.workspace)` is in that firm's books.
`InvoiceFactory(status=...)` makes an invoice with one line, its claims and the ledger rows of their entries.
"""

from tests.factories.books import (
    AttemptFactory,
    ClaimFactory,
    ClientMappingFactory,
    CorrectionFactory,
    DossierClientFactory,
    DossierFactory,
    DriftFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    LedgerRowFactory,
    ReportedMonthFactory,
    RunFactory,
    SavedViewFactory,
    TagMappingFactory,
)
from tests.factories.declared import NOW, PASSWORD, enterprise_number
from tests.factories.mirror import (
    ClientFactory,
    CompanyFactory,
    ConnectionFactory,
    CustomerFactory,
    EntryFactory,
    FirmFactory,
    InvitationFactory,
    MembershipDossierFactory,
    MembershipFactory,
    ProductFactory,
    ProjectFactory,
    UserFactory,
    WebhookFactory,
    WorkspaceFactory,
)

__all__ = [
    "NOW",
    "PASSWORD",
    "AttemptFactory",
    "ClaimFactory",
    "ClientFactory",
    "ClientMappingFactory",
    "CompanyFactory",
    "ConnectionFactory",
    "CorrectionFactory",
    "CustomerFactory",
    "DossierClientFactory",
    "DossierFactory",
    "DriftFactory",
    "EntryFactory",
    "FirmFactory",
    "InvitationFactory",
    "InvoiceFactory",
    "InvoiceLineFactory",
    "LedgerRowFactory",
    "MembershipDossierFactory",
    "MembershipFactory",
    "ProductFactory",
    "ProjectFactory",
    "ReportedMonthFactory",
    "RunFactory",
    "SavedViewFactory",
    "TagMappingFactory",
    "UserFactory",
    "WebhookFactory",
    "WorkspaceFactory",
    "enterprise_number",
]
