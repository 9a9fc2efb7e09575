"""Budgets: how much of what was agreed or estimated is worked (design section 11). Reads only.

Of a fixed fee: the hours that the period of today covers beside the hours that the fee includes, and their value at
rate beside the fee itself; or beside the budget of hours or euro that the agreement states. Of advances with a budget:
the hours on account that the next settlement bills. Of a Toggl project with an estimate: all its hours in the books
beside that. The database adds up; cost: the hours of the agreements' present periods, and of the projects with an
estimate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import Max, Q, Sum

from integrations.models import Project
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.ledger.agreements.fee_periods import fee_period
from invoicing.models import Agreement, Dossier, LedgerRow
from invoicing.rules.agreements.periods import Period, fee, period_of
from invoicing.rules.agreements.settlement import settling
from invoicing.rules.wip import euro, per_cent
from invoicing.wip import rate
from invoicing.wip.customers import portions

_Worked = tuple[int, Decimal, str]
"""Seconds, their value at rate, and the customer."""
NEARLY, USED_UP = 80, 100
"""Per cent at which a budget is noticed."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What was agreed or estimated, and what is worked of it. ``first`` and ``last``: its period, empty for a project.

    ``hours`` in seconds and ``amount`` in euro, None where there is no such limit. ``agreement`` and ``project`` are
    row ids; one of the two is given.
    """

    dossier: Dossier
    name: str
    customer: str
    first: date | None
    last: date | None
    seconds: int
    value: Decimal
    hours: int | None
    amount: Decimal | None
    agreement: int | None = None
    project: int | None = None

    @property
    def of_hours(self) -> Decimal | None:
        """Hours worked in per cent, None without such a limit (or with one of 0)."""
        return None if self.hours is None else per_cent(Decimal(self.seconds), Decimal(self.hours))

    @property
    def of_amount(self) -> Decimal | None:
        """The value at rate in per cent of the amount, None without such a limit (or with one of 0)."""
        return None if self.amount is None else per_cent(self.value, self.amount)

    @property
    def share(self) -> Decimal:
        """The higher of the two, by which it is noticed."""
        return max((each for each in (self.of_hours, self.of_amount) if each is not None), default=Decimal(0))

    @property
    def notice(self) -> int:
        """100 once it is used up, 80 when it nearly is, else 0."""
        return next((level for level in (USED_UP, NEARLY) if self.share >= level), 0)


def budgets(*, dossiers: Collection[Dossier], today: date) -> list[Budget]:
    """Of the dossiers of one firm on a local day, the most used first."""
    by_id = {dossier.pk: dossier for dossier in dossiers}
    found = [*_agreed(by_id, today), *_estimated(by_id)]
    return sorted(found, key=lambda each: (-each.share, each.dossier.name, each.name))


def _agreed(dossiers: dict[int, Dossier], today: date) -> list[Budget]:
    """Agreements that are in force: fixed fees, and advances with a budget."""
    planned = Q(budget_hours__isnull=False) | Q(budget_amount__isnull=False)
    kinds = Q(kind=Agreement.Kind.FIXED) | planned & Q(kind=Agreement.Kind.ADVANCE)
    rows = Agreement.objects.filter(kinds, dossier__in=dossiers, start_date__lte=today)
    rows = rows.filter(Q(end_date__isnull=True) | Q(end_date__gte=today)).select_related("dossier").order_by("key")
    terms = {row.pk: (row, agreement_of(row)) for row in rows}
    fees = {pk: period_of(each, today) for pk, (row, each) in terms.items() if row.kind == Agreement.Kind.FIXED}
    accounts = {pk: settling(each, today) for pk, (_row, each) in terms.items() if pk not in fees}
    worked = _covered(fees, today) | _on_account(accounts, today)
    found = []
    for pk, (row, each) in terms.items():
        seconds, value, customer = worked.get(pk, (0, Decimal("0.00"), ""))
        hours, amount = row.budget_hours, row.budget_amount
        if pk in fees:
            first, last = fees[pk].first, fees[pk].last
            hours = row.included_hours if hours is None else hours
            amount = fee(each, fees[pk]) if amount is None else amount
        else:
            first, last = accounts[pk]
        limit = None if hours is None else int(hours * 3600)
        dossier = dossiers[row.dossier_id]
        found.append(Budget(dossier, row.title, customer, first, last, seconds, value, limit, amount, agreement=pk))
    return found


def _covered(periods: Mapping[int, Period], today: date) -> dict[int, _Worked]:
    """The covered hours of the period of each agreement (by row id) up to a day."""
    if not periods:
        return {}
    covered = LedgerRow.objects.filter(state=LedgerRow.State.COVERED, agreement__in=periods)
    covered = covered.filter(day__gte=min(period.first for period in periods.values()), day__lte=today)
    sums = covered.order_by().annotate(fee_period=fee_period()).values("agreement", "fee_period")
    sums = sums.annotate(total=Sum(rate.time()), cents=Sum(rate.value()), name=Max("buyer_name"))
    return {
        each["agreement"]: (each["total"], euro(each["cents"]), each["name"])
        for each in sums
        if each["fee_period"] == periods[each["agreement"]].key
    }


def _on_account(spans: Mapping[int, tuple[date, date | None]], today: date) -> dict[int, _Worked]:
    """The hours on account of each agreement (by row id) from its first day that is not settled, up to a day."""
    if not spans:
        return {}
    within = Q()
    for pk, (first, _last) in spans.items():
        within |= Q(agreement=pk, day__gte=first)
    rows = LedgerRow.objects.filter(within, state=LedgerRow.State.ON_ACCOUNT, agreement__in=spans, day__lte=today)
    sums = rows.order_by().values("agreement")
    sums = sums.annotate(total=Sum(rate.time()), cents=Sum(rate.value()), name=Max("buyer_name"))
    return {each["agreement"]: (each["total"], euro(each["cents"]), each["name"]) for each in sums}


def _estimated(dossiers: dict[int, Dossier]) -> list[Budget]:
    """Projects with Toggl's own estimate, in the dossier that has most of their hours."""
    workspaces = {dossier.workspace_id for dossier in dossiers.values()}
    projects = Project.objects.present().filter(workspace__in=workspaces, is_active=True, estimated_seconds__gt=0)
    known = {(row.workspace_id, row.remote_id): row for row in projects.order_by("pk")}
    sums = defaultdict[tuple[int, int], list[tuple[int, int, Decimal, str]]](list)
    for ids in portions({remote_id for _workspace, remote_id in known}):
        rows = LedgerRow.objects.filter(dossier__in=dossiers, entry__project_remote_id__in=ids)
        rows = rows.exclude(state=LedgerRow.State.DELETED).order_by()
        for each in rows.values("entry__workspace", "entry__project_remote_id", "dossier").annotate(
            total=Sum(rate.time()), cents=Sum(rate.value()), name=Max("buyer_name")
        ):
            key = each["entry__workspace"], each["entry__project_remote_id"] or 0
            sums[key].append((each["total"], each["dossier"], euro(each["cents"]), each["name"]))
    found = []
    for key, parts in sums.items():
        project = known.get(key)
        if project is not None:
            _most, dossier, _value, customer = max(parts)
            seconds, value = sum(part[0] for part in parts), sum((part[2] for part in parts), Decimal(0))
            limit = project.estimated_seconds
            of = dossiers[dossier]
            one = Budget(of, project.name, customer, None, None, seconds, value, limit, None, project=project.pk)
            found.append(one)
    return found
