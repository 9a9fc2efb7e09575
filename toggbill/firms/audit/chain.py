"""The audit chain (design section 9): the one place where audit events are written.

The event that is hashed is ``{"number","firm","at","actor","origin","type","subject","data"}`` as JSON with sorted
keys, no blanks, UTF-8, ``at`` in UTC with microseconds; ``hash = SHA-256(previous hash as hex + that JSON)``; the
first previous hash is 64 zeros.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext

from toggbill.firms.models import AuditEvent, Firm, User

FIRST_HASH = "0" * 64
# What may still happen in a closed firm: who reads its books, that they are taken along, and Billit's answer to what
# was under way when it closed: an order that exists must be on record.
AFTER_CLOSING = (
    "member_",
    "sign_in_",
    "operator_",
    "firm_exported",
    "evidence_made",
    "invoice_posted",
    "invoice_adopted",
    "invoice_refused",
    "invoice_in_doubt",
    "invoice_not_posted",
    "invoice_not_found",
    "invoice_sent",
    "invoice_send_",
    "invoice_not_sent",
)


class Closed(PermissionDenied):
    """The firm is closed: its books are read, and no verb changes them. On a page that is a 403."""


class Authority(StrEnum):
    """By what right somebody acts. A verb that asks for a right refuses who has none (``access.holds``)."""

    NONE = "none"
    MEMBER = "member"  # the role in the firm, as it is when the verb asks
    SCHEDULE = "schedule"  # the dossier's mode
    OPERATOR = "operator"  # whoever runs the site, in the admin
    COMMAND = "command"  # whoever may run commands on the machine


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, from where, and by what right: ``by=`` of every verb.

    ``member``: the membership's row id; ``user``: the account's, which stays when its address changes.
    """

    name: str
    origin: str
    authority: Authority = Authority.NONE
    member: int | None = None
    user: int | None = None

    @classmethod
    def schedule(cls) -> Actor:
        """The dossier's own schedule, through a worker."""
        return cls("schedule", "worker", Authority.SCHEDULE)

    @classmethod
    def command(cls) -> Actor:
        """A person at the command line of the machine."""
        return cls("operator", "command", Authority.COMMAND)

    @classmethod
    def person(cls, user: User, origin: str) -> Actor:
        """Somebody with an account, whose role in a firm does not matter to what is done."""
        return cls(user.email, origin, user=user.pk)


@dataclass(frozen=True, slots=True)
class News:
    """An event before it has a number: type, what it is about, details (JSON values, no secret)."""

    type: str
    subject: str
    data: dict[str, Any]


def canonical(
    *, number: int, firm: str, at: datetime, actor: str, origin: str, type: str, subject: str, data: dict[str, Any]
) -> str:
    """The JSON text that is hashed."""
    event = {
        "number": number,
        "firm": firm,
        "at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "actor": actor,
        "origin": origin,
        "type": type,
        "subject": subject,
        "data": data,
    }
    return json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def link(previous: str, text: str) -> str:
    """The hash of an event, given the hash before it."""
    return hashlib.sha256((previous + text).encode()).hexdigest()


def check_open(firm: Firm) -> None:
    """Raises ``Closed`` for a firm that left: for the few steps that change a row and are no news."""
    closed_at = Firm.objects.values_list("closed_at", flat=True).get(pk=firm.pk)
    if closed_at is not None:
        raise _closed(firm.slug, closed_at)


def _closed(slug: str, at: datetime) -> Closed:
    told = {"firm": slug, "day": f"{at:%d/%m/%Y}"}
    return Closed(gettext("Firm %(firm)s was closed on %(day)s: its books are only read.") % told)


@transaction.atomic
def record(*, firm: Firm, news: Iterable[News], by: Actor, now: datetime) -> None:
    """Append events to the firm's log, in the caller's transaction. The firm's row is locked: numbers have no gap.

    Every verb that changes something ends here, so here a closed firm is refused: raises ``Closed``, and the caller's
    transaction undoes what the verb did.
    """
    news = list(news)
    # Without the key: a row that merely refers to the firm, as every row does, need not wait for this.
    head = (
        Firm.objects.select_for_update(no_key=True)
        .only("slug", "audit_number", "audit_hash", "closed_at")
        .get(pk=firm.pk)
    )
    if head.closed_at is not None and not all(item.type.startswith(AFTER_CLOSING) for item in news):
        raise _closed(head.slug, head.closed_at)
    events = []
    for item in news:
        number = head.audit_number + 1
        text = canonical(
            number=number,
            firm=head.slug,
            at=now,
            actor=by.name,
            origin=by.origin,
            type=item.type,
            subject=item.subject,
            data=item.data,
        )
        head.audit_number, head.audit_hash = number, link(head.audit_hash, text)
        events.append(
            AuditEvent(
                firm=head,
                number=number,
                at=now,
                actor=by.name,
                origin=by.origin,
                type=item.type,
                subject=item.subject,
                data=item.data,
                hash=head.audit_hash,
            )
        )
    if events:
        AuditEvent.objects.bulk_create(events, batch_size=500)
        head.save(update_fields=["audit_number", "audit_hash"])


def export(*, firm: Firm, after: int = 0) -> Iterator[str]:
    """The log after the event of that number as JSON Lines: each line is the hashed object plus ``"hash"``."""
    events = AuditEvent.objects.for_firm(firm).filter(number__gt=after)
    for event in events.order_by("number").iterator(chunk_size=2000):
        line = json.loads(text_of(event, firm)) | {"hash": event.hash}
        yield json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def text_of(event: AuditEvent, firm: Firm) -> str:
    """The JSON text of a stored event that is hashed."""
    return canonical(
        number=event.number,
        firm=firm.slug,
        at=event.at,
        actor=event.actor,
        origin=event.origin,
        type=event.type,
        subject=event.subject,
        data=event.data,
    )
