"""Toggl against the ledger: read again, what was missing told, and what was billed compared with what is mirrored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db.models import F, Max, Q

from integrations.clients.http.transport import QuotaExhausted
from integrations.connections.pacing import quota
from integrations.mirror import reading, sync
from integrations.models import Entry, Workspace
from invoicing.ledger import window
from invoicing.ledger.states import derive
from invoicing.models import Claim, Correction, Dossier, Drift, LedgerRow, ReportedMonth
from invoicing.models.invoices.claims import ClaimQuerySet
from invoicing.reconciliation.extent import Extent, following
from invoicing.reconciliation.findings import Finding

_Kind = Drift.Kind
# What a correction names, in the order in which it is told; "day" is told as the start.
_DECIDED = ("seconds", "product", "customer", "billable")
_NOT_BY_A_PERSON = (Correction.Decision.OPEN, Correction.Decision.GONE)


def reread(
    *, workspace: Workspace, dossiers: Sequence[Dossier], extent: Extent | None, now: datetime, background: bool
) -> list[Finding]:
    """Read Toggl again, the months of ``extent`` or all, and tell of the entries that the mirror should have had.

    An entry that is younger than the latest reading is news, unless its month holds invoiced entries already.
    Raises ``ServiceError`` (a used-up quota, too) and ``sync.Busy``.
    """
    # What is mirrored now has a higher row id than what was before.
    latest = Entry.objects.aggregate(latest=Max("pk"))["latest"] or 0
    known_until = None if workspace.cursor_at is None else workspace.cursor_at - reading.OVERLAP
    if extent is None:
        since, months = _everything(workspace, dossiers, now), frozenset[date]()
    else:
        since, months = extent.since, extent.months
    done = sync.sync_workspace(
        workspace=workspace, now=now, full=True, since=since, months=months, background=background
    )
    if done.deferred_until is not None:
        wait = (done.deferred_until - now).total_seconds()
        raise QuotaExhausted(quota.used_up(workspace, until=done.deferred_until), after=wait)
    derive.derive(workspace=workspace, now=now)
    rows = LedgerRow.objects.filter(entry__gt=latest, entry__workspace=workspace, dossier__in=dossiers)
    fresh = list(rows.exclude(state="running").select_related("entry").order_by("entry__started_at", "pk"))
    billed = _billed_months(workspace, {row.day.replace(day=1) for row in fresh})
    return [
        Finding(
            _Kind.ENTRY_MISSING,
            row.dossier_id,
            entry=row.entry.remote_id,
            facts={"day": row.day.isoformat(), "state": str(row.state)},
        )
        for row in fresh
        if row.day.replace(day=1) in billed or (known_until is not None and row.entry.changed_at < known_until)
    ]


def _everything(workspace: Workspace, dossiers: Sequence[Dossier], now: datetime) -> date:
    """From where on everything is read: the first month that holds invoiced entries, that differs from Toggl's total,
    or that is not invoiced."""
    billed = Claim.objects.live().posted().filter(entry__workspace=workspace).order_by("day")
    unequal = ReportedMonth.objects.filter(dossier__in=dossiers).differing().filter(dossier__workspace=workspace)
    first = [day.replace(day=1) for day in billed.values_list("day", flat=True)[:1]]
    today = now.astimezone(workspace.firm.zone).date()
    uninvoiced = window.uninvoiced_since(workspace=workspace, today=today)
    return min([uninvoiced, *first, *unequal.values_list("month", flat=True)])


def _billed_months(workspace: Workspace, months: set[date]) -> set[date]:
    """Those of the months that hold invoiced entries."""
    billed = Claim.objects.live().posted().filter(entry__workspace=workspace)
    return {month for month in months if billed.filter(day__gte=month, day__lt=following(month)).exists()}


def compare(*, dossiers: Sequence[Dossier], extent: Extent | None) -> tuple[list[Finding], int]:
    """What differs from what was billed of it, and how many entries were compared.

    Of the months of ``extent``, or of all. What waits for a decision is told whatever its month, and what stood as a
    finding is looked at again.
    """
    waiting = Correction.objects.open().filter(firm__in=_firms(dossiers), invoice__dossier__in=dossiers)
    corrections = {correction.claim_id: correction for correction in waiting}
    billed = _billed(dossiers)
    if extent is None:
        count, looked_at = billed.count(), billed
    else:
        keys = _of(extent, dossiers, billed).union(corrections)
        count, looked_at = len(keys), billed.filter(pk__in=keys)
    differing = looked_at.filter(~Q(entry__started_at=F("started_at")) | Q(pk__in=corrections))
    claims = differing.select_related("entry", "line__invoice").order_by("pk")
    found = (_of_entry(claim, corrections.get(claim.pk)) for claim in claims.iterator(chunk_size=2000))
    return [finding for finding in found if finding is not None], count


def _firms(dossiers: Sequence[Dossier]) -> set[int]:
    return {dossier.firm_id for dossier in dossiers}


def _billed(dossiers: Sequence[Dossier]) -> ClaimQuerySet:
    firms = _firms(dossiers)
    # Each table is held to its firm, so that nobody else's rows are read to join them.
    of_firms = Claim.objects.live().filter(firm__in=firms, line__firm__in=firms, entry__firm__in=firms)
    return of_firms.of_entries().posted().filter(line__invoice__dossier__in=dossiers)


def _of(extent: Extent, dossiers: Sequence[Dossier], billed: ClaimQuerySet) -> set[int]:
    """The claims (row ids) of the months, and of entries that a finding stands about."""
    rows = LedgerRow.objects.filter(extent.within("day"), dossier__in=dossiers)
    standing = Drift.objects.standing().filter(dossier__in=dossiers, entry_remote_id__isnull=False)
    entries = [entry for entry in standing.values_list("entry_remote_id", flat=True) if entry is not None]
    keys = set(billed.filter(entry__in=rows.values("entry")).values_list("pk", flat=True))
    return keys.union(billed.filter(entry__remote_id__in=entries).values_list("pk", flat=True))


def _of_entry(claim: Claim, correction: Correction | None) -> Finding | None:
    """What an entry differs in from what was billed of it, as far as nobody has decided on it.

    That is its open correction, which the ledger keeps, and a start that moved: an hour that began at another time of
    its day is billed right, and told. Other words, a tag by another name and another project of the same client are
    news, not drift.
    """
    entry, invoice = claim.entry, claim.line.invoice
    facts: dict[str, Any] = {"day": claim.day.isoformat(), "invoice": str(invoice)}
    what = [] if correction is None else correction.what
    if correction is not None and what == ["deleted"]:
        return Finding(
            _Kind.ENTRY_DELETED, invoice.dossier_id, entry=entry.remote_id, reference=invoice.reference, facts=facts
        )
    moved = entry.deleted_at is None and _is_moved(claim, correction)
    changed = [name for name in ("start", *_DECIDED) if name in what or (name == "start" and moved)]
    if not changed:
        return None
    now_is = {} if correction is None else {name: correction.mirrored.get(name) for name in _DECIDED}
    facts |= {
        "changed": changed,
        "words": correction is None,
        # So that who acknowledged it is told when it changes again.
        "now": {"start": entry.started_at.isoformat(), **now_is},
    }
    return Finding(
        _Kind.ENTRY_CHANGED, invoice.dossier_id, entry=entry.remote_id, reference=invoice.reference, facts=facts
    )


def _is_moved(claim: Claim, correction: Correction | None) -> bool:
    """Whether the start is another than was billed, and than a person saw who decided on a correction of it."""
    if claim.entry.started_at == claim.started_at:
        return False
    if correction is not None:
        return True
    decided = Correction.objects.filter(claim=claim).exclude(decision__in=_NOT_BY_A_PERSON).order_by("decided_at", "pk")
    seen = decided.values_list("mirrored", flat=True).last()
    return seen is None or seen.get("start") != claim.entry.started_at.isoformat()
