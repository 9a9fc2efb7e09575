"""The billable flag is taken off after billing: a correction where only flagged hours are billed (design section 6)."""

from __future__ import annotations

import pytest
from django.utils import timezone

from invoicing.corrections import decide, replace
from invoicing.models import Claim, Correction, Invoice
from tests.invoicing.after_billing import accept, bill_next, correction, prove, row, said
from tests.invoicing.ledger.derived import Load, edit
from tests.invoicing.scene import BY, Scene
from tests.worlds import FIRST_ENTRY, entry
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db


@pytest.fixture
def flagged(scene: Load) -> Scene:
    """Two flagged hours of the garage, at Billit, and one without the flag, which nobody bills."""
    made = scene(entries=[entry(1), entry(2, "2026-10-06"), entry(3, "2026-10-07", billable=False)], billable="flagged")
    made.posted()
    assert list(Claim.objects.values_list("billable", flat=True)) == [True, True]
    return made


@pytest.mark.slow
def test_flag_taken_off_opens_a_correction_and_put_on_again_closes_it(flagged: Scene) -> None:
    edit(flagged, billable=False)
    assert row(1) == ("invoiced", 3600, 0, 0, "billable")
    assert said(correction()) == (0, ["billable"], "open")
    done = flagged.command("reconcile", "--firm", flagged.firm.slug)
    assert [(found["kind"], found["entry"]) for found in done.answer["drift"]] == [("entry_changed", FIRST_ENTRY + 1)]
    assert done.answer["drift"][0]["sentence"].endswith(": billable flag.")
    edit(flagged, billable=True)
    assert row(1) == ("invoiced", 3600, 0, 0, "")
    assert not Correction.objects.open().exists()
    prove(flagged)


def test_flag_and_time_are_one_correction(flagged: Scene) -> None:
    edit(flagged, billable=False, stop="2026-10-05T10:30:00Z")
    assert said(correction()) == (1800, ["seconds", "billable"], "open")
    with pytest.raises(NotPossible, match="is not billable any more"):
        bill_next(correction())


def test_flag_and_tag_are_one_correction_and_the_customer_stays(flagged: Scene) -> None:
    edit(flagged, billable=False, tags=["Books"])
    assert said(correction()) == (0, ["product", "billable"], "open")


def test_accepted_flag_opens_nothing_more_until_it_changes_again(flagged: Scene) -> None:
    edit(flagged, billable=False)
    accept(correction())
    edit(flagged, description="Other words")
    assert not Correction.objects.open().exists()
    edit(flagged, billable=True)
    assert not Correction.objects.open().exists()


def test_hour_without_its_flag_is_left_out_when_the_invoice_is_replaced(flagged: Scene) -> None:
    edit(flagged, billable=False)
    (made,) = replace.replace(correction=correction(), by=BY, now=timezone.now())
    assert list(Claim.objects.live().filter(line__invoice=made).values_list("entry__remote_id", flat=True)) == [
        FIRST_ENTRY + 2
    ]
    assert flagged.states()[FIRST_ENTRY + 1] == "not_billable"


@pytest.mark.slow
def test_hour_without_its_flag_is_credited_for_good(flagged: Scene) -> None:
    flagged.send(Invoice.objects.get())
    edit(flagged, billable=False)
    note = decide.credit(correction=correction(), rebill=True, by=BY, now=timezone.now())
    flagged.post(*flagged.approve(note))
    assert flagged.states()[FIRST_ENTRY + 1] == "not_billable"
    prove(flagged)


def test_flag_taken_off_between_approval_and_posting_is_a_correction_at_once(scene: Load) -> None:
    made = scene(entries=[entry(1)], billable="flagged")
    invoice = made.approved()
    edit(made, billable=False)
    made.post(invoice)
    assert said(correction()) == (0, ["billable"], "open")


def test_flag_says_nothing_where_every_hour_is_billed(scene: Load) -> None:
    made = scene(entries=[entry(1)])
    made.posted()
    edit(made, billable=False)
    assert not Correction.objects.exists()


def test_dossier_that_bills_flagged_hours_from_now_on_corrects_nothing_of_before(scene: Load) -> None:
    made = scene(entries=[entry(1, billable=False)])
    made.posted()
    made.rules(billable="flagged")
    edit(made, description="Other words")
    assert not Correction.objects.exists()
