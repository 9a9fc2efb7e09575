"""Files of what a page shows: its filters, its rows, its fences; harmless to a spreadsheet, and read as they go."""

from __future__ import annotations

import csv
import io
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from openpyxl import load_workbook

from invoicing.models import Correction, Dossier, LedgerRow
from invoicing.web.exports import tables
from tests.factories import (
    CorrectionFactory,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    LedgerRowFactory,
    MembershipDossierFactory,
    MembershipFactory,
    ReportedMonthFactory,
)
from tests.visitors import browser_of, content_of, signed_in
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
PATHS = [
    "/dossiers/bakery/hours/export.csv",
    "/invoices/export.csv",
    "/attention/export.csv",
    "/corrections/export.csv",
    "/months/export.csv",
    "/wip/export.csv",
    "/realisation/export.csv",
]


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", language="en")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return DossierFactory(firm=firm, key="bakery", name="Bakery")


def rows(client: Client, path: str) -> list[dict[str, str]]:
    """The rows of a CSV file by their headings."""
    answer: Any = client.get(path)
    content = content_of(answer)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def sheet(client: Client, path: str) -> list[tuple[Any, ...]]:
    """The rows of a workbook, heading and all, as a spreadsheet reads them."""
    answer: Any = client.get(path)
    content = content_of(answer)
    book = load_workbook(io.BytesIO(content))
    return list(book.worksheets[0].iter_rows(values_only=True))


def column(found: list[dict[str, str]], name: str) -> list[str]:
    return [row[name] for row in found]


def test_hours_have_the_filters_of_their_page(firm: Firm, dossier: Dossier) -> None:
    at = datetime(2026, 10, 31, 22, 30, tzinfo=UTC)
    LedgerRowFactory(dossier=dossier, started_at=at, day=date(2026, 10, 31), duration=4500, description="October")
    LedgerRowFactory(dossier=dossier, day=date(2026, 11, 2), state="held", decision="held", decision_text="Wait")
    LedgerRowFactory(dossier=dossier, day=date(2026, 11, 3), reason="no_vat", description="Whose?")
    client = signed_in(firm, "viewer")
    assert column(rows(client, PATHS[0]), "State") == ["needs attention", "held", "open"]
    assert column(rows(client, f"{PATHS[0]}?state=held"), "Reason") == ["Wait"]
    assert column(rows(client, f"{PATHS[0]}?state=attention"), "Reason") == ["Client without a number"]
    (october,) = rows(client, f"{PATHS[0]}?month=2026-10&buyer=party:88001")
    assert (october["Dossier"], october["Day"], october["Start"]) == ("Bakery", "2026-10-31", "2026-10-31 23:30")
    assert (october["Seconds"], october["Hours"], october["Price"]) == ("4500", "1.25", "95.00")
    assert (october["Description"], october["Tags"], october["Product"]) == ("October", "ADV", "ADV")
    assert client.get(f"{PATHS[0]}?state=lost").status_code == 404


def test_invoices_have_a_row_for_each_line(firm: Firm, dossier: Dossier) -> None:
    invoice = InvoiceFactory(dossier=dossier, status="posted", order_number="F-1")
    InvoiceLineFactory(invoice=invoice, description="Second", unit_price=Decimal("1.125"), quantity=Decimal("0.08"))
    InvoiceFactory(dossier=dossier, customer_name="Draft SRL")
    client = signed_in(firm, "viewer")
    assert column(rows(client, "/invoices/export.csv?status=draft"), "Customer") == ["Draft SRL"]
    first, second = rows(client, "/invoices/export.csv?status=posted&dossier=bakery")
    assert (first["Number"], first["Status"], first["Line"], first["Amount"]) == ("F-1", "posted", "1", "190.00")
    assert (first["Total incl. VAT"], first["VAT rate"], first["From"]) == ("229.90", "21.00", "2026-11-10")
    assert (second["Line"], second["Description"], second["Price"]) == ("2", "Second", "1.125")
    assert rows(client, "/invoices/export.csv?dossier=other") == []
    assert client.get("/invoices/export.csv?status=lost").status_code == 404


