"""Reconciliation: what Toggl and Billit say today against the ledger (design section 6). Nothing is deleted.

What is found is kept in rows until a comparison no longer finds it, so that a page shows it with the day since when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from django.db import transaction

from integrations.clients import billit, billit_rows
from integrations.clients.http.failures import Message
from integrations.clients.http.transport import QuotaExhausted, Refused
from integrations.connections.opening import open_billit
from integrations.connections.pacing import quota
from integrations.mirror import sync
from integrations.models import Company, Entry, Workspace
from invoicing.ledger import months, window
from invoicing.ledger.invariants.invariants import Broken
from invoicing.ledger.states import derive
from invoicing.models import BroughtOrder, Claim, Correction, Dossier, Drift, Invoice, LedgerRow, ReportedMonth
from invoicing.models.problems import columns
from invoicing.posting import brought, read_first
from invoicing.posting.read_first import Place, Seen
from invoicing.reconciliation import toggl_totals
from invoicing.reconciliation.findings import Finding
from toggbill.firms.locks import lock_rows

OUR_PREFIX = "tb-"
_Kind = Drift.Kind
# What a correction names, in the order in which it is told; "day" is told as the start.
_DECIDED = ("seconds", "product", "customer", "billable")
_NOT_BY_A_PERSON = (Correction.Decision.OPEN, Correction.Decision.GONE)


@dataclass(slots=True)
class Report:
    """What was compared (counts), what differs, what of that a person has acknowledged as it is, which rules do not
    hold in the books, and why Toggl did not tell the total of some months."""

    checked: dict[str, int]
    drift: list[Finding]
    acknowledged: list[Finding] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    troubles: list[Message] = field(default_factory=list)


def reconcile(*, dossiers: Sequence[Dossier], now: datetime, background: bool = False) -> Report:
    """Compare dossiers with both services. Re-reads what is not invoiced, and the months that hold invoiced entries or
    differed from Toggl's total the last time; then asks for the total of each month, as far as the budget allows.

    ``background`` leaves the reserve of Toggl's budget to people. Raises the clients' ``ServiceError`` (a used-up
    quota, too) and ``sync.Busy`` when a service cannot be asked; no difference is kept or closed before both were.
    What Billit says of numbers and payments is noted on the invoices on the way: that is news, not drift.
    """
    began = monotonic()
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
    report.acknowledged = _keep(dossiers, report.drift, now)
    report.drift = [found for found in report.drift if found not in report.acknowledged]
    for workspace in workspaces:
        # To a no there is no second try: entries and orders are compared all the same.
        try:
            read_at = now + timedelta(seconds=monotonic() - began)
            report.checked["months"] += toggl_totals.read(workspace=workspace, dossiers=dossiers, now=read_at)
        except Refused as error:
            report.troubles.append(error.message)
    months.renew(dossiers=dossiers, now=now)
    report.broken = months.broken(dossiers=dossiers)
    with transaction.atomic():
        compared = Dossier.objects.filter(pk__in=[dossier.pk for dossier in dossiers])
        lock_rows(compared)
        compared.update(reconciled_at=now, **columns("reconcile_problem", None))
    return report


@transaction.atomic
def _keep(dossiers: Sequence[Dossier], found: Sequence[Finding], now: datetime) -> list[Finding]:
    """Write what was found: new differences, those that still stand, and those that are gone since the latest time.

    Gives those that somebody has acknowledged; one that changed since is not acknowledged any more.
    Under the locks of the dossiers: another comparison may write the same rows.
    """
    lock_rows(Dossier.objects.filter(pk__in=[dossier.pk for dossier in dossiers]))
    standing = {
        (row.dossier_id, row.kind, row.about): row for row in Drift.objects.standing().filter(dossier__in=dossiers)
    }
    firms = {dossier.pk: dossier.firm_id for dossier in dossiers}
    fresh, acknowledged = [], []
    for finding in found:
        row = standing.pop((finding.dossier, finding.kind, finding.about), None)
        if row is None:
            # What was sent in Billit is taken over at once: it is on record, and nothing is left to decide.
            gone_at = now if finding.kind == _Kind.ORDER_SENT else None
            fresh.append(_row(finding, firms[finding.dossier], now, gone_at))
        elif row.facts == finding.facts:
            Drift.objects.filter(pk=row.pk).update(last_seen_at=now)
            if row.acknowledged_at is not None:
                acknowledged.append(finding)
        else:
            Drift.objects.filter(pk=row.pk).update(facts=finding.facts, last_seen_at=now, **Drift.NOT_ACKNOWLEDGED)
    # Another comparison may have found the same meanwhile.
    Drift.objects.bulk_create(fresh, ignore_conflicts=True)
    gone = Drift.objects.filter(pk__in=[row.pk for row in standing.values()], first_seen_at__lte=now)
    gone.update(gone_at=now)
    return acknowledged


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
        | {window.uninvoiced_since(workspace=workspace, today=today)}
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
    waiting = Correction.objects.open().filter(invoice__dossier__in=dossiers)
    corrections = {correction.claim_id: correction for correction in waiting}
    for claim in claims.order_by("pk").iterator(chunk_size=2000):
        report.checked["entries"] += 1
        if found := _of_entry(claim, corrections.get(claim.pk)):
            yield found


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
        # What a person has acknowledged of an order is taken over, too, and no difference any more.
        fresh = Invoice.objects.select_related("firm").in_bulk([invoice.pk for invoice in posted])
        for asked, state in seen:
            invoice = fresh[asked.pk]
            for kind, facts in read_first.differences(invoice, state):
                yield _of_order(kind, invoice, facts)
            if invoice.pk in sent:
                yield _of_order(_Kind.ORDER_SENT, invoice, {"invoice": str(invoice)})
        yield from _unknown(company, dossiers, at_billit.values())
        rows = BroughtOrder.objects.live().filter(company=company, agreement__dossier__in=dossiers)
        asked_for = list(rows.select_related("agreement").order_by("order_id"))
        for row, state in brought.read(rows=asked_for, api=api):
            for kind, facts in brought.differences(row, state):
                yield Finding(kind, row.agreement.dossier_id, order_id=row.order_id, facts=facts)


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
