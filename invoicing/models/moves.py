"""Every move of an invoice and of a ledger row from one state to another, declared once (design sections 3, 6 and 7).

A verb moves rows by ``move``, which refuses what is not declared here, and takes the type of its audit event from the
same table. A trigger refuses the rest, whoever writes (see ``triggers``). ``manage.py moves`` prints the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any, NamedTuple

from django.db.models import Model, QuerySet

from invoicing.models.invoices.invoice import Invoice
from invoicing.models.ledger import LedgerRow

BEGIN = ""
"""The origin of a row that is made."""


class Who(StrEnum):
    """Who causes a move. A worker that comes late acts on what it asked or read before the row moved on."""

    PERSON = "a person"
    WORKER = "a worker"
    CHANGE = "a change in Toggl or of a rule"
    LATE = "a worker that comes late"


@dataclass(frozen=True, slots=True)
class Move:
    """One declared move. ``event``: its type in the audit log, or None where the log has none; ``why`` says what then.

    A pair of states that is declared twice has two causes, each with an event of its own. Every move of an invoice's
    status and delivery has one: both follow from the invoice's events (``ledger.audit_trail``). ``was_silent``: code
    of before that rule made the move without an event.
    """

    origin: str
    target: str
    event: str | None
    who: Who
    why: str
    was_silent: bool = False


class Undeclared(Exception):
    """A verb asked for a move that no table declares: a fault of the program."""


class Step(NamedTuple):
    """What a verb asks of a column: from one of these states to that one. An origin that is the target stays."""

    origins: str | Iterable[str]
    target: str


@dataclass(frozen=True, slots=True)
class Table:
    """All moves of one column. ``ends``: the states in which a row may rest for ever."""

    model: type[Model]
    column: str
    ends: frozenset[str]
    moves: tuple[Move, ...]

    @property
    def begins(self) -> frozenset[str]:
        """The states in which a row may be made."""
        return frozenset(move.target for move in self.moves if move.origin == BEGIN)

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """(from, to) of rows that exist."""
        return frozenset((move.origin, move.target) for move in self.moves if move.origin != BEGIN)

    def origins(self, target: str) -> frozenset[str]:
        """From which states a row may get there."""
        return frozenset(origin for origin, found in self.pairs if found == target)

    def event(self, origin: str, target: str, *, who: Who | None = None) -> str:
        """The type of the audit event of a move; of two causes ``who``'s, or the first named. Raises ``Undeclared``."""
        for move in self.moves:
            if (move.origin, move.target) == (origin, target) and move.event is not None and who in (None, move.who):
                return move.event
        raise Undeclared(f"no event is declared for {self._said(origin, target)}")

    def begin(self, row: Model, state: str) -> None:
        """Set the first state of a row that is not saved yet. Raises ``Undeclared``."""
        if state not in self.begins:
            raise Undeclared(self._said(BEGIN, state))
        setattr(row, self.column, state)

    def check(self, step: Step) -> frozenset[str]:
        """The states that a step starts from. Raises ``Undeclared`` when one of its moves is not declared."""
        origins = frozenset({step.origins} if isinstance(step.origins, str) else step.origins)
        for origin in sorted(origins - {step.target} - self.origins(step.target)):
            raise Undeclared(self._said(origin, step.target))
        return origins

    def _said(self, origin: str, target: str) -> str:
        return f"{self.column} of {self.model.__name__} from {origin or 'nothing'} to {target}"


def move(rows: QuerySet[Any], **fields: object) -> int:
    """Update those rows that are at an origin of each ``Step``; returns how many that were.

    ``fields``: a ``Step`` for each column that has a table here, and plain values for the columns that go with it.
    Raises ``Undeclared`` for a move that no table has, or a state that is not given as a step.
    """
    tables = {table.column: table for table in TABLES if table.model is rows.model}
    values = dict(fields)
    for column, table in tables.items():
        if column in fields:
            step = fields[column]
            if not isinstance(step, Step):
                raise Undeclared(f"{column} of {table.model.__name__} is moved by a Step, not set")
            rows = rows.filter(**{f"{column}__in": table.check(step)})
            values[column] = step.target
    return rows.update(**values)


def _each(origins: Iterable[str], targets: Iterable[str], event: str | None, who: Who, why: str) -> Iterator[Move]:
    """From each of these states to each other of those."""
    for origin, target in product(origins, targets):
        if origin != target:
            yield Move(origin, target, event, who, why)


