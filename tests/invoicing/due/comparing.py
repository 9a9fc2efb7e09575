"""Comparing the books by night and on demand, and what stands of it."""

from __future__ import annotations

from django.utils import timezone

from invoicing import tasks
from invoicing.due import comparisons
from invoicing.models import Drift
from tests.invoicing.scene import Scene
from tests.queues import Queue
from tests.worlds import NOW


def night(books: Scene, queue: Queue) -> None:
    """The clocks go on to the dossier's moment of the coming night, and the ticks do what is due."""
    tasks.tick_reconcile()
    queue.work()
    books.at(books.dossier.reconcile_at or NOW)
    tasks.tick_reconcile()
    queue.work()


def compare(books: Scene) -> None:
    """Now, as when a person asks for it."""
    assert comparisons.ask(dossier=books.dossier, now=timezone.now())
    assert comparisons.serve(dossier=books.dossier, now=timezone.now()) is not None


def kinds() -> list[tuple[str, int | None, str]]:
    """What stands: kind, entry, and what of it changed."""
    rows = Drift.objects.filter(gone_at__isnull=True).order_by("kind", "entry_remote_id")
    return [(row.kind, row.entry_remote_id, ", ".join(row.facts.get("changed", []))) for row in rows]
