"""A world of any size in which a stated share of the entries is in trouble: every trouble of the rules of billing.

The troubles come in turn, so each has the same share of the share. Left out is what no standing world can hold: a
client renamed after it was read, mappings that contradict each other, a company that charges no VAT, an hour that is
late for an earlier run, and a second running entry of one person.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal

from integrations.sandbox.http.clock import BRUSSELS
from integrations.sandbox.http.wire import Record
from integrations.sandbox.worlds.hours import Hour, Hours, moments
from integrations.sandbox.worlds.numbers import belgian_vat, dotted, german_vat, wrong_vat

WORKSPACE, COMPANY, SHORT_COMPANY = 4001, 7001, 7002
_PEOPLE = 8
_DAYS = 120
_FIRST_CLIENT, _FIRST_PROJECT, _FIRST_PARTY = 500_001, 200_000_001, 80_001
_ABSENT_PARTY = 79_999

# Troubles of the customer: each has a Toggl client of its own, named so, and a project.
_CLIENTS: dict[str, str] = {
    "several_vats": f"Groupe Fauvertin {belgian_vat(9101)} / {belgian_vat(9102)}",
    "invalid_vat": f"Cafétéria Tresquelin {wrong_vat(9103)}",
    "unsure_vat": f"Ateliers Mirvaux {belgian_vat(9108)[3:]}",
    "no_vat": "Succession Orvignac",
    "several_customers": f"Zaltemine {belgian_vat(9104)}",
    "unknown_customer": "Commune de Dorvimont",
    "foreign_vat": f"Kestrevin Handel {german_vat(1)}",
    "treatment_number": f"Orvelin Conseils {belgian_vat(9108)}",
    "unassigned_client": f"Wimprelle {belgian_vat(9105)}",
    "rounds_to_zero": f"Appels brefs {belgian_vat(9106)}",
}
# Troubles of the product: each has a tag; the product of that tag has the fault.
_TAGS: dict[str, tuple[str, ...]] = {
    "no_tag": (),
    "unknown_tag": ("urgent",),
    "unknown_product": ("Archives",),
    "several_products": ("Conseil", "Fiscalité"),
    "no_price": ("Entretien",),
    "price_decimals": ("Encodage",),
    "vat_rate": ("Formation",),
}
_SOUND_TAGS = ("Conseil", "Comptabilité", "Fiscalité")
_PRODUCTS = (
    ("ADV", "Conseil", "95.00", "21.00"),
    ("CPT", "Comptabilité", "72.50", "21.00"),
    ("FIS", "Fiscalité", "110.00", "21.00"),
    ("ENT", "Entretien", "0.00", "21.00"),
    ("ENC", "Encodage", "62.505", "21.00"),
    ("FOR", "Formation", "90.00", "20.00"),
)
_INTERNAL = "interne"
# What bars an entry from billing without being attention, and what the entry itself lacks.
TROUBLES = (
    *("before_start", "zero_seconds", "not_billed", "no_project", "no_client"),
    *(*_CLIENTS, *_TAGS),
    *("implausible", "duplicate_entry"),
)
_A_LONG_DAY = timedelta(hours=16, minutes=1)


def troubles(name: str, entries: int, share: Decimal, now: datetime) -> Record:
    """So many entries over the last four months, `share` per cent of them in trouble; one more thing runs right now."""
    today = now.astimezone(BRUSSELS).date()
    start = today - timedelta(days=_DAYS)
    customers = max(3, min(500, entries // 200))
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
        "toggl": _toggl(entries, share, customers, start, today, now, name),
        "billit": _billit(customers),
        "dossiers": _dossiers(customers, start),
    }


def counts(entries: int, share: Decimal) -> dict[str, int]:
    """How many entries are in each trouble, in the order of TROUBLES."""
    troubled = int(entries * share / 100)
    each, rest = divmod(troubled, len(TROUBLES))
    return {trouble: each + (index < rest) for index, trouble in enumerate(TROUBLES)}


def _toggl(entries: int, share: Decimal, customers: int, start: date, today: date, now: datetime, name: str) -> Record:
    clients: list[Record] = [
        {"id": _FIRST_CLIENT + index, "workspace_id": WORKSPACE, "name": text}
        for index, text in enumerate([*(_sound(number) for number in range(customers)), *_CLIENTS.values()])
    ]
    projects = [
        _project(_FIRST_PROJECT + index, client["id"], f"Projet {index + 1}") for index, client in enumerate(clients)
    ]
    projects.append(_project(_FIRST_PROJECT + len(projects), None, "Divers sans client"))
    names = dict.fromkeys([*(product[1] for product in _PRODUCTS), "urgent", "Archives", _INTERNAL])
    return {
        "organizations": [{"id": 3001, "name": "Bureau Exemple", "plan": "premium"}],
        "users": [_person(index) for index in range(_PEOPLE)],
        "workspaces": [{"id": WORKSPACE, "organization_id": 3001, "name": "Bureau"}],
        "clients": clients,
        "projects": projects,
        "tags": [{"id": 300_001 + index, "workspace_id": WORKSPACE, "name": tag} for index, tag in enumerate(names)],
        "entries": Hours(entries, WORKSPACE, lambda: _draw(entries, share, customers, start, today, now, name)),
    }


def _sound(index: int) -> str:
    number = belgian_vat(1 + index)
    return f"Client exemple {index + 1:04d} " + (f"BE {dotted(number[2:])}" if index % 3 == 0 else number)


def _project(number: int, client: int | None, name: str) -> Record:
    row: Record = {"id": number, "workspace_id": WORKSPACE, "client_id": client, "name": name}
    return row | {"is_private": True, "active": True, "billable": True}


def _person(index: int) -> Record:
    return {
        "id": 9001 + index,
        "token": f"{9001 + index:032x}",
        "email": "owner@example.com" if index == 0 else f"person{index}@example.com",
        "fullname": f"Personne {index + 1}",
        "timezone": "Europe/Brussels",
        "workspaces": [{"id": WORKSPACE, "admin": index == 0}],
    }


def _draw(
    entries: int, share: Decimal, customers: int, start: date, today: date, now: datetime, name: str
) -> Iterator[Hour]:
    # Reproducible hours for tests, not secrecy.
    die = random.Random(f"{name}:{today}")  # noqa: S311 - no secret
    troubled = int(entries * share / 100)
    spans = [timedelta(seconds=seconds) for seconds in range(900, 7200, 60)]
    latest = now.replace(microsecond=0)
    met = 0
    # What a duplicate says again: an hour that would be billed, short or not.
    again: Hour | None = None
    for index, moment in enumerate(moments(start, today - timedelta(days=1), entries, now)):
        due = (index + 1) * troubled // entries
        project = _FIRST_PROJECT + die.randrange(customers)
        stop = min(moment + die.choice(spans), latest)
        tags = (die.choice(_SOUND_TAGS),)
        hour = Hour(9001 + index % _PEOPLE, project, f"Dossier {1 + index % 40}", True, tags, moment, stop)
        if due > met:
            trouble = TROUBLES[met % len(TROUBLES)]
            hour = again if again and trouble == "duplicate_entry" else _spoilt(hour, trouble, customers, latest)
            met = due
        else:
            trouble = ""
        if not trouble or (again is None and trouble == "rounds_to_zero"):
            again = hour
        yield hour


def _spoilt(hour: Hour, trouble: str, customers: int, latest: datetime) -> Hour:
    first = _FIRST_PROJECT + customers
    if trouble in _TAGS:
        return hour._replace(tags=_TAGS[trouble])
    if trouble == "rounds_to_zero":
        return hour._replace(project_id=first + list(_CLIENTS).index(trouble), stop=hour.start + timedelta(seconds=10))
    if trouble in _CLIENTS:
        return hour._replace(project_id=first + list(_CLIENTS).index(trouble))
    if trouble == "no_project":
        return hour._replace(project_id=None)
    if trouble == "no_client":
        return hour._replace(project_id=first + len(_CLIENTS))
    if trouble == "not_billed":
        return hour._replace(tags=(_INTERNAL,))
    if trouble == "implausible":
        start = min(hour.start, latest - _A_LONG_DAY)
        return hour._replace(start=start, stop=start + _A_LONG_DAY)
    if trouble == "zero_seconds":
        return hour._replace(stop=hour.start)
    back = timedelta(days=_DAYS + 7)
    return hour._replace(start=hour.start - back, stop=hour.stop - back if hour.stop else None)


def _billit(customers: int) -> Record:
    sound = [_party(_FIRST_PARTY + index, COMPANY, index + 1) for index in range(customers)]
    double = _party(_FIRST_PARTY + customers, COMPANY, 9104)
    german = {**_party(_FIRST_PARTY + customers + 2, COMPANY, 9107), "VATNumber": german_vat(1), "CountryCode": "DE"}
    return {
        "users": [
            {
                "api_key": "5ad1c0de-0000-4000-8000-000000000001",
                "bearer": "sandbox-bearer-1",
                "email": "owner@example.com",
                "name": "Personne 1",
                "language": "FR",
                "companies": [COMPANY, SHORT_COMPANY],
            }
        ],
        "companies": [
            _company(COMPANY, "Bureau Exemple SRL", 9001),
            _company(SHORT_COMPANY, "Exemple Conseil SRL", 9002),
        ],
        "products": [
            {
                "ProductID": 60_001 + index + 100 * (company - COMPANY),
                "CompanyID": company,
                "Reference": reference,
                "Description": description,
                "AmountExcl": Decimal(price),
                "VAT": Decimal(rate),
                "Unit": "HUR",
            }
            for company in (COMPANY, SHORT_COMPANY)
            for index, (reference, description, price, rate) in enumerate(_PRODUCTS)
        ],
        "parties": [
            *sound,
            double,
            {**double, "PartyID": double["PartyID"] + 1, "VATNumber": f"BE {dotted(belgian_vat(9104)[2:])}"},
            german,
            _party(_FIRST_PARTY + customers + 3, SHORT_COMPANY, 9106),
        ],
        "kbo": [],
        "peppol": [{"number": row["VATNumber"]} for row in sound],
    }


def _company(number: int, name: str, index: int) -> Record:
    row: Record = {"PartyID": number, "Name": name, "VATNumber": belgian_vat(index), "CountryCode": "BE"}
    return row | {"Language": "FR", "VATLiable": True}


def _party(number: int, company: int, index: int) -> Record:
    row: Record = {"PartyID": number, "CompanyID": company, "PartyType": "Customer", "Name": f"Client {index:04d} SRL"}
    return row | {"VATNumber": belgian_vat(index), "Language": "FR", "Email": f"client{index:04d}@example.com"}


def _dossiers(customers: int, start: date) -> list[Record]:
    numbers = dict(
        zip(_CLIENTS, range(_FIRST_CLIENT + customers, _FIRST_CLIENT + customers + len(_CLIENTS)), strict=True)
    )
    tags: list[Record] = [{"tag": description, "product": reference} for reference, description, _, _ in _PRODUCTS]
    tags += [{"tag": "Archives", "product": "ARC"}, {"tag": _INTERNAL, "bill": False}]
    shared: Record = {
        "toggl": "main",
        "workspace": WORKSPACE,
        "billit": "main",
        "start": start.isoformat(),
        "billable": "all",
        "schedule": {"every": "manual"},
        "mode": "review",
        "tags": tags,
    }
    named = [_FIRST_CLIENT + index for index in range(customers)]
    named += [number for trouble, number in numbers.items() if trouble not in {"unassigned_client", "rounds_to_zero"}]
    return [
        {
            "key": "bureau",
            **shared,
            "company": COMPANY,
            "clients": named,
            "group_by": "product",
            "rounding": {"minutes": 15, "direction": "up", "level": "entry", "minimum": 0},
            "client_map": [
                {"client": numbers["unknown_customer"], "customer": _ABSENT_PARTY},
                {"client": numbers["treatment_number"], "vat_treatment": "eu_services"},
            ],
        },
        {
            # Every call is a line of its own, and ten seconds are no hundredth of an hour.
            "key": "appels",
            **shared,
            "company": SHORT_COMPANY,
            "clients": [numbers["rounds_to_zero"]],
            "group_by": "entry",
            "rounding": {"minutes": 0, "direction": "up", "level": "entry", "minimum": 0},
        },
    ]
