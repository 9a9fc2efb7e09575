"""The ledger (design section 6): the one state of every entry inside the books. Nowhere else is a ledger row written.

A sync, a mapping or a claim marks the entries that it touches; ``derive`` brings exactly those up to date.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import F, Min, Q, QuerySet

from integrations.models import Company, Entry, Workspace
from invoicing import mapping
from invoicing.books import Books, in_scope
from invoicing.models import Claim, ClientMapping, CustomerPin, Dossier, Invoice, LedgerRow
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
    "correction_seconds",
    "correction_text",
]
_SETTLED = [_State.INVOICED, _State.CREDITED, _State.WRITTEN_OFF]


def derive(*, workspace: Workspace, now: datetime) -> int:
    """Bring the ledger rows of the workspace's marked entries up to date; returns how many entries were judged.

    Proposes customers from the names of Toggl clients first (R3), and pins the Billit parties that were found.
    """
    mark_company_changes(workspace=workspace, now=now)
    marked = Entry.objects.filter(workspace=workspace, marked_at__isnull=False)
    propose_customers(workspace=workspace, now=now)
    if not marked.exists():
        return 0
    books = Books.load(workspace)
    judged = 0
    while rows := _derive_chunk(books, marked, now):
        judged += rows
    return judged


def derive_marked(*, now: datetime, firm: Firm | None = None) -> int:
    """Derive every workspace that has something marked (of one firm, or of all)."""
    waiting = Q(entries__marked_at__isnull=False) | Q(dossiers__company__marked_at__isnull=False)
    workspaces = Workspace.objects.filter(waiting).select_related("firm").distinct().order_by("pk")
    if firm is not None:
        workspaces = workspaces.filter(firm=firm)
    return sum(derive(workspace=workspace, now=now) for workspace in workspaces)


@transaction.atomic
def mark_company_changes(*, workspace: Workspace, now: datetime) -> None:
    """Products or customers changed: the unbilled entries of every workspace that the company bills are marked."""
    for company in Company.objects.filter(dossiers__workspace=workspace, marked_at__isnull=False).distinct():
        unbilled = Entry.objects.filter(workspace__dossiers__company=company).exclude(ledger_row__state__in=_SETTLED)
        Entry.objects.filter(pk__in=unbilled.values("pk")).update(marked_at=now)
        Company.objects.filter(pk=company.pk, marked_at=company.marked_at).update(marked_at=None)


def mark_dossier(*, dossier: Dossier, now: datetime) -> None:
    """A rule or mapping changed: the unbilled entries of the dossier's workspace are marked."""
    unbilled = Entry.objects.filter(workspace=dossier.workspace).exclude(ledger_row__state__in=_SETTLED)
    Entry.objects.filter(pk__in=unbilled.values("pk")).update(marked_at=now)


@transaction.atomic
def propose_customers(*, workspace: Workspace, now: datetime) -> None:
    """R3: the number in a client's name becomes its mapping, once, and is pinned from then on."""
    books = Books.load(workspace)
    for dossier in books.dossiers:
        mappings = {row.client_remote_id: row for row in ClientMapping.objects.filter(dossier=dossier)}
        found: dict[int, str] = {}
        for client_id, name in in_scope(dossier, books):
            row = mappings.get(client_id)
            if row is not None and (row.number or row.customer_party_id is not None):
                continue
            if number := mapping.read_number(name).number:
                found[client_id] = number
        if not found:
            continue
        ClientMapping.objects.bulk_create(
            [
                ClientMapping(
                    firm_id=dossier.firm_id,
                    dossier=dossier,
                    client_remote_id=client_id,
                    number=number,
                    is_proposed=True,
                )
                for client_id, number in sorted(found.items())
            ],
            update_conflicts=True,
            unique_fields=["dossier", "client_remote_id"],
            update_fields=["number", "is_proposed"],
        )
        data = {"proposed": {str(client_id): number for client_id, number in sorted(found.items())}}
        news = News("mapping_changed", f"dossier {dossier.key}", data)
        audit.record(firm=dossier.firm, news=[news], by=Actor("sync", "worker"), now=now)


@transaction.atomic
def _derive_chunk(books: Books, marked: QuerySet[Entry], now: datetime) -> int:
    rows = list(marked.order_by("pk").select_for_update()[:_CHUNK])
    if not rows:
        return 0
    claims = {
        claim.entry_id: claim
        for claim in Claim.objects.filter(entry__in=[row.pk for row in rows], released_at__isnull=True).select_related(
            "line__invoice"
        )
    }
    decisions = dict(LedgerRow.objects.filter(entry__in=rows).values_list("entry_id", "decision"))
    written, outside, pins = [], [], dict[tuple[int, str], tuple[Dossier, int]]()
    for row in rows:
        entry = books.entry(row)
        dossier, verdict = books.verdict(entry)
        buyer = verdict.buyer
        if dossier is not None and buyer is not None and buyer.number and buyer.party_id is not None:
            pins[(dossier.company_id, buyer.number)] = (dossier, buyer.party_id)
        claim = claims.get(row.pk)
        if claim is not None:
            written.append(_claimed_row(row, entry, verdict, claim))
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
            for (company_id, number), (dossier, party_id) in pins.items()
        ],
        ignore_conflicts=True,
    )
    Entry.objects.filter(pk__in=[row.pk for row in rows]).update(marked_at=None)
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


