"""Packs of a month in which everything happened, checked by the program inside them in a process of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Edit = Callable[[list[Row]], object]


def checked(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    """The exit code and the lines of the check in a folder: Python's own library alone, no settings, no packages."""
    command = [sys.executable, "-I", "-S", "-B", str(folder / "check.py"), *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", cwd=folder, env={}, timeout=60, check=False)
    assert done.stderr == "", done.stderr
    return done.returncode, done.stdout.splitlines()


def faults(folder: Path) -> list[str]:
    """What the check has against a pack, each as "rule: sentence"; it ends with 1."""
    code, lines = checked(folder, "--language", "en")
    assert code == 1, lines
    return [line for line in lines if not line.startswith(("Signed with", "Nothing in here", "NOT proved"))]


def rows(folder: Path, name: str) -> list[Row]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def edited(folder: Path, name: str, edit: Edit) -> None:
    """Somebody changes rows of a file."""
    found = rows(folder, name)
    edit(found)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
    (folder / name).write_text(text, encoding="utf-8")


def repacked(folder: Path) -> None:
    """Somebody who knows how writes the manifest anew, so that every hash is right; they cannot sign it."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for file in manifest["files"]:
        content = (folder / file["name"]).read_bytes()
        file |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def copied(folder: Path, to: Path) -> Path:
    """A copy to be spoilt."""
    return Path(shutil.copytree(folder, to))
