"""What a comparison says of differences that a person decided on, and where an order that nobody knows stands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone

from invoicing.corrections import decide
from invoicing.models import Correction, Drift, Invoice
from tests.invoicing.after_billing import accept, bill_next, correction, the
from tests.invoicing.due.comparing import compare, kinds
from tests.invoicing.scene import BY, OCTOBER, Scene
from tests.worlds import BAKERY_PROJECT, FIRST_ENTRY, entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.mark.slow
def test_difference_that_a_person_accepted_is_drift_no_more_and_another_change_is(billed: Scene) -> None:
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "start": "2026-10-05T08:30:00Z"})
    compare(billed)
    assert kinds() == [("entry_changed", FIRST_ENTRY + 1, "start, seconds")]
    accept(correction())
    billed.later(minutes=2)
    compare(billed)
    assert kinds() == []
    moved = {"start": "2026-10-05T07:30:00Z", "stop": "2026-10-05T09:00:00Z"}
    billed.control.put_entries({"id": FIRST_ENTRY + 1, **moved})
    billed.later(minutes=2)
    compare(billed)
    assert kinds() == [("entry_changed", FIRST_ENTRY + 1, "start")]
    row = Drift.objects.get(gone_at__isnull=True)
    assert row.facts["words"] is True
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T11:00:00Z"})
    billed.later(minutes=2)
    compare(billed)
    assert kinds() == [("entry_changed", FIRST_ENTRY + 1, "start, seconds")]
    assert Drift.objects.get(gone_at__isnull=True).first_seen_at == row.first_seen_at


@pytest.mark.slow
def test_smaller_difference_than_the_accepted_one_is_covered_by_it(billed: Scene) -> None:
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:30:00Z"})
    billed.sync()
    accept(correction())
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:15:00Z"})
    compare(billed)
    assert kinds() == []


@pytest.mark.slow
def test_difference_on_the_next_invoice_is_no_drift_before_and_after_it_is_posted(billed: Scene) -> None:
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:30:00Z"})
    billed.sync()
    bill_next(correction())
    compare(billed)
    assert kinds() == []
    billed.draft(OCTOBER)
    billed.post(*billed.approve())
    billed.later(minutes=2)
    compare(billed)
    assert kinds() == []


@pytest.mark.slow
def test_accepted_deletion_is_no_drift(billed: Scene) -> None:
    billed.control.delete_entries(FIRST_ENTRY + 2)
    compare(billed)
    assert kinds() == [("entry_deleted", FIRST_ENTRY + 2, "")]
    accept(correction())
    billed.later(minutes=2)
    compare(billed)
    assert kinds() == []


@pytest.mark.slow
def test_entry_on_a_credit_note_is_no_drift_unless_that_is_dropped(billed: Scene) -> None:
    billed.send(Invoice.objects.get())
    billed.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T10:30:00Z"})
    billed.sync()
    note = decide.credit(entries=[the(1)], rebill=True, by=BY, now=timezone.now())
    compare(billed)
    assert kinds() == []
    billed.post(*billed.approve(note))
    billed.later(minutes=2)
    compare(billed)
    assert kinds() == []


def test_other_tag_that_leads_to_the_same_product_is_news(scene: Make) -> None:
    books = scene(entries=[entry(1)], tags=[{"tag": "Advice", "product": "ADV"}, {"tag": "Counsel", "product": "ADV"}])
    books.posted()
    books.control.put_entries({"id": FIRST_ENTRY + 1, "tags": ["Counsel"]})
    compare(books)
    assert kinds() == []
    assert Correction.objects.count() == 0


# --- orders -----------------------------------------------------------------------------------------------------------


def test_order_whose_answer_is_awaited_is_not_unknown(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault("cut_after"):
        books.post(invoice)
    assert Invoice.objects.get().status == "in_doubt"
    compare(books)
    assert kinds() == []


@pytest.mark.slow
def test_unknown_order_stands_in_the_dossier_of_its_invoice_and_else_in_the_oldest(scene: Make) -> None:
    table = {"toggl": "main", "workspace": 4001, "billit": "main", "company": 7001, "start": "2026-10-01"}
    tags = [{"tag": "Advice", "product": "ADV"}]
    books = scene(
        entries=[entry(1, project_id=BAKERY_PROJECT)],
        dossiers=[
            {**table, "key": "first", "clients": [501], "tags": tags},
            {**table, "key": "second", "clients": [502], "tags": tags},
        ],
    )
    books.command("invoice", "--firm", "small", "--through", "2026-10-31", "--approve", "--post")
    invoice = Invoice.objects.get()
    number, reference = invoice.order_id, invoice.reference
    _forget(invoice)
    for key, expected in (("second", [(number, reference)]), ("first", [])):
        found = books.command("reconcile", "--firm", "small", "--dossier", key).answer["drift"]
        assert [(row["order_id"], row["reference"]) for row in found] == expected
    Invoice.objects.update(reference="tb-somebody-elses")
    found = books.command("reconcile", "--firm", "small").answer["drift"]
    assert [(row["kind"], row["order_id"]) for row in found] == [("order_unknown", number)]
    assert Drift.objects.get(gone_at__isnull=True).dossier.key == "first"


def _forget(invoice: Invoice) -> None:
    """As if it had never been posted."""
    for line in invoice.lines.all():
        line.claims.all().delete()
    Invoice.objects.update(status="void", order_id=None, posted_at=None)
