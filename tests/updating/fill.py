"""Fills a SQLite and a PostgreSQL database with the code of an earlier commit, and keeps them for the tests.

    .venv/bin/python tests/services.py -- .venv/bin/python tests/updating/fill.py

Run by hand, once for a commit from which people update. It takes the files of ``COMMIT`` out of the repository's
history, runs ``earlier_work`` among them, and writes to the folder of that name:

    sqlite.sql.gz, postgresql.sql.gz    the databases
    sqlite.json.gz, postgresql.json.gz  what the commands of that commit said of them

Nothing is imported from today's code.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

COMMIT = "a949347"
KEYS = "the-key-of-the-databases-that-tests-update"
FOLDER = Path(__file__).parent / COMMIT


def main() -> None:
    """Fill both and write what they hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    url = os.environ.get("DATABASE_URL", "")
    if not url.startswith("postgresql://"):
        parser.error("run it so: .venv/bin/python tests/services.py -- .venv/bin/python tests/updating/fill.py")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        code, file = Path(name) / "code", Path(name) / "filled.sqlite3"
        archive = subprocess.run(
            ["git", "archive", COMMIT],  # noqa: S607 - git of whoever runs this
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        )
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(code, filter="data")
        _keep("sqlite.json", _filled(code, f"sqlite:///{file}"))
        with sqlite3.connect(file) as database:
            _keep("sqlite.sql", "\n".join(database.iterdump()))
        _keep("postgresql.json", _filled(code, url))
        _keep("postgresql.sql", _dump(url))


def _filled(code: Path, url: str) -> str:
    given = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    own = {"DEBUG": "1", "DATABASE_URL": url, "FIELD_ENCRYPTION_KEYS": KEYS, "VAR_DIR": str(code / "var")}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("earlier_work.py").resolve())],
        cwd=code,
        env=given | own,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def _dump(url: str) -> str:
    """Plain SQL that any client can run; settings of the session that only the same version knows are left out."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_dump"), key=lambda path: int(path.parts[-3]))
    program = shutil.which("pg_dump") or str(programs[-1])
    options = ["--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=100"]
    text = subprocess.run([program, *options, url], capture_output=True, text=True, check=True).stdout
    return re.sub(r"^(--.*|SET .*|\\.*|SELECT pg_catalog.set_config.*|)\n", "", text, flags=re.MULTILINE)


def _keep(name: str, text: str) -> None:
    (FOLDER / f"{name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
