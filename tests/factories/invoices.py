"""Invoices and what hangs on them: lines, claims, corrections, annexes, attempts."""

# factory_boy declares its types only in part: its declarations and decorators count as untyped.
# mypy: allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import hashlib
import uuid
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from factory.declarations import LazyAttribute, LazyFunction, Maybe, SelfAttribute, Sequence, SubFactory
from factory.helpers import post_generation

from invoicing.models import (
    Annex,
    Attempt,
    BroughtOrder,
    Claim,
    Correction,
    Deduction,
    Invoice,
    InvoiceLine,
    LedgerRow,
)
from tests.factories.books import AgreementFactory, DossierFactory, LedgerRowFactory, PrepaidFactory, WalkingFactory
from tests.factories.declared import CENT, NOW, DjangoModelFactory
from tests.factories.mirror import (
    number_of_party,
)


class InvoiceFactory(WalkingFactory[Invoice]):
    """A draft of two hours at 95 euro, 21 % VAT, with one line on one entry.

    `hours`, `price` (Decimal) change the line and the totals; `with_line=False` leaves the line out.
    """

    class Meta:
        model = Invoice
        skip_postgeneration_save = True

    class Params:
        hours = Decimal("2.00")
        price = Decimal("95.00")

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    company = SelfAttribute("dossier.company")
    reference = LazyFunction(lambda: f"tb-{uuid.uuid4()}")
    status = Invoice.Status.DRAFT
    buyer_key = Sequence(lambda n: f"party:{88_001 + n}")
    customer_vat = LazyAttribute(lambda o: number_of_party(int(o.buyer_key.removeprefix("party:"))))
    customer_name = "Garage Voorbeeld SRL"
    customer_party_id = LazyAttribute(lambda o: int(o.buyer_key.removeprefix("party:")))
    customer_language = "FR"
    title = "Novembre 2026"
    period_from = date(2026, 11, 10)
    period_till = date(2026, 11, 10)
    total_excl = LazyAttribute(lambda o: (o.hours * o.price).quantize(CENT, ROUND_HALF_UP))
    total_vat = LazyAttribute(lambda o: (o.total_excl * 21 / 100).quantize(CENT, ROUND_HALF_UP))
    total_incl = LazyAttribute(lambda o: o.total_excl + o.total_vat)
    drafted_at = NOW - timedelta(hours=2)
    approved_at = LazyAttribute(lambda o: None if o.status in {"draft", "void"} else NOW - timedelta(hours=1))
    approved_by = LazyAttribute(lambda o: "" if o.approved_at is None else "owner@example.com")
    posting_since = LazyAttribute(lambda o: NOW if o.status == "posting" else None)
    post_requested_at = LazyAttribute(lambda o: NOW if o.status == "posting" else None)
    post_requested_by = LazyAttribute(lambda o: "" if o.post_requested_at is None else "owner@example.com")
    send_requested_at = LazyAttribute(lambda o: NOW if getattr(o, "delivery", "") == "sending" else None)
    send_requested_by = LazyAttribute(lambda o: "" if o.send_requested_at is None else "owner@example.com")
    posted_at = LazyAttribute(lambda o: NOW - timedelta(minutes=30) if o.status == "posted" else None)
    order_id = Maybe("posted_at", yes_declaration=Sequence(lambda n: 4_471_203 + n))
    order_date = LazyAttribute(lambda o: o.posted_at.date() if o.posted_at else None)
    problem = LazyAttribute(lambda o: {"refused": "other", "in_doubt": "worker_ended"}.get(o.status, ""))
    problem_facts = LazyAttribute(lambda o: {"said": "The VAT rate is not allowed."} if o.problem == "other" else {})

    sent_at = LazyAttribute(lambda o: NOW if getattr(o, "delivery", "") in {"sent", "delivered", "refused"} else None)
    delivered_at = LazyAttribute(lambda o: NOW if getattr(o, "delivery", "") == "delivered" else None)
    delivery_problem = LazyAttribute(lambda o: "not_deliverable" if getattr(o, "delivery", "") == "refused" else "")
    delivery_problem_facts = LazyAttribute(
        lambda o: {"customer": o.customer_name, "reason": "Unknown"} if o.delivery_problem else {}
    )

    @post_generation
    def with_line(self: Invoice, create: bool, wanted: bool | None, **more: Any) -> None:
        """One line of all the hours, on one entry."""
        if create and wanted is not False:
            price = more.pop("unit_price", Decimal("95.00"))
            InvoiceLineFactory(invoice=self, unit_price=price, quantity=self.total_excl / price, **more)


