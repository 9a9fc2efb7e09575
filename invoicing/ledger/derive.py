"""The ledger (design section 6): the one state of every entry inside the books. Nowhere else is a ledger row written.

A sync, a mapping or a claim marks the entries that it touches; ``derive`` brings exactly those up to date.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from integrations.models import Company, Entry, Workspace
from invoicing.ledger import differences
from invoicing.ledger.facts import Facts, in_scope
from invoicing.ledger.locks import lock_log, mark
from invoicing.ledger.rule_events import mapping_changed, mapping_of
from invoicing.models import Claim, ClientMapping, CustomerPin, Dossier, Invoice, LedgerRow
from invoicing.rules import mapping
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.models import Firm

_CHUNK = 2000
_State = LedgerRow.State
_WRITTEN = [
    "dossier",
    "day",
    "seconds",
    "state",
    "reason",
    "client_name",
    "buyer_key",
    "buyer_name",
    "product_reference",
    "price",
    "accepted_seconds",
    "correction_seconds",
    "correction_text",
]
_SETTLED = [_State.INVOICED, _State.CREDITED, _State.WRITTEN_OFF]


def derive(*, workspace: Workspace, now: datetime) -> int:
    """Bring the ledger rows of the workspace's marked entries up to date; returns how many entries were judged.

    Proposes customers from the names of Toggl clients first (R3), and pins the Billit parties that were found.
    """
    mark_company_changes(workspace=workspace, now=now)
    marked = Entry.objects.marked().filter(workspace=workspace)
    propose_customers(workspace=workspace, now=now)
    if not marked.exists():
        return 0
    books = Facts.load(workspace)
    judged = 0
    while rows := _derive_chunk(books, marked, now):
        judged += rows
    return judged


def derive_marked(*, now: datetime, firm: Firm | None = None) -> int:
    """Derive every workspace that has something marked (of one firm, or of all)."""
    waiting = Q(pk__in=Entry.objects.marked().values("workspace"))
    waiting |= Q(pk__in=Dossier.objects.filter(company__in=Company.objects.marked()).values("workspace"))
    workspaces = Workspace.objects.filter(waiting).select_related("firm").order_by("pk")
    if firm is not None:
        workspaces = workspaces.filter(firm=firm)
    return sum(derive(workspace=workspace, now=now) for workspace in workspaces)


@transaction.atomic
def mark_company_changes(*, workspace: Workspace, now: datetime) -> None:
    """Products or customers changed: the unbilled entries of every workspace that the company bills are marked."""
    for company in Company.objects.marked().filter(dossiers__workspace=workspace).distinct():
        unbilled = Entry.objects.filter(workspace__dossiers__company=company).exclude(ledger_row__state__in=_SETTLED)
        mark(entries=unbilled.order_by("remote_id").distinct().values_list("pk", flat=True), now=now)
        Company.objects.filter(pk=company.pk, marked_at=company.marked_at).update(marked_at=None)


@transaction.atomic
def propose_customers(*, workspace: Workspace, now: datetime) -> None:
    """R3: the number in a client's name becomes its mapping, once, and is pinned from then on."""
    books = Facts.load(workspace)
    for dossier in books.dossiers:
        if not _to_propose(dossier, books):
            continue
        # The log first, as everywhere. Who states a customer meanwhile holds it: what is left is what nobody stated.
        lock_log(dossier.firm)
        found = _to_propose(dossier, books)
        stand = ClientMapping.objects.filter(dossier=dossier)
        rows = {row.client_remote_id: row for row in stand if row.client_remote_id in found}
        old = {client_id: mapping_of(row) for client_id, row in rows.items()}
        new = [
            ClientMapping(firm_id=dossier.firm_id, dossier=dossier, client_remote_id=client_id)
            for client_id in sorted(found.keys() - rows.keys())
        ]
        for row in [*rows.values(), *new]:
            row.number, row.is_proposed = found[row.client_remote_id], True
        ClientMapping.objects.bulk_update(rows.values(), ["number", "is_proposed"])
        ClientMapping.objects.bulk_create(new)
        by_client = sorted([*rows.values(), *new], key=lambda row: row.client_remote_id)
        news = [mapping_changed(dossier, old=old.get(row.client_remote_id), new=mapping_of(row)) for row in by_client]
        audit.record(firm=dossier.firm, news=news, by=Actor("sync", "worker"), now=now)


def _to_propose(dossier: Dossier, books: Facts) -> dict[int, str]:
    """The numbers in the names of the Toggl clients that have no customer yet, by client."""
    rows = ClientMapping.objects.filter(dossier=dossier)
    stated = {row.client_remote_id for row in rows if row.number or row.customer_party_id is not None}
    names = [(client, name) for client, name in in_scope(dossier, books) if client not in stated]
    return {client: number for client, name in names if (number := mapping.read_number(name).number)}


