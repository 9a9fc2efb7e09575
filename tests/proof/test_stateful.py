"""Whatever is done in whatever order, an hour stands on at most one live line and no hour disappears.

Others, and more: PROOF_EXAMPLES=500 pytest tests/proof/test_stateful.py
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any, ClassVar

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from integrations.clients.http.transport import ServiceError
from integrations.models import Entry
from invoicing.corrections import decide as corrections
from invoicing.corrections import replace
from invoicing.drafting import runs
from invoicing.ledger.states import decisions
from invoicing.models import Correction, Invoice
from invoicing.posting import read_back as reading_back
from invoicing.posting import recover as doubt
from invoicing.reconciliation import reconcile
from tests.invoicing.scene import BY, Scene
from tests.proof.assertions import figures, prove, wrong
from tests.proof.changes import Any_, Changes, pick
from tests.worlds import (
    NOW,
    small_world,
    with_another_workspace,
)
from toggbill.firms.errors import NotPossible

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
EXAMPLES = int(os.environ.get("PROOF_EXAMPLES", "8"))
# Without a number asked for, the same histories each time: a change fails by what it changed.
SAME = "PROOF_EXAMPLES" not in os.environ
STEPS = int(os.environ.get("PROOF_STEPS", "25"))
TODAY = date(2026, 11, 20)
# The answers of Billit to a new order, each with what the sandbox needs to know of it.
ANSWERS: dict[str, dict[str, Any]] = {
    "well": {},
    "cut_before": {},
    "cut_after": {},
    "html500": {},
    "truncate": {},
    "refused": {"kind": "status", "status": 400, "body": {"errors": [{"Code": "X", "Description": "No."}]}},
    "too_many": {"retry_after": 1},
    "used": {"kind": "status", "status": 409},
}
_VERBS: dict[str, Callable[..., object]] = {
    "accept": corrections.accept,
    "bill_next": corrections.bill_next,
    "replace": replace.replace,
}


class Billing(Changes):
    """People, workers and Billit, each doing what they like to one firm, beside what changes from outside."""

    make: Callable[..., Scene]
    more: ClassVar[dict[str, Any]] = {}
    made = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).made += 1
        world = with_another_workspace(small_world(group_by="entry", tags=TAGS, **self.more))
        world["firm"]["slug"] = f"small-{self.made}"
        self.books = type(self).make(world)
        self.books.at(NOW)
        self.serial = 6
        self.there = {1, 2, 3, 4, 5}
        self.begin()
        # One invoice posted and one approved, so that few steps suffice to get anywhere.
        self.books.draft(TODAY)
        approved = self.books.approve()
        self.books.post(approved[0])

    def begin(self) -> None:
        """What else there is before anything is billed."""

    # --- workers and the clock ----------------------------------------------------------------------------------------

    @rule()
    def sync(self) -> None:
        self.books.sync()

    @rule(key=st.sampled_from(["small", "another"]))
    def draft(self, key: str) -> None:
        runs.draft(dossier=self._dossiers().get(key=key), cut_off=TODAY, by=BY, now=timezone.now())

    @rule(minutes=st.sampled_from([1, 3, 10]))
    def time_passes(self, minutes: int) -> None:
        self.books.later(minutes=minutes)

    @rule(number=Any_, answer=st.sampled_from(sorted(ANSWERS)))
    def post(self, number: int, answer: str) -> None:
        invoice = pick(self.books.invoices(status="approved"), number)
        if invoice is None:
            return
        if answer == "well":
            self._post(invoice)
        else:
            fields = dict(ANSWERS[answer])
            with self.books.fault(fields.pop("kind", answer), times=1, **fields):
                self._post(invoice)

    @rule(number=Any_, done=st.booleans())
    def kill(self, number: int, done: bool) -> None:
        """The worker dies with the order made, or not made; the row stays as it was."""
        invoice = pick(self.books.invoices(status="approved"), number)
        if invoice is not None:
            with suppress(ServiceError, NotPossible):
                self.books.die_posting(invoice, done=done)

    @rule(number=Any_)
    def recover(self, number: int) -> None:
        invoice = pick(self.books.invoices(status__in=["posting", "in_doubt"]), number)
        if invoice is not None:
            self.books.recover(invoice)
        for replaced in replace.due_replacements(now=timezone.now()):
            replace.recover_replacement(invoice=replaced, by=BY, now=timezone.now())

    @rule()
    def read_back(self) -> None:
        reading_back.read_back(company=self.books.dossier.company, now=timezone.now())

    @rule()
    def reconcile(self) -> None:
        report = reconcile.reconcile(dossiers=list(self._dossiers()), now=timezone.now())
        unknown = set(self.books.invoices(status__in=["posting", "in_doubt"]).values_list("reference", flat=True))
        assert [row for row in report.drift if row.kind.startswith("order") and row.reference not in unknown] == []

    # --- people -------------------------------------------------------------------------------------------------------

    @rule(number=Any_)
    def approve(self, number: int) -> None:
        invoice = pick(self.books.invoices(status__in=["draft", "refused"]), number)
        if invoice is not None:
            with suppress(NotPossible):
                self.books.approve(invoice)

    @rule(number=Any_)
    def void(self, number: int) -> None:
        invoice = pick(self.books.invoices(status__in=["draft", "approved", "refused"]), number)
        if invoice is not None:
            runs.void(invoice=invoice, by=BY, now=timezone.now())

    @rule(number=Any_)
    def send(self, number: int) -> None:
        invoice = pick(self.books.invoices(status="posted", delivery="not_sent"), number)
        if invoice is not None:
            with suppress(NotPossible):
                self.books.send(invoice)

    @rule(number=Any_, how=st.sampled_from(["accept", "bill_next", "replace", "credit", "credit and bill"]))
    def correct(self, number: int, how: str) -> None:
        opened = Correction.objects.filter(firm=self.books.firm, decision="open").order_by("entry__remote_id", "pk")
        correction = pick(opened, number)
        if correction is None:
            return
        asked: dict[str, Any] = {"correction": correction, "by": BY, "now": timezone.now()}
        with suppress(NotPossible):
            if how.startswith("credit"):
                corrections.credit(**asked, rebill=how == "credit and bill")
            else:
                _VERBS[how](**asked)

    @rule(number=Any_, cut=st.sampled_from(["cut_before", "cut_after"]))
    def replace_without_an_answer(self, number: int, cut: str) -> None:
        with self.books.fault(cut, method="DELETE", path=r"^/v1/orders/\d+$"):
            self.correct(number=number, how="replace")

    @rule(number=Any_, verb=st.sampled_from(["hold", "release", "write_off", "reopen"]))
    def decide(self, number: int, verb: str) -> None:
        row = pick(Entry.objects.filter(firm=self.books.firm).order_by("remote_id"), number)
        if row is not None:
            reason = {"reason": "for now"} if verb in ("hold", "write_off") else {}
            with suppress(NotPossible):
                getattr(decisions, verb)(entries=[row], by=BY, now=timezone.now(), **reason)

    @rule(number=Any_)
    def post_anew(self, number: int) -> None:
        """A person looks at Billit, and finds nothing."""
        there = {order["ExternalProviderID"] for order in self.books.control.orders()}
        left = self.books.invoices(status="in_doubt", needs_person=True).exclude(reference__in=there)
        invoice = pick(left, number)
        if invoice is not None:
            with suppress(ServiceError, NotPossible):
                doubt.post_anew(invoice=invoice, by=BY, now=timezone.now())

    def _post(self, invoice: Invoice) -> None:
        with suppress(ServiceError, NotPossible):
            self.books.post(invoice)

    # --- what holds ---------------------------------------------------------------------------------------------------

    @invariant()
    def nothing_twice_and_nothing_lost(self) -> None:
        found = figures(self.books.firm, self.books.control, mirrored=False)
        assert wrong(found) == {}, found

    def teardown(self) -> None:
        """Left alone for a while, all comes to an end, and the end is right."""
        self.books.control.faults()
        for _ in range(4):
            self.books.later(minutes=10)
            for number in range(len(self.books.invoices(status__in=["posting", "in_doubt"]))):
                self.recover(number)
            self.recover(0)
            self.post_anew(0)
            for invoice in self.books.invoices(status="refused"):
                self.books.approve(invoice)
            for invoice in self.books.invoices(status="approved"):
                self._post(invoice)
        self.sync()
        if not self.books.invoices(status="in_doubt").exists():
            prove(self.books.firm, self.books.sandbox)


TAGS = [
    {"tag": "Advice", "product": "ADV"},
    {"tag": "Books", "product": "CPT"},
    {"tag": "Gift", "bill": False},
]


def test_whatever_is_done_no_hour_is_billed_twice_and_none_is_lost(scene: Callable[..., Scene]) -> None:
    Billing.make = staticmethod(scene)
    run_state_machine_as_test(
        Billing,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=SAME,
            suppress_health_check=list(HealthCheck),
        ),
    )