class InvoiceLineFactory(DjangoModelFactory[InvoiceLine]):
    """A line, with one claim on a new entry of all its seconds; `with_claim=False` leaves the claim out."""

    class Meta:
        model = InvoiceLine
        skip_postgeneration_save = True

    firm = SelfAttribute("invoice.firm")
    invoice = SubFactory(InvoiceFactory, with_line=False)
    position = LazyAttribute(lambda o: o.invoice.lines.count() + 1)
    product_reference = "ADV"
    description = "Advice"
    quantity = Decimal("2.00")
    unit_price = Decimal("95.00")
    vat_rate = Decimal("21.00")
    ventilation_code = 4
    treatment = "domestic"
    total = LazyAttribute(lambda o: (o.quantity * o.unit_price).quantize(CENT, ROUND_HALF_UP))
    seconds = LazyAttribute(lambda o: int(o.quantity * 3600))

    @post_generation
    def with_claim(self: InvoiceLine, create: bool, wanted: bool | None, **more: Any) -> None:
        """One claim of all the seconds."""
        if create and wanted is not False and self.kind == InvoiceLine.Kind.HOURS:
            ClaimFactory(line=self, seconds=self.seconds, **more)


class FeeLineFactory(InvoiceLineFactory):
    """The fee of October 2026 of a new agreement of the dossier: 190 euro, the total of an invoice of its factory."""

    kind = InvoiceLine.Kind.FEE
    agreement = SubFactory(AgreementFactory, dossier=SelfAttribute("..invoice.dossier"))
    agreement_version = 1
    period = date(2026, 10, 1)
    due_on = date(2026, 10, 31)
    product_reference = "FORF"
    description = "Flat fee"
    quantity = Decimal(1)
    unit_price = Decimal("190.00")
    seconds = LazyAttribute(lambda _o: 0)


class BlockLineFactory(FeeLineFactory):
    """The first block of a new prepaid agreement of the dossier: 2 hours at 95.00."""

    kind = InvoiceLine.Kind.BLOCK
    agreement = SubFactory(PrepaidFactory, dossier=SelfAttribute("..invoice.dossier"))
    part = 1
    product_reference = "ADV"
    description = "Advice"
    quantity = Decimal(2)
    unit_price = Decimal("95.00")


class AdvanceLineFactory(FeeLineFactory):
    """An advance of 250 euro at Billit, due on 1 October 2026."""

    invoice = SubFactory(InvoiceFactory, with_line=False, status="posted")
    kind = InvoiceLine.Kind.ADVANCE
    agreement = SubFactory(
        AgreementFactory, dossier=SelfAttribute("..invoice.dossier"), kind="advance", product_reference="PROV"
    )
    due_on = date(2026, 9, 30)
    product_reference = "PROV"
    description = "Advance"
    unit_price = Decimal("250.00")


class BroughtOrderFactory(DjangoModelFactory[BroughtOrder]):
    """An advance of 250 euro that Billit itself billed on 1 August 2026, of a new agreement."""

    class Meta:
        model = BroughtOrder

    agreement = SubFactory(AgreementFactory, kind="advance", product_reference="PROV")
    firm = SelfAttribute("agreement.firm")
    company = SelfAttribute("agreement.dossier.company")
    order_id = Sequence(lambda n: 9_000_000 + n)
    order_number = Sequence(lambda n: f"R-{n}")
    order_date = date(2026, 8, 1)
    description = "Provision"
    customer_vat = "BE0563846944"
    vat_rate = Decimal(21)
    ventilation_code = 4
    treatment = "domestic"
    total_excl = Decimal("250.00")
    total_vat = Decimal("52.50")
    total_incl = Decimal("302.50")
    brought_at = NOW
    brought_by = "bookkeeper@example.com"


