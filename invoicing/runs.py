"""Runs: hours become drafts, which a person (or the dossier's mode) approves or drops (design R8, R9, section 7)."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Prefetch, Q

from integrations.models import Entry
from invoicing import ledger, planning
from invoicing.books import Books, terms
from invoicing.models import Claim, Dossier, Invoice, InvoiceLine, LedgerRow, Run
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News

_Status = Invoice.Status
_State = LedgerRow.State


class NotPossible(Exception):
    """A step that this invoice or dossier does not allow now; ``str()`` says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Drafting:
    """What a run did (or, as a preview, would do).

    ``moved``: the invoices made or changed, with what was planned; ``left``: the waiting drafts that stay as they were.
    """

    plan: planning.Plan
    moved: tuple[tuple[Invoice, planning.PlannedInvoice], ...]
    left: tuple[Invoice, ...]
    mirror_as_of: datetime | None


def preview(*, dossier: Dossier, cut_off: date, now: datetime) -> Drafting:
    """What ``draft`` would do, without doing it; the invoices are not saved and carry their planned lines."""
    _refuse_future(dossier, cut_off, now)
    ledger.derive(workspace=dossier.workspace, now=now)
    sheet = _Sheet.read(dossier, cut_off)
    moved = []
    for planned in sheet.plan.invoices:
        standing = sheet.standing(planned)
        if standing is None or not _equal(standing, planned):
            moved.append((_header(standing or _new(dossier, now), planned), planned))
    return Drafting(sheet.plan, tuple(moved), (), dossier.workspace.synced_at)


@transaction.atomic
def draft(*, dossier: Dossier, cut_off: date, by: Actor, now: datetime) -> Drafting:
    """Draft everything open up to and including the local day ``cut_off``; waiting drafts are redrawn (R8).

    A second run for the same day makes nothing twice. Raises ``NotPossible`` for a day after today.
    """
    _refuse_future(dossier, cut_off, now)
    ledger.derive(workspace=dossier.workspace, now=now)
    # One run of a dossier at a time: what is open is read under this lock.
    dossier = (
        Dossier.objects.select_for_update(of=("self",))
        .select_related("workspace", "company", "firm")
        .get(pk=dossier.pk)
    )
    sheet = _Sheet.read(dossier, cut_off)
    kept, matched = [], set[int]()
    changes: list[tuple[Invoice, planning.PlannedInvoice]] = []
    for planned in sheet.plan.invoices:
        standing = sheet.standing(planned)
        if standing is not None:
            matched.add(standing.pk)
            if _equal(standing, planned):
                kept.append(standing)
                continue
        changes.append((standing or _new(dossier, now), planned))
    dropped = [invoice for invoice in sheet.drafts if invoice.pk not in matched and sheet.touches(invoice)]
    released = _free([invoice for invoice, _ in changes if invoice.pk], dropped, now)
    news = [_void_news(invoice, "no hours left on it") for invoice in dropped]
    rows = _entry_rows(dossier, (planned for _, planned in changes))
    for invoice, planned in changes:
        redrawn = invoice.pk is not None
        _header(invoice, planned).save()
        _write_lines(invoice, planned, rows)
        news.append(_drafted_news(invoice, planned, cut_off, redrawn))
    claimed = [rows[entry.id].pk for _, planned in changes for line in planned.lines for entry in line.entries]
    ledger.claimed(entries=claimed)
    ledger.mark(entries=set(released) - set(claimed), now=now)
    run, _ = Run.objects.update_or_create(
        dossier=dossier,
        cut_off=cut_off,
        defaults={
            "firm_id": dossier.firm_id,
            "started_at": now,
            "started_by": by.name,
            "mirror_as_of": dossier.workspace.synced_at,
        },
    )
    run.invoices.add(*kept, *(invoice for invoice, _ in changes))
    news.append(
        News(
            "run",
            f"dossier {dossier.key}",
            {
                "through": cut_off.isoformat(),
                "drafted": len(changes),
                "left": len(kept),
                "dropped": len(dropped),
                "skipped": len(sheet.plan.skipped),
            },
        )
    )
    audit.record(firm=dossier.firm, news=news, by=by, now=now)
    ledger.derive(workspace=dossier.workspace, now=now)
    return Drafting(sheet.plan, tuple(changes), tuple(kept), dossier.workspace.synced_at)


