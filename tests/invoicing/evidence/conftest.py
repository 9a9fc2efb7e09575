"""One pack for all tests of a process: what is tampered with is a copy of its files."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import time_machine
from django.conf import settings as site
from django.utils import timezone
from pytest_django import Settings

from invoicing.annexes import freeze
from invoicing.models import Invoice
from invoicing.posting import post as posting
from tests.invoicing.after_billing import accept, changed, correction
from tests.invoicing.agreements.agreed import PRODUCTS, october
from tests.invoicing.annexes.conftest import frozen, quickly
from tests.invoicing.corrections.crediting import credit
from tests.invoicing.evidence.packs import copied
from tests.invoicing.scene import Scene
from tests.worlds import BAKERY_PROJECT, NOW, entry
from toggbill.firms.audit import anchors

BEFORE = datetime(2026, 9, 28, 9, tzinfo=UTC)
KEY = hashlib.sha256(b"evidence").digest()
HOUR = 3600
BAKERY = {"project_id": BAKERY_PROJECT}


def night() -> None:
    anchors.append(file=site.ANCHORS_FILE, keys=site.AUDIT_SIGNING_KEYS, timestamp_url="", now=timezone.now())


@pytest.fixture(autouse=True)
def quick(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Annexes without a child process, and a key and a file for the anchors."""
    monkeypatch.setattr(freeze, "rendered", quickly([]))
    settings.AUDIT_SIGNING_KEYS = [KEY]
    settings.ANCHORS_FILE = tmp_path / "audit-anchors.jsonl"


@pytest.fixture
def books(scene: Callable[..., Scene], clock: time_machine.Traveller) -> Scene:
    """October: a fee that covers two hours and bills one more, invoices with annexes, an accepted correction, an hour
    that was credited and stands on a draft again, and one that needs a decision. Entries 1 to 4 are the garage's."""
    clock.move_to(BEFORE, tick=False)
    made = scene(
        now=BEFORE,
        synced=False,
        entries=[
            entry(1, "2026-10-05", seconds=2 * HOUR),
            entry(2, "2026-10-06", seconds=HOUR),
            entry(4, "2026-10-08", seconds=HOUR, tags=[]),
            entry(5, "2026-10-05", **BAKERY),
            entry(6, "2026-10-06", seconds=5400, **BAKERY),
            entry(7, "2026-10-07", seconds=1800, **BAKERY),
            entry(8, "2026-10-20", seconds=1800, tags=["Unheard of"], **BAKERY),
        ],
        products=PRODUCTS,
        annex=True,
    )
    night()
    made.at(NOW)
    made.sync()
    october(made, products=("ADV",), included_hours=Decimal(2), extra_product="ADV")
    made.draft()
    billed = post(made)
    made.read_back()
    for invoice in billed:
        made.send(posting.fresh(invoice))
    changed(made, entry(6, "2026-10-06", seconds=5460, **BAKERY))
    accept(correction())
    credit(7)
    post(made)
    made.draft()
    made.later(days=1)
    night()
    assert made.command("reconcile", "--firm", "small").code == 0
    return made


def post(books: Scene) -> list[Invoice]:
    approved = books.approve()
    assert frozen(*approved) == {}
    return [books.post(invoice) for invoice in approved]


def packed(books: Scene, to: Path, month: date = date(2026, 10, 1)) -> Path:
    """The pack of the month by the command, unpacked into an empty folder."""
    arguments = ("--firm", "small", "--dossier", "small", "--month", f"{month:%Y-%m}", "--to", str(to / "pack.zip"))
    done = books.command("evidence", *arguments)
    assert done.code == 0, done.words
    assert done.answer == {"file": str(to / "pack.zip"), "sha256": sha256(to / "pack.zip")}
    with zipfile.ZipFile(to / "pack.zip") as file:
        file.extractall(to / "pack")
    return to / "pack"


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


_made: dict[str, Path] = {}


@pytest.fixture
def pack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A copy of the unpacked pack of October: made once, since a pack needs nothing of the site that made it."""
    if "pack" not in _made:
        _made["pack"] = packed(request.getfixturevalue("books"), tmp_path_factory.mktemp("evidence"))
    return copied(_made["pack"], tmp_path / "spoilt")
