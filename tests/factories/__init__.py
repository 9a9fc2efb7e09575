"""Rows for tests, valid against every constraint. People, companies and numbers are invented.

Everything that hangs on one row shares its firm: `EntryFactory(workspace=dossier.workspace)` is in that firm's books.
`InvoiceFactory(status=...)` makes an invoice with one line, its claims and the ledger rows of their entries.
"""

from tests.factories.books import (
    AgreementFactory,
    ClientMappingFactory,
    DossierClientFactory,
    DossierFactory,
    LedgerRowFactory,
    PrepaidFactory,
    RunFactory,
    TagMappingFactory,
)
from tests.factories.declared import NOW, PASSWORD, enterprise_number
from tests.factories.invoices import (
    AnnexFactory,
    AttemptFactory,
    BlockLineFactory,
    ClaimFactory,
    CorrectionFactory,
    FeeLineFactory,
    InvoiceFactory,
    InvoiceLineFactory,
)
from tests.factories.kept import (
    ChangedMonthFactory,
    DriftFactory,
    MonthProofFactory,
    MonthSumFactory,
    ReportedMonthFactory,
    SavedViewFactory,
)
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
    "AgreementFactory",
    "AnnexFactory",
    "AttemptFactory",
    "BlockLineFactory",
    "ChangedMonthFactory",
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
    "FeeLineFactory",
    "FirmFactory",
    "InvitationFactory",
    "InvoiceFactory",
    "InvoiceLineFactory",
    "LedgerRowFactory",
    "MembershipDossierFactory",
    "MembershipFactory",
    "MonthProofFactory",
    "MonthSumFactory",
    "PrepaidFactory",
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
