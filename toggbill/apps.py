"""The site as a Django application: it brings the commands, the Celery application and the database's triggers."""

from typing import Any

from django.apps import AppConfig, apps
from django.core.management import call_command
from django.db import connections
from django.db.models import Field
from django.db.models.signals import post_migrate

from toggbill.database import triggers
from toggbill.database.lookups import OneOf
from toggbill.serving.cache import TABLE


class SiteConfig(AppConfig):
    """The roof."""

    name = "toggbill"
    label = "toggbill"

    def ready(self) -> None:
        """Load the Celery application, so that a task called from a view or a command finds its broker."""
        from toggbill import celery  # noqa: F401, PLC0415 - the application must exist once Django is ready, not before

        Field.register_lookup(OneOf)
        # Django asks once for each application with models; that of the books stands last.
        post_migrate.connect(install_triggers, sender=apps.get_app_config("invoicing"))
        post_migrate.connect(create_cache_table, sender=apps.get_app_config("invoicing"))


def install_triggers(*, using: str, plan: list[Any] | None = None, **_: Any) -> None:
    """At the end of ``migrate``, also of one that had nothing to migrate. ``flush`` has no plan and changes none."""
    if plan is not None:
        triggers.install(connections[using])


def create_cache_table(*, using: str, plan: list[Any] | None = None, **_: Any) -> None:
    """At the end of ``migrate``: where the rate limits are counted while Redis is away."""
    if plan is not None:
        call_command("createcachetable", TABLE, database=using, verbosity=0)
