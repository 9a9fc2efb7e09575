"""Moves of entries from one state to another with the invoice that holds them: drafted, invoiced, credited, free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Max, OuterRef, Q, QuerySet, Subquery

from integrations.models import Project
from invoicing.ledger import write_backs
from invoicing.ledger.agreements import blocks
from invoicing.ledger.facts.books import Facts
from invoicing.ledger.locks import elsewhere, lock_entries, mark, portions
from invoicing.ledger.states import differences
from invoicing.ledger.states.derive import derive_entries
from invoicing.models import Claim, Correction, Deduction, Dossier, Invoice, InvoiceLine, LedgerRow, moves
from invoicing.models.moves import STATE, Step
from toggbill.firms.audit import News

_CHUNK = 2000
_State = LedgerRow.State
# A run leaves what it redraws drafted.
_TO_DRAFTED = Step([*STATE.origins(_State.DRAFTED), _State.DRAFTED], _State.DRAFTED)


def claimed(*, entries: Sequence[int]) -> None:
    """The entries (row ids), which the caller has locked, are on a draft now."""
    for start in range(0, len(entries), _CHUNK):
        part = entries[start : start + _CHUNK]
        moves.move(LedgerRow.objects.filter(entry__in=part), state=_TO_DRAFTED, reason="", agreement=None)


def lock(*, invoices: Sequence[Invoice]) -> None:
    """Lock the entries on invoices and, of credit notes, those that are free when a fee that covers them is taken
    back."""
    holding = Q(line__invoice__in=[invoice.pk for invoice in invoices])
    noted = [invoice.pk for invoice in invoices if invoice.kind == Invoice.Kind.CREDIT_NOTE]
    reached: list[int] = []
    if noted:
        holding |= Q(line__taken_back_by__invoice__in=noted)
        blocks_of = InvoiceLine.objects.filter(taken_back_by__invoice__in=noted, kind=InvoiceLine.Kind.BLOCK)
        reached = _reached(blocks_of)
    lock_entries([*Claim.objects.live().filter(holding).values_list("entry", flat=True), *reached])


def _reached(lines: QuerySet[InvoiceLine]) -> list[int]:
    """The entries (row ids) that are judged anew when the blocks on these lines come or go."""
    agreements = set(lines.values_list("agreement", flat=True))
    found = list[int]()
    for dossier in Dossier.objects.filter(agreements__in=agreements).distinct().select_related("workspace__firm"):
        judge = Facts.load(dossier.workspace, of=dossier).judges[dossier.pk]
        found += blocks.undecided(dossier.pk, judge, agreements)
    return found


def invoiced(*, invoices: Sequence[Invoice], now: datetime) -> None:
    """Invoices were posted: their entries, which the caller has locked, are invoiced.

    Those that changed in Toggl meanwhile are judged at once.
    """
    live = Claim.objects.live().filter(line__invoice__in=invoices)
    project = Project.objects.filter(
        workspace=OuterRef("entry__workspace"), remote_id=OuterRef("entry__project_remote_id")
    )
    client = Subquery(project.values("client_remote_id")[:1])
    billed = [_Billed(*row) for row in live.annotate(client_now=client).values_list(*_Billed._fields)]
    rows = LedgerRow.objects.filter(entry__pk__one_of=[row.entry for row in billed])
    moves.move(rows, state=Step(_State.DRAFTED, _State.INVOICED))
    write_backs.follow(entries=[row.entry for row in billed if row.kind != Claim.Kind.DIFFERENCE], now=now)
    derive_entries(entries=[row.entry for row in billed if row.is_to_judge()], now=now)


class _Billed(NamedTuple):
    """A claim beside its entry as it is mirrored now, and the entry's client; the names are those of the columns."""

    kind: str
    seconds: int
    started_at: datetime
    billable: bool
    tags: list[str]
    project_remote_id: int | None
    client_remote_id: int | None
    entry: int
    entry__seconds: int
    entry__started_at: datetime
    entry__billable: bool
    entry__deleted_at: datetime | None
    entry__tags: list[str]
    entry__project_remote_id: int | None
    client_now: int | None

    def is_to_judge(self) -> bool:
        """Whether the entry is no longer what was billed, words apart."""
        # A difference is settled by this: what is left of it, if anything, is judged anew.
        if self.kind == Claim.Kind.DIFFERENCE or self.entry__deleted_at is not None:
            return True
        now_is = (self.entry__seconds, self.entry__started_at, sorted(self.entry__tags), self.entry__billable)
        if now_is != (self.seconds, self.started_at, sorted(self.tags), self.billable):
            return True
        return (self.entry__project_remote_id, self.client_now) != (self.project_remote_id, self.client_remote_id)


