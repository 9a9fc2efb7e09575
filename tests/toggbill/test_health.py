"""The two addresses for the machine that watches the site."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tests.factories import (
    ConnectionFactory,
    DossierFactory,
    WorkspaceFactory,
)
from tests.queues import broker
from toggbill.watching import waiting

pytestmark = pytest.mark.django_db


def test_healthz_answers_without_a_login() -> None:
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})


def test_readyz_is_ready_when_nothing_waits() -> None:
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True})


@pytest.mark.parametrize(("seconds", "status"), [(waiting.LATE_SECONDS - 30, 200), (waiting.LATE_SECONDS + 30, 503)])
def test_readyz_is_not_ready_when_a_row_waits_for_long(seconds: int, status: int) -> None:
    WorkspaceFactory(next_sync_at=timezone.now() - timedelta(seconds=seconds))
    answer = Client().get("/readyz")
    assert answer.status_code == status
    assert answer.json().get("failing") == (None if status == 200 else "workers")


def test_readyz_does_not_count_what_waits_for_a_person() -> None:
    long_ago = timezone.now() - timedelta(days=1)
    paused = ConnectionFactory(paused_at=long_ago)
    WorkspaceFactory(firm=paused.firm, connection=paused, next_sync_at=long_ago)
    refused = ConnectionFactory(failure="credentials")
    WorkspaceFactory(firm=refused.firm, connection=refused, next_sync_at=long_ago)
    DossierFactory(
        due_at=long_ago,
        waiting="quota_used_up",
        workspace__next_sync_at=None,
        company__next_sync_at=None,
    )
    assert Client().get("/readyz").status_code == 200


def test_readyz_is_not_ready_without_a_broker() -> None:
    with broker("redis://127.0.0.1:1/0"):
        answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "failing": "broker"})
