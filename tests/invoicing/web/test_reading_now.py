"""A dossier's page says how far the reading of Toggl is, and has it read when a person asks."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from pytest_django import DjangoCaptureOnCommitCallbacks

from integrations.mirror import on_demand
from integrations.models import Workspace
from invoicing.models import Dossier
from tests.factories import NOW, DossierFactory, FirmFactory
from tests.visitors import alerts, signed_in, text
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
READ = "/dossiers/bakery/read/"


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", language="en")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return DossierFactory(firm=firm, key="bakery", name="Bakery")


def quota(dossier: Dossier, remaining: int, minutes: int = 20) -> None:
    """What Toggl's latest answer said of its budget."""
    workspace = dossier.workspace
    workspace.connection.quotas.create(
        firm=dossier.firm,
        organization_id=workspace.organization_id,
        remaining=remaining,
        resets_at=NOW + timedelta(minutes=minutes),
    )


@time_machine.travel(NOW, tick=False)
def test_toggl_is_read_when_a_person_asks(
    firm: Firm, dossier: Dossier, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    quota(dossier, 212)
    client = signed_in(firm, "bookkeeper")
    words = text(client, "/dossiers/bakery/")
    assert "Left of Toggl’s hourly budget 212 requests" in words
    assert "4 min ago" in words
    with django_capture_on_commit_callbacks() as asked:
        said = client.post(READ, follow=True).content.decode()
    assert alerts(said) == "success: Toggl is being read. This takes a moment."
    assert len(asked) == 1
    assert Workspace.objects.get(pk=dossier.workspace_id).next_sync_at == NOW
    assert "It is being read. This page looks again by itself." in said
    assert "hx-trigger" in said
    assert READ not in said.partition('id="reading"')[2].partition("</section>")[0]
    again = client.post(READ, follow=True).content.decode()
    assert alerts(again) == "info: Toggl is not read now: see when that is possible."


@time_machine.travel(NOW, tick=False)
def test_a_budget_that_is_used_up_says_when_it_opens(firm: Firm, dossier: Dossier) -> None:
    quota(dossier, 5)
    client = signed_in(firm)
    words = text(client, "/dossiers/bakery/")
    assert "Toggl’s hourly budget is used up: possible from 20 Nov 2026, 10:20 on" in words
    assert "Read Toggl now" not in words
    assert not on_demand.ask(workspace=dossier.workspace, now=NOW)
    Workspace.objects.update(next_sync_at=NOW + timedelta(hours=1))
    dossier.workspace.refresh_from_db()
    assert on_demand.ask(workspace=dossier.workspace, now=NOW + timedelta(minutes=20))


@time_machine.travel(NOW, tick=False)
def test_a_reading_under_way_is_not_asked_for_twice(firm: Firm, dossier: Dossier) -> None:
    Workspace.objects.update(claimed_at=NOW - timedelta(minutes=1))
    dossier.workspace.refresh_from_db()
    assert on_demand.reading(dossier.workspace, now=NOW).is_under_way
    assert not on_demand.reading(dossier.workspace, now=NOW + timedelta(minutes=4)).possible_at
    assert not on_demand.ask(workspace=dossier.workspace, now=NOW)
    assert on_demand.reading(dossier.workspace, now=NOW + timedelta(minutes=15)).is_under_way, "it is due again"
    Workspace.objects.update(next_sync_at=NOW + timedelta(hours=1))
    dossier.workspace.refresh_from_db()
    assert not on_demand.reading(dossier.workspace, now=NOW + timedelta(minutes=15)).is_under_way


def test_only_who_may_draft_has_it_read(firm: Firm, dossier: Dossier) -> None:
    viewer = signed_in(firm, "viewer")
    assert READ not in viewer.get("/dossiers/bakery/").content.decode()
    assert viewer.post(READ).status_code == 403
