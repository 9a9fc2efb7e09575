"""What we do about it."""

from django.apps import AppConfig


class InvoicingConfig(AppConfig):
    """Dossiers, the ledger, runs and invoices."""

    name = "invoicing"
