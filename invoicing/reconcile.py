"""Reconciliation: what Toggl and Billit say today against the ledger (design section 6). Nothing is deleted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, auto

from integrations import billit, sync
from integrations.models import Company, Entry, Workspace
from integrations.transport import QuotaExhausted
from invoicing import delivery, ledger
from invoicing.models import Claim, Dossier, Invoice, LedgerRow

OUR_PREFIX = "tb-"


class Kind(StrEnum):
    """In what Toggl, the ledger and Billit can differ."""

    entry_changed = auto()
    entry_deleted = auto()
    entry_missing = auto()
    order_missing = auto()
    order_deleted = auto()
    order_changed = auto()
    order_unknown = auto()
    order_sent = auto()


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference: which entry (Toggl's id), order or reference, and a sentence."""

    kind: Kind
    sentence: str
    entry: int | None = None
    order_id: int | None = None
    reference: str | None = None


@dataclass(slots=True)
class Report:
    """What was compared (counts), and what differs."""

    checked: dict[str, int]
    drift: list[Drift]


def reconcile(*, dossiers: Sequence[Dossier], now: datetime) -> Report:
    """Compare dossiers with both services. Re-reads what is not invoiced, and the months that hold invoiced entries.

    Raises the clients' ``ServiceError`` (a used-up quota, too) and ``sync.Busy`` when a service cannot be asked. What
    Billit says of numbers and payments is noted on the invoices on the way: that is news, not drift.
    """
    report = Report({"entries": 0, "invoices": 0, "orders": 0}, [])
    for workspace in Workspace.objects.filter(dossiers__in=dossiers).select_related("connection", "firm").distinct():
        report.drift += _reread(workspace, dossiers, now)
    report.drift += _entries(dossiers, report)
    by_company: defaultdict[int, list[Dossier]] = defaultdict(list)
    for dossier in dossiers:
        by_company[dossier.company_id].append(dossier)
    for company in Company.objects.filter(pk__in=by_company).select_related("connection").order_by("pk"):
        report.drift += _orders(company, by_company[company.pk], report, now)
    return report


def _reread(workspace: Workspace, dossiers: Sequence[Dossier], now: datetime) -> list[Drift]:
    """Read Toggl again, and tell of the entries that the mirror should have had.

    An entry that is younger than the latest reading is news, unless its month holds invoiced entries already.
    """
    mirrored = set(Entry.objects.filter(workspace=workspace).values_list("remote_id", flat=True))
    billed = Claim.objects.filter(
        entry__workspace=workspace, released_at__isnull=True, line__invoice__status=Invoice.Status.POSTED
    )
    months = {day.replace(day=1) for day in billed.values_list("day", flat=True).distinct()}
    known_until = None if workspace.cursor_at is None else workspace.cursor_at - sync.OVERLAP
    today = now.astimezone(workspace.firm.zone).date()
    since = min(months | {ledger.uninvoiced_since(workspace=workspace, today=today)})
    done = sync.sync_workspace(workspace=workspace, now=now, full=True, since=since)
    if done.deferred_until is not None:
        raise QuotaExhausted(
            f"Toggl's hourly quota for workspace {workspace} is used up until {done.deferred_until:%H:%M} UTC, so the "
            "ledger cannot be compared with Toggl. Reconcile again then.",
            after=(done.deferred_until - now).total_seconds(),
        )
    ledger.derive(workspace=workspace, now=now)
    fresh = LedgerRow.objects.filter(entry__workspace=workspace, dossier__in=dossiers).exclude(state="running")
    return [
        Drift(
            Kind.entry_missing,
            f"Entry {row.entry.remote_id} of {row.day} was in Toggl but not mirrored. It is now, and stands in the "
            f"books as {row.get_state_display()}.",
            entry=row.entry.remote_id,
        )
        for row in fresh.select_related("entry").order_by("entry__started_at", "pk")
        if row.entry.remote_id not in mirrored
        and (row.day.replace(day=1) in months or (known_until is not None and row.entry.changed_at < known_until))
    ]


