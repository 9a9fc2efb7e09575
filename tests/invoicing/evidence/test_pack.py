"""How a pack is made: what is in it, who may, its event, the same bytes from the same books, bounded memory."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from django.apps import apps
from django.utils import timezone
from pytest_django import Settings

from invoicing.evidence import pack, rows
from invoicing.models import Dossier
from tests.factories import NOW, DossierFactory, FirmFactory, MembershipDossierFactory, MembershipFactory
from tests.furniture import furnish
from tests.invoicing.agreements.agreed import ADVANCES, HOUR, post_all
from tests.invoicing.agreements.test_settlement import one_quarter
from tests.invoicing.evidence.conftest import KEY, packed, sha256
from tests.invoicing.evidence.packs import checked, faults
from tests.invoicing.evidence.packs import rows as rows_of
from tests.invoicing.scene import BY, Scene, ids
from tests.invoicing.web.many import dossiers, waiting
from tests.visitors import browser_of, content_of, events, signed_in
from tests.worlds import entry
from toggbill.firms import audit
from toggbill.firms.audit import anchors

pytestmark = pytest.mark.django_db
OCTOBER = date(2026, 10, 1)


@pytest.mark.slow
def test_pack_of_a_settlement_holds_the_invoices_of_the_advances_that_it_deducts(
    scene: Callable[..., Scene], tmp_path: Path
) -> None:
    books = scene(entries=[entry(1, "2026-10-05", seconds=4 * HOUR)], products=ADVANCES, start="2026-09-01")
    advances = one_quarter(books)
    books.draft(date(2026, 10, 31))
    post_all(books)
    assert books.command("reconcile", "--firm", "small").code == 0
    folder = packed(books, tmp_path)
    lines = {(row["invoice"], row["position"]) for row in rows_of(folder, "lines.jsonl")}
    deducted = {tuple(row["advance"]) for row in rows_of(folder, "deductions.jsonl")}
    assert {reference for reference, _position in deducted} == {each.reference for each in advances}
    assert deducted <= lines
    assert checked(folder, "--language", "en")[0] == 0


@pytest.mark.slow
def test_pack_holds_all_that_proves_the_month(books: Scene, tmp_path: Path) -> None:
    folder = packed(books, tmp_path)
    count = {path.stem: len(rows_of(folder, path.name)) for path in folder.glob("*.jsonl")}
    # The garage's fee and its extra hour; the bakery's three hours, their credit note of one, and its draft again.
    assert count["entries"] == 7
    assert (count["invoices"], count["lines"], count["agreements"], count["corrections"]) == (4, 5, 1, 1)
    assert (count["attempts"], count["annexes"], count["runs"], count["anchors"]) == (5, 3, 1, 2)
    assert len(list((folder / "annexes").iterdir())) == 6
    states = {row["toggl"]["remote_id"] % 10 - 1: row["state"] for row in rows_of(folder, "entries.jsonl")}
    assert states == {
        1: "covered",
        2: "covered",
        4: "attention",
        5: "invoiced",
        6: "invoiced",
        7: "drafted",
        8: "attention",
    }
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["firm"]["slug"], manifest["dossier"]["key"], manifest["month"]) == ("small", "small", "2026-10")
    assert manifest["key"] == anchors.public_key(KEY)
    words = (folder / "README.txt").read_text()
    for name in (path.name for path in folder.iterdir() if path.is_file()):
        assert name in words or name == "README.txt", name


@pytest.mark.slow
def test_event_tells_the_hash_of_the_file(books: Scene, tmp_path: Path) -> None:
    folder = packed(books, tmp_path)
    (event,) = books.events("evidence_made")
    assert (event.subject, event.actor) == ("dossier small", "operator")
    assert event.data == {"month": "2026-10", "sha256": sha256(tmp_path / "pack.zip"), "balanced": True}
    assert rows_of(folder, "audit.jsonl")[-1]["number"] == event.number - 1
    assert audit.verify(firm=books.firm).ok


@pytest.mark.slow
def test_same_books_give_the_same_bytes(books: Scene) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    month = rows.Month(books.dossier, OCTOBER)
    for file in (first, second):
        pack.write(month, file, made_by=BY.name, made_at=timezone.now())
    assert first.getvalue() == second.getvalue()
    assert len(first.getvalue()) > 10_000


@pytest.mark.slow
def test_month_that_is_empty_or_was_never_compared(books: Scene, tmp_path: Path) -> None:
    folder = packed(books, tmp_path, date(2026, 12, 1))
    assert faults(folder) == ["toggl: Toggl’s own total of the month was not read: compare, then make a new pack."]


@pytest.mark.slow
def test_hours_that_changed_since_the_comparison_are_told(books: Scene, tmp_path: Path) -> None:
    books.control.delete_entries(ids(8)[0])
    books.sync()
    (told,) = faults(packed(books, tmp_path))
    assert told.startswith("toggl: Toggl reported 27060 s from 2026-10-01 to 2026-10-31 when it was asked on ")
    assert "the entries make 25260 s." in told


@pytest.mark.slow
def test_pack_without_a_key_says_so(books: Scene, tmp_path: Path, settings: Settings) -> None:
    settings.AUDIT_SIGNING_KEYS = []
    settings.ANCHORS_FILE = tmp_path / "none.jsonl"
    folder = packed(books, tmp_path)
    code, lines = checked(folder)
    assert code == 0
    assert lines[0] == "Nothing in here is signed: the site has no key. The hashes alone hold it together."
    assert rows_of(folder, "audit.jsonl")[0]["number"] == 1


@pytest.mark.slow
def test_bad_arguments_are_named(books: Scene, tmp_path: Path) -> None:
    def refused(**changes: str) -> str:
        given = {"firm": "small", "dossier": "small", "month": "2026-10", "to": str(tmp_path / "x.zip")} | changes
        done = books.command("evidence", *(part for name, value in given.items() for part in (f"--{name}", value)))
        assert done.code == 2
        return done.words

    assert "There is no firm “nobody”" in refused(firm="nobody")
    assert "has no dossier “none”" in refused(dossier="none")
    assert "“October” is not a month" in refused(month="October")
    assert "cannot be written" in refused(to=str(tmp_path / "absent" / "x.zip"))
    assert list(tmp_path.glob("x.zip*")) == []


def test_every_table_is_in_the_pack_or_left_out_for_a_reason() -> None:
    tables = rows.Month(DossierFactory(), OCTOBER).tables()
    packed_models = {part.model._meta.label_lower for parts in tables.values() for part in parts}
    every = {
        model._meta.label_lower
        for label in ("integrations", "invoicing")
        for model in apps.get_app_config(label).get_models()
        if not model._meta.auto_created
    }
    # Of the ledger's rows the file is called entries.
    assert packed_models | rows.ELSEWHERE == every
    assert packed_models & rows.ELSEWHERE == set()


def test_no_secret_of_any_table_is_told() -> None:
    told = {
        f"{model._meta.label_lower}.{column}"
        for part in rows.Month(DossierFactory(), OCTOBER).tables().values()
        for model in [part[0].model]
        for column in rows.columns(model)
    }
    assert not {name for name in told if "secret" in name or "token" in name}
    assert "invoicing.annex.pdf" not in told
    assert "invoicing.annex.pdf_hash" in told


@pytest.mark.slow
def test_pack_is_of_its_firm_and_dossier_alone(books: Scene, tmp_path: Path) -> None:
    furnish(FirmFactory(slug="theirs"), "leakmark")
    furnish(books.firm, "othermark")
    folder = packed(books, tmp_path)
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"leakmark" not in path.read_bytes(), path
    for name in ("entries.jsonl", "invoices.jsonl", "lines.jsonl", "claims.jsonl", "tag_mappings.jsonl"):
        assert b"othermark" not in (folder / name).read_bytes(), name


@pytest.mark.slow
def test_large_month_needs_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    small, large = dossiers(FirmFactory(), 2)
    waiting([small], 1500)
    waiting([large], 6000)
    peak(small, tmp_path)  # what is loaded once
    assert peak(large, tmp_path) < 1.3 * peak(small, tmp_path)


def peak(dossier: Dossier, folder: Path) -> int:
    """Bytes that making November's pack takes at its most."""
    tracemalloc.start()
    try:
        with (folder / "pack.zip").open("w+b") as file:
            pack.make(dossier=dossier, month=date(2026, 11, 1), to=file, by=BY, now=NOW)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_member_takes_the_pack_from_its_page(books: Scene, tmp_path: Path) -> None:
    browser = signed_in(books.firm, "manager")
    page = browser.get("/dossiers/small/evidence/").content.decode()
    assert "October 2026" in page
    assert "/dossiers/small/evidence/" in browser.get("/dossiers/small/").content.decode()
    answer = browser.post("/dossiers/small/evidence/", {"month": "2026-10"})
    assert answer.headers["Content-Disposition"] == 'attachment; filename="evidence-small-small-2026-10.zip"'
    content = content_of(answer)
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        file.extractall(tmp_path / "taken")
    assert checked(tmp_path / "taken")[0] == 0
    (event,) = books.events("evidence_made")
    assert event.origin == "web 127.0.0.1"