class DeductionFactory(DjangoModelFactory[Deduction]):
    """What a line of a settlement takes off an advance: 100 euro."""

    class Meta:
        model = Deduction

    firm = SelfAttribute("advance.firm")
    advance = SubFactory(AdvanceLineFactory)
    amount = Decimal("100.00")
    line = SubFactory(
        FeeLineFactory,
        invoice__dossier=SelfAttribute("...advance.invoice.dossier"),
        kind=InvoiceLine.Kind.DEDUCTION,
        agreement=SelfAttribute("..advance.agreement"),
        period=None,
        quantity=Decimal(-1),
        unit_price=SelfAttribute("..amount"),
    )


_LEDGER_STATE = {"posted": LedgerRow.State.INVOICED, "void": LedgerRow.State.OPEN}


class ClaimFactory(DjangoModelFactory[Claim]):
    """An entry on a line, with its ledger row in the state that goes with the invoice's; released when that is void."""

    class Meta:
        model = Claim

    class Params:
        row = LazyAttribute(
            lambda o: LedgerRowFactory(
                dossier=o.line.invoice.dossier,
                duration=o.seconds,
                state=_LEDGER_STATE.get(o.line.invoice.status, LedgerRow.State.DRAFTED),
                product_reference=o.line.product_reference,
                price=o.line.unit_price,
                buyer_key=o.line.invoice.buyer_key,
                buyer_name=o.line.invoice.customer_name,
            )
        )

    firm = SelfAttribute("line.firm")
    line = SubFactory(InvoiceLineFactory, with_claim=False)
    seconds = 3600
    entry = SelfAttribute("row.entry")
    entry_remote_id = SelfAttribute("entry.remote_id")
    started_at = SelfAttribute("entry.started_at")
    day = SelfAttribute("row.day")
    project_name = "Project"
    person_name = SelfAttribute("entry.person_name")
    description = SelfAttribute("entry.description")
    tags = SelfAttribute("entry.tags")
    released_at = LazyAttribute(lambda o: NOW if o.line.invoice.status == "void" else None)
    drawn = LazyAttribute(lambda o: o.seconds if getattr(o, "kind", "") == "prepaid" else None)


class CorrectionFactory(DjangoModelFactory[Correction]):
    """Half an hour more in Toggl than was billed, on which nobody has decided; `decision=` decides it."""

    class Meta:
        model = Correction

    firm = SelfAttribute("invoice.firm")
    invoice = SubFactory(InvoiceFactory, status="posted")
    claim = LazyAttribute(lambda o: Claim.objects.get(line__invoice=o.invoice))
    entry = SelfAttribute("claim.entry")
    opened_at = NOW
    seconds = 1800
    what = LazyFunction(lambda: ["seconds"])
    decision = Correction.Decision.OPEN
    decided_at = LazyAttribute(lambda o: None if o.decision == "open" else NOW)
    decided_by = LazyAttribute(lambda o: "" if o.decision == "open" else "owner@example.com")


class AnnexFactory(DjangoModelFactory[Annex]):
    """The annex of an approved invoice; its files are no real ones."""

    class Meta:
        model = Annex

    firm = SelfAttribute("invoice.firm")
    invoice = SubFactory(InvoiceFactory, status="approved")
    name = Sequence(lambda n: f"annexe-prestations-2026-11-{n}")
    content_hash = "1" * 64
    pdf = b"%PDF-"
    pdf_hash = LazyAttribute(lambda o: hashlib.sha256(o.pdf).hexdigest())
    pdf_size = LazyAttribute(lambda o: len(o.pdf))
    csv = b"Ligne;Heures\r\n"
    csv_hash = LazyAttribute(lambda o: hashlib.sha256(o.csv).hexdigest())
    csv_size = LazyAttribute(lambda o: len(o.csv))
    made_at = NOW - timedelta(hours=1)


class AttemptFactory(DjangoModelFactory[Attempt]):
    """A POST that Billit accepted."""

    class Meta:
        model = Attempt

    firm = SelfAttribute("invoice.firm")
    invoice = SubFactory(InvoiceFactory, status="posted")
    intent = Attempt.Intent.POST
    key = SelfAttribute("invoice.key")
    body = LazyAttribute(lambda o: f'{{"ExternalProviderID":"{o.invoice.reference}"}}')
    body_hash = "0" * 64
    started_at = NOW - timedelta(minutes=30)
    left_at = SelfAttribute("started_at")
    finished_at = LazyAttribute(lambda o: o.started_at + timedelta(milliseconds=212))
    outcome = Attempt.Outcome.ACCEPTED
    http_status = 200
