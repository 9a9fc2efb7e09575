"""Whether the rows follow from the audit log (design section 9), so that a rewritten log is found by what it told of.

Followed event by event, through the declared moves (``models.moves``): status, delivery, payment, order id and approver
of every invoice; the files of its annex of hours; what a person decided of every entry; who started every run. An event
that makes no declared move does not fit, so an approval cannot be taken out; every row needs its events and every event
its row.

**Events of before every move had one.** Code of that time made the moves that are declared ``was_silent`` without an
event. ``Firm.audit_silent_through`` is the number of the latest event of that code (0 for a firm that has none): up to
it such a move may have happened between two events of an invoice, after it none may. In the same way an entry that left
the books lost what was decided of it; since then that is an event, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from invoicing.models import Annex, Dossier, Invoice, LedgerRow, Run
from invoicing.models.moves import BEGIN, DELIVERY, PAYMENT, STATE, STATUS, Table
from toggbill.firms import audit
from toggbill.firms.audit import Doubt, Verification
from toggbill.firms.models import AuditEvent, Firm

_Status = Invoice.Status
_Decision = LedgerRow.Decision
_TABLES = (STATUS, DELIVERY, PAYMENT)
_EVENTS = {table: frozenset(move.event for move in table.moves) - {None} for table in _TABLES}
_DRAFTED = STATUS.event(BEGIN, _Status.DRAFT)
_APPROVED = STATUS.event(_Status.DRAFT, _Status.APPROVED)
_POSTING = STATUS.event(_Status.APPROVED, _Status.POSTING)
_ORDERED = {STATUS.event(_Status.POSTING, _Status.POSTED), STATUS.event(_Status.IN_DOUBT, _Status.POSTED)}
_SENDING = DELIVERY.event(Invoice.Delivery.NOT_SENT, Invoice.Delivery.SENDING)
_SENT = DELIVERY.event(Invoice.Delivery.SENDING, Invoice.Delivery.SENT)
_CREDITED = STATE.event(LedgerRow.State.INVOICED, LedgerRow.State.CREDITED)
_ANNEX_FROZEN, _ANNEX_DROPPED = "annex_frozen", "annex_dropped"
# A draft that is redrawn stays one, and what is void is not sent, whether or not its delivery had failed.
_STAYING = {(STATUS, _DRAFTED), (DELIVERY, STATUS.event(_Status.DRAFT, _Status.VOID))}
_DECISIONS = {
    STATE.event(LedgerRow.State.OPEN, LedgerRow.State.HELD): _Decision.HELD,
    STATE.event(LedgerRow.State.OPEN, LedgerRow.State.WRITTEN_OFF): _Decision.WRITTEN_OFF,
    STATE.event(LedgerRow.State.HELD, LedgerRow.State.OPEN): _Decision.NONE,
}


def verify(*, firm: Firm, witnesses: tuple[audit.Witness, ...] = ()) -> Verification:
    """Check the firm's chain, the rows against it, and what further witnesses say."""
    return audit.verify(firm=firm, witnesses=(Trail(firm), *witnesses))


@dataclass(slots=True)
class _Life:
    """What the events of an invoice lead to; ``states``: those that its columns may have by now."""

    latest: int
    states: dict[Table, set[str]] = field(
        default_factory=lambda: {
            STATUS: {BEGIN},
            DELIVERY: {Invoice.Delivery.NOT_SENT},
            PAYMENT: {Invoice.Payment.OPEN},
        }
    )
    keys: set[object] = field(default_factory=set)
    order_id: int | None = None
    approved_by: str | None = None
    annex: Mapping[str, object] | None = None
    rebill: bool = True


@dataclass(frozen=True, slots=True)
class _Told:
    """What the latest event of an entry or a run says, and the event's number."""

    number: int
    value: str


class Trail:
    """The witness of one firm's rows."""

    def __init__(self, firm: Firm) -> None:
        self._firm = firm
        self._silent_through = Firm.objects.values_list("audit_silent_through", flat=True).get(pk=firm.pk)
        self._lives: dict[str, _Life] = {}
        self._decisions: dict[int, _Told] = {}
        self._runs: dict[tuple[str, str], _Told] = {}
        self._found: list[Doubt] = []

    def hear(self, event: AuditEvent) -> None:
        """Follow the event."""
        kind, _, name = event.subject.partition(" ")
        if event.type in {_ANNEX_FROZEN, _ANNEX_DROPPED}:
            self._hear_annex(event, name)
        elif kind == "invoice":
            self._hear_invoice(event, name)
        elif event.type in _DECISIONS:
            self._decisions[int(name)] = _Told(event.number, _DECISIONS[event.type])
        elif event.type == "run":
            self._runs[name, str(event.data.get("through"))] = _Told(event.number, event.actor)

    def _hear_invoice(self, event: AuditEvent, reference: str) -> None:
        life = self._lives.setdefault(reference, _Life(event.number))
        was = frozenset(life.states[STATUS])
        life.latest = event.number
        for table in _TABLES:
            if event.type in _EVENTS[table]:
                self._move(life, table, event)
        if event.number <= self._silent_through:
            for table in _TABLES:
                life.states[table] = _silently(table, life.states[table])
        if event.type == _DRAFTED:
            life.rebill = bool(event.data.get("rebill", True))
        elif event.type in {_POSTING, _SENDING}:
            life.keys.add(event.data.get("key"))
        elif event.type in _ORDERED:
            # A late answer settles an invoice from wherever it fell back to, but only one that was posted.
            if event.data.get("key") not in life.keys:
                self._unfollowed(event, "which was never posted with that key")
            life.order_id = event.data.get("order_id")
        elif event.type == _SENT:
            self._hear_sent(life, event)
        elif event.type == _APPROVED and _Status.IN_DOUBT not in was:
            life.approved_by = event.actor
        elif event.type == _CREDITED:
            self._hear_credit(event)

    def _hear_annex(self, event: AuditEvent, reference: str) -> None:
        life = self._lives.setdefault(reference, _Life(event.number))
        life.annex = event.data if event.type == _ANNEX_FROZEN else None

    def _hear_sent(self, life: _Life, event: AuditEvent) -> None:
        # Sent by hand has no key. A late answer settles it from wherever it fell back to, as that of a post does.
        if event.number > self._silent_through and event.data.get("key") not in {None, *life.keys}:
            self._unfollowed(event, "which was never sent with that key")

    def _move(self, life: _Life, table: Table, event: AuditEvent) -> None:
        origins = life.states[table]
        targets = {move.target for move in table.moves if move.event == event.type}
        reached = {move.target for move in table.moves if move.event == event.type and move.origin in origins}
        if (table, event.type) in _STAYING:
            reached |= targets & origins
        # The first event of every invoice is that it was drafted, one that is made in place of another included.
        if not reached or (BEGIN in origins and event.type != _DRAFTED):
            states = " or ".join(sorted(state or "not made yet" for state in origins))
            self._unfollowed(event, f"whose {table.column} is {states} by its events")
        life.states[table] = reached or targets

    def _unfollowed(self, event: AuditEvent, why: str) -> None:
        sentence = f"Event {event.number} does not follow: {event.type} of {event.subject}, {why}."
        self._found.append(Doubt(event.number, sentence))

    def _hear_credit(self, event: AuditEvent) -> None:
        note = self._lives.get(str(event.data.get("credit_note")))
        if note is not None and not note.rebill:
            for entry in event.data.get("entries", []):
                self._decisions[int(entry)] = _Told(event.number, _Decision.CREDITED)

    # --- the rows -----------------------------------------------------------------------------------------------------

    def doubts(self) -> Iterator[Doubt]:
        """Compare every row with what its events lead to."""
        yield from self._found
        yield from self._doubts_of_invoices()
        yield from self._doubts_of_annexes()
        yield from self._doubts_of_entries()
        yield from self._doubts_of_runs()

    def _doubts_of_invoices(self) -> Iterator[Doubt]:
        lives = dict(self._lives)
        columns = ("reference", "order_id", "approved_by", *(table.column for table in _TABLES))
        for row in Invoice.objects.for_firm(self._firm).order_by("pk").values(*columns).iterator():
            subject = f"invoice {row['reference']}"
            life = lives.pop(row["reference"], None)
            if life is None:
                yield Doubt(None, f"No event tells of {subject}.")
                continue
            for table in _TABLES:
                if row[table.column] not in life.states[table]:
                    states = " or ".join(sorted(life.states[table]))
                    yield Doubt(
                        None, f"The {table.column} of {subject} is {row[table.column]}; its events lead to {states}."
                    )
            if row["order_id"] != life.order_id:
                yield Doubt(None, f"The order of {subject} is {row['order_id']}, and {life.order_id} by its events.")
            if life.approved_by is not None and row["approved_by"] != life.approved_by:
                yield Doubt(
                    None,
                    f"{row['approved_by'] or 'Nobody'} approved {subject}, and {life.approved_by} by its events.",
                )
        for reference, life in lives.items():
            yield Doubt(life.latest, f"Event {life.latest} tells of invoice {reference}, which has no row.")

    def _doubts_of_annexes(self) -> Iterator[Doubt]:
        """The files themselves are hashed, since a row that was changed may name any hash."""
        # An invoice that is dropped before Billit had it loses its annex.
        told = {
            reference: life.annex
            for reference, life in self._lives.items()
            if life.annex is not None and _Status.VOID not in life.states[STATUS]
        }
        rows = Annex.objects.for_firm(self._firm).order_by("pk").select_related("invoice")
        for row in rows.iterator(chunk_size=20):
            subject = f"the annex of hours of invoice {row.invoice.reference}"
            life = self._lives.get(row.invoice.reference)
            frozen = told.pop(row.invoice.reference, None) or (life and life.annex)
            if not frozen:
                yield Doubt(None, f"No event tells of {subject}.")
                continue
            files = {"pdf": _sha256(bytes(row.pdf)), "csv": _sha256(bytes(row.csv))}
            if changed := [kind for kind, digest in files.items() if frozen.get(kind) != digest]:
                yield Doubt(None, f"The {' and the '.join(changed)} of {subject} are not those that were frozen.")
        for reference in told:
            yield Doubt(None, f"The annex of hours of invoice {reference} was frozen by its events, and has no row.")

    def _doubts_of_entries(self) -> Iterator[Doubt]:
        rows: dict[int, set[str]] = {}
        known = LedgerRow.objects.for_firm(self._firm).order_by("pk")
        for entry, decision in known.values_list("entry__remote_id", "decision").iterator():
            if decision or entry in self._decisions:
                rows.setdefault(entry, set()).add(decision)
        for entry in rows.keys() | self._decisions.keys():
            told = self._decisions.get(entry, _Told(0, _Decision.NONE))
            found = rows.get(entry, {_Decision.NONE})
            was_lost = found == {_Decision.NONE} and told.number <= self._silent_through
            # An entry that moved to another workspace has a row in both; a person decides on one of them.
            if told.value not in found and not was_lost:
                decisions = " and ".join(sorted(each or "undecided" for each in found))
                yield Doubt(
                    told.number or None,
                    f"Entry {entry} is {decisions}; by its events it is {told.value or 'undecided'}.",
                )

    def _doubts_of_runs(self) -> Iterator[Doubt]:
        runs = dict(self._runs)
        dossiers = dict(Dossier.objects.for_firm(self._firm).values_list("pk", "key"))
        rows = Run.objects.for_firm(self._firm).order_by("pk").values_list("dossier", "cut_off", "started_by")
        for dossier, cut_off, started_by in rows:
            told = runs.pop((dossiers[dossier], cut_off.isoformat()), None)
            subject = f"the run of dossier {dossiers[dossier]} through {cut_off}"
            if told is None:
                yield Doubt(None, f"No event tells of {subject}.")
            elif told.value != started_by:
                yield Doubt(told.number, f"{started_by} started {subject}, and {told.value} by its events.")
        for (key, through), told in runs.items():
            subject = f"a run of dossier {key} through {through}"
            yield Doubt(told.number, f"Event {told.number} tells of {subject}, which has no row.")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _silently(table: Table, states: set[str]) -> set[str]:
    """These states, and those that moves without an event led to from them."""
    reached = set(states)
    while more := {move.target for move in table.moves if move.was_silent and move.origin in reached} - reached:
        reached |= more
    return reached
