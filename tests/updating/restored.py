"""Databases of earlier code, restored: a SQLite file, or a PostgreSQL database beside that of the tests."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

FOLDER = Path(__file__).parent


def kept(commit: str, name: str) -> str:
    """A file that ``fill`` wrote, e.g. "sqlite.sql"."""
    return gzip.decompress((FOLDER / commit / f"{name}.gz").read_bytes()).decode()


def before(commit: str, vendor: str) -> dict[str, Any]:
    """What the commands of that commit said of the database."""
    said: dict[str, Any] = json.loads(kept(commit, f"{vendor}.json"))
    return said


def sqlite_file(commit: str, file: Path) -> str:
    """Restores into a new file; returns its URL."""
    with closing(sqlite3.connect(file)) as database:
        database.executescript(kept(commit, "sqlite.sql"))
    return f"sqlite:///{file}"


@contextmanager
def postgresql_database(commit: str, server: str, name: str) -> Iterator[str]:
    """Restores into a new database of the server whose URL is given; gives its URL, and drops it afterwards."""
    own = f"{server.rpartition('/')[0]}/{name}"
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    with closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(drop)
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            with closing(psycopg.connect(own)) as database:
                # The dump names the schema everywhere; some of its functions look for their tables as a session does.
                database.execute(kept(commit, "postgresql.sql").encode())
                database.commit()
            yield own
        finally:
            connection.execute(drop)
