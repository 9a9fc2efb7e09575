"""Making the pack of a dossier's month: its files, the manifest with their hashes, the signature, and the event.

Everything is read as of one moment, and written as it is read, so that a large month needs no more memory than a small
one. The same books give the same bytes at the same moment.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import IO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import transaction
from django.db.models import Count, Sum
from django.utils import translation

from invoicing.deciding import rights
from invoicing.evidence import chain, program
from invoicing.evidence.archive import Archive
from invoicing.evidence.readme import readme
from invoicing.evidence.rows import Json, Month, told
from invoicing.ledger import rule_events
from invoicing.ledger.invariants import invariants
from invoicing.models import Annex, Dossier, DossierClient, LedgerRow, ReportedMonth
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News, anchors
from toggbill.firms.locks import lock_firm
from toggbill.firms.models import Firm

FORMAT = 1
_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Pack:
    """What was made: the SHA-256 of the file, how many files are in it, and whether the month is balanced."""

    sha256: str
    files: int
    balanced: bool


def make(*, dossier: Dossier, month: date, to: IO[bytes], by: Actor, now: datetime) -> Pack:
    """Write the pack of a month (its first day) into a file that can be read again, and the event of it into the log.

    The event carries the hash of the file, so that anybody can ask later whether this site made it. Raises
    ``NotAllowed`` where who acts may not, and OSError.
    """
    rights.demand(by, "prove", dossier)
    with audit.one_moment():
        month_of = Month(Dossier.objects.select_related("firm", "workspace", "company").get(pk=dossier.pk), month)
        files, balanced = write(month_of, to, made_by=by.name, made_at=now)
    to.seek(0)
    digest = hashlib.sha256()
    while some := to.read(_AT_ONCE):
        digest.update(some)
    pack = Pack(digest.hexdigest(), files, balanced)
    note(dossier=dossier, month=month, pack=pack, by=by, now=now)
    return pack


@transaction.atomic
def note(*, dossier: Dossier, month: date, pack: Pack, by: Actor, now: datetime) -> None:
    """Tell in the firm's log that the pack of a month was made, for whom, and its hash. Raises ``NotAllowed``."""
    lock_firm(dossier.firm)
    rights.demand(by, "prove", dossier)
    data = {"month": f"{month:%Y-%m}", "sha256": pack.sha256, "balanced": pack.balanced}
    audit.record(firm=dossier.firm, news=[News("evidence_made", f"dossier {dossier.key}", data)], by=by, now=now)


def write(month: Month, to: IO[bytes], *, made_by: str, made_at: datetime) -> tuple[int, bool]:
    """Write the files, in a transaction that reads as of one moment; how many they are, and whether it balances."""
    firm = Firm.objects.get(pk=month.dossier.firm_id)
    archive = Archive(to)
    for name, parts in month.tables().items():
        archive.put_lines(f"{name}.jsonl", (row for part in parts for row in told(part)))
    annexes = Annex.objects.filter(month.of_invoices("invoice")).order_by("pk").select_related("invoice")
    for annex in annexes.iterator(chunk_size=20):
        for kind, content in (("pdf", annex.pdf), ("csv", annex.csv)):
            archive.put(f"annexes/{annex.invoice.reference}.{kind}", bytes(content))
    archive.put_json("rules.json", _rules(month.dossier))
    state = _state(month)
    archive.put_json("month.json", state)
    start = chain.start_of(month, file=settings.ANCHORS_FILE)
    with archive.file("audit.jsonl") as file:
        for line in audit.export(firm=firm, after=start.number):
            file.write(line.encode() + b"\n")
    signed = chain.statements(file=settings.ANCHORS_FILE, firm=firm.slug)
    # Of a head that was signed after this moment the log of the pack has no event.
    archive.put_lines("anchors.jsonl", (each for each in signed if start.number <= each["number"] <= firm.audit_number))
    archive.put("check.py", program.source().encode())
    archive.put_json("sentences.json", program.sentences())
    with translation.override(firm.language):
        archive.put("README.txt", readme(month, made_at).encode())
    keys = settings.AUDIT_SIGNING_KEYS
    manifest = archive.put_json(
        "manifest.json",
        {
            "format": FORMAT,
            "firm": {"slug": firm.slug, "name": firm.name, "timezone": firm.timezone, "language": firm.language},
            "dossier": {"key": month.dossier.key, "name": month.dossier.name},
            "month": f"{month.first:%Y-%m}",
            "made_at": made_at,
            "made_by": made_by,
            "log": {
                "after": {"number": start.number, "hash": start.hash},
                "head": {"number": firm.audit_number, "hash": firm.audit_hash},
            },
            "key": anchors.public_key(keys[0]) if keys else None,
            "files": sorted(archive.files, key=lambda file: str(file["name"])),
        },
    )
    if keys:
        archive.put_json("signature.json", _signature(keys[0], manifest))
    archive.close()
    to.flush()
    return len(archive.files), not state["broken"]


def _rules(dossier: Dossier) -> Json:
    clients = DossierClient.objects.filter(dossier=dossier).values_list("client_remote_id", flat=True)
    return rule_events.rules_of(dossier, clients=clients)


def _state(month: Month) -> Json:
    """The month as the ledger has it: what stands in each state, what does not hold, and Toggl's own total."""
    counted = month.entries().order_by().values("state").annotate(entries=Count("pk"), seconds=Sum("seconds"))
    by_state = {row["state"]: {"entries": row["entries"], "seconds": row["seconds"]} for row in counted}
    nothing = {"entries": 0, "seconds": 0}
    reported = ReportedMonth.objects.filter(dossier=month.dossier, month=month.first)
    with translation.override(month.dossier.firm.language):
        broken = [each.told() for each in invariants.broken(dossiers=[month.dossier], month=month.first)]
    return {
        "states": {state: by_state.get(state, nothing) for state in LedgerRow.State.values},
        "broken": broken,
        "toggl": next(told(reported), None),
    }


def _signature(key: bytes, manifest: bytes) -> Json:
    private = Ed25519PrivateKey.from_private_bytes(key)
    signed = base64.b64encode(private.sign(manifest)).decode()
    return {"algorithm": "Ed25519", "of": "manifest.json", "signature": signed}
