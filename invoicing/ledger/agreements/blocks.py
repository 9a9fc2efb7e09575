"""Blocks of prepaid hours: what stands of them, and the hours that are free of theirs again (design section 11)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from django.db.models import OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from integrations.models import Entry
from invoicing.ledger import write_backs
from invoicing.ledger.locks import portions
from invoicing.models import Agreement, Claim, Dossier, Invoice, InvoiceLine, LedgerRow
from invoicing.rules.agreements.blocks import Block, Stock
from invoicing.rules.judging import mapping
from invoicing.rules.judging.judge import Judge
from toggbill.firms.audit import News

_State = LedgerRow.State
_STAYS = (mapping.State.prepaid, mapping.State.attention)
"""What the rules say of an hour that keeps its block: that it is in scope, or that a person has to look."""
_Judged = tuple[Dossier | None, mapping.Verdict]
_UNDECIDED = [_State.OPEN, _State.ATTENTION, _State.HELD]


class Sold(NamedTuple):
    """A block that was ordered: its line and that of its invoice as they stand, and the seconds drawn of it."""

    agreement: int
    line: int
    part: int
    hours: Decimal
    period: date | None
    released_at: datetime | None
    invoice: int
    status: str
    drawn: int


def sold(agreements: Collection[int]) -> tuple[Sold, ...]:
    """All blocks of these agreements (row ids), the earliest first; one query, none without an agreement."""
    if not agreements:
        return ()
    lines = InvoiceLine.objects.filter(agreement__in=agreements, kind=InvoiceLine.Kind.BLOCK, takes_back__isnull=True)
    claims = Claim.objects.live().prepaid().filter(line=OuterRef("pk")).order_by().values("line")
    drawn = Coalesce(Subquery(claims.annotate(total=Sum("drawn")).values("total")), 0)
    rows = lines.annotate(seconds_drawn=drawn).order_by("part")
    columns = ("agreement_id", "pk", "part", "quantity", "period", "released_at", "invoice_id", "invoice__status")
    return tuple(Sold(*row) for row in rows.values_list(*columns, "seconds_drawn"))


def stocks(agreements: Collection[int]) -> dict[int, Stock]:
    """By agreement (row id): its blocks; one query."""
    return stocks_of(agreements, sold(agreements))


def stocks_of(
    agreements: Collection[int], found: Iterable[Sold], *, besides: Iterable[Invoice] = ()
) -> dict[int, Stock]:
    """The same of blocks that were read (``found``). One on an invoice of ``besides`` is drawn anew by the run."""
    redrawn = {invoice.pk for invoice in besides}
    blocks, waits = defaultdict[int, list[Block]](list), set[int]()
    drafts, made = dict[int, tuple[int, date]](), dict[int, int]()
    for row in found:
        of = row.agreement
        # One that was taken back has had its number all the same.
        made[of] = row.part
        if row.released_at is not None:
            continue
        if row.status == Invoice.Status.POSTED:
            blocks[of].append(Block(row.line, row.part, row.hours, row.drawn))
        elif row.invoice in redrawn and row.period is not None:
            drafts[of] = row.part, row.period
        elif row.status != Invoice.Status.VOID:
            waits.add(of)
    return {pk: Stock(tuple(blocks[pk]), made.get(pk, 0), pk in waits, drafts.get(pk)) for pk in agreements}


@dataclass(frozen=True, slots=True)
class Balance:
    """What an agreement has, in hours: of its blocks at Billit what was sold, drawn and is left; ``waiting``: the
    invoice of the block that is ordered, if one is."""

    agreement: Agreement
    sold: Decimal
    drawn: Decimal
    left: Decimal
    waiting: Invoice | None


def prepaid(agreements: Iterable[Agreement]) -> list[Agreement]:
    """Those of them that have blocks, by their titles."""
    found = (row for row in agreements if row.kind == Agreement.Kind.PREPAID)
    return sorted(found, key=lambda row: (row.title, row.key))


def balances(agreements: Iterable[Agreement], found: Mapping[int, Stock] | None = None) -> list[Balance]:
    """Of those of them that have a block, by their titles; ``found``: their ``stocks``, where they were read."""
    rows = prepaid(agreements)
    found = stocks([row.pk for row in rows]) if found is None else found
    ordered = [pk for pk, stock in found.items() if stock.waits]
    waiting = {row.block_of_id: row for row in Invoice.objects.waiting().filter(block_of__in=ordered)}
    return [
        Balance(
            row,
            sold := sum((block.hours for block in stock.blocks), Decimal(0)),
            sold - hours_of(stock.left),
            hours_of(stock.left),
            waiting.get(row.pk),
        )
        for row in rows
        if (stock := found[row.pk]).blocks or row.pk in waiting
    ]


def of_customer(invoice: Invoice) -> QuerySet[Agreement]:
    """The prepaid agreements of an invoice's customer, as their blocks were billed."""
    blocks = Invoice.objects.standing().filter(dossier=invoice.dossier_id, buyer_key=invoice.buyer_key)
    return Agreement.objects.filter(pk__in=blocks.filter(block_of__isnull=False).values("block_of"))