_S = Invoice.Status
STATUS = Table(
    Invoice,
    "status",
    ends=frozenset({_S.POSTED, _S.VOID}),
    moves=(
        Move(BEGIN, _S.DRAFT, "invoice_drafted", Who.WORKER, "a run drafts hours"),
        Move(BEGIN, _S.APPROVED, "invoice_approved", Who.PERSON, "made in place of a replaced one"),
        Move(_S.DRAFT, _S.APPROVED, "invoice_approved", Who.PERSON, "approved"),
        Move(_S.DRAFT, _S.VOID, "invoice_void", Who.PERSON, "dropped, or no hour left on it"),
        Move(_S.APPROVED, _S.POSTING, "invoice_posting", Who.WORKER, "claimed, key and body on record"),
        Move(_S.APPROVED, _S.VOID, "invoice_void", Who.PERSON, "dropped"),
        Move(_S.POSTING, _S.POSTED, "invoice_posted", Who.WORKER, "Billit took it"),
        Move(_S.POSTING, _S.REFUSED, "invoice_refused", Who.WORKER, "Billit said no"),
        Move(_S.POSTING, _S.IN_DOUBT, "invoice_in_doubt", Who.WORKER, "no clear answer, or the worker died"),
        Move(
            *(_S.POSTING, _S.APPROVED, "invoice_not_posted"),
            *(Who.WORKER, "surely not sent, later with the same key"),
            was_silent=True,
        ),
        Move(_S.IN_DOUBT, _S.POSTED, "invoice_adopted", Who.WORKER, "found at Billit"),
        Move(
            *(_S.IN_DOUBT, _S.APPROVED, "invoice_not_found"),
            *(Who.WORKER, "not found at Billit, again with the same key"),
            was_silent=True,
        ),
        Move(_S.IN_DOUBT, _S.APPROVED, "invoice_approved", Who.PERSON, "posted anew with a new key"),
        Move(_S.REFUSED, _S.APPROVED, "invoice_approved", Who.PERSON, "mended and approved again"),
        Move(_S.REFUSED, _S.VOID, "invoice_void", Who.PERSON, "dropped"),
        Move(_S.POSTED, _S.VOID, "invoice_void", Who.PERSON, "unsent order deleted, hours billed anew"),
        *_each([_S.IN_DOUBT, _S.APPROVED, _S.REFUSED], [_S.POSTED], "invoice_posted", Who.LATE, "Billit took it"),
        *_each([_S.POSTING, _S.APPROVED, _S.REFUSED], [_S.POSTED], "invoice_adopted", Who.LATE, "found at Billit"),
    ),
)

_D = Invoice.Delivery
DELIVERY = Table(
    Invoice,
    "delivery",
    ends=frozenset({_D.SENT, _D.DELIVERED, _D.REFUSED}),
    moves=(
        Move(BEGIN, _D.NOT_SENT, None, Who.WORKER, "made with the invoice"),
        Move(
            *(_D.NOT_SENT, _D.SENDING, "invoice_sending"),
            *(Who.WORKER, "claimed, key on record"),
            was_silent=True,
        ),
        Move(_D.SENDING, _D.SENT, "invoice_sent", Who.WORKER, "Billit took it"),
        Move(_D.SENDING, _D.FAILED, "invoice_send_refused", Who.WORKER, "Billit said no"),
        Move(_D.SENDING, _D.IN_DOUBT, "invoice_send_in_doubt", Who.WORKER, "no clear answer"),
        Move(_D.SENDING, _D.NOT_SENT, "invoice_not_sent", Who.WORKER, "surely not sent, later", was_silent=True),
        Move(_D.IN_DOUBT, _D.SENT, "invoice_sent", Who.WORKER, "Billit shows it as sent"),
        Move(_D.IN_DOUBT, _D.NOT_SENT, "invoice_not_sent", Who.WORKER, "Billit shows it as not sent", was_silent=True),
        Move(_D.IN_DOUBT, _D.FAILED, "invoice_send_refused", Who.WORKER, "key used, and not sent"),
        Move(_D.FAILED, _D.SENDING, "invoice_sending", Who.PERSON, "sent again", was_silent=True),
        Move(_D.FAILED, _D.NOT_SENT, "invoice_void", Who.PERSON, "its order is replaced"),
        *_each([_D.NOT_SENT, _D.FAILED], [_D.SENT], "invoice_sent", Who.LATE, "Billit took it"),
        *_each([_D.NOT_SENT, _D.FAILED], [_D.SENT], "invoice_sent", Who.PERSON, "sent in Billit itself"),
        Move(_D.SENT, _D.DELIVERED, "invoice_delivered", Who.WORKER, "Billit shows it as delivered"),
        Move(_D.SENT, _D.REFUSED, "invoice_delivery_refused", Who.WORKER, "it could not be delivered, or was refused"),
        Move(_D.DELIVERED, _D.REFUSED, "invoice_delivery_refused", Who.WORKER, "the receiver refused it later"),
        Move(_D.REFUSED, _D.DELIVERED, "invoice_delivered", Who.WORKER, "Billit shows it as delivered after all"),
    ),
)

