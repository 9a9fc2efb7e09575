"""Everything at once and twice: workers, beats, messages, commands; and clocks that do not agree."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from integrations.clients.http.failures import Message
from integrations.mirror.sync import sync_workspace
from integrations.models import Entry
from invoicing.corrections import replace
from invoicing.drafting import runs
from invoicing.due import posts as delivery
from invoicing.ledger import locks
from invoicing.ledger.states import derive
from invoicing.models import Attempt, ClientMapping, Correction, Dossier, Invoice, LedgerRow
from invoicing.models.problems import Code
from invoicing.posting import post, recover
from invoicing.posting.sending import send
from invoicing.reconciliation import reconcile
from tests.factories import enterprise_number
from tests.invoicing.scene import BY, Scene, in_thread, somebody_waits, until, waiting
from tests.proof.assertions import prove
from tests.proof.processes import PATIENCE, ROOT, Place
from tests.proof.world import SLUG, yesterday
from tests.worlds import COMPANY, GARAGE_NUMBER, GARAGE_PARTY, NOW, client, entry
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.firms.models import AuditEvent, Firm

pytestmark = pytest.mark.django_db(transaction=True)
Make = Callable[..., Scene]
HOUR = timedelta(hours=1)
SEND = "/v1/orders/commands/send"
ORDERS = {"service": "billit", "method": "POST", "path": "^/v1/orders$"}
_TWICE = """
import django; django.setup()
from invoicing.models import Invoice
from invoicing.tasks import post_invoices
for invoice_id in [*Invoice.objects.values_list("pk", flat=True)] * 2: post_invoices.delay(invoice_ids=[invoice_id])
"""


@pytest.mark.slow
def test_two_workers_two_beats_messages_twice_and_two_commands_make_each_order_once(
    due: Callable[..., Firm], place: Place
) -> None:
    firm = due(clients=8, entries=1)
    done = subprocess.run([sys.executable, "manage.py", "sync"], cwd=ROOT, env=place.environment, check=False)
    assert done.returncode == 0
    now = timezone.now()
    dossier = Dossier.objects.select_related("firm", "workspace__firm", "company").get(firm=firm)
    Dossier.objects.update(due_at=None)
    drafting = runs.draft(dossier=dossier, cut_off=now.date() - timedelta(days=1), by=Actor.command(), now=now)
    for invoice, _ in drafting.moved:
        runs.approve(invoice=invoice, by=Actor.command(), now=now)
        delivery.request(invoice=invoice, send=False, by=BY, now=now)
    # Two hundredths of a second are long enough for another to look at the same invoice.
    place.sandbox.control.faults(ORDERS | {"kind": "slow", "seconds": 0.02})
    asked = ["--firm", SLUG, "--through", yesterday(), "--post"]
    with place.at_work(workers=2, beats=2):
        others = [
            place.start([sys.executable, "-c", _TWICE]),
            *(place.start([sys.executable, "manage.py", "invoice", *asked]) for _ in range(2)),
        ]
        codes = [process.wait(PATIENCE) for process in others]
        place.until(lambda: not Invoice.objects.filter(legal_excl__isnull=True).exists())
    assert codes == [0, 0, 0], place.log.read_text()[-3000:]
    found = prove(firm, place.sandbox)
    assert (found.invoices, found.orders, found.unknown) == (8, 8, 0)
    posts = [
        row for row in place.sandbox.control.log("billit") if (row["method"], row["path"]) == ("POST", "/v1/orders")
    ]
    assert len(posts) == 8
    assert Attempt.objects.filter(firm=firm).count() == 8
    assert AuditEvent.objects.filter(firm=firm, type="invoice_posted").count() == 8


def _under_way(
    books: Scene, invoice: Invoice, requests: int = 1, at: timedelta = timedelta(0)
) -> Callable[[], Invoice]:
    """A post that has reached Billit and waits for its answer; call it for what it came to."""
    finish = in_thread(lambda: post.post(invoice=invoice, by=BY, now=NOW + at))
    until(lambda: len(books.asked("POST", "/v1/orders")) == requests)
    return finish


def test_clock_an_hour_ahead_while_the_order_is_under_way_makes_no_second_order(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault("slow", seconds=0.8, times=1):
        first = _under_way(books, invoice)
        ahead = NOW + HOUR
        assert recover.recover(invoice=invoice, by=BY, now=ahead).status == "approved"
        second = post.post(invoice=invoice, by=BY, now=ahead)
        assert second.status == "posted"
        assert first().status == "posted"
    assert [attempt.outcome for attempt in books.attempts(invoice)] == ["absent", "accepted"]
    assert {row["headers"]["idempotency-key"] for row in books.asked("POST", "/v1/orders")} == {invoice.key}
    assert [row["status"] for row in books.asked("POST", "/v1/orders")] == [409, 200]
    assert prove(books.firm, books.sandbox).orders == 1


@pytest.mark.parametrize("done", [True, False], ids=["order made", "order not made"])
def test_clock_an_hour_behind_after_the_claim_waits_and_then_posts_once(scene: Make, done: bool) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault("cut_after" if done else "cut_before"):
        assert post.post(invoice=invoice, by=BY, now=NOW + HOUR).status == "in_doubt"
    found = recover.recover(invoice=invoice, by=BY, now=NOW)
    if done:
        assert found.status == "posted"
    else:
        assert found.status == "in_doubt"
        assert found.not_before == NOW + HOUR + timedelta(seconds=120)
        assert recover.recover(invoice=invoice, by=BY, now=NOW + HOUR + timedelta(seconds=121)).status == "approved"
        assert post.post(invoice=invoice, by=BY, now=NOW).status == "posted"
    assert prove(books.firm, books.sandbox).orders == 1


def test_lease_of_a_clock_that_ran_ahead_is_taken_up_when_it_is_over(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    moment = books.later(hours=1)
    books.die_posting(invoice, done=False)
    books.at(moment - HOUR)
    assert recover.recover(invoice=invoice, by=BY, now=NOW).status == "posting"
    late = NOW + HOUR + timedelta(seconds=301)
    assert recover.recover(invoice=invoice, by=BY, now=late).status == "approved"
    assert post.post(invoice=invoice, by=BY, now=late).status == "posted"
    assert prove(books.firm, books.sandbox).orders == 1


def test_answer_that_comes_when_the_invoice_is_approved_again_settles_it(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    with books.fault("slow", seconds=0.6, times=1):
        first = _under_way(books, invoice)
        assert recover.recover(invoice=invoice, by=BY, now=NOW + HOUR).status == "approved"
        assert first().status == "posted"
    # Nothing is sent again, and nobody can drop an invoice that Billit has.
    assert post.post(invoice=invoice, by=BY, now=NOW + HOUR).status == "posted"
    with pytest.raises(NotPossible):
        runs.void(invoice=invoice, by=BY, now=NOW + HOUR)
    assert len(books.asked("POST", "/v1/orders")) == 1
    assert prove(books.firm, books.sandbox).orders == 1


def test_no_to_an_attempt_that_was_given_up_says_nothing_of_the_one_under_way(scene: Make) -> None:
    """Otherwise the invoice would stand as refused, could be dropped, and its hours billed again beside the order."""
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    slow = ORDERS | {"kind": "slow", "times": 1}
    books.control.faults(slow | {"seconds": 1.0}, slow | {"seconds": 2.0})
    first = _under_way(books, invoice)
    assert recover.recover(invoice=invoice, by=BY, now=NOW + HOUR).status == "approved"
    second = _under_way(books, invoice, requests=2, at=HOUR)
    # Billit refuses the first when its turn comes, and takes the second.
    books.control.put_billit("parties", {"PartyID": GARAGE_PARTY, "CompanyID": 7999})
    assert first().status == "posting"
    books.control.put_billit("parties", {"PartyID": GARAGE_PARTY, "CompanyID": COMPANY})
    assert second().status == "posted"
    assert [attempt.outcome for attempt in books.attempts(invoice)] == ["absent", "accepted"]
    derive.derive_marked(now=NOW + HOUR)
    assert prove(books.firm, books.sandbox).orders == 1


@pytest.mark.parametrize("verb", ["draft", "derive"])
def test_who_holds_the_log_never_waits_for_who_wants_it(scene: Make, verb: str) -> None:
    """All take the firm first, then mappings and entries: crosswise, the database would end one of the two."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time: nobody waits crosswise")
    books = scene(entries=[entry(1)])
    books.control.put_toggl("clients", client(503, f"Newcomer {enterprise_number(13)}"))
    sync_workspace(workspace=books.dossier.workspace, now=NOW, full=True)
    locks.mark(entries=Entry.objects.values_list("pk", flat=True), now=NOW)
    verbs: dict[str, Callable[[], object]] = {
        "draft": books.draft,
        "derive": lambda: derive.derive(workspace=books.dossier.workspace, now=NOW),
    }
    with transaction.atomic():
        lock_firm(books.firm)
        finish = in_thread(verbs[verb])
        until(somebody_waits)
        assert derive.derive(workspace=books.dossier.workspace, now=NOW) == 1
    finish()
    assert ClientMapping.objects.filter(client_remote_id=503, is_proposed=True).count() == 1


