"""Every rule of the books: broken by raw SQL, it is told by its name, with where and what; and what asking costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from integrations.models import Entry, Workspace
from invoicing.ledger import balance, derive, invariants
from invoicing.models import Claim, Correction, Dossier, Invoice, InvoiceLine, LedgerRow
from tests.conftest import Outcome
from tests.factories import (
    ClaimFactory,
    CompanyFactory,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    LedgerRowFactory,
    ReportedMonthFactory,
    WorkspaceFactory,
)
from tests.invoicing.ledger import unfenced
from tests.worlds import NOW
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db

OPEN, GONE, DRAFTED, BILLED, CREDITED, OTHER, MORE = range(11, 18)
Told = set[tuple[str, str, str]]


def _moment(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 9, tzinfo=UTC)


def _row(dossier: Dossier, remote_id: int, day: date, state: str = "open", **more: Any) -> LedgerRow:
    return LedgerRowFactory(dossier=dossier, entry__remote_id=remote_id, started_at=_moment(day), state=state, **more)


def _billed(dossier: Dossier, row: LedgerRow, **invoice: Any) -> Invoice:
    """An invoice of one hour (or of the row's), with a line and its claim."""
    first = row.day.replace(day=1)
    made = InvoiceFactory(dossier=dossier, hours=1, period_from=first, period_till=row.day, with_line=False, **invoice)
    line = InvoiceLineFactory(invoice=made, quantity=1, with_claim=False)
    ClaimFactory(line=line, row=row)
    return made


@pytest.fixture
def books(firm: Firm) -> Dossier:
    """A dossier with an entry of each kind: open, deleted, drafted (twice), invoiced, credited, and one that changed
    after it was invoiced, of which the difference waits."""
    dossier = DossierFactory(firm=firm, key="bakery", start_date=date(2026, 8, 1))
    _row(dossier, OPEN, date(2026, 11, 5))
    gone = _row(dossier, GONE, date(2026, 11, 12), "deleted")
    Entry.objects.filter(pk=gone.entry_id).update(deleted_at=NOW)
    _billed(dossier, _row(dossier, DRAFTED, date(2026, 9, 5), "drafted"), reference="tb-drafted")
    _billed(dossier, _row(dossier, OTHER, date(2026, 9, 6), "drafted"), reference="tb-other")
    _billed(dossier, _row(dossier, BILLED, date(2026, 10, 5), "invoiced"), reference="tb-billed", status="posted")
    changed = _row(dossier, MORE, date(2026, 10, 6), "invoiced", duration=5400, correction_seconds=1800)
    InvoiceFactory(
        dossier=dossier, reference="tb-more", status="posted", hours=1, period_from=date(2026, 10, 1), with_line=False
    )
    line = InvoiceLineFactory(invoice=Invoice.objects.get(reference="tb-more"), quantity=1, with_claim=False)
    ClaimFactory(line=line, row=changed)
    credited = _row(dossier, CREDITED, date(2026, 8, 5), "credited", decision="credited", decision_text="It was wrong.")
    about = _billed(dossier, credited, reference="tb-about", status="posted")
    claim = Claim.objects.get(line__invoice=about)
    Claim.objects.filter(pk=claim.pk).update(released_at=NOW)
    note = InvoiceFactory(
        dossier=dossier,
        kind="credit_note",
        about=about,
        reference="tb-note",
        status="posted",
        hours=1,
        period_from=date(2026, 8, 1),
        with_line=False,
    )
    line = InvoiceLineFactory(invoice=note, quantity=1, with_claim=False)
    ClaimFactory(line=line, row=credited, kind="credit", takes_back=claim)
    assert told(dossier) == set()
    return dossier


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="fiduciaire", language="fr")


def told(*dossiers: Dossier, month: date | None = None) -> Told:
    """What does not hold: month, rule, subject."""
    found = invariants.broken(dossiers=dossiers, month=month)
    assert len(found) == len({(each.dossier, each.month, each.rule, each.subject) for each in found})
    return {(f"{each.month:%Y-%m}", each.rule, each.subject) for each in found}


# --- every rule -------------------------------------------------------------------------------------------------------


def entry(number: int) -> str:
    return f"(SELECT id FROM integrations_entry WHERE remote_id = {number})"


def row(number: int, change: str) -> str:
    return f"UPDATE invoicing_ledgerrow SET {change} WHERE entry_id = {entry(number)}"


def claim(number: int, change: str, kind: str = "entry") -> str:
    return f"UPDATE invoicing_claim SET {change} WHERE kind = '{kind}' AND entry_id = {entry(number)}"


def invoice(name: str, change: str) -> str:
    return f"UPDATE invoicing_invoice SET {change} WHERE reference = 'tb-{name}'"


