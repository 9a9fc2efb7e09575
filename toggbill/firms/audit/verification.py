"""Whether a firm's audit log holds: its chain, and whatever else can testify to it (design section 9).

The chain alone proves little to somebody who fears whoever may write in the database: it can be computed anew. So
witnesses are heard, too: the anchors of earlier nights (``anchors``), and the rows that the events tell of
(``invoicing.ledger.audit_trail``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from django.db import connection, transaction

from toggbill.firms.audit.chain import FIRST_HASH, link, text_of
from toggbill.firms.models import AuditEvent, Firm


@dataclass(frozen=True, slots=True)
class Doubt:
    """What a witness has against the log, in a sentence.

    ``number``: the first event that does not fit; None where an event is missing, and nobody can say which.
    """

    number: int | None
    sentence: str


class Witness(Protocol):
    """Hears every event of one firm in the order of the numbers, and says then what does not agree with them."""

    def hear(self, event: AuditEvent) -> None:
        """The next event."""

    def doubts(self) -> Iterable[Doubt]:
        """After the last event. Rows that it reads are of the same moment as the events."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of one firm's log found.

    ``first_bad``: number of the first event that does not fit; one more than there are events where events are missing
    and nobody can say which. ``sentences``: every doubt, for people.
    """

    firm: str
    events: int
    ok: bool
    first_bad: int | None
    sentences: tuple[str, ...] = ()


def verify(*, firm: Firm, witnesses: Sequence[Witness] = ()) -> Verification:
    """Recompute the firm's chain and hear the witnesses. Finds an edit, a gap, another order and a cut-off end.

    Everything is read as of one moment, so that a site at work is not doubted for what it writes meanwhile.
    """
    with one_moment():
        firm = Firm.objects.get(pk=firm.pk)
        previous, expected, count = FIRST_HASH, 1, 0
        doubts: list[Doubt] = []
        for event in AuditEvent.objects.for_firm(firm).order_by("number").iterator(chunk_size=2000):
            count += 1
            if not doubts:
                if event.number != expected or event.hash != link(previous, text_of(event, firm)):
                    doubts.append(Doubt(expected, f"The chain does not hold from event {expected} on."))
                previous, expected = event.hash, expected + 1
            for witness in witnesses:
                witness.hear(event)
        if not doubts and (firm.audit_number != count or firm.audit_hash != previous):
            number = min(firm.audit_number, count) + 1
            doubts.append(Doubt(number, f"The chain ends at event {count}, the firm's head at {firm.audit_number}."))
        doubts += [doubt for witness in witnesses for doubt in witness.doubts()]
    numbers = [count + 1 if doubt.number is None else doubt.number for doubt in doubts]
    return Verification(
        firm=firm.slug,
        events=count,
        ok=not doubts,
        first_bad=min(numbers, default=None),
        sentences=tuple(doubt.sentence for doubt in doubts),
    )


@contextmanager
def one_moment() -> Iterator[None]:
    """A transaction that sees nothing which others commit meanwhile; within another one, what that one sees."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield
