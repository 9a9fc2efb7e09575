"""What is left of prepaid hours is told: on pages, on the annex, by the commands, and by mail at the threshold."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from integrations.models import Entry
from invoicing import tasks
from invoicing.annexes.content import contents
from invoicing.annexes.table import as_csv
from invoicing.due.mails import draft_mails
from invoicing.ledger.agreements import blocks
from invoicing.models import Agreement, Dossier
from tests.factories import MembershipFactory
from tests.invoicing.agreements.agreed import HOUR, PRODUCTS, order, post_all, prepaid
from tests.invoicing.scene import Scene, ids
from tests.queues import Queue
from tests.visitors import signed_in, text
from tests.worlds import GARAGE_NUMBER, GARAGE_PARTY, entry, party

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


def used(scene: Make, *seconds: int, **changes: object) -> tuple[Scene, Agreement]:
    """A block of 20 hours at Billit, and entries that a run lets draw it."""
    days = (date(2026, 10, 5 + number) for number in range(len(seconds)))
    entries = [entry(n, f"{day}", seconds=each) for n, (day, each) in enumerate(zip(days, seconds, strict=True), 1)]
    books = scene(entries=entries, products=PRODUCTS)
    agreement = prepaid(books, **changes)
    order(agreement)
    post_all(books)
    books.draft()
    return books, agreement


def test_command_orders_a_block_and_says_what_it_would_order(scene: Make) -> None:
    books = scene(entries=[], products=PRODUCTS)
    prepaid(books)
    said = books.command("agreement", "--firm", "small", "--key", "garage", "--order-block", "--dry-run")
    assert said.code == 0
    (planned,) = said.answer["invoices"]
    assert planned["reference"] is None
    assert [(line["kind"], line["quantity"], line["unit_price"], line["total"]) for line in planned["lines"]] == [
        ("block", "20.00", "85.00", "1700.00")
    ]
    assert not books.invoices()
    done = books.command("agreement", "--firm", "small", "--key", "garage", "--order-block")
    assert (done.code, done.answer["skipped"]) == (0, [])
    (invoice,) = books.invoices()
    assert done.answer["invoices"] == [planned | {"reference": invoice.reference}]
    again = books.command("agreement", "--firm", "small", "--key", "garage", "--order-block")
    assert again.code == 2
    assert "waits already" in again.words
    unknown = books.command("agreement", "--firm", "small", "--key", "none", "--order-block")
    assert unknown.code == 2
    assert "Firm “small” has no agreement “none”. Known: garage." in unknown.words


def test_month_has_the_state_and_balances(scene: Make) -> None:
    books, _ = used(scene, 3 * HOUR)
    (dossier,) = books.command("ledger", "--firm", "small", "--month", "2026-10").answer["dossiers"]
    assert dossier["states"]["prepaid"] == {"entries": 1, "seconds": 3 * HOUR}
    assert dossier["states"]["open"] == {"entries": 0, "seconds": 0}
    assert dossier["balanced"] is True


@pytest.mark.slow
def test_annex_says_what_is_left(scene: Make) -> None:
    _books, agreement = used(scene, 3 * HOUR)
    second = order(agreement)
    annex = contents([second.pk])[second.pk]
    # 17 of the first block, and the 20 that this one bills.
    assert annex.left == (("Prepaid advice", Decimal("37.00")),)
    assert "37" in as_csv(annex).decode().splitlines()[-1]


@pytest.mark.slow
def test_order_and_annex_say_what_was_left_at_the_approval_at_each_attempt(scene: Make) -> None:
    parties = [party(GARAGE_PARTY, "Garage Vonk", GARAGE_NUMBER, Language="NL")]
    books = scene(entries=[entry(1, "2026-10-05", seconds=3 * HOUR)], products=PRODUCTS, parties=parties)
    agreement = prepaid(books)
    order(agreement)
    (first,) = post_all(books)
    assert json.loads(first.accepted_body)["Comments"] == "Resterende vooruitbetaalde uren, Prepaid advice: 20,00 u"
    books.draft()
    order(agreement)
    (second,) = books.approve()
    books.die_posting(second, done=False)
    books.control.put_entries(entry(2, "2026-10-06", seconds=2 * HOUR))
    books.sync()
    books.draft()
    assert blocks.left(agreement) == Decimal("15.00")
    books.later(minutes=10)
    second = books.post(books.recover(second))
    assert (second.status, len({attempt.body_hash for attempt in books.attempts(second)})) == ("posted", 1)
    said = json.loads(second.accepted_body)["Comments"]
    assert said == "Resterende vooruitbetaalde uren, Prepaid advice: 37,00 u"
    assert contents([second.pk])[second.pk].left == (("Prepaid advice", Decimal("37.00")),)


def test_order_of_who_has_no_prepaid_hours_says_nothing_of_them(scene: Make) -> None:
    books = scene(entries=[entry(1)], products=PRODUCTS)
    assert "Comments" not in json.loads(books.posted().accepted_body)


@pytest.mark.slow
def test_pages_say_what_is_left(scene: Make) -> None:
    books, _ = used(scene, 3 * HOUR)
    client = signed_in(books.firm)
    (invoice,) = books.invoices()
    for page in (f"/invoices/{invoice.reference}/", f"/dossiers/{books.dossier.key}/"):
        assert "Prepaid advice 20.00 3.00 17.00" in text(client, page)


@pytest.mark.slow
def test_who_approves_is_told_once_when_few_hours_are_left(scene: Make, settings: Settings, queue: Queue) -> None:
    settings.PUBLIC_URL = "https://toggbill.example"
    books, _agreement = used(scene, 15 * HOUR, refill_at=Decimal(4))
    MembershipFactory(firm=books.firm, role="bookkeeper", user__email="bookkeeper@example.com")
    MembershipFactory(firm=books.firm, role="viewer", user__email="viewer@example.com")
    Dossier.objects.update(tell_drafts_at=None)
    mail.outbox.clear()
    assert draft_mails.untold() == []
    books.control.put_entries(entry(2, "2026-10-08", seconds=HOUR + 1800))
    books.sync()
    books.draft()
    assert draft_mails.untold() == [books.firm.pk]
    tasks.tick_delivery()
    queue.work()
    (sent,) = [each for each in mail.outbox if each.to == ["bookkeeper@example.com"]]
    assert sent.subject == f"{books.firm.name}: few prepaid hours are left"
    assert f"{books.dossier.name} · Prepaid advice · 3.50 h left\n" in sent.body
    assert not [each for each in mail.outbox if each.to == ["viewer@example.com"]]
    # what falls further is not told again
    books.control.put_entries(entry(3, "2026-10-09", seconds=HOUR))
    books.sync()
    books.draft()
    assert draft_mails.untold() == []
    # the next block is used up in its turn
    post_all(books)
    books.control.put_entries(entry(4, "2026-10-12", seconds=10 * HOUR), entry(5, "2026-10-13", seconds=9 * HOUR))
    books.sync()
    books.draft()
    assert draft_mails.untold() == [books.firm.pk]


@pytest.mark.slow
def test_block_without_a_threshold_is_told_of_when_it_is_used_up(scene: Make) -> None:
    books, agreement = used(scene, 15 * HOUR)
    agreement.refresh_from_db()
    assert agreement.tell_left_at is None
    books.control.put_entries(entry(2, "2026-10-08", seconds=5 * HOUR))
    books.sync()
    books.draft()
    agreement.refresh_from_db()
    assert agreement.tell_left_at == timezone.now()
    assert Entry.objects.filter(remote_id__in=ids(1, 2), ledger_row__state="prepaid").count() == 2


@pytest.mark.slow
@pytest.mark.parametrize(("rounding", "drawn"), [("entry", "0.50"), ("line", "0.28")])
def test_hours_draw_as_the_dossier_rounds_entries(scene: Make, rounding: str, drawn: str) -> None:
    """Two of 500 seconds: each a quarter of an hour; to the second where lines are rounded."""
    books = scene(entries=[entry(1, seconds=500), entry(2, "2026-10-06", seconds=500)], products=PRODUCTS)
    books.rules(rounding_minutes=15, rounding_direction="up", rounding_level=rounding)
    agreement = prepaid(books)
    order(agreement)
    post_all(books)
    books.draft()
    (event,) = books.events("hours_drawn")
    assert event.data["hours"] == drawn
