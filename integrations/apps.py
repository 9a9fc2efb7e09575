"""What Toggl and Billit say."""

from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    """Connections, clients and mirrored rows."""

    name = "integrations"
