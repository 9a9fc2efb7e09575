"""What we do about it."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InvoicingConfig(AppConfig):
    """Dossiers, the ledger, runs and invoices."""

    name = "invoicing"
    verbose_name = _("Invoicing")

    def ready(self) -> None:
        """Register the triggers and the checks; they know models. The mirror is told which tags are one."""
        from integrations.mirror import own_tags  # noqa: PLC0415 - models are loaded by now, not before
        from invoicing.annexes import checks  # noqa: F401, PLC0415 - models are loaded by now, not before
        from invoicing.models.triggers import (  # noqa: F401, PLC0415 - as above
            blocks,
            deductions,
            months,
            rows,
        )
        from invoicing.rules.text import text_key  # noqa: PLC0415 - as above

        own_tags.compare_by(text_key)