def _claimed_row(row: Entry, entry: mapping.Entry, verdict: mapping.Verdict, claim: Claim) -> LedgerRow:
    invoice = claim.line.invoice
    seconds = 0 if entry.deleted else row.seconds
    billed = invoice.status == Invoice.Status.POSTED
    return LedgerRow(
        firm_id=row.firm_id,
        entry=row,
        dossier_id=invoice.dossier_id,
        day=entry.day,
        seconds=seconds,
        state=_State.INVOICED if billed else _State.DRAFTED,
        reason="",
        client_name=entry.client_name,
        buyer_key=invoice.buyer_key,
        buyer_name=invoice.customer_name,
        product_reference=claim.line.product_reference,
        price=claim.line.unit_price,
        correction_seconds=seconds - claim.seconds if billed else 0,
        correction_text=_correction(entry, verdict, claim) if billed else "",
    )


def _correction(entry: mapping.Entry, verdict: mapping.Verdict, claim: Claim) -> str:
    """What else than the time changed after billing (design section 6): the product or the customer, or nothing."""
    now_is = (sorted(entry.tags), entry.project_id, entry.client_id)
    if entry.deleted or now_is == (sorted(claim.tags), claim.project_remote_id, claim.client_remote_id):
        return ""
    changed = []
    if verdict.product is None or verdict.product.reference != claim.line.product_reference:
        changed.append("product")
    if verdict.buyer is None or not same_buyer(verdict.buyer, claim.line.invoice):
        changed.append("customer")
    return ", ".join(changed)


def same_buyer(buyer: mapping.Buyer, invoice: Invoice) -> bool:
    """Whether an invoice is a buyer's: by PartyID where both are known, else by number."""
    if buyer.party_id is not None and invoice.customer_party_id is not None:
        return buyer.party_id == invoice.customer_party_id
    return bool(buyer.number) and buyer.number == invoice.customer_vat


def _facts(verdict: mapping.Verdict) -> dict[str, object]:
    buyer, product = verdict.buyer, verdict.product
    return {
        "buyer_key": "" if buyer is None else buyer.key,
        "buyer_name": "" if buyer is None else buyer.name[:500],
        "product_reference": "" if product is None else product.reference,
        "price": None if product is None else product.price,
    }


def claimed(*, entries: Sequence[int]) -> None:
    """The entries (row ids) are on a draft now."""
    for start in range(0, len(entries), _CHUNK):
        part = entries[start : start + _CHUNK]
        LedgerRow.objects.filter(entry__in=part).update(state=_State.DRAFTED, reason="")


def invoiced(*, invoice: Invoice, now: datetime) -> None:
    """An invoice was posted: its entries are invoiced. Those that changed in Toggl meanwhile are judged at once."""
    live = Claim.objects.filter(line__invoice=invoice, released_at__isnull=True)
    LedgerRow.objects.filter(entry__in=live.values("entry")).update(state=_State.INVOICED)
    changed = live.exclude(entry__seconds=F("seconds"), entry__deleted_at__isnull=True)
    Entry.objects.filter(pk__in=changed.values("entry")).update(marked_at=now)


def release(*, claims: QuerySet[Claim], now: datetime) -> list[int]:
    """Free the entries of live claims, which stay as history; the entries (row ids) are marked and judged again."""
    entries = list(claims.filter(released_at__isnull=True).values_list("entry_id", flat=True))
    claims.filter(released_at__isnull=True).update(released_at=now)
    mark(entries=entries, now=now)
    return entries


def mark(*, entries: Iterable[int], now: datetime) -> None:
    """Entries (row ids) that must be judged again."""
    rows = list(entries)
    for start in range(0, len(rows), _CHUNK):
        Entry.objects.filter(pk__in=rows[start : start + _CHUNK]).update(marked_at=now)


def uninvoiced_since(*, workspace: Workspace, today: date) -> date | None:
    """The first day of the window that is re-read before drafting: the earliest day with an hour that is not invoiced,

    and never later than the first of the month before, so that a tag taken off lately is noticed too.
    """
    rows = LedgerRow.objects.filter(entry__workspace=workspace)
    waiting = [_State.RUNNING, _State.OPEN, _State.ATTENTION, _State.HELD, _State.DRAFTED]
    earliest = rows.filter(state__in=waiting).aggregate(first=Min("day"))["first"]
    month_before = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    return month_before if earliest is None else min(earliest, month_before)
