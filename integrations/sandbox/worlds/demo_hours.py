"""The people, projects and hours of the demo world: two months of office days, seeded by the date, a few troubles."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from integrations.sandbox.http.clock import BRUSSELS, zulu
from integrations.sandbox.http.wire import Record
from integrations.sandbox.worlds.demo_customers import (
    CLIENTS,
    DOUBLE,
    FOREIGN,
    NAMELESS,
    SEVERAL,
    UNASSIGNED,
    UNSURE,
    WRONG,
    Client,
)
from integrations.sandbox.worlds.demo_products import AGREED, BY_REFERENCE, INTERNAL, MET, ORPHAN, STRAY, regular_tags

_OFFICE, _SOCIAL = 4001, 4002
_TOTAL = 1500
_FIRST_ENTRY = 4_300_000_001  # beyond 32 bits, as Toggl's real ids are
_FIRST_PROJECT = 200_000_000
_NO_CLIENT_PROJECT = 200_009_001
_SHORT_CALLS_PROJECT = 200_009_002
_SHORT_CALLS_CLIENT = 532
CLOSING = _FIRST_PROJECT + MET * 10 + 1
"""The project on which two agreements meet."""


@dataclass(frozen=True, slots=True)
class Person:
    id: int
    name: str
    email: str
    workspaces: tuple[int, ...]
    admin: bool = False


PEOPLE: tuple[Person, ...] = (
    Person(9001, "Odile Verkansel", "owner@example.com", (_OFFICE, _SOCIAL), admin=True),
    Person(9002, "Matthis Dorvanne", "matthis@example.com", (_OFFICE,)),
    Person(9003, "Lieke Bremstra", "lieke@example.com", (_OFFICE, _SOCIAL)),
    Person(9004, "Yannis Corvellin", "yannis@example.com", (_OFFICE,)),
    Person(9005, "Noor Tamsveld", "noor@example.com", (_SOCIAL,)),
    Person(9006, "Achille Pontrevin", "achille@example.com", (_OFFICE,)),
)
_TOPICS = ("Dossier courant", "Clôture")
_WORDS: dict[int, tuple[str, ...]] = {
    7001: (
        "Encodage des factures d'achat",
        "Encodage des ventes",
        "Déclaration TVA",
        "Rapprochement bancaire",
        "Réunion avec le client",
        "Clôture du mois",
        "Réponse à l'administration",
        "Relecture du bilan",
    ),
    7002: ("Atelier stratégie", "Plan financier à trois ans", "Analyse des marges", "Préparation du comité"),
    7003: ("Calcul des salaires", "Entrée de service", "Sortie de service", "Prime de fin d'année", "Question sociale"),
}


def projects() -> list[Record]:
    """Two projects for each sound client, one for each troubled; one without a client, one of very short calls."""
    rows = [
        _project(_project_id(client, index), client.workspace, f"{client.label} – {topic}", client.id)
        for client in CLIENTS
        for index, topic in enumerate(_TOPICS if client.weight else _TOPICS[:1])
    ]
    rows.append(_project(_NO_CLIENT_PROJECT, _OFFICE, "Divers sans client", None))
    rows.append(_project(_SHORT_CALLS_PROJECT, _OFFICE, "Appels brefs", _SHORT_CALLS_CLIENT))
    return rows


def _project_id(client: Client, index: int) -> int:
    return _FIRST_PROJECT + client.id * 10 + index


def _project(identity: int, workspace: int, name: str, client_id: int | None) -> Record:
    return {
        "id": identity,
        "workspace_id": workspace,
        "client_id": client_id,
        "name": name,
        "is_private": True,
        "active": True,
        "billable": True,
    }


def entries(now: datetime, first: date) -> list[Record]:
    """About 1,500 entries from local day `first` to `now`, oldest first, none ending in the future."""
    # Reproducible hours for a demo, not secrecy.
    die = random.Random(f"demo:{now.astimezone(BRUSSELS).date()}")  # noqa: S311 - no secret
    rows = _regular(die, now, first)
    surplus = max(0, len(rows) - (_TOTAL - 2))
    dropped = set(die.sample(range(len(rows)), surplus))
    rows = [row for index, row in enumerate(rows) if index not in dropped]
    _trouble(die, rows, first)
    _agreed_twice(rows)
    rows.append(_running(now))
    rows.sort(key=lambda row: (row["start"], row["user_id"]))
    for index, row in enumerate(rows):
        row["id"] = _FIRST_ENTRY + index
    return rows


def _regular(die: random.Random, now: datetime, first: date) -> list[Record]:
    rows: list[Record] = []
    last = now.astimezone(BRUSSELS).date()
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        if day.weekday() < 5:
            for person in PEOPLE:
                rows += _day_of(die, person, day, now)
    return rows


def _day_of(die: random.Random, person: Person, day: date, now: datetime) -> list[Record]:
    rows: list[Record] = []
    moment = datetime.combine(day, time(8, 30), BRUSSELS) + timedelta(minutes=15 * die.randint(0, 3))
    noon = datetime.combine(day, time(12, 30), BRUSSELS)
    evening = datetime.combine(day, time(17, 0), BRUSSELS)
    while moment < evening:
        if noon <= moment < noon + timedelta(minutes=45):
            moment = noon + timedelta(minutes=45)
        seconds = 60 * die.choice((15, 30, 30, 45, 45, 60, 60, 75, 90, 105, 120))
        if die.random() < 0.35:
            # A timer that somebody started and stopped by hand, instead of quarter hours typed in.
            seconds += die.randint(-420, 420)
        stop = moment + timedelta(seconds=seconds)
        row = _work(die, person, moment, stop)
        if stop <= now:
            rows.append(row)
        moment = stop + timedelta(minutes=die.choice((0, 0, 0, 5, 10, 15)))
    return rows


def _work(die: random.Random, person: Person, start: datetime, stop: datetime) -> Record:
    workspace = die.choice(person.workspaces)
    choices = [client for client in CLIENTS if client.workspace == workspace and client.weight]
    client = die.choices(choices, [client.weight for client in choices])[0]
    usual = regular_tags(client.company)
    tag = die.choices(usual, [5, 3, 2, 2][: len(usual)])[0]
    return {
        "workspace_id": workspace,
        "user_id": person.id,
        "project_id": _project_id(client, 0 if die.random() < 0.7 else 1),
        "description": die.choice(_WORDS[client.company]),
        "billable": True,
        "tags": [tag],
        "start": zulu(start.astimezone(UTC)),
        "stop": zulu(stop.astimezone(UTC)),
    }


def _running(now: datetime) -> Record:
    """A timer of now, or, outside office hours, one that was forgotten on the last office day at 16:20."""
    local = now.astimezone(BRUSSELS).replace(microsecond=0)
    start = local - timedelta(minutes=47)
    if local.weekday() > 4 or not time(9, 30) <= local.time() <= time(17, 30):
        start = datetime.combine(local.date(), time(16, 20), BRUSSELS)
        while start.weekday() > 4 or start > local:
            start = datetime.combine(start.date() - timedelta(days=1), time(16, 20), BRUSSELS)
    return {
        "workspace_id": _OFFICE,
        "user_id": 9002,
        "project_id": _FIRST_PROJECT + 5020,
        "description": "Encodage des factures d'achat",
        "billable": True,
        "tags": ["Compta"],
        "start": zulu(start.astimezone(UTC)),
        "stop": None,
    }


def _trouble(die: random.Random, rows: list[Record], first: date) -> None:
    """Changes a few of the regular hours so that each rule of billing has something to say."""
    by_the_hour = [client for client in CLIENTS if client.company == 7001 and client.id not in AGREED]
    accounts = {_project_id(client, index) for client in by_the_hour for index in (0, 1)}
    office = [row for row in rows if row["project_id"] in accounts]
    social = [row for row in rows if row["workspace_id"] == _SOCIAL]
    die.shuffle(office)
    die.shuffle(social)
    by_client = {client.id: client for client in CLIENTS}

    def take(count: int, pool: list[Record] | None = None) -> list[Record]:
        source = office if pool is None else pool
        taken, source[:] = source[:count], source[count:]
        return taken

    for identity in (FOREIGN, SEVERAL, WRONG, NAMELESS, DOUBLE, UNASSIGNED, UNSURE):
        for row in take(3):
            row.update(project_id=_project_id(by_client[identity], 0), tags=["Compta"])
    for row in take(2):
        row.update(project_id=None, tags=["Compta"])
    for row in take(2):
        row.update(project_id=_NO_CLIENT_PROJECT, tags=["Compta"])
    for tags, count in (
        ([], 3),  # no_tag
        ([STRAY], 3),  # unknown_tag
        ([ORPHAN], 2),  # unknown_product
        (["Compta", "Fiscal"], 3),  # several_products: none has a higher priority
        (["Copies"], 2),  # several_products: two products have the reference
        (["Entretien"], 2),  # no_price
        (["Encodage"], 2),  # price_decimals
        (["Formation"], 2),  # vat_rate
        ([INTERNAL], 8),  # not billed
        (["Compta", INTERNAL], 1),
        # These are sound: a stray tag beside a mapped one, a priority that wins, a reference in capitals.
        (["Compta", STRAY], 4),
        (["Compta", "Conseil"], 4),
        ([BY_REFERENCE.upper()], 2),
    ):
        for row in take(count):
            row["tags"] = list(tags)
    # A timer left running over a night, and an hour that was booked twice.
    night = timedelta(hours=16, minutes=40)
    latest = max(datetime.fromisoformat(row["stop"]) for row in rows)
    long = next(row for row in office if datetime.fromisoformat(row["start"]) + night <= latest)
    office.remove(long)
    long["stop"] = zulu(datetime.fromisoformat(long["start"]) + night)
    rows += [dict(row) for row in take(1)]
    for row in take(2):
        row["stop"] = row["start"]
    for row in take(1):
        start = datetime.fromisoformat(row["start"])
        row.update(project_id=_SHORT_CALLS_PROJECT, tags=["Stratégie"], stop=zulu(start + timedelta(seconds=90)))
    for row in take(6, social):
        row["tags"] = [INTERNAL]
    for row in take(5, social):
        row["billable"] = False
    _before_the_books(take(3), first)


def _agreed_twice(rows: list[Record]) -> None:
    """Puts bookkeeping on the project on which two agreements meet, late enough for both to have begun."""
    last = [row for row in rows if row["project_id"] in (CLOSING, CLOSING - 1)][-2:]
    for row in last:
        row.update(project_id=CLOSING, tags=["Compta"])


def _before_the_books(rows: list[Record], first: date) -> None:
    """Moves entries to the last office days before the dossiers start."""
    day = first
    for row in rows:
        day -= timedelta(days=1)
        while day.weekday() > 4:
            day -= timedelta(days=1)
        start, stop = datetime.fromisoformat(row["start"]), datetime.fromisoformat(row["stop"])
        shift = start.astimezone(BRUSSELS).date() - day
        row.update(start=zulu(start - shift), stop=zulu(stop - shift))