def line(name: str, change: str) -> str:
    return (
        f"UPDATE invoicing_invoiceline SET {change} WHERE invoice_id = "
        f"(SELECT id FROM invoicing_invoice WHERE reference = 'tb-{name}')"
    )


def mirrored(number: int, change: str) -> str:
    return f"UPDATE integrations_entry SET {change} WHERE remote_id = {number}"


# What somebody writes past the product into the database, and exactly what is told of it.
BREAKAGES: dict[str, tuple[list[str], Told]] = {
    "a row that is gone": (
        [f"DELETE FROM invoicing_ledgerrow WHERE entry_id = {entry(OPEN)}"],
        {("2026-11", "one_state", "entry 11")},
    ),
    "an entry that was not judged since it changed": (
        [mirrored(BILLED, "marked_at = '2026-11-20 10:00:00+00:00'")],
        {("2026-10", "one_state", "entry 14")},
    ),
    "an open row with more seconds": (
        [row(OPEN, "seconds = seconds + 1")],
        {("2026-11", "seconds_add_up", "entry 11")},
    ),
    "a mirrored entry with fewer": (
        [mirrored(CREDITED, "seconds = seconds - 1")],
        {("2026-08", "seconds_add_up", "entry 15")},
    ),
    "a deleted entry on a draft that still counts": (
        [mirrored(DRAFTED, "deleted_at = '2026-11-20 10:00:00+00:00'")],
        {("2026-09", "seconds_add_up", "entry 13")},
    ),
    "a row in another month": (
        [row(OPEN, "day = '2026-10-15'")],
        {("2026-10", "local_day", "entry 11"), ("2026-11", "local_day", "entry 11")},
    ),
    "an entry in another workspace": (
        [mirrored(OPEN, "workspace_id = (SELECT id FROM integrations_workspace WHERE remote_id = 77)")],
        {("2026-11", "own_workspace", "entry 11")},
    ),
    "an open row from before the start": (
        ["UPDATE invoicing_dossier SET start_date = '2026-11-10' WHERE key = 'bakery'"],
        {("2026-11", "from_start", "entry 11")},
    ),
    "a living entry called deleted": (
        [row(OPEN, "state = 'deleted'")],
        {("2026-11", "deleted_state", "entry 11")},
    ),
    "a deleted entry called open": ([row(GONE, "state = 'open'")], {("2026-11", "deleted_state", "entry 12")}),
    "an open entry called drafted": ([row(OPEN, "state = 'drafted'")], {("2026-11", "state_fits_claim", "entry 11")}),
    "an invoiced entry called drafted": (
        [row(BILLED, "state = 'drafted'")],
        {("2026-10", "state_fits_claim", "entry 14")},
    ),
    "a drafted entry called held": ([row(DRAFTED, "state = 'held'")], {("2026-09", "state_fits_claim", "entry 13")}),
    "an invoiced entry called open": ([row(BILLED, "state = 'open'")], {("2026-10", "state_fits_claim", "entry 14")}),
    "an entry on two invoices": (
        [claim(OTHER, f"entry_id = {entry(DRAFTED)}"), row(OTHER, "state = 'open'")],
        {("2026-09", "one_live_claim", "entry 13")},
    ),
    "a void invoice that still claims": (
        [invoice("drafted", "status = 'void'"), row(DRAFTED, "state = 'open'")],
        {("2026-09", "no_claim_on_void", "entry 13")},
    ),
    "a credit note that takes back too much": (
        [claim(CREDITED, "seconds = 3660", "credit"), line("note", "seconds = 3660")],
        {("2026-08", "credit_seconds", "entry 15")},
    ),
    "a difference after billing that is none": (
        [row(BILLED, "correction_seconds = 60")],
        {("2026-10", "billed_seconds", "entry 14")},
    ),
    "a difference after billing that was lost": (
        [row(MORE, "correction_seconds = 0")],
        {("2026-10", "billed_seconds", "entry 17")},
    ),
    "a line of more seconds": (
        [line("billed", "seconds = seconds + 60")],
        {("2026-10", "claims_of_lines", "invoice tb-billed line 1")},
    ),
    "a line of more hours than it costs": (
        [line("drafted", "quantity = 2")],
        {("2026-09", "line_amount", "invoice tb-drafted line 1")},
    ),
    "a line of a cent less": (
        [line("drafted", "total = 94.99"), invoice("drafted", "total_excl = 94.99, total_incl = 114.94")],
        {("2026-09", "line_amount", "invoice tb-drafted line 1")},
    ),
    "an invoice of a euro more": (
        [invoice("billed", "total_excl = 96.00, total_incl = 115.95")],
        {("2026-10", "invoice_totals", "invoice tb-billed")},
    ),
    "an invoice of a cent more VAT": (
        [invoice("note", "total_vat = 19.96, total_incl = 114.96")],
        {("2026-08", "invoice_totals", "invoice tb-note")},
    ),
}


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_rule_that_is_broken_is_told_with_its_subject(name: str, books: Dossier) -> None:
    statements, expected = BREAKAGES[name]
    WorkspaceFactory(firm=books.firm, remote_id=77)
    before = told(books)
    with transaction.atomic():
        unfenced.run(*statements)
        found = told(books)
        by_month = {f"{sheet.month:%Y-%m}" for sheet in balance.months(dossiers=[books]) if not sheet.balanced}
        asked = {month: told(books, month=date.fromisoformat(f"{month}-01")) for month, _, _ in expected}
        august = told(books, month=date(2026, 7, 1))
        transaction.set_rollback(True)
    assert before == set()
    assert found == expected
    assert by_month == {month for month, _, _ in expected}
    assert asked == {month: {each for each in expected if each[0] == month} for month, _, _ in expected}
    assert august == set()


