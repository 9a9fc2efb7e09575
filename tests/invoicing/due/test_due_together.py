"""Dossiers that are due at the same minute: what they share is read once for all, and one round serves them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from invoicing import tasks
from invoicing.drafting import runs as drafting
from invoicing.due import runs
from invoicing.models import Dossier, Invoice, Run
from tests.factories import DossierFactory, FirmFactory, enterprise_number
from tests.invoicing.scene import Scene
from tests.queues import Queue
from tests.worlds import COMPANY, WORKSPACE, client, entry, project, small_world
from toggbill.firms.audit import Actor

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
DOSSIERS, ANOTHER = 20, 7002
DECEMBER = datetime(2026, 11, 30, 23, tzinfo=UTC)


def _two_companies() -> dict[str, Any]:
    """Twenty clients of one workspace with an hour each; one company bills those with odd numbers, another the rest."""
    numbers = range(DOSSIERS)
    world = small_world(
        clients=[client(500 + n, f"Client {n} {enterprise_number(100 + n)}") for n in numbers],
        projects=[project(600 + n, f"Project {n}", 500 + n) for n in numbers],
        entries=[entry(n, "2026-11-05", project_id=600 + n) for n in numbers],
        parties=[],
        dossiers=[
            {
                "key": f"d{n:02}",
                "toggl": "main",
                "workspace": WORKSPACE,
                "billit": "main",
                "company": (COMPANY, ANOTHER)[n % 2],
                "start": "2026-09-01",
                "clients": [500 + n],
                "tags": [{"tag": "Advice", "product": "ADV"}],
                "schedule": {"every": "monthly", "day": 1},
            }
            for n in numbers
        ],
    )
    billit = world["billit"]
    company = billit["companies"][0]
    billit["companies"].append(company | {"PartyID": ANOTHER, "VATNumber": enterprise_number(9002)})
    billit["users"][0]["companies"].append(ANOTHER)
    billit["products"] += [
        row | {"CompanyID": ANOTHER, "ProductID": row["ProductID"] + 100} for row in billit["products"]
    ]
    return world


@pytest.mark.slow
def test_twenty_dossiers_of_two_companies_are_served_in_one_round(scene: Make, queue: Queue) -> None:
    books = scene(_two_companies())
    assert set(Dossier.objects.values_list("due_at", flat=True)) == {DECEMBER}
    books.at(DECEMBER)
    tasks.tick_runs()
    assert [name.rpartition(".")[2] for _queue, name, _arguments in queue.waiting()] == ["run_dossier"]
    runs.serve(dossier=books.dossier, by=Actor.schedule(), now=timezone.now())
    assert (Run.objects.count(), Invoice.objects.drafts().count()) == (DOSSIERS, DOSSIERS)
    assert {row.due_at for row in Dossier.objects.all()} == {datetime(2026, 12, 31, 23, tzinfo=UTC)}
    asked = Counter((row["service"], row["path"].rpartition("/")[2]) for row in books.control.log())
    assert asked == {
        ("toggl", "clients"): 1,
        ("toggl", "projects"): 1,
        # What changed lately, and the window that is not invoiced.
        ("toggl", "time_entries"): 2,
        ("billit", "accountInformation"): 2,
        ("billit", "products"): 2,
        ("billit", "parties"): 2,
    }


@pytest.mark.slow
def test_what_fails_in_one_dossier_keeps_no_other_from_its_run(scene: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    books = scene(_two_companies())
    books.at(DECEMBER)
    draft = drafting.draft_derived

    def fail_for_two(**given: Any) -> Any:
        if given["dossier"].key in ("d03", "d11"):
            raise RuntimeError(given["dossier"].key)
        return draft(**given)

    monkeypatch.setattr(drafting, "draft_derived", fail_for_two)
    with pytest.raises(ExceptionGroup) as raised:
        runs.serve(dossier=books.dossier, by=Actor.schedule(), now=timezone.now())
    assert [str(error) for error in raised.value.exceptions] == ["d03", "d11"]
    assert Invoice.objects.drafts().count() == DOSSIERS - 2
    late = Dossier.objects.filter(due_at=DECEMBER + runs.LEASE)
    assert sorted(late.values_list("key", flat=True)) == ["d03", "d11"], "due again when the lease is over"


def test_dossiers_that_share_nothing_are_served_apart() -> None:
    due = {"firm": FirmFactory(), "every": "monthly", "day": 1, "due_at": DECEMBER}
    first = DossierFactory(**due)
    shares_company = DossierFactory(company=first.company, **due)
    shares_both = DossierFactory(company=first.company, workspace=shares_company.workspace, **due)
    apart = DossierFactory(**due)
    later = DossierFactory(**due | {"due_at": DECEMBER + timedelta(days=1)})
    assert runs.take_due(now=DECEMBER) == [first.pk, apart.pk]
    assert first.pk < shares_company.pk < shares_both.pk < apart.pk < later.pk


def test_chain_of_shared_readings_is_one_group_in_whatever_order() -> None:
    due = {"firm": FirmFactory(), "every": "monthly", "day": 1, "due_at": DECEMBER}
    first, one, other = (DossierFactory(**due) for _ in range(3))
    assert runs.take_due(now=DECEMBER) == [first.pk, one.pk, other.pk]
    DossierFactory(workspace=one.workspace, company=other.company, **due)
    assert runs.take_due(now=DECEMBER) == [first.pk, one.pk]
