"""Drafts that still wait (R8): redrawn by the next run, left alone, or dropped; and hours that come late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from integrations.models import Entry
from invoicing.drafting import runs
from invoicing.models import Claim, Invoice, InvoiceLine
from tests.factories import enterprise_number
from tests.invoicing.scene import BY, Scene, bill, everything, ids
from tests.worlds import (
    BAKERY,
    BAKERY_PROJECT,
    GARAGE,
    GARAGE_PROJECT,
    NOW,
    client,
    entry,
    party,
    product,
    project,
)
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
TODAY = date(2026, 11, 20)


# --- redrawing --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_redraw_keeps_the_reference_takes_new_hours_and_lists_only_what_changed(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)])
    books.draft()
    bakery, garage = books.invoices()
    books.control.put_entries(entry(3, "2026-11-02", seconds=1800))
    books.sync()
    drafting = books.draft(date(2026, 11, 10))
    assert [invoice.reference for invoice, _ in drafting.moved] == [garage.reference]
    assert [invoice.reference for invoice in drafting.left] == [bakery.reference]
    garage.refresh_from_db()
    assert bill(garage) == [("Advice", Decimal("1.50"), Decimal("142.50"), ids(1, 3))]
    assert (garage.period_from, garage.period_till) == (date(2026, 10, 5), date(2026, 11, 2))
    assert garage.title == "October – November 2026"
    assert (garage.total_excl, garage.total_incl) == (Decimal("142.50"), Decimal("172.43"))
    assert Invoice.objects.count() == 2
    assert Claim.objects.filter(released_at__isnull=True).count() == Claim.objects.count() == 3
    assert books.events("invoice_drafted")[-1].data["redrawn"] is True


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"seconds": 5400},
        {"description": "Other words"},
        {"tags": ["Advice", "urgent"]},
        {"start": "2026-10-05T10:00:00Z", "stop": "2026-10-05T11:00:00Z"},
        {"project_id": 603},
        {"tags": ["Books"]},
    ],
    ids=str,
)
def test_draft_whose_entry_changed_is_redrawn_and_can_be_approved(scene: Make, change: dict[str, Any]) -> None:
    """Also changes that the bill does not show: the copy on the claim must be what the mirror shows."""
    books = scene(
        entries=[entry(1)],
        projects=[
            project(GARAGE_PROJECT, "Garage", GARAGE),
            project(603, "Garage", GARAGE),
            project(BAKERY_PROJECT, "Bakery", BAKERY),
        ],
    )
    books.draft()
    invoice = books.invoices().get()
    books.control.put_entries(entry(1, **change))
    books.sync()
    if "description" not in change:
        with pytest.raises(NotPossible, match="1 of its entries changed in Toggl since it was drafted"):
            books.approve(invoice)
        assert books.invoices().get().status == "draft"
    assert [moved.pk for moved, _ in books.draft().moved] == [invoice.pk]
    (approved,) = books.approve(invoice)
    assert (approved.status, approved.reference) == ("approved", invoice.reference)
    claim, row = Claim.objects.get(), Entry.objects.get()
    assert (claim.seconds, claim.started_at, claim.tags, claim.description, claim.project_remote_id) == (
        row.seconds,
        row.started_at,
        row.tags,
        row.description,
        row.project_remote_id,
    )


def test_draft_of_hours_that_lost_their_flag_cannot_be_approved(scene: Make) -> None:
    books = scene(entries=[entry(1, billable=True), entry(2, billable=True)])
    books.rules(billable="flagged")
    books.draft()
    books.control.put_entries(entry(2, billable=False))
    books.sync()
    with pytest.raises(NotPossible, match="1 of its entries changed"):
        books.approve()
    books.draft()
    (approved,) = books.approve()
    assert bill(approved) == [("Advice", Decimal("1.00"), Decimal("95.00"), ids(1))]
    assert books.states() == {ids(1)[0]: "drafted", ids(2)[0]: "not_billable"}


def test_the_flag_is_not_asked_where_every_hour_is_billed(scene: Make) -> None:
    books = scene(entries=[entry(1, billable=True)])
    books.draft()
    books.control.put_entries(entry(1, billable=False))
    books.sync()
    (approved,) = books.approve()
    assert approved.status == "approved"


@pytest.mark.slow
def test_draft_of_a_deleted_entry_cannot_be_approved(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    books.draft()
    books.control.delete_entries(*ids(2))
    books.sync()
    with pytest.raises(NotPossible, match="1 of its entries changed"):
        books.approve()
    books.draft()
    (approved,) = books.approve()
    assert bill(approved) == [("Advice", Decimal("1.00"), Decimal("95.00"), ids(1))]
    assert books.states() == {ids(1)[0]: "drafted", ids(2)[0]: "deleted"}


@pytest.mark.slow
def test_draft_whose_hours_are_gone_is_dropped_and_its_entries_are_free(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    books.draft()
    books.control.delete_entries(*ids(1))
    books.control.put_entries(entry(2, tags=[]))
    books.sync()
    drafting = books.draft()
    invoice = books.invoices().get()
    assert (invoice.status, drafting.moved, drafting.left) == ("void", (), ())
    assert [dropped.pk for dropped in drafting.dropped] == [invoice.pk]
    assert books.states() == {ids(1)[0]: "deleted", ids(2)[0]: "attention"}
    assert not Claim.objects.filter(released_at__isnull=True).exists()
    (event,) = books.events("invoice_void")
    assert event.data == {"reason": {"code": "no_hours_left", "facts": {}}}
    books.control.put_entries(entry(2))
    books.sync()
    books.draft()
    assert books.invoices(status="draft").get().reference != invoice.reference


@pytest.mark.slow
def test_hours_that_move_to_another_customer_leave_the_first_draft(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    books.draft()
    books.control.put_entries(entry(2, project_id=BAKERY_PROJECT))
    books.sync()
    books.draft()
    bakery, garage = books.invoices()
    assert bill(garage) == [("Advice", Decimal("1.00"), Decimal("95.00"), ids(1))]
    assert bill(bakery) == [("Advice", Decimal("1.00"), Decimal("95.00"), ids(2))]
    assert set(books.states().values()) == {"drafted"}


@pytest.mark.slow
def test_run_for_an_earlier_cut_off_leaves_later_drafts(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-05", project_id=BAKERY_PROJECT), entry(2, "2026-11-10")])
    books.draft(date(2026, 11, 15))
    before = everything()
    drafting = books.draft()
    assert (drafting.moved, drafting.dropped) == ((), ())
    assert [invoice.customer_name for invoice in drafting.left] == ["Bakery Deeg BV"]
    after = everything()
    for label in ("invoicing.Invoice", "invoicing.InvoiceLine", "invoicing.Claim", "invoicing.LedgerRow"):
        assert after[label] == before[label], label


@pytest.mark.slow
def test_run_for_an_earlier_cut_off_leaves_a_draft_that_reaches_over_it(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-05"), entry(2, "2026-11-10")])
    books.draft(date(2026, 11, 15))
    (draft,) = books.invoices()
    books.control.put_entries(entry(3, "2026-10-06"), entry(4, "2026-10-06", project_id=BAKERY_PROJECT))
    books.sync()
    drafting = books.draft()
    assert [invoice.customer_name for invoice, _ in drafting.moved] == ["Bakery Deeg BV"]
    assert (drafting.left, drafting.dropped) == ((draft,), ())
    assert bill(draft) == [("Advice", Decimal("2.00"), Decimal("190.00"), ids(1, 2))]
    assert books.states()[ids(3)[0]] == "open"
    # Nothing is left behind the cut-off of its own: it is that of the run which drew it.
    books.control.delete_entries(*ids(2))
    books.sync()
    assert draft in books.draft().left
    books.draft(date(2026, 11, 15))
    assert bill(draft) == [("Advice", Decimal("2.00"), Decimal("190.00"), ids(1, 3))]


@pytest.mark.slow
def test_approved_and_posted_invoices_are_never_redrawn(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)])
    books.draft()
    bakery, garage = books.approve()
    books.post(bakery)
    frozen = [list(Invoice.objects.order_by("pk").values()), list(InvoiceLine.objects.order_by("pk").values())]
    books.control.put_entries(entry(1, seconds=60), entry(2, seconds=60), entry(3), entry(4, project_id=BAKERY_PROJECT))
    books.sync()
    drafting = books.draft()
    assert [sorted(e.id for line in plan.lines for e in line.entries) for _, plan in drafting.moved] == [
        ids(4),
        ids(3),
    ]
    assert frozen == [
        list(Invoice.objects.filter(pk__in=[bakery.pk, garage.pk]).order_by("pk").values()),
        list(InvoiceLine.objects.filter(invoice__in=[bakery, garage]).order_by("pk").values()),
    ]


@pytest.mark.slow
def test_prices_are_frozen_when_drafted_and_todays_when_redrawn(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.draft()
    books.control.put_billit("products", product(0, "ADV", "Advice", "100.00"))
    books.sync()
    invoice = books.invoices().get()
    assert (invoice.total_excl, invoice.lines.get().unit_price) == (Decimal("95.00"), Decimal("95.00"))
    (approved,) = books.approve(invoice)
    assert books.post(approved).status == "posted"
    assert books.control.orders()[0]["TotalExcl"] == Decimal("95.00")
    books.control.put_entries(entry(2))
    books.sync()
    books.draft()
    assert books.invoices(status="draft").get().total_excl == Decimal("100.00")


@pytest.mark.slow
def test_waiting_draft_takes_a_new_price_when_it_is_redrawn(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.draft()
    reference = books.invoices().get().reference
    books.control.put_billit("products", product(0, "ADV", "Advice", "100.00"))
    books.sync()
    (redrawn,) = books.draft().moved
    assert (redrawn[0].reference, redrawn[0].total_excl) == (reference, Decimal("100.00"))


@pytest.mark.slow
def test_customer_that_billit_learns_of_keeps_its_waiting_draft(scene: Make) -> None:
    number = enterprise_number(77)
    books = scene(entries=[entry(1)], clients=[client(GARAGE, f"Newcomer {number}")], parties=[])
    books.draft()
    invoice = books.invoices().get()
    assert (invoice.buyer_key, invoice.customer_party_id) == (f"number:{number}", None)
    books.control.put_billit("parties", party(90_001, "Newcomer SRL", number))
    books.sync()
    (moved,) = books.draft().moved
    assert (moved[0].pk, moved[0].buyer_key, moved[0].customer_party_id) == (invoice.pk, "party:90001", 90_001)
    assert moved[0].customer_name == "Newcomer SRL"


@pytest.mark.slow
def test_draft_of_a_project_that_went_to_another_client_cannot_be_approved(scene: Make) -> None:
    """Neither the entry nor its project's id changed, but another customer is billed now."""
    books = scene(entries=[entry(1)])
    books.draft()
    books.control.put_toggl("projects", project(GARAGE_PROJECT, "Garage", BAKERY))
    books.sync()
    with pytest.raises(NotPossible, match="1 of its entries changed in Toggl"):
        books.approve()
    books.draft()
    (approved,) = books.approve()
    assert approved.customer_name == "Bakery Deeg BV"