_P = Invoice.Payment
PAYMENT = Table(
    Invoice,
    "payment",
    ends=frozenset({_P.PAID}),
    moves=(
        Move(BEGIN, _P.OPEN, None, Who.WORKER, "made with the invoice"),
        Move(_P.OPEN, _P.PAID, "invoice_paid", Who.WORKER, "read back from Billit"),
    ),
)

_L = LedgerRow.State
_JUDGED = (_L.RUNNING, _L.NOT_BILLABLE, _L.OPEN, _L.ATTENTION, _L.COVERED, _L.ON_ACCOUNT, _L.DELETED)
"""What the rules say of an entry that nobody decided on and nothing bills."""
_UNDECIDED = (_L.OPEN, _L.ATTENTION, _L.ON_ACCOUNT)
_NOT_TO_BILL = (_L.RUNNING, _L.NOT_BILLABLE, _L.COVERED, _L.DELETED)
"""What the rules say of an entry whatever a person decided; once it is to be billed again, the decision holds again."""
_DECIDED = (_L.HELD, _L.WRITTEN_OFF, _L.CREDITED)
STATE = Table(
    LedgerRow,
    "state",
    ends=frozenset({_L.NOT_BILLABLE, _L.WRITTEN_OFF, _L.INVOICED, _L.CREDITED, _L.COVERED, _L.PREPAID, _L.DELETED}),
    moves=(
        *_each([BEGIN], _JUDGED, None, Who.CHANGE, "mirrored"),
        *_each(_JUDGED, _JUDGED, None, Who.CHANGE, "judged anew"),
        *_each(_DECIDED, _NOT_TO_BILL, None, Who.CHANGE, "judged anew, not to be billed whatever was decided"),
        *_each(_NOT_TO_BILL, _DECIDED, None, Who.CHANGE, "judged anew, and what was decided holds again"),
        *_each(_UNDECIDED, [_L.HELD], "entry_held", Who.PERSON, "held"),
        *_each([_L.HELD], _UNDECIDED, "entry_opened", Who.PERSON, "released"),
        *_each([*_UNDECIDED, _L.HELD], [_L.WRITTEN_OFF], "entry_written_off", Who.PERSON, "written off"),
        *_each([_L.WRITTEN_OFF, _L.CREDITED], _UNDECIDED, "entry_opened", Who.PERSON, "opened again"),
        *_each(
            [_L.ATTENTION],
            [_L.OPEN, _L.ON_ACCOUNT],
            "entry_confirmed",
            Who.PERSON,
            "to be billed as it stands, doubts or not",
        ),
        Move(_L.OPEN, _L.DRAFTED, "invoice_drafted", Who.WORKER, "on a draft"),
        Move(_L.ON_ACCOUNT, _L.DRAFTED, "invoice_drafted", Who.WORKER, "settled on a draft"),
        *_each(
            [state for state in _JUDGED if state not in (_L.OPEN, _L.ON_ACCOUNT)],
            [_L.DRAFTED],
            "invoice_drafted",
            Who.LATE,
            "on a draft that read it before it changed",
        ),
        *_each([_L.DRAFTED], _JUDGED, None, Who.PERSON, "off its invoice, which was redrawn or dropped"),
        Move(_L.DRAFTED, _L.INVOICED, "invoice_posted", Who.WORKER, "its invoice is posted"),
        Move(_L.DRAFTED, _L.INVOICED, "invoice_adopted", Who.WORKER, "its invoice is found at Billit"),
        *_each([_L.INVOICED], _JUDGED, None, Who.PERSON, "its invoice was replaced or credited"),
        Move(_L.OPEN, _L.PREPAID, "hours_drawn", Who.WORKER, "a block of prepaid hours pays it"),
        Move(_L.ATTENTION, _L.PREPAID, None, Who.CHANGE, "its agreement covers it again"),
        *_each([_L.PREPAID], _JUDGED, None, Who.CHANGE, "it changed, or its block was replaced or credited"),
        Move(_L.INVOICED, _L.CREDITED, "invoice_credited", Who.PERSON, "credited, and not billed again"),
    ),
)

TABLES = (STATUS, DELIVERY, PAYMENT, STATE)
