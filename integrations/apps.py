"""What Toggl and Billit say."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IntegrationsConfig(AppConfig):
    """Connections, clients and mirrored rows."""

    name = "integrations"
    verbose_name = _("Toggl and Billit")
