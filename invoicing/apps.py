"""What we do about it."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InvoicingConfig(AppConfig):
    """Dossiers, the ledger, runs and invoices."""

    name = "invoicing"
    verbose_name = _("Invoicing")
