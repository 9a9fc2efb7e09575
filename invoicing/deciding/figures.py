"""The figures of what persons decide on, as pages show them: of an invoice, a correction, a replacement, an entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Prefetch, QuerySet, prefetch_related_objects

from integrations.clients import billit
from invoicing.models import Agreement, BroughtOrder, Claim, Correction, Dossier, Drift, Invoice, InvoiceLine, LedgerRow
from invoicing.rules import planning
from toggbill.firms.read import Figures, digest_of

DROPPABLE = (Invoice.Status.DRAFT, Invoice.Status.APPROVED, Invoice.Status.REFUSED)
"""Invoices that Billit does not have, and that no worker is about to post."""
_OTHER_THAN_TIME = ("product", "customer", "day", "billable")
"""What a correction may be about besides the seconds."""


def subject(invoice: Invoice) -> str:
    """What the figures of an invoice are called, as in the audit log."""
    return f"invoice {invoice.reference}"


def lines_of(invoice: Invoice) -> list[InvoiceLine]:
    """The lines in their order, with their claims and entries: two queries."""
    return list(_lines().select_related("agreement__dossier").filter(invoice=invoice))


def _lines() -> QuerySet[InvoiceLine]:
    claims = Claim.objects.order_by("started_at", "pk").select_related("entry")
    return InvoiceLine.objects.order_by("position").prefetch_related(Prefetch("claims", claims))


def of_invoices(invoices: Sequence[Invoice]) -> list[Figures]:
    """Several invoices: two queries."""
    with_lines(invoices)
    return [of_invoice(invoice, invoice.lines.all()) for invoice in invoices]


def with_lines(invoices: Sequence[Invoice]) -> None:
    """Read the lines of several invoices, with their claims and entries: two queries."""
    prefetch_related_objects(invoices, Prefetch("lines", _lines()))


def briefly(invoices: Iterable[Invoice]) -> Iterator[Figures]:
    """The figures of listed invoices, whose lines are read, for a form with many of them: it carries all that they
    say as a digest, and in words the amount alone."""
    for invoice in invoices:
        found = of_invoice(invoice, invoice.lines.all())
        yield Figures(found.subject, {name: found.shown[name] for name in ("customer", "status", "excl")}, found.digest)


def of_invoice(invoice: Invoice, lines: Iterable[InvoiceLine] | None = None) -> Figures:
    """An invoice with its lines (``lines_of``; read here when they are not given), amounts as they count legally."""
    return Figures.of(
        subject(invoice),
        {
            "customer": invoice.customer_name,
            **_state(invoice),
            "needs_person": invoice.needs_person,
            "problem": [invoice.problem, invoice.problem_facts],
            "attention": [invoice.attention, invoice.attention_facts],
            "delivery_problem": [invoice.delivery_problem, invoice.delivery_problem_facts],
            "number": invoice.customer_vat,
            "party": invoice.customer_party_id,
            "title": invoice.title,
            "purchase_order": invoice.purchase_order,
            "buyer_reference": invoice.buyer_reference,
            "period": [invoice.period_from.isoformat(), invoice.period_till.isoformat()],
            "excl": _number(invoice.excl),
            "vat": _number(invoice.vat),
            "incl": _number(invoice.incl),
            "earlier": [invoice.earlier_seconds, _number(invoice.earlier_difference), invoice.at_their_day],
            "lines": [_line(line) for line in (lines_of(invoice) if lines is None else lines)],
        },
    )


def of_plan(dossier: Dossier, cut_off: date, plan: planning.Plan) -> Figures:
    """What a run through a day would draft, as its preview shows it: every invoice with its lines and entries."""
    return Figures.of(f"draft {dossier.key} {cut_off.isoformat()}", {"description": dossier.name, **_planned(plan)})


def of_settlement(agreement: Agreement, through: date, plan: planning.Plan) -> Figures:
    """What settling an agreement up to a day would draft, as its page shows it: the same of its customer's invoices,
    with the advances that they take off."""
    deducted = [
        [str(line.deducts.row), str(line.deducts.is_brought), _number(line.total)]
        for planned in plan.invoices
        for line in planned.lines
        if line.deducts is not None
    ]
    values = {"description": agreement.title, **_planned(plan), "deducted": digest_of(deducted)}
    return Figures.of(f"settlement {agreement.key} {through.isoformat()}", values)


def _planned(plan: planning.Plan) -> dict[str, Any]:
    lines = [
        {
            "description": f"{planned.buyer.name} · {line.description}",
            "extended": line.description_extended,
            "product": line.product.reference,
            "quantity": _number(line.quantity),
            "price": _number(line.unit_price),
            "rate": _number(line.vat_rate),
            "treatment": str(line.treatment),
            "discount": _discount(line.discount.amount, line.discount.reason),
            "total": _number(line.total),
            "seconds": line.seconds,
            "late": line.late,
            "of_entries": digest_of([[entry.id, entry.seconds] for entry in (*line.entries, *line.covered)]),
        }
        for planned in plan.invoices
        for line in planned.lines
    ]
    invoices = plan.invoices
    return {
        "excl": _number(sum((planned.total_excl for planned in invoices), Decimal(0))),
        "vat": _number(sum((planned.total_vat for planned in invoices), Decimal(0))),
        "incl": _number(sum((planned.total_incl for planned in invoices), Decimal(0))),
        "buyers": digest_of(
            [
                [[*planned.key, planned.title] for planned in invoices],
                [[drawn.line, [entry.id for entry in drawn.entries], drawn.seconds] for drawn in plan.drawn],
            ]
        ),
        "lines": lines,
    }


def of_sending(invoice: Invoice) -> Figures:
    """What a sending rests on: the document, its receiver, the way there and the amounts as they count legally."""
    return Figures.of(
        f"sending {invoice.reference}",
        {
            "customer": invoice.customer_name,
            **_state(invoice),
            "number": invoice.customer_vat,
            "way": [invoice.way, invoice.way_to],
            "attention": [invoice.attention, invoice.attention_facts],
            "excl": _number(invoice.excl),
            "vat": _number(invoice.vat),
            "incl": _number(invoice.incl),
        },
    )


def of_replacement(invoice: Invoice, corrections: Iterable[Correction]) -> Figures:
    """What replacing an order rests on: the invoice, and all corrections of it that nobody settled (with entries)."""
    found = sorted(corrections, key=lambda correction: correction.pk)
    return Figures.of(
        f"replacement {invoice.reference}",
        {
            "customer": invoice.customer_name,
            **_state(invoice),
            "excl": _number(invoice.excl),
            "corrections": [_difference(row) for row in found],
        },
    )


def of_correction(correction: Correction, settled: Mapping[int, int], hours: Decimal) -> Figures:
    """A correction, with ``settled`` seconds by claim of its line and the ``hours`` that the difference comes to."""
    claim, invoice = correction.claim, correction.invoice
    billed = settled.get(correction.claim_id, 0)
    return Figures.of(
        f"correction {correction.pk}",
        {
            "description": claim.description,
            "decision": correction.decision,
            "what": list(correction.what),
            "billed": billed,
            "mirrored": int(correction.mirrored.get("seconds", billed + correction.seconds)),
            "seconds": correction.seconds,
            "hours": _number(hours),
            "amount": _number(claim.line.net_of(hours)),
            **_elsewhere(correction),
            "line_entries": len(settled),
            "line_seconds": sum(settled.values()),
            "line": digest_of(sorted(settled.items())),
            **_state(invoice),
        },
    )


def of_finding(row: Drift) -> Figures:
    """What a comparison found, as its sentence says it."""
    return Figures.of(
        f"finding {row.pk}",
        {
            "kind": row.kind,
            "finding": {
                "kind": row.kind,
                "entry": row.entry_remote_id,
                "order": row.order_id,
                "reference": row.reference,
                **row.facts,
            },
            "gone": row.gone_at is not None,
        },
    )


def _elsewhere(correction: Correction) -> dict[str, Any]:
    """The product and the customer that the entry leads to now, its day and its flag, where that is a difference."""
    return {name: correction.mirrored.get(name) for name in _OTHER_THAN_TIME if name in correction.what}


def _difference(correction: Correction) -> dict[str, Any]:
    return {
        "entry": correction.entry.remote_id,
        "seconds": correction.seconds,
        "what": list(correction.what),
        **_elsewhere(correction),
    }


def of_entry(row: LedgerRow) -> Figures:
    """An entry of the books as its row is listed; of those that are billed nothing is decided so."""
    entry = row.entry
    return Figures.of(
        f"entry {entry.remote_id}",
        {
            "description": entry.description,
            "state": row.state,
            "reason": row.reason,
            "decision_text": row.decision_text,
            "time": row.seconds,
            "start": entry.started_at.isoformat(),
            "person": entry.person_name,
            "client": row.client_name,
            "tags": list(entry.tags),
        },
    )


def of_agreement(row: Agreement) -> Figures:
    """A fee agreement with all of its terms."""
    return Figures.of(
        f"agreement {row.key}",
        {
            "title": row.title,
            "kind": row.kind,
            "customer": row.number or str(row.client_remote_id),
            "from": row.start_date.isoformat(),
            "until": "" if row.end_date is None else row.end_date.isoformat(),
            "scope": [list(row.products), list(row.projects)],
            "product": row.product_reference,
            "amount": _number(row.amount),
            "every": row.every,
            "in_advance": row.in_advance,
            "included_hours": None if row.included_hours is None else _number(row.included_hours),
            "extra_product": row.extra_product,
            "part_periods": row.part_periods,
            "plan": [[each["day"], each["amount"]] for each in row.plan],
            "settle_on": row.settle_on,
            "budget_hours": "" if row.budget_hours is None else _number(row.budget_hours),
            "budget_amount": "" if row.budget_amount is None else _number(row.budget_amount),
            "block": [None if each is None else _number(each) for each in (row.hours, row.price, row.refill_at)],
        },
    )


def of_order(order: billit.OrderSummary) -> Figures:
    """An order of Billit's own, as it is listed to be picked."""
    return Figures.of(
        f"order {order.id}",
        {
            "order_number": order.number,
            "date": None if order.dated is None else order.dated.isoformat(),
            "excl": _number(order.total_excl),
            "vat": _number(order.total_vat),
            "incl": _number(order.total_incl),
        },
    )


