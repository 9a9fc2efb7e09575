"""A firm takes everything along, and is closed: no secret is left, and no verb changes its books."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site
from django.db import models
from django.utils import translation

from integrations.models import Connection
from integrations.sandbox.process import Process
from invoicing.dossiers import mappings, rules
from invoicing.drafting import runs
from invoicing.models import Annex, Dossier, Invoice, TagMapping
from invoicing.rules.judging.mapping import TagRule
from tests.conftest import Outcome
from tests.factories import (
    NOW,
    ConnectionFactory,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    LedgerRowFactory,
    RunFactory,
    TagMappingFactory,
)
from tests.furniture import furnish
from tests.visitors import events, read_of, signed_in, staff, superuser, text
from toggbill.firms.audit import Actor, Authority, Closed, News, record, verify
from toggbill.firms.models import Firm
from toggbill.leaving import archive, closing

pytestmark = pytest.mark.django_db

BY = Actor("owner@example.com", "page", Authority.COMMAND)
PLANTED = "planted-secret-0123456789"


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def furnished(firm: Firm) -> Firm:
    """A row of every table in two firms, with secrets that may not leave."""
    for of, mark in ((firm, "ourmark"), (FirmFactory(slug="theirs"), "leakmark")):
        furnish(of, mark)
        for row in Connection.objects.filter(firm=of):
            row.secret = f"{PLANTED}-{mark}"
            row.save(update_fields=["secret"])
    return firm


def exported(command: Callable[..., Outcome], folder: Path) -> tuple[zipfile.ZipFile, Outcome]:
    done = command("export_firm", "--firm", "ours", "--to", str(folder / "ours.zip"))
    assert done.code == 0, done.words
    return zipfile.ZipFile(folder / "ours.zip"), done


def test_export_holds_every_table_of_the_firm_and_nothing_of_another(
    furnished: Firm, command: Callable[..., Outcome], tmp_path: Path
) -> None:
    with exported(command, tmp_path)[0] as file:
        names = file.namelist()
        everything = b"".join(file.read(name) for name in names).decode()
    assert len(archive.tables()) >= 22
    for model in archive.tables():
        label = model._meta.label_lower
        assert f"data/{label}.jsonl" in names
        assert f"data/{label}.csv" in names
    assert "ourmark" in everything
    assert "leakmark" not in everything
    assert PLANTED not in everything


def test_export_counts_are_those_of_the_database(
    furnished: Firm, command: Callable[..., Outcome], tmp_path: Path
) -> None:
    file, done = exported(command, tmp_path)
    counts = {
        model._meta.label_lower: model._default_manager.filter(firm=furnished).count() for model in archive.tables()
    }
    assert done.answer["rows"] == counts
    assert (done.answer["firm"], done.answer["events"]) == ("ours", 2)
    with file:
        for label, count in counts.items():
            rows = [json.loads(line) for line in file.read(f"data/{label}.jsonl").decode().splitlines()]
            table = list(csv.DictReader(io.StringIO(file.read(f"data/{label}.csv").decode("utf-8-sig"))))
            assert (len(rows), len(table)) == (count, count), label


def test_export_holds_the_annexes_as_they_were_frozen(
    furnished: Firm, command: Callable[..., Outcome], tmp_path: Path
) -> None:
    annex = Annex.objects.get(firm=furnished)
    with exported(command, tmp_path)[0] as file:
        found = {name: file.read(name) for name in file.namelist() if name.startswith("annexes/")}
        (row,) = [json.loads(line) for line in file.read("data/invoicing.annex.jsonl").decode().splitlines()]
    reference = annex.invoice.reference
    assert found == {f"annexes/{reference}.pdf": bytes(annex.pdf), f"annexes/{reference}.csv": bytes(annex.csv)}
    assert (row["pdf_hash"], row["csv_hash"]) == (annex.pdf_hash, annex.csv_hash)
    assert {"pdf", "csv"} & row.keys() == set()


def test_export_is_exact_in_json_and_harmless_in_csv(
    firm: Firm, command: Callable[..., Outcome], tmp_path: Path
) -> None:
    row = TagMappingFactory(dossier__firm=firm, tag='=HYPERLINK("http://evil.example")', priority=-5)
    run = RunFactory(dossier=row.dossier)
    run.invoices.add(invoice := InvoiceFactory(dossier=row.dossier, hours=Decimal("1.25")))
    file, _done = exported(command, tmp_path)
    with file:
        (told,) = [json.loads(line) for line in file.read("data/invoicing.tagmapping.jsonl").decode().splitlines()]
        (cells,) = csv.DictReader(io.StringIO(file.read("data/invoicing.tagmapping.csv").decode("utf-8-sig")))
        (bill,) = [json.loads(line) for line in file.read("data/invoicing.invoice.jsonl").decode().splitlines()]
        (passed,) = [json.loads(line) for line in file.read("data/invoicing.run.jsonl").decode().splitlines()]
    assert (told["tag"], told["priority"]) == ('=HYPERLINK("http://evil.example")', -5)
    assert (cells["tag"], cells["priority"]) == ('\'=HYPERLINK("http://evil.example")', "'-5")
    assert (bill["total_excl"], bill["reference"]) == ("118.75", invoice.reference)
    assert (passed["started_at"], passed["invoices"]) == ("2026-11-20T09:00:00+00:00", [invoice.pk])


def test_exported_log_is_verified_offline_by_the_script_of_the_readme(
    furnished: Firm, command: Callable[..., Outcome], tmp_path: Path
) -> None:
    readme = (site.BASE_DIR / "README.md").read_text(encoding="utf-8")
    assert archive.VERIFY in re.findall(r"```python\n(.*?)```", readme, re.S)
    file, done = exported(command, tmp_path)
    with file:
        file.extractall(tmp_path)
    asked = [sys.executable, "-I", "verify_audit.py", "audit.jsonl"]
    good = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert good.stdout == f"2 events, head {done.answer['head']}\n"
    log = tmp_path / "audit.jsonl"
    log.write_text(log.read_text(encoding="utf-8").replace("ourmark", "another", 1), encoding="utf-8")
    bad = subprocess.run(asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (bad.returncode, "event 1 does not fit" in bad.stderr) == (1, True)


def test_export_says_what_is_wrong_and_leaves_no_half_file(
    firm: Firm, command: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert command("export_firm", "--firm", "nobody", "--to", str(tmp_path / "x.zip")).code == 2
    done = command("export_firm", "--firm", "ours", "--to", str(tmp_path / "no" / "x.zip"))
    assert (done.code, "in a folder that is there" in done.words) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_an_owner_exports_on_the_page(furnished: Firm) -> None:
    answer = signed_in(furnished).post("/leaving/export/")
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as file:  # type: ignore[attr-defined]  # streamed
        assert "audit.jsonl" in file.namelist()
    assert events(furnished)[-1][:2] == ("firm_exported", "firm ours")


@pytest.mark.parametrize("role", ["manager", "bookkeeper", "viewer"])
def test_only_owners_leave(role: str, firm: Firm) -> None:
    browser = signed_in(firm, role)
    assert browser.get("/leaving/").status_code == 403
    assert browser.post("/leaving/export/").status_code == 403
    assert browser.post("/leaving/close/", {"sure": "ours"}).status_code == 403
    firm.refresh_from_db()
    assert firm.closed_at is None


def test_closing_destroys_every_secret_of_the_firm_and_of_no_other(furnished: Firm) -> None:
    Dossier.objects.filter(firm=furnished).update(due_at=NOW, every="daily")
    done = closing.close(firm=furnished, by=BY, now=NOW)
    rows = Connection.objects.filter(firm=furnished)
    assert done.connections == rows.count() == 2
    assert {row.secret for row in rows} == {""}
    assert {(row.paused_at, row.removed_at) for row in rows} == {(NOW, NOW)}
    assert {row.secret for row in Connection.objects.exclude(firm=furnished)} == {f"{PLANTED}-leakmark"}
    assert Dossier.objects.get(firm=furnished).due_at is None
    assert [kind for kind, _subject, _data in events(furnished)][-1] == "firm_closed"
    assert verify(firm=furnished).ok
    furnished.refresh_from_db()
    assert furnished.closed_at == NOW


def test_no_verb_changes_the_books_of_a_closed_firm(firm: Firm) -> None:
    dossier = DossierFactory(firm=firm)
    LedgerRowFactory(dossier=dossier)
    invoice = InvoiceFactory(dossier=dossier)
    changed = replace(rules.stated(dossier, clients=()), billable="flagged")
    flagged = rules.Pairing(dossier.workspace, dossier.company, changed)
    closing.close(firm=firm, by=BY, now=NOW)

    verbs: list[Callable[[], object]] = [
        lambda: runs.draft(dossier=dossier, cut_off=date(2026, 11, 19), by=BY, now=NOW),
        lambda: runs.approve(invoice=invoice, by=BY, now=NOW),
        lambda: runs.void(invoice=invoice, by=BY, now=NOW),
        lambda: mappings.map_tags(dossier=dossier, rules=[TagRule(tag="x", product="ADV")], by=BY, now=NOW),
        lambda: rules.set_dossiers(firm=firm, pairings=[flagged], by=BY, now=NOW),
        lambda: record(firm=firm, news=[News("connection_added", "connection toggl x", {})], by=BY, now=NOW),
    ]
    for verb in verbs:
        with pytest.raises(Closed, match="Firm ours was closed on 20/11/2026: its books are only read"):
            verb()
    assert Invoice.objects.get().status == "draft"
    assert not TagMapping.objects.exists()
    assert events(firm)[-1][0] == "firm_closed"


def test_a_closed_firm_is_read_and_exported_and_nothing_else(firm: Firm) -> None:
    dossier = DossierFactory(firm=firm, key="bakery", name="Bakery")
    invoice = InvoiceFactory(dossier=dossier)
    browser = staff(firm)
    closed = browser.post("/leaving/close/", {"sure": "ours"}, follow=True)
    assert "The firm is closed" in closed.content.decode()
    assert "Bakery" in text(browser, "/")
    assert "Garage Voorbeeld SRL" in text(browser, f"/invoices/{invoice.reference}/")
    assert browser.post(f"/invoices/{invoice.reference}/approve/", {"read": read_of(invoice)}).status_code == 403
    assert browser.post("/dossiers/bakery/draft/", {"through": "2026-10-31"}).status_code == 403
    assert browser.get("/connections/add/toggl/").status_code == 403
    answer = browser.post("/leaving/export/")
    assert answer.status_code == 200
    # Read to its end, so that the file behind it is closed.
    assert b"".join(answer.streaming_content).startswith(b"PK")  # type: ignore[attr-defined]  # streamed
    assert browser.get("/admin/invoicing/tagmapping/add/").status_code == 403


def test_not_even_the_operator_changes_a_closed_firm_in_the_admin(firm: Firm) -> None:
    row = TagMappingFactory(dossier__firm=firm, tag="intern")
    closing.close(firm=firm, by=BY, now=NOW)
    form = {"tag": "other", "bill": "on", "product_reference": "ADV", "priority": ""}
    assert superuser(firm).post(f"/admin/invoicing/tagmapping/{row.pk}/change/", form).status_code == 403
    row.refresh_from_db()
    assert row.tag == "intern"


def test_closing_needs_the_short_name_typed(firm: Firm, command: Callable[..., Outcome]) -> None:
    browser = signed_in(firm)
    assert "Nothing was closed" in browser.post("/leaving/close/", {"sure": "x"}, follow=True).content.decode()
    assert command("close_firm", "--firm", "ours", "--sure", "theirs").code == 2
    firm.refresh_from_db()
    assert firm.closed_at is None


def test_close_firm_prints_what_it_did_and_does_it_once(firm: Firm, command: Callable[..., Outcome]) -> None:
    ConnectionFactory(firm=firm)
    done = command("close_firm", "--firm", "ours", "--sure", "ours")
    assert (done.code, done.answer["firm"], done.answer["connections"]) == (0, "ours", 1)
    again = command("close_firm", "--firm", "ours", "--sure", "ours")
    assert (again.code, "already" in again.words) == (1, True)
    late = command("invoice", "--firm", "ours", "--through", "2026-10-31")
    assert late.code in {0, 1}


@pytest.mark.parametrize(
    "busy",
    [
        {"status": "posting"},
        {"status": "posted", "delivery": "sending"},
        {"status": "posted", "delivery": "failed", "replacing_since": NOW},
    ],
    ids=["posting", "sending", "being replaced"],
)
def test_closing_waits_for_an_invoice_on_its_way(firm: Firm, busy: dict[str, Any]) -> None:
    InvoiceFactory(dossier__firm=firm, **busy)
    with pytest.raises(closing.CannotClose, match="1 invoice of the firm is on its way"):
        closing.close(firm=firm, by=BY, now=NOW)
    with translation.override("fr"), pytest.raises(closing.CannotClose, match="1 facture du bureau est en route"):
        closing.close(firm=firm, by=BY, now=NOW)
    assert events(firm) == []


def test_a_closed_firm_is_not_read_any_more(firm: Firm, sandbox: Process, command: Callable[..., Outcome]) -> None:
    DossierFactory(firm=firm)
    closing.close(firm=firm, by=BY, now=NOW)
    sandbox.control.clear_log()
    done = command("sync", "--firm", "ours")
    assert (done.code, "was removed" in done.words) == (1, True)
    assert sandbox.control.log() == []


def test_every_secret_column_is_left_out_of_an_export() -> None:
    for model in archive.tables():
        told = set(archive.columns(model))
        for field in model._meta.concrete_fields:
            assert isinstance(field, models.Field)
            if "secret" in field.name or "token" in field.name or "password" in field.name:
                assert field.attname not in told, (model, field.name)
