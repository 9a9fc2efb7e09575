"""The worlds without troubles: an empty one, one month, and any number of entries and customers for measurements."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from integrations.sandbox.http.clock import BRUSSELS
from integrations.sandbox.http.wire import Record
from integrations.sandbox.worlds.hours import Hour, Hours, moments
from integrations.sandbox.worlds.numbers import belgian_vat

_COMPANY = 7001
_WORKSPACE = 4001
_PRODUCTS = (("ADV", "Conseil", "95.00"), ("CPT", "Comptabilité", "72.50"), ("FIS", "Fiscalité", "110.00"))


def empty() -> Record:
    """One firm, workspace and company; no clients, no entries, no products."""
    world = _frame("empty", start=date(2026, 1, 1))
    world["dossiers"][0]["tags"] = []
    world["billit"]["products"] = []
    return world


def month(now: datetime) -> Record:
    """1,000 entries of last month, 190 projects of 38 clients."""
    today = now.astimezone(BRUSSELS).date()
    last = today.replace(day=1) - timedelta(days=1)
    world = _frame("month", start=last.replace(day=1))
    _fill(world, entries=1000, customers=38, projects=190, first=last.replace(day=1), last=last, now=now)
    world["toggl"]["entries"] = list(world["toggl"]["entries"])
    return world


def bench(entries: int, customers: int, now: datetime, seed: str = "") -> Record:
    """So many billable entries of so many customers, one project each, over the last three months up to yesterday."""
    today = now.astimezone(BRUSSELS).date()
    first, last = today - timedelta(days=90), today - timedelta(days=1)
    name = f"bench:{entries}:{customers}" + (f":{seed}" if seed else "")
    world = _frame(name, start=first)
    _fill(world, entries=entries, customers=customers, projects=customers, first=first, last=last, now=now)
    return world


def _frame(name: str, start: date) -> Record:
    owner = {
        "id": 9001,
        "token": "0123456789abcdef0123456789abcdef",
        "email": "owner@example.com",
        "fullname": "Odile Verkansel",
        "timezone": "Europe/Brussels",
        "workspaces": [{"id": _WORKSPACE, "admin": True}],
    }
    company = {
        "PartyID": _COMPANY,
        "Name": "Bureau Exemple SRL",
        "VATNumber": belgian_vat(9001),
        "CountryCode": "BE",
        "Language": "FR",
        "VATLiable": True,
    }
    return {
        "name": name,
        "now": None,
        "firm": {
            "slug": "bureau",
            "name": "Bureau Exemple",
            "timezone": "Europe/Brussels",
            "language": "fr",
            "owner": "owner@example.com",
        },
        "toggl": {
            "organizations": [{"id": 3001, "name": "Bureau Exemple", "plan": "premium"}],
            "users": [owner],
            "workspaces": [{"id": _WORKSPACE, "organization_id": 3001, "name": "Bureau"}],
            "clients": [],
            "projects": [],
            "tags": [],
            "entries": [],
        },
        "billit": {
            "users": [
                {
                    "api_key": "5ad1c0de-0000-4000-8000-000000000001",
                    "bearer": "sandbox-bearer-1",
                    "email": "owner@example.com",
                    "name": "Odile Verkansel",
                    "language": "FR",
                    "companies": [_COMPANY],
                }
            ],
            "companies": [company],
            "products": [
                {
                    "ProductID": 60_001 + index,
                    "CompanyID": _COMPANY,
                    "Reference": reference,
                    "Description": description,
                    "AmountExcl": Decimal(price),
                    "VAT": Decimal("21.00"),
                    "Unit": "HUR",
                }
                for index, (reference, description, price) in enumerate(_PRODUCTS)
            ],
            "parties": [],
            "kbo": [],
            "peppol": [],
        },
        "dossiers": [
            {
                "key": "bureau",
                "toggl": "main",
                "workspace": _WORKSPACE,
                "billit": "main",
                "company": _COMPANY,
                "start": start.isoformat(),
                "billable": "all",
                "group_by": "product",
                "rounding": {"minutes": 15, "direction": "up", "level": "entry", "minimum": 0},
                "schedule": {"every": "manual"},
                "mode": "review",
                "tags": [{"tag": description, "product": reference} for reference, description, _ in _PRODUCTS],
            }
        ],
    }


def _fill(
    world: Record, *, entries: int, customers: int, projects: int, first: date, last: date, now: datetime
) -> None:
    toggl, billit = world["toggl"], world["billit"]
    for index in range(customers):
        number = belgian_vat(1 + index)
        name = f"Client exemple {index + 1:04d}"
        toggl["clients"].append({"id": 500_001 + index, "workspace_id": _WORKSPACE, "name": f"{name} {number}"})
        billit["parties"].append(
            {
                "PartyID": 80_001 + index,
                "CompanyID": _COMPANY,
                "PartyType": "Customer",
                "Name": name,
                "VATNumber": number,
                "Language": "FR",
                "Email": f"client{index + 1:04d}@example.com",
            }
        )
        billit["peppol"].append({"number": number})
    for index in range(projects):
        client = 500_001 + index % customers
        toggl["projects"].append(
            {
                "id": 200_000_001 + index,
                "workspace_id": _WORKSPACE,
                "client_id": client,
                "name": f"Projet {index + 1:04d}",
                "is_private": True,
                "active": True,
                "billable": True,
            }
        )
    tags = [description for _, description, _ in _PRODUCTS]
    toggl["tags"] = [
        {"id": 300_001 + index, "workspace_id": _WORKSPACE, "name": name} for index, name in enumerate(tags)
    ]

    def draw() -> Iterator[Hour]:
        # Reproducible numbers for measurements, not secrecy.
        die = random.Random(f"{world['name']}:{first}:{last}")  # noqa: S311 - no secret
        latest = now.replace(microsecond=0)
        topics = [f"Dossier {number}" for number in range(1, 41)]
        spans = {seconds: timedelta(seconds=seconds) for seconds in range(600, 5701)}
        named = [(name,) for name in tags]
        for index, start in enumerate(moments(first, last, entries, now)):
            seconds = die.choice((900, 1800, 2700, 3600, 5400)) + (die.randint(-300, 300) if index % 3 == 0 else 0)
            project = 200_000_001 + index % projects
            stop = min(start + spans[seconds], latest)
            yield Hour(9001, project, die.choice(topics), True, die.choice(named), start, stop)

    toggl["entries"] = Hours(entries, _WORKSPACE, draw)