def test_attention_says_what_to_do(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, reason="no_vat", client_name="Nobody")
    LedgerRowFactory(dossier=dossier, reason="unknown_tag", tags=["Advise"])
    LedgerRowFactory(dossier=dossier)
    client = signed_in(firm, "viewer")
    found = rows(client, "/attention/export.csv")
    assert [(row["Reason"], row["About"]) for row in found] == [
        ("Client without a number", "Nobody"),
        ("Tag without a product", "Advise"),
    ]
    assert found[1]["What to do"].startswith("Map the tag to a product")
    assert len(rows(client, "/attention/export.csv?reason=no_vat&dossier=bakery")) == 1


def test_corrections_say_what_was_billed_and_decided(firm: Firm, dossier: Dossier) -> None:
    CorrectionFactory(invoice__dossier=dossier, mirrored={"seconds": 9000})
    CorrectionFactory(invoice__dossier=dossier, decision="accepted", note="Fine", seconds=-1800)
    client = signed_in(firm, "viewer")
    (waits,) = rows(client, "/corrections/export.csv?dossier=bakery")
    assert (waits["What changed"], waits["Billed seconds"], waits["Seconds in Toggl"]) == ("time", "7200", "9000")
    assert (waits["Difference in hours"], waits["Amount excl. VAT"], waits["Decision"]) == ("0.50", "47.50", "open")
    (done,) = rows(client, "/corrections/export.csv?state=decided")
    assert (done["Difference in hours"], done["Decision"], done["Note"]) == ("-0.50", "accepted", "Fine")
    assert rows(client, "/corrections/export.csv?state=waiting") == []


def test_months_are_those_of_the_ledger(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, day=date(2026, 10, 5), started_at=datetime(2026, 10, 5, 9, tzinfo=UTC))
    (month,) = rows(signed_in(firm, "viewer"), "/months/export.csv?dossier=bakery")
    assert (month["Dossier"], month["Month"], month["open"], month["Total"]) == ("Bakery", "2026-10", "1.00", "1.00")
    assert (month["Balanced"], month["Broken rules"]) == ("yes", "")


def test_months_name_the_rules_that_are_broken(firm: Firm, dossier: Dossier) -> None:
    for _ in range(2):
        LedgerRowFactory(dossier=dossier, started_at=datetime(2026, 10, 5, 9, tzinfo=UTC))
    ReportedMonthFactory(dossier=dossier, toggl_seconds=39_600)
    beside = DossierFactory(firm=firm, key="garage", name="Garage")
    LedgerRowFactory(dossier=beside)
    LedgerRow.objects.filter(dossier=dossier).update(seconds=1)
    found = rows(signed_in(firm, "viewer"), "/months/export.csv")
    assert [(row["Dossier"], row["Month"], row["Balanced"], row["Broken rules"]) for row in found] == [
        ("Bakery", "2026-10", "no", "seconds_add_up, toggl_total"),
        ("Garage", "2026-11", "yes", ""),
    ]