def test_a_month_whose_total_is_not_toggls_is_told(books: Dossier) -> None:
    ReportedMonthFactory(
        dossier=books, month=date(2026, 10, 1), toggl_seconds=7200, own_seconds=3600, differs_since=NOW
    )
    assert told(books) == {("2026-10", "toggl_total", "month 2026-10")}
    assert told(books, month=date(2026, 11, 1)) == set()
    (found,) = invariants.broken(dossiers=[books])
    assert "Toggl reports 2:00:00, and 1:00:00 are mirrored: a difference of 1:00:00." in found.sentence


def test_every_rule_has_a_breakage_of_its_own_and_a_line_in_the_readme() -> None:
    rules = [check.__name__ for check in invariants.CHECKS]
    alone = {next(iter({rule for _, rule, _ in expected})) for _, expected in BREAKAGES.values()}
    assert all(len({rule for _, rule, _ in expected}) == 1 for _, expected in BREAKAGES.values())
    assert alone | {"toggl_total"} == set(rules)
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    table = [f"| `{check.__name__}` | {' '.join((check.__doc__ or '').split())} |" for check in invariants.CHECKS]
    assert "\n".join(table) in readme


def test_the_command_tells_the_rule_the_subject_and_the_sentence(
    books: Dossier, command: Callable[..., Outcome]
) -> None:
    with transaction.atomic():
        unfenced.run(row(OPEN, "seconds = 3599"))
        answered = command("ledger", "--firm", "fiduciaire", "--month", "2026-11")
        sound = command("ledger", "--firm", "fiduciaire", "--month", "2026-10").answer["dossiers"][0]
        transaction.set_rollback(True)
    (sheet,) = answered.answer["dossiers"]
    sentence = "Entry 11 of 2026-11-05 counts 3599 s in the books, 3600 s as mirrored."
    assert sheet["balanced"] is False
    assert sheet["broken"] == [{"rule": "seconds_add_up", "subject": "entry 11", "sentence": sentence}]
    assert f"Dossier bakery, 2026-11, seconds_add_up: {sentence}" in answered.words
    assert (sound["balanced"], sound["broken"]) == (True, [])


def test_sentences_are_in_the_readers_language(books: Dossier) -> None:
    with transaction.atomic():
        unfenced.run(invoice("billed", "total_excl = 96.00, total_incl = 115.95"), row(DRAFTED, "state = 'open'"))
        fits, totals = invariants.broken(dossiers=[books])
        transaction.set_rollback(True)
    assert totals.sentence.endswith("comes to 96.00 + 19.95 = 115.95, its lines make 95.00 + 19.95 = 114.95.")
    with translation.override("fr"):
        assert "05/09/2026" in fits.sentence
        assert "ouvert" in fits.sentence.lower()
        assert "96,00 + 19,95 = 115,95" in totals.sentence
        assert fits.sentence.startswith("La facture tb-drafted contient la prestation 13")


def test_what_is_broken_in_one_dossier_is_not_told_of_its_neighbours(books: Dossier) -> None:
    beside = DossierFactory(firm=books.firm, company=books.company, workspace=WorkspaceFactory(firm=books.firm))
    _row(beside, 99, date(2026, 11, 5))
    with transaction.atomic():
        unfenced.run(row(OPEN, "seconds = 1"))
        assert told(beside) == set()
        both = invariants.broken(dossiers=[beside, books])
        transaction.set_rollback(True)
    assert [(each.dossier, each.rule) for each in both] == [(books.pk, "seconds_add_up")]


