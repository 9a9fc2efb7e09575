"""Crashes while annexes of hours are made and posted: each order gets its two files once, as they were frozen."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from integrations.sandbox.process import Process
from invoicing.models import Annex, Attempt, Dossier, Invoice
from tests.conftest import Outcome
from tests.proof import steps
from tests.proof.assertions import prove
from tests.proof.conftest import hasten, lapse
from tests.proof.poster import kill_at
from tests.proof.processes import LEASE, Place
from tests.proof.world import SLUG, yesterday
from tests.worlds import API_KEY
from toggbill.firms.models import AuditEvent, Firm

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
CLIENTS = 2
MET = (
    *steps.FREEZING,
    "before the request",
    "before the answer is read",
    "inside the settling",
    "before the adoption",
    "inside the giving up",
)


def _file(sandbox: Process, company: int, identity: str) -> bytes:
    headers = {"ApiKey": API_KEY, "PartyID": str(company)}
    answer = requests.get(f"{sandbox.billit_url}/v1/files/{identity}", headers=headers, timeout=10)
    return base64.b64decode(answer.json()["FileContent"])


def _attached(body: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(body)["Attachments"]
    return found


def _complete(firm: Firm, sandbox: Process) -> None:
    found = prove(firm, sandbox)
    count = len(MET) * CLIENTS
    assert (found.invoices, found.orders, found.unknown) == (count, count, 0)
    annexes = {annex.invoice.reference: annex for annex in Annex.objects.select_related("invoice")}
    assert len(annexes) == count
    told = AuditEvent.objects.filter(firm=firm, type="annex_frozen")
    assert {event.subject: (event.data["pdf"], event.data["csv"]) for event in told} == {
        f"invoice {reference}": (annex.pdf_hash, annex.csv_hash) for reference, annex in annexes.items()
    }
    assert told.count() == count
    for order in sandbox.control.orders():
        annex = annexes[order["ExternalProviderID"]]
        posted, *files = order["Attachments"]
        assert [file["FileName"] for file in files] == [f"{annex.name}.pdf", f"{annex.name}.csv"]
        contents = [_file(sandbox, order["CompanyID"], file["FileID"]) for file in files]
        assert contents == [bytes(annex.pdf), bytes(annex.csv)]
        body = _file(sandbox, order["CompanyID"], posted["FileID"])
        attempts = Attempt.objects.filter(invoice=annex.invoice, intent="post").order_by("pk")
        assert hashlib.sha256(body).hexdigest() in {attempt.body_hash for attempt in attempts}
        # Posted anew or looked up: whatever was tried carried the same files.
        named = [{"pdf": annex.pdf_hash, "csv": annex.csv_hash}[kind] for kind in ("pdf", "csv")]
        for attempt in attempts:
            assert [file["FileContent"] for file in _attached(attempt.body)] == [f"sha256:{each}" for each in named]


def _kill(due: Callable[..., Firm], place: Place, way: str) -> Firm:
    firm = due(workspaces=len(MET), clients=CLIENTS, entries=2, annex=True)
    kill_at(MET, place, way)
    lapse(firm)
    return firm


def test_command_takes_up_what_was_killed(
    due: Callable[..., Firm], place: Place, command: Callable[..., Outcome]
) -> None:
    firm = _kill(due, place, "command")
    time.sleep(LEASE + 0.1)
    done = command("invoice", "--firm", SLUG, "--through", yesterday(), "--approve", "--post")
    assert done.code == 0, done.words
    _complete(firm, place.sandbox)


def test_worker_and_beat_take_up_what_was_killed(due: Callable[..., Firm], place: Place) -> None:
    firm = _kill(due, place, "workers")

    def done() -> bool:
        hasten(firm)
        invoices = Invoice.objects.filter(firm=firm).exclude(status="void")
        served = not Dossier.objects.filter(firm=firm, scheduled_through__isnull=True).exists()
        read = not invoices.filter(legal_excl__isnull=True).exists()
        return served and read and invoices.count() == len(MET) * CLIENTS

    with place.at_work():
        place.until(done)
    _complete(firm, place.sandbox)
