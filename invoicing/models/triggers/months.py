"""What the database itself keeps of each dossier's month, whoever writes the rows: sums, and that something changed.

Both are rows that a transaction adds (``models.months``): no one waits for another, and what is rolled back leaves
nothing. PostgreSQL calls a trigger once for all rows of a statement, SQLite once for each row. Where a month follows
from a moment, the months of the day before and the day after are meant, so that it is the local one in every zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from django.db.models import Model

from integrations.models import Entry
from invoicing.models.advances.deductions import Deduction
from invoicing.models.dossiers import Dossier
from invoicing.models.invoices.claims import Claim, InvoiceLine
from invoicing.models.invoices.invoice import Invoice
from invoicing.models.ledger import LedgerRow
from invoicing.models.months import ChangedMonth, MonthSum
from toggbill.database.triggers import PREFIX, Trigger, register
from toggbill.firms.models import Firm

SUMMED = ("firm_id", "dossier_id", "month", "state", "reason", "price")
"""The columns of ``MonthSum`` that say of what a row is the sum."""
COUNTED = ("entries", "seconds", "corrected_entries", "corrected_seconds")
"""Those that are added up."""

_TABLES = {
    "entries": Entry,
    "rows": LedgerRow,
    "claims": Claim,
    "lines": InvoiceLine,
    "deductions": Deduction,
    "invoices": Invoice,
    "dossiers": Dossier,
    "firms": Firm,
}
_ROW = ["entry_id", "firm_id", "dossier_id", "day"]
_CLAIM = ["id", "firm_id", "entry_id", "entry_remote_id", "line_id", "day", "kind", "takes_back_id", "released_at"]
_LINE = ["id", "invoice_id", "takes_back_id"]
_DEDUCTION = ["id", "advance_id", "brought_id", "line_id"]
_INVOICE = ["id", "firm_id", "dossier_id", "period_from"]
_DOSSIER = ["id", "firm_id", "workspace_id"]


def sums_of(vendor: str, source: str) -> str:
    """SQL: the sums of ledger rows, with the columns ``SUMMED`` and ``COUNTED``.

    ``source``: gives ledger rows, and in ``sign`` whether each is added (1) or taken away (-1).
    """
    corrected = "CASE WHEN correction_seconds <> 0 OR correction_text <> '' THEN sign ELSE 0 END"
    return (
        f"SELECT firm_id, dossier_id, {_month(vendor, 'day')} AS month, state, reason, coalesce(price, 0) AS price, "
        f"sum(sign) AS entries, sum(sign * seconds) AS seconds, sum({corrected}) AS corrected_entries, "
        f"sum(sign * correction_seconds) AS corrected_seconds "
        f"FROM {source} GROUP BY 1, 2, 3, 4, 5, 6"
    )


def added_up(vendor: str, source: str) -> str:
    """SQL: adds sums (``source``: with the columns ``SUMMED`` and ``COUNTED``) to those that are kept."""
    table, names = MonthSum._meta.db_table, ", ".join((*SUMMED, *COUNTED))
    adds = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in COUNTED)
    no = "false" if vendor == "postgresql" else "0"
    return (
        f"INSERT INTO {table} ({names}, is_change) SELECT {names}, {no} FROM {source} WHERE true ORDER BY {names} "
        f"ON CONFLICT (dossier_id, month, state, reason, price) WHERE NOT is_change DO UPDATE SET {adds}"
    )


@register
def sums(vendor: str) -> Iterator[Trigger]:
    """Have the sums follow the ledger rows."""
    columns = [*_ROW, "state", "reason", "seconds", "price", "correction_seconds", "correction_text"]
    names, own = ", ".join((*SUMMED, *COUNTED)), {MonthSum._meta.db_table: [*SUMMED, *COUNTED, "is_change"]}
    for event in ("INSERT", "UPDATE", "DELETE"):
        changed = sums_of(vendor, f"{_changed(vendor, event, columns)} AS own")
        some = " OR ".join(f"{name} <> 0" for name in COUNTED)
        differing = f"(SELECT * FROM ({changed}) AS every WHERE {some}) AS differing"
        deed = added_up(vendor, differing)
        if vendor == "postgresql":
            deed = f"INSERT INTO {MonthSum._meta.db_table} ({names}, is_change) SELECT {names}, true FROM {differing}"
        yield _whole(vendor, "month_sum", LedgerRow, event, deed, {LedgerRow._meta.db_table: columns} | own)


class _Meant(NamedTuple):
    """Months of dossiers: ``firm`` and ``dossier`` are columns, ``day`` any day or moment, of what ``source`` joins."""

    source: str
    alias: str
    day: str
    is_moment: bool = False


def _of_entries(vendor: str, n: str) -> list[_Meant]:
    return [
        _Meant(f"{n} JOIN {{dossiers}} d ON d.workspace_id = n.workspace_id", "d.firm_id, d.id", "n.started_at", True),
        _Meant(f"{n} JOIN {{rows}} r ON r.entry_id = n.id", "r.firm_id, r.dossier_id", "r.day"),
    ]


def _of_claims(n: str) -> list[_Meant]:
    """Of a claim: its own month, those of its entry and its invoice, and those of what it takes back or is beside."""
    invoice = "JOIN {lines} l ON l.id = c.line_id JOIN {invoices} i ON i.id = l.invoice_id"
    back = f"{n} JOIN {{claims}} c ON c.id = n.takes_back_id {invoice}"
    taken = f"{n} JOIN {{claims}} c ON c.takes_back_id = n.id {invoice}"
    same = (
        f"{n} JOIN {{claims}} c ON c.firm_id = n.firm_id AND c.entry_remote_id = n.entry_remote_id "
        f"AND c.kind = 'entry' AND c.released_at IS NULL AND c.id <> n.id {invoice}"
    )
    own = f"{n} JOIN {{lines}} l ON l.id = n.line_id JOIN {{invoices}} i ON i.id = l.invoice_id"
    return [
        _Meant(own, "i.firm_id, i.dossier_id", "n.day"),
        _Meant(own, "i.firm_id, i.dossier_id", "i.period_from"),
        _Meant(f"{n} JOIN {{rows}} r ON r.entry_id = n.entry_id", "r.firm_id, r.dossier_id", "r.day"),
        _Meant(back, "i.firm_id, i.dossier_id", "i.period_from"),
        _Meant(taken, "i.firm_id, i.dossier_id", "c.day"),
        _Meant(same, "i.firm_id, i.dossier_id", "c.day"),
    ]


def _of_line(n: str) -> list[_Meant]:
    """Of a line: the month in which the period of its invoice begins, and that of the line that it takes back."""
    back = f"{n} JOIN {{lines}} m ON m.id = n.takes_back_id JOIN {{invoices}} i ON i.id = m.invoice_id"
    own = f"{n} JOIN {{invoices}} i ON i.id = n.invoice_id"
    return [_Meant(source, "i.firm_id, i.dossier_id", "i.period_from") for source in (own, back)]


def _of_deduction(n: str) -> list[_Meant]:
    """Of a deduction: the month in which the period of its invoice begins, and those of the others of its advance."""
    invoice = "JOIN {lines} l ON l.id = %s.line_id JOIN {invoices} i ON i.id = l.invoice_id"
    own = f"{n} {invoice % 'n'}"
    others = f"{n} JOIN {{deductions}} d ON d.advance_id = n.advance_id {invoice % 'd'}"
    brought = f"{n} JOIN {{deductions}} d ON d.brought_id = n.brought_id {invoice % 'd'}"
    return [_Meant(source, "i.firm_id, i.dossier_id", "i.period_from") for source in (own, others, brought)]


def _of_invoice(n: str) -> list[_Meant]:
    """Of an invoice: the month in which its period begins, those of its claims and of their entries, and those of what
    its claims and lines take back."""
    claims = f"{n} JOIN {{lines}} l ON l.invoice_id = n.id JOIN {{claims}} c ON c.line_id = l.id"
    back = (
        f"{claims} JOIN {{claims}} b ON b.id = c.takes_back_id JOIN {{lines}} m ON m.id = b.line_id "
        f"JOIN {{invoices}} i ON i.id = m.invoice_id"
    )
    lines = (
        f"{n} JOIN {{lines}} l ON l.invoice_id = n.id JOIN {{lines}} m ON m.id = l.takes_back_id "
        f"JOIN {{invoices}} i ON i.id = m.invoice_id"
    )
    return [
        _Meant(n, "n.firm_id, n.dossier_id", "n.period_from"),
        _Meant(claims, "n.firm_id, n.dossier_id", "c.day"),
        _Meant(f"{claims} JOIN {{rows}} r ON r.entry_id = c.entry_id", "r.firm_id, r.dossier_id", "r.day"),
        _Meant(back, "i.firm_id, i.dossier_id", "i.period_from"),
        _Meant(lines, "i.firm_id, i.dossier_id", "i.period_from"),
    ]


_READS: Mapping[str, list[str]] = {
    "rows": _ROW,
    "claims": _CLAIM,
    "lines": _LINE,
    "deductions": _DEDUCTION,
    "invoices": _INVOICE,
    "dossiers": _DOSSIER,
}


@register
def changed_months(vendor: str) -> Iterator[Trigger]:
    """Note the months of which the checks may come to something else: entries, ledger rows and claims, by statement."""
    for event in ("INSERT", "UPDATE", "DELETE"):
        entries = _changed(vendor, event, ["id", "workspace_id", "started_at"])
        yield _noting(vendor, Entry, event, _of_entries(vendor, f"{entries} n"), ["rows", "dossiers"])
        rows = _changed(vendor, event, _ROW)
        yield _noting(vendor, LedgerRow, event, [_Meant(f"{rows} n", "n.firm_id, n.dossier_id", "n.day")], [])
        claims = _changed(vendor, event, _CLAIM)
        yield _noting(vendor, Claim, event, _of_claims(f"{claims} n"), ["rows", "lines", "invoices"])


@register
def changed_invoices(vendor: str) -> Iterator[Trigger]:
    """The same of lines, deductions and invoices, where anything changes that is checked."""
    line = ["invoice_id", "quantity", "unit_price", "discount", "vat_rate", "total", "seconds"]
    line += ["released_at", "takes_back_id"]
    invoice = ["dossier_id", "status", "period_from", "total_excl", "total_vat", "total_incl"]
    deduction = ["advance_id", "brought_id", "line_id", "amount", "released_at"]
    for model, watched, names, meant in (
        (InvoiceLine, line, _LINE, _of_line),
        (Invoice, invoice, _INVOICE, _of_invoice),
        (Deduction, deduction, _DEDUCTION, _of_deduction),
    ):
        for event in ("INSERT", "UPDATE", "DELETE"):
            joined = [name for name in _READS if _TABLES[name] is not model and name != "dossiers"]
            if model is Invoice and vendor == "postgresql":
                # Many are posted by one statement, and asked row by row this took a tenth of what posting takes.
                reads = {_TABLES[name]._meta.db_table: _READS[name] for name in joined} | _own_reads()
                reads[model._meta.db_table] = sorted({*names, *watched})
                noted = _noted(vendor, meant("changed_rows n"), rows=_differing(event, names, watched))
                yield _whole(vendor, "changed_month", model, event, noted, reads)
                continue
            source = _one_by_one(event, names)
            yield _each(vendor, model, event, watched, _noted(vendor, meant(f"{source} n")), joined)


@register
def changed_books(vendor: str) -> Iterator[Trigger]:
    """Where a dossier's books begin, what they bill, and in which zone: any month may be another one then."""
    table = ChangedMonth._meta.db_table
    into = f"INSERT INTO {table} (firm_id, dossier_id, month)"
    own = f"{into} VALUES (NEW.firm_id, NEW.id, NULL)"
    of_firm = f"{into} SELECT firm_id, id, NULL FROM {Dossier._meta.db_table} WHERE firm_id = NEW.id"
    yield _each(vendor, Dossier, "INSERT", [], own, [])
    yield _each(vendor, Dossier, "UPDATE", ["start_date", "workspace_id"], own, [])
    yield _each(vendor, Firm, "UPDATE", ["timezone"], of_firm, ["dossiers"])