@transaction.atomic
def _derive_chunk(books: Facts, marked: QuerySet[Entry], now: datetime) -> int:
    posted = Claim.objects.posted().filter(entry=OuterRef("pk"))
    if books.dossiers and marked.filter(Exists(posted)).exists():
        # A correction may be opened: the log is locked first and the entries then, as everywhere.
        lock_log(books.dossiers[0].firm)
    # In the order in which the mirror writes them, so that neither waits for the other.
    rows = list(marked.order_by("remote_id").select_for_update(of=("self",), no_key=True)[:_CHUNK])
    if not rows:
        return 0
    live = Claim.objects.live().of_entries().filter(entry__in=[row.pk for row in rows])
    claims = {claim.entry_id: claim for claim in live.select_related("line__invoice")}
    billed = differences.billed(
        claim for claim in claims.values() if claim.line.invoice.status == Invoice.Status.POSTED
    )
    decisions = dict(LedgerRow.objects.filter(entry__in=rows).values_list("entry_id", "decision"))
    # A party that a person chose for one client is no look-up of its number: another client's may be ambiguous still.
    chosen = set(
        ClientMapping.objects.filter(dossier__in=books.dossiers, customer_party_id__isnull=False).values_list(
            "dossier_id", "client_remote_id"
        )
    )
    written, outside, pins = [], [], dict[tuple[int, str], tuple[Dossier, int]]()
    news: list[News] = []
    for row in rows:
        entry = books.entry(row)
        dossier, verdict = books.verdict(entry)
        buyer = verdict.buyer
        of_own_choice = dossier is not None and (dossier.pk, entry.client_id) in chosen
        if dossier is not None and buyer is not None and buyer.number and buyer.party_id and not of_own_choice:
            pins[(dossier.company_id, buyer.number)] = (dossier, buyer.party_id)
        claim = claims.get(row.pk)
        if row.pk in billed:
            difference, events = differences.judge(row, entry, verdict, billed[row.pk], now)
            news += events
            written.append(_invoiced_row(row, entry, billed[row.pk].claim, difference))
        elif claim is not None:
            written.append(_drafted_row(row, entry, claim))
        elif dossier is None or verdict.state is None:
            outside.append(row.pk)
        else:
            written.append(_free_row(row, entry, dossier, verdict, decisions.get(row.pk, "")))
    LedgerRow.objects.bulk_create(
        written, batch_size=_CHUNK, update_conflicts=True, unique_fields=["entry"], update_fields=_WRITTEN
    )
    LedgerRow.objects.filter(entry__in=outside).delete()
    CustomerPin.objects.bulk_create(
        [
            CustomerPin(firm_id=dossier.firm_id, company_id=company_id, number=number, party_id=party_id, pinned_at=now)
            for (company_id, number), (dossier, party_id) in sorted(pins.items(), key=lambda pin: pin[0])
        ],
        ignore_conflicts=True,
    )
    Entry.objects.filter(pk__in=[row.pk for row in rows]).update(marked_at=None)
    if news:
        audit.record(firm=books.dossiers[0].firm, news=news, by=differences.BY_ITSELF, now=now)
    return len(rows)


def _free_row(row: Entry, entry: mapping.Entry, dossier: Dossier, verdict: mapping.Verdict, decision: str) -> LedgerRow:
    state = str(verdict.state)
    if decision and verdict.state in (mapping.State.open, mapping.State.attention):
        state = decision
    return LedgerRow(
        firm_id=row.firm_id,
        entry=row,
        dossier=dossier,
        day=entry.day,
        seconds=row.seconds,
        state=state,
        reason=str(verdict.reason or "") if state == _State.ATTENTION else "",
        client_name=entry.client_name,
        **_facts(verdict),
    )


def _drafted_row(row: Entry, entry: mapping.Entry, claim: Claim) -> LedgerRow:
    return LedgerRow(
        firm_id=row.firm_id,
        entry=row,
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
        entry=row,
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


def uninvoiced_since(*, workspace: Workspace, today: date) -> date:
    """The first day of the window that is re-read before drafting: the earliest day with an hour that is not invoiced,

    and never later than the first of the month before, so that a tag taken off lately is noticed too.
    """
    rows = LedgerRow.objects.filter(entry__workspace=workspace)
    waiting = [_State.RUNNING, _State.OPEN, _State.ATTENTION, _State.HELD, _State.DRAFTED]
    earliest: date | None = rows.filter(state__in=waiting).aggregate(first=Min("day"))["first"]
    month_before = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    return month_before if earliest is None else min(earliest, month_before)


def derive_entries(entries: Sequence[int], *, workspace: Workspace, now: datetime) -> None:
    """Bring the ledger rows of these entries (row ids) of a workspace up to date, marked or not."""
    if not entries:
        return
    books = Facts.load(workspace)
    for start in range(0, len(entries), _CHUNK):
        _derive_chunk(books, Entry.objects.filter(pk__in=entries[start : start + _CHUNK]), now)
