"""Drawn worlds for the second reckoning: each is one workspace with one or two dossiers, and much that goes wrong.

World number n is always the same one. Ids never meet, so that many worlds are the workspaces of one firm.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

from stdnum.eu import vat

from tests.factories import enterprise_number
from tests.worlds import API_KEY, COLLEAGUE, NOW, OWNER, TOKEN, Record, zulu

START, TODAY = date(2026, 9, 1), NOW.date()
_REFERENCES = ("ADV", "BOOK", "L’été", "Année 1", "Frais-km", "adv")
_USUAL = ("Advies", "Boekhouding", "ADV")
_TAGS = (*_USUAL, "Réunion d'équipe", "intern", "onbekend", *_REFERENCES[1:-1])
_DESCRIPTIONS = ("Return", "return ", "", "Call\x0bback", "Year end", "Zürich · 2", "long " * 130)
_SECONDS = (0, 1, 17, 59, 60, 449, 450, 899, 900, 901, 1800, 3600, 3661, 5400, 7199, 28_801, 57_600, 57_601)


@dataclass
class Drawn:
    """A drawn world: the records of both services, and the dossiers' onboarding tables."""

    number: int
    toggl: dict[str, list[Record]]
    billit: dict[str, list[Record]]
    dossiers: list[Record]

    @property
    def workspace(self) -> int:
        return 40_000 + self.number


def spelled(rng: Random, text: str) -> str:
    """The same text for a reader, typed in another way."""
    place = rng.randrange(len(text) + 1)
    ways = [
        text,
        text,
        text,
        text.upper(),
        text.lower(),
        f"\u00a0{text}  ",
        text.replace(" ", "\u2009 "),
        text[:place] + "\u00ad" + text[place:],
        text[:place] + "\u200b" + text[place:],
        unicodedata.normalize("NFD", text),
        text.replace("-", rng.choice("\u2011−⁃")).replace("'", "’"),
        "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" and c not in "'`" else c for c in text),
    ]
    return rng.choice(ways)


def foreign(rng: Random) -> str:
    """A valid number of another member state, made up."""
    while True:
        drawn = "".join(rng.choices("0123456789", k=11))
        text = rng.choice([f"NL{drawn[:9]}B01", f"LU{drawn[:8]}", f"DE{drawn[:9]}", f"FR{drawn}"])
        if vat.is_valid(text):
            return text


def named(rng: Random) -> str:
    """A Toggl client's name, with a number in it that is sure, unsure, wrong or none."""
    full = enterprise_number(rng.randrange(9999))
    bare, nine = full[2:], full[3:]
    mobile = next(f"047{rest:05}{97 - int(f'47{rest:05}') % 97:02}" for rest in [rng.randrange(99_999)])
    four, two, last = bare[:4], bare[4:7], bare[7:]
    other = foreign(rng)
    wrong = f"{bare[:9]}{(int(bare[9]) + 1) % 10}"
    sure = [
        *(full, full.lower(), f"BE {four}.{two}.{last}", f"BE {four} {two} {last}", bare, f"{four}.{two}.{last}"),
        *(f"{four}-{two}-{last}", f"{four} {two} {last}", f"(TVA: BE {four} {two} {last})", f"btw-{full}", mobile),
        *(f"#{full}.", f"BE\u00a0{bare}", f"BE{four}\u00ad{two}{last}", f"[{bare}]", f"be-{bare}", f"12 {bare}"),
        *(f"{mobile[:4]}.{mobile[4:7]}.{mobile[7:]}", f"{bare} - 12", f"BE {four} {two}-{last}", f"BE{nine}", other),
    ]
    doubtful = [
        *(nine, f"tel. {bare}", f"NL {nine} B01", f"CHE {nine} MWST", f"{bare} B01", f"GB {bare}", f"{bare} NL"),
        *(f"S.I.R.E.N. {nine}", f"{four} {two[:2]} {two[2:]}{last}", f"{mobile[:4]} {mobile[4:7]} {mobile[7:]}"),
        *(f"NL{nine} {bare}", f"{full} fax {nine}", f"{full} {other}", f"{bare} / {enterprise_number(7)}", wrong),
        *(f"{bare[:5]} - {bare[5:]}", f"BE{wrong}", "BE 0999", "NL999999999B99", "", f"FR {other[2:]}", f"EL{nine}"),
    ]
    forms = sure if rng.random() < 0.7 else doubtful
    name, form = rng.choice(["Garage Vonk", "Bakkerij Ö", "Léon d’Or"]), rng.choice(forms)
    return rng.choice([f"{name} {form}", f"{form} {name}", f"{name}: {form} bv"]) if form else name


