"""Fair: nobody's many invoices, and no Billit that does not answer, keep the workers from what others wait for.

Counted in messages and in rounds of taking what is due, since a clock would measure the machine.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from pytest_django import Settings

from integrations.clients.http.failures import Message
from integrations.clients.http.transport import RetryLater
from integrations.connections.pacing.turns import Lane, turn
from integrations.models import Company
from invoicing import tasks
from invoicing.due import posts
from invoicing.models import Invoice
from tests.factories import NOW, DossierFactory, InvoiceFactory
from tests.invoicing.scene import in_thread
from tests.queues import Queue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
MANY = 5 * posts.TOGETHER


def asked(company: Company, count: int, *, by: str = "schedule") -> list[Invoice]:
    """So many invoices of a company that wait to be posted."""
    dossier = DossierFactory(firm=company.firm, company=company)
    wish = {"post_requested_at": NOW, "post_requested_by": by}
    first = InvoiceFactory(dossier=dossier, status="approved", approved_at=NOW, **wish)
    rows = []
    for number in range(1, count):
        row = Invoice.objects.get(pk=first.pk)
        row.pk, row._state.adding, row.reference = None, True, f"{first.reference}-{number}"
        rows.append(row)
    return [first, *Invoice.objects.bulk_create(rows)]


def sends_asked(company: Company, count: int) -> None:
    """So many invoices of a company that wait to be sent."""
    rows = Invoice.objects.filter(pk__in=[row.pk for row in asked(company, count)])
    rows.update(status="posting", posting_since=NOW)
    wish = {
        "post_requested_at": None,
        "post_requested_by": "",
        "send_requested_at": NOW,
        "send_requested_by": "schedule",
    }
    rows.update(status="posted", posting_since=None, posted_at=NOW, order_id=F("pk"), **wish)


def companies(count: int = 1, *, of_connections: int = 1) -> list[Company]:
    """Companies of one firm, over so many connections."""
    dossiers = [DossierFactory()]
    dossiers += [DossierFactory(firm=dossiers[0].firm) for _ in range(count - 1)]
    made = [dossier.company for dossier in dossiers]
    for number, company in enumerate(made):
        company.connection = made[number % of_connections].connection
        company.save()
    return made


def taken(rows: Sequence[Invoice]) -> Counter[int]:
    return Counter(row.company_id for row in rows)


def under_way(stack: ExitStack, company: Company, lane: Lane = Lane.POST) -> bool:
    """A worker has a turn at the Billit of this company."""
    return stack.enter_context(turn(lane, connection=company.connection_id, firm=company.firm_id))


def post(rows: Sequence[Invoice]) -> None:
    """They wait no more."""
    nothing = {"post_requested_at": None, "post_requested_by": ""}
    Invoice.objects.filter(pk__in=[row.pk for row in rows]).update(status="void", **nothing)


def test_each_tick_takes_a_turn_of_each_connection_whatever_waits_elsewhere() -> None:
    [big], small = companies(), [companies()[0] for _ in range(5)]
    asked(big, MANY)
    for company in small:
        asked(company, 3)
    found = posts.take_due(now=NOW)
    assert taken(found) == {big.pk: posts.TOGETHER} | {company.pk: 3 for company in small}
    with ExitStack() as stack:
        assert under_way(stack, big)
        assert posts.take_due(now=NOW) == [], "no more of it while that is under way"
        more = asked(small[0], 1)
        assert posts.take_due(now=NOW) == more, "which holds up nobody else"
    assert taken(posts.take_due(now=NOW)) == {big.pk: posts.TOGETHER}


def test_more_turns_of_a_connection_where_it_was_agreed(settings: Settings) -> None:
    settings.POSTS_AT_ONCE = 3
    [big] = companies()
    asked(big, MANY)
    assert len(posts.take_due(now=NOW)) == 3 * posts.TOGETHER
    assert len(posts.take_due(now=NOW)) == 2 * posts.TOGETHER


def test_firm_has_two_turns_over_all_its_connections() -> None:
    for company in companies(6, of_connections=6):
        asked(company, 2)
    assert len(taken(posts.take_due(now=NOW))) == 2


@pytest.mark.slow
def test_companies_of_one_connection_take_turns() -> None:
    of_one = companies(3)
    for company in of_one:
        asked(company, MANY)
    served = [taken(posts.take_due(now=NOW)) for _ in range(4)]
    assert served == [{company.pk: posts.TOGETHER} for company in (*of_one, of_one[0])]


@pytest.mark.slow
def test_what_a_person_asked_for_comes_first() -> None:
    first, second = companies(2)
    asked(first, MANY)
    asked(second, MANY)
    wanted = asked(second, 2, by="bookkeeper@example.com")
    assert posts.take_due(now=NOW)[:2] == wanted


def test_what_waits_for_a_pause_holds_up_nothing_new() -> None:
    """Billit was away for many: they rest, and what is asked for meanwhile is tried."""
    [company] = companies()
    asked(company, 3 * posts.TOGETHER)
    while late := posts.take_due(now=NOW):
        for row in late:
            posts.put_off(invoice=row, why=RetryLater(Message("busy", {"what": "Billit"})), now=NOW)
    [new] = asked(company, 1)
    assert posts.take_due(now=NOW) == [new]
    assert len(posts.take_due(now=NOW + timedelta(hours=1))) == posts.TOGETHER


def test_sends_have_a_turn_of_their_own_beside_posts() -> None:
    [company] = companies()
    asked(company, MANY)
    sends_asked(company, MANY)
    found = Counter(row.status for row in posts.take_due(now=NOW))
    assert found == {"approved": posts.TOGETHER, "posted": posts.TOGETHER}


def test_run_and_page_hand_over_no_more_than_a_turn(queue: Queue) -> None:
    [company] = companies()
    tasks.enqueue_posts(asked(company, MANY))
    assert len(queue.waiting()) == 1


def test_turn_that_ends_brings_the_next(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """One tick starts it; no other is needed until all are posted, and never more than one message waits."""
    [company] = companies()
    rows = asked(company, MANY)
    monkeypatch.setattr(posts, "work_off", lambda *, invoices, **_: post(invoices))
    tasks.tick_delivery()
    assert queue.work(rounds=20).count("post_invoices") == MANY // posts.TOGETHER
    assert not Invoice.objects.filter(pk__in=[row.pk for row in rows]).exclude(status="void").exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_billit_that_does_not_answer_holds_one_thread_and_others_post(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many threads as a worker has; the first company's Billit answers when all others are through."""
    [silent], others = companies(), [companies()[0] for _ in range(10)]
    asked(silent, MANY)
    for company in others:
        asked(company, 1)
    is_asked, answers = threading.Event(), threading.Event()

    def work_off(*, invoices: Sequence[Invoice], **_: Any) -> None:
        if invoices[0].company_id == silent.pk:
            is_asked.set()
            assert answers.wait(30)
        post(invoices)

    monkeypatch.setattr(posts, "work_off", work_off)
    first = posts.take_due(now=NOW)
    mine = [row.pk for row in first if row.company_id == silent.pk]
    hanging = in_thread(lambda: tasks.post_invoices.apply(kwargs={"invoice_ids": mine}, throw=True))
    try:
        assert is_asked.wait(30)
        tasks.enqueue_due([row for row in first if row.company_id != silent.pk])
        for _ in range(3):
            tasks.tick_delivery()
        assert queue.work().count("post_invoices") == len(others)
        waiting = Invoice.objects.filter(status="approved").values_list("company", flat=True)
        assert set(waiting) == {silent.pk}
    finally:
        answers.set()
    hanging()
    queue.work(rounds=20)
    assert not Invoice.objects.filter(status="approved").exists()


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_the_same_moment_take_each_invoice_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second beat, started by mistake or for a change of machines, does no harm."""
    [company] = companies()
    rows = asked(company, 10)
    both_have_chosen, choose = threading.Barrier(2), posts._chosen

    def together(*arguments: Any) -> list[int]:
        chosen = choose(*arguments)
        both_have_chosen.wait(30)
        return chosen

    monkeypatch.setattr(posts, "_chosen", together)
    finish = in_thread(lambda: [row.pk for row in posts.take_due(now=NOW)])
    mine = [row.pk for row in posts.take_due(now=NOW)]
    assert sorted([*mine, *finish()]) == sorted(row.pk for row in rows)
