"""Writing down which hours draw which block of prepaid hours (design section 11)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from integrations.models import Entry
from invoicing.drafting.drafts import claim_of
from invoicing.ledger import write_backs
from invoicing.ledger.agreements import blocks
from invoicing.ledger.states import transitions
from invoicing.models import Agreement, Claim, Dossier, Invoice, InvoiceLine, LedgerRow
from invoicing.models.moves import STATE
from invoicing.rules import planning
from invoicing.rules.judging.judge import Judge
from toggbill.database import bulk
from toggbill.firms.audit import News


def write(drawn: Sequence[planning.Drawn], rows: Mapping[int, Entry], now: datetime) -> list[News]:
    """Let hours draw their blocks; gives the events. ``rows``: the entries, which are locked, by Toggl id."""
    by_agreement = defaultdict[int, list[int]](list)
    for each in drawn:
        by_agreement[each.agreement] += [rows[entry.id].pk for entry in each.entries]
    transitions.drawn(entries=by_agreement, now=now)
    bulk.insert(
        [
            claim_of(each.line, rows[entry.id], entry, kind=Claim.Kind.PREPAID, seconds=entry.seconds, drawn=seconds)
            for each in drawn
            for entry, seconds in zip(each.entries, each.seconds, strict=True)
        ]
    )
    write_backs.follow(entries=[pk for some in by_agreement.values() for pk in some], now=now)
    _tell(drawn, now)
    return _news(drawn)


def _tell(drawn: Sequence[planning.Drawn], now: datetime) -> None:
    """Have those told who want it that an agreement has come below what it is refilled at, or is used up: once for each
    time that it does."""
    seconds = Counter[int]()
    for each in drawn:
        seconds[each.agreement] += sum(each.seconds)
    left = {each.agreement: each.left for each in drawn}
    for row in Agreement.objects.filter(pk__in=left):
        # With nothing said of it, what is told is that no second is left.
        enough = 1 if row.refill_at is None else max(int(row.refill_at * 3600), 1)
        if left[row.pk] < enough <= left[row.pk] + seconds[row.pk]:
            Agreement.objects.filter(pk=row.pk).update(tell_left_at=now)


def judged_again(
    dossier: Dossier, judge: Judge, plan: planning.Plan, changes: Iterable[tuple[Invoice, planning.PlannedInvoice]]
) -> set[int]:
    """The entries (row ids) that are judged anew with what a run does: a block may be used up, or the next waits."""
    agreements = {each.agreement for each in plan.drawn}
    agreements.update(planned.block for _, planned in changes if planned.block is not None)
    return set(blocks.undecided(dossier.pk, judge, agreements)) if agreements else set()


def _news(drawn: Sequence[planning.Drawn]) -> list[News]:
    """One for each block: Toggl's ids, the hours drawn, and what the agreement has left after the run."""
    invoices = dict(
        InvoiceLine.objects.filter(pk__in=[each.line for each in drawn]).values_list("pk", "invoice__reference")
    )
    return [
        News(
            STATE.event(LedgerRow.State.OPEN, LedgerRow.State.PREPAID),
            f"invoice {invoices[each.line]}",
            {
                "agreement": each.key,
                "hours": str(blocks.hours_of(sum(each.seconds))),
                "left": str(blocks.hours_of(each.left)),
                "entries": sorted(entry.id for entry in each.entries),
            },
        )
        for each in drawn
    ]
