"""What must hold whatever broke: counted from Billit's own orders and Toggl's own entries, and from our rows."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, Sum

from integrations.models import Company, Entry, Workspace
from integrations.sandbox.process import Process
from integrations.sandbox.remote import Remote
from invoicing.ledger import audit_trail, balance
from invoicing.models import Claim, Dossier, Invoice, InvoiceLine, LedgerRow
from tests.invoicing.ledger.kept import breaches, counted, kept, kept_breaches
from toggbill.firms.models import Firm

_UNKNOWN = (Invoice.Status.POSTING, Invoice.Status.IN_DOUBT)
_DIFFERENCE = "Correction of invoice"
_WORK = re.compile(r"Work \d+")
# A fee and its period, an advance and its day. Extra hours come in parts, and a settlement names its advances again.
_PERIOD = re.compile(r"(Flat fee|Advance) · Agreed \d+")
_CREDITED = re.compile(r" · Credit for invoice .*")
_OF_ANOTHER = re.compile(r"beyond the|advance of invoice")


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of a firm. ``orders`` are the live ones at Billit with a reference of ours; all from ``duplicates`` on
    must be 0.

    ``duplicates``: references, entries, periods of a fee or days of an advance that stand on two live orders. ``lost``:
    entries of Toggl in no state, or in one that claims an order that is not there. ``orphans``: live orders that are no
    posted invoice of the same totals, those apart whose invoice is ``unknown`` (being posted, or in doubt).
    ``missing``: posted invoices without their live order, those apart that are being replaced.
    ``over_deducted``: advances of which settlements and credit notes together take more than they are.
    ``uncounted``: entries in the mirror less those in the sums of the states. ``unkept``: kept sums of months that are
    not what the rows make, and 1 if the checks of months come to something else than is kept. ``chain``: 1 when it is
    broken.
    ``books``: by rule of the books that does not hold (``invariants``), what is said of it; it must be empty.
    """

    entries: int
    invoices: int
    orders: int
    unknown: int
    duplicates: int
    lost: int
    orphans: int
    missing: int
    over_deducted: int
    uncounted: int
    unkept: int
    chain: int
    books: dict[str, list[str]]


_MUST_BE_ZERO = (
    "duplicates",
    "lost",
    "orphans",
    "missing",
    "over_deducted",
    "uncounted",
    "unkept",
    "chain",
)


def prove(firm: Firm, sandbox: Process) -> Figures:
    """Assert that nothing was billed twice, nothing lost, and that the books and the audit log hold."""
    found = figures(firm, sandbox.control)
    assert wrong(found) == {}, found
    assert found.orders == found.invoices, found
    return found


def wrong(found: Figures) -> dict[str, object]:
    """The counts that should be 0 and are not, and the broken rules of the books with their sentences."""
    counts = {name: count for name, count in asdict(found).items() if name in _MUST_BE_ZERO and count}
    return counts | found.books


@dataclass(frozen=True, slots=True)
class Outside:
    """What both services hold: Billit's live orders with a reference of ours, Toggl's entries (None: not asked)."""

    orders: list[dict[str, Any]]
    entries: list[dict[str, Any]] | None

    @classmethod
    def now(cls, control: Remote, *, mirrored: bool = True) -> Outside:
        """As of this moment, of all companies and workspaces."""
        orders = [
            order
            for order in control.orders()
            if not order["Deleted"] and str(order.get("ExternalProviderID", "")).startswith("tb-")
        ]
        return cls(orders, control.world()["toggl"]["entries"] if mirrored else None)

    def of(self, firm: Firm) -> Outside:
        """What lies in the companies and workspaces that the firm has connected."""
        companies = set(Company.objects.filter(firm=firm).values_list("party_id", flat=True))
        workspaces = set(Workspace.objects.filter(firm=firm).values_list("remote_id", flat=True))
        orders = [order for order in self.orders if order["CompanyID"] in companies]
        entries = self.entries and [entry for entry in self.entries if entry["workspace_id"] in workspaces]
        return Outside(orders, entries)


def figures(firm: Firm, control: Remote, *, mirrored: bool = True) -> Figures:
    """Count, where the services hold nothing of another firm. Without ``mirrored``, Toggl's entries of this moment need
    not be in the mirror yet."""
    return _counted(firm, Outside.now(control, mirrored=mirrored))


def figures_of_all(firms: Iterable[Firm], control: Remote) -> Figures:
    """The sums over all firms, each with its own companies and workspaces; orders in none of them are orphans."""
    outside = Outside.now(control)
    parts = [(firm, outside.of(firm)) for firm in firms]
    counts: Counter[str] = Counter(orphans=len(outside.orders) - sum(len(own.orders) for _, own in parts))
    books: defaultdict[str, list[str]] = defaultdict(list)
    for firm, own in parts:
        found = _counted(firm, own)
        counts.update({field.name: getattr(found, field.name) for field in fields(found) if field.name != "books"})
        for rule, sentences in found.books.items():
            books[rule] += [f"{firm.slug}, {sentence}" for sentence in sentences]
    return Figures(**counts, books=dict(books))


