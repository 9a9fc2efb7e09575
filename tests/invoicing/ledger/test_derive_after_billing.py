"""After billing: a change in Toggl is a correction beside the invoice."""

from __future__ import annotations

import pytest
from django.utils import timezone

from integrations.models import Entry, Project
from invoicing.ledger.states import derive, transitions
from invoicing.models import Claim, ClientMapping, Invoice
from tests.factories import TagMappingFactory
from tests.invoicing.ledger.derived import Load, edit, row, state
from tests.invoicing.scene import Record, Scene
from tests.worlds import (
    BAKERY,
    BAKERY_NUMBER,
    BAKERY_PROJECT,
    GARAGE_PARTY,
    GARAGE_PROJECT,
    entry,
)


@pytest.fixture
def billed(scene: Load) -> Scene:
    """An hour of Advice for the garage, at Billit."""
    made = scene(entries=[entry(1)])
    made.posted()
    assert (state(), row().seconds) == (("invoiced", ""), 3600)
    return made


@pytest.mark.parametrize(
    ("change", "seconds", "correction", "text"),
    [
        ({"stop": "2026-10-05T10:30:00Z"}, 5400, 1800, ""),
        ({"stop": "2026-10-05T09:30:00Z"}, 1800, -1800, ""),
        ({"stop": "2026-10-05T09:00:00Z"}, 0, -3600, ""),
        ({"stop": None}, 0, -3600, ""),
        ({"server_deleted_at": "2026-11-20T09:00:00Z"}, 0, -3600, ""),
        ({"tags": ["Books"]}, 3600, 0, "product"),
        ({"tags": ["Advice", "Nothing"]}, 3600, 0, ""),
        ({"tags": ["adv"]}, 3600, 0, ""),
        ({"project_id": BAKERY_PROJECT}, 3600, 0, "customer"),
        ({"project_id": BAKERY_PROJECT, "tags": ["Books"]}, 3600, 0, "product, customer"),
        ({"stop": "2026-10-05T10:30:00Z", "tags": ["Books"]}, 5400, 1800, "product"),
        ({"description": "other words"}, 3600, 0, ""),
        ({"user_id": 9002}, 3600, 0, ""),
        ({"billable": False}, 3600, 0, ""),
        ({"start": "2026-10-06T09:00:00Z", "stop": "2026-10-06T10:00:00Z"}, 3600, 0, "day"),
        ({"start": "2026-10-05T08:00:00Z", "stop": "2026-10-05T09:00:00Z"}, 3600, 0, ""),
    ],
    ids=str,
)
def test_a_change_after_billing_is_a_correction_beside_the_invoice(
    billed: Scene, change: Record, seconds: int, correction: int, text: str
) -> None:
    billed.control.switch(toggl_running_in_reports=True)
    before = Invoice.objects.values().get(), Claim.objects.values().get()
    edit(billed, **change)
    found = row()
    assert (found.state, found.seconds) == ("invoiced", seconds)
    assert (found.correction_seconds, found.correction_text) == (correction, text)
    assert (Invoice.objects.values().get(), Claim.objects.values().get()) == before
    billed.draft()
    assert Invoice.objects.count() == 1  # nothing of it is billed again


def test_a_correction_is_gone_when_the_change_is_taken_back(billed: Scene) -> None:
    edit(billed, stop="2026-10-05T10:30:00Z", tags=["Books"])
    assert (row().correction_seconds, row().correction_text) == (1800, "product")
    edit(billed, stop="2026-10-05T10:00:00Z", tags=["Advice"])
    assert (row().correction_seconds, row().correction_text) == (0, "")


def test_a_mapping_changed_after_billing_is_no_correction(billed: Scene) -> None:
    ClientMapping.objects.update(number=BAKERY_NUMBER, is_proposed=False)
    Entry.objects.update(marked_at=timezone.now())
    derive.derive_marked(now=timezone.now())
    assert (state(), row().correction_text, row().buyer_key) == (("invoiced", ""), "", f"party:{GARAGE_PARTY}")


def test_a_tag_that_bills_nothing_makes_no_other_customer(billed: Scene) -> None:
    TagMappingFactory(dossier=billed.dossier, tag="Private", bill=False, product_reference="")
    edit(billed, tags=["Advice", "Private"])
    assert (state(), row().correction_seconds, row().correction_text) == (("invoiced", ""), 0, "product")


@pytest.mark.parametrize(
    ("change", "correction", "text"),
    [
        ({"stop": "2026-10-05T10:30:00Z"}, 1800, ""),
        ({"server_deleted_at": "2026-11-20T09:00:00Z"}, -3600, ""),
        ({"tags": ["Books"]}, 0, "product"),
        ({"project_id": BAKERY_PROJECT}, 0, "customer"),
        ({"description": "other words"}, 0, ""),
    ],
    ids=str,
)
def test_what_changed_between_approval_and_posting_is_a_correction_at_once(
    scene: Load, change: Record, correction: int, text: str
) -> None:
    made = scene(entries=[entry(1)])
    invoice = made.approved()
    edit(made, **change)
    assert (row().state, row().correction_seconds, row().correction_text) == ("drafted", 0, "")
    assert made.post(invoice).status == "posted"
    assert (row().state, row().correction_seconds, row().correction_text) == ("invoiced", correction, text)
    assert Entry.objects.filter(marked_at__isnull=False).count() == 0


def test_a_project_given_to_another_client_between_approval_and_posting_is_a_correction(scene: Load) -> None:
    made = scene(entries=[entry(1)])
    invoice = made.approved()
    made.control.put_toggl("projects", {"id": GARAGE_PROJECT, "client_id": BAKERY})
    made.later(minutes=10)
    made.sync()
    assert Project.objects.get(remote_id=GARAGE_PROJECT).client_remote_id == BAKERY
    made.post(invoice)
    assert (row().state, row().correction_text) == ("invoiced", "customer")


def test_a_draft_stays_drafted_through_changes_and_is_free_again_when_void(scene: Load) -> None:
    made = scene(entries=[entry(1)])
    made.draft()
    assert state() == ("drafted", "")
    edit(made, tags=[])
    assert state() == ("drafted", "")
    from_invoice = Invoice.objects.get()
    transitions.release(invoice=from_invoice, now=timezone.now())
    derive.derive_marked(now=timezone.now())
    assert state() == ("attention", "no_tag")
    assert Claim.objects.get().released_at == timezone.now()
