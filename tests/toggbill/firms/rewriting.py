"""What somebody can do to a firm's log who has the rights of the database's owner, and knows how it is chained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection

from toggbill.database import triggers
from toggbill.firms import audit
from toggbill.firms.models import AuditEvent, Firm

Events = list[dict[str, Any]]


def unlock(table: str = AuditEvent._meta.db_table) -> None:
    """Take the triggers of a table away."""
    connection.check_constraints()  # what PostgreSQL checks at commit hinders a change of the table
    triggers.remove(connection, table)


def rewrite(firm: Firm, change: Callable[[Events], Events]) -> None:
    """Change the events of a firm and chain them anew, numbers and head included: the chain holds afterwards."""
    unlock()
    columns = ("at", "actor", "origin", "type", "subject", "data")
    events = change(list(AuditEvent.objects.for_firm(firm).order_by("number").values(*columns)))
    AuditEvent.objects.for_firm(firm).delete()
    digest = audit.FIRST_HASH
    for number, event in enumerate(events, start=1):
        digest = audit.link(digest, audit.canonical(number=number, firm=firm.slug, **event))
        AuditEvent.objects.create(firm=firm, number=number, hash=digest, **event)
    Firm.objects.filter(pk=firm.pk).update(audit_number=len(events), audit_hash=digest)
    assert audit.verify(firm=firm).ok, "the chain alone tells nothing"


def renamed(type: str, actor: str) -> Callable[[Events], Events]:
    """Another actor for the events of a type."""
    return lambda events: [event | ({"actor": actor} if event["type"] == type else {}) for event in events]


def without(*types: str) -> Callable[[Events], Events]:
    """The events of these types taken out."""
    return lambda events: [event for event in events if event["type"] not in types]
