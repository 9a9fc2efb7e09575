"""The pack as it is read: its files, its manifest, its rows, and what does not hold in them."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Any

Row = dict[str, Any]
SENTENCES: Row = {}


def _(english: str) -> str:
    """The sentence in the reader's language, as the pack has it."""
    return str(SENTENCES.get(english, english))


def filled(sentence: str, facts: Row) -> str:
    """The sentence with its facts; beside them where a translation that was changed has no place for them."""
    try:
        return sentence % facts
    except (KeyError, TypeError, ValueError):
        return f"{sentence} {facts}"


class Files:
    """The files of the pack, in a ZIP file or a folder."""

    def __init__(self, place: Path) -> None:
        self.zip = zipfile.ZipFile(place) if place.is_file() else None
        self.place = place

    def names(self) -> set[str]:
        """Their names, with slashes."""
        if self.zip is not None:
            return {name for name in self.zip.namelist() if not name.endswith("/")}
        found = (path for path in self.place.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {path.relative_to(self.place).as_posix() for path in found}

    def open(self, name: str) -> IO[bytes]:
        """One of them, to be read. Raises OSError and KeyError."""
        return self.zip.open(name) if self.zip is not None else (self.place / name).open("rb")

    def digest(self, name: str) -> tuple[str, int]:
        """SHA-256 and number of bytes."""
        digest, size = hashlib.sha256(), 0
        with self.open(name) as file:
            for some in iter(lambda: file.read(1 << 20), b""):
                digest.update(some)
                size += len(some)
        return digest.hexdigest(), size

    def json(self, name: str) -> Row:
        """A file with one JSON object. Raises ValueError."""
        with self.open(name) as file:
            found = json.load(file)
        if not isinstance(found, dict):
            raise ValueError(f"{name} is no JSON object")
        return found


class Pack:
    """What the pack says; ``faults``: the rules that do not hold, each with a sentence."""

    def __init__(self, files: Files, manifest: Row) -> None:
        self.files, self.manifest, self.names = files, manifest, files.names()
        self.faults: list[tuple[str, str]] = []
        self.month, self.dossier = str(manifest["month"]), str(manifest["dossier"]["key"])
        self.firm = str(manifest["firm"]["slug"])
        self.invoices: dict[str, Row] = {}
        self.lines: dict[tuple[str, int], Row] = {}
        self.claims: list[Row] = []
        # By Toggl's id: those that stand in the books of the month; and the ids of all.
        self.entries: dict[int, Row] = {}
        self.known: set[int] = set()
        # The public keys that something here is signed with.
        self.keys: set[str] = set()

    def fault(self, rule: str, sentence: str, **facts: object) -> None:
        """Something does not hold."""
        self.faults.append((rule, filled(sentence, facts)))

    def rows(self, name: str) -> Iterator[Row]:
        """The rows of a file; of one that is missing none, which is told elsewhere."""
        if name not in self.names:
            return
        with self.files.open(name) as file:
            for number, text in enumerate(file, start=1):
                try:
                    row = json.loads(text)
                    if not isinstance(row, dict) or not text.endswith(b"\n"):
                        raise ValueError
                except ValueError:
                    self.fault("files", _("Line %(line)s of %(file)s cannot be read."), line=number, file=name)
                    continue
                yield row

    def in_month(self, row: Row) -> bool:
        """Whether an entry stands in the books of this month and dossier."""
        return bool(row["dossier"] == self.dossier and str(row["day"])[:7] == self.month)

    def status(self, reference: str) -> str:
        """That of an invoice, "" for one that is missing."""
        return str(self.invoices.get(reference, {}).get("status", ""))


def amount(value: object) -> Decimal:
    """A number that is written as text; NaN, which equals nothing, for another text."""
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return Decimal("NaN")
