"""Backup and restore, by the commands of docs/operations.md: the books and the log are what they were."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet
from django.conf import settings as site
from django.db import connection
from django.utils import timezone
from psycopg import sql
from pytest_django import Settings

from tests import services
from tests.invoicing.conftest import scene
from tests.invoicing.corrections.crediting import sent
from tests.invoicing.scene import Scene
from tests.proof.processes import database_url
from tests.worlds import entry
from toggbill.firms.audit import anchors

__all__ = ["scene"]  # the fixture of the books at work
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.postgresql]
ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "operations.md"
KEY = hashlib.sha256(b"backup").digest()


def commands(block: str) -> str:
    """The commands of a block of the page."""
    return PAGE.read_text(encoding="utf-8").split(f"<!-- backup: {block} -->\n```sh\n")[1].split("```")[0]


class Machine:
    """A shell on a machine with the programs of PostgreSQL and of toggbill, and the site's environment."""

    def __init__(self, folder: Path, url: str, **environment: str) -> None:
        programs = services.postgresql_folder()
        assert programs is not None
        (folder / "var").mkdir(exist_ok=True)
        (folder / "backup").mkdir(exist_ok=True)
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}:{programs}:{os.environ['PATH']}",
            "DEBUG": "1",
            "DATABASE_URL": url,
            "VAR_DIR": str(folder / "var"),
            "BACKUP": str(folder / "backup"),
            "FIELD_ENCRYPTION_KEYS": ",".join(site.FIELD_ENCRYPTION_KEYS),
            "AUDIT_SIGNING_KEY": base64.b64encode(KEY).decode(),
            **environment,
        }

    def run(self, text: str, *, code: int = 0) -> str:
        """The standard output of the commands; the first that fails ends them."""
        shell = ["sh", "-e", "-c", text]
        done = subprocess.run(shell, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def said(self, command: str, *, code: int = 0) -> Any:
        """What a command of the site prints."""
        return json.loads(self.run(f"python manage.py {command}", code=code))


@pytest.fixture
def empty() -> Iterator[str]:
    """The address of a database that is not there; the commands make it."""
    own = database_url()
    name = f"restored_{uuid.uuid4().hex[:8]}"
    yield f"{own.rpartition('/')[0]}/{name}"
    with closing(psycopg.connect(own, autocommit=True)) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def test_what_is_restored_is_what_was_saved(
    scene: Callable[..., Scene], empty: str, settings: Settings, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, database_url())
    settings.AUDIT_SIGNING_KEYS, settings.ANCHORS_FILE = [KEY], tmp_path / "var" / "audit-anchors.jsonl"
    books = scene(entries=[entry(1), entry(2, "2026-10-06", seconds=5400), entry(3, "2026-11-05", tags=[])])
    sent(books)
    anchors.append(file=site.ANCHORS_FILE, keys=[KEY], timestamp_url="", now=timezone.now())
    connection.close()
    questions = ("verify_audit", "ledger --firm small")
    before = [machine.said(question) for question in questions]
    assert before[0]["firms"][0]["ok"]
    assert before[0]["firms"][0]["events"] > 10
    assert [month["month"] for month in before[1]["dossiers"]] == ["2026-10", "2026-11"]

    machine.run(commands("save"))
    saved = {path.name for path in (tmp_path / "backup").iterdir()}
    assert saved == {"toggbill.dump", "audit-anchors.jsonl"}

    other = tmp_path / "other"
    other.mkdir()
    server = database_url().rpartition("/")[0]
    new = Machine(
        other, empty, BACKUP=str(tmp_path / "backup"), SERVER=f"{server}/postgres", NAME=empty.rpartition("/")[2]
    )
    new.run(commands("restore"))
    assert [new.said(question) for question in questions] == before
    assert new.said("rotate_keys")["rotated"] >= 2
    # It is the same site: its numbers go on, and its triggers hold.
    assert new.said("anchor_audit")["heads"] == 1
    with closing(psycopg.connect(empty, autocommit=True)) as restored:
        with pytest.raises(psycopg.errors.CheckViolation):
            restored.execute("DELETE FROM firms_auditevent")
        (number,) = restored.execute("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'toggbill%'").fetchone() or (0,)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'toggbill%'")
        assert (number,) == cursor.fetchone()

    # Without its keys a database is half of a site: what must be kept beside it.
    without = Machine(other, empty, FIELD_ENCRYPTION_KEYS=Fernet.generate_key().decode())
    assert without.said("rotate_keys", code=1)["rotated"] == 0
    unsigned = Machine(other, empty, AUDIT_SIGNING_KEY=base64.b64encode(hashlib.sha256(b"other").digest()).decode())
    assert not unsigned.said("verify_audit", code=1)["firms"][0]["ok"]


def test_a_dump_from_before_the_latest_anchor_is_told(
    scene: Callable[..., Scene], empty: str, settings: Settings, tmp_path: Path
) -> None:
    """What was done after the dump is lost, and the anchors of the nights since say so."""
    machine = Machine(tmp_path, database_url())
    settings.AUDIT_SIGNING_KEYS, settings.ANCHORS_FILE = [KEY], tmp_path / "var" / "audit-anchors.jsonl"
    books = scene(entries=[entry(1)])
    anchors.append(file=site.ANCHORS_FILE, keys=[KEY], timestamp_url="", now=timezone.now())
    connection.close()
    machine.run(commands("save"))
    books.draft()
    books.later(days=1)
    anchors.append(file=site.ANCHORS_FILE, keys=[KEY], timestamp_url="", now=timezone.now())
    connection.close()
    machine.run('cp -p "$VAR_DIR/audit-anchors.jsonl" "$BACKUP/"')
    other = tmp_path / "other"
    other.mkdir()
    server = database_url().rpartition("/")[0]
    new = Machine(
        other, empty, BACKUP=str(tmp_path / "backup"), SERVER=f"{server}/postgres", NAME=empty.rpartition("/")[2]
    )
    new.run(commands("restore"), code=1)
    (firm,) = new.said("verify_audit", code=1)["firms"]
    assert (firm["ok"], firm["first_bad"]) == (False, firm["events"] + 1)