def _entries(dossiers: Sequence[Dossier], report: Report) -> Iterator[Drift]:
    claims = Claim.objects.filter(
        line__invoice__dossier__in=dossiers,
        line__invoice__status=Invoice.Status.POSTED,
        released_at__isnull=True,
        kind=Claim.Kind.ENTRY,
    ).select_related("entry", "line__invoice")
    for claim in claims.order_by("pk").iterator(chunk_size=2000):
        report.checked["entries"] += 1
        entry, invoice = claim.entry, claim.line.invoice
        if entry.deleted_at is not None:
            yield Drift(
                Kind.entry_deleted,
                f"Entry {entry.remote_id} of {claim.day} was deleted in Toggl after invoice {invoice} billed it.",
                entry=entry.remote_id,
                reference=invoice.reference,
            )
        elif changed := _changed(claim):
            yield Drift(
                Kind.entry_changed,
                f"Entry {entry.remote_id} of {claim.day} changed in Toggl after invoice {invoice} billed it: "
                f"{', '.join(changed)}.",
                entry=entry.remote_id,
                reference=invoice.reference,
            )


def _changed(claim: Claim) -> list[str]:
    entry = claim.entry
    pairs = {
        "start": (entry.started_at, claim.started_at),
        "seconds": (entry.seconds, claim.seconds),
        "project": (entry.project_remote_id, claim.project_remote_id),
        "tags": (sorted(entry.tags), sorted(claim.tags)),
        "description": (entry.description, claim.description),
    }
    return [name for name, (now_is, was) in pairs.items() if now_is != was]


def _orders(company: Company, dossiers: Sequence[Dossier], report: Report, now: datetime) -> Iterator[Drift]:
    api = sync.billit_api(company)
    try:
        # Ours first: an order that is made while the list is read must not seem to be missing. What is being replaced
        # is in doubt, and its own look-up finds out.
        ours = Invoice.objects.filter(
            dossier__in=dossiers, status=Invoice.Status.POSTED, replacing_since__isnull=True
        ).select_related("firm")
        posted = list(ours.order_by("pk"))
        at_billit = {order.id: order for order in api.orders_with_prefix(OUR_PREFIX)}
        report.checked["orders"] += len(at_billit)
        for invoice in posted:
            report.checked["invoices"] += 1
            order = at_billit.get(invoice.order_id or 0)
            if order is None:
                yield _gone(invoice, api)
            else:
                yield from _differs(invoice, order)
                delivery.note_order(invoice=invoice, order=_news_of(invoice, order), now=now)
        known = set(Invoice.objects.filter(company=company, order_id__isnull=False).values_list("order_id", flat=True))
        for order in at_billit.values():
            if order.id not in known:
                yield Drift(
                    Kind.order_unknown,
                    f"Billit has order {order.id} ({order.number or 'without number'}) with a reference of ours, "
                    "but no invoice here is posted as it. Look at it in Billit before anything is posted again.",
                    order_id=order.id,
                    reference=order.external_id or None,
                )
    finally:
        api.close()


def _news_of(invoice: Invoice, order: billit.OrderSummary) -> billit.OrderSummary:
    """What may be noted of an order: once its totals were read back, others are drift until a person decides."""
    if invoice.legal_excl is None:
        return order
    return replace(order, total_excl=invoice.excl, total_vat=invoice.vat, total_incl=invoice.incl)


def _gone(invoice: Invoice, api: billit.Api) -> Drift:
    deleted = api.find_deleted_orders(invoice.reference)
    if deleted:
        sentence = f"Order {invoice.order_id} of invoice {invoice} was deleted in Billit. Drop or post it anew here."
        return Drift(Kind.order_deleted, sentence, order_id=invoice.order_id, reference=invoice.reference)
    sentence = f"Order {invoice.order_id} of invoice {invoice} is not in Billit. Find out who removed it."
    return Drift(Kind.order_missing, sentence, order_id=invoice.order_id, reference=invoice.reference)


def _differs(invoice: Invoice, order: billit.OrderSummary) -> Iterator[Drift]:
    def drift(kind: Kind, sentence: str) -> Drift:
        return Drift(kind, sentence, order_id=order.id, reference=invoice.reference)

    totals = (order.total_excl, order.total_vat, order.total_incl)
    if totals != (invoice.excl, invoice.vat, invoice.incl):
        yield drift(
            Kind.order_changed,
            f"Order {order.id} of invoice {invoice} amounts to {order.total_incl:.2f} in Billit, "
            f"to {invoice.incl:.2f} here.",
        )
    elif None not in (invoice.customer_party_id, order.customer_id) and invoice.customer_party_id != order.customer_id:
        yield drift(
            Kind.order_changed,
            f"Order {order.id} of invoice {invoice} is for party {order.customer_id} in Billit, "
            f"for {invoice.customer_party_id} here.",
        )
    if order.is_sent and invoice.delivery == Invoice.Delivery.NOT_SENT:
        yield drift(Kind.order_sent, f"Order {order.id} of invoice {invoice} was sent in Billit by hand.")
