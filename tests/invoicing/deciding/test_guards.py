"""Guards of a dossier (R11): four eyes in verbs, worker and database; what lies above the usual waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from invoicing.deciding import guards
from invoicing.deciding.guards import Deviation
from invoicing.drafting import runs
from invoicing.due import posts
from invoicing.due import runs as rounds
from invoicing.models import Dossier, Invoice
from invoicing.posting import post
from invoicing.posting.sending import send
from tests.factories import DossierFactory, InvoiceFactory, UserFactory
from tests.invoicing.scene import BY, Scene
from tests.worlds import NOW, entry
from toggbill.firms.access import NotAllowed
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import NotPossible

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
WORKER = Actor("schedule", "worker")
OTHER = Actor("owner@example.com", "page", Authority.COMMAND)
WHY = "wants four eyes: bookkeeper@example.com approved invoice"


# --- four eyes --------------------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(scene: Make) -> tuple[Scene, Invoice]:
    """An invoice at Billit that the bookkeeper approved, of a dossier that wants four eyes."""
    books = scene(entries=[entry(1)], four_eyes=True)
    return books, books.posted()


def test_who_approved_does_not_send_by_any_verb(guarded: tuple[Scene, Invoice]) -> None:
    books, posted = guarded
    for ask in (posts.request_send, send.send):
        with pytest.raises(NotAllowed, match=WHY):
            ask(invoice=posted, by=BY, now=NOW)
    with pytest.raises(NotAllowed, match=WHY):
        posts.request_sends(invoices=[posted], by=BY, now=NOW)
    assert (post.fresh(posted).send_requested_at, books.control.outbox()) == (None, [])
    assert send.send(invoice=posted, by=OTHER, now=NOW).delivery == "sent"


def test_who_approves_does_not_ask_for_the_sending_along_with_the_posting(scene: Make) -> None:
    books = scene(entries=[entry(1)], four_eyes=True)
    approved = books.approved()
    with pytest.raises(NotAllowed, match=WHY):
        posts.request(invoice=approved, send=True, by=BY, now=NOW)
    posts.request(invoice=approved, send=True, by=OTHER, now=NOW)
    assert post.fresh(approved).send_requested_by == OTHER.name


def test_who_approved_does_not_send_under_another_address(scene: Make) -> None:
    books = scene(entries=[entry(1)], four_eyes=True)
    books.draft()
    approver = replace(BY, user=9001)
    approved = runs.approve(invoice=books.invoices().get(), by=approver, now=NOW)
    posted = books.post(approved)
    assert (posted.approved_by, posted.approved_by_user) == (BY.name, 9001)
    renamed = replace(approver, name="bookkeeping@example.com")
    for ask in (posts.request_send, send.send):
        with pytest.raises(NotAllowed, match=WHY):
            ask(invoice=posted, by=renamed, now=NOW)
    # Nor does a wish that stands in the row.
    Invoice.objects.filter(pk=posted.pk).update(
        send_requested_at=NOW, send_requested_by=renamed.name, send_requested_by_user=9001
    )
    with pytest.raises(NotPossible, match="Have somebody else send it"):
        send.send(invoice=posted, by=WORKER, now=NOW, background=True)
    assert (post.fresh(posted).send_requested_by_user, books.control.outbox()) == (None, [])
    # Who has the approver's former address by now is somebody else.
    successor = replace(BY, user=9002)
    posts.request_send(invoice=posted, by=successor, now=NOW)
    assert send.send(invoice=posted, by=WORKER, now=NOW, background=True).delivery == "sent"
    assert post.fresh(posted).send_requested_by_user == 9002


def test_a_wish_of_before_the_guard_is_stopped_at_the_worker(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    posts.request_send(invoice=posted, by=BY, now=NOW)
    books.rules(four_eyes=True)
    with pytest.raises(NotPossible, match="Have somebody else send it"):
        send.send(invoice=posted, by=BY, now=NOW, background=True)
    row = post.fresh(posted)
    assert (row.attention, row.attention_facts) == ("same_eyes", {"who": BY.name})
    assert (row.delivery, row.send_requested_at, books.due(), books.control.outbox()) == ("not_sent", None, [], [])


@pytest.mark.parametrize(
    ("four_eyes", "by", "refused"),
    [(True, "owner@example.com", True), (True, "manager@example.com", False), (False, "owner@example.com", False)],
)
def test_the_database_refuses_that_it_leaves(four_eyes: bool, by: str, refused: bool) -> None:
    invoice = InvoiceFactory(dossier=DossierFactory(four_eyes=four_eyes), status="posted", with_line=False)
    assert invoice.approved_by == "owner@example.com"
    moment = f"{NOW:%Y-%m-%d %H:%M:%S}"
    statement = (
        f"UPDATE invoicing_invoice SET delivery = 'sending', sending_since = '{moment}', send_requested_by = '{by}', "
        f"send_requested_at = '{moment}' WHERE id = {invoice.pk}"
    )
    if refused:
        with pytest.raises(DatabaseError, match="the dossier wants four eyes"), transaction.atomic():
            _execute(statement)
    else:
        _execute(statement)
    # Nor is it made the same afterwards, while it leaves.
    if four_eyes and not refused:
        turned = f"UPDATE invoicing_invoice SET approved_by = '{by}' WHERE id = {invoice.pk}"
        with pytest.raises(DatabaseError, match="the dossier wants four eyes"), transaction.atomic():
            _execute(turned)


@pytest.mark.parametrize(
    ("approver", "sender", "name", "refused"),
    [
        (9001, 9001, "renamed@example.com", True),
        (9001, 9002, "owner@example.com", False),
        (None, 9001, "owner@example.com", True),
        (9001, None, "owner@example.com", True),
        (9001, None, "operator", False),
    ],
)
def test_the_database_knows_people_by_their_account(
    approver: int | None, sender: int | None, name: str, refused: bool
) -> None:
    dossier = DossierFactory(four_eyes=True)
    invoice = InvoiceFactory(dossier=dossier, status="posted", with_line=False, approved_by_user=approver)
    moment = f"{NOW:%Y-%m-%d %H:%M:%S}"
    statement = (
        f"UPDATE invoicing_invoice SET delivery = 'sending', sending_since = '{moment}', send_requested_by = '{name}', "
        f"send_requested_by_user = {sender or 'NULL'}, send_requested_at = '{moment}' WHERE id = {invoice.pk}"
    )
    if not refused:
        _execute(statement)
        return
    with pytest.raises(DatabaseError, match="the dossier wants four eyes"), transaction.atomic():
        _execute(statement)


def test_accounts_of_earlier_approvals_are_found_by_their_address() -> None:
    owner = UserFactory(email="owner@example.com")
    known = InvoiceFactory(status="posted", delivery="sending", with_line=False)
    gone = InvoiceFactory(status="posted", with_line=False, approved_by="former@example.com")
    migration = import_module("invoicing.migrations.0031_four_eyes_of_accounts")
    migration.find_accounts(apps, SimpleNamespace(connection=connection, execute=_execute))
    found = {row.pk: (row.approved_by_user, row.send_requested_by_user) for row in Invoice.objects.all()}
    assert found == {known.pk: (owner.pk, owner.pk), gone.pk: (None, None)}


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("column", ["four_eyes", "deviation"])
def test_the_database_refuses_rules_that_cannot_be(column: str) -> None:
    dossier = DossierFactory(mode="send")
    values = {"four_eyes": ("true" if connection.vendor == "postgresql" else "1"), "deviation": "1001"}
    name = {"four_eyes": "dossier_four_eyes_sends_by_hand", "deviation": "dossier_deviation_in_range"}[column]
    with pytest.raises(DatabaseError, match=name), transaction.atomic():
        _execute(f"UPDATE invoicing_dossier SET {column} = {values[column]} WHERE id = {dossier.pk}")


# --- deviation --------------------------------------------------------------------------------------------------------


def billed(dossier: Dossier, *hours: str, key: str = "party:88001") -> None:
    """Posted invoices of one customer at 95 euro an hour, the oldest first."""
    for number, each in enumerate(hours):
        InvoiceFactory(
            dossier=dossier,
            status="posted",
            buyer_key=key,
            hours=Decimal(each),
            posted_at=NOW - timedelta(days=30 - number),
        )


def unposted(dossier: Dossier, hours: str, key: str = "party:88001") -> Invoice:
    made: Invoice = InvoiceFactory(dossier=dossier, status="approved", buyer_key=key, hours=Decimal(hours))
    return made


def test_mean_of_the_latest_six_of_the_same_customer() -> None:
    dossier = DossierFactory(deviation=50)
    # The seventh, the oldest, does not count, nor does another customer's.
    billed(dossier, "100.00", "1.00", "2.00", "3.00", "1.00", "2.00", "3.00")
    billed(dossier, "200.00", key="party:99")
    # 2 h x 95.00 = 190.00 in the mean, so that 285.00 passes and one cent more does not.
    assert guards.deviation(unposted(dossier, "3.00")) is None
    assert guards.deviation(unposted(dossier, "3.01")) == Deviation(Decimal("190.00"), 6, 51)
    assert guards.deviation(unposted(dossier, "4.00")) == Deviation(Decimal("190.00"), 6, 100)


def test_nothing_to_compare_with_and_a_guard_that_is_off_let_pass() -> None:
    dossier = DossierFactory(deviation=1)
    assert guards.deviation(unposted(dossier, "1000.00")) is None
    billed(dossier, "1.00")
    assert guards.deviation(unposted(dossier, "1.02")) == Deviation(Decimal("95.00"), 1, 2)
    dossier.deviation = 0
    assert guards.deviation(unposted(dossier, "1000.00")) is None


def test_what_is_not_at_billit_and_credit_notes_do_not_count() -> None:
    dossier = DossierFactory(deviation=10)
    billed(dossier, "2.00")
    unposted(dossier, "500.00")
    about = Invoice.objects.get(status="posted")
    InvoiceFactory(
        dossier=dossier, status="posted", kind="credit_note", about=about, buyer_key="party:88001", hours=Decimal(900)
    )
    assert guards.deviation(unposted(dossier, "2.21")) == Deviation(Decimal("190.00"), 1, 11)


@pytest.mark.parametrize(("deviation", "status"), [(0, "approved"), (99, "draft"), (100, "approved")])
def test_the_schedule_leaves_what_deviates_to_a_person(scene: Make, deviation: int, status: str) -> None:
    """One hour in September's invoice, two hours in October's: 100 per cent more."""
    books = scene(
        entries=[entry(1, "2026-09-07"), entry(2, "2026-10-05", seconds=7200)],
        schedule={"every": "monthly", "day": 1},
        mode="post",
        deviation=deviation,
    )
    books.draft(through=NOW.date().replace(month=9, day=30))
    (first,) = books.approve()
    books.post(first)
    Dossier.objects.update(due_at=timezone.now(), scheduled_through=NOW.date().replace(month=10, day=1))
    rounds.serve(dossier=books.dossier, by=Actor.schedule(), now=timezone.now())
    second = books.invoices(total_excl="190.00").get()
    assert second.status == status
    if status == "draft":
        with pytest.raises(NotAllowed, match="lies too far above the customer’s latest ones"):
            runs.approve(invoice=second, by=Actor.schedule(), now=NOW)
        assert runs.approve(invoice=second, by=BY, now=NOW).status == "approved"
