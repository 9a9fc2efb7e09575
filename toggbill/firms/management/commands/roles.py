"""``roles``: prints the table of who may do what, as it stands in the README (Markdown, for people)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import translation

from toggbill.firms.access import as_markdown


class Command(BaseCommand):
    """The table of rights. Unlike the other commands it prints no JSON: it is pasted, not read by a machine."""

    help = "Print the table of roles for the README."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """In English, whatever the language of the machine."""
        with translation.override("en"):
            self.stdout.write(as_markdown())