@transaction.atomic
def approve(*, invoice: Invoice, by: Actor, now: datetime) -> Invoice:
    """A draft, or an invoice that Billit refused, may be posted. Raises ``NotPossible``.

    A draft whose hours changed in Toggl since is not approved: what would be billed is not what the mirror shows.
    """
    invoice = _locked(invoice)
    if invoice.status not in (_Status.DRAFT, _Status.REFUSED):
        raise NotPossible(
            f"Invoice {invoice} is {invoice.get_status_display()}: only a draft or a refused one can be approved."
        )
    if invoice.status == _Status.DRAFT and (changed := _changed_since(invoice)):
        raise NotPossible(
            f"Invoice {invoice}: {changed} of its entries changed in Toggl since it was drafted. "
            "Draft again, then approve."
        )
    invoice.status = _Status.APPROVED
    invoice.approved_at, invoice.approved_by = now, by.name
    invoice.problem, invoice.not_before = "", None
    invoice.save()
    news = News("invoice_approved", f"invoice {invoice.reference}", {"total_excl": str(invoice.total_excl)})
    audit.record(firm=invoice.firm, news=[news], by=by, now=now)
    return invoice


@transaction.atomic
def void(*, invoice: Invoice, by: Actor, now: datetime) -> Invoice:
    """Drop an invoice that Billit does not have: exactly its entries are free again. Raises ``NotPossible``."""
    invoice = _locked(invoice)
    if invoice.status not in (_Status.DRAFT, _Status.APPROVED, _Status.REFUSED):
        raise NotPossible(
            f"Invoice {invoice} is {invoice.get_status_display()}: only one that Billit does not have can be dropped."
        )
    _drop(invoice, now)
    audit.record(firm=invoice.firm, news=[_void_news(invoice, "dropped by a person")], by=by, now=now)
    ledger.derive(workspace=invoice.dossier.workspace, now=now)
    return invoice


def within_limit(invoice: Invoice) -> bool:
    """R9: whether the dossier's limit (amount excluding VAT) lets this invoice pass without a person."""
    limit: Decimal | None = invoice.dossier.auto_limit
    return limit is None or invoice.total_excl <= limit


@dataclass(slots=True)
class _Sheet:
    """What lies on the table of a run: the waiting drafts and the plan."""

    cut_off: date
    drafts: list[Invoice]
    plan: planning.Plan

    @classmethod
    def read(cls, dossier: Dossier, cut_off: date) -> _Sheet:
        books = Books.load(dossier.workspace)
        lines = InvoiceLine.objects.order_by("position").prefetch_related(
            Prefetch("claims", Claim.objects.order_by("started_at", "entry__remote_id").select_related("entry"))
        )
        drafts = list(
            Invoice.objects.filter(dossier=dossier, status=_Status.DRAFT)
            .order_by("pk")
            .select_related("dossier", "firm")
            .prefetch_related(Prefetch("lines", lines))
        )
        free = Q(ledger_row__dossier=dossier, ledger_row__state__in=[_State.OPEN, _State.ATTENTION, _State.HELD])
        ours = Q(claims__line__invoice__in=drafts, claims__released_at__isnull=True)
        rows = Entry.objects.filter(free | ours).distinct().select_related("ledger_row")
        held = {row.remote_id for row in rows if row.ledger_row.state == _State.HELD}
        plan = planning.plan(
            (books.entry(row) for row in rows),
            judge=books.judges[dossier.pk],
            terms=terms(dossier, cut_off=cut_off, late_through=_late_through(dossier)),
            held=held,
        )
        return cls(cut_off, drafts, plan)

    def standing(self, planned: planning.PlannedInvoice) -> Invoice | None:
        """The waiting draft of the planned invoice's customer and references, if there is one."""
        buyer = planned.buyer
        for invoice in self.drafts:
            references = (invoice.purchase_order, invoice.buyer_reference)
            if references == (buyer.purchase_order, buyer.buyer_reference) and ledger.same_buyer(buyer, invoice):
                return invoice
        return None

    def touches(self, invoice: Invoice) -> bool:
        """Whether the draft holds an hour up to the cut-off; one that lies wholly behind it is left to a later run."""
        return any(claim.day <= self.cut_off for line in invoice.lines.all() for claim in line.claims.all())


