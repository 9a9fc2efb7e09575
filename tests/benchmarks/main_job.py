"""How long the main job takes on this machine, and how much memory: `make bench`.

10,000 entries of 200 customers: sync (with the ledger brought up to date), planning, drafting. Prints figures and
judges nothing; the targets stand beside them. tests/services.py gives it an empty PostgreSQL and a Redis.
"""

from __future__ import annotations

import io
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import django

from integrations.sandbox.process import start

_Result = TypeVar("_Result")
ENTRIES, CUSTOMERS = 10_000, 200


def main() -> None:
    """Start the sandbox, onboard its firm, measure, print."""
    with start(f"bench:{ENTRIES}:{CUSTOMERS}") as sandbox:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "toggbill.settings",
            "TOGGL_URL": sandbox.toggl_url,
            "BILLIT_API_URL": sandbox.billit_url,
            "TOGGL_REQUESTS_PER_SECOND": "0",
            "BILLIT_REQUESTS_PER_SECOND": "0",
        }
        django.setup()
        _measure(sandbox.onboarding)


def _measure(onboarding: str) -> None:
    # Only now: the models need the settings above.
    from django.db import connection  # noqa: PLC0415 - after the settings
    from django.utils import timezone  # noqa: PLC0415 - after the settings

    from invoicing.drafting import runs  # noqa: PLC0415 - after the settings
    from invoicing.models import Dossier  # noqa: PLC0415 - after the settings
    from toggbill.firms.audit import Actor  # noqa: PLC0415 - after the settings

    _run("migrate", "-v0")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "firm.toml"
        file.write_text(onboarding, encoding="utf-8")
        _run("onboard", str(file))
    print(f"{ENTRIES:,} entries of {CUSTOMERS} customers on {connection.vendor}, {os.cpu_count()} cores\n")
    print(f"{'process before':<34} {_peak():>9.0f} MB")
    said = _timed("first sync", "under 10 s", lambda: _run("sync"))
    workspace = json.loads(said)["workspaces"][0]
    print(f"{'':<34} {workspace['calls']} Toggl calls, {workspace['created']:,} entries created")
    _timed("sync again, nothing new", "", lambda: _run("sync"))
    dossier = Dossier.objects.select_related("firm", "workspace__firm", "company").get()
    today = timezone.now().astimezone(dossier.firm.zone).date()
    plan = _timed("planning", "under 3 s", lambda: runs.preview(dossier=dossier, cut_off=today, now=timezone.now()))
    print(f"{'':<34} {len(plan.plan.invoices)} invoices, {len(plan.plan.skipped)} skipped")
    by = Actor.command()
    _timed("drafting", "", lambda: runs.draft(dossier=dossier, cut_off=today, by=by, now=timezone.now()))
    _timed(
        "drafting again, nothing new", "", lambda: runs.draft(dossier=dossier, cut_off=today, by=by, now=timezone.now())
    )
    print(f"{'peak memory of the process':<34} {_peak():>9.0f} MB   (target: under 200 MB)")


def _timed(name: str, target: str, work: Callable[[], _Result]) -> _Result:
    begun = time.perf_counter()
    result = work()
    goal = f"   (target: {target})" if target else ""
    print(f"{name:<34} {time.perf_counter() - begun:>9.2f} s {goal}")
    return result


def _run(name: str, *arguments: str) -> str:
    from django.core.management import call_command  # noqa: PLC0415 - after the settings

    out = io.StringIO()
    call_command(name, *arguments, stdout=out)
    return out.getvalue()


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
