"""Fixtures of the proof: a place for the processes, and a firm whose schedule is due."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from integrations.mirror import sync
from integrations.models import Company, Workspace
from integrations.sandbox.process import Process
from invoicing.models import Dossier
from tests.invoicing.conftest import scene
from tests.proof.processes import LEASE, Place, database_url
from tests.proof.world import proof_world
from toggbill.firms.models import Firm

__all__ = ["scene"]  # the fixture of the books at work


@pytest.fixture
def place(sandbox: Process, tmp_path: Path, worker_id: str, settings: Settings, transactional_db: None) -> Place:
    """The database of this test, and a part of the run's broker that no other test process uses."""
    settings.POSTING_LEASE_SECONDS = settings.IN_DOUBT_SECONDS = LEASE
    broker = os.environ.get("REDIS_URL", "")
    number = 3 + int(worker_id.removeprefix("gw") if worker_id.startswith("gw") else 0)
    if broker:
        broker = f"{broker.rsplit('/', 1)[0]}/{number}"
        empty_broker(broker)
    return Place(database_url(), broker, sandbox, tmp_path)


def empty_broker(url: str) -> None:
    """What an earlier test's workers left in the queues when they were killed."""
    import redis  # noqa: PLC0415 - only where there is one

    with redis.Redis.from_url(url) as broker:
        broker.flushdb()


@pytest.fixture
def due(onboard: Callable[..., Firm]) -> Callable[..., Firm]:
    """Onboards a firm of `proof_world(**changes)` whose run is due now; nothing is read yet."""

    def load(**changes: Any) -> Firm:
        firm = onboard(proof_world(**changes))
        Dossier.objects.filter(firm=firm).update(due_at=timezone.now(), scheduled_through=None)
        return firm

    return load


def lapse(firm: Firm) -> None:
    """A quarter of an hour goes by for what a dead process had claimed: a reading, a run."""
    long_ago = timezone.now() - max(sync.LEASE, timedelta(minutes=15)) - timedelta(seconds=1)
    for model in (Workspace, Company):
        model.objects.filter(firm=firm, claimed_at__isnull=False).update(claimed_at=long_ago)
    Dossier.objects.filter(firm=firm, scheduled_through__isnull=True).update(due_at=timezone.now())


def hasten(firm: Firm) -> None:
    """A run that found its workspace being read tries again at once, rather than after 20 seconds."""
    now = timezone.now()
    waiting = Dossier.objects.filter(firm=firm, scheduled_through__isnull=True).exclude(waiting="")
    # Not one that a worker has claimed, for a quarter of an hour.
    waiting.filter(due_at__gt=now, due_at__lt=now + timedelta(minutes=1)).update(due_at=now)
