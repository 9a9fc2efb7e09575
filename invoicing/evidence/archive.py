"""A ZIP file that the same content makes the same, byte for byte, with the hash of everything in it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Protocol

from invoicing.evidence.rows import Json, plain

_BEGINNING = (1980, 1, 1, 0, 0, 0)


class Sink(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> object:
        """Take these bytes."""


class Archive:
    """Files written one after the other, none of them held in memory; ``files``: what was written, for the manifest."""

    def __init__(self, to: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, allowZip64=True)
        self.files: list[Json] = []

    def close(self) -> None:
        """Write the table of contents."""
        self._zip.close()

    @contextmanager
    def file(self, name: str) -> Iterator[Sink]:
        """A file, open until the block ends."""
        entry = zipfile.ZipInfo(name, _BEGINNING)
        entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
        with self._zip.open(entry, "w", force_zip64=True) as file:
            counted = _Counted(file)
            yield counted
        self.files.append({"name": name, "sha256": counted.digest.hexdigest(), "bytes": counted.size})

    def put(self, name: str, content: bytes) -> None:
        """A file with this content."""
        with self.file(name) as file:
            file.write(content)

    def put_json(self, name: str, value: object) -> bytes:
        """A file with one JSON value, for people to read, too; gives its bytes."""
        content = json.dumps(value, default=plain, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
        self.put(name, content)
        return content

    def put_lines(self, name: str, rows: Iterable[Json]) -> None:
        """A file with one JSON object a line, written as they come."""
        with self.file(name) as file:
            for row in rows:
                file.write(line(row))


def line(row: Json) -> bytes:
    """A row as a line of a file of rows."""
    return json.dumps(row, default=plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode() + b"\n"


class _Counted:
    """What is written, hashed and counted on its way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes, /) -> None:
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)
