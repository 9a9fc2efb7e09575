"""The firms that are soaked: each with its own people, workspaces and companies at both services."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.core.management import call_command

from integrations.sandbox.worlds.onboarding import onboarding_file
from tests.proof.world import COMPANY, PROJECT, WORKSPACE, proof_world
from tests.worlds import FIRST_ENTRY, OWNER, Record
from toggbill.firms.models import Firm

CLIENTS, ENTRIES = 3, 4
"""Of each dossier, and of each client when the soak begins."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many firms, workspaces of each and dossiers of each workspace."""

    firms: int
    workspaces: int
    dossiers: int

    @classmethod
    def of(cls, firms: int) -> Size:
        """One firm has fifty dossiers in ten workspaces; of several, each has one."""
        return cls(1, 10, 5) if firms == 1 else cls(firms, 1, 1)

    @property
    def clients(self) -> int:
        """Of all firms together; client `n` is in workspace `n // self.clients_together`, counted from 0."""
        return self.all_workspaces * self.clients_together

    @property
    def clients_together(self) -> int:
        """Clients in one workspace."""
        return self.dossiers * CLIENTS

    @property
    def all_workspaces(self) -> int:
        return self.firms * self.workspaces


@dataclass(slots=True)
class Work:
    """What Toggl has of one entry."""

    start: datetime
    client: int


def world_of(size: Size) -> Record:
    """Agreements of every kind go round among the dossiers; one owner has an account for each firm at both services."""
    world = proof_world(
        workspaces=size.all_workspaces, dossiers=size.dossiers, clients=CLIENTS, entries=ENTRIES, agreed="all"
    )
    toggl, billit = world["toggl"], world["billit"]
    for number in range(1, size.firms):
        mine = range(number * size.workspaces, (number + 1) * size.workspaces)
        toggl["users"].append(
            {"id": OWNER + 1000 + number, "token": f"{number:032x}", "email": f"owner{number}@example.com"}
            | {"fullname": f"Owner {number}", "timezone": "Europe/Brussels"}
            | {"workspaces": [{"id": WORKSPACE + w, "admin": True} for w in mine]}
        )
        key, bearer = f"5ad1c0de-0000-4000-8000-{1000 + number:012d}", f"sandbox-bearer-{1000 + number}"
        person = billit["users"][0] | {"api_key": key, "bearer": bearer, "email": f"owner{number}@example.com"}
        billit["users"].append(person | {"companies": [COMPANY + w for w in mine]})
    return world


def onboard(world: Record, size: Size, folder: Path) -> list[Firm]:
    """The firms, each from a file of its own."""
    each = size.workspaces * size.dossiers
    firms = []
    for number in range(size.firms):
        slug = f"soak-{number + 1}"
        part = {
            "firm": world["firm"] | {"slug": slug, "name": f"Soak {number + 1}"},
            "toggl": {"users": [world["toggl"]["users"][number]]},
            "billit": {"users": [world["billit"]["users"][number]]},
            "dossiers": world["dossiers"][number * each : (number + 1) * each],
        }
        file = folder / f"{slug}.toml"
        file.write_text(onboarding_file(part), encoding="utf-8")
        call_command("onboard", str(file), stdout=io.StringIO(), stderr=io.StringIO())
        firms.append(Firm.objects.get(slug=slug))
    return firms


def work_of(world: Record) -> dict[int, Work]:
    """The world's entries by their numbers, from 1 on."""
    return {
        row["id"] - FIRST_ENTRY: Work(datetime.fromisoformat(row["start"]), row["project_id"] - PROJECT)
        for row in world["toggl"]["entries"]
    }
