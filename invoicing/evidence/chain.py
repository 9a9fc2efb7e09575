"""The part of a firm's audit log that belongs to a month: from a signed head before its first event to the end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path

from django.db.models import Min

from invoicing.evidence.rows import Json, Month
from invoicing.models import Invoice
from toggbill.firms.audit import FIRST_HASH, anchors
from toggbill.firms.models import AuditEvent, Firm

_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Start:
    """The event before the first one of the pack: its number (0: the log is there from its beginning) and hash."""

    number: int = 0
    hash: str = FIRST_HASH


def statements(*, file: Path, firm: str) -> Iterator[Json]:
    """What the anchors say of this firm, the oldest first; a line that is none is left out, as its check says so."""
    if not file.exists():
        return
    with file.open("rb") as lines:
        for text in lines:
            try:
                told = anchors.statement(json.loads(text), firm)
            except (ValueError, KeyError, TypeError):
                continue
            if told is not None and told["number"] > 0:
                yield told


def start_of(month: Month, *, file: Path) -> Start:
    """Right after the latest signed head before anything that concerns the month was told."""
    first, found = _first_event(month), Start()
    for told in statements(file=file, firm=month.dossier.firm.slug):
        if found.number < told["number"] < first:
            event = AuditEvent.objects.filter(firm=month.dossier.firm, number=told["number"]).first()
            # One that is not what was signed is no start: the pack then shows where the log breaks.
            if event is not None and event.hash == told["hash"]:
                found = Start(event.number, event.hash)
    return found


def _first_event(month: Month) -> int:
    """The number of the first event of the month or of its invoices; one more than there are when there is none."""
    firm = month.dossier.firm
    begin = datetime.combine(month.first, time(0), tzinfo=firm.zone)
    events = AuditEvent.objects.filter(firm=firm)
    found = [events.filter(at__gte=begin).aggregate(first=Min("number"))["first"]]
    references = list(Invoice.objects.filter(pk__in=month.invoices).values_list("reference", flat=True))
    for at in range(0, len(references), _TOGETHER):
        subjects = [f"invoice {reference}" for reference in references[at : at + _TOGETHER]]
        found.append(events.filter(subject__in=subjects).aggregate(first=Min("number"))["first"])
    return min((number for number in found if number is not None), default=_end(firm) + 1)


def _end(firm: Firm) -> int:
    return int(Firm.objects.values_list("audit_number", flat=True).get(pk=firm.pk))
