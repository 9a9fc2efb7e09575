"""Writing down what was planned: an invoice with its lines and claims, and whether a draft says it already."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.models import Entry
from invoicing.ledger import write_backs
from invoicing.ledger.facts.books import refusal, rounding_of
from invoicing.ledger.facts.customers import KnownCustomer
from invoicing.ledger.states.differences import same_buyer
from invoicing.models import Claim, Deduction, Dossier, Invoice, InvoiceLine
from invoicing.models.problems import columns
from invoicing.rules import planning
from invoicing.rules.billing import discounts
from invoicing.rules.billing.lines import AdvanceKey, Discount
from invoicing.rules.judging import mapping
from toggbill.database import bulk


def new(dossier: Dossier, now: datetime) -> Invoice:
    """An invoice of the dossier with a reference of its own, not saved."""
    return Invoice(
        firm=dossier.firm, dossier=dossier, company=dossier.company, reference=f"tb-{uuid.uuid4()}", drafted_at=now
    )


def standing(waiting: Iterable[Invoice], planned: planning.PlannedInvoice) -> Invoice | None:
    """Of waiting drafts the one of a customer, its references and scope of VAT: there is one at most (R7, R8). The
    block of an agreement is an invoice of its own, of which one at most waits (section 11)."""
    buyer = planned.buyer
    wanted = (buyer.purchase_order, buyer.buyer_reference, planned.outside_scope)
    for invoice in waiting:
        if planned.block is not None or invoice.block_of_id is not None:
            if invoice.block_of_id == planned.block:
                return invoice
            continue
        own = (invoice.purchase_order, invoice.buyer_reference, invoice.outside_scope)
        if own == wanted and same_buyer(buyer, invoice):
            return invoice
    return None


def header(invoice: Invoice, planned: planning.PlannedInvoice, known: Mapping[int, KnownCustomer]) -> Invoice:
    """Set what the plan says of the whole invoice, and what Peppol would refuse of it (R11); not saved."""
    buyer = planned.buyer
    invoice.block_of_id = planned.block
    invoice.buyer_key = buyer.key
    invoice.customer_vat = buyer.number
    invoice.customer_name = buyer.name[:500]
    invoice.customer_party_id = buyer.party_id
    invoice.customer_language = buyer.language
    invoice.outside_scope = planned.outside_scope
    invoice.purchase_order = buyer.purchase_order
    invoice.buyer_reference = buyer.buyer_reference
    invoice.title = planned.title[:200]
    invoice.rounding = rounding_of(invoice.dossier).frozen()
    invoice.period_from, invoice.period_till = planned.period_from, planned.period_till
    invoice.total_excl, invoice.total_vat, invoice.total_incl = (
        planned.total_excl,
        planned.total_vat,
        planned.total_incl,
    )
    invoice.earlier_seconds, invoice.earlier_difference, invoice.at_their_day = _earlier(planned)
    for name, value in columns("attention", refusal(invoice, map(_line, planned.lines), known)).items():
        setattr(invoice, name, value)
    return invoice


def says_the_same(standing: Invoice, planned: planning.PlannedInvoice, known: Mapping[int, KnownCustomer]) -> bool:
    """Whether a waiting draft already says what the plan says."""
    buyer = planned.buyer
    header = (standing.buyer_key, standing.customer_name, standing.customer_language, standing.title)
    if header != (buyer.key, buyer.name[:500], buyer.language, planned.title[:200]):
        return False
    if standing.customer_vat != buyer.number:
        return False
    if standing.rounding != rounding_of(standing.dossier).frozen():
        return False
    if (standing.earlier_seconds, standing.earlier_difference, standing.at_their_day) != _earlier(planned):
        return False
    refused = columns("attention", refusal(standing, standing.lines.all(), known))
    if refused != {"attention": standing.attention, "attention_facts": standing.attention_facts}:
        return False
    return [_written(line) for line in standing.lines.all()] == [_planned(line) for line in planned.lines]


def key_of(invoice: Invoice) -> planning.InvoiceKey:
    """What an invoice is made for, as the plan has it."""
    return invoice.buyer_key, invoice.purchase_order, invoice.buyer_reference, invoice.outside_scope


def _earlier(planned: planning.PlannedInvoice) -> tuple[int, Decimal, bool]:
    found = planned.earlier
    return (0, Decimal(0), False) if found is None else (found.seconds, found.difference, found.billed)


def _written(line: InvoiceLine) -> tuple[object, ...]:
    entries = [
        (
            claim.entry.remote_id,
            claim.seconds,
            claim.started_at,
            claim.description,
            claim.project_remote_id,
            claim.project_name,
            claim.client_remote_id,
            claim.person_name,
            sorted(claim.tags),
            claim.billable,
        )
        for claim in line.claims.all()
    ]
    taken_off = getattr(line, "deduction", None)
    return (*_columns(line), None if taken_off is None else advance_of(taken_off), sorted(entries))


def advance_of(row: Deduction) -> AdvanceKey:
    """The advance that a deduction takes something off."""
    return AdvanceKey(row.advance_id or row.brought_id or 0, is_brought=row.brought_id is not None)


def _planned(line: planning.PlannedLine) -> tuple[object, ...]:
    """Also what the bill does not show: a draft may be approved only as long as its copies say what the mirror says."""
    entries = [
        (
            entry.id,
            entry.seconds if line.difference is None else line.difference.seconds,
            entry.start,
            entry.description,
            entry.project_id,
            entry.project_name,
            entry.client_id,
            entry.person_name,
            sorted(entry.tags),
            entry.billable,
        )
        for entry in (*line.entries, *line.covered)
    ]
    return (*_columns(_line(line)), line.deducts, sorted(entries))


def _columns(line: InvoiceLine) -> tuple[object, ...]:
    return (
        line.product_reference,
        line.description,
        line.description_extended,
        line.quantity,
        line.unit_price,
        line.vat_rate,
        line.ventilation_code,
        line.treatment,
        line.discount,
        line.discount_per_cent,
        line.discount_reason,
        line.total,
        line.seconds,
        line.is_late,
        line.ignored_tags,
        line.kind,
        line.agreement_id,
        line.agreement_version,
        line.period,
        line.part,
        line.due_on,
    )


def _line(planned: planning.PlannedLine, **place: Any) -> InvoiceLine:
    return InvoiceLine(
        product_reference=planned.product.reference,
        description=planned.description,
        description_extended=planned.description_extended,
        quantity=planned.quantity,
        unit_price=planned.unit_price,
        vat_rate=planned.vat_rate,
        ventilation_code=planned.ventilation_code,
        treatment=str(planned.treatment),
        discount=planned.discount.amount,
        discount_per_cent=planned.discount.per_cent,
        discount_reason=planned.discount.reason,
        total=planned.total,
        seconds=planned.seconds,
        is_late=planned.late,
        ignored_tags=list(planned.ignored_tags),
        kind=str(planned.kind),
        **_of_agreement(planned),
        **place,
    )


def written(lines: Iterable[InvoiceLine]) -> list[discounts.Written]:
    """The lines of an invoice as a plan that takes its place wants them, where one has a discount: none where no line
    has; without those that correct an earlier invoice."""
    lines = list(lines)
    if not any(line.discount for line in lines):
        return []
    return [
        discounts.Written(
            line=_key(line),
            price=line.unit_price,
            value=line.value,
            discount=Discount(line.discount, line.discount_reason, line.discount_per_cent),
        )
        for line in lines
        if not line.corrects
    ]


def _key(line: InvoiceLine) -> tuple[object, ...]:
    """The same as ``PlannedLine.key``."""
    due = None if line.agreement_id is None else (line.agreement_id, line.period, line.part)
    texts = line.product_reference, line.description, line.description_extended
    return (*texts, line.kind, line.vat_rate, line.treatment, due)


def _of_agreement(planned: planning.PlannedLine) -> dict[str, Any]:
    due, settled = planned.due, planned.settled
    if settled is not None:
        return {
            "agreement_id": settled.agreement,
            "agreement_version": settled.version,
            "due_on": settled.through,
        }
    if due is None:
        return {}
    return {
        "agreement_id": due.agreement,
        "agreement_version": due.version,
        "period": due.period,
        "part": due.part,
        "due_on": due.due_on,
    }


def write(drafted: Sequence[tuple[Invoice, planning.PlannedInvoice]], rows: dict[int, Entry]) -> None:
    """Save invoices with their lines and claims; ``rows``: the entries by their Toggl id.

    A waiting draft, whose old lines are gone, is saved in its place.
    """
    for invoice, _ in drafted:
        if not invoice._state.adding:
            invoice.save()
    Invoice.objects.bulk_create([invoice for invoice, _ in drafted if invoice._state.adding])
    lines = [
        (_line(line, firm_id=invoice.firm_id, invoice=invoice, position=position), line)
        for invoice, planned in drafted
        for position, line in enumerate(planned.lines, start=1)
    ]
    _save(lines)
    billed = [
        claim_of(line.pk, rows[entry.id], entry, **_kind_of(planned.difference, entry))
        for line, planned in lines
        for entry in planned.entries
    ]
    covered = [
        claim_of(line.pk, rows[entry.id], entry, kind=Claim.Kind.COVERED, seconds=entry.seconds)
        for line, planned in lines
        for entry in planned.covered
    ]
    bulk.insert(billed + covered)


def add_deductions(invoice: Invoice, planned: Sequence[planning.PlannedLine], *, first: int) -> list[InvoiceLine]:
    """Save lines that take off advances, from this place on, on a draft that is there."""
    lines = [
        (_line(line, firm_id=invoice.firm_id, invoice=invoice, position=position), line)
        for position, line in enumerate(planned, start=first)
    ]
    _save(lines)
    return [row for row, _ in lines]


def _save(lines: Sequence[tuple[InvoiceLine, planning.PlannedLine]]) -> None:
    InvoiceLine.objects.bulk_create([row for row, _ in lines], batch_size=1000)
    Deduction.objects.bulk_create(
        [
            Deduction(
                firm_id=row.firm_id,
                advance_id=None if line.deducts.is_brought else line.deducts.row,
                brought_id=line.deducts.row if line.deducts.is_brought else None,
                line=row,
                amount=-line.total,
            )
            for row, line in lines
            if line.deducts is not None
        ]
    )


def hang(hung: Sequence[planning.Hung], rows: Mapping[int, Entry], now: datetime) -> None:
    """Put covered hours on lines of earlier invoices; ``rows``: the entries by their Toggl id."""
    bulk.insert(
        [
            claim_of(each.line, rows[entry.id], entry, kind=Claim.Kind.COVERED, seconds=entry.seconds)
            for each in hung
            for entry in each.entries
        ]
    )
    write_backs.follow(entries=[rows[entry.id].pk for each in hung for entry in each.entries], now=now)


def claim_of(line: int, row: Entry, entry: mapping.Entry, **kind: Any) -> Claim:
    return Claim(
        firm_id=row.firm_id,
        entry_id=row.pk,
        entry_remote_id=entry.id,
        line_id=line,
        started_at=entry.start,
        day=entry.day,
        project_remote_id=entry.project_id,
        project_name=entry.project_name,
        client_remote_id=entry.client_id,
        person_name=entry.person_name,
        description=entry.description,
        tags=list(entry.tags),
        billable=row.billable,
        **kind,
    )


def _kind_of(difference: planning.Difference | None, entry: mapping.Entry) -> dict[str, Any]:
    if difference is None:
        return {"kind": Claim.Kind.ENTRY, "seconds": entry.seconds}
    return {
        "kind": Claim.Kind.DIFFERENCE,
        "seconds": difference.seconds,
        "correction_id": difference.correction,
    }


def entry_rows(
    dossier: Dossier,
    planned: Iterable[planning.PlannedInvoice],
    hung: Iterable[planning.Hung | planning.Drawn] = (),
) -> dict[int, Entry]:
    """The entries of planned invoices, and of what they hang on earlier ones, by their Toggl id."""
    lines = [line for invoice in planned for line in invoice.lines]
    ids = [entry.id for line in lines for entry in (*line.entries, *line.covered)]
    ids += [entry.id for each in hung for entry in each.entries]
    found: dict[int, Entry] = {}
    for start in range(0, len(ids), 1000):
        part = Entry.objects.filter(workspace=dossier.workspace, remote_id__in=ids[start : start + 1000])
        found |= {row.remote_id: row for row in part.only("pk", "remote_id", "firm_id", "billable")}
    return found