def left_of_customer(invoice: Invoice) -> list[list[str]]:
    """What the customer of an invoice has left, as pairs of title and hours; with the block that it bills itself."""
    return [
        [
            each.agreement.title,
            str(each.left + (each.agreement.hours or 0) * (each.agreement.pk == invoice.block_of_id)),
        ]
        for each in balances(of_customer(invoice))
    ]


def left(agreement: Agreement) -> Decimal:
    """The hours left of the blocks of an agreement, below zero by less than one entry."""
    return hours_of(stocks([agreement.pk])[agreement.pk].left)


def hours_of(seconds: int) -> Decimal:
    """Seconds left or drawn, as hours with two decimals."""
    return (Decimal(seconds) / 3600).quantize(Decimal("0.01"))


def drawing(entries: Collection[int]) -> dict[int, Claim]:
    """By entry (row id): the claim by which it draws its block."""
    found = dict[int, Claim]()
    for part in portions(entries):
        claims = (
            Claim.objects.live().prepaid().filter(entry__in=part).select_related("line__invoice", "line__agreement")
        )
        found |= {claim.entry_id: claim for claim in claims}
    return found


def verdict(
    judge: Callable[[mapping.Entry], _Judged],
    row: Entry,
    entry: mapping.Entry,
    drawing: Mapping[int, Claim],
    freed: list[Claim],
) -> _Judged:
    """What ``judge`` says of an entry. One that drew a block, and has another length by now, is gone or not billed at
    all, is ``freed``, and judged as one that drew none."""
    claim, judged = drawing.get(row.pk), judge(entry)
    if claim is None or (judged[1].state in _STAYS and row.deleted_at is None and row.seconds == claim.seconds):
        return judged
    freed.append(claim)
    return judge(replace(entry, covered_by=None))


def free(claims: Collection[Claim], now: datetime) -> list[News]:
    """These hours draw their blocks no more; gives the events: one for each invoice, with Toggl's ids."""
    Claim.objects.filter(pk__in=[claim.pk for claim in claims]).update(released_at=now)
    write_backs.follow(entries=[claim.entry_id for claim in claims], now=now)
    by_invoice = defaultdict[str, list[int]](list)
    for claim in claims:
        by_invoice[claim.line.invoice.reference].append(claim.entry_remote_id)
    return [
        News("hours_freed", f"invoice {reference}", {"entries": sorted(found)})
        for reference, found in sorted(by_invoice.items())
    ]


def undecided(dossier: int, judge: Judge, agreements: Collection[int]) -> list[int]:
    """The entries (row ids) that nothing bills in the days and of the customers of these agreements of a dossier (row
    ids): those to be judged anew when a block was ordered, dropped, credited or used up. They are locked with all
    others that a transaction needs.

    What was written off, or credited for good, stays so whatever its block says, and is judged when a person opens it.
    """
    reached = Q(pk__in=[])
    for each in judge.agreements:
        if each.id in agreements:
            # Of an hour that cannot be billed as it is, the customer may not be written down.
            in_scope = Q(day__gte=each.start, buyer_key__in=[judge.customer_key(each), ""])
            reached |= in_scope if each.end is None else in_scope & Q(day__lte=each.end)
    rows = LedgerRow.objects.filter(reached, dossier=dossier, state__in=_UNDECIDED)
    return list(rows.values_list("entry", flat=True))