def _late_through(dossier: Dossier) -> date | None:
    """R8: the latest cut-off of the runs so far whose drafts no longer wait."""
    runs = Run.objects.filter(dossier=dossier).exclude(invoices__status=_Status.DRAFT).order_by("-cut_off")
    return runs.values_list("cut_off", flat=True).first()


def _refuse_future(dossier: Dossier, cut_off: date, now: datetime) -> None:
    today = now.astimezone(dossier.firm.zone).date()
    if cut_off > today:
        raise NotPossible(f"{cut_off} is after today ({today}): hours that are not worked yet cannot be drafted.")


def _new(dossier: Dossier, now: datetime) -> Invoice:
    return Invoice(
        firm=dossier.firm, dossier=dossier, company=dossier.company, reference=f"tb-{uuid.uuid4()}", drafted_at=now
    )


def _header(invoice: Invoice, planned: planning.PlannedInvoice) -> Invoice:
    buyer = planned.buyer
    invoice.buyer_key = buyer.key
    invoice.customer_vat = buyer.number
    invoice.customer_name = buyer.name[:500]
    invoice.customer_party_id = buyer.party_id
    invoice.customer_language = buyer.language
    invoice.purchase_order = buyer.purchase_order
    invoice.buyer_reference = buyer.buyer_reference
    invoice.title = planned.title[:200]
    invoice.period_from, invoice.period_till = planned.period_from, planned.period_till
    invoice.total_excl, invoice.total_vat, invoice.total_incl = (
        planned.total_excl,
        planned.total_vat,
        planned.total_incl,
    )
    return invoice


def _equal(standing: Invoice, planned: planning.PlannedInvoice) -> bool:
    """Whether a waiting draft already says what the plan says."""
    buyer = planned.buyer
    header = (standing.buyer_key, standing.customer_name, standing.customer_language, standing.title)
    if header != (buyer.key, buyer.name[:500], buyer.language, planned.title[:200]):
        return False
    return [_written(line) for line in standing.lines.all()] == [_planned(line) for line in planned.lines]


def _written(line: InvoiceLine) -> tuple[object, ...]:
    entries = [
        (claim.entry.remote_id, claim.seconds, claim.day, claim.description, claim.project_name, claim.person_name)
        for claim in line.claims.all()
    ]
    return (*_columns(line), sorted(entries))


def _planned(line: planning.PlannedLine) -> tuple[object, ...]:
    entries = [
        (entry.id, entry.seconds, entry.day, entry.description, entry.project_name, entry.person_name)
        for entry in line.entries
    ]
    return (*_columns(_line(line)), sorted(entries))


def _columns(line: InvoiceLine) -> tuple[object, ...]:
    return (
        line.product_reference,
        line.description,
        line.description_extended,
        line.quantity,
        line.unit_price,
        line.vat_rate,
        line.ventilation_code,
        line.treatment,
        line.total,
        line.seconds,
        line.is_late,
    )


def _line(planned: planning.PlannedLine) -> InvoiceLine:
    return InvoiceLine(
        product_reference=planned.product.reference,
        description=planned.description,
        description_extended=planned.description_extended,
        quantity=planned.quantity,
        unit_price=planned.unit_price,
        vat_rate=planned.vat_rate,
        ventilation_code=planned.ventilation_code,
        treatment=str(planned.treatment),
        total=planned.total,
        seconds=planned.seconds,
        is_late=planned.late,
    )


