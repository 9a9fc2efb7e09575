"""Whatever is done in whatever order, with fee agreements in play: each period and each hour is billed at most once.

Others, and more: PROOF_EXAMPLES=500 pytest tests/proof/test_stateful_agreements.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from django.db.models import QuerySet
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from integrations.clients.http.transport import ServiceError
from invoicing.corrections import decide, fees
from invoicing.corrections import replace as correcting
from invoicing.dossiers import mappings
from invoicing.dossiers.agreements import agreements
from invoicing.drafting import blocks, settlement
from invoicing.drafting.changing.discounts import Wish, write_line
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.ledger.states import derive
from invoicing.models import Agreement, Claim, InvoiceLine
from invoicing.posting import post
from invoicing.rules.judging.mapping import TagRule
from tests.invoicing.agreements.agreed import ADVANCES, terms
from tests.invoicing.scene import BY, Scene
from tests.proof.assertions import billed_as, is_of_another
from tests.proof.changes import Any_, pick
from tests.proof.test_stateful import EXAMPLES, SAME, STEPS, TODAY, Billing
from tests.worlds import BAKERY, GARAGE, OWNER
from toggbill.firms.errors import NotPossible

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
FEE, ADVANCE = "Flat fee", "Advance"
Amounts = st.sampled_from(["250.00", "0.00", "99.99"])
Plans = st.sampled_from(
    [
        ((date(2026, 9, 1), Decimal("250.00")), (date(2026, 11, 1), Decimal("99.99"))),
        ((date(2026, 10, 15), Decimal("1000.00")), (date(2027, 1, 15), Decimal("250.00"))),
    ]
)
Days = st.sampled_from([date(2026, 9, 15), date(2026, 10, 31), date(2026, 11, 10)])
# The garage pays a fee for its bookkeeping, with no hour included, and has prepaid advice; the bakery pays advances.
_NOTHING = Decimal(0)
IN_PLAY: list[dict[str, Any]] = [
    {"client_id": GARAGE, "products": ("CPT",), "included_hours": _NOTHING, "extra_product": "CPT"},
    {"client_id": GARAGE, "kind": "prepaid", "product": "ADV", "products": ("ADV",), "amount": _NOTHING}
    | {"hours": Decimal(2), "price": Decimal(85), "refill_at": Decimal(1)},
    {"client_id": BAKERY, "kind": "advance", "product": "PROV", "amount": Decimal("99.99"), "settle_on": "10-31"},
]


class BillingByAgreement(Billing):
    """The same firm, whose people agree on fees, advances and blocks, order and settle, change them and end them."""

    more: ClassVar[dict[str, Any]] = {"products": ADVANCES, "start": "2026-09-01"}
    agreed = 0

    def __init__(self) -> None:
        """Something of each kind is billed from the beginning on: few steps would seldom get there."""
        super().__init__()
        self.bill_all()
        kinds = set(InvoiceLine.objects.filter(invoice__firm=self.books.firm).values_list("kind", flat=True))
        assert kinds == {"fee", "extra", "advance", "hours", "deduction", "block"}

    def begin(self) -> None:
        for asked in IN_PLAY:
            self._agree(**asked)
        self.order_a_block(number=0)
        # The advances before the hours, so that these are settled less those.
        self._bill_through(date(2026, 9, 30))

    @rule(
        client=st.sampled_from([GARAGE, BAKERY]),
        amount=Amounts,
        every=st.sampled_from(["month", "quarter"]),
        in_advance=st.booleans(),
        included=st.sampled_from([None, "0", "2.5"]),
        products=st.sampled_from([(), ("ADV",), ("CPT",)]),
    )
    def agree_on_a_fee(
        self, client: int, amount: str, every: str, in_advance: bool, included: str | None, products: tuple[str, ...]
    ) -> None:
        self._agree(
            client_id=client,
            amount=Decimal(amount),
            every=every,
            in_advance=in_advance,
            included_hours=None if included is None else Decimal(included),
            extra_product="" if included is None else "ADV",
            products=products,
        )

    @rule(client=st.sampled_from([GARAGE, BAKERY]), amount=Amounts, products=st.sampled_from([(), ("ADV",), ("CPT",)]))
    def agree_on_advances(self, client: int, amount: str, products: tuple[str, ...]) -> None:
        self._agree(kind="advance", product="PROV", client_id=client, amount=Decimal(amount), products=products)

    @rule(client=st.sampled_from([GARAGE, BAKERY]), plan=Plans, settle_on=st.sampled_from(["", "10-31", "12-31"]))
    def agree_on_a_plan(self, client: int, plan: tuple[tuple[date, Decimal], ...], settle_on: str) -> None:
        asked = {"kind": "advance", "product": "PROV", "amount": Decimal(0)}
        self._agree(**asked, client_id=client, plan=plan, settle_on=settle_on)

    @rule(client=st.sampled_from([GARAGE, BAKERY]), refill_at=st.sampled_from([None, Decimal(1)]))
    def agree_on_blocks(self, client: int, refill_at: Decimal | None) -> None:
        block = {"kind": "prepaid", "product": "ADV", "amount": Decimal(0), "hours": Decimal(3), "price": Decimal(85)}
        self._agree(**block, client_id=client, refill_at=refill_at)

    @rule(number=Any_)
    def order_a_block(self, number: int) -> None:
        agreement = pick(self._agreements().filter(kind=Agreement.Kind.PREPAID), number)
        if agreement is not None:
            with suppress(NotPossible):
                blocks.order_block(agreement=agreement, by=BY, now=timezone.now())

    @rule(number=Any_, day=Days)
    def settle(self, number: int, day: date) -> None:
        agreement = pick(self._agreements().filter(kind=Agreement.Kind.ADVANCE), number)
        if agreement is not None:
            with suppress(NotPossible):
                settlement.settle(agreement=agreement, through=day, by=BY, now=timezone.now())

    @rule(number=Any_, amount=Amounts)
    def change_an_amount(self, number: int, amount: str) -> None:
        agreement = self._any_agreement(number)
        if agreement is not None:
            with suppress(NotPossible):
                changed = replace(agreement_of(agreement), amount=Decimal(amount))
                agreements.change(agreement=agreement, terms=changed, by=BY, now=timezone.now())
            derive.derive_marked(now=timezone.now())

    @rule(number=Any_, day=Days)
    def end_an_agreement(self, number: int, day: date) -> None:
        agreement = self._any_agreement(number)
        if agreement is not None:
            with suppress(NotPossible):
                agreements.end(agreement=agreement, last_day=day, by=BY, now=timezone.now())
            derive.derive_marked(now=timezone.now())

    @rule()
    def bill_all(self) -> None:
        """What is due is drafted, approved, posted and sent, so that few steps suffice to take it back."""
        self._bill_through(TODAY)

    def _bill_through(self, day: date) -> None:
        self.books.draft(day)
        for invoice in self.books.invoices(status="draft"):
            with suppress(NotPossible):
                self.books.approve(invoice)
        for invoice in self.books.invoices(status="approved"):
            self._post(invoice)
        self.read_back()
        for invoice in self.books.invoices(status="posted", delivery="not_sent"):
            with suppress(NotPossible, ServiceError):
                self.books.send(invoice)

    @rule(number=Any_)
    def take_back_a_line(self, number: int) -> None:
        """A fee with its period, what is left of an advance, a block with what it paid."""
        live = InvoiceLine.objects.live().filter(agreement__in=self._agreements(), takes_back__isnull=True)
        lines = live.filter(invoice__status="posted", invoice__kind="invoice").exclude(kind__in=["hours", "deduction"])
        line = pick(lines.order_by("pk").select_related("invoice"), number)
        if line is not None:
            invoice = post.fresh(line.invoice)
            with suppress(NotPossible):
                fees.credit_lines(invoice=invoice, lines=[line.pk], by=BY, now=timezone.now())

    @rule(number=Any_, rebill=st.booleans())
    def take_back_all_hours(self, number: int, rebill: bool) -> None:
        """Of an invoice; of a settlement, its deductions with them."""
        invoice = pick(self.books.invoices(status="posted", kind="invoice").exclude(delivery="not_sent"), number)
        claims = Claim.objects.live().of_entries().filter(line__invoice=invoice)
        entries = [claim.entry for claim in claims.select_related("entry").order_by("pk")]
        if invoice is not None and entries:
            with suppress(NotPossible):
                decide.credit(entries=entries, rebill=rebill, by=BY, now=timezone.now())

    @rule(number=Any_, line=Any_, per_cent=st.sampled_from(["0.00", "10.00", "100.00", "-5.00"]))
    def write_a_line(self, number: int, line: int, per_cent: str) -> None:
        invoice = pick(self.books.invoices(status="draft", kind="invoice"), number)
        found = None if invoice is None else pick(invoice.lines.order_by("position"), line)
        if invoice is not None and found is not None:
            asked: dict[str, Any] = {"position": found.position, "reason": "A gesture", "by": BY}
            with suppress(NotPossible):
                write_line(invoice=invoice, wish=Wish(per_cent=Decimal(per_cent)), now=timezone.now(), **asked)

    @rule(product=st.sampled_from(["ADV", "FIS", "LOST"]), tag=st.sampled_from(["Advice", ""]))
    def rate_a_person(self, product: str, tag: str) -> None:
        row = TagRule(tag, product, person=OWNER)
        mappings.map_tags(dossier=self.books.dossier, rules=[row], by=BY, now=timezone.now())
        derive.derive_marked(now=timezone.now())

    @rule(number=Any_)
    def delete_an_order_in_billit(self, number: int) -> None:
        """By hand; a person bills it anew. Where that cannot be, the order comes back."""
        invoice = pick(self.books.invoices(status="posted", kind="invoice", replacing_since=None), number)
        if invoice is not None:
            self.books.control.change_order(invoice.order_id or 0, Deleted=True)
            try:
                correcting.bill_anew(invoice=invoice, by=BY, now=timezone.now())
            except NotPossible:
                self.books.control.change_order(invoice.order_id or 0, Deleted=False)

    @invariant()
    def no_period_is_billed_twice(self) -> None:
        """Of Billit's own orders: what a credit note shows again is taken back."""
        shown: Counter[str] = Counter()
        for order in self.books.control.orders():
            if not order["Deleted"]:
                sign = -1 if order["OrderType"] == "CreditNote" else 1
                texts = [line["Description"] for line in order["OrderLines"]]
                shown.update(dict.fromkeys({billed_as(text) for text in texts if self._is_fee(text)}, sign))
        assert {text: count for text, count in shown.items() if count > 1} == {}

    @staticmethod
    def _is_fee(text: str) -> bool:
        return text.startswith((FEE, ADVANCE)) and not is_of_another(text)

    def _agree(self, **changes: Any) -> None:
        """Under a title of its own, so that the lines of two agreements differ. One whose scope meets another's is
        refused."""
        type(self).agreed += 1
        name = f"agreed-{self.agreed}"
        with suppress(NotPossible):
            wanted = terms(key=name, title=name, **changes)
            agreements.agree(dossier=self.books.dossier, terms=wanted, by=BY, now=timezone.now())
        derive.derive_marked(now=timezone.now())

    def _any_agreement(self, number: int) -> Agreement | None:
        return pick(self._agreements(), number)

    def _agreements(self) -> QuerySet[Agreement]:
        return Agreement.objects.filter(firm=self.books.firm).order_by("pk")


def test_with_agreements_no_period_is_billed_twice_and_no_hour_is_lost(scene: Callable[..., Scene]) -> None:
    BillingByAgreement.make = staticmethod(scene)
    run_state_machine_as_test(
        BillingByAgreement,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=SAME,
            suppress_health_check=list(HealthCheck),
        ),
    )
