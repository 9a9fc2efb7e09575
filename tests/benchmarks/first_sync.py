"""What a first reading costs, against a bare script that reads the same pages: `make first-sync`.

100,000 entries (``--entries``) of 2,000 customers are read into the mirror, then judged into the ledger. The floor
downloads the same pages with one session, parses them, and COPYs their rows into a table without an index. Of each the
time on the clock and of the processors (this process and its session of PostgreSQL; not the imitation of Toggl).
Prints figures and ratios and judges nothing; the targets stand beside. tests/services.py gives it an empty PostgreSQL.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import django
import psycopg
import requests

from integrations.sandbox.process import Process, start
from tests.benchmarks.sandbox import TOKEN, WORKSPACE

CUSTOMERS, ROWS = 2_000, 1_000
ORGANIZATION = 3001
_COLUMNS = "id, started_at, stopped_at, seconds, description, project, person, person_name, billable, tags, changed_at"
_TABLE = (
    "CREATE TABLE floor (id bigint, started_at timestamptz, stopped_at timestamptz, seconds integer, description text,"
    " project bigint, person bigint, person_name text, billable boolean, tags jsonb, changed_at timestamptz)"
)


@dataclass(frozen=True, slots=True)
class _Cost:
    """Seconds on the clock, and of processors."""

    clock: float
    processor: float

    def __add__(self, other: _Cost) -> _Cost:
        return _Cost(self.clock + other.clock, self.processor + other.processor)


def main() -> None:
    """Read the arguments, start the sandbox, measure, print."""
    parser = argparse.ArgumentParser(prog="first-sync", description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000, help="that the workspace has")
    options = parser.parse_args()
    with start(f"bench:{options.entries}:{CUSTOMERS}", start_seconds=120) as sandbox:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "toggbill.settings",
            "TOGGL_URL": sandbox.toggl_url,
            "BILLIT_API_URL": sandbox.billit_url,
            "TOGGL_REQUESTS_PER_SECOND": "0",
            "BILLIT_REQUESTS_PER_SECOND": "0",
        }
        django.setup()
        logging.disable(logging.INFO)
        _measure(sandbox, options.entries)


def _measure(sandbox: Process, entries: int) -> None:
    # Only now: the models need the settings above.
    from django.core.management import call_command  # noqa: PLC0415 - after the settings
    from django.db import connection  # noqa: PLC0415 - after the settings
    from django.utils import timezone  # noqa: PLC0415 - after the settings

    from integrations.mirror.sync import sync_company, sync_workspace  # noqa: PLC0415 - after the settings
    from integrations.models import Company, Entry, Workspace  # noqa: PLC0415 - after the settings
    from invoicing.ledger.states.derive import derive  # noqa: PLC0415 - after the settings
    from invoicing.models import LedgerRow  # noqa: PLC0415 - after the settings

    call_command("migrate", "-v0")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "firm.toml"
        file.write_text(sandbox.onboarding, encoding="utf-8")
        call_command("onboard", str(file), stdout=io.StringIO())
    sync_company(company=Company.objects.get(), now=timezone.now())
    workspace = Workspace.objects.select_related("connection", "firm").get()
    since = workspace.read_from
    assert since is not None
    connection.ensure_connection()
    address = connection.get_connection_params()
    session = {name: address[name] for name in ("host", "port", "dbname", "user", "password") if name in address}

    def floor() -> None:
        with psycopg.connect(**session) as bare:
            used.append(bare.info.backend_pid)
            bare.execute("DROP TABLE IF EXISTS floor")
            bare.execute(_TABLE)
            with bare.cursor().copy(f"COPY floor ({_COLUMNS}) FROM STDIN") as copy:
                for row in _rows(sandbox.toggl_url, since):
                    copy.write_row(row)
            begun.append(_processor(bare.info.backend_pid))

    used: list[int] = []
    begun: list[float] = []
    floors = [_bare(sandbox, floor, begun)]
    own = connection.connection.info.backend_pid
    sandbox.control.quota(ORGANIZATION, remaining=100_000, resets_in=3600)
    mirror = _cost(lambda: sync_workspace(workspace=workspace, now=timezone.now(), full=True), own)
    assert Entry.objects.count() == entries, Entry.objects.count()
    ledger = _cost(lambda: derive(workspace=workspace, now=timezone.now()), own)
    assert LedgerRow.objects.count() == entries, LedgerRow.objects.count()
    floors.append(_bare(sandbox, floor, begun))
    best = _Cost(min(each.clock for each in floors), min(each.processor for each in floors))
    print(f"{entries:,} entries, {os.cpu_count()} cores, {datetime.now(UTC).date()}\n")
    print(f"{'':<26} {'clock':>9} {'ratio':>6}   {'processor':>9} {'ratio':>6}   target")
    for name, cost, target in (
        ("bare script", best, ""),
        ("mirror", mirror, "2.0"),
        ("mirror and ledger", mirror + ledger, "3.5"),
    ):
        print(
            f"{name:<26} {cost.clock:>7.1f} s {cost.clock / best.clock:>6.2f}   {cost.processor:>7.1f} s "
            f"{cost.processor / best.processor:>6.2f}   {target}"
        )


def _bare(sandbox: Process, work: Callable[[], None], of_session: list[float]) -> _Cost:
    """The floor's cost; its session tells what it used right before it ends."""
    sandbox.control.quota(ORGANIZATION, remaining=100_000, resets_in=3600)
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return _Cost(time.perf_counter() - clock, time.process_time() - processor + of_session[-1])


def _cost(work: Callable[[], object], session: int) -> _Cost:
    """Of work that uses one session of PostgreSQL (process id)."""
    clock, processor, before = time.perf_counter(), time.process_time(), _processor(session)
    work()
    return _Cost(time.perf_counter() - clock, time.process_time() - processor + _processor(session) - before)


def _processor(pid: int) -> float:
    """Seconds of processor that a process of this machine has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rows(toggl_url: str, since: date) -> Iterator[tuple[Any, ...]]:
    """The rows of all pages, as a first reading asks for them."""
    asked: dict[str, Any] = {
        "start_date": since.isoformat(),
        "end_date": (datetime.now(UTC).date() + timedelta(days=1)).isoformat(),
        "page_size": ROWS,
        "enrich_response": True,
        "hide_amounts": True,
        "order_by": "date",
        "order_dir": "ASC",
        "rounding": 0,
        "rounding_minutes": 0,
    }
    url = f"{toggl_url}/reports/api/v3/workspace/{WORKSPACE}/search/time_entries"
    cursor: dict[str, int] = {}
    with requests.Session() as session:
        session.trust_env, session.auth = False, (TOKEN, "api_token")
        while True:
            answer = session.post(url, json=asked | cursor, timeout=60)
            answer.raise_for_status()
            for group in answer.json():
                for entry in group["time_entries"]:
                    yield (
                        entry["id"],
                        entry["start"],
                        entry["stop"],
                        entry["seconds"],
                        group["description"],
                        group["project_id"],
                        group["user_id"],
                        group["username"],
                        group["billable"],
                        json.dumps(group["tag_ids"]),
                        entry["at"],
                    )
            following = answer.headers.get("X-Next-ID")
            if following is None:
                return
            cursor = {
                "first_id": int(following),
                "first_row_number": int(answer.headers["X-Next-Row-Number"]),
                "first_timestamp": int(answer.headers["X-Next-Timestamp"]),
            }


if __name__ == "__main__":
    main()