def _noting(vendor: str, model: type[Model], event: str, meant: Iterable[_Meant], joined: Iterable[str]) -> Trigger:
    reads = {_TABLES[name]._meta.db_table: _READS[name] for name in joined}
    own = next(columns for name, columns in _READS.items() if _TABLES[name] is model) if model is not Entry else None
    reads[model._meta.db_table] = own or ["id", "workspace_id", "started_at"]
    return _whole(vendor, "changed_month", model, event, _noted(vendor, meant), reads | _own_reads())


def _own_reads() -> dict[str, list[str]]:
    return {ChangedMonth._meta.db_table: ["firm_id", "dossier_id", "month"]}


def _noted(vendor: str, meant: Iterable[_Meant], rows: str = "") -> str:
    """SQL: notes the months, each once; on SQLite, where one writes at a time, not those that are noted already.

    ``rows``: a query that ``meant`` names ``changed_rows``.
    """
    tables = {name: model._meta.db_table for name, model in _TABLES.items()}
    parts = [
        f"SELECT {each.alias.split(', ')[0]} AS firm_id, {each.alias.split(', ')[1]} AS dossier_id, {month} AS month "
        f"FROM {each.source.format(**tables)}"
        for each in meant
        for month in (_near(vendor, each.day) if each.is_moment else [_month(vendor, each.day)])
    ]
    table = ChangedMonth._meta.db_table
    fresh = ""
    if vendor == "sqlite":
        same = "x.dossier_id = every.dossier_id AND (x.month = every.month OR x.month IS NULL)"
        fresh = f" WHERE NOT EXISTS (SELECT 1 FROM {table} AS x WHERE {same})"
    given = f"WITH changed_rows AS ({rows}) " if rows else ""
    return (
        f"INSERT INTO {table} (firm_id, dossier_id, month) {given}SELECT DISTINCT firm_id, dossier_id, month "
        f"FROM ({' UNION '.join(parts)}) AS every{fresh}"
    )