def draw(number: int) -> Drawn:
    """World number n."""
    rng = Random(f"world {number}")
    toggl: dict[str, list[Record]] = {"clients": [], "projects": [], "entries": [], "users": USERS}
    billit: dict[str, list[Record]] = {"products": [], "parties": []}
    made = Drawn(number, toggl, billit, [])
    for place in range(rng.randrange(2, 6)):
        row = {"id": 500_000 + 100 * number + place, "workspace_id": made.workspace, "name": named(rng)}
        if place and rng.random() < 0.2:
            row["name"] = toggl["clients"][0]["name"].swapcase()
        toggl["clients"].append(row)
    for place in range(rng.randrange(2, 6)):
        client = rng.choice([row["id"] for row in toggl["clients"]]) if rng.random() < 0.95 else None
        row = {"id": 600_000 + 100 * number + place, "workspace_id": made.workspace, "client_id": client}
        row |= {"name": rng.choice(["Accounts", "accounts", "Year end", f"Project {place}"]), "active": True}
        toggl["projects"].append(row | {"is_private": True, "billable": True})
    _dossiers(rng, made)
    for place in range(rng.randrange(6, 14)):
        toggl["entries"].append(entry(rng, made, place))
    return made


def entry(rng: Random, made: Drawn, place: int) -> Record:
    """A drawn entry; now and then nearly or wholly the same as an earlier one."""
    own = {"id": 4_300_000_000 + 1000 * made.number + place, "workspace_id": made.workspace}
    if made.toggl["entries"] and rng.random() < 0.12:
        again = rng.choice(made.toggl["entries"])
        changes = rng.choice([{}, {}, {"tags": again["tags"][::-1]}, {"description": again["description"] + " "}])
        return again | own | changes
    day = datetime(2026, 8, 28, tzinfo=UTC) + timedelta(days=rng.choice([*range(20, 86), *range(86), 84, 84, 84]))
    start = day + timedelta(minutes=rng.choice([0, 7 * 60, 9 * 60, 21 * 60 + 59, 22 * 60, 22 * 60 + 30, 23 * 60 + 5]))
    seconds = rng.choice([*_SECONDS, *(rng.randrange(1, 30_000) for _ in range(12))])
    project = rng.choice([row["id"] for row in made.toggl["projects"]]) if rng.random() < 0.97 else None
    return own | {
        "user_id": rng.choice([OWNER, COLLEAGUE]),
        "project_id": project,
        "description": rng.choice(_DESCRIPTIONS),
        "billable": rng.random() < 0.7,
        "tags": tags(rng),
        "start": zulu(start),
        "stop": None if rng.random() < 0.02 else zulu(start + timedelta(seconds=seconds)),
    }


def tags(rng: Random) -> list[str]:
    """The tags of an entry; no two that are equal to a reader."""
    drawn = [
        rng.choice(_USUAL) if rng.random() < 0.7 else rng.choice(_TAGS) for _ in range(rng.choice([0, 1, 1, 1, 2, 3]))
    ]
    return [spelled(rng, tag) for tag in dict.fromkeys(drawn)]


