"""The plan of an agreement that ends: what is billed of its advances stays, what is not is dropped (design section 11).

What stays of a plan behind the last day never falls due again: an agreement bills while it is in force.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal

from invoicing.dossiers.faults import Fault
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.models import Agreement, Invoice, InvoiceLine
from invoicing.rules.agreement import Agreement as Terms

Plan = tuple[tuple[date, Decimal], ...]


def ended(row: Agreement, last_day: date) -> Terms:
    """The terms of an agreement that ends with a local day: without the advances that were to fall due after it and are
    not billed. A plan of which nothing would be left stays as it is."""
    terms = agreement_of(row)
    gone = unbilled(row, last_day)
    stays = tuple(each for each in terms.plan if each not in gone)
    return replace(terms, end=last_day, plan=stays or terms.plan)


def unbilled(row: Agreement, last_day: date) -> Plan:
    """The advances (day, euro) of its plan that never fall due when it ends with a local day."""
    later = [(day, amount) for day, amount in agreement_of(row).plan if day > last_day]
    billed = _billed(row) if later else frozenset[date]()
    return tuple((day, amount) for day, amount in later if day not in billed)


def without_kept(row: Agreement, terms: Terms, faults: Iterable[Fault]) -> list[Fault]:
    """The faults of terms for an agreement that stands, but for days of its plan behind its last one that are billed,
    or of which nothing would be left otherwise."""
    found = list(faults)
    if not any(fault.code == "plan_day_outside" for fault in found):
        return found
    stands = set(agreement_of(row).plan)
    kept = {day for day in _billed(row) if day >= terms.start}
    if stands == set(terms.plan) and not any(terms.in_force(day) for day, _amount in terms.plan):
        kept |= {day for day, _amount in stands if day >= terms.start}
    days = {day.isoformat() for day in kept}
    return [fault for fault in found if fault.code != "plan_day_outside" or fault.facts["day"] not in days]


def _billed(row: Agreement) -> frozenset[date]:
    """The days of the advances that are on an invoice of ours that is no draft, or on an order of Billit's own."""
    lines = row.lines.live().filter(kind=InvoiceLine.Kind.ADVANCE, takes_back__isnull=True)
    lines = lines.exclude(invoice__status=Invoice.Status.DRAFT)
    days = [*lines.values_list("period", flat=True), *row.brought.live().values_list("period", flat=True)]
    return frozenset(day for day in days if day is not None)