def test_workbook_holds_figures_as_figures_and_days_as_days(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, duration=4500, started_at=datetime(2026, 11, 5, 9, tzinfo=UTC))
    heading, row = sheet(signed_in(firm, "viewer"), "/dossiers/bakery/hours/export.xlsx")
    found = dict(zip(heading, row, strict=True))
    assert (found["Seconds"], found["Hours"], found["Price"]) == (4500, 1.25, 95)
    assert (found["Day"], found["Start"]) == (datetime(2026, 11, 5), datetime(2026, 11, 5, 10))  # noqa: DTZ001 - a cell has no zone


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_cells_that_a_spreadsheet_would_run_are_neutralised(sign: str, firm: Firm, dossier: Dossier) -> None:
    text = f"{sign}HYPERLINK(1)"
    LedgerRowFactory(dossier=dossier, description=text, client_name=text, tags=[text])
    InvoiceFactory(dossier=dossier, customer_name=text)
    client = signed_in(firm, "viewer")
    (row,) = rows(client, "/dossiers/bakery/hours/export.csv?state=open")
    assert (row["Description"], row["Toggl client"], row["Tags"]) == (f"'{text}",) * 3
    assert column(rows(client, "/invoices/export.csv"), "Customer") == [f"'{text}"]
    _heading, cells = sheet(client, "/dossiers/bakery/hours/export.xlsx?state=open")
    assert not [cell for cell in cells if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@"))]


def test_workbook_leaves_out_what_it_cannot_hold(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, description="a\x08b" + "x" * 40_000)
    heading, row = sheet(signed_in(firm, "viewer"), "/dossiers/bakery/hours/export.xlsx")
    description = dict(zip(heading, row, strict=True))["Description"]
    assert description.startswith("abxx")
    assert len(description) == 32_767


@pytest.mark.slow
@pytest.mark.parametrize("role", ["owner", "manager", "bookkeeper", "viewer"])
def test_everybody_exports_also_of_a_closed_firm(role: str, firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier)
    client = signed_in(firm, role)
    Firm.objects.filter(pk=firm.pk).update(closed_at=timezone.now())
    for path in PATHS:
        answer = client.get(path)
        assert answer.status_code == 200, path
        content_of(answer)
        page = path.removesuffix("export.csv")
        if page != "/months/":
            assert path in client.get(page).content.decode(), path


@pytest.mark.slow
def test_exports_are_fenced_between_firms_and_dossiers(firm: Firm, dossier: Dossier) -> None:
    hidden = DossierFactory(firm=firm, key="hidden", name="leakmark")
    theirs = DossierFactory(key="theirs", name="leakmark")
    for other in (hidden, theirs):
        LedgerRowFactory(dossier=other, client_name="leakmark")
        LedgerRowFactory(dossier=other, client_name="leakmark", reason="no_vat")
        CorrectionFactory(invoice=InvoiceFactory(dossier=other, status="posted", customer_name="leakmark"))
    assert Correction.objects.count() == 2
    row = MembershipFactory(firm=firm, role="viewer", is_restricted=True)
    MembershipDossierFactory(membership=row, dossier=dossier)
    client = browser_of(row.user, firm)
    for path in PATHS:
        answer: Any = client.get(path)
        assert b"leakmark" not in content_of(answer), path
    for key in ("hidden", "theirs"):
        assert client.get(f"/dossiers/{key}/hours/export.csv").status_code == 404
        for path in PATHS[1:]:
            assert len(rows(client, f"{path}?dossier={key}")) == 0, path


def test_unknown_kind_of_file_is_not_found(firm: Firm, dossier: Dossier) -> None:
    client = signed_in(firm)
    for path in PATHS:
        assert client.get(path.replace(".csv", ".pdf")).status_code == 404


def test_headings_and_words_are_in_the_language_of_the_reader(firm: Firm, dossier: Dossier) -> None:
    Firm.objects.filter(pk=firm.pk).update(language="fr")
    LedgerRowFactory(dossier=dossier)
    answer: Any = signed_in(firm, "viewer").get(PATHS[0])
    (row,) = csv.DictReader(io.StringIO(content_of(answer).decode("utf-8-sig"), newline=""), delimiter=";")
    assert row["État"] == "ouverte"
    assert (row["Heures"], row["Prix"]) == ("1,00", "95,00")


def test_file_is_written_row_by_row() -> None:
    """A file of twenty megabytes needs no more memory than one of its rows."""
    rows: Any = ([number, "x" * 1000] for number in range(20_000))
    tracemalloc.start()
    try:
        written = tables.as_csv(tables.Table("x", ["a", "b"], rows))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    with written:
        content = written.read()
    assert len(content) > 20_000_000
    assert content.startswith(b"\xef\xbb\xbfa,b\r\n0,xxx")
    assert peak < 200_000