def _dossiers(rng: Random, made: Drawn) -> None:
    clients = [row["id"] for row in made.toggl["clients"]]
    rng.shuffle(clients)
    two = len(clients) > 2 and rng.random() < 0.3
    for place in range(1 + two):
        company = 70_000 + 10 * made.number + place
        _company(rng, made, company, place)
        named = clients[place : place + 1 + place] if two or rng.random() < 0.1 else []
        parties = [row["PartyID"] for row in made.billit["parties"] if row["CompanyID"] == company]
        made.dossiers.append(
            {
                "key": f"world-{made.number}-{place}",
                "toggl": "main",
                "workspace": made.workspace,
                "billit": "main",
                "company": company,
                "start": rng.choice([START, date(2026, 10, 1)]).isoformat(),
                "clients": named,
                "billable": rng.choice(["all", "all", "flagged"]),
                "group_by": rng.choice(["product", "project", "person", "day", "description", "entry"]),
                "rounding": {
                    "minutes": rng.choice([0, 0, 1, 5, 6, 7, 15, 30, 60]),
                    "direction": rng.choice(["up", "nearest", "down"]),
                    "level": rng.choice(["entry", "line"]),
                    "minimum": rng.choice([0, 0, 10, 20]),
                },
                "price_decimals": rng.choice([2, 2, 2, 3]),
                "longest_hours": rng.choice([16, 16, 0, 8]),
                "default_product": rng.choice(["", "", "", "BOOK", "lost"]),
                "tags": _mappings(rng),
                "client_map": [
                    row
                    for client in (named or clients)
                    if rng.random() < 0.35 and len(row := _client_mapping(rng, client, parties)) > 1
                ],
            }
        )


def _mappings(rng: Random) -> list[Record]:
    rows: list[Record] = [{"tag": spelled(rng, "intern"), "bill": False}]
    for tag in ("Advies", "Boekhouding", "Réunion d'équipe", "ADV"):
        if rng.random() < 0.7:
            row: Record = {
                "tag": spelled(rng, tag),
                "product": rng.choice(["ADV", "ADV", "BOOK", "BOOK", "book", "L'ÉTÉ", "lost"]),
            }
            rows.append(row | ({"priority": rng.choice([1, 5, 10])} if rng.random() < 0.4 else {}))
    return rows


def _client_mapping(rng: Random, client: int, parties: list[int]) -> Record:
    row: Record = {"client": client}
    kind = rng.random()
    if kind < 0.3 and parties:
        row["customer"] = rng.choice([*parties, *parties, 999])
    elif kind < 0.5:
        full = enterprise_number(rng.randrange(20))
        row["vat"] = rng.choice([full, full[2:], f"BE {full[2:6]}.{full[6:9]}.{full[9:]}", foreign(rng)])
    if rng.random() < 0.5:
        row["vat_treatment"] = rng.choice(["domestic", "reverse_charge", "eu_services", "outside_scope"])
    if rng.random() < 0.3:
        row["po"] = "4500012345"
    if rng.random() < 0.3:
        row["buyer_reference"] = "Dept. 7"
    return row


def _company(rng: Random, made: Drawn, company: int, place: int) -> None:
    for product in range(rng.randrange(3, 7)):
        made.billit["products"].append(
            {
                "ProductID": 6_000_000 + 100 * made.number + 10 * place + product,
                "CompanyID": company,
                "Reference": _REFERENCES[product],
                "Description": rng.choice(["Advice", "Bookkeeping", "", f"Product {product}"]),
                "AmountExcl": Decimal(rng.choice([*["95.00", "61.37", "120.5", "33.33"] * 3, "0.01", "0", "80.125"])),
                "VAT": Decimal(rng.choice([*["21.00"] * 6, "6.00", "12.00", "0.00", "5.50"])),
                "Unit": "HUR",
            }
        )
    numbers = [enterprise_number(rng.randrange(20)) for _ in range(2)]
    for client in made.toggl["clients"]:
        digits = "".join(filter(str.isdigit, unicodedata.normalize("NFKC", client["name"])))
        if len(digits) in (9, 10) and rng.random() < 0.6:
            numbers.append(f"BE{digits:0>10}")
    for number, full in enumerate(numbers):
        bare = full[2:]
        spaced = f"BTW BE {bare[:4]}.{bare[4:7]}.{bare[7:]}"
        field = rng.choice([full, full, bare, spaced, f"{full} RPR Gent", "", foreign(rng), full.lower()])
        made.billit["parties"].append(
            {
                "PartyID": 8_000_000 + 100 * made.number + 10 * place + number,
                "CompanyID": company,
                "PartyType": "Customer",
                "Name": f"Customer {number}",
                "VATNumber": field,
                "Language": rng.choice(["EN", "FR", "NL"]),
                "CountryCode": rng.choice(["BE", "BE", "BE", "US"]),
            }
        )


