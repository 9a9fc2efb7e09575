"""What a member reads on a page, as the rows of a file: invoices with lines, attention, corrections, months; hours are
in a file of their own.

A file has a heading and rows, which are read from the database as they are written to the disk, so that a large one
needs no more memory than a small one, and is whole before its first byte leaves. Texts that a spreadsheet would run are
neutralised; figures are figures: hours and amounts as numbers (in CSV with the decimal mark of the reader's language),
days as dates, moments in the firm's time zone without it. Reads only.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import IO, TypeVar
from zoneinfo import ZoneInfo

from django.db.models import Model, Prefetch, QuerySet
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from openpyxl import Workbook

from invoicing.corrections import options
from invoicing.ledger import attention, balance
from invoicing.models import Correction, Dossier, Invoice, InvoiceLine, LedgerRow
from invoicing.rules.cells import dialect, neutral
from invoicing.rules.text import xml_text
from invoicing.web.figures import SHOWN

Cell = str | int | Decimal | date | datetime | None
KINDS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_CHUNK = 500
_DOSSIERS = 50
_Row = TypeVar("_Row", bound=Model)
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Table:
    """A file to be: its name without the ending, the heading, and the rows, which can be read once."""

    name: str
    heading: list[str]
    rows: Iterable[list[Cell]]


# --- what is in them --------------------------------------------------------------------------------------------------


def invoices(rows: QuerySet[Invoice]) -> Table:
    """Invoices, a row for each of their lines; totals and status are repeated on each."""
    heading = [
        _("Dossier"),
        _("Number"),
        _("Reference"),
        _("Kind"),
        _("Status"),
        _("Delivery"),
        _("Payment"),
        _("Customer"),
        _("VAT number"),
        _("From"),
        _("Till"),
        _("Invoice date"),
        _("Line"),
        _("Product"),
        _("Description"),
        _("Hours"),
        _("Price"),
        _("VAT rate"),
        _("Value at rate"),
        _("Discount"),
        _("Amount"),
        _("Seconds"),
        _("Late"),
        _("Total excl. VAT"),
        _("VAT"),
        _("Total incl. VAT"),
    ]
    kinds, statuses = labels(Invoice.Kind.choices), labels(Invoice.Status.choices)
    deliveries, payments = labels(Invoice.Delivery.choices), labels(Invoice.Payment.choices)
    yes, no = _("yes"), _("no")

    def lines(invoice: Invoice) -> Iterator[list[Cell]]:
        before: list[Cell] = [
            invoice.dossier.name,
            invoice.order_number,
            invoice.reference,
            kinds[invoice.kind],
            statuses[invoice.status],
            deliveries[invoice.delivery],
            payments[invoice.payment],
            invoice.customer_name,
            invoice.customer_vat,
            invoice.period_from,
            invoice.period_till,
            invoice.order_date,
        ]
        after: list[Cell] = [invoice.excl, invoice.vat, invoice.incl]
        for line in invoice.lines.all():
            yield [
                *before,
                line.position,
                line.product_reference,
                f"{line.description}{line.description_extended}",
                line.quantity,
                plain(line.unit_price),
                plain(line.vat_rate),
                line.value,
                line.discount,
                line.total,
                line.seconds,
                yes if line.is_late else no,
                *after,
            ]

    of_lines = Prefetch("lines", InvoiceLine.objects.order_by("position"))
    found = _read(rows.select_related("dossier").prefetch_related(of_lines))
    return Table("invoices", heading, (line for invoice in found for line in lines(invoice)))


def to_decide(rows: QuerySet[LedgerRow], zone: ZoneInfo) -> Table:
    """The entries that need a decision, with the reason and what to do about it."""
    heading = [
        _("Dossier"),
        _("Reason"),
        _("What to do"),
        _("About"),
        _("Day"),
        _("Start"),
        _("Who"),
        _("Toggl client"),
        _("Description"),
        _("Tags"),
        _("Seconds"),
        _("Hours"),
        _("Toggl entry"),
    ]
    words = {reason: (str(known.title), str(known.todo)) for reason, known in attention.WORDS.items()}

    def line(row: LedgerRow) -> list[Cell]:
        title, todo = words.get(row.reason, (row.reason, ""))
        return [
            row.dossier.name,
            title,
            todo,
            attention.cause_of(row),
            row.day,
            local(row.entry.started_at, zone),
            row.entry.person_name,
            row.client_name,
            row.entry.description,
            ", ".join(row.entry.tags),
            row.seconds,
            in_hours(row.seconds),
            row.entry.remote_id,
        ]

    return Table("attention", heading, (line(row) for row in _read(rows.select_related("entry", "dossier"))))


def corrections(rows: QuerySet[Correction], zone: ZoneInfo) -> Table:
    """Corrections with what was billed, what Toggl says, and what was decided."""
    heading = [
        _("Dossier"),
        _("Invoice"),
        _("Customer"),
        _("Day"),
        _("Who"),
        _("Description"),
        _("What changed"),
        _("Billed seconds"),
        _("Seconds in Toggl"),
        _("Difference in seconds"),
        _("Difference in hours"),
        _("Amount excl. VAT"),
        _("Noticed"),
        _("Decision"),
        _("Decided"),
        _("Decided by"),
        _("Note"),
        _("Toggl entry"),
    ]
    decisions = labels(Correction.Decision.choices)
    changes = {"seconds": _("time"), "deleted": _("deleted"), "product": _("product"), "customer": _("customer")}
    changes |= {"day": _("day"), "billable": _("billable flag")}

    def line(case: options.Case) -> list[Cell]:
        row = case.correction
        return [
            row.invoice.dossier.name,
            options.name_of(row.invoice),
            row.invoice.customer_name,
            row.claim.day,
            row.claim.person_name,
            row.claim.description,
            ", ".join(changes.get(what, what) for what in row.what),
            case.billed,
            case.mirrored,
            row.seconds,
            case.hours,
            case.amount,
            local(row.opened_at, zone),
            decisions[row.decision],
            local(row.decided_at, zone),
            row.decided_by,
            row.note,
            row.entry.remote_id,
        ]

    def lines() -> Iterator[list[Cell]]:
        together: list[Correction] = []
        for row in _read(rows.select_related(*options.BEHIND)):
            together.append(row)
            if len(together) == _CHUNK:
                yield from map(line, options.cases(together))
                together = []
        yield from map(line, options.cases(together))

    return Table("corrections", heading, lines())


def months(dossiers: Iterable[Dossier]) -> Table:
    """The ledger's months: hours by state, what is to be corrected, whether the month is balanced, and the names of the
    rules that do not hold."""
    heading = [
        _("Dossier"),
        _("Month"),
        *(str(state.label) for state in SHOWN),
        _("Total"),
        _("Entries"),
        _("Difference in hours"),
        _("Balanced"),
        _("Broken rules"),
    ]
    yes, no = _("yes"), _("no")
    every = list(dossiers)

    def lines() -> Iterator[list[Cell]]:
        for start in range(0, len(every), _DOSSIERS):
            part = every[start : start + _DOSSIERS]
            place = {dossier.pk: number for number, dossier in enumerate(part)}
            for month in sorted(balance.months(dossiers=part), key=lambda month: place[month.dossier.pk]):
                tallies = [month.states[state] for state in SHOWN]
                yield [
                    month.dossier.name,
                    f"{month.month:%Y-%m}",
                    *(in_hours(tally.seconds) for tally in tallies),
                    in_hours(sum(tally.seconds for tally in tallies)),
                    sum(tally.entries for tally in tallies),
                    in_hours(month.corrections.seconds),
                    yes if month.balanced else no,
                    ", ".join(dict.fromkeys(broken.rule for broken in month.broken)),
                ]

    return Table("months", heading, lines())


def _read(rows: QuerySet[_Row]) -> Iterator[_Row]:
    return rows.iterator(chunk_size=_CHUNK)


def labels(choices: Iterable[tuple[str, object]]) -> dict[str, str]:
    """The words for the values of a column, now, in the language of who asked."""
    return {value: str(label) for value, label in choices}


def in_hours(seconds: int) -> Decimal:
    """With two decimals, half up."""
    return (Decimal(seconds) / 3600).quantize(_CENT, ROUND_HALF_UP)


def plain(value: Decimal | None) -> Decimal | None:
    """With two decimals, or as many as it has."""
    if value is None:
        return None
    exact = value.normalize()
    return exact if -int(exact.as_tuple().exponent) > 2 else value.quantize(_CENT)


def local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    """Neither a spreadsheet nor its reader knows zones."""
    return None if moment is None else moment.astimezone(zone).replace(microsecond=0, tzinfo=None)


# --- how they are written ---------------------------------------------------------------------------------------------


def as_csv(table: Table) -> IO[bytes]:
    """UTF-8 with the mark by which spreadsheets know it, as those of the reader's language write it.

    Written as ``as_xlsx`` is.
    """
    own = dialect(get_language() or "en")

    def write(file: IO[bytes]) -> None:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace", newline="")
        writer = csv.writer(text, delimiter=own.separator)
        writer.writerow([neutral(cell) for cell in table.heading])
        for row in table.rows:
            writer.writerow([_text(cell, own.decimal_mark) for cell in row])
        text.detach()

    return _written(write)


def as_xlsx(table: Table) -> IO[bytes]:
    """A workbook with one sheet, written row by row into a file on disk, which is gone when it is closed."""

    def write(file: IO[bytes]) -> None:
        book = Workbook(write_only=True)
        sheet = book.create_sheet(table.name[:31])
        try:
            sheet.append([_clean(neutral(cell)) for cell in table.heading])
            for row in table.rows:
                sheet.append([_clean(neutral(cell)) if isinstance(cell, str) else cell for cell in row])
        finally:
            # Also of what failed: the library has files of its own open until it has saved.
            book.save(file)

    return _written(write)


def _written(write: Callable[[IO[bytes]], None]) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the answer closes it once it was sent
    try:
        write(file)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _text(cell: Cell, decimal_mark: str) -> str:
    if isinstance(cell, datetime):
        return cell.isoformat(sep=" ", timespec="minutes")
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, Decimal):
        return f"{cell:f}".replace(".", decimal_mark)
    return str(cell) if isinstance(cell, int) else neutral(cell)


def _clean(text: str) -> str:
    # 32 767 characters are the most that a cell takes.
    return xml_text(text)[:32_767]