def of_brought(row: BroughtOrder) -> Figures:
    """An order of Billit's own that was brought in."""
    return Figures.of(
        f"brought {row.order_id}",
        {
            "order_number": row.order_number,
            "date": row.order_date.isoformat(),
            "excl": _number(row.total_excl),
            "gone": row.released_at is not None,
        },
    )


def _state(invoice: Invoice) -> dict[str, Any]:
    return {
        "status": invoice.status,
        "delivery": invoice.delivery,
        "payment": invoice.payment,
        "replacing": invoice.replacing_since is not None,
    }


def _line(line: InvoiceLine) -> dict[str, Any]:
    claims = list(line.claims.all())
    return {
        "description": line.description,
        "extended": line.description_extended,
        "product": line.product_reference,
        "quantity": _number(line.quantity),
        "price": _number(line.unit_price),
        "rate": _number(line.vat_rate),
        "treatment": line.treatment,
        "discount": _discount(line.discount, line.discount_reason),
        "total": _number(line.total),
        "seconds": line.seconds,
        "late": line.is_late,
        "ignored_tags": list(line.ignored_tags),
        "entries": len(claims),
        # Each entry as it is listed under the line; a form that carried them all would be long.
        "of_entries": digest_of([_claim(claim) for claim in claims]),
    }


def _claim(claim: Claim) -> list[Any]:
    return [
        claim.entry.remote_id,
        claim.kind,
        claim.seconds,
        claim.started_at.isoformat(),
        claim.person_name,
        claim.description,
        claim.project_name,
        list(claim.tags),
    ]


def _discount(amount: Decimal, reason: str) -> list[str]:
    """A discount with its reason; nothing where there is none, as of lines that were read before there were any."""
    return [_number(amount), reason] if amount else []


def _number(value: Decimal) -> str:
    """The same text for the same number, whatever its trailing zeros."""
    return format(value.normalize(), "f")
