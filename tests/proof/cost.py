"""The cost of the guarantee: the worker posts, then a bare loop posts the same bodies, in turns, in one run."""

from __future__ import annotations

import base64
import io
import os
import queue
import tempfile
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import requests
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from integrations.models import Company
from integrations.sandbox.process import start
from invoicing.due import posts as delivery
from invoicing.models import Annex, Attempt, Invoice
from invoicing.posting import read_back
from invoicing.tasks import tick_delivery
from tests.invoicing.scene import BY
from tests.proof.processes import Place, database_url, kill
from tests.proof.world import CLIENT, PARTY, SLUG, proof_world, yesterday

THREADS = 8
LATENCY = 0.05
"""Seconds that Billit takes for an order, besides its own work."""

WARM_UP = THREADS * delivery.TOGETHER
"""A turn for each thread: a connection compiles the triggers of the database when it first meets them."""


def measure(*, invoices: int, rounds: int, annexes: bool = False) -> list[str]:
    """Post so many invoices by each of the two, in so many turns; gives the figures, a line each.

    ``annexes``: with the annexes of hours, which were made before.
    """
    call_command("migrate", verbosity=0)
    each = invoices // rounds
    clients = WARM_UP + each * rounds
    world = proof_world(clients=clients, entries=3, group_by="product", mode="review", annex=annexes)
    # The customers are known, as they are after a first invoice: what is measured is the posting.
    world["dossiers"][0]["client_map"] = [{"client": CLIENT + n, "customer": PARTY + n} for n in range(clients)]
    with start(world) as sandbox, tempfile.TemporaryDirectory() as folder:
        settings.TOGGL_URL, settings.BILLIT_API_URL = sandbox.toggl_url, sandbox.billit_url
        file = Path(folder) / "firm.toml"
        file.write_text(sandbox.onboarding, encoding="utf-8")
        call_command("onboard", str(file), stdout=io.StringIO())
        call_command("invoice", "--firm", SLUG, "--through", yesterday(), "--approve", stdout=io.StringIO())
        waiting = list(Invoice.objects.filter(status="approved").order_by("pk"))
        place = Place(database_url(), os.environ["REDIS_URL"], sandbox, Path(folder))
        # Leases as in production: nothing is taken for dead here.
        place.settings |= {"POSTING_LEASE_SECONDS": "300", "IN_DOUBT_SECONDS": "120"}
        sandbox.control.faults(
            {"service": "billit", "method": "POST", "path": "^/v1/orders$", "kind": "slow", "seconds": LATENCY}
        )
        worker = place.worker(THREADS)
        try:
            _by_worker(waiting[:WARM_UP], place)
            read_back.read_back(company=Company.objects.get(), now=timezone.now())
            _bare(_bodies(waiting[:WARM_UP]))
            sandbox.control.clear_log()
            worked, bare, posts, readings = 0.0, 0.0, 0, 0
            for turn in range(rounds):
                part = waiting[WARM_UP + turn * each : WARM_UP + (turn + 1) * each]
                worked += _by_worker(part, place)
                tick_delivery.delay()
                place.until(lambda: not Invoice.objects.filter(status="posted", legal_excl__isnull=True).exists())
                posts += _count(place, "POST", "/v1/orders")
                readings += _count(place, "GET", "/v1/orders")
                sandbox.control.clear_log()
                bare += _bare(_bodies(part))
                sandbox.control.clear_log()
        finally:
            kill(worker)
    done = each * rounds
    rates = done / worked, done / bare
    return [
        f"{done} invoices, {THREADS} threads, {1000 * LATENCY:g} ms of latency, {rounds} turns, {os.cpu_count()} cores",
        f"{'through the worker':<34} {rates[0]:>9.1f} invoices/s",
        f"{'bare loop that only POSTs':<34} {rates[1]:>9.1f} orders/s",
        f"{'ratio':<34} {rates[0] / rates[1]:>9.2f}   (target: at least 0.9)",
        f"{'POSTs per invoice':<34} {posts / done:>9.2f}   (target: 1)",
        f"{'read-back calls per 100 invoices':<34} {100 * readings / done:>9.2f}   (target: at most 1)",
    ]


def _by_worker(invoices: Sequence[Invoice], place: Place) -> float:
    """Seconds from the first message to the last invoice that is posted."""
    now = timezone.now()
    for invoice in invoices:
        delivery.request(invoice=invoice, send=False, by=BY, now=now)
    begun = time.perf_counter()
    tick_delivery.delay()
    # Few rows: who asks must not take the processor from those who work.
    asked = Invoice.objects.filter(post_requested_at__isnull=False).exclude(status="posted")
    place.until(lambda: not asked.exists())
    return time.perf_counter() - begun


def _bodies(invoices: Sequence[Invoice]) -> list[tuple[str, bytes]]:
    """The very bytes that the worker sent, each with a reference (and a key) that Billit has not seen."""
    found = []
    for attempt in Attempt.objects.filter(invoice__in=invoices).select_related("invoice"):
        reference, body = f"tb-{uuid.uuid4()}", attempt.body
        for annex in Annex.objects.filter(invoice=attempt.invoice):
            for digest, content in ((annex.pdf_hash, annex.pdf), (annex.csv_hash, annex.csv)):
                body = body.replace(f"sha256:{digest}", base64.b64encode(content).decode())
        found.append((reference, body.replace(attempt.invoice.reference, reference).encode()))
    return found


def _bare(bodies: Sequence[tuple[str, bytes]]) -> float:
    """Seconds in which as many threads, with a session each, POST the bodies and do nothing else."""
    company = Company.objects.select_related("connection").get()
    common = {
        "ApiKey": company.connection.secret,
        "PartyID": str(company.party_id),
        "Content-Type": "application/json",
        "Accept": "application/json",
    }
    url = f"{settings.BILLIT_API_URL}/v1/orders"
    waiting: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()
    for body in (*bodies, *[None] * THREADS):
        waiting.put(body)
    failed: list[int] = []

    def work() -> None:
        with requests.Session() as session:
            session.trust_env = False
            while (body := waiting.get()) is not None:
                keys = {"Idempotency-Key": f"{body[0]}-1", "Idempotent-Key": f"{body[0]}-1"}
                answer = session.post(url, data=body[1], headers=common | keys, timeout=30)
                if answer.status_code != 200:
                    failed.append(answer.status_code)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begun
    assert not failed, failed
    return seconds


def _count(place: Place, method: str, path: str) -> int:
    return sum((row["method"], row["path"]) == (method, path) for row in place.sandbox.control.log("billit"))
