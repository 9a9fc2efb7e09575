"""The two roles of docs/operations.md on a real PostgreSQL: the site does its work, and cannot touch the audit log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings

from integrations.sandbox.process import Process

SERVER = os.environ.get("DATABASE_URL", "")
PAGE = settings.BASE_DIR / "docs" / "operations.md"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.postgresql,  # SQLite knows no roles
]


def statements(block: str, name: str) -> str:
    """The SQL of a block of the page, with names of this test's own."""
    text = PAGE.read_text(encoding="utf-8").split(f"<!-- roles: {block} -->\n```sql\n")[1].split("```")[0]
    text = text.replace("toggbill_owner", f"{name}_owner").replace("toggbill_site", f"{name}_site")
    return text.replace("DATABASE toggbill ", f"DATABASE {name} ")


@dataclass(frozen=True)
class Database:
    """A database that was set up as the page says."""

    name: str
    folder: Path

    def url(self, role: str) -> str:
        host = SERVER.rpartition("@")[2].rpartition("/")[0]
        return f"postgresql://{self.name}_{role}:{role}@{host}/{self.name}"

    def execute(self, role: str, *queries: str) -> list[tuple[Any, ...]]:
        """Rows of the last of some statements that this role gives."""
        with closing(psycopg.connect(self.url(role))) as connection:
            for query in queries:
                cursor = connection.execute(query.encode())
            rows = cursor.fetchall() if cursor.description else []
            connection.commit()
        return rows

    def manage(self, role: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """``manage.py`` as this role."""
        return self.run(role, [sys.executable, "manage.py", *arguments], environment)

    def run(self, role: str, command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """A command whose DATABASE_URL is this role's."""
        own = {"DEBUG": "1", "VAR_DIR": str(self.folder), "DATABASE_URL": self.url(role)}
        return subprocess.run(
            command,
            cwd=settings.BASE_DIR,
            env={name: value for name, value in os.environ.items() if name != "REDIS_URL"} | own | environment,
            capture_output=True,
            text=True,
            check=False,
        )


def run(url: str, text: str) -> None:
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for statement in filter(str.strip, text.split(";")):
            connection.execute(statement.encode())


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    name = f"roles_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    made = Database(name, tmp_path_factory.mktemp("var"))
    own = f"{SERVER.rpartition('/')[0]}/{name}"

    def drop() -> None:
        run(SERVER, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        for role in ("owner", "site"):
            run(SERVER, f"DROP ROLE IF EXISTS {name}_{role}")

    drop()
    try:
        passwords = statements("superuser", name).replace("first-password", "owner").replace("second-password", "site")
        run(SERVER, passwords)
        run(own, statements("database", name))
        migrated = made.manage("owner", "migrate", "--noinput", "--verbosity", "0")
        assert migrated.returncode == 0, migrated.stderr
        run(made.url("owner"), statements("migrated", name))
        yield made
    finally:
        drop()


@pytest.fixture
def at_work(database: Database, sandbox: Process) -> Callable[..., Any]:
    """Commands as the site's role against the sandbox; gives their JSON."""

    def command(*arguments: str) -> Any:
        done = database.manage(
            "site",
            *arguments,
            TOGGL_URL=sandbox.toggl_url,
            BILLIT_API_URL=sandbox.billit_url,
            BILLIT_REQUESTS_PER_SECOND="0",
            TOGGL_REQUESTS_PER_SECOND="0",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return command


def refused(database: Database, statement: str) -> bool:
    """Whether the database refuses it to the site for want of a right."""
    try:
        database.execute("site", statement.format(name=database.name))
    except psycopg.errors.InsufficientPrivilege:
        return True
    return False


REFUSED = {
    "disable a trigger": "ALTER TABLE firms_auditevent DISABLE TRIGGER ALL",
    "disable one": "ALTER TABLE invoicing_invoice DISABLE TRIGGER toggbill_move_status_invoicing_invoice",
    "drop a trigger": "DROP TRIGGER toggbill_append_only_update_firms_auditevent ON firms_auditevent",
    "drop its function": "DROP FUNCTION toggbill_append_only_update_firms_auditevent CASCADE",
    "replace its function": (
        "CREATE OR REPLACE FUNCTION toggbill_append_only_update_firms_auditevent() RETURNS trigger "
        "LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
    ),
    "no triggers in the session": "SET session_replication_role = 'replica'",
    "become the owner": "SET ROLE {name}_owner",
    "update events": "UPDATE firms_auditevent SET actor = 'x'",
    "delete events": "DELETE FROM firms_auditevent",
    "truncate events": "TRUNCATE firms_auditevent",
    "drop the table": "DROP TABLE firms_auditevent",
    "alter the table": "ALTER TABLE firms_auditevent ADD COLUMN x integer",
    "a rule in its place": "CREATE RULE x AS ON INSERT TO firms_auditevent DO INSTEAD NOTHING",
    "a trigger of its own": (
        "CREATE TRIGGER x BEFORE INSERT ON firms_auditevent FOR EACH ROW "
        "EXECUTE FUNCTION toggbill_append_only_update_firms_auditevent()"
    ),
    "a table of its own": "CREATE TABLE x (y integer)",
    "forge migrations": "DELETE FROM django_migrations",
}


def test_the_site_does_the_main_job_and_cannot_touch_the_log(
    database: Database, at_work: Callable[..., Any], sandbox: Process, tmp_path: Path
) -> None:
    file = tmp_path / "firm.toml"
    file.write_text(sandbox.control.load("demo"), encoding="utf-8")
    firm = at_work("onboard", str(file))["firm"]
    at_work("sync", "--firm", firm)
    (day,) = database.execute("site", "SELECT (now() - interval '1 day')::date")[0]
    through = ("--firm", firm, "--through", day.isoformat())
    made = at_work("invoice", *through, "--approve", "--post")["invoices"]
    assert {invoice["status"] for invoice in made} == {"posted"}
    assert len(made) >= 5
    at_work("ledger", "--firm", firm)
    assert at_work("verify_audit")["firms"][0]["ok"]
    before = database.execute("owner", "SELECT count(*), max(hash) FROM firms_auditevent")
    assert before[0][0] > 20
    done = [what for what, statement in REFUSED.items() if not refused(database, statement)]
    assert done == []
    assert database.execute("owner", "SELECT count(*), max(hash) FROM firms_auditevent") == before
    # Its owner meets the triggers.
    with pytest.raises(psycopg.errors.CheckViolation, match="append-only"):
        database.execute("owner", "DELETE FROM firms_auditevent")


def test_a_database_without_migrations_is_not_migrated_by_the_site(database: Database) -> None:
    done = database.manage("site", "migrate", "firms", "0001", "--noinput")
    assert done.returncode != 0
    assert "must be owner" in done.stderr or "permission denied" in done.stderr
    assert database.manage("site", "migrate", "--check").returncode == 0


def test_release_migrates_as_the_owner(database: Database) -> None:
    release = next(
        line for line in (settings.BASE_DIR / "Procfile").read_text().splitlines() if line.startswith("release:")
    )

    def released(**environment: str) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return database.run("site", ["/bin/sh", "-c", release.partition(":")[2]], {"PATH": path} | environment)

    undone = database.manage("owner", "migrate", "sessions", "zero", "--noinput")
    assert undone.returncode == 0, undone.stderr
    static = database.folder / "static"
    alone = released()
    assert alone.returncode != 0
    assert "must be owner" in alone.stderr
    assert not any(static.iterdir())  # what follows the migrations waits for them
    done = released(MIGRATE_DATABASE_URL=database.url("owner"))
    assert done.returncode == 0, done.stderr
    asked = "SELECT tableowner FROM pg_tables WHERE tablename = 'django_session'"
    assert database.execute("site", asked) == [(f"{database.name}_owner",)]
    assert any(static.iterdir())
    done = released()
    assert done.returncode == 0, done.stderr  # nothing is to be done


def test_a_role_that_came_later_may_do_the_same(database: Database) -> None:
    run(database.url("owner"), statements("standing", database.name) + statements("migrated", database.name))
    asked = "SELECT privilege_type FROM information_schema.table_privileges WHERE table_name = 'firms_auditevent'"
    assert sorted(database.execute("site", asked)) == [("INSERT",), ("SELECT",)]