def _counted(firm: Firm, outside: Outside) -> Figures:
    orders = outside.orders
    live = {order["OrderID"] for order in orders}
    invoices = {invoice.reference: invoice for invoice in Invoice.objects.filter(firm=firm)}
    dossiers = list(Dossier.objects.filter(firm=firm).select_related("firm", "workspace"))
    months = balance.months(dossiers=dossiers)
    books: defaultdict[str, list[str]] = defaultdict(list)
    for month in months:
        for broken in month.broken:
            books[broken.rule].append(f"{broken.subject}: {broken.sentence}")
    in_sums = sum(tally.entries for month in months for tally in month.states.values())
    return Figures(
        entries=Entry.objects.filter(firm=firm).count(),
        invoices=sum(invoice.status == Invoice.Status.POSTED for invoice in invoices.values()),
        orders=len(orders),
        unknown=sum(invoice.status in _UNKNOWN for invoice in invoices.values()),
        duplicates=_duplicates(orders, invoices),
        lost=_lost(firm, live, outside.entries),
        orphans=sum(not _stands(order, invoices) for order in orders),
        missing=sum(
            invoice.status == Invoice.Status.POSTED and invoice.order_id not in live and not invoice.replacing_since
            for invoice in invoices.values()
        ),
        over_deducted=_over_deducted(firm),
        uncounted=_inside(firm, dossiers) - in_sums,
        unkept=_unkept(dossiers),
        chain=int(not audit_trail.verify(firm=firm).ok),
        books=dict(books),
    )


def _unkept(dossiers: list[Dossier]) -> int:
    # In one snapshot: workers go on meanwhile.
    with transaction.atomic():
        if connection.vendor == "postgresql" and connection.in_atomic_block and not connection.savepoint_ids:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        sums = counted(dossiers).items() ^ kept(dossiers).items()
        return len(sums) + (breaches(dossiers) != kept_breaches(dossiers))


def _duplicates(orders: Iterable[dict[str, Any]], invoices: dict[str, Invoice]) -> int:
    references = Counter(order["ExternalProviderID"] for order in orders)
    shown: Counter[tuple[int, str]] = Counter()
    for order in orders:
        # A credit note takes back what it shows.
        sign = -1 if order["OrderType"] == "CreditNote" else 1
        for line in order["OrderLines"]:
            text = f"{line.get('Description', '')} {line.get('DescriptionExtended', '')}"
            # A difference to what was billed names the entry again.
            if _DIFFERENCE in text:
                continue
            shown.update(dict.fromkeys(((order["CompanyID"], work) for work in _WORK.findall(text)), sign))
            if _PERIOD.match(text) and not is_of_another(text):
                shown[order["CompanyID"], billed_as(text)] += sign
    on_orders: defaultdict[int, set[str]] = defaultdict(set)
    claims = Claim.objects.filter(kind=Claim.Kind.ENTRY, line__invoice__reference__in=references)
    for claim in claims.select_related("line__invoice"):
        # What a posted invoice released was credited; what another one released should not be at Billit any more.
        if claim.released_at is None or claim.line.invoice.status != Invoice.Status.POSTED:
            on_orders[claim.entry_id].add(claim.line.invoice.reference)
    return (
        sum(count - 1 for count in references.values())
        + sum(count > 1 for count in shown.values())
        + sum(len(found) > 1 for found in on_orders.values())
    )


def billed_as(text: str) -> str:
    """How the line of a credit note stood on the invoice that it is about; any other one as it is."""
    return _CREDITED.sub("", text).strip()


def is_of_another(text: str) -> bool:
    """Whether a line names a period or an advance that another line bills: extra hours, a deduction."""
    return _OF_ANOTHER.search(text) is not None


def _stands(order: dict[str, Any], invoices: dict[str, Invoice]) -> bool:
    invoice = invoices.get(order["ExternalProviderID"])
    if invoice is not None and invoice.status in _UNKNOWN:
        return True
    if invoice is None or invoice.status != Invoice.Status.POSTED or invoice.order_id != order["OrderID"]:
        return False
    totals = (order["TotalExcl"], order["TotalVAT"], order["TotalIncl"])
    return totals == (invoice.total_excl, invoice.total_vat, invoice.total_incl)


def _over_deducted(firm: Firm) -> int:
    lines = InvoiceLine.objects.filter(firm=firm, kind=InvoiceLine.Kind.ADVANCE, takes_back__isnull=True)
    live = Sum("deductions__amount", filter=Q(deductions__released_at__isnull=True))
    return lines.annotate(taken=live).filter(taken__gt=F("total")).count()


def _lost(firm: Firm, orders: set[int], entries: list[dict[str, Any]] | None) -> int:
    claims = {
        claim.entry_id: claim.line.invoice
        for claim in Claim.objects.filter(firm=firm, kind=Claim.Kind.ENTRY, released_at__isnull=True).select_related(
            "line__invoice"
        )
    }
    rows = LedgerRow.objects.filter(firm=firm)
    missing = 0
    for row in rows:
        invoice = claims.get(row.entry_id)
        if row.state == LedgerRow.State.INVOICED:
            # While an order is being replaced nobody knows whether it is still there.
            there_still = invoice is not None and (invoice.order_id in orders or invoice.replacing_since is not None)
            missing += not there_still or invoice is None or invoice.status != Invoice.Status.POSTED
        elif row.state == LedgerRow.State.DRAFTED:
            missing += invoice is None or invoice.status in (Invoice.Status.POSTED, Invoice.Status.VOID)
    if entries is not None:
        stated = set(rows.values_list("entry__remote_id", flat=True))
        begins = min(Dossier.objects.filter(firm=firm).values_list("start_date", flat=True)).isoformat()
        there = {row["id"] for row in entries if row["start"] >= begins and not row.get("server_deleted_at")}
        missing += len(there - stated)
    return missing


def _inside(firm: Firm, dossiers: Iterable[Dossier]) -> int:
    """How many mirrored entries lie inside the books, by the mirror alone (the worlds have one zone and one start)."""
    inside = 0
    for workspace, start in {(dossier.workspace_id, dossier.start_date) for dossier in dossiers}:
        begins = datetime(start.year, start.month, start.day, tzinfo=firm.zone)
        inside += Entry.objects.filter(workspace_id=workspace, started_at__gte=begins).count()
    return inside
