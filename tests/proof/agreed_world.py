"""A world of the proof in which every dossier has all kinds of fee agreements at once, each with a customer of its own.

In the order of a dossier's customers: a fee in arrears with an hour included and the others extra; a fee in advance;
advances of a plan, settled with yesterday; prepaid hours, of which the second entry crosses the end of the first block;
one who pays by the hour. Of each customer's two hours one is worked by a colleague, who has a rate of her own.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.proof.world import CLIENT, COMPANY, WORKSPACE, proof_world
from tests.worlds import COLLEAGUE, COLLEAGUE_TOKEN, OWNER, Record

CUSTOMERS, ENTRIES = 5, 2
FEE, IN_ADVANCE = "250.00", "80.00"
FIRST, SECOND, YESTERDAYS = "100.00", "60.00", "50.00"
"""The advances of the plan: the first two are posted before the settlement, the last falls due with it."""
_PRODUCTS = {"ADV": ("Advice", "95.00"), "SEN": ("Senior advice", "120.00")} | {
    "FORF": ("Flat fee", "1.00"),
    "PROV": ("Advance", "1.00"),
}


def agreed_world(workspaces: int, **rules: Any) -> Record:
    """So many workspaces with a dossier each; every keyword is a key of the dossiers' onboarding table."""
    world = proof_world(workspaces=workspaces, clients=CUSTOMERS, entries=ENTRIES, **rules)
    toggl, billit = world["toggl"], world["billit"]
    toggl["users"].append(
        {"id": COLLEAGUE, "token": COLLEAGUE_TOKEN, "email": "colleague@example.com", "fullname": "Wim Brandhof"}
        | {"timezone": "Europe/Brussels"}
        | {"workspaces": [{"id": WORKSPACE + w, "admin": False} for w in range(workspaces)]}
    )
    for row in toggl["entries"][1::ENTRIES]:
        row["user_id"] = COLLEAGUE
    billit["products"] = [
        {"ProductID": 60_001 + workspace + 1000 * place, "CompanyID": COMPANY + workspace, "Reference": reference}
        | {"Description": name, "AmountExcl": Decimal(price), "VAT": Decimal("21.00"), "Unit": "HUR"}
        for workspace in range(workspaces)
        for place, (reference, (name, price)) in enumerate(_PRODUCTS.items())
    ]
    for number, dossier in enumerate(world["dossiers"]):
        dossier["agreements"] = _agreements(CLIENT + number * CUSTOMERS, datetime.now(UTC).date())
        dossier["tags"] = [
            {"tag": "Advice", "product": "ADV"},
            {"tag": "Advice", "person": COLLEAGUE, "product": "SEN"},
        ]
    assert {row["user_id"] for row in toggl["entries"]} == {OWNER, COLLEAGUE}
    return world


def _agreements(first: int, today: date) -> list[Record]:
    """With the clients from ``first`` on. All hours lie in the three weeks before yesterday."""

    def day(before: int) -> str:
        return (today - timedelta(days=before)).isoformat()

    once: Record = {"product": "FORF", "every": "once", "from": day(25), "until": day(1)}
    arrears = once | {"amount": FEE, "included_hours": "1", "extra_product": "ADV"}
    advance = once | {"in_advance": True, "amount": IN_ADVANCE}
    amounts = {40: FIRST, 30: SECOND, 1: YESTERDAYS}
    plan = [{"day": day(before), "amount": amount} for before, amount in amounts.items()]
    provisions: Record = {"kind": "advance", "product": "PROV", "from": day(60), "plan": plan}
    provisions["settle_on"] = f"{today - timedelta(days=1):%m-%d}"
    block: Record = {"kind": "prepaid", "product": "ADV", "from": day(60), "hours": "1.5", "price": "85.00"}
    block["refill_at"] = "1"
    return [
        {"key": f"agreed-{client}", "client": client, "title": f"Agreed {client}"} | terms
        for client, terms in enumerate((arrears, advance, provisions, block), start=first)
    ]
