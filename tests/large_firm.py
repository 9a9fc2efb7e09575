"""A firm with years of hours, written by PostgreSQL itself in a few seconds: for tests and benchmarks of cost.

Hours of the latest two months are open (one in twenty needs attention), older ones are invoiced: one invoice with one
line for every dossier, month and customer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, models, transaction

from integrations.models import Entry
from invoicing.ledger import months as kept
from invoicing.models import Attempt, Claim, Dossier, Invoice, InvoiceLine, LedgerRow, MonthProof, MonthSum
from invoicing.models.triggers.months import COUNTED, SUMMED, sums_of
from tests.factories import DossierFactory, FirmFactory
from tests.worlds import NOW
from toggbill.firms.models import Firm

CUSTOMERS = 4
_CLOSED = "started_at < (%(open)s)::timestamptz"


def large_firm(*, entries: int, dossiers: int, slug: str = "large", months: int = 24, now: datetime = NOW) -> Firm:
    """Make the firm, with as many hours in each dossier, from so many months before ``now`` until the day before it."""
    firm = FirmFactory(slug=slug)
    first = (now.date().replace(day=1) - timedelta(days=30 * months)).replace(day=1)
    made = [DossierFactory(firm=firm, key=f"{slug}-{n}", start_date=first) for n in range(dossiers)]
    fill(made, entries=entries, first=datetime(first.year, first.month, first.day, tzinfo=UTC), now=now)
    return firm


@transaction.atomic
def fill(dossiers: Sequence[Dossier], *, entries: int, first: datetime, now: datetime) -> None:
    """Write the hours of dossiers, spread evenly over the days from ``first`` to ``now``. PostgreSQL alone.

    Neither triggers nor foreign keys look at the rows: what is kept of their months is written with them.
    """
    each = entries // len(dossiers)
    days = (now - first).days - 1
    opens = (now.date().replace(day=1) - timedelta(days=20)).replace(day=1)
    given = {
        "dossiers": [row.pk for row in dossiers],
        "workspaces": [row.workspace_id for row in dossiers],
        "companies": [row.company_id for row in dossiers],
        "each": each,
        "days": days,
        "first": first,
        "open": datetime(opens.year, opens.month, opens.day, tzinfo=UTC),
        "now": now,
        "prefix": f"tb-{dossiers[0].pk}-",
    }
    own = {"firm_id": str(dossiers[0].firm_id)}
    of = (
        "unnest(%(dossiers)s::bigint[], %(workspaces)s::bigint[], %(companies)s::bigint[]) AS d(id, workspace, company)"
    )
    standing = f"integrations_entry e JOIN {of} ON e.workspace_id = d.workspace"
    month = "date_trunc('month', e.started_at)::date"
    customer = f"e.person_remote_id %% {CUSTOMERS}"
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = 'replica'")
        entry = own | {
            "workspace_id": "d.workspace",
            "remote_id": "d.id * 10000000 + n",
            # In the forenoon: the local day is UTC's in every zone of Europe.
            "started_at": "%(first)s::timestamptz + (n * %(days)s / %(each)s) * interval '1 day' "
            "+ (480 + n %% 200) * interval '1 minute'",
            "stopped_at": "%(first)s::timestamptz + (n * %(days)s / %(each)s) * interval '1 day' "
            "+ (540 + n %% 200) * interval '1 minute'",
            "seconds": "3600",
            "description": "'Work ' || n",
            "project_remote_id": "600 + n %% 20",
            "person_remote_id": "9000 + n %% 8",
            "person_name": "'Person ' || n %% 8",
            "changed_at": "%(now)s",
            "tags": "'[\"Advice\"]'::jsonb",
        }
        _insert(cursor, Entry, entry, f"{of}, generate_series(0, %(each)s - 1) AS n", given)
        cursor.execute("ANALYZE integrations_entry")
        invoice = own | {
            "dossier_id": "d.id",
            "company_id": "d.company",
            "reference": f"%(prefix)s || d.id || '-' || {month} || '-' || {customer}",
            "status": "'posted'",
            "buyer_key": f"'party:' || {customer}",
            "customer_name": f"'Customer ' || {customer}",
            "title": "'Hours'",
            "period_from": month,
            "period_till": f"({month} + interval '1 month - 1 day')::date",
            "total_excl": "100 * count(*)",
            "total_vat": "21 * count(*)",
            "total_incl": "121 * count(*)",
            "drafted_at": f"{month} + interval '1 month'",
            "approved_at": f"{month} + interval '1 month'",
            "approved_by": "'owner@example.com'",
            "posted_at": f"{month} + interval '1 month'",
            "delivery": "'delivered'",
            "sent_at": f"{month} + interval '1 month'",
            "delivered_at": f"{month} + interval '1 month'",
            "order_id": f"min(d.id) * 1000000 + row_number() OVER (ORDER BY d.id, {month}, {customer})",
            "rounding": "'{}'::jsonb",
        }
        grouped = f"{standing} WHERE e.{_CLOSED} GROUP BY d.id, d.company, {month}, {customer}"
        _insert(cursor, Invoice, invoice, grouped, given)
        ours = "invoicing_invoice i WHERE i.dossier_id = ANY(%(dossiers)s)"
        attempt = own | {
            "invoice_id": "i.id",
            "intent": "'post'",
            "key": "i.reference || '-1'",
            "body": "'{}'",
            "body_hash": "''",
            "started_at": "i.posted_at",
            "left_at": "i.posted_at",
            "finished_at": "i.posted_at",
            "outcome": "'accepted'",
        }
        _insert(cursor, Attempt, attempt, ours, given)
        line = own | {
            "invoice_id": "i.id",
            "position": "1",
            "product_reference": "'ADV'",
            "description": "'Advice'",
            "quantity": "i.total_excl / 100",
            "unit_price": "100",
            "vat_rate": "21",
            "ventilation_code": "4",
            "treatment": "'domestic'",
            "total": "i.total_excl",
            "seconds": "i.total_excl * 36",
        }
        _insert(cursor, InvoiceLine, line, ours, given)
        cursor.execute("ANALYZE invoicing_invoice, invoicing_invoiceline")
        claim = own | {
            "entry_id": "e.id",
            "entry_remote_id": "e.remote_id",
            "line_id": "l.id",
            "seconds": "3600",
            "started_at": "e.started_at",
            "day": "e.started_at::date",
            "project_remote_id": "e.project_remote_id",
            "person_name": "e.person_name",
            "description": "e.description",
            "tags": "e.tags",
        }
        lines = (
            f"{standing} JOIN invoicing_invoice i ON i.reference = %(prefix)s || d.id || '-' || {month} || '-' || "
            f"{customer} JOIN invoicing_invoiceline l ON l.invoice_id = i.id WHERE e.{_CLOSED}"
        )
        _insert(cursor, Claim, claim, lines, given)
        closed, attention = f"e.{_CLOSED}", "e.remote_id %% 20 = 0"
        row = own | {
            "entry_id": "e.id",
            "dossier_id": "d.id",
            "day": "e.started_at::date",
            "seconds": "3600",
            "state": f"CASE WHEN {closed} THEN 'invoiced' WHEN {attention} THEN 'attention' ELSE 'open' END",
            "reason": f"CASE WHEN NOT {closed} AND {attention} THEN 'no_vat' ELSE '' END",
            "client_name": f"'Client ' || {customer}",
            "buyer_key": f"'party:' || {customer}",
            "buyer_name": f"'Customer ' || {customer}",
            "product_reference": "'ADV'",
            "price": "100",
        }
        _insert(cursor, LedgerRow, row, standing, given)
        _keep_months(cursor, given)
        cursor.execute("SET LOCAL session_replication_role = 'origin'")
        cursor.execute("ANALYZE")


def _keep_months(cursor: Any, given: Mapping[str, Any]) -> None:
    """As if the hours had come one by one, and every month had been checked: `recount` would change nothing."""
    names = ", ".join((*SUMMED, *COUNTED))
    own = "(SELECT 1 AS sign, r.* FROM invoicing_ledgerrow r WHERE r.dossier_id = ANY(%(dossiers)s)) AS own"
    sums = f"(SELECT {names} FROM ({sums_of('postgresql', own)}) AS counted) AS s"
    _insert(cursor, MonthSum, {name: f"s.{name}" for name in (*SUMMED, *COUNTED)}, sums, given)
    proof = {"firm_id": "s.firm_id", "dossier_id": "s.dossier_id", "month": "s.month", "proved_at": "%(now)s"}
    proof["outcome"] = f"'{json.dumps({check.__name__: 0 for check in kept.KEPT})}'::jsonb"
    standing = (
        "(SELECT DISTINCT firm_id, dossier_id, month FROM invoicing_monthsum WHERE dossier_id = ANY(%(dossiers)s))"
    )
    _insert(cursor, MonthProof, proof, f"{standing} AS s", given)
    cursor.execute("DELETE FROM invoicing_changedmonth WHERE dossier_id = ANY(%(dossiers)s)", given)


def _insert(
    cursor: Any, model: type[models.Model], columns: Mapping[str, str], source: str, given: Mapping[str, Any]
) -> None:
    """Insert what a query gives; a column that is not named gets the default of its field."""
    values, defaults = dict(columns), {}
    for field in model._meta.local_concrete_fields:
        column = str(field.column)
        if column not in values and not field.primary_key:
            name = f"default_{column}"
            values[column] = f"%({name})s"
            defaults[name] = field.get_db_prep_save(field.get_default(), connection)
    names = ", ".join(f'"{name}"' for name in values)
    statement = f"INSERT INTO {model._meta.db_table} ({names}) SELECT {', '.join(values.values())} FROM {source}"
    cursor.execute(statement, {**given, **defaults})