def _month(vendor: str, day: str) -> str:
    return f"date_trunc('month', {day})::date" if vendor == "postgresql" else f"date({day}, 'start of month')"


def _near(vendor: str, moment: str) -> list[str]:
    if vendor == "postgresql":
        utc = f"({moment} AT TIME ZONE 'UTC')"
        return [f"date_trunc('month', {utc} {sign} interval '1 day')::date" for sign in "-+"]
    return [f"date({moment}, '{sign}1 day', 'start of month')" for sign in "-+"]


def _changed(vendor: str, event: str, columns: Iterable[str]) -> str:
    """SQL: the rows that a statement took away (``sign`` -1) and brought; on SQLite the row."""
    if vendor != "postgresql":
        return _one_by_one(event, columns)
    names = ", ".join(columns)
    old, new = f"SELECT -1 AS sign, {names} FROM old_rows", f"SELECT 1 AS sign, {names} FROM new_rows"
    both = {"INSERT": new, "UPDATE": f"{old} UNION ALL {new}", "DELETE": old}
    return f"({both[event]})"


def _differing(event: str, columns: Iterable[str], watched: Iterable[str]) -> str:
    """SQL: the rows that a statement brought or took away; of an UPDATE only those in which something watched changed,
    as they were and as they are. (What is the same before and after stands there twice.)"""
    names, every = ", ".join(columns), ", ".join(sorted({*columns, *watched}))
    if event != "UPDATE":
        return f"SELECT {names} FROM {'new_rows' if event == 'INSERT' else 'old_rows'}"
    both = f"SELECT {every} FROM old_rows UNION ALL SELECT {every} FROM new_rows"
    return f"SELECT {names} FROM ({both}) AS both_rows GROUP BY {every} HAVING count(*) = 1"


