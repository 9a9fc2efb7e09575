"""What a waiting settlement takes off for advances, planned anew when one of its lines is given another amount."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter

from invoicing.drafting import drafts
from invoicing.ledger.agreements import agreements
from invoicing.ledger.facts.books import terms
from invoicing.models import Agreement, Deduction, Invoice, InvoiceLine
from invoicing.rules.agreements.settlement import Room, deduct
from invoicing.rules.billing.lines import AdvanceKey, PlannedLine, Settled
from invoicing.rules.judging.mapping import Buyer, Treatment

_Kind = InvoiceLine.Kind


def plan_anew(*, invoice: Invoice, lines: Sequence[InvoiceLine], now: datetime) -> list[InvoiceLine]:
    """Have a draft deduct what its hours come to now; gives its lines in their order, as ``lines`` are.

    As a run does that draws it anew (section 11), for this draft alone: what other drafts deduct stays theirs. For the
    caller's transaction, in which the firm and the draft are locked; ``lines`` may have amounts that are not saved.
    """
    room = _room(lines)
    if not room:
        return list(lines)
    planned = _planned(invoice, room, now)
    standing = [line for line in lines if line.kind == _Kind.DEDUCTION]
    if [_says(line) for line in standing] == [(line.deducts, line.total) for line in planned]:
        return list(lines)
    others = [line for line in lines if line.kind != _Kind.DEDUCTION]
    behind = [line for line in others if line.corrects]
    before = len(others) - len(behind)
    InvoiceLine.objects.filter(pk__in=[line.pk for line in standing]).delete()
    _move(behind, first=before + len(planned) + 1)
    made = drafts.add_deductions(invoice, planned, first=before + 1)
    return [*others[:before], *made, *behind]


def _room(lines: Sequence[InvoiceLine]) -> dict[tuple[int, int], tuple[InvoiceLine, Room]]:
    """What the settled hours come to, by agreement (row id) and its version, with one of their lines."""
    found = dict[tuple[int, int], tuple[InvoiceLine, Room]]()
    for line in lines:
        if line.kind == _Kind.HOURS and line.agreement_id is not None:
            of = line.agreement_id, line.agreement_version
            room = found.setdefault(of, (line, defaultdict(Decimal)))[1]
            room[line.vat_rate, Treatment(line.treatment)] += line.total
    return found


def _planned(
    invoice: Invoice, room: dict[tuple[int, int], tuple[InvoiceLine, Room]], now: datetime
) -> list[PlannedLine]:
    rows = Agreement.objects.filter(pk__in=[of for of, _version in room]).select_related("dossier").order_by("key")
    agreed = {row.pk: agreements.agreement_of(row) for row in rows}
    standing = agreements.standing(list(agreed.values()), besides=[invoice])
    # Words and customer alone are asked of these.
    of_run = terms(invoice.dossier, cut_off=invoice.period_till, late_through=None, now=now)
    buyer = Buyer(
        number=invoice.customer_vat,
        party_id=invoice.customer_party_id,
        name=invoice.customer_name,
        language=invoice.customer_language,
        treatment=Treatment.domestic,
        purchase_order=invoice.purchase_order,
        buyer_reference=invoice.buyer_reference,
    )
    found: list[PlannedLine] = []
    taken = defaultdict[AdvanceKey, Decimal](Decimal)
    for (of, version), (line, own) in sorted(room.items(), key=lambda each: agreed[each[0][0]].key):
        through, end = line.due_on or invoice.period_till, agreed[of].end
        settled = Settled(of, agreed[of].key, version, through, is_last=end is not None and end <= through)
        lines = deduct(settled, own, buyer, standing[of].advances, taken, of_run).lines
        for each in lines:
            if each.deducts is not None:
                taken[each.deducts] -= each.total
        found += lines
    return found


def _says(line: InvoiceLine) -> tuple[AdvanceKey, Decimal]:
    row: Deduction = line.deduction
    return drafts.advance_of(row), line.total


def _move(lines: Sequence[InvoiceLine], *, first: int) -> None:
    """Give lines, which are in their order, the places from ``first`` on: no two ever have the same one."""
    goes_up = bool(lines) and first > lines[0].position
    for place, line in enumerate(lines, start=first):
        line.position = place
    for line in sorted(lines, key=attrgetter("position"), reverse=goes_up):
        line.save(update_fields=["position"])
