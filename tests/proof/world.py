"""Worlds for the proof: they lie in the days before today, for the workers live by the real clock.

Every entry has a description of its own ("Work 17") and a line of its own on the invoice, so that Billit's own orders
show which hours were billed, without asking our tables. People, companies and numbers are invented.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Literal

from tests.factories import enterprise_number
from tests.worlds import FIRST_ENTRY, OWNER, TOKEN, Record, small_world, zulu

SLUG = "proof"
WORKSPACE, COMPANY, CLIENT, PROJECT, PARTY = 4001, 7001, 510_001, 610_001, 81_001

Agreed = Literal["", "once", "all"]
_EARLIER = 25
"""So many days ago nothing was worked yet."""


def proof_world(
    *,
    workspaces: int = 1,
    dossiers: int = 1,
    clients: int = 4,
    entries: int = 3,
    group_by: str = "entry",
    known: bool = True,
    agreed: Agreed = "",
    **rules: str | bool,
) -> Record:
    """So many workspaces (each with a company), dossiers of each, clients of each dossier and entries of each client.

    Each dossier is due daily and posts by itself. ``known``: whether Billit has their customers, or makes them with the
    orders. ``agreed``: which agreements the second and the third client of each dossier have (see ``_agreements``).
    Every other keyword is a key of the dossiers' onboarding table.
    """
    world = small_world(clients=[], projects=[], products=[], parties=[], entries=[], peppol=[], dossiers=[])
    toggl, billit = world["toggl"], world["billit"]
    world["now"] = None
    world["firm"] |= {"slug": SLUG, "name": "Proof"}
    toggl["organizations"] = [{"id": 3001 + w, "name": f"Office {w}", "plan": "premium"} for w in range(workspaces)]
    toggl["workspaces"] = [
        {"id": WORKSPACE + w, "organization_id": 3001 + w, "name": f"Office {w}"} for w in range(workspaces)
    ]
    toggl["users"] = [
        {"id": OWNER, "token": TOKEN, "email": "owner@example.com", "fullname": "Odile Verkansel"}
        | {"timezone": "Europe/Brussels"}
        | {"workspaces": [{"id": WORKSPACE + w, "admin": True} for w in range(workspaces)]}
    ]
    company = billit["companies"][0]
    billit["companies"] = [
        company | {"PartyID": COMPANY + w, "VATNumber": enterprise_number(9001 + w)} for w in range(workspaces)
    ]
    billit["users"][0]["companies"] = [COMPANY + w for w in range(workspaces)]
    billit["products"] = [each for w in range(workspaces) for each in _products(w, agreed)]
    starts = moments()
    serial = 0
    for number in range(workspaces * dossiers):
        place = number // dossiers
        mine = range(number * clients, (number + 1) * clients)
        for client in mine:
            add_client(world, place, client)
            for _ in range(entries):
                serial += 1
                toggl["entries"].append(entry(serial, next(starts), client=client, workspace=place))
        world["dossiers"].append(
            {
                "key": f"dossier-{number + 1}",
                "toggl": "main",
                "workspace": WORKSPACE + place,
                "billit": "main",
                "company": COMPANY + place,
                "start": (date.today() - timedelta(days=60)).isoformat(),  # noqa: DTZ011 - weeks off any edge
                "clients": [CLIENT + client for client in mine] if dossiers > 1 else [],
                "group_by": group_by,
                "schedule": {"every": "daily"},
                "mode": "post",
                "no_limit": True,
                "annex": False,
                "tags": [{"tag": "Advice", "product": "ADV"}],
                "agreements": _agreements(agreed, number, mine) or None,
            }
            | rules
        )
    if not known:
        billit["parties"] = []
    return world


def entry(serial: int, start: datetime, *, client: int = 0, workspace: int = 0, seconds: int = 3600) -> Record:
    """Entry number `serial` of a client, tag "Advice"."""
    return {
        "id": FIRST_ENTRY + serial,
        "workspace_id": WORKSPACE + workspace,
        "user_id": OWNER,
        "project_id": PROJECT + client,
        "description": f"Work {serial}",
        "billable": True,
        "tags": ["Advice"],
        "start": zulu(start),
        "stop": zulu(start + timedelta(seconds=seconds)),
    }


def moments() -> Iterator[datetime]:
    """Starts of entries: the hours of 8 to 14 UTC of the 20 days that end the day before yesterday, over and over."""
    latest = datetime.combine(datetime.now(UTC).date() - timedelta(days=2), time(8), tzinfo=UTC)
    while True:
        for step in range(20 * 7):
            yield latest - timedelta(days=step % 20) + timedelta(hours=step // 20)


def yesterday() -> str:
    """The day through which the schedule bills, as the command takes it."""
    return (datetime.now(UTC).date() - timedelta(days=1)).isoformat()


def before_the_entries() -> str:
    """A day before all entries, with which a run bills what is due of agreements by then and no hour."""
    return (datetime.now(UTC).date() - timedelta(days=_EARLIER)).isoformat()


def _agreements(agreed: Agreed, number: int, clients: range) -> list[Record]:
    """Of a dossier's second client a fee, or prepaid hours; of its third one advances, settled with yesterday.

    "once": the fee falls due with the entries, the advances before them. "all": what the second client has goes round
    by the number of the dossier.
    """
    if not agreed:
        return []
    today = datetime.now(UTC).date()
    started = (today - timedelta(days=60)).isoformat()
    once: Record = {"every": "once", "in_advance": True, "from": (today - timedelta(days=_EARLIER - 3)).isoformat()}
    monthly: Record = {"in_advance": True, "included_hours": "2", "extra_product": "ADV"}
    fee: Record = {"product": "FORF", "amount": "250.00"}
    block: Record = {"kind": "prepaid", "product": "ADV", "hours": "6", "price": "85.00", "refill_at": "2"}
    second = fee | once if agreed == "once" else (fee | once, fee | monthly, block)[number % 3]
    yearly = f"{today - timedelta(days=1):%m-%d}"
    third: Record = {"kind": "advance", "product": "PROV", "amount": "100.00", "settle_on": yearly}
    return [
        {"key": f"agreed-{client}", "client": CLIENT + client, "title": f"Agreed {client}", "from": started} | terms
        for client, terms in zip(clients[1:], (second, third), strict=False)
    ]


def _products(workspace: int, agreed: Agreed) -> list[Record]:
    names = {"ADV": "Advice"} | ({"FORF": "Flat fee", "PROV": "Advance"} if agreed else {})
    return [
        {
            "ProductID": 60_001 + workspace + 1000 * place,
            "CompanyID": COMPANY + workspace,
            "Reference": reference,
            "Description": name,
            "AmountExcl": Decimal("95.00"),
            "VAT": Decimal("21.00"),
            "Unit": "HUR",
        }
        for place, (reference, name) in enumerate(names.items())
    ]


def add_client(world: Record, workspace: int, client: int) -> None:
    """A client with a project in that workspace, whom Billit knows as a customer of the company beside it."""
    number = enterprise_number(100 + client)
    world["toggl"]["clients"].append(
        {"id": CLIENT + client, "workspace_id": WORKSPACE + workspace, "name": f"Client {client} {number}"}
    )
    world["toggl"]["projects"].append(
        {"id": PROJECT + client, "workspace_id": WORKSPACE + workspace, "client_id": CLIENT + client}
        | {"name": f"Project {client}", "is_private": True, "active": True, "billable": True}
    )
    world["billit"]["parties"].append(
        {"PartyID": PARTY + client, "CompanyID": COMPANY + workspace, "PartyType": "Customer"}
        | {"Name": f"Client {client}", "VATNumber": number, "Language": "EN", "Email": f"c{client}@example.com"}
    )
    world["billit"]["peppol"].append({"number": number})