def _one_by_one(event: str, columns: Iterable[str]) -> str:
    names = list(columns)
    old, new = (
        f"SELECT {sign} AS sign, {', '.join(f'{row}.{name} AS {name}' for name in names)}"
        for row, sign in (("OLD", -1), ("NEW", 1))
    )
    both = {"INSERT": new, "UPDATE": f"{old} UNION ALL {new}", "DELETE": old}
    return f"({both[event]})"


def _whole(
    vendor: str, name: str, model: type[Model], event: str, deed: str, reads: Mapping[str, Iterable[str]]
) -> Trigger:
    """A trigger after a statement, on SQLite after each row."""
    table = model._meta.db_table
    full = f"{name}_{event.lower()}_{table}"
    given = {name: sorted(columns) for name, columns in reads.items()}
    if vendor == "sqlite":
        return Trigger(
            full, table, given, (f"CREATE TRIGGER {PREFIX}{full} AFTER {event} ON {table} BEGIN {deed}; END",)
        )
    tables = {"INSERT": "NEW TABLE AS new_rows", "DELETE": "OLD TABLE AS old_rows"}
    tables["UPDATE"] = f"{tables['DELETE']} {tables['INSERT']}"
    create = (
        f"CREATE TRIGGER {PREFIX}{full} AFTER {event} ON {table} REFERENCING {tables[event]} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {PREFIX}{full}()"
    )
    return Trigger(full, table, given, (_function(full, deed), create))


