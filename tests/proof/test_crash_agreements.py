"""The crash matrix with all kinds of agreements in play: every dossier has five customers, each billed in its own way.

A process is killed at each step of drafting, writing down, approving, posting, sending, replacing and taking back, and
what is left is taken up. Then every dossier has the same lines and the same amounts, whatever it was killed at.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NoReturn

import pytest
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.models import Entry
from integrations.sandbox.process import Process
from invoicing.drafting import drafts, draws, runs
from invoicing.ledger.agreements import blocks
from invoicing.models import Agreement, Attempt, Claim, Correction, Deduction, Dossier, Invoice, InvoiceLine
from tests.conftest import Outcome
from tests.factories import MembershipFactory
from tests.invoicing.scene import BY, Killed, everything
from tests.proof import agreed_deeds, steps
from tests.proof.agreed_world import CUSTOMERS, ENTRIES, agreed_world
from tests.proof.assertions import prove
from tests.proof.conftest import hasten, lapse
from tests.proof.poster import decide_and_look_up, kill_at
from tests.proof.processes import LEASE, Place
from tests.proof.world import SLUG, before_the_entries, yesterday
from tests.worlds import zulu
from toggbill.firms import audit
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db(transaction=True)
Run = Callable[..., Outcome]
DRAFTING = (*steps.DRAFTING, *steps.SETTLING, *steps.BY_AGREEMENT, *steps.FREEZING)
POSTING = (*steps.POSTING, *steps.LOOKING_UP, *steps.MISSING)
SENDING = (*steps.SENDING, *steps.FINDING_A_SENDING, *steps.MISSING_A_SENDING)
REPLACING = (*steps.DELETING, *steps.FINDING_A_DELETION, *steps.MISSING_A_DELETION)
TAKING_BACK = (*steps.DRAFTING_A_CREDIT_NOTE, *steps.CREDITING, *steps.FINDING_A_CREDIT_NOTE)
WRITING_DOWN = "inside the writing down of a line"
EARLIER, LATER = 3, 4
"""Invoices of a dossier before its hours (advances, a fee in advance, the first block), and with them."""
# By kind the amounts of a dossier's live lines at Billit, the smallest first: what each customer agreed on, once.
BILLED = {
    "fee": ["80.00", "250.00"],
    "extra": ["95.00"],
    "advance": ["50.00", "60.00", "100.00"],
    "deduction": ["-100.00", "-60.00"],
    "block": ["127.50", "127.50"],
    # An hour and one of the colleague: settled, and by the hour, where 4 % are off the first one.
    "hours": ["91.20", "95.00", "120.00", "120.00"],
}
AT_RATE = ["95.00", "95.00", "120.00", "120.00"]
# As it is once an hour of each customer but that of the fee in advance has become half an hour longer.
LONGER = BILLED | {
    "extra": ["47.50", "95.00"],
    "block": ["127.50", "127.50", "127.50"],
    "hours": ["120.00", "120.00", "136.80", "142.50"],
}


@pytest.fixture
def agreed(onboard: Callable[..., Firm], command: Run) -> Callable[..., Firm]:
    """Onboards so many dossiers whose first blocks and earlier advances are at Billit; their hours are not billed."""

    def load(count: int, *flags: str, **rules: Any) -> Firm:
        firm = onboard(agreed_world(count, **rules))
        MembershipFactory(firm=firm, user__email=BY.name, role="owner")
        assert command("sync", "--firm", SLUG, "--full").code == 0
        agreed_deeds.order_first_blocks()
        done = command("invoice", "--firm", SLUG, "--through", before_the_entries(), "--approve", "--post", *flags)
        assert done.code == 0, done.words
        assert Invoice.objects.posted().count() == EARLIER * count
        return firm

    return load


def _wait(firm: Firm) -> None:
    """Until the leases of the dead processes are over."""
    lapse(firm)
    time.sleep(LEASE + 0.1)


def _take_up(firm: Firm, run: Run, deed: Callable[[Dossier], None], *flags: str, times: int = 2) -> None:
    """A person and the command do again what the dead processes did: the first time finds out, the second goes on."""
    through = ("invoice", "--firm", SLUG, "--through", yesterday())
    for _ in range(times):
        assert run(*through).code == 0
        for dossier in Dossier.objects.filter(firm=firm):
            deed(dossier)
        done = run(*through, "--approve", "--post", *flags)
        assert done.code == 0, done.words


def _lines(dossier: Dossier) -> dict[str, list[str]]:
    """By kind what the lines at Billit come to that no credit note took back; an advance that was given back stays."""
    lines = InvoiceLine.objects.live().filter(invoice__dossier=dossier, invoice__status="posted")
    of_invoices = lines.filter(takes_back__isnull=True, invoice__kind=Invoice.Kind.INVOICE)
    hours = Claim.objects.live().of_entries().filter(line__in=of_invoices).values("line")
    found = defaultdict[str, list[Decimal]](list)
    for kind, total in of_invoices.filter(~Q(kind="hours") | Q(pk__in=hours)).values_list("kind", "total"):
        found[kind].append(total)
    return {kind: [str(total) for total in sorted(totals)] for kind, totals in found.items()}


def _holds(firm: Firm, sandbox: Process, lines: dict[str, list[str]], *, left: str, orders: int) -> None:
    """Every dossier has these live lines, and its agreements stand as they should, whatever it was killed at."""
    dossiers = list(Dossier.objects.filter(firm=firm).order_by("pk"))
    found = prove(firm, sandbox)
    assert found.entries == len(dossiers) * CUSTOMERS * ENTRIES
    assert (found.orders, found.unknown) == (len(dossiers) * orders, 0)
    for dossier in dossiers:
        assert _lines(dossier) == lines, dossier.key
        (block,) = dossier.agreements.filter(kind=Agreement.Kind.PREPAID)
        assert str(blocks.left(block)) == left, dossier.key
        hours = Claim.objects.live().filter(line__invoice__dossier=dossier)
        claimed = Counter(hours.exclude(kind=Claim.Kind.CREDIT).values_list("kind", flat=True))
        assert claimed == {"covered": 2 * ENTRIES, "prepaid": ENTRIES, "entry": 2 * ENTRIES}, dossier.key
        taken = Deduction.objects.live().filter(line__invoice__dossier=dossier, line__kind="deduction")
        assert sorted(str(row.amount) for row in taken) == ["100.00", "60.00"], dossier.key
    assert not Attempt.objects.filter(outcome__in=["pending", "no_answer"]).exists()


def test_death_inside_a_run_leaves_nothing_of_it(
    agreed: Callable[..., Firm], sandbox: Process, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other in this process, where no request is under way: what the others do with SIGKILL."""
    firm = agreed(1)
    monkeypatch.setattr(steps, "_die", _killed)
    before, through = everything(), date.fromisoformat(yesterday())
    for step in (*steps.SETTLING, *steps.BY_AGREEMENT):
        with monkeypatch.context() as patch, suppress(Killed):
            for owner, name in ((QuerySet, "bulk_create"), (drafts, "hang"), (draws, "write"), (audit, "record")):
                patch.setattr(owner, name, getattr(owner, name))  # it is as it was behind the block
            steps.STEPS[step]()
            runs.draft(dossier=Dossier.objects.get(), cut_off=through, by=BY, now=timezone.now())
            assert step == WRITING_DOWN, f"never met: {step}"
            agreed_deeds.write_down(Dossier.objects.get())
            raise AssertionError(f"never met: {step}")
        if step != WRITING_DOWN:
            assert everything() == before, step
    _take_up(firm, command, agreed_deeds.write_down, times=1)
    _holds(firm, sandbox, BILLED, left="1.00", orders=EARLIER + LATER)


