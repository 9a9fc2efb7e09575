"""What we do about it."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InvoicingConfig(AppConfig):
    """Dossiers, the ledger, runs and invoices."""

    name = "invoicing"
    verbose_name = _("Invoicing")

    def ready(self) -> None:
        """Register the triggers and the checks; they know models."""
        from invoicing.annexes import checks  # noqa: F401, PLC0415 - models are loaded by now, not before
        from invoicing.models import (  # noqa: F401, PLC0415 - models are loaded by now, not before
            block_triggers,
            deduction_triggers,
            month_triggers,
            triggers,
        )