@pytest.mark.slow
def test_month_that_is_none_makes_nothing(books: Scene) -> None:
    browser = signed_in(books.firm)
    for month in ("", "2026-13", "soon"):
        answer = browser.post("/dossiers/small/evidence/", {"month": month}, follow=True)
        assert "Nothing was made: choose a month of the list." in answer.content.decode()
    assert books.events("evidence_made") == []


@pytest.mark.parametrize("role", ["bookkeeper", "viewer"])
def test_log_of_the_whole_firm_is_not_for_every_role(role: str) -> None:
    dossier = DossierFactory(key="small")
    browser = signed_in(dossier.firm, role)
    assert browser.get("/dossiers/small/evidence/").status_code == 403
    assert browser.post("/dossiers/small/evidence/", {"month": "2026-10"}).status_code == 403
    assert "/evidence/" not in browser.get("/dossiers/small/").content.decode()


def test_restricted_manager_does_not_get_the_log_of_the_firm() -> None:
    dossier = DossierFactory(key="small")
    row = MembershipFactory(firm=dossier.firm, role="manager", is_restricted=True)
    MembershipDossierFactory(membership=row, dossier=dossier)
    assert browser_of(row.user, dossier.firm).get("/dossiers/small/evidence/").status_code == 403
    assert events(dossier.firm) == []
