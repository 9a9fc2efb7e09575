"""What somebody writes past the product into the books of one dossier, and exactly what is told of it."""

from __future__ import annotations

from tests.invoicing.ledger.invariants.books import (
    BILLED,
    COVERED,
    CREDITED,
    DRAFTED,
    GONE,
    MORE,
    OPEN,
    OTHER,
    PREPAID,
    Told,
)


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


BLOCK = (
    "(SELECT l.id FROM invoicing_invoiceline l JOIN invoicing_invoice i ON i.id = l.invoice_id "
    "WHERE i.reference = 'tb-block')"
)

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
        {
            ("2026-10", "from_start", "entry 18"),
            ("2026-10", "from_start", "entry 19"),
            ("2026-11", "from_start", "entry 11"),
        },
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
        [claim(OTHER, f"entry_id = {entry(DRAFTED)}, entry_remote_id = {DRAFTED}"), row(OTHER, "state = 'open'")],
        {("2026-09", "one_live_claim", "entry 13")},
    ),
    "a covered entry called open": (
        [row(COVERED, "state = 'open', agreement_id = NULL")],
        {("2026-10", "covered_once", "entry 18")},
    ),
    "a prepaid entry called open": (
        [row(PREPAID, "state = 'open', agreement_id = NULL")],
        {("2026-10", "prepaid_once", "entry 19")},
    ),
    "a prepaid entry that draws no block": (
        [claim(PREPAID, "released_at = '2026-11-20 10:00:00+00:00'", "prepaid")],
        {("2026-10", "prepaid_once", "entry 19")},
    ),
    "a block of which more was drawn than it has": (
        [
            claim(PREPAID, "drawn = 7200", "prepaid"),
            claim(COVERED, f"kind = 'prepaid', drawn = 7200, line_id = {BLOCK}", "covered"),
            row(
                COVERED,
                f"state = 'prepaid', agreement_id = (SELECT agreement_id FROM invoicing_invoiceline "
                f"WHERE id = {BLOCK})",
            ),
        ],
        {("2026-10", "block_left", "invoice tb-block line 1")},
    ),
    "a fee that is free though it is billed": (
        [line("fee", "released_at = '2026-11-20 10:00:00+00:00'")],
        {("2026-10", "period_once", "invoice tb-fee line 1")},
    ),
    "a deduction that counts no more though its line does": (
        ["UPDATE invoicing_deduction SET released_at = '2026-11-20 10:00:00+00:00'"],
        {("2026-09", "deducted_once", "invoice tb-back line 1")},
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
