"""Anchors of the audit log (design section 9): what the heads of all firms were at the end of a day, signed.

Whoever may write in the database can compute a chain anew; what lies outside it, they cannot. A file under VAR_DIR gets
one line a night, as canonical JSON (sorted keys, no blanks, UTF-8)::

    {"at", "heads": [{"firm", "hash", "number", "signature"}], "key", "previous", "signature", "stamp"}

``key``: the public key (Ed25519, base64). The signature of a head is over ``{"at", "firm", "hash", "number"}``, so that
it can be given to its firm without the others; that of the line over the line without ``signature`` and ``stamp``.
``previous``: SHA-256 of the line before as it stands in the file (64 zeros for the first), so that no line can be cut
out of the middle. ``stamp``: what the time-stamping service answered (``stamps``), or absent.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from toggbill.firms.audit import stamps
from toggbill.firms.audit.chain import FIRST_HASH
from toggbill.firms.audit.verification import Doubt
from toggbill.firms.models import AuditEvent, Firm

Json = dict[str, Any]


def canonical(value: Json) -> str:
    """JSON as it is signed and hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def public_key(key: bytes) -> str:
    """The public half of a private key (32 bytes), base64: what others check signatures with."""
    return base64.b64encode(Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()).decode()


def statement(line: Json, firm: str) -> Json | None:
    """What a line says of one firm, with its signature: what the firm may have. None when the line does not name it."""
    named = (head for head in line["heads"] if head["firm"] == firm)
    return next(({"at": line["at"], "key": line["key"]} | head for head in named), None)


# --- writing ----------------------------------------------------------------------------------------------------------


def is_due(*, file: Path, now: datetime) -> bool:
    """Whether the day (UTC) has no line yet."""
    if not file.exists():
        return True
    with file.open("rb") as lines:
        return _day_of_last(lines) != now.astimezone(UTC).date().isoformat()


def append(*, file: Path, keys: Sequence[bytes], timestamp_url: str, now: datetime) -> Json | None:
    """Sign the heads of all firms as they are and append the line, flushed to disk; gives it.

    None when somebody else wrote the day's line meanwhile. The newest key signs. A time-stamping service that does not
    answer leaves a line without a stamp; the next night's covers it. Raises OSError.
    """
    with _locked(file) as lines:
        if _day_of_last(lines) == now.astimezone(UTC).date().isoformat():
            return None
        line = signed(heads=list(_heads()), previous=_previous(lines), key=keys[0], now=now)
        if timestamp_url:
            stamp = stamps.ask(url=timestamp_url, data=_signed_part(line))
            line |= {} if stamp is None else {"stamp": stamp}
        lines.write(canonical(line).encode() + b"\n")
        lines.flush()
        os.fsync(lines.fileno())
    return line


def signed(*, heads: Iterable[Json], previous: str, key: bytes, now: datetime) -> Json:
    """A line, without a stamp; each head is ``{"firm", "hash", "number"}``."""
    private, at = Ed25519PrivateKey.from_private_bytes(key), now.astimezone(UTC).isoformat(timespec="seconds")
    told = [head | {"signature": _sign(private, head | {"at": at})} for head in heads]
    line = {"at": at, "heads": told, "key": public_key(key), "previous": previous}
    return line | {"signature": _sign(private, line)}


def _heads() -> Iterator[Json]:
    for slug, number, digest in Firm.objects.order_by("slug").values_list("slug", "audit_number", "audit_hash"):
        yield {"firm": slug, "hash": digest, "number": number}


def _sign(key: Ed25519PrivateKey, value: Json) -> str:
    return base64.b64encode(key.sign(canonical(value).encode())).decode()


@contextmanager
def _locked(file: Path) -> Iterator[BinaryIO]:
    """The file, at its end; one process at a time. What a crash left of a line is taken off: nobody was told of it."""
    with file.open("a+b") as lines:
        fcntl.flock(lines, fcntl.LOCK_EX)
        lines.seek(0)
        whole = sum(len(line) for line in lines if line.endswith(b"\n"))
        lines.truncate(whole)
        yield lines


def _last(lines: BinaryIO) -> bytes:
    """The last whole line, without its end; b"" when there is none."""
    lines.seek(0)
    found = b""
    for line in lines:
        if line.endswith(b"\n"):
            found = line[:-1]
    return found


