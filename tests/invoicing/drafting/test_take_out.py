"""Entries are taken out of a draft: it bills the others, they are held, and no run puts them back."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.utils import timezone

from integrations.models import Entry
from invoicing.drafting.changing import take_out
from invoicing.ledger import balance
from invoicing.ledger.states import decisions
from invoicing.models import Claim, Invoice, LedgerRow
from tests.invoicing.agreements import agreed
from tests.invoicing.scene import BY, Scene, bill, everything, ids
from tests.visitors import alerts, inputs, read_of, signed_in, words
from tests.worlds import entry
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import Changed, NotPossible
from toggbill.firms.read import Read

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


def drafted(books: Scene) -> Invoice:
    books.draft()
    return books.invoices().get()


def out(invoice: Invoice, *serials: int, reason: str = "To be discussed", read: Read | None = None) -> Invoice:
    entries = Entry.objects.filter(remote_id__in=ids(*serials))
    return take_out.take_out(invoice=invoice, entries=entries, reason=reason, by=BY, now=timezone.now(), read=read)


def balanced(books: Scene) -> bool:
    return all(month.broken == [] for month in balance.months(dossiers=[books.dossier]))


def test_the_draft_bills_the_others_and_the_entry_is_held(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, seconds=7200), entry(3, tag="Books")])
    invoice = out(drafted(books), 2)
    assert bill(invoice) == [
        ("Advice", Decimal("1.00"), Decimal("95.00"), ids(1)),
        ("Bookkeeping", Decimal("1.00"), Decimal("60.00"), ids(3)),
    ]
    invoice.refresh_from_db()
    assert (invoice.status, invoice.total_excl, invoice.total_incl) == ("draft", Decimal("155.00"), Decimal("187.55"))
    assert books.states() == {ids(1)[0]: "drafted", ids(2)[0]: "held", ids(3)[0]: "drafted"}
    assert LedgerRow.objects.get(state="held").decision_text == "To be discussed"
    held = books.events("entry_held")[-1]
    assert (held.subject, held.data) == (f"entry {ids(2)[0]}", {"reason": "To be discussed", "seconds": 7200})
    redrawn = books.events("invoice_drafted")[-1]
    assert (redrawn.data["redrawn"], redrawn.data["entries"], redrawn.actor) == (True, ids(1, 3), BY.name)
    assert balanced(books)


def test_no_run_puts_it_back_until_it_is_released(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    invoice = out(drafted(books), 2)
    assert books.draft().moved == ()
    held = Entry.objects.filter(remote_id__in=ids(2))
    decisions.release(entries=held, by=BY, now=timezone.now())
    books.draft()
    assert bill(invoice) == [("Advice", Decimal("2.00"), Decimal("190.00"), ids(1, 2))]
    (approved,) = books.approve()
    assert books.post(approved).status == "posted"
    assert Claim.objects.live().count() == 2


def test_a_draft_without_hours_is_dropped(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    invoice = out(drafted(books), 1, 2)
    assert invoice.status == "void"
    assert set(books.states().values()) == {"held"}
    assert books.story(invoice) == ["invoice_drafted", "invoice_void"]
    assert balanced(books)
    assert books.draft().moved == ()


def test_what_comes_to_nothing_without_it_stays_open(scene: Make) -> None:
    books = scene(
        entries=[entry(1, seconds=240), entry(2, seconds=500), entry(3, tag="Books")],
        rounding={"minutes": 15, "direction": "nearest", "level": "line"},
    )
    invoice = drafted(books)
    assert [row[3] for row in bill(invoice)] == [ids(1, 2), ids(3)]
    out(invoice, 2)
    assert bill(invoice) == [("Bookkeeping", Decimal("1.00"), Decimal("60.00"), ids(3))]
    assert books.states() == {ids(1)[0]: "open", ids(2)[0]: "held", ids(3)[0]: "drafted"}
    assert balanced(books)


def test_its_fee_and_what_that_covers_stay_on_the_draft(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, tag="Books"), entry(3, tag="Books")], products=agreed.PRODUCTS)
    agreed.october(books, products=("ADV",))
    invoice = out(drafted(books), 3)
    assert agreed.bill(invoice) == [
        ("fee", "Flat fee · Keeping the books · October 2026", "1.00", "250.00"),
        ("hours", "Bookkeeping", "1.00", "60.00"),
    ]
    assert agreed.covers(books) == {"2026-10": [1]}
    assert books.states() == {ids(1)[0]: "covered", ids(2)[0]: "drafted", ids(3)[0]: "held"}
    out(invoice, 2)
    assert agreed.bill(invoice) == [("fee", "Flat fee · Keeping the books · October 2026", "1.00", "250.00")]
    agreed.balanced(books)


@pytest.mark.parametrize("serials", [(), (9,), (1, 9)])
def test_only_what_the_draft_bills_is_taken_out(scene: Make, serials: tuple[int, ...]) -> None:
    books = scene(entries=[entry(1), entry(2), entry(9, project_id=602)])
    books.draft()
    invoice = books.invoices(customer_name__startswith="Garage").get()
    before = everything()
    with pytest.raises(NotPossible):
        out(invoice, *serials)
    assert everything() == before


def test_nothing_leaves_an_invoice_that_is_no_draft(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    invoice = books.approved()
    before = everything()
    with pytest.raises(NotPossible, match="no draft any more"):
        out(invoice, 1)
    assert everything() == before


def test_without_a_reason_nothing_changes(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    invoice = drafted(books)
    before = everything()
    with pytest.raises(NotPossible, match="Say why"):
        out(invoice, 1, reason=" ")
    assert everything() == before


def test_it_is_done_on_what_was_read(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    invoice = drafted(books)
    read = Read.unpack(read_of(invoice))
    books.control.put_entries(entry(3))
    books.sync()
    books.draft()
    with pytest.raises(Changed):
        out(invoice, 1, read=read)
    assert set(books.states().values()) == {"drafted"}


@pytest.mark.parametrize("changed", [entry(1, seconds=5400), entry(2, seconds=5400)])
def test_hours_that_changed_since_are_drafted_again_first(scene: Make, changed: dict[str, object]) -> None:
    books = scene(entries=[entry(1), entry(2)])
    invoice = drafted(books)
    books.control.put_entries(changed)
    books.sync()
    with pytest.raises(NotPossible, match="draft again first"):
        out(invoice, 1)
    assert bill(invoice) == [("Advice", Decimal("2.00"), Decimal("190.00"), ids(1, 2))]


def test_mappings_that_changed_since_are_drafted_again_first(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    invoice = drafted(books)
    books.dossier.client_mappings.update(number="", customer_party_id=80_012, is_proposed=False)
    with pytest.raises(NotPossible, match="draft again first"):
        out(invoice, 1)


def test_the_price_of_their_day_is_kept(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    books.later(days=1)
    books.control.put_billit("products", {"ProductID": 60_001, "AmountExcl": 99})
    books.sync()
    invoice = drafted(books)
    Invoice.objects.filter(pk=invoice.pk).update(at_their_day=True)
    invoice = out(invoice, 1)
    assert bill(invoice) == [("Advice", Decimal("1.00"), Decimal("95.00"), ids(2))]
    assert invoice.at_their_day


@pytest.mark.slow
def test_the_page_takes_ticked_entries_out(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)])
    invoice = drafted(books)
    browser = signed_in(books.firm)
    at = f"/invoices/{invoice.reference}/"
    page = browser.get(at).content.decode()
    rows = {row.remote_id: row.pk for row in Entry.objects.all()}
    first, second = (rows[number] for number in ids(1, 2))
    assert sorted(inputs(page, "entry")) == sorted([str(first), str(second)])
    told = {"read": inputs(page, "read")[0], "reason": "Wait", "entry": [str(second)]}
    done = browser.post(f"{at}take-out/", told, follow=True).content.decode()
    assert alerts(done) == (
        "success: 1 entry is taken out of the draft and held: release it on Hours when it shall be billed."
    )
    assert inputs(done, "entry") == [str(first)]
    told = {"read": inputs(done, "read")[0], "reason": "Wait", "entry": [str(first)]}
    done = browser.post(f"{at}take-out/", told, follow=True).content.decode()
    assert alerts(done).startswith("success: Nothing is left on the draft, so it is dropped.")
    assert inputs(done, "entry") == []


def test_who_only_reads_sees_no_boxes_and_is_refused(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = drafted(books)
    viewer = signed_in(books.firm, "viewer")
    at = f"/invoices/{invoice.reference}/"
    page = viewer.get(at).content.decode()
    assert inputs(page, "entry") == []
    assert "Take out of the draft" not in words(page.encode())
    entry_id = Entry.objects.get().pk
    told = {"read": read_of(invoice), "reason": "Wait", "entry": [str(entry_id)]}
    assert viewer.post(f"{at}take-out/", told).status_code == 403
    assert books.states() == {ids(1)[0]: "drafted"}


def test_entries_of_others_are_not_found(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = drafted(books)
    browser = signed_in(books.firm)
    for ticked in (["99999998"], ["x"], [str(Entry.objects.get().pk), "99999999"]):
        told = {"read": read_of(invoice), "reason": "Wait", "entry": ticked}
        assert browser.post(f"/invoices/{invoice.reference}/take-out/", told).status_code in (302, 404)
    assert books.states() == {ids(1)[0]: "drafted"}


def test_the_schedule_takes_nothing_out(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2)], mode="send")
    invoice = drafted(books)
    schedule = Actor("schedule", "worker", Authority.SCHEDULE)
    with pytest.raises(Exception, match="may not do this"):
        take_out.take_out(
            invoice=invoice,
            entries=list(Entry.objects.all()),
            reason="Wait",
            by=schedule,
            now=timezone.now(),
        )
