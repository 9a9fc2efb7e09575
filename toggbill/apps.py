"""The site as a Django application: it brings the commands and makes the Celery application known to every process."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """The roof."""

    name = "toggbill"
    label = "toggbill"

    def ready(self) -> None:
        """Load the Celery application, so that a task called from a view or a command finds its broker."""
        from toggbill import celery  # noqa: F401, PLC0415 - the application must exist once Django is ready, not before
