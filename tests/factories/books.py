"""Dossiers, invoices and what hangs on them."""

# factory_boy declares its types only in part: its declarations and decorators count as untyped.
# mypy: allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import hashlib
import uuid
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar

from factory.declarations import LazyAttribute, LazyFunction, Maybe, SelfAttribute, Sequence, SubFactory
from factory.helpers import post_generation

from invoicing.models import (
    Agreement,
    Annex,
    Attempt,
    Claim,
    ClientMapping,
    Correction,
    Dossier,
    DossierClient,
    Drift,
    Invoice,
    InvoiceLine,
    LedgerRow,
    ReportedMonth,
    Run,
    SavedView,
    TagMapping,
)
from invoicing.models.months import ChangedMonth, MonthProof, MonthSum
from invoicing.rules.text import text_key
from tests import walking
from tests.factories.declared import CENT, NOW, DjangoModelFactory, enterprise_number
from tests.factories.mirror import (
    CompanyFactory,
    EntryFactory,
    FirmFactory,
    MembershipFactory,
    WorkspaceFactory,
    number_of_party,
)

Row = TypeVar("Row")


class DossierFactory(DjangoModelFactory[Dossier]):
    """A dossier by hand, in review, that begins on 1 September 2026."""

    class Meta:
        model = Dossier

    firm = SubFactory(FirmFactory)
    workspace = SubFactory(WorkspaceFactory, firm=SelfAttribute("..firm"))
    company = SubFactory(CompanyFactory, firm=SelfAttribute("..firm"))
    key = Sequence(lambda n: f"dossier-{n}")
    name = Sequence(lambda n: f"Dossier {n}")
    start_date = date(2026, 9, 1)
    # What goes out by itself says its limit.
    no_limit = LazyAttribute(
        lambda o: getattr(o, "mode", "review") != "review" and getattr(o, "auto_limit", None) is None
    )
    annex = False  # it costs a process of its own


class DossierClientFactory(DjangoModelFactory[DossierClient]):
    """A Toggl client that a dossier bills."""

    class Meta:
        model = DossierClient

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    workspace = SelfAttribute("dossier.workspace")
    client_remote_id = Sequence(lambda n: 501 + n)


class TagMappingFactory(DjangoModelFactory[TagMapping]):
    """A tag that leads to the product ADV."""

    class Meta:
        model = TagMapping

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    tag = Sequence(lambda n: f"Tag {n}")
    tag_key = LazyAttribute(lambda o: text_key(o.tag))
    product_reference = LazyAttribute(lambda o: "ADV" if o.bill else "")
    bill = True


class ClientMappingFactory(DjangoModelFactory[ClientMapping]):
    """A Toggl client mapped by number."""

    class Meta:
        model = ClientMapping

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    client_remote_id = Sequence(lambda n: 501 + n)
    number = Sequence(enterprise_number)


class AgreementFactory(DjangoModelFactory[Agreement]):
    """A fee of 250 euro a month in arrears, as product FORF, for all hours of a Toggl client from September 2026 on."""

    class Meta:
        model = Agreement

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    key = Sequence(lambda n: f"agreement-{n}")
    title = "Tenue de la comptabilité"
    client_remote_id = Sequence(lambda n: 501 + n)
    start_date = date(2026, 9, 1)
    product_reference = "FORF"
    amount = Decimal("250.00")


class WalkingFactory(DjangoModelFactory[Row]):
    """Of rows whose state the database lets nobody choose: begun in a first state and moved on from there."""

    class Meta:
        abstract = True

    @classmethod
    def _create(cls, model_class: type[Any], *args: Any, **fields: Any) -> Any:
        return walking.create(model_class, fields)