def credited(*, note: Invoice, now: datetime) -> list[int]:
    """A credit note was posted: exactly the claims that it takes back are released; gives their entries' Toggl ids.

    The entries, which the caller has locked, are judged at once: open again when they shall be billed again, else
    credited until a person opens them.
    """
    credits = Claim.objects.live().of_credits().filter(line__invoice=note)
    entries = dict(credits.values_list("entry_id", "entry__remote_id"))
    Claim.objects.live().filter(pk__in=credits.values("takes_back")).update(released_at=now)
    taken_back = InvoiceLine.objects.filter(taken_back_by__invoice=note)
    covered = _free_periods(taken_back.exclude(kind=InvoiceLine.Kind.ADVANCE), now)
    write_backs.follow(entries={*entries, *covered}, now=now)
    if not note.rebill:
        rows = LedgerRow.objects.filter(entry__in=entries)
        rows.update(decision=LedgerRow.Decision.CREDITED, decision_text=note.reference)
    judged = {*entries, *covered}
    judged.update(_reached(taken_back.filter(kind=InvoiceLine.Kind.BLOCK)))
    derive_entries(entries=[*judged, *elsewhere(judged)], now=now)
    return sorted(entries.values())


def _free_periods(lines: QuerySet[InvoiceLine], now: datetime) -> list[int]:
    """Lines of agreements bill their periods no more, hold no hours and take off no advance; gives the entries (row
    ids) of the hours."""
    rows = InvoiceLine.objects.live().filter(pk__in=lines.values("pk"), agreement__isnull=False)
    freed = list(rows.values_list("pk", flat=True))
    claims = Claim.objects.live().agreed().filter(line__in=freed)
    entries = list(claims.values_list("entry_id", flat=True))
    claims.update(released_at=now)
    Deduction.objects.live().filter(line__in=freed).update(released_at=now)
    InvoiceLine.objects.filter(pk__in=freed).update(released_at=now)
    return entries


def credit_dropped(*, note: Invoice, now: datetime) -> list[News]:
    """A credit note is not wanted: the corrections that it should have settled are open again, one per entry."""
    settled = Correction.objects.filter(settlement=note, decision=Correction.Decision.CREDITED)
    latest = settled.values("entry").annotate(latest=Max("pk")).values("latest")
    again = list(settled.filter(pk__in=latest).values_list("pk", flat=True))
    settled.exclude(pk__in=again).update(decision=Correction.Decision.GONE, settlement=None, decided_at=now)
    settled.filter(pk__in=again).update(
        decision=Correction.Decision.OPEN, settlement=None, decided_at=None, decided_by="", note=""
    )
    opened = Correction.objects.filter(pk__in=again).select_related("entry", "invoice").order_by("pk")
    return [differences.news("correction_opened", correction, correction.entry) for correction in opened]


def release(*, invoice: Invoice, now: datetime) -> list[int]:
    """Free the entries of an invoice's live claims, which stay as history, and the periods of its agreements' lines.

    The entries, and the same ones in workspaces that they were moved to (row ids), are marked: to be judged again."""
    claims = Claim.objects.live().filter(line__invoice=invoice)
    entries = list(claims.values_list("entry_id", flat=True))
    claims.update(released_at=now)
    # What its annex listed of earlier fees is listed by the next.
    Claim.objects.live().covered().filter(listed_on=invoice).update(listed_on=None)
    _free_periods(InvoiceLine.objects.filter(invoice=invoice), now)
    write_backs.follow(entries=entries, now=now)
    if invoice.block_of_id is not None:
        entries += _reached(InvoiceLine.objects.filter(invoice=invoice, kind=InvoiceLine.Kind.BLOCK))
    entries += elsewhere(entries)
    mark(entries=entries, now=now)
    return entries


def drawn(*, entries: Mapping[int, Sequence[int]], now: datetime) -> None:
    """Blocks of prepaid hours pay entries (row ids, by agreement), which the caller has locked and claims next."""
    every = [pk for some in entries.values() for pk in some]
    origins = STATE.origins(_State.PREPAID)
    stale = LedgerRow.objects.filter(entry__in=every).exclude(state__in=origins)
    # What changed since it was judged is judged first.
    derive_entries(entries=list(stale.values_list("entry", flat=True)), now=now)
    for agreement, some in entries.items():
        for part in portions(some):
            rows = LedgerRow.objects.filter(entry__in=part)
            moves.move(rows, state=Step(origins, _State.PREPAID), reason="", agreement=agreement)
