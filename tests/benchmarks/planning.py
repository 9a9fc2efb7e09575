"""How many entries a second the rules plan, without agreements and with ten for each customer: `make planning`.

Pure: neither database nor service is asked. Of the ten, five are fixed fees, three are settled advances and two are
blocks of prepaid hours, each for a project of its own; every hour falls under one. Seconds of the processor, the best
of three. Exit 1 below the goal.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from integrations.sandbox.worlds.numbers import belgian_vat
from invoicing.rules.agreement import Agreement
from invoicing.rules.agreements.blocks import Block, Stock
from invoicing.rules.billing.rating import Rounding
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import Customer, Entry, Product, Rules, TagRule
from invoicing.rules.planning import Agreed, Plan, Terms, plan

GOAL = 50_000
"""Entries a second."""
CUSTOMERS, EACH = 200, 10
_START, _LAST = date(2026, 1, 1), date(2026, 12, 31)
_KINDS = ("fixed",) * 5 + ("advance",) * 3 + ("prepaid",) * 2


def main() -> int:
    """Measure both, print, and say whether the goal is met."""
    parser = argparse.ArgumentParser(prog="make planning", description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    entries = _entries(parser.parse_args().entries)
    without = _measured("by the hour", entries, ())
    with_ten = _measured(f"{EACH} agreements a customer", entries, _agreements())
    print(f"{'ratio':<34} {without / with_ten:>9.2f}")
    print(f"{'goal, entries a second':<34} {GOAL:>9,}")
    return 0 if with_ten >= GOAL else 1


def _measured(name: str, entries: list[Entry], agreements: tuple[Agreement, ...]) -> float:
    """Entries a second; a judge of its own each time, since one keeps what it looked into."""
    best = min(_seconds(entries, agreements) for _ in range(3))
    print(f"{name:<34} {len(entries) / best:>9,.0f} entries/s   ({best:.2f} s)")
    return len(entries) / best


def _seconds(entries: list[Entry], agreements: tuple[Agreement, ...]) -> float:
    begun = time.process_time()
    found = planned(entries, agreements)
    seconds = time.process_time() - begun
    if not found.invoices or found.skipped:
        sys.exit(f"The plan is not that of sound hours: {len(found.skipped)} skipped, {len(found.invoices)} invoices.")
    return seconds


def planned(entries: list[Entry], agreements: tuple[Agreement, ...]) -> Plan:
    """What a run at the end of the year plans."""
    judge = Judge(_rules(agreements))
    terms = Terms(
        group_by="product",
        rounding=Rounding(minutes=15, direction="up", level="entry", minimum=0),
        cut_off=_LAST,
        late_through=None,
        language="fr",
    )
    block = Block(line=1, part=1, hours=Decimal(100_000))
    stocks = {each.id: Stock((block,), made=1) for each in agreements if each.kind == "prepaid"}
    return plan(entries, judge=judge, terms=terms, agreed=Agreed(stocks=stocks))


def _rules(agreements: tuple[Agreement, ...]) -> Rules:
    products = tuple(Product(n + 1, f"P{n}", f"Product {n}", Decimal(60 + n), Decimal(21)) for n in range(4))
    return Rules(
        start=_START,
        clients=None,
        takes_unassigned=True,
        named_elsewhere=frozenset(),
        billable="all",
        clients_map=(),
        default_product="",
        tags=tuple(TagRule(f"tag {n}", f"P{n}") for n in range(4)),
        products=products,
        customers=tuple(Customer(80_000 + n, f"Customer {n}", belgian_vat(n), "FR") for n in range(CUSTOMERS)),
        pins={},
        agreements=agreements,
    )


def _agreements() -> tuple[Agreement, ...]:
    found = []
    for customer in range(CUSTOMERS):
        for number, kind in enumerate(_KINDS):
            own = customer * EACH + number
            found.append(
                Agreement(
                    key=f"a{own}",
                    id=own + 1,
                    title="Agreed",
                    start=_START,
                    product="P0",
                    kind=kind,
                    client_id=customer,
                    client_name=_client(customer),
                    projects=(own,),
                    amount=Decimal(0) if kind == "prepaid" else Decimal(250),
                    settle_on="12-31" if kind == "advance" else "",
                    hours=Decimal(20) if kind == "prepaid" else None,
                    price=Decimal(85) if kind == "prepaid" else None,
                    draws=kind == "prepaid",
                    books_from=_START,
                )
            )
    return tuple(found)


def _entries(count: int) -> list[Entry]:
    found = []
    for number in range(count):
        customer, day = number % CUSTOMERS, _START + timedelta(days=number % 360)
        start = datetime(day.year, day.month, day.day, 8, tzinfo=UTC) + timedelta(seconds=number % 30_000)
        found.append(
            Entry(
                id=4_300_000_000 + number,
                start=start,
                day=day,
                seconds=1800 + number % 3600,
                running=False,
                deleted=False,
                billable=True,
                tags=(f"tag {number // CUSTOMERS % 4}",),
                description=f"Work {number}",
                project_id=customer * EACH + number // CUSTOMERS % EACH,
                project_name="Project",
                client_id=customer,
                client_name=_client(customer),
                person_id=number % 12,
                person_name="Somebody",
            )
        )
    return found


def _client(customer: int) -> str:
    return f"Client {customer} {belgian_vat(customer)}"


if __name__ == "__main__":
    raise SystemExit(main())
