"""The migrated database that every process of a run copies, instead of migrating one of its own.

PostgreSQL alone: ``CREATE DATABASE ... TEMPLATE`` takes a fifth of a second where migrating takes sixteen. What a run
migrated lies as a dump in pytest's cache; the next run restores it as long as no migration, no model and no trigger
changed. Django still runs ``migrate`` over each copy, so what the template lacks is not missed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tests import services

NAME = "toggbill_template"
ROOT = Path(__file__).parent.parent
# What a database is made from: the rows of `migrate`'s own making (rights, content types) follow the models.
MADE_FROM = {"migrations", "models", "models.py", "database", "triggers.py"}
APPS = ("toggbill", "integrations", "invoicing")


def copied() -> None:
    """Have the test database of this process be a copy of the template."""
    if connection.vendor == "postgresql":
        settings.DATABASES["default"].setdefault("TEST", {})["TEMPLATE"] = NAME
        connection.settings_dict["TEST"]["TEMPLATE"] = NAME


def make(config: pytest.Config) -> None:
    """The template on the run's own PostgreSQL: restored if it was kept, else migrated and kept."""
    if connection.vendor != "postgresql":
        return
    server = os.environ["DATABASE_URL"]
    programs = services.postgresql_folder()
    assert programs is not None
    url = f"{server.rpartition('/')[0]}/{NAME}"
    subprocess.run([programs / "createdb", "--maintenance-db", server, NAME], check=True)
    dump = config.cache.mkdir("template") / f"{_key()}.sql"
    if dump.exists():
        restore = [programs / "psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--single-transaction"]
        subprocess.run([*map(str, restore), "--file", dump, "--dbname", url], stdout=subprocess.DEVNULL, check=True)
        return
    migrate = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"]
    subprocess.run(migrate, env=os.environ | {"DATABASE_URL": url}, check=True)
    for earlier in dump.parent.iterdir():
        earlier.unlink(missing_ok=True)
    # Another run may look at the same moment: it finds all of it or nothing.
    half = dump.with_suffix(f".{os.getpid()}")
    subprocess.run([programs / "pg_dump", "--no-owner", "--file", half, "--dbname", url], check=True)
    half.rename(dump)


def _key() -> str:
    """Changes with whatever the database is made from."""
    files = {ROOT / "requirements.lock"}
    for app in APPS:
        for file in (ROOT / app).rglob("*.py"):
            if MADE_FROM & set(file.relative_to(ROOT).parts):
                files.add(file)
    said = hashlib.sha256()
    for file in sorted(files):
        said.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return said.hexdigest()[:16]
