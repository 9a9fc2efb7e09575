"""How long a small firm waits for a post, alone and beside three large neighbours, in one run.

The neighbours: a firm with many invoices to post, one whose Billit answers nothing, and one whose hours are read for
the first time. The worker, its broker and both services are real ones; only time is the machine's.
"""

from __future__ import annotations

import io
import os
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from integrations.models import Entry
from integrations.sandbox.process import start
from invoicing.due import posts
from invoicing.models import Invoice
from invoicing.tasks import tick_delivery, tick_sync
from tests.invoicing.scene import BY
from tests.proof.processes import Place, database_url, kill
from tests.proof.world import COMPANY, WORKSPACE, add_client, entry, moments, proof_world, yesterday
from tests.worlds import TOKEN, Record

LARGE, SILENT, NEW, FIRST_SMALL = range(4)
"""Numbers of the firms, each with a workspace and a company of its own."""
THREADS = 8


@dataclass(frozen=True, slots=True)
class Size:
    """How many small firms, posts of theirs that are measured in each half, and what the neighbours have."""

    firms: int
    posts: int
    invoices: int
    entries: int


def measure(size: Size) -> list[str]:
    """Measure; gives the figures, a line each."""
    call_command("migrate", verbosity=0)
    world = _world(size)
    with start(world) as sandbox, tempfile.TemporaryDirectory() as folder:
        settings.TOGGL_URL, settings.BILLIT_API_URL = sandbox.toggl_url, sandbox.billit_url
        place = Place(database_url(), os.environ["REDIS_URL"], sandbox, Path(folder))
        # As in production, but for ticks: those of this process are the only ones.
        place.settings |= {"POSTING_LEASE_SECONDS": "300", "IN_DOUBT_SECONDS": "120", "POSTS_AT_ONCE": "1"}
        place.settings |= {"TICK_SECONDS": "0.02"}
        for number in range(FIRST_SMALL + size.firms):
            _onboard(world, number, Path(folder))
        worker = place.worker(THREADS)
        try:
            return _both(size, place)
        finally:
            sandbox.control.faults()
            kill(worker)


def _both(size: Size, place: Place) -> list[str]:
    waiting = list(Invoice.objects.filter(status="approved", firm__slug__startswith="small-").order_by("?"))
    half = len(waiting) // 2
    # A worker's first turns compile what they meet.
    for invoice in waiting[:THREADS]:
        _wait(invoice, place)
    alone = [_wait(invoice, place) for invoice in islice(waiting, THREADS, half)]
    place.sandbox.control.faults({"service": "billit", "tenant": str(COMPANY + SILENT), "kind": "timeout_before"})
    large = Invoice.objects.filter(status="approved", firm__slug__in=["large", "silent"])
    for invoice in large:
        posts.request(invoice=invoice, send=False, by=BY, now=timezone.now())
    tick_sync.delay()
    tick_delivery.delay()
    place.until(lambda: Invoice.objects.filter(firm__slug="silent", status="posting").exists())
    place.until(lambda: Entry.objects.filter(firm__slug="new").exists())
    beside = [_wait(invoice, place) for invoice in waiting[half : 2 * half - THREADS]]
    left = Invoice.objects.filter(firm__slug="large", status="approved").count()
    read = Entry.objects.filter(firm__slug="new").count()
    neighbours = f"{size.invoices} posts, a Billit that does not answer and a first reading of {size.entries} entries"
    return [
        f"{size.firms} small firms beside {neighbours}; {THREADS} threads, {os.cpu_count()} cores",
        f"after the last of {len(beside)} the neighbours had {left} posts and {size.entries - read} entries to go",
        f"{'a post alone, median':<34} {1000 * median(alone):>9.0f} ms   worst {1000 * max(alone):.0f} ms",
        f"{'a post beside them, median':<34} {1000 * median(beside):>9.0f} ms   worst {1000 * max(beside):.0f} ms",
        f"{'ratio':<34} {median(beside) / median(alone):>9.2f}   (target: at most 1.5)",
    ]


def _wait(invoice: Invoice, place: Place) -> float:
    """Seconds from the tick that finds it due until it is posted."""
    posts.request(invoice=invoice, send=False, by=BY, now=timezone.now())
    begun = time.perf_counter()
    tick_delivery.delay()
    place.until(lambda: Invoice.objects.filter(pk=invoice.pk, status="posted").exists())
    return time.perf_counter() - begun


def _slug(number: int) -> str:
    return {LARGE: "large", SILENT: "silent", NEW: "new"}.get(number, f"small-{number}")


def _world(size: Size) -> Record:
    each = -(-2 * (size.posts + THREADS) // size.firms)
    clients = {LARGE: size.invoices, SILENT: 4 * posts.TOGETHER, NEW: 1}
    world = proof_world(workspaces=FIRST_SMALL + size.firms, clients=0, entries=0)
    starts, client, serial = moments(), 0, 0
    for number in range(FIRST_SMALL + size.firms):
        for _ in range(clients.get(number, each)):
            add_client(world, number, client)
            for _ in range(size.entries if number == NEW else 1):
                serial += 1
                world["toggl"]["entries"].append(entry(serial, next(starts), client=client, workspace=number))
            client += 1
    return world


def _onboard(world: Record, number: int, folder: Path) -> None:
    """A firm with its own connections; all but the new one have their invoices approved."""
    slug, (dossier,) = _slug(number), [each for each in world["dossiers"] if each["workspace"] == WORKSPACE + number]
    lines = [
        *("[firm]", f'slug = "{slug}"', f'name = "{slug}"', 'timezone = "Europe/Brussels"', 'language = "en"'),
        *("[[users]]", f'email = "{slug}@example.com"', 'role = "owner"'),
        *("[[toggl]]", 'key = "main"', f'api_token = "{TOKEN}"'),
        *("[[billit]]", 'key = "main"', f'api_key = "{world["billit"]["users"][0]["api_key"]}"'),
        *("[[dossiers]]", f'key = "{dossier["key"]}"', 'toggl = "main"', f"workspace = {WORKSPACE + number}"),
        *('billit = "main"', f"company = {COMPANY + number}", f"start = {dossier['start']}", 'group_by = "product"'),
        *('schedule = { every = "manual" }', 'mode = "review"', "annex = false"),
        'tags = [{ tag = "Advice", product = "ADV" }]',
    ]
    file = folder / f"{slug}.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    call_command("onboard", str(file), stdout=io.StringIO())
    if number != NEW:
        call_command("invoice", "--firm", slug, "--through", yesterday(), "--approve", stdout=io.StringIO())
