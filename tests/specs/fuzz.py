"""Drives the sandbox from the vendors' specifications, without a 500: `python -m tests.specs.fuzz --seconds 120`.

schemathesis draws the requests, sound ones and broken ones, from a copy of each specification in a temporary folder,
in which only the operations stand that the sandbox has, and ids that are there among those that are not.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integrations.sandbox.billit.access import open_router
from integrations.sandbox.billit.access import router as billit_router
from integrations.sandbox.http.wire import Router
from integrations.sandbox.process import Process, start
from integrations.sandbox.server import ROUTES
from integrations.sandbox.toggl.access import router as toggl_router
from tests.integrations.sandbox.scene import ADMIN, ENTRY, KEY, VAT, small_world
from tests.specs import swagger
from tests.specs.swagger import Record

# Imported for their routes.
assert ROUTES

# How much of the time each file gets.
SHARES = {
    "billit-v1.swagger.json": 0.4,
    "toggl-track-v9.swagger.json": 0.35,
    "toggl-reports-v3.swagger.json": 0.15,
    "toggl-webhooks-v1.swagger.json": 0.1,
}
# Ids of the small world by the name of the parameter; one more is nobody's.
_KNOWN: dict[str, list[int | str]] = {
    "workspace_id": [4001, 4002, 1],
    "organization_id": [3001, 1],
    "client_id": [501, 502, 1],
    "project_id": [601, 602, 1],
    "tag_id": [301, 99],
    "time_entry_id": [ENTRY, ENTRY + 4, 1],
    "time_entry_ids": [f"{ENTRY},{ENTRY + 1}", ENTRY + 4, "1"],
    "subscription_id": [1, 2, 99],
    "orderID": [1, 2, 1_000_001],
    "partyID": [88001, 88201, 1],
    "productID": [60001, 60003, 1],
    "VATorCBE": [VAT, f"0208:{VAT[2:]}", "nobody"],
    "webhookID": [1, 2, 99],
}
_ID = "1"


@dataclass(frozen=True, slots=True)
class Driven:
    """What one file's requests came to: the last lines of schemathesis, and whether there was a 500."""

    file: str
    sound: bool
    words: str


def drive(process: Process, seconds: int, *, seed: int | None = None) -> list[Driven]:
    """Every specification in turn against this sandbox, whose world it replaces again and again."""
    found = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for name, share in SHARES.items():
            process.control.load(small_world())
            # An exhausted budget would answer for everything else.
            process.control.switch(toggl_quota_enforced=False)
            found.append(_drive(process, Path(folder), name, max(1, round(seconds * share)), seed))
    return found


def _drive(process: Process, folder: Path, name: str, seconds: int, seed: int | None) -> Driven:
    service, prefix = swagger.FILES[name]
    source: Record = json.loads((swagger.folder() / name).read_text(encoding="utf-8"))
    before = prefix or source.get("basePath", "")
    source["paths"] = _imitated(source["paths"], service, before)
    copy = folder / name
    copy.write_text(json.dumps(source), encoding="utf-8")
    url = process.toggl_url if service == "toggl" else process.billit_url
    program = Path(sys.executable).with_name("schemathesis")
    command = [str(program), "--no-color", "run", str(copy), "--url", url + before, "--max-time", str(seconds)]
    command += ["--checks", "not_a_server_error", "--phases", "coverage,fuzzing", "--continue-on-failure"]
    command += ["--suppress-health-check", "all", "--warnings", "off", "--request-timeout", "20"]
    command += ["--seed", str(seed)] if seed is not None else []
    for header, text in _credentials(service).items():
        command += ["--header", f"{header}: {text}"]
    # Its own folders (examples, reports) stay out of the checkout.
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds + 120, check=False)
    return Driven(name, ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:])


def _credentials(service: str) -> dict[str, str]:
    if service == "billit":
        return {"ApiKey": KEY, "PartyID": "7001"}
    return {"Authorization": "Basic " + base64.b64encode(f"{ADMIN}:api_token".encode()).decode()}


def _imitated(paths: Record, service: str, before: str) -> Record:
    """The operations that the sandbox has, with ids of its world in their paths."""
    routers: list[Router[Any]] = [toggl_router] if service == "toggl" else [billit_router, open_router]
    kept: Record = {}
    for path, methods in paths.items():
        example = before + re.sub(r"\{([^}]*)\}", lambda match: str(_KNOWN.get(match[1], [_ID])[0]), path)
        here = {
            method: {**declared, "parameters": [_with_ids(row) for row in declared.get("parameters", [])]}
            for method, declared in methods.items()
            if any(router.find(method.upper(), example) for router in routers)
        }
        if here:
            kept[path] = here
    return kept


def _with_ids(parameter: Record) -> Record:
    known = _KNOWN.get(parameter["name"]) if parameter["in"] == "path" else None
    if not known:
        return parameter
    return {"name": parameter["name"], "in": "path", "required": True, "type": "string", "enum": [*map(str, known)]}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.specs.fuzz", description=__doc__)
    parser.add_argument(
        "--seconds", type=int, default=120, help="for all specifications together (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="draws the same requests again")
    options = parser.parse_args(arguments)
    if reason := swagger.absent():
        sys.stderr.write(f"Nothing can be driven: {reason}.\n")
        return 2
    with start("empty") as process:
        found = drive(process, options.seconds, seed=options.seed)
    for driven in found:
        sys.stdout.write(f"{driven.file}: {'no 500' if driven.sound else 'FAILED'}\n")
        if not driven.sound:
            sys.stdout.write(driven.words + "\n")
    return 0 if all(driven.sound for driven in found) else 1


if __name__ == "__main__":
    sys.exit(main())