# --- late hours (R8) --------------------------------------------------------------------------------------------------


def _late(books: Scene) -> dict[int, bool]:
    """Whether the line of each entry that waits is late."""
    claims = Claim.objects.filter(line__invoice__status="draft", released_at__isnull=True)
    return dict(claims.values_list("entry__remote_id", "line__is_late"))


def test_nothing_is_late_in_the_first_run(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-09-01"), entry(2, "2026-10-31")])
    books.draft()
    assert set(_late(books).values()) == {False}


@pytest.mark.slow
def test_hours_before_an_earlier_cut_off_are_late_once_its_drafts_no_longer_wait(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)], group_by="entry")
    books.draft()
    books.control.put_entries(entry(3, "2026-10-31"), entry(4, "2026-11-01"))
    books.sync()
    books.draft(date(2026, 11, 10))
    assert _late(books) == dict.fromkeys(ids(1, 2, 3, 4), False), "all of October's drafts still wait"
    bakery, garage = books.invoices()
    books.approve(bakery)
    books.draft(date(2026, 11, 10))
    assert _late(books) == dict.fromkeys(ids(1, 3, 4), False), "one of them still waits"
    books.approve(garage)
    books.control.put_entries(entry(5, "2026-11-10"), entry(6, "2026-11-11"), entry(7, "2026-10-06"))
    books.sync()
    books.draft(TODAY)
    assert _late(books) == {ids(5)[0]: True, ids(6)[0]: False, ids(7)[0]: True}


