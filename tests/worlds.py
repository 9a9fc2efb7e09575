"""Small worlds for the sandbox, with fixed ids, dates and sums that a reader can add up by hand.

The clock of a world stands at `NOW` (a Friday morning); load it through the fixture `onboard`. People, companies and
numbers are invented.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.factories import NOW, enterprise_number

Record = dict[str, Any]

ORGANIZATION, WORKSPACE, COMPANY = 3001, 4001, 7001
OWNER, COLLEAGUE = 9001, 9002  # Toggl users; the owner's token is the connection's
TOKEN, COLLEAGUE_TOKEN = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
API_KEY = "5ad1c0de-0000-4000-8000-000000000001"
GARAGE, BAKERY = 501, 502  # Toggl clients
GARAGE_PROJECT, BAKERY_PROJECT = 601, 602
GARAGE_NUMBER, BAKERY_NUMBER = enterprise_number(11), enterprise_number(12)
GARAGE_PARTY, BAKERY_PARTY = 80_011, 80_012  # Billit customers
ANOTHER_WORKSPACE, ANOTHER_GARAGE, ANOTHER_PROJECT = 4002, 511, 611
FIRST_ENTRY = 4_300_000_001  # beyond 32 bits, as Toggl's real ids are

__all__ = ["NOW", "entry", "product", "small_world"]


def entry(serial: int, day: str = "2026-10-05", *, seconds: int = 3600, **changes: Any) -> Record:
    """Entry `FIRST_ENTRY + serial` for Toggl: an hour for the garage from 9:00 UTC on, tag "Advice", billable.

    `running=True` takes its end away; `tag` is short for one tag; every other keyword replaces a field.
    """
    start = datetime.fromisoformat(f"{day}T09:00:00+00:00") if "T" not in day else datetime.fromisoformat(day)
    row: Record = {
        "id": FIRST_ENTRY + serial,
        "workspace_id": WORKSPACE,
        "user_id": OWNER,
        "project_id": GARAGE_PROJECT,
        "description": f"Work {serial}",
        "billable": True,
        "tags": ["Advice"],
        "start": zulu(start),
        "stop": None if changes.pop("running", False) else zulu(start + timedelta(seconds=seconds)),
    }
    if "tag" in changes:
        row["tags"] = [changes.pop("tag")]
    return row | changes


def zulu(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def product(serial: int, reference: str, description: str, price: str = "95.00", vat: str = "21.00") -> Record:
    """A product of the company, by the hour."""
    return {
        "ProductID": 60_001 + serial,
        "CompanyID": COMPANY,
        "Reference": reference,
        "Description": description,
        "AmountExcl": Decimal(price),
        "VAT": Decimal(vat),
        "Unit": "HUR",
    }


def client(number: int, name: str, **changes: Any) -> Record:
    return {"id": number, "workspace_id": WORKSPACE, "name": name} | changes


def project(number: int, name: str, client_id: int | None, **changes: Any) -> Record:
    row = {"id": number, "workspace_id": WORKSPACE, "client_id": client_id, "name": name}
    return row | {"is_private": True, "active": True, "billable": True} | changes


def party(number: int, name: str, vat: str, **changes: Any) -> Record:
    row = {"PartyID": number, "CompanyID": COMPANY, "PartyType": "Customer", "Name": name, "VATNumber": vat}
    return row | {"Language": "EN", "Email": f"party{number}@example.com"} | changes


def small_world(
    *,
    entries: list[Record] | None = None,
    clients: list[Record] | None = None,
    projects: list[Record] | None = None,
    products: list[Record] | None = None,
    parties: list[Record] | None = None,
    kbo: list[Record] | None = None,
    peppol: list[Record] | None = None,
    dossiers: list[Record] | None = None,
    now: datetime = NOW,
    plan: str = "premium",
    admin: bool = True,
    **dossier: Any,
) -> Record:
    """One firm ("small", in English), one workspace, one company, two customers that Billit knows and three products.

    The six standing entries, all in October 2026: garage 1 h + 2 h Advice and 0.5 h Books, bakery 1.5 h Advice,
    4 h Tax, and a running one without a product's tag. With no rounding: garage 3 x 95 + 0.5 x 60 = 315.00, bakery
    1.5 x 95 + 4 x 120 = 622.50.
    A keyword replaces that whole list; every other keyword is a key of the dossier's onboarding table. What goes out by
    itself has no limit unless one is given.
    """
    standing = [
        entry(1, "2026-10-05"),
        entry(2, "2026-10-06", seconds=7200),
        entry(3, "2026-10-06T14:00:00+00:00", seconds=1800, tag="Books", user_id=COLLEAGUE),
        entry(4, "2026-10-07", seconds=5400, project_id=BAKERY_PROJECT),
        entry(5, "2026-10-20", seconds=14400, tag="Tax", project_id=BAKERY_PROJECT),
        entry(6, "2026-10-30", running=True, tags=[]),
    ]
    toggl: Record = {
        "organizations": [{"id": ORGANIZATION, "name": "Small", "plan": plan}],
        "users": [
            _user(OWNER, TOKEN, "owner@example.com", "Odile Verkansel", admin),
            _user(COLLEAGUE, COLLEAGUE_TOKEN, "colleague@example.com", "Wim Brandhof", False),
        ],
        "workspaces": [{"id": WORKSPACE, "organization_id": ORGANIZATION, "name": "Small"}],
        "clients": _or(
            clients, [client(GARAGE, f"Garage Vonk {GARAGE_NUMBER}"), client(BAKERY, f"Bakery Deeg ({BAKERY_NUMBER})")]
        ),
        "projects": _or(
            projects, [project(GARAGE_PROJECT, "Garage", GARAGE), project(BAKERY_PROJECT, "Bakery", BAKERY)]
        ),
        "tags": [],
        "entries": _or(entries, standing),
    }
    billit = {
        "users": [
            {
                "api_key": API_KEY,
                "bearer": "sandbox-bearer-1",
                "email": "owner@example.com",
                "name": "Odile Verkansel",
                "language": "EN",
                "companies": [COMPANY],
            }
        ],
        "companies": [
            {
                "PartyID": COMPANY,
                "Name": "Small SRL",
                "VATNumber": enterprise_number(9001),
                "CountryCode": "BE",
                "Language": "EN",
                "VATLiable": True,
            }
        ],
        "products": _or(
            products,
            [
                product(0, "ADV", "Advice"),
                product(1, "CPT", "Bookkeeping", "60.00"),
                product(2, "FIS", "Tax", "120.00"),
            ],
        ),
        "parties": _or(
            parties,
            [
                party(GARAGE_PARTY, "Garage Vonk SRL", GARAGE_NUMBER),
                party(BAKERY_PARTY, "Bakery Deeg BV", BAKERY_NUMBER),
            ],
        ),
        "kbo": _or(kbo, []),
        "peppol": _or(peppol, [{"number": GARAGE_NUMBER}, {"number": BAKERY_NUMBER}]),
    }
    table: Record = {
        "key": "small",
        "toggl": "main",
        "workspace": WORKSPACE,
        "billit": "main",
        "company": COMPANY,
        "start": "2026-09-01",
        # An annex costs a process of its own: the tests of annexes, and the demo's, switch it on.
        "annex": False,
        "tags": [{"tag": "Advice", "product": "ADV"}, {"tag": "Books", "product": "CPT"}],
    }
    table |= dossier
    if table.get("mode", "review") != "review" and "auto_limit" not in table:
        table["no_limit"] = True
    return {
        "name": "small",
        "now": now.isoformat(),
        "firm": {
            "slug": "small",
            "name": "Small",
            "timezone": "Europe/Brussels",
            "language": "en",
            "owner": "owner@example.com",
        },
        "toggl": toggl,
        "billit": billit,
        # Whoever has a running entry in a world wants it to be read.
        "switches": {"toggl_running_in_reports": True} if any(row["stop"] is None for row in toggl["entries"]) else {},
        "dossiers": _or(dossiers, [table]),
    }


def with_another_workspace(world: Record) -> Record:
    """The world with a second workspace, where the garage has a project, and a dossier that bills it as the first."""
    toggl = world["toggl"]
    toggl["workspaces"].append({"id": ANOTHER_WORKSPACE, "organization_id": ORGANIZATION, "name": "Another"})
    for user in toggl["users"]:
        user["workspaces"].append({"id": ANOTHER_WORKSPACE, "admin": user["token"] == TOKEN})
    garage = client(ANOTHER_GARAGE, f"Garage Vonk {GARAGE_NUMBER}", workspace_id=ANOTHER_WORKSPACE)
    toggl["clients"].append(garage)
    toggl["projects"].append(project(ANOTHER_PROJECT, "Another", ANOTHER_GARAGE, workspace_id=ANOTHER_WORKSPACE))
    world["dossiers"].append(world["dossiers"][0] | {"key": "another", "workspace": ANOTHER_WORKSPACE})
    return world


def _user(number: int, token: str, email: str, fullname: str, admin: bool) -> Record:
    row = {"id": number, "token": token, "email": email, "fullname": fullname, "timezone": "Europe/Brussels"}
    return row | {"workspaces": [{"id": WORKSPACE, "admin": admin}]}


def _or(given: list[Record] | None, standing: list[Record]) -> list[Record]:
    return standing if given is None else given