def _killed() -> NoReturn:
    raise Killed


@pytest.mark.parametrize("met", [DRAFTING, POSTING], ids=["drafting", "posting"])
def test_kill_while_all_that_is_agreed_is_billed(
    met: Collection[str], agreed: Callable[..., Firm], place: Place, command: Run
) -> None:
    firm = agreed(len(met), annex=True)
    kill_at(met, place, "office")
    _wait(firm)
    _take_up(firm, command, agreed_deeds.write_down)
    _holds(firm, place.sandbox, BILLED, left="1.00", orders=EARLIER + LATER)


@pytest.mark.parametrize("met", [DRAFTING, POSTING], ids=["drafting", "posting"])
def test_kill_while_all_that_is_agreed_is_billed_is_taken_up_by_worker_and_beat(
    met: Collection[str], agreed: Callable[..., Firm], place: Place
) -> None:
    """The schedule bills by itself: no person writes anything down."""
    met = [step for step in met if step != WRITING_DOWN]
    firm = agreed(len(met), annex=True)
    Dossier.objects.filter(firm=firm).update(due_at=timezone.now(), scheduled_through=None)
    kill_at(met, place, "workers")
    lapse(firm)

    def done() -> bool:
        hasten(firm)
        served = not Dossier.objects.filter(firm=firm, scheduled_through__isnull=True).exists()
        read = Invoice.objects.posted().filter(legal_excl__isnull=False).count()
        return served and read == len(met) * (EARLIER + LATER)

    with place.at_work():
        place.until(done)
    as_worked = BILLED | {"hours": AT_RATE}
    _holds(firm, place.sandbox, as_worked, left="1.00", orders=EARLIER + LATER)