@pytest.mark.parametrize(("verb", "state"), [("draft", "drafted"), ("post", "invoiced")])
def test_verdict_that_was_read_before_the_claim_is_not_written_after_it(scene: Make, verb: str, state: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time: nobody reads and writes in between")
    books = scene(entries=[entry(1)])
    verbs: dict[str, Callable[[], object]] = {"draft": books.draft}
    if verb == "post":
        invoice = books.approved()
        verbs["post"] = lambda: post.post(invoice=invoice, by=BY, now=NOW)

    def judge() -> int:
        """What a sync does when the entry has changed."""
        locks.mark(entries=Entry.objects.values_list("pk", flat=True), now=NOW)
        return derive.derive(workspace=books.dossier.workspace, now=NOW)

    with transaction.atomic():
        # Whoever wants to write the row waits here, in the order of coming: the verb first, then the verdict.
        LedgerRow.objects.select_for_update().get()
        claiming = in_thread(verbs[verb])
        until(lambda: waiting() == 1)
        judging = in_thread(judge)
        until(lambda: waiting() == 2)
    claiming()
    judging()
    assert LedgerRow.objects.get().state == state


def test_command_reads_the_totals_that_an_earlier_call_left_unread(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    assert invoice.legal_excl is None
    assert books.invoice("--post").code == 0
    assert books.invoices(legal_excl=95).count() == 1


def test_reconciliation_says_nothing_of_an_order_that_is_being_replaced(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.posted()
    books.control.put_entries(entry(1, seconds=7200))
    books.sync()
    with (
        books.fault("cut_after", method="DELETE", path=r"^/v1/orders/\d+$"),
        pytest.raises(NotPossible, match="looked up"),
    ):
        replace.replace(correction=Correction.objects.get(), by=BY, now=NOW)
    report = reconcile.reconcile(dossiers=[books.dossier], now=NOW)
    assert [drift for drift in report.drift if drift.kind.startswith("order")] == []
    (anew,) = replace.recover_replacement(invoice=invoice, by=BY, now=NOW)
    assert books.post(anew).status == "posted"
    assert prove(books.firm, books.sandbox).orders == 1


def _sending(books: Scene, invoice: Invoice, requests: int, at: timedelta) -> Callable[[], Invoice]:
    """A sending that has reached Billit and waits for its answer; call it for what it came to."""
    finish = in_thread(lambda: send.send(invoice=invoice, by=BY, now=NOW + at))
    until(lambda: len(books.asked("POST", SEND)) == requests)
    return finish


def test_no_to_a_sending_that_was_given_up_says_nothing_of_the_one_under_way(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    slow = {"service": "billit", "method": "POST", "path": SEND, "kind": "slow", "times": 1}
    books.control.faults(slow | {"seconds": 1.5}, slow | {"seconds": 3.0})
    first = _sending(books, posted, 1, timedelta(0))
    # After its lease it is looked up, given up, and sent anew.
    second = _sending(books, posted, 2, HOUR)
    # Billit refuses the first when its turn comes, and takes the second.
    books.control.put_peppol({"number": GARAGE_NUMBER, "documents": []})
    first()
    books.control.put_peppol({"number": GARAGE_NUMBER})
    second()
    assert post.fresh(posted).delivery == "sent"
    assert [attempt.outcome for attempt in books.attempts(posted, "send")] == ["absent", "accepted"]
    assert len(books.control.outbox()) == 1


def test_yes_to_a_sending_that_was_given_up_is_noted_and_nothing_is_sent_again(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    with books.fault("slow", path=SEND, seconds=1.5, times=1):
        first = _sending(books, posted, 1, timedelta(0))
        late = NOW + HOUR
        attempt = posted.attempts.get(intent="send")
        absent = Message(Code.SHOWN_AS_NOT_SENT)
        send._settle(post.fresh(posted), attempt, Invoice.Delivery.NOT_SENT, Attempt.Outcome.ABSENT, absent, BY, late)
        assert post.fresh(posted).delivery == "not_sent"
        assert first().delivery == "sent"
    assert send.send(invoice=posted, by=BY, now=late).delivery == "sent"
    assert (len(books.asked("POST", SEND)), len(books.control.outbox())) == (1, 1)
