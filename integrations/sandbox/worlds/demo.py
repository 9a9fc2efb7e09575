"""The demo world: one firm, two workspaces, three companies, about 1,500 entries, and one of every trouble."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from integrations.sandbox.http.clock import BRUSSELS
from integrations.sandbox.http.wire import Record
from integrations.sandbox.worlds.demo_customers import CLIENTS, kbo_rows, parties, peppol_rows
from integrations.sandbox.worlds.demo_hours import CLOSING, PEOPLE, entries, projects
from integrations.sandbox.worlds.demo_products import PRODUCTS, agreements, dossier_tags, products, tags
from integrations.sandbox.worlds.numbers import belgian_vat

ACCOUNTS, ADVICE, PAYROLL = 7001, 7002, 7003
OFFICE, SOCIAL = 4001, 4002
_DAYS = 61


def demo(now: datetime) -> Record:
    """The world as of `now` (aware UTC); the same local day and hour give the same world."""
    today = now.astimezone(BRUSSELS).date()
    start = today - timedelta(days=_DAYS)
    return {
        "name": "demo",
        "now": None,
        "firm": {
            "slug": "fiduciaire",
            "name": "Fiduciaire Exemple",
            "timezone": "Europe/Brussels",
            "language": "fr",
            "owner": "owner@example.com",
        },
        "toggl": {
            "organizations": [{"id": 3001, "name": "Fiduciaire Exemple", "plan": "premium"}],
            "users": _people(),
            "workspaces": [
                {"id": OFFICE, "organization_id": 3001, "name": "Fiduciaire"},
                {"id": SOCIAL, "organization_id": 3001, "name": "Secrétariat social"},
            ],
            "clients": [
                {"id": client.id, "workspace_id": client.workspace, "name": client.toggl_name} for client in CLIENTS
            ],
            "projects": projects(),
            "tags": tags(),
            "entries": entries(now, start),
        },
        "billit": {
            "users": [
                {
                    "api_key": "5ad1c0de-0000-4000-8000-00000000de40",
                    "bearer": "sandbox-bearer-demo",
                    "email": "owner@example.com",
                    "name": PEOPLE[0].name,
                    "language": "FR",
                    "companies": [ACCOUNTS, ADVICE, PAYROLL],
                },
                {
                    # A colleague who may open one company only.
                    "api_key": "5ad1c0de-0000-4000-8000-00000000de41",
                    "email": "colleague@example.com",
                    "name": PEOPLE[1].name,
                    "language": "NL",
                    "companies": [ADVICE],
                },
            ],
            "companies": _companies(),
            "products": products(),
            "parties": parties(),
            "kbo": kbo_rows(),
            "peppol": peppol_rows(),
        },
        "dossiers": _dossiers(start.isoformat(), today),
    }


def _people() -> list[Record]:
    return [
        {
            "id": person.id,
            "token": f"{person.id:032x}",
            "email": person.email,
            "fullname": person.name,
            "timezone": "Europe/Brussels",
            "workspaces": [{"id": number, "admin": person.admin} for number in person.workspaces],
        }
        for person in PEOPLE
    ]


def _companies() -> list[Record]:
    names = {
        ACCOUNTS: ("Fiduciaire Exemple SRL", 9001),
        ADVICE: ("Exemple Conseil SRL", 9002),
        PAYROLL: ("Exemple Salaires SRL", 9003),
    }
    return [
        {
            "PartyID": number,
            "Name": name,
            "VATNumber": belgian_vat(index),
            "Street": "Rue de l'Exemple",
            "StreetNumber": str(number - 7000),
            "Zipcode": "1000",
            "City": "Bruxelles",
            "CountryCode": "BE",
            "Language": "FR",
            "VATLiable": True,
        }
        for number, (name, index) in names.items()
    ]


def _dossiers(start: str, today: date) -> list[Record]:
    own = {"toggl": "main", "billit": "main"}
    numbers = {client.id: client for client in CLIENTS}
    return [
        {
            "key": "compta",
            **own,
            "workspace": OFFICE,
            "company": ACCOUNTS,
            "start": start,
            "clients": [client.id for client in CLIENTS if client.company == ACCOUNTS and client.named],
            "billable": "all",
            "group_by": "product",
            "rounding": {"minutes": 15, "direction": "up", "level": "entry", "minimum": 0},
            "schedule": {"every": "monthly", "day": 1},
            "mode": "review",
            "payment_days": 30,
            "tags": dossier_tags(ACCOUNTS),
            "agreements": agreements(date.fromisoformat(start), today, CLOSING),
            "client_map": [
                {"client": 510, "customer": numbers[510].party, "po": "4500012345"},
                {"client": 511, "vat": numbers[511].vat, "buyer_reference": "Service achats"},
                {"client": 513, "vat_treatment": "reverse_charge"},
                {"client": 514, "vat_treatment": "eu_services"},
            ],
        },
        {
            "key": "conseil",
            **own,
            "workspace": OFFICE,
            "company": ADVICE,
            "start": start,
            "clients": [client.id for client in CLIENTS if client.company == ADVICE],
            "billable": "all",
            "group_by": "project",
            "rounding": {"minutes": 6, "direction": "nearest", "level": "line", "minimum": 0},
            "schedule": {"every": "weekly", "weekday": 1},
            "mode": "review",
            "auto_limit": "2500.00",
            "payment_days": 15,
            "default_product": PRODUCTS[ADVICE][0].reference,
            "tags": dossier_tags(ADVICE),
        },
        {
            "key": "salaires",
            **own,
            "workspace": SOCIAL,
            "company": PAYROLL,
            "start": start,
            "billable": "flagged",
            "group_by": "person",
            "rounding": {"minutes": 5, "direction": "up", "level": "entry", "minimum": 15},
            "schedule": {"every": "manual"},
            "mode": "review",
            "payment_days": 30,
            "tags": dossier_tags(PAYROLL),
        },
    ]