@pytest.mark.slow
def test_one_late_entry_makes_its_line_late(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.draft()
    books.approve()
    books.control.put_entries(entry(2, "2026-10-31"), entry(3, "2026-11-02"))
    books.sync()
    books.draft(TODAY)
    assert _late(books) == {ids(2)[0]: True, ids(3)[0]: True}


def test_repeated_run_for_the_same_day_calls_late_what_came_after_it(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.draft()
    books.approve()
    books.control.put_entries(entry(2))
    books.sync()
    books.draft()
    assert _late(books) == {ids(2)[0]: True}
    again = books.draft()
    assert (again.moved, _late(books)) == ((), {ids(2)[0]: True}), "a draft that waits does not flicker"


def test_voided_drafts_no_longer_wait_so_their_hours_are_late(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.draft()
    runs.void(invoice=books.invoices().get(), by=BY, now=NOW)
    books.draft(TODAY)
    assert _late(books) == {ids(1)[0]: True}


def test_untouched_draft_keeps_waiting_under_every_run_that_left_it(scene: Make) -> None:
    """November's run left October's draft as it was: while it waits, that run's hours are not late either."""
    books = scene(entries=[entry(1)])
    books.draft()
    books.draft(date(2026, 11, 10))
    books.control.put_entries(entry(2, "2026-11-05", project_id=BAKERY_PROJECT))
    books.sync()
    books.draft(TODAY)
    assert _late(books) == dict.fromkeys(ids(1, 2), False)


def test_draft_dropped_and_made_anew_by_a_repeated_run_is_not_late(scene: Make) -> None:
    """The run for October has a waiting draft until the moment in which it replaces it."""
    books = scene(entries=[entry(1)])
    books.draft()
    books.control.put_entries(entry(1, project_id=BAKERY_PROJECT))
    books.sync()
    books.draft()
    assert _late(books) == {ids(1)[0]: False}
    again = books.draft()
    assert (again.moved, _late(books)) == ((), {ids(1)[0]: False})
