"""How quickly the sandbox starts and serves, on one core: `python -m tests.benchmarks.sandbox`.

Targets: the demo world starts in under 2 s, and 300 report pages of 1,000 rows are served a minute.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from integrations.sandbox.process import Process, start

ROWS = 1000
TOKEN = "0123456789abcdef0123456789abcdef"
WORKSPACE = 4001
Cursor = dict[str, int]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sandbox", description=__doc__)
    parser.add_argument("--pages", type=int, default=300, help="report pages of 1,000 rows (default %(default)s)")
    parser.add_argument("--largest", action="store_true", help="start a world of 1,000,000 entries, too")
    options = parser.parse_args()
    core = _one_core()
    print(f"the sandbox on {core}")
    _start("demo", "under 2 s")
    if options.largest:
        _start("bench:1000000:2000", "")
    _pages(options.pages)


def _one_core() -> str:
    """From here on this process, and the sandboxes that it starts, keep to one core where the system allows it."""
    if not hasattr(os, "sched_setaffinity"):
        return "any core: this system cannot pin a process"
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"core {core} alone, together with its client"


def _start(world: str, target: str) -> None:
    begun = time.perf_counter()
    with start(world, start_seconds=120) as process:
        _figure(f"start of {world}", time.perf_counter() - begun, "s", target)
        _figure("  memory", _megabytes(process), "MB", "")


def _pages(count: int) -> None:
    with start(f"bench:{count * ROWS}:2000", start_seconds=120) as process:
        for order, direction in (("date", "ASC"), ("last_update", "DESC")):
            begun = time.perf_counter()
            pages, rows = _read(process, order, direction)
            seconds = time.perf_counter() - begun
            _figure(f"report pages by {order} ({pages} of {rows:,} rows)", pages * 60 / seconds, "a minute", "300")
            # The second reading is another hour's, as far as the budget of requests goes.
            process.control.quota(3001, remaining=100_000, resets_in=3600)
        _figure("  memory", _megabytes(process), "MB", "")


def _read(process: Process, order: str, direction: str) -> tuple[int, int]:
    """All pages of the world, as a first sync reads them."""
    today = datetime.now(UTC).date()
    asked = {
        "start_date": (today - timedelta(days=120)).isoformat(),
        "end_date": (today + timedelta(days=1)).isoformat(),
        "page_size": ROWS,
        "enrich_response": True,
        "hide_amounts": True,
        "order_by": order,
        "order_dir": direction,
        "rounding": 0,
        "rounding_minutes": 0,
    }
    token = base64.b64encode(f"{TOKEN}:api_token".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
    address = urlsplit(process.toggl_url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=120)
    cursor: Cursor = {}
    pages = rows = 0
    while True:
        path = f"/reports/api/v3/workspace/{WORKSPACE}/search/time_entries"
        connection.request("POST", path, json.dumps({**asked, **cursor}).encode(), headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"page {pages + 1} was answered with {answer.status}: {content[:200]!r}")
        pages += 1
        rows += content.count(b'"row_number"')
        following = answer.headers
        if following["X-Next-ID"] is None:
            connection.close()
            return pages, rows
        cursor = {
            "first_id": int(following["X-Next-ID"]),
            "first_row_number": int(following["X-Next-Row-Number"]),
            "first_timestamp": int(following["X-Next-Timestamp"]),
        }


def _megabytes(process: Process) -> float:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def _figure(name: str, value: float, unit: str, target: str) -> None:
    goal = f"   (target: {target})" if target else ""
    print(f"{name:<52} {value:>9.2f} {unit} {goal}")


if __name__ == "__main__":
    main()
