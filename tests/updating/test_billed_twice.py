"""A database in which an entry was billed twice, as it moved between workspaces: kept by the update, and told."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.updating import restored
from tests.updating.fill import COMMIT
from tests.updating.test_updating import _run, url, vendor

__all__ = ["url", "vendor"]

# Entry, workspace and claim once more under other keys: what the earlier constraints let through.
_AGAIN = """
CREATE TEMPORARY TABLE billed AS
    SELECT claim.id AS claim, claim.entry_id AS entry, entry.workspace_id AS workspace, entry.remote_id AS remote_id
    FROM invoicing_claim AS claim JOIN integrations_entry AS entry ON entry.id = claim.entry_id
    JOIN invoicing_invoiceline AS line ON line.id = claim.line_id
    JOIN invoicing_invoice AS invoice ON invoice.id = line.invoice_id
    WHERE claim.released_at IS NULL AND claim.kind = 'entry' AND invoice.status = 'posted'
    ORDER BY claim.id LIMIT 1;
CREATE TEMPORARY TABLE another_workspace AS
    SELECT * FROM integrations_workspace WHERE id = (SELECT workspace FROM billed);
UPDATE another_workspace SET id = 90001, remote_id = 90001;
INSERT INTO integrations_workspace SELECT * FROM another_workspace;
CREATE TEMPORARY TABLE another_entry AS SELECT * FROM integrations_entry WHERE id = (SELECT entry FROM billed);
UPDATE another_entry SET id = 90001, workspace_id = 90001;
INSERT INTO integrations_entry SELECT * FROM another_entry;
CREATE TEMPORARY TABLE another_claim AS SELECT * FROM invoicing_claim WHERE id = (SELECT claim FROM billed);
UPDATE another_claim SET id = 90001, entry_id = 90001;
INSERT INTO invoicing_claim SELECT * FROM another_claim;
"""
_CLAIMS = """
SELECT claim.id, claim.twice, claim.entry_remote_id = entry.remote_id, claim.billable = entry.billable
FROM invoicing_claim AS claim JOIN integrations_entry AS entry ON entry.id = claim.entry_id
WHERE claim.released_at IS NULL AND claim.kind = 'entry' AND (entry.firm_id, entry.remote_id) = (
    SELECT firm_id, remote_id FROM integrations_entry WHERE id = 90001
) ORDER BY claim.id
"""


def _asked(url: str, *statements: str) -> list[Any]:
    """Executes in the database of the URL; gives the rows of the last statement."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            for script in statements[:-1]:
                database.executescript(script)
            return database.execute(statements[-1]).fetchall()
    with closing(psycopg.connect(url)) as server:
        for script in statements[:-1]:
            server.execute(script.encode())
        rows = server.execute(statements[-1].encode()).fetchall()
        server.commit()
        return rows


@pytest.mark.usefixtures("vendor")
def test_two_live_claims_of_one_entry_are_kept_and_told(url: str, tmp_path: Path) -> None:
    (entry,) = _asked(url, _AGAIN, "SELECT remote_id FROM integrations_entry WHERE id = 90001")[0]
    migrated, said = _run(url, tmp_path, "migrate", "said")
    assert migrated == ""
    claims = _asked(url, _CLAIMS)
    assert [tuple(map(int, row)) for row in claims] == [(claims[0][0], 0, 1, 1), (90001, 1, 1, 1)]
    broken = [
        (row["rule"], row["subject"])
        for firm in said["ledger"].values()
        for month in firm["dossiers"]
        for row in month["broken"]
    ]
    assert ("one_live_claim", f"entry {entry}") in broken


def test_what_was_billed_before_has_the_flag_that_its_entry_has(url: str, tmp_path: Path) -> None:
    before = restored.before(COMMIT, "sqlite" if url.startswith("sqlite") else "postgresql")
    assert _run(url, tmp_path, "migrate") == [""]
    others = _asked(
        url,
        "SELECT count(*) FROM invoicing_claim AS claim JOIN integrations_entry AS entry ON entry.id = claim.entry_id "
        "WHERE claim.entry_remote_id <> entry.remote_id OR claim.billable <> entry.billable OR claim.twice <> 0",
    )
    assert (others, before["rows"]["invoicing_claim"] > 20) == ([(0,)], True)