class LedgerRowFactory(WalkingFactory[LedgerRow]):
    """The books' row of a new entry of the dossier: open, one hour of ADV at 95 euro; `reason=` makes it attention."""

    class Meta:
        model = LedgerRow

    class Params:
        person_name = "An Example"
        description = Sequence(lambda n: f"Work {n}")
        tags = LazyFunction(lambda: ["ADV"])
        started_at = NOW - timedelta(days=10)
        duration = 3600

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    entry = SubFactory(
        EntryFactory,
        workspace=SelfAttribute("..dossier.workspace"),
        started_at=SelfAttribute("..started_at"),
        seconds=SelfAttribute("..duration"),
        person_name=SelfAttribute("..person_name"),
        description=SelfAttribute("..description"),
        tags=SelfAttribute("..tags"),
    )
    day = LazyAttribute(lambda o: o.entry.started_at.astimezone(o.dossier.firm.zone).date())
    seconds = SelfAttribute("entry.seconds")
    reason = ""
    state = LazyAttribute(lambda o: "attention" if o.reason else "open")
    twin = LazyAttribute(lambda o: o.entry if o.reason == "duplicate_entry" else None)
    client_name = "Garage Voorbeeld"
    buyer_key = LazyAttribute(lambda o: "" if o.reason else "party:88001")
    buyer_name = LazyAttribute(lambda o: "" if o.reason else "Garage Voorbeeld SRL")
    product_reference = LazyAttribute(lambda o: "" if o.reason else "ADV")
    price = LazyAttribute(lambda o: None if o.reason else Decimal("95.00"))


class RunFactory(DjangoModelFactory[Run]):
    """A pass of drafting through 31 October 2026."""

    class Meta:
        model = Run

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    cut_off = date(2026, 10, 31)
    started_at = NOW
    started_by = "schedule"
    mirror_as_of = NOW - timedelta(minutes=4)


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


class DriftFactory(DjangoModelFactory[Drift]):
    """An order that was deleted in Billit, found last night; `gone_at=` when it is no longer."""

    class Meta:
        model = Drift

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    kind = Drift.Kind.ORDER_DELETED
    order_id = Sequence(lambda n: 4_471_203 + n)
    reference = Sequence(lambda n: f"tb-{n}")
    about = LazyAttribute(lambda o: f"/{o.order_id}/{o.reference}")
    facts = LazyAttribute(lambda o: {"invoice": o.reference})
    first_seen_at = NOW - timedelta(hours=6)
    last_seen_at = SelfAttribute("first_seen_at")


class ReportedMonthFactory(DjangoModelFactory[ReportedMonth]):
    """October 2026: ten hours in Toggl, and as many mirrored."""

    class Meta:
        model = ReportedMonth

    firm = SelfAttribute("dossier.firm")
    dossier = SubFactory(DossierFactory)
    month = date(2026, 10, 1)
    since = SelfAttribute("month")
    through = date(2026, 10, 31)
    toggl_seconds = 36_000
    own_seconds = 36_000
    read_at = NOW - timedelta(hours=6)
    differs_since = LazyAttribute(lambda o: None if o.toggl_seconds == o.own_seconds else o.read_at)


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


class SavedViewFactory(DjangoModelFactory[SavedView]):
    """A view of a member: what is open."""

    class Meta:
        model = SavedView

    firm = SelfAttribute("membership.firm")
    membership = SubFactory(MembershipFactory)
    name = Sequence(lambda n: f"View {n}")
    query = "state=open"


class MonthSumFactory(DjangoModelFactory[MonthSum]):
    """An open hour of a dossier's October 2026."""

    class Meta:
        model = MonthSum

    dossier = SubFactory(DossierFactory)
    firm = SelfAttribute("dossier.firm")
    month = date(2026, 10, 1)
    state = LedgerRow.State.OPEN
    price = Decimal("95.00")
    entries = 1
    seconds = 3600
    corrected_entries = 0
    corrected_seconds = 0


class MonthProofFactory(DjangoModelFactory[MonthProof]):
    """A dossier's October 2026, in which every rule holds."""

    class Meta:
        model = MonthProof

    dossier = SubFactory(DossierFactory)
    firm = SelfAttribute("dossier.firm")
    month = date(2026, 10, 1)
    proved_at = NOW


class ChangedMonthFactory(DjangoModelFactory[ChangedMonth]):
    """A dossier's October 2026, which changed since it was checked."""

    class Meta:
        model = ChangedMonth

    dossier = SubFactory(DossierFactory)
    firm = SelfAttribute("dossier.firm")
    month = date(2026, 10, 1)