def test_kill_while_all_that_is_agreed_is_sent(agreed: Callable[..., Firm], place: Place, command: Run) -> None:
    firm = agreed(len(SENDING), "--send", mode="send")
    kill_at(SENDING, place, "office")
    _wait(firm)
    _take_up(firm, command, agreed_deeds.write_down, "--send")
    _holds(firm, place.sandbox, BILLED, left="1.00", orders=EARLIER + LATER)
    assert set(Invoice.objects.values_list("delivery", flat=True)) == {"sent"}
    orders = Counter(Invoice.objects.values_list("order_id", flat=True))
    assert Counter(row["order_id"] for row in place.sandbox.control.outbox()) == orders


def test_kill_while_what_was_agreed_is_replaced(agreed: Callable[..., Firm], place: Place, command: Run) -> None:
    """A settlement, with the advance beside it, and an invoice that was written down."""
    firm = agreed(len(REPLACING))
    _take_up(firm, command, agreed_deeds.write_down, times=1)
    for place_of, row in enumerate(Entry.objects.order_by("remote_id")):
        # The first hour of every customer but the second, who pays a fee in advance.
        if place_of % ENTRIES == 0 and place_of // ENTRIES % CUSTOMERS != 1:
            longer = zulu(row.started_at + timedelta(minutes=90))
            place.sandbox.control.put_entries({"id": row.remote_id, "stop": longer})
    assert command("sync", "--firm", SLUG, "--full").code == 0
    assert Correction.objects.filter(decision="open").count() == 2 * len(REPLACING)
    kill_at(REPLACING, place, "person")
    _wait(firm)
    _take_up(firm, command, decide_and_look_up)
    _holds(firm, place.sandbox, LONGER, left="2.00", orders=EARLIER + LATER + 2)
    assert set(Correction.objects.values_list("decision", flat=True)) == {"replaced"}
    deleted = [order["OrderID"] for order in place.sandbox.control.orders() if order["Deleted"]]
    assert len(deleted) == 2 * len(REPLACING)


def test_kill_while_what_was_agreed_is_taken_back(agreed: Callable[..., Firm], place: Place, command: Run) -> None:
    """A fee with its extra hour, a block that was drawn, an advance, a settlement, an invoice that was written down."""
    firm = agreed(len(TAKING_BACK), "--send", mode="send")
    _take_up(firm, command, agreed_deeds.write_down, "--send", times=1)
    assert set(Invoice.objects.values_list("delivery", flat=True)) == {"sent"}
    kill_at(TAKING_BACK, place, "taking back")
    _wait(firm)
    _take_up(firm, command, agreed_deeds.take_back, "--send", times=3)
    again = BILLED | {"hours": AT_RATE}
    # Five credit notes, and four invoices of what they freed.
    _holds(firm, place.sandbox, again, left="1.00", orders=EARLIER + LATER + 5 + 4)
