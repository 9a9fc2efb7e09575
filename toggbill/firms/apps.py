"""The floor: who is asking."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FirmsConfig(AppConfig):
    """Users, firms, memberships and the chain of audit events."""

    name = "toggbill.firms"
    label = "firms"
    verbose_name = _("Firm")

    def ready(self) -> None:
        """Register the triggers, and what follows when an account changes; both know models."""
        from toggbill.firms import triggers  # noqa: F401, PLC0415 - models are loaded by now, not before
        from toggbill.firms.accounts import signals  # noqa: F401, PLC0415 - the same
