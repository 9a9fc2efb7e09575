"""Everything of a firm in one archive: JSON Lines and CSV of every table, and the audit log with what verifies it.

Secrets stay behind. Ids are those of the database, so that the tables refer to one another; moments are in UTC.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any

from django.apps import apps
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from integrations.models.encryption import EncryptedTextField
from invoicing.models import Annex
from invoicing.rules.cells import neutral
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.models import AuditEvent, Firm, FirmOwned, Membership, User

VERIFY = """\
import hashlib, json, sys

previous = "0" * 64
for number, line in enumerate(open(sys.argv[1], encoding="utf-8"), start=1):
    event = json.loads(line)
    claimed = event.pop("hash")
    text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    previous = hashlib.sha256((previous + text).encode()).hexdigest()
    assert previous == claimed and event["number"] == number, f"event {number} does not fit"
print(f"{number} events, head {previous}")
"""
"""The script of the README, word for word."""

_ABOUT = """\
Everything that toggbill holds of {name}, on {at}.

audit.jsonl        the audit log, one event a line, chained by hashes
verify_audit.py    checks it, without toggbill:  python verify_audit.py audit.jsonl
                   its last line must end in {head}
firm.json          the firm
people.jsonl       the accounts of its members, without passwords
annexes/           the annexes of hours, by the reference of their invoice; data/invoicing.annex has their hashes
data/              every other table twice: .jsonl (one row a line, exact) and .csv (for a spreadsheet)

Amounts are in euro and written as text, durations in seconds, moments in UTC. A column that ends in _id names a row of
another table by its id. In the .csv files a cell that a spreadsheet might run as a formula stands behind an apostrophe.
Tokens, keys and passwords are not in here.
"""

_CHUNK = 2000
# Not secrets that open a service, but what only the machine needs.
_UNTOLD = frozenset({"token_hash"})


@dataclass(frozen=True, slots=True)
class Written:
    """What is in an archive: rows by table, and the number and hash of the latest audit event."""

    rows: dict[str, int]
    events: int
    head: str


def tables() -> list[type[FirmOwned]]:
    """Every table of a firm's own but the audit log, in the order of their names."""
    owned = [model for model in apps.get_models() if issubclass(model, FirmOwned) and model is not AuditEvent]
    return sorted(owned, key=lambda model: model._meta.label_lower)


def columns(model: type[models.Model]) -> list[str]:
    """The columns of a table that may be told: no secrets, no files, and not the firm, the same on every row."""
    return [
        field.attname
        for field in model._meta.concrete_fields
        if not isinstance(field, EncryptedTextField | models.BinaryField) and field.attname not in {"firm_id", *_UNTOLD}
    ]


def write(*, firm: Firm, to: IO[bytes], by: Actor, now: datetime) -> Written:
    """Write the archive (ZIP). That somebody took it stands in the log, and in the log of the archive."""
    audit.record(firm=firm, news=[News("firm_exported", f"firm {firm.slug}", {})], by=by, now=now)
    firm = Firm.objects.get(pk=firm.pk)
    rows: dict[str, int] = {}
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        archive.writestr("firm.json", _json(_firm(firm)) + "\n")
        with archive.open("audit.jsonl", "w", force_zip64=True) as file:
            events = 0
            for line in audit.export(firm=firm):
                file.write(line.encode() + b"\n")
                events += 1
        archive.writestr("verify_audit.py", VERIFY)
        about = _ABOUT.format(name=firm.name, at=now.strftime("%d/%m/%Y %H:%M UTC"), head=firm.audit_hash)
        archive.writestr("README.txt", about)
        people = User.objects.filter(pk__in=Membership.objects.for_firm(firm).values("user")).order_by("pk")
        archive.writestr(
            "people.jsonl",
            "".join(_json({"id": row.pk, "email": row.email, "name": row.name}) + "\n" for row in people),
        )
        for annex in Annex.objects.for_firm(firm).select_related("invoice").order_by("pk").iterator(chunk_size=20):
            for kind, content in (("pdf", annex.pdf), ("csv", annex.csv)):
                archive.writestr(f"annexes/{annex.invoice.reference}.{kind}", bytes(content))
        for model in tables():
            rows[model._meta.label_lower] = _table(archive, model, firm)
    return Written(rows, events, firm.audit_hash)


def _firm(firm: Firm) -> dict[str, Any]:
    names = ("slug", "name", "timezone", "language", "created_at", "closed_at", "audit_number", "audit_hash")
    return {name: getattr(firm, name) for name in names}


def _table(archive: zipfile.ZipFile, model: type[FirmOwned], firm: Firm) -> int:
    """Both files of a table; gives the number of its rows. Read twice, so that no table has to fit into memory."""
    name = f"data/{model._meta.label_lower}"
    count = 0
    with archive.open(f"{name}.jsonl", "w", force_zip64=True) as file:
        for row in _rows(model, firm):
            file.write(_json(row).encode() + b"\n")
            count += 1
    with archive.open(f"{name}.csv", "w", force_zip64=True) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(_headings(model))
        for row in _rows(model, firm):
            writer.writerow([_cell(value) for value in row.values()])
        text.detach()
    return count


def _headings(model: type[FirmOwned]) -> list[str]:
    return [*columns(model), *(field.name for field in model._meta.many_to_many)]


def _rows(model: type[FirmOwned], firm: Firm) -> Iterator[dict[str, Any]]:
    rows = model._default_manager.filter(firm=firm).order_by("pk").only(*columns(model))
    several = [field.name for field in model._meta.many_to_many]
    for row in rows.prefetch_related(*several).iterator(chunk_size=_CHUNK):
        told = {name: getattr(row, name) for name in columns(model)}
        yield told | {name: [other.pk for other in getattr(row, name).all()] for name in several}


def _cell(value: object) -> str:
    if isinstance(value, list | dict):
        return neutral(_json(value))
    if isinstance(value, datetime):
        return value.isoformat()
    return neutral(value)


def _json(value: object) -> str:
    return json.dumps(value, cls=_Encoder, ensure_ascii=False, separators=(",", ":"))


class _Encoder(DjangoJSONEncoder):
    """Moments with their microseconds: Django's own cuts them to milliseconds."""

    def default(self, o: object) -> Any:
        """A moment as ISO 8601; the rest as Django writes it."""
        return o.isoformat() if isinstance(o, datetime) else super().default(o)
