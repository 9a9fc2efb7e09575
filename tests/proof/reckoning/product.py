"""What the product says of a drawn world: by its pure rules in memory, or in its tables after it was read by HTTP."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from invoicing.models import Dossier, LedgerRow
from invoicing.rules import planning
from invoicing.rules.billing.rating import Rounding
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import (
    ClientRule,
    Customer,
    Entry,
    Product,
    Rules,
    State,
    TagRule,
    Treatment,
    customer_number,
    read_number,
)
from invoicing.rules.judging.plausibility import twins
from invoicing.rules.text import xml_text
from tests.proof.reckoning import planner
from tests.proof.reckoning.worlds import Drawn
from tests.worlds import Record

BRUSSELS = ZoneInfo("Europe/Brussels")
_State = dict[int, tuple[str, str]]


def planned(
    made: Drawn,
    table: Record,
    through: date,
    now: datetime,
    *,
    pinned: Mapping[int, str],
    held: Collection[int] = (),
    claimed: Collection[int] = (),
    late_through: date | None = None,
) -> tuple[_State, planning.Plan]:
    """States and plan of one dossier, by the pure rules."""
    judge = Judge(_rules(made, table, pinned))
    entries = [_entry(made, row) for row in made.toggl["entries"]]
    doubles = twins([each for each in entries if not each.running], judge.lets_through)
    entries = [replace(each, is_duplicate=each.id in doubles) for each in entries if each.id not in claimed]
    states: _State = {}
    for entry in entries:
        verdict = judge.verdict(entry)
        if verdict.state is not None:
            is_held = entry.id in held and verdict.state in (State.open, State.attention)
            states[entry.id] = ("held", "") if is_held else (verdict.state.value, verdict.reason or "")
    rounding = Rounding(**table["rounding"])
    decimals = table["price_decimals"]
    terms = planning.Terms(table["group_by"], rounding, through, late_through, "fr", now=now, price_decimals=decimals)
    return states, planning.plan(entries, judge=judge, terms=terms, held=held)


def read_from_names(made: Drawn, table: Record) -> dict[int, str]:
    """The numbers that a sync reads from the names of a dossier's clients, and keeps."""
    stated = {row["client"] for row in table["client_map"] if "vat" in row or "customer" in row}
    scope = [row for row in made.toggl["clients"] if row["id"] in table["clients"] or len(made.dossiers) == 1]
    scope = [row for row in scope if not table["clients"] or row["id"] in table["clients"]]
    read = {row["id"]: read_number(row["name"]).number for row in scope if row["id"] not in stated}
    return {client: number for client, number in read.items() if number}


def states_of(dossier: Dossier) -> _State:
    """States and reasons in the ledger, but for what stands on an invoice."""
    rows = LedgerRow.objects.filter(dossier=dossier).exclude(state="drafted")
    return {entry: (state, reason) for entry, state, reason in rows.values_list("entry__remote_id", "state", "reason")}


def as_reckoned(plan: planning.Plan) -> list[planner.Invoice]:
    """The invoices of a plan as the second reckoning writes them; whom Billit does not know has no name here."""
    return sorted(map(_invoice, plan.invoices))


def _invoice(planned: planning.PlannedInvoice) -> planner.Invoice:
    buyer = planned.buyer
    lines = tuple(
        planner.Line(
            line.product.reference,
            line.description + line.description_extended,
            _cents(line.quantity),
            Fraction(line.unit_price) * 100,
            int(line.vat_rate),
            line.ventilation_code,
            _cents(line.total),
            line.seconds,
            line.late,
            tuple(entry.id for entry in line.entries),
        )
        for line in planned.lines
    )
    assert planned.total_incl == planned.total_excl + planned.total_vat
    head = buyer.number, buyer.name if buyer.party_id else "", buyer.purchase_order, planned.title
    sums = _cents(planned.total_excl), _cents(planned.total_vat)
    return planner.Invoice(*head, planned.period_from, planned.period_till, *sums, lines)


def _cents(amount: Decimal) -> int:
    hundredths = Fraction(amount) * 100
    assert hundredths.denominator == 1
    return int(hundredths)


def _rules(made: Drawn, table: Record, pinned: Mapping[int, str]) -> Rules:
    others = frozenset(named for other in made.dossiers if other is not table for named in other["clients"])
    own = frozenset(table["clients"])
    products = [row for row in made.billit["products"] if row["CompanyID"] == table["company"]]
    parties = [row for row in made.billit["parties"] if row["CompanyID"] == table["company"]]
    mapped = {row["client"]: _client_rule(row) for row in table["client_map"]}
    for client, number in pinned.items():
        mapped[client] = replace(mapped.get(client, ClientRule(client)), number=number, proposed=True)
    return Rules(
        start=date.fromisoformat(table["start"]),
        clients=own if own or len(made.dossiers) > 1 else None,
        takes_unassigned=table is made.dossiers[0],
        named_elsewhere=others,
        billable=table["billable"],
        tags=tuple(
            TagRule(row["tag"], row.get("product", ""), row.get("bill", True), row.get("priority"))
            for row in table["tags"]
        ),
        clients_map=tuple(mapped.values()),
        products=tuple(
            Product(row["ProductID"], row["Reference"], row["Description"], row["AmountExcl"], row["VAT"])
            for row in products
        ),
        customers=tuple(
            Customer(
                row["PartyID"],
                row["Name"],
                customer_number(row["VATNumber"]),
                row["Language"],
                row["CountryCode"],
            )
            for row in parties
        ),
        pins={},
        default_product=table["default_product"],
        price_decimals=table["price_decimals"],
        longest_hours=table["longest_hours"],
    )


def _client_rule(row: Record) -> ClientRule:
    treatment = Treatment(row["vat_treatment"]) if "vat_treatment" in row else None
    references = row.get("po", ""), row.get("buyer_reference", "")
    return ClientRule(row["client"], row.get("vat", ""), row.get("customer"), False, treatment, *references)


def _entry(made: Drawn, row: Record) -> Entry:
    def name(kind: str, number: int | None, what: str = "name") -> Any:
        return next((found[what] for found in made.toggl[kind] if found["id"] == number), None)

    start = datetime.fromisoformat(row["start"]).astimezone(UTC)
    stop = None if row["stop"] is None else datetime.fromisoformat(row["stop"])
    client = name("projects", row["project_id"], "client_id")
    return Entry(
        id=row["id"],
        start=start,
        day=start.astimezone(BRUSSELS).date(),
        seconds=0 if stop is None else (stop - start) // timedelta(seconds=1),
        running=stop is None,
        deleted=False,
        billable=row["billable"],
        tags=tuple(row["tags"]),
        description=xml_text(row["description"]),
        project_id=row["project_id"],
        project_name=name("projects", row["project_id"]) or "",
        client_id=client,
        client_name=name("clients", client) or "",
        person_id=row["user_id"],
        person_name=name("users", row["user_id"], "fullname"),
        stop=stop,
    )
