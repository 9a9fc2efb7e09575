"""Constraints of what is kept beside the books: sums and proofs of months, how far a reading is, tasks' durations."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from integrations.models import Workspace
from invoicing.models import LedgerRow
from invoicing.models.months import MonthProof, MonthSum
from tests.factories import NOW, DossierFactory, WorkspaceFactory
from tests.invoicing.refusing import refuses
from toggbill.models import TaskDuration

pytestmark = pytest.mark.django_db

OCTOBER = date(2026, 10, 1)


@refuses(MonthSum, "month_sum_once")
def test_sum_of_a_state_twice_in_a_month() -> None:
    dossier = DossierFactory()
    for entries in (1, 2):
        MonthSum.objects.create(
            firm=dossier.firm,
            dossier=dossier,
            month=OCTOBER,
            state=LedgerRow.State.OPEN,
            price=Decimal("95.00"),
            entries=entries,
            seconds=3600,
            corrected_entries=0,
            corrected_seconds=0,
        )


@refuses(MonthProof, "month_proof_once")
def test_proof_twice_of_a_month() -> None:
    dossier = DossierFactory()
    for _ in range(2):
        MonthProof.objects.create(firm=dossier.firm, dossier=dossier, month=OCTOBER, proved_at=NOW)


@refuses(Workspace, "workspace_whole_reading_has_its_facts")
def test_reading_of_the_whole_history_that_never_began() -> None:
    Workspace.objects.filter(pk=WorkspaceFactory().pk).update(whole_from=OCTOBER, whole_through=OCTOBER)


@refuses(TaskDuration, "task_duration_once")
def test_durations_of_a_task_twice_in_a_slot() -> None:
    for _ in range(2):
        TaskDuration.objects.create(task="sync", failed=False, up_to=100, slot=0, latest_at=NOW)
