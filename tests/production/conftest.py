"""One production site for all tests of this folder: to start it takes longer than to ask it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator

import pytest
from psycopg import sql

from tests.production.site import Site, running, until


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """With web, worker, beat and Redis running; a test that stops one starts it again."""
    if not os.environ.get("DATABASE_URL", "").startswith("postgres") or shutil.which("redis-server") is None:
        pytest.skip("production has PostgreSQL and Redis")
    with running(tmp_path_factory.mktemp("production")) as found:
        yield found


@pytest.fixture(scope="session")
def drafted(site: Site) -> list[str]:
    """References of drafts, of hours that the workers have read."""
    # An entry of the last day before the books may be mirrored, and has no state.
    unread = sql.SQL(
        "SELECT count(*) FROM integrations_workspace w LEFT JOIN integrations_entry e ON e.workspace_id = w.id "
        "LEFT JOIN invoicing_ledgerrow r ON r.entry_id = e.id WHERE w.synced_at IS NULL "
        "OR r.id IS NULL AND e.started_at >= (SELECT min(start_date) FROM invoicing_dossier)"
    )
    until(lambda: site.one(unread) == 0, site.log("worker"))
    slug = site.one(sql.SQL("SELECT slug FROM firms_firm"))
    through = site.one(sql.SQL("SELECT (now() - interval '1 day')::date::text"))
    done = json.loads(site.manage("invoice", "--firm", slug, "--through", through))
    references = [row["reference"] for row in done["invoices"]]
    assert len(references) > 5
    return references


@pytest.fixture
def draft(site: Site, drafted: list[str]) -> str:
    """A draft that no test has moved yet."""
    found = site.one(sql.SQL("SELECT min(reference) FROM invoicing_invoice WHERE status = 'draft'"))
    assert found is not None
    return str(found)


@pytest.fixture
def approved(site: Site, draft: str) -> str:
    """An approved invoice that no test has moved on yet."""
    with site.rows() as connection:
        connection.execute(
            "UPDATE invoicing_invoice SET status = 'approved', approved_at = now() WHERE reference = %s", [draft]
        )
    return draft