def _write_lines(invoice: Invoice, planned: planning.PlannedInvoice, rows: dict[int, Entry]) -> None:
    lines = [_line(line) for line in planned.lines]
    for position, line in enumerate(lines, start=1):
        line.firm_id, line.invoice, line.position = invoice.firm_id, invoice, position
    InvoiceLine.objects.bulk_create(lines)
    Claim.objects.bulk_create(
        [
            Claim(
                firm_id=invoice.firm_id,
                entry=rows[entry.id],
                line=line,
                seconds=entry.seconds,
                started_at=entry.start,
                day=entry.day,
                project_remote_id=entry.project_id,
                project_name=entry.project_name,
                client_remote_id=entry.client_id,
                person_name=entry.person_name,
                description=entry.description,
                tags=list(entry.tags),
            )
            for line, planned_line in zip(lines, planned.lines, strict=True)
            for entry in planned_line.entries
        ],
        batch_size=1000,
    )


def _entry_rows(dossier: Dossier, planned: Iterable[planning.PlannedInvoice]) -> dict[int, Entry]:
    ids = [entry.id for invoice in planned for line in invoice.lines for entry in line.entries]
    found: dict[int, Entry] = {}
    for start in range(0, len(ids), 1000):
        part = Entry.objects.filter(workspace=dossier.workspace, remote_id__in=ids[start : start + 1000])
        found |= {row.remote_id: row for row in part.only("pk", "remote_id")}
    return found


def _free(redrawn: Sequence[Invoice], dropped: Sequence[Invoice], now: datetime) -> list[int]:
    """Take the hours of drafts that are redrawn (their lines go) or dropped (their lines stay as history) off them."""
    of_redrawn = Claim.objects.filter(line__invoice__in=redrawn)
    freed = list(of_redrawn.values_list("entry_id", flat=True))
    InvoiceLine.objects.filter(invoice__in=redrawn).delete()
    for invoice in dropped:
        freed += _drop(invoice, now)
    return freed


def _drop(invoice: Invoice, now: datetime) -> list[int]:
    Invoice.objects.filter(pk=invoice.pk).update(status=_Status.VOID, post_requested_at=None, send_requested_at=None)
    invoice.status = _Status.VOID
    return ledger.release(claims=Claim.objects.filter(line__invoice=invoice), now=now)


def _locked(invoice: Invoice) -> Invoice:
    locked = Invoice.objects.select_for_update(of=("self",)).select_related(
        "firm", "dossier__workspace__firm", "company"
    )
    return locked.get(pk=invoice.pk)


def _changed_since(invoice: Invoice) -> int:
    claims = Claim.objects.filter(line__invoice=invoice, released_at__isnull=True).select_related("entry")
    return sum(
        claim.entry.deleted_at is not None
        or (claim.entry.seconds, claim.entry.started_at, claim.entry.project_remote_id)
        != (claim.seconds, claim.started_at, claim.project_remote_id)
        or sorted(claim.entry.tags) != sorted(claim.tags)
        for claim in claims
    )


def _drafted_news(invoice: Invoice, planned: planning.PlannedInvoice, cut_off: date, redrawn: bool) -> News:
    hours: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in planned.lines:
        hours[line.product.reference] += line.quantity
    return News(
        "invoice_drafted",
        f"invoice {invoice.reference}",
        {
            "dossier": invoice.dossier.key,
            "customer": invoice.customer_name,
            "number": invoice.customer_vat,
            "through": cut_off.isoformat(),
            "redrawn": redrawn,
            "total_excl": str(invoice.total_excl),
            "total_incl": str(invoice.total_incl),
            "hours": {reference: str(quantity) for reference, quantity in sorted(hours.items())},
            "entries": sorted(entry.id for line in planned.lines for entry in line.entries),
        },
    )


def _void_news(invoice: Invoice, reason: str) -> News:
    return News("invoice_void", f"invoice {invoice.reference}", {"reason": reason})