def test_an_entry_that_another_dossier_of_the_workspace_bills_is_told_there_alone(books: Dossier) -> None:
    beside = DossierFactory(firm=books.firm, workspace=books.workspace, company=CompanyFactory(firm=books.firm))
    Entry.objects.filter(remote_id=OPEN).update(marked_at=NOW)
    assert told(beside) == set()
    assert told(books, beside) == {("2026-11", "one_state", "entry 11")}
    derive.derive(workspace=Workspace.objects.get(pk=books.workspace_id), now=NOW)
    assert not Entry.objects.marked().exists()
    assert Correction.objects.count() == 0


# --- what asking costs ------------------------------------------------------------------------------------------------


def _several(firm: Firm, count: int) -> list[Dossier]:
    made = []
    for number in range(count):
        dossier = DossierFactory(firm=firm)
        first = 1000 * (number + 1)
        _row(dossier, first, date(2026, 11, 5))
        _billed(dossier, _row(dossier, first + 1, date(2026, 10, 5), "invoiced"), status="posted")
        made.append(dossier)
    return list(Dossier.objects.filter(pk__in=[each.pk for each in made]).select_related("firm"))


@pytest.mark.parametrize("month", [None, date(2026, 10, 1)], ids=["all months", "one month"])
def test_thirty_dossiers_ask_as_often_as_one(month: date | None, firm: Firm) -> None:
    dossiers = _several(firm, 30)

    def asked(some: list[Dossier]) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            found = balance.months(dossiers=some, month=month)
        assert {sheet.balanced for sheet in found} == {True}
        return len(queries)

    assert asked(dossiers[:1]) == asked(dossiers)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def _read(plan: dict[str, Any]) -> int:
    """The rows that a plan took from tables and indexes: those that it went on with, and those that it put aside."""
    return sum(
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in _nodes(plan)
        if "Scan" in node["Node Type"]
    )


def test_no_check_reads_the_rows_of_other_firms(neighbour: Dossier) -> None:
    read = {}
    for check in invariants.CHECKS:
        for month in (None, date(2026, 10, 1)):
            with CaptureQueriesContext(connection) as queries:
                assert list(check(invariants.Scope({neighbour.pk: neighbour}, month))) == []
            assert queries.captured_queries, check
            read[check.__name__, month] = sum(_read(_plan(query["sql"])) for query in queries.captured_queries)
    # Of the two firms' tables together: nothing like a tenth.
    assert {name: count for name, count in read.items() if count >= ROWS // 10} == {}


def _plan(sql: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        ((found,),) = cursor.fetchall()
    plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return plan


ROWS = 2000


@pytest.fixture
def neighbour(books: Dossier) -> Dossier:
    """The dossier, beside one of another firm with thousands of hours."""
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL tells how many rows a query read")
    theirs = DossierFactory(firm=FirmFactory(slug="large"))
    invoices = Invoice.objects.bulk_create(
        Invoice(
            firm=theirs.firm,
            dossier=theirs,
            company=theirs.company,
            reference=f"tb-{number}",
            buyer_key=f"party:{number}",
            customer_name="Large",
            title="November 2026",
            period_from=date(2026, 9, 1),
            period_till=date(2026, 9, 30),
            total_excl=380,
            total_vat=Decimal("79.80"),
            total_incl=Decimal("459.80"),
            drafted_at=NOW,
        )
        for number in range(ROWS // 4)
    )
    lines = InvoiceLine.objects.bulk_create(
        InvoiceLine(
            firm=theirs.firm,
            invoice=invoices[number // 4],
            position=number % 4 + 1,
            description="Advice",
            quantity=1,
            unit_price=95,
            vat_rate=21,
            ventilation_code=4,
            treatment="domestic",
            total=95,
            seconds=3600,
        )
        for number in range(ROWS)
    )
    starts = [_moment(date(2026, 9, 1)) + timedelta(minutes=number) for number in range(ROWS)]
    entries = Entry.objects.bulk_create(
        Entry(
            firm=theirs.firm,
            workspace=theirs.workspace,
            remote_id=10_000 + number,
            started_at=starts[number],
            seconds=3600,
            person_remote_id=1,
            changed_at=NOW,
            tags=[],
        )
        for number in range(ROWS)
    )
    LedgerRow.objects.bulk_create(
        LedgerRow(
            firm=theirs.firm,
            dossier=theirs,
            entry=entries[number],
            day=starts[number].astimezone(theirs.firm.zone).date(),
            seconds=3600,
            state="open",
        )
        for number in range(ROWS)
    )
    Claim.objects.bulk_create(
        Claim(
            firm=theirs.firm,
            entry=entries[number],
            line=lines[number],
            seconds=3600,
            started_at=starts[number],
            day=starts[number].astimezone(theirs.firm.zone).date(),
            tags=[],
        )
        for number in range(ROWS)
    )
    LedgerRow.objects.filter(dossier=theirs).update(state="drafted")
    assert told(theirs) == set()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return Dossier.objects.select_related("firm").get(pk=books.pk)
