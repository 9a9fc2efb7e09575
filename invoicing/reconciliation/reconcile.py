"""Reconciliation: what Toggl and Billit say today against the ledger (design section 6). Nothing is deleted.

What is found is kept in rows until a comparison no longer finds it, so that a page shows it with the day since when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.clients import billit, billit_rows
from integrations.clients.failures import Message
from integrations.clients.transport import QuotaExhausted, Refused
from integrations.connections import quota
from integrations.connections.opening import open_billit
from integrations.mirror import sync
from integrations.models import Company, Entry, Workspace
from invoicing.ledger import derive, invariants
from invoicing.ledger.invariants import Broken
from invoicing.models import Claim, Correction, Dossier, Drift, Invoice, LedgerRow, ReportedMonth
from invoicing.models.problems import columns
from invoicing.posting import read_first
from invoicing.posting.read_first import Place, Seen
from invoicing.reconciliation import toggl_totals
from invoicing.reconciliation.findings import Finding
from toggbill.firms.locks import lock_rows

OUR_PREFIX = "tb-"
_Kind = Drift.Kind


@dataclass(slots=True)
class Report:
    """What was compared (counts), what differs, which rules do not hold in the books, and why Toggl did not tell the
    total of some months."""

    checked: dict[str, int]
    drift: list[Finding]
    broken: list[Broken] = field(default_factory=list)
    troubles: list[Message] = field(default_factory=list)


def reconcile(*, dossiers: Sequence[Dossier], now: datetime, background: bool = False) -> Report:
    """Compare dossiers with both services. Re-reads what is not invoiced, and the months that hold invoiced entries or
    differed from Toggl's total the last time; then asks for the total of each month, as far as the budget allows.

    ``background`` leaves the reserve of Toggl's budget to people. Raises the clients' ``ServiceError`` (a used-up
    quota, too) and ``sync.Busy`` when a service cannot be asked; no difference is kept or closed before both were.
    What Billit says of numbers and payments is noted on the invoices on the way: that is news, not drift.
    """
    report = Report({"entries": 0, "invoices": 0, "orders": 0, "months": 0}, [])
    workspaces = list(
        Workspace.objects.filter(dossiers__in=dossiers).select_related("connection", "firm").distinct().order_by("pk")
    )
    for workspace in workspaces:
        report.drift += _reread(workspace, dossiers, now, background)
    report.drift += _entries(dossiers, report)
    by_company: defaultdict[int, list[Dossier]] = defaultdict(list)
    for dossier in dossiers:
        by_company[dossier.company_id].append(dossier)
    for company in Company.objects.filter(pk__in=by_company).select_related("connection").order_by("pk"):
        report.drift += _orders(company, by_company[company.pk], report, now)
    _keep(dossiers, report.drift, now)
    for workspace in workspaces:
        # To a no there is no second try: entries and orders are compared all the same.
        try:
            report.checked["months"] += toggl_totals.read(workspace=workspace, dossiers=dossiers, now=now)
        except Refused as error:
            report.troubles.append(error.message)
    report.broken = invariants.broken(dossiers=dossiers)
    with transaction.atomic():
        compared = Dossier.objects.filter(pk__in=[dossier.pk for dossier in dossiers])
        lock_rows(compared)
        compared.update(reconciled_at=now, **columns("reconcile_problem", None))
    return report


@transaction.atomic
def _keep(dossiers: Sequence[Dossier], found: Sequence[Finding], now: datetime) -> None:
    """Write what was found: new differences, those that still stand, and those that are gone since the latest time.

    Under the locks of the dossiers: another comparison may write the same rows.
    """
    lock_rows(Dossier.objects.filter(pk__in=[dossier.pk for dossier in dossiers]))
    standing = {
        (row.dossier_id, row.kind, row.about): row for row in Drift.objects.standing().filter(dossier__in=dossiers)
    }
    firms = {dossier.pk: dossier.firm_id for dossier in dossiers}
    fresh = []
    for finding in found:
        row = standing.pop((finding.dossier, finding.kind, finding.about), None)
        if row is None:
            # What was sent in Billit is taken over at once: it is on record, and nothing is left to decide.
            gone_at = now if finding.kind == _Kind.ORDER_SENT else None
            fresh.append(_row(finding, firms[finding.dossier], now, gone_at))
        else:
            Drift.objects.filter(pk=row.pk).update(facts=finding.facts, last_seen_at=now)
    # Another comparison may have found the same meanwhile.
    Drift.objects.bulk_create(fresh, ignore_conflicts=True)
    gone = Drift.objects.filter(pk__in=[row.pk for row in standing.values()], first_seen_at__lte=now)
    gone.update(gone_at=now)


def _row(finding: Finding, firm_id: int, now: datetime, gone_at: datetime | None) -> Drift:
    return Drift(
        firm_id=firm_id,
        dossier_id=finding.dossier,
        kind=finding.kind,
        entry_remote_id=finding.entry,
        order_id=finding.order_id,
        reference=finding.reference or "",
        about=finding.about,
        facts=finding.facts,
        first_seen_at=now,
        last_seen_at=now,
        gone_at=gone_at,
    )


def _reread(workspace: Workspace, dossiers: Sequence[Dossier], now: datetime, background: bool) -> list[Finding]:
    """Read Toggl again, and tell of the entries that the mirror should have had.

    An entry that is younger than the latest reading is news, unless its month holds invoiced entries already.
    """
    mirrored = set(Entry.objects.filter(workspace=workspace).values_list("remote_id", flat=True))
    billed = Claim.objects.live().posted().filter(entry__workspace=workspace)
    months = {day.replace(day=1) for day in billed.values_list("day", flat=True).distinct()}
    unequal = ReportedMonth.objects.filter(dossier__in=dossiers).differing().filter(dossier__workspace=workspace)
    known_until = None if workspace.cursor_at is None else workspace.cursor_at - sync.OVERLAP
    today = now.astimezone(workspace.firm.zone).date()
    since = min(
        months
        | set(unequal.values_list("month", flat=True))
        | {derive.uninvoiced_since(workspace=workspace, today=today)}
    )
    done = sync.sync_workspace(workspace=workspace, now=now, full=True, since=since, background=background)
    if done.deferred_until is not None:
        wait = (done.deferred_until - now).total_seconds()
        raise QuotaExhausted(quota.used_up(workspace, until=done.deferred_until), after=wait)
    derive.derive(workspace=workspace, now=now)
    fresh = LedgerRow.objects.filter(entry__workspace=workspace, dossier__in=dossiers).exclude(state="running")
    return [
        Finding(
            _Kind.ENTRY_MISSING,
            row.dossier_id,
            entry=row.entry.remote_id,
            facts={"day": row.day.isoformat(), "state": str(row.state)},
        )
        for row in fresh.select_related("entry").order_by("entry__started_at", "pk")
        if row.entry.remote_id not in mirrored
        and (row.day.replace(day=1) in months or (known_until is not None and row.entry.changed_at < known_until))
    ]


def _entries(dossiers: Sequence[Dossier], report: Report) -> Iterator[Finding]:
    claims = Claim.objects.live().of_entries().posted().filter(line__invoice__dossier__in=dossiers)
    claims = claims.select_related("entry", "line__invoice")
    for claim in claims.order_by("pk").iterator(chunk_size=2000):
        report.checked["entries"] += 1
        entry, invoice = claim.entry, claim.line.invoice
        changed = ["deleted"] if entry.deleted_at is not None else _changed(claim)
        if not changed or not (changed := _undecided(claim, changed)):
            continue
        facts: dict[str, Any] = {"day": claim.day.isoformat(), "invoice": str(invoice)}
        if changed == ["deleted"]:
            kind = _Kind.ENTRY_DELETED
        else:
            kind = _Kind.ENTRY_CHANGED
            facts |= {"changed": changed, "words": not _is_open(claim)}
        yield Finding(kind, invoice.dossier_id, entry=entry.remote_id, reference=invoice.reference, facts=facts)


def _changed(claim: Claim) -> list[str]:
    now_is, was = _facts_now(claim.entry), _facts_then(claim)
    return [name for name in was if now_is[name] != was[name]]


def _facts_now(entry: Entry) -> dict[str, Any]:
    return {
        "start": entry.started_at.isoformat(),
        "seconds": entry.seconds,
        "project": entry.project_remote_id,
        "tags": sorted(entry.tags),
        "description": entry.description,
    }


def _facts_then(claim: Claim) -> dict[str, Any]:
    return {
        "start": claim.started_at.isoformat(),
        "seconds": claim.seconds,
        "project": claim.project_remote_id,
        "tags": sorted(claim.tags),
        "description": claim.description,
    }


def _undecided(claim: Claim, changed: list[str]) -> list[str]:
    """What of a change nobody has decided on.

    Once a person accepted it, or has it billed or credited, it is no drift any more; the same entry changed again is.
    The ledger says which seconds are decided: it keeps a correction open for those that are not.
    """
    if _is_open(claim):
        return changed
    decided = (
        Correction.objects.filter(claim=claim)
        .exclude(decision__in=[Correction.Decision.OPEN, Correction.Decision.GONE])
        .order_by("decided_at", "pk")
        .last()
    )
    if decided is None:
        return changed
    now_is = _facts_now(claim.entry)
    by_ledger = {"seconds", "deleted"}
    return [name for name in changed if name not in by_ledger and now_is[name] != decided.mirrored.get(name)]


def _is_open(claim: Claim) -> bool:
    return Correction.objects.open().filter(claim=claim).exists()


def _orders(company: Company, dossiers: Sequence[Dossier], report: Report, now: datetime) -> Iterator[Finding]:
    with open_billit(company) as api:
        # Ours first: an order that is made while the list is read must not seem to be missing. What is being replaced
        # is in doubt, and its own look-up finds out.
        ours = Invoice.objects.posted().not_being_replaced().filter(dossier__in=dossiers)
        posted = list(ours.select_related("firm").order_by("pk"))
        at_billit = {order.id: order for order in api.orders_with_prefix(OUR_PREFIX)}
        report.checked["orders"] += len(at_billit)
        report.checked["invoices"] += len(posted)
        seen = [(invoice, _seen(invoice, at_billit.get(invoice.order_id or 0), api)) for invoice in posted]
        sent = read_first.take_over(seen=seen, now=now)
        for invoice, state in seen:
            for kind, facts in read_first.differences(invoice, state):
                yield _of_order(kind, invoice, facts)
            if invoice.pk in sent:
                yield _of_order(_Kind.ORDER_SENT, invoice, {"invoice": str(invoice)})
        yield from _unknown(company, dossiers, at_billit.values())


def _seen(invoice: Invoice, listed: billit.OrderSummary | None, api: billit.Api) -> Seen:
    if listed is None:
        return read_first.gone(invoice, api)
    return Seen(Place.STANDS, read_first.completed(listed, billit_rows.STATE, api))


def _unknown(company: Company, dossiers: Sequence[Dossier], orders: Iterable[billit.OrderSummary]) -> Iterator[Finding]:
    """Orders with a reference of ours that no invoice is posted as, each in the dossier that it comes from: that of
    the invoice with this reference, else the company's oldest."""
    invoices = Invoice.objects.filter(company=company)
    known = set(invoices.filter(order_id__isnull=False).values_list("order_id", flat=True))
    # What is being posted, or is in doubt, is found out by its own look-up.
    awaited = set(invoices.unanswered().values_list("reference", flat=True))
    homes = dict(invoices.values_list("reference", "dossier"))
    oldest = Dossier.objects.filter(company=company).order_by("created_at", "pk").values_list("pk", flat=True).first()
    asked = {dossier.pk for dossier in dossiers}
    for order in orders:
        home = homes.get(order.external_id, oldest)
        if order.id not in known and order.external_id not in awaited and home in asked:
            yield Finding(
                _Kind.ORDER_UNKNOWN,
                home,
                order_id=order.id,
                reference=order.external_id or None,
                facts={"number": order.number},
            )


def _of_order(kind: Drift.Kind, invoice: Invoice, facts: dict[str, Any]) -> Finding:
    return Finding(kind, invoice.dossier_id, order_id=invoice.order_id, reference=invoice.reference, facts=facts)
