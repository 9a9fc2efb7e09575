"""The books. One import for all of them: ``from invoicing.models import Invoice``."""

from invoicing.models.advances.brought import BroughtOrder
from invoicing.models.advances.deductions import Deduction
from invoicing.models.agreements import Agreement
from invoicing.models.budgets import BudgetNotice
from invoicing.models.dossiers import ClientMapping, CustomerPin, Dossier, DossierClient, Run, TagMapping
from invoicing.models.invoices.annexes import Annex
from invoicing.models.invoices.attempts import Attempt
from invoicing.models.invoices.claims import Claim, InvoiceLine
from invoicing.models.invoices.invoice import Invoice
from invoicing.models.invoices.waiting import NEEDS_PERSON, UNFINISHED
from invoicing.models.ledger import Correction, LedgerRow, SavedView
from invoicing.models.months import ChangedMonth, MonthProof, MonthSum
from invoicing.models.reconciliation import Drift, ReportedMonth
from invoicing.models.write_backs import WriteBack

__all__ = [
    "NEEDS_PERSON",
    "UNFINISHED",
    "Agreement",
    "Annex",
    "Attempt",
    "BroughtOrder",
    "BudgetNotice",
    "ChangedMonth",
    "Claim",
    "ClientMapping",
    "Correction",
    "CustomerPin",
    "Deduction",
    "Dossier",
    "DossierClient",
    "Drift",
    "Invoice",
    "InvoiceLine",
    "LedgerRow",
    "MonthProof",
    "MonthSum",
    "ReportedMonth",
    "Run",
    "SavedView",
    "TagMapping",
    "WriteBack",
]