def _each(
    vendor: str, model: type[Model], event: str, watched: Iterable[str], deed: str, joined: Iterable[str]
) -> Trigger:
    """A trigger after each row, of an UPDATE only where one of the watched columns changed."""
    table, names = model._meta.db_table, list(watched)
    full = f"changed_month_{event.lower()}_{table}"
    reads = {_TABLES[name]._meta.db_table: list(_READS[name]) for name in joined} | _own_reads()
    own = next((_READS[name] for name in _READS if _TABLES[name] is model), ["id"])
    reads[table] = sorted({*own, *names})
    is_not = "IS DISTINCT FROM" if vendor == "postgresql" else "IS NOT"
    of, when = "", ""
    if event == "UPDATE":
        of = f" OF {', '.join(names)}"
        when = f" WHEN ({' OR '.join(f'OLD.{name} {is_not} NEW.{name}' for name in names)})"
    create = f"CREATE TRIGGER {PREFIX}{full} AFTER {event}{of} ON {table} FOR EACH ROW{when}"
    if vendor == "sqlite":
        return Trigger(full, table, reads, (f"{create} BEGIN {deed}; END",))
    return Trigger(full, table, reads, (_function(full, deed), f"{create} EXECUTE FUNCTION {PREFIX}{full}()"))


def _function(name: str, deed: str) -> str:
    # A session keeps the plan that it made while a table was small: it would read all of it, ever after. Row by row, by
    # their indexes, the others are found in as much time as the statement has rows.
    by_index = " ".join(f"SET enable_{way} = off" for way in ("seqscan", "hashjoin", "mergejoin"))
    head = f"CREATE FUNCTION {PREFIX}{name}() RETURNS trigger LANGUAGE plpgsql {by_index}"
    return f"{head} AS $$ BEGIN {deed}; RETURN NULL; END $$"
