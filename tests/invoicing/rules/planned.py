"""A plan of drawn or written entries, as the tests of planning ask for it."""

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any

from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import Entry, Rules
from invoicing.rules.planning import Plan, PlannedInvoice, PlannedLine, plan
from tests.invoicing.strategies import (
    a_product,
    some_rules,
    some_terms,
)

BOOK = a_product(id=2, reference="BOOK", description="Bookkeeping", price=Decimal("60.00"), vat_rate=Decimal(6))
BOTH = (a_product(), BOOK)


def planned(entries: Iterable[Entry], rules: Rules | None = None, held: Collection[int] = (), **terms: Any) -> Plan:
    return plan(entries, judge=Judge(rules or some_rules()), terms=some_terms(**terms), held=held)


def only(found: Plan) -> PlannedInvoice:
    (invoice,) = found.invoices
    return invoice


def lines_of(found: Plan) -> list[PlannedLine]:
    return [line for invoice in found.invoices for line in invoice.lines]