USERS: list[Record] = [
    {"id": OWNER, "token": TOKEN, "email": "owner@example.com", "fullname": "Odile Verkansel"},
    {"id": COLLEAGUE, "token": TOKEN[::-1], "email": "colleague@example.com", "fullname": "Wim Brandhof"},
]


def firm_of(worlds: list[Drawn]) -> Record:
    """One firm for the sandbox, with each of the worlds as a workspace of it."""
    companies = sorted({row["company"] for made in worlds for row in made.dossiers})

    def together(service: str, kind: str) -> list[Record]:
        return [row for made in worlds for row in getattr(made, service)[kind]]

    users = [
        row
        | {"timezone": "Europe/Brussels"}
        | {"workspaces": [{"id": made.workspace, "admin": row["id"] == OWNER} for made in worlds]}
        for row in USERS
    ]
    company: Record = {"CountryCode": "BE", "Language": "EN", "VATLiable": True}
    return {
        "name": "drawn",
        "now": NOW.isoformat(),
        "firm": {
            "slug": "drawn",
            "name": "Drawn",
            "timezone": "Europe/Brussels",
            "language": "fr",
            "owner": "owner@example.com",
        },
        "toggl": {
            "organizations": [{"id": 30_000 + made.number, "name": "Drawn", "plan": "premium"} for made in worlds],
            "users": users,
            "workspaces": [
                {"id": made.workspace, "organization_id": 30_000 + made.number, "name": f"World {made.number}"}
                for made in worlds
            ],
            "tags": [],
            **{kind: together("toggl", kind) for kind in ("clients", "projects", "entries")},
        },
        "billit": {
            "users": [
                {"api_key": API_KEY, "bearer": "sandbox-bearer-1", "email": "owner@example.com"}
                | {"name": "Odile Verkansel", "language": "EN", "companies": companies}
            ],
            "companies": [
                company | {"PartyID": number, "Name": f"Company {number}", "VATNumber": enterprise_number(number % 999)}
                for number in companies
            ],
            "products": together("billit", "products"),
            "parties": together("billit", "parties"),
            "kbo": [],
            "peppol": [],
        },
        "switches": {"toggl_running_in_reports": True},
        "dossiers": [row for made in worlds for row in made.dossiers],
    }


def change(made: Drawn) -> dict[str, list[Record]]:
    """What happens in Toggl afterwards, done to the world: gives the rows of each kind that are new or changed."""
    rng = Random(f"change {made.number}")
    rows: dict[str, list[Record]] = {"clients": [], "projects": [], "entries": []}
    for client in made.toggl["clients"]:
        if rng.random() < 0.25:
            client["name"] = rng.choice(["Renamed", named(rng), client["name"] + " & Co"])
            rows["clients"].append(client)
    for project in made.toggl["projects"]:
        if rng.random() < 0.2:
            project["client_id"] = rng.choice(made.toggl["clients"])["id"]
            rows["projects"].append(project)
    for row in made.toggl["entries"]:
        if rng.random() < 0.15:
            row["tags"] = tags(rng)
            row["project_id"] = rng.choice(made.toggl["projects"])["id"]
            rows["entries"].append(row)
    for _ in range(rng.randrange(4)):
        row = entry(rng, made, len(made.toggl["entries"]))
        made.toggl["entries"].append(row)
        rows["entries"].append(row)
    return rows
