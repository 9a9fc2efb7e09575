"""Planning by something else than what is saved: other rules, another start, other clients, a block that is sold.

What a trial reaches that the books do not hold is read here, and judged as it would be were that saved. Reads only.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

from integrations.models import Entry
from invoicing.ledger.agreements import agreements
from invoicing.ledger.facts import books as facts
from invoicing.ledger.facts.books import Facts, in_scope
from invoicing.ledger.states import twins
from invoicing.models import Dossier, LedgerRow
from invoicing.rules import planning
from invoicing.rules.agreements.blocks import Block, Ordered, Stock, order
from invoicing.rules.agreements.fees import Standing
from invoicing.rules.agreements.periods import period_of
from invoicing.rules.billing.lines import Terms
from invoicing.rules.judging import mapping
from invoicing.rules.judging.judge import Judge

_State = LedgerRow.State
_UNBILLED = (
    *(_State.OPEN, _State.ATTENTION, _State.HELD, _State.NOT_BILLABLE),
    *(_State.ON_ACCOUNT, _State.COVERED, _State.PREPAID),
)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """``judge``: changes the rules of a dossier, which is not saved, and gives the judge by these rules.

    ``start``: another first day of its books; ``clients``: the Toggl clients that it names instead, none for all of its
    workspace or what no dossier names; ``block``: a prepaid agreement (id) of which the first block is taken as sold.
    ``twins``: which hours stand there twice is asked anew, since other hours may be let through.
    """

    judge: Callable[[Dossier, Judge], Judge]
    start: date | None = None
    clients: frozenset[int] | None = None
    block: int | None = None
    twins: bool = False


def reached(dossier: Dossier, books: Facts, what_if: WhatIf) -> list[Any]:
    """The hours that another start or other clients may bring into the books of a dossier or take from them, as
    ``with_cover`` gives them; ``dossier``: with the start that is tried."""
    if what_if.start is None and what_if.clients is None:
        return []
    begins = datetime.combine(dossier.start_date, time(0), tzinfo=books.zone)
    own = Entry.objects.filter(workspace=dossier.workspace_id)
    some = own.filter(ledger_row__isnull=True, started_at__gte=begins).order_by().values("pk")
    if what_if.start is not None:
        # What was due before the books is billed elsewhere; by another start that is something else.
        covered = LedgerRow.objects.filter(dossier=dossier, state=_State.COVERED)
        some = some.union(covered.values("entry"))
    if what_if.clients is not None:
        moving = own.filter(project_remote_id__in=_moving(dossier, books, what_if.clients))
        some = some.union(moving.filter(ledger_row__state__in=_UNBILLED).order_by().values("pk"))
    return agreements.with_cover(Entry.objects.filter(pk__in=some).select_related("ledger_row"))


def _moving(dossier: Dossier, books: Facts, clients: frozenset[int]) -> list[int]:
    """The projects whose client a dossier bills and would not bill, or the other way about."""
    now = {client for client, _name in in_scope(dossier, books)}
    then = clients or (frozenset(books.clients) if len(books.dossiers) == 1 else clients)
    return [project for project, (_name, client) in books.projects.items() if client in now ^ then]


def twins_of(
    dossier: Dossier, books: Facts, judge: Judge, what_if: WhatIf, rows: Iterable[Entry]
) -> dict[int, int] | None:
    """By entry (row id) the one that says the same, as ``twins.of`` gives it by what is tried; None: as it stands."""
    if not what_if.twins:
        return None
    named = books.named
    if what_if.clients is not None:
        others = {client: other for client, other in named.items() if other != dossier}
        named = others | dict.fromkeys(what_if.clients, dossier)
    tried = replace(books, judges={**books.judges, dossier.pk: judge}, named=named)
    return twins.of(tried, workspace=dossier.workspace, rows=list(rows))


def kept_of(row: Entry, twins: Mapping[int, int] | None) -> LedgerRow | facts.Standing | None:
    """What the ledger keeps of an entry, with the twin that it has by what is tried."""
    kept: LedgerRow | None = getattr(row, "ledger_row", None)
    if twins is None:
        return kept
    return facts.Standing(confirmed_as="" if kept is None else kept.confirmed_as, twin_id=twins.get(row.pk))


def counted(
    standing: dict[int, Standing], judge: Judge, hours: Iterable[tuple[Entry, mapping.Entry]]
) -> dict[int, Standing]:
    """What stands of the agreements, with the hours that count toward those included as they are judged by what is
    tried; ``hours``: rows as the rules see them."""
    by_id = {each.id: each for each in judge.agreements if each.included_hours is not None}
    if not by_id:
        return standing
    changed = defaultdict[int, defaultdict[date, Counter[int]]](lambda: defaultdict(Counter))
    for row, entry in hours:
        kept: LedgerRow | None = getattr(row, "ledger_row", None)
        verdict = judge.verdict(entry)
        was = kept.agreement_id if kept is not None and kept.state == _State.COVERED else None
        becomes = verdict.agreement if verdict.state is mapping.State.covered else None
        if was == becomes:
            continue
        if was in by_id:
            changed[was][period_of(by_id[was], entry.day).key][entry.seconds] -= 1
        if becomes in by_id:
            changed[becomes][period_of(by_id[becomes], entry.day).key][entry.seconds] += 1
    found = dict(standing)
    for agreement, periods in changed.items():
        before = found.get(agreement, Standing())
        seconds = dict(before.seconds)
        for period, differ in periods.items():
            count = Counter(seconds.get(period, ()))
            count.update(differ)
            seconds[period] = list(count.elements())
        found[agreement] = replace(before, seconds=seconds)
    return found


def sold(
    judge: Judge, of_run: Terms, what_if: WhatIf
) -> tuple[Judge, dict[int, Stock], Ordered | planning.Withheld | None]:
    """The first block of the agreement that is tried: as it is billed, and in stock where it can be; and the judge by
    whose word hours draw it. A block is sold once its agreement has begun."""
    tried = next((each for each in judge.agreements if each.id == what_if.block), None)
    if tried is None or tried.start > of_run.cut_off:
        return judge, {}, None
    block = order(judge, of_run, tried, 1, of_run.cut_off)
    if not isinstance(block, Ordered):
        return judge, {}, block
    agreed = tuple(replace(each, draws=True) if each is tried else each for each in judge.agreements)
    stock = Stock((Block(tried.id, 1, block.line.quantity),), made=1)
    return judge.under(agreements=agreed), {tried.id: stock}, block


def with_block(plan: planning.Plan, block: Ordered | planning.Withheld | None, of_run: Terms) -> planning.Plan:
    """The plan with the invoice of that block, or with why there is none."""
    if block is None:
        return plan
    if not isinstance(block, Ordered):
        return replace(plan, withheld=(*plan.withheld, block))
    return replace(plan, invoices=(*plan.invoices, planning.block_invoice(block, of_run)))
