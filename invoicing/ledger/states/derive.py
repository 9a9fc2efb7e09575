"""The ledger (design section 6): the one state of every entry inside the books. Nowhere else is a ledger row written.

A sync, a mapping or a claim marks the entries that it touches; ``derive`` brings exactly those up to date.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from integrations.models import Company, Entry, Workspace
from invoicing.ledger.agreements import blocks
from invoicing.ledger.agreements.agreements import covered_by
from invoicing.ledger.facts.books import Facts, Standing, stands_as
from invoicing.ledger.locks import lock_rules, portions
from invoicing.ledger.states import differences, twins
from invoicing.ledger.states.customers import Pins, mark_company_changes, pin, propose_customers
from invoicing.models import Claim, ClientMapping, Dossier, Invoice, LedgerRow
from invoicing.models.moves import STATE
from invoicing.rules.judging import mapping
from toggbill.database import bulk
from toggbill.firms import audit
from toggbill.firms.audit import News
from toggbill.firms.locks import lock_firm
from toggbill.firms.models import Firm

_CHUNK = 5000
_State = LedgerRow.State
_WRITTEN = [
    "dossier",
    "day",
    "seconds",
    "state",
    "reason",
    "twin",
    "confirmed_as",
    "client_name",
    "buyer_key",
    "buyer_name",
    "agreement",
    "product_reference",
    "price",
    "accepted_seconds",
    "correction_seconds",
    "correction_text",
]
_AGREED = (_State.COVERED, _State.ON_ACCOUNT, _State.PREPAID)


def derive(*, workspace: Workspace, now: datetime) -> int:
    """Bring the ledger rows of the workspace's marked entries up to date; returns how many entries were judged.

    Proposes customers from the names of Toggl clients first (R3), and pins the Billit parties that were found. In
    transactions of its own, portion by portion; not within another one (``firms.locks``).
    """
    mark_company_changes(workspace=workspace, now=now)
    marked = Entry.objects.marked().filter(workspace=workspace)
    propose_customers(workspace=workspace, now=now)
    if not marked.exists():
        return 0
    judged = 0
    while part := list(marked.order_by("remote_id").values_list("pk", flat=True)[:_CHUNK]):
        also = twins.reached(workspace=workspace, entries=part)
        judged += _judge(marked.filter(pk__one_of=part) | Entry.objects.filter(pk__one_of=also), workspace, now)
    return judged


def derive_marked(*, now: datetime, firm: Firm | None = None) -> int:
    """Derive every workspace that has something marked (of one firm, or of all)."""
    workspaces = waiting().select_related("firm")
    if firm is not None:
        workspaces = workspaces.filter(firm=firm)
    return sum(derive(workspace=workspace, now=now) for workspace in workspaces)


def waiting() -> QuerySet[Workspace]:
    """Workspaces that have something marked."""
    marked = Q(pk__in=Entry.objects.marked().values("workspace"))
    marked |= Q(pk__in=Dossier.objects.filter(company__in=Company.objects.marked()).values("workspace"))
    return Workspace.objects.filter(marked).order_by("pk")


class _News(Exception):
    """There may be news for the firm's log after all: an entry was billed since it was looked at, so that a correction
    may be opened, or one leaves the books that a person had decided on."""


def _judge(entries: QuerySet[Entry], workspace: Workspace, now: datetime, *, reaches: bool = True) -> int:
    """Derive a portion; returns how many entries were judged. ``reaches``: with the others that their change touches.

    The firm, which everybody who posts or decides waits for, is locked only where something of it is billed.
    """
    posted = Claim.objects.live().posted().filter(entry__in=entries.values("pk"))
    firm = workspace.firm if posted.exists() else None
    try:
        count, pins = _derive_chunk(entries, workspace, firm, now, reaches=reaches)
    except _News:
        count, pins = _derive_chunk(entries, workspace, workspace.firm, now, reaches=reaches)
    pin(pins, workspace.firm, now)
    return count


@transaction.atomic
def _derive_chunk(
    entries: QuerySet[Entry], workspace: Workspace, firm: Firm | None, now: datetime, *, reaches: bool
) -> tuple[int, Pins]:
    """``firm``: the one to lock and to tell of corrections and of what leaves the books.

    The facts are read once the entries are locked, and the rules. Who changes one marks the entries that it touches, in
    the same transaction: before these locks, and then the change is read here, or behind them, and then they are judged
    again. Facts that were read before would judge by the old rules, and take off the mark that says so.

    Raises ``_News`` when it would have been needed.
    """
    if firm is not None:
        lock_firm(firm)
    lock_rules([workspace.pk], shared=True)
    rows = list(entries.order_by("remote_id").select_for_update(no_key=True))
    if not rows:
        return 0, {}
    live = Claim.objects.live().of_entries().filter(entry__pk__one_of=[row.pk for row in rows])
    claims = {claim.entry_id: claim for claim in live.select_related("line__invoice__dossier")}
    billed = differences.billed(
        claim for claim in claims.values() if claim.line.invoice.status == Invoice.Status.POSTED
    )
    if billed and firm is None:
        raise _News
    books = Facts.load(workspace)
    standing = _standing(books, workspace, rows)
    # A party that a person chose for one client is no look-up of its number: another client's may be ambiguous still.
    chosen = set(
        ClientMapping.objects.filter(dossier__in=books.dossiers, customer_party_id__isnull=False).values_list(
            "dossier_id", "client_remote_id"
        )
    )
    free = [row for row in rows if row.pk not in claims]
    elsewhere, covering = books.billed_elsewhere(free), covered_by(free)
    drawing, freed = blocks.drawing(covering), list[Claim]()
    written, outside, pins = [], set[int](), Pins()
    news: list[News] = []
    for row in rows:
        stood = standing[row.pk]
        entry = books.as_it_last_was(row) if row.pk in billed else books.entry(row, stood, elsewhere, covering)
        dossier, verdict = blocks.verdict(books.verdict, row, entry, drawing, freed)
        buyer = verdict.buyer
        of_own_choice = dossier is not None and (dossier.pk, entry.client_id) in chosen
        if dossier is not None and buyer is not None and buyer.number and buyer.party_id and not of_own_choice:
            pins[dossier.company_id, buyer.number] = buyer.party_id
        claim = claims.get(row.pk)
        if row.pk in billed:
            product = books.product(entry, billed[row.pk].claim.line.invoice.dossier)
            customer = buyer or (None if dossier is None else books.customer(entry, dossier))
            difference, events = differences.judge(row, entry, product, customer, billed[row.pk], now)
            news += events
            written.append(_invoiced_row(row, entry, billed[row.pk].claim, difference))
        elif claim is not None:
            written.append(_drafted_row(row, entry, claim))
        elif dossier is None or verdict.state is None:
            outside.add(row.pk)
        else:
            written.append(_free_row(row, entry, dossier, verdict, stood.decision))
    for each in written:
        each.twin_id, each.confirmed_as = standing[each.entry_id].twin_id, standing[each.entry_id].confirmed_as
    bulk.upsert(written, unique=["entry"], update=_WRITTEN)
    lost = [row for row in rows if row.pk in outside and standing[row.pk].decision]
    if (lost or freed) and firm is None:
        raise _News
    news += _lost_decisions(lost) + blocks.free(freed, now)
    LedgerRow.objects.filter(entry__pk__one_of=outside).delete()
    _unmark(rows, workspace, reaches=reaches)
    if news and firm is not None:
        audit.record(firm=firm, news=news, by=differences.BY_ITSELF, now=now)
    return len(rows), pins


def _standing(books: Facts, workspace: Workspace, rows: Sequence[Entry]) -> dict[int, Standing]:
    """By entry (row id): what the ledger keeps of it, with its twin as it is now."""
    found, by_id = {row.pk: Standing() for row in rows}, {row.pk: row for row in rows}
    kept = LedgerRow.objects.filter(entry__pk__one_of=by_id)
    for pk, decision, confirmed_as in kept.values_list("entry_id", "decision", "confirmed_as"):
        found[pk].decision = decision
        # What a person said of the entry is over once that is another one.
        found[pk].confirmed_as = confirmed_as if confirmed_as and confirmed_as == stands_as(by_id[pk]) else ""
    for pk, twin in twins.of(books, workspace=workspace, rows=rows).items():
        found[pk].twin_id = twin
    return found


def _unmark(rows: Sequence[Entry], workspace: Workspace, *, reaches: bool) -> None:
    """They are judged; but where others are to be judged with them, and are not, ``derive`` does both."""
    marked = [row.pk for row in rows if row.marked_at is not None]
    if marked and (reaches or not twins.reached(workspace=workspace, entries=marked)):
        Entry.objects.filter(pk__one_of=marked).update(marked_at=None)


def _lost_decisions(entries: Iterable[Entry]) -> list[News]:
    """Entries leave the books, and what a person had decided of them goes with their rows."""
    rows = LedgerRow.objects.filter(entry__in=entries).select_related("entry").order_by("entry__remote_id")
    return [opened_news(row) for row in rows]


def opened_news(row: LedgerRow) -> News:
    """The event of an entry of which nothing is decided any more; ``row`` is as it was before."""
    kind = "credit_note" if row.decision == LedgerRow.Decision.CREDITED else "reason"
    data = {"was": str(row.state), kind: row.decision_text, "seconds": row.seconds}
    return News(STATE.event(_State.HELD, _State.OPEN), f"entry {row.entry.remote_id}", data)


def _free_row(row: Entry, entry: mapping.Entry, dossier: Dossier, verdict: mapping.Verdict, decision: str) -> LedgerRow:
    state = str(verdict.state)
    if decision and verdict.state in (mapping.State.open, mapping.State.attention, mapping.State.on_account):
        state = decision
    return LedgerRow(
        firm_id=row.firm_id,
        entry_id=row.pk,
        dossier_id=dossier.pk,
        day=entry.day,
        seconds=row.seconds,
        state=state,
        reason=str(verdict.reason or "") if state == _State.ATTENTION else "",
        agreement_id=verdict.agreement if state in _AGREED else None,
        client_name=entry.client_name,
        **_facts(verdict),
    )


def _drafted_row(row: Entry, entry: mapping.Entry, claim: Claim) -> LedgerRow:
    return LedgerRow(
        firm_id=row.firm_id,
        entry_id=row.pk,
        day=entry.day,
        seconds=0 if entry.deleted else row.seconds,
        state=_State.DRAFTED,
        reason="",
        client_name=entry.client_name,
        **_billed_as(claim),
    )


def _invoiced_row(row: Entry, entry: mapping.Entry, claim: Claim, difference: differences.Difference) -> LedgerRow:
    return LedgerRow(
        firm_id=row.firm_id,
        entry_id=row.pk,
        day=entry.day,
        seconds=difference.seconds,
        state=_State.INVOICED,
        reason="",
        client_name=entry.client_name,
        accepted_seconds=difference.accepted,
        correction_seconds=difference.unsettled,
        correction_text=difference.text,
        **_billed_as(claim),
    )


def _billed_as(claim: Claim) -> dict[str, Any]:
    invoice = claim.line.invoice
    return {
        "dossier_id": invoice.dossier_id,
        "buyer_key": invoice.buyer_key,
        "buyer_name": invoice.customer_name,
        "product_reference": claim.line.product_reference,
        "price": claim.line.unit_price,
    }


def _facts(verdict: mapping.Verdict) -> dict[str, object]:
    buyer, product = verdict.buyer, verdict.product
    return {
        "buyer_key": "" if buyer is None else buyer.key,
        "buyer_name": "" if buyer is None else buyer.name[:500],
        "product_reference": "" if product is None else product.reference,
        "price": None if product is None else product.price,
    }


def derive_entries(*, entries: Iterable[int], now: datetime) -> None:
    """Bring the ledger rows of these entries (row ids) up to date, marked or not.

    For a caller's transaction, in which the firm and the entries are locked.
    """
    found = defaultdict[int, list[int]](list)
    for part in portions(entries):
        for pk, workspace_id in Entry.objects.filter(pk__in=part).values_list("pk", "workspace"):
            found[workspace_id].append(pk)
    for workspace in Workspace.objects.filter(pk__in=found).select_related("firm").order_by("pk"):
        for part in portions(found[workspace.pk]):
            _judge(Entry.objects.filter(pk__in=part), workspace, now, reaches=False)