def _previous(lines: BinaryIO) -> str:
    last = _last(lines)
    return hashlib.sha256(last).hexdigest() if last else FIRST_HASH


def _day_of_last(lines: BinaryIO) -> str:
    try:
        return str(json.loads(_last(lines) or b"{}").get("at", ""))[:10]
    except ValueError:
        return ""  # no line of ours: the check says so, and the night goes on


# --- checking ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Anchors:
    """What the file says: ``heads``: by firm, the hash by number. ``faults``: what does not hold of the file itself.
    ``latest``: when its latest good line was signed."""

    heads: Mapping[str, dict[int, str]] = field(default_factory=lambda: defaultdict(dict))
    faults: list[str] = field(default_factory=list)
    lines: int = 0
    latest: datetime | None = None

    def witness(self, firm: Firm) -> Anchored:
        """Testifies what the firm's head was."""
        return Anchored(dict(self.heads.get(firm.slug, {})), tuple(self.faults))


def read(*, file: Path, keys: Sequence[bytes], roots: bytes = b"") -> Anchors:
    """Read and check every line; ``keys``: those of today and of before. ``roots``: certificates (PEM) of the
    time-stamping service; without them a stamp must be one of its line, and its signature is not looked at.

    The last line without an end is none: it was being written.
    """
    found, previous = Anchors(), FIRST_HASH
    known = {public_key(key) for key in keys}
    if not file.exists():
        return found
    with file.open("rb") as lines:
        for number, text in enumerate(lines, start=1):
            if not text.endswith(b"\n"):
                break
            found.lines = number
            try:
                line = json.loads(text)
                _check(line, previous, known, roots)
                for head in line["heads"]:
                    found.heads[head["firm"]][head["number"]] = head["hash"]
                found.latest = datetime.fromisoformat(line["at"])
            except InvalidSignature:
                found.faults.append(f"Line {number} of {file.name} was not signed by this site.")
            except stamps.BadStamp as fault:
                found.faults.append(f"Line {number} of {file.name}: {fault}")
            except (ValueError, KeyError, TypeError, AttributeError) as fault:
                found.faults.append(f"Line {number} of {file.name} does not hold: {fault}")
            previous = hashlib.sha256(text[:-1]).hexdigest()
    return found


def _check(line: Json, previous: str, known: set[str], roots: bytes) -> None:
    if line["key"] not in known:
        raise InvalidSignature
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(line["key"]))
    _verify(key, line["signature"], _signed_part(line, "signature"))
    for head in line["heads"]:
        signature = head["signature"]
        told = {name: head[name] for name in ("firm", "hash", "number")} | {"at": line["at"]}
        _verify(key, signature, canonical(told).encode())
    if line["previous"] != previous:
        raise ValueError("it does not follow the line before it")
    if "stamp" in line:
        stamps.check(line["stamp"], data=_signed_part(line), roots=roots)


def _signed_part(line: Json, *more: str) -> bytes:
    """The line without its stamp: what is stamped; without its signature, too: what is signed."""
    return canonical({name: value for name, value in line.items() if name not in ("stamp", *more)}).encode()


def _verify(key: Ed25519PublicKey, signature: str, data: bytes) -> None:
    try:
        key.verify(base64.b64decode(signature, validate=True), data)
    except binascii.Error:
        raise InvalidSignature from None


class Anchored:
    """The witness of the anchors: the chain has at each of these numbers the hash that was signed."""

    def __init__(self, heads: dict[int, str], faults: Sequence[str]) -> None:
        self._heads, self._faults = heads, faults
        self._held: list[int] = [0]
        self._broken: list[int] = []

    def hear(self, event: AuditEvent) -> None:
        """Compare at the numbers that were signed."""
        if (expected := self._heads.pop(event.number, None)) is not None:
            (self._held if event.hash == expected else self._broken).append(event.number)

    def doubts(self) -> Iterator[Doubt]:
        """Where the chain is not what was signed."""
        if self._broken:
            first = min(self._broken)
            since = max(number for number in self._held if number < first) + 1
            yield Doubt(since, f"Between event {since} and {first} the log is not the one that was signed.")
        if gone := [number for number in self._heads if number > 0]:
            yield Doubt(None, f"Event {max(gone)} was signed, and the log has none of that number.")
        for fault in self._faults:
            yield Doubt(None, fault)
