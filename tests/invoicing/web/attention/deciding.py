"""Hours that wait, and answers to what the page of attention asks of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.test import Client

from integrations.models import Entry
from invoicing.attention import causes
from invoicing.ledger.states import derive
from invoicing.models import Dossier, LedgerRow
from tests.factories import (
    NOW,
    EntryFactory,
    enterprise_number,
)
from tests.visitors import alerts, events
from toggbill.firms.models import Firm

NUMBER = enterprise_number(7)


def worked(dossier: Dossier, *tags: str, project: int = 601, count: int = 1, **fields: Any) -> None:
    """So many entries of an hour each, one after the other, judged by the rules."""
    for number in range(count):
        start = NOW - timedelta(days=9 - number // 8, hours=2 * (number % 8))
        EntryFactory(
            workspace=dossier.workspace,
            project_remote_id=project,
            tags=list(tags),
            **{"started_at": start, **fields},
        )
    Entry.objects.filter(ledger_row=None).update(marked_at=NOW)
    derive.derive(workspace=dossier.workspace, now=NOW)


def waiting() -> causes.Decision:
    """The only decision that waits."""
    (found,) = causes.decisions(LedgerRow.objects.all())
    return found


def answer(client: Client, remedy: str, found: causes.Decision | None = None, **fields: Any) -> str:
    """What the page says once a decision is answered as its form does."""
    decision = found or waiting()
    path = f"/dossiers/{decision.dossier.key}/attention/{decision.name}/"
    sent = {"read": decision.read, **fields}
    return alerts(client.post(f"{path}{remedy}/", sent, follow=True).content.decode())


def decided(firm: Firm) -> list[tuple[str, str, Any]]:
    """What the firm's log tells but for the number that was read in the client's name at first."""
    return [event for event in events(firm) if not event[2].get("new", {}).get("proposed")]


def states() -> dict[str, int]:
    """How many entries of the books are in which state."""
    found: dict[str, int] = {}
    for state in LedgerRow.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found
