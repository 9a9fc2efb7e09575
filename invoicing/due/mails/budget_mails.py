"""Each morning owners and managers are told by mail which budgets are used up, or nearly (design section 11).

The firm's row says when (design D4). A notice is a row that the database holds once for each budget, period and per
cent: of a budget that was raised, and of a new period, there is a notice of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from anymail.exceptions import AnymailError
from anymail.message import AnymailMessage
from django.db import transaction
from django.db.models import Q
from django.utils.translation import ngettext

from invoicing.models import BudgetNotice, Dossier
from invoicing.rules import schedule
from invoicing.wip.budgets import NEARLY, USED_UP, Budget, budgets
from toggbill.firms import mails
from toggbill.firms.access import visible
from toggbill.firms.models import Firm, Membership

AT = timedelta(hours=6)
"""Of each day, in the firm's zone."""
LONGEST = timedelta(hours=26)
"""From one morning to the next, summer time and a difference of clocks included."""
_LEADS = (Membership.Role.OWNER, Membership.Role.MANAGER)
_Key = tuple[int | None, int | None]
"""An agreement or a project, by row id."""


@dataclass(frozen=True, slots=True)
class Used:
    """A budget that is told, by the per cent that it reached."""

    budget: Budget
    level: int

    @property
    def is_used_up(self) -> bool:
        """Whether nothing is left of it."""
        return self.level == USED_UP


def count(*, now: datetime) -> int:
    """Say when the budgets of each firm are looked at that has no time yet, or one that a wrong clock wrote; returns of
    how many firms."""
    uncounted = Q(budgets_due_at__isnull=True) | Q(budgets_due_at__gt=now + LONGEST)
    firms = list(Firm.objects.filter(uncounted, closed_at__isnull=True).only("pk", "timezone"))
    for firm in firms:
        Firm.objects.filter(uncounted, pk=firm.pk).update(budgets_due_at=_following(firm, now))
    return len(firms)


def due(*, now: datetime) -> list[int]:
    """The firms at work (row ids) whose budgets are to be looked at."""
    rows = Firm.objects.filter(budgets_due_at__lte=now, closed_at__isnull=True)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def tell(*, firm: Firm, now: datetime) -> int:
    """Notice what is used up, or nearly, send the mails on what was not told yet, and say when to look next; returns
    how many mails. Twice is once.

    Raises OSError when no mail could be handed over; they are due again then.
    """
    mine = Firm.objects.filter(pk=firm.pk)
    if not mine.filter(budgets_due_at__lte=now).update(budgets_due_at=_following(firm, now)):
        return 0
    dossiers = list(Dossier.objects.filter(firm=firm).select_related("firm"))
    found = budgets(dossiers=dossiers, today=now.astimezone(firm.zone).date())
    used = _notice(firm, found, now)
    told = 0
    members = mails.wanting(Membership.objects.filter(firm=firm, role__in=_LEADS), mails.Kind.BUDGETS)
    try:
        for member in members.select_related("firm", "user"):
            with mails.within(member):
                told += mails.send(_mails(member, [each for each, _rows in used]))
    except (OSError, AnymailError) as error:
        if not told:
            BudgetNotice.objects.filter(pk__in=[pk for _each, rows in used for pk in rows]).update(told_at=None)
            mine.update(budgets_due_at=now)
            raise OSError(str(error)) from error
    return told


def noticed(found: Iterable[Budget]) -> Mapping[Budget, datetime]:
    """Since when each of the budgets is noticed as it is now, by the per cent that it reached."""
    reached = [budget for budget in found if budget.notice]
    rows = BudgetNotice.objects.filter(
        Q(agreement__in=[budget.agreement for budget in reached if budget.agreement])
        | Q(project__in=[budget.project for budget in reached if budget.project])
    )
    since = {_identity(row): row.noticed_at for row in rows}
    return {budget: since[key] for budget in reached if (key := _identity(_row(budget, budget.notice, None))) in since}


@transaction.atomic
def _notice(firm: Firm, found: Sequence[Budget], now: datetime) -> list[tuple[Used, list[int]]]:
    """Write what is new, and give what is to be told of it, with its rows: of a budget the higher per cent alone."""
    reached = {(each.agreement, each.project): each for each in found if each.notice}
    wanted = [
        _row(each, level, now) for each in reached.values() for level in (NEARLY, USED_UP) if level <= each.notice
    ]
    BudgetNotice.objects.bulk_create(wanted, ignore_conflicts=True)
    untold: dict[_Key, list[BudgetNotice]] = {}
    rows = BudgetNotice.objects.for_firm(firm).filter(told_at__isnull=True).select_for_update(no_key=True)
    for row in rows.order_by("pk"):
        untold.setdefault((row.agreement_id, row.project_id), []).append(row)
    BudgetNotice.objects.filter(pk__in=[row.pk for own in untold.values() for row in own]).update(told_at=now)
    told = []
    for key, own in untold.items():
        budget = reached.get(key)
        # One that fell below again, before a mail could be handed over, is owed to nobody.
        levels = [
            row.level for row in own if budget is not None and _identity(row) == _identity(_row(budget, row.level))
        ]
        if budget is not None and levels:
            told.append((Used(budget, max(levels)), [row.pk for row in own]))
    return sorted(told, key=lambda each: (-each[0].level, each[0].budget.dossier.name, each[0].budget.name))


def _row(budget: Budget, level: int, now: datetime | None = None) -> BudgetNotice:
    """The notice of a budget as it is now; not saved."""
    made = BudgetNotice(
        firm_id=budget.dossier.firm_id,
        dossier=budget.dossier,
        agreement_id=budget.agreement,
        project_id=budget.project,
        period=budget.first if budget.agreement else None,
        level=level,
        hours=budget.hours or 0,
        amount=budget.amount or Decimal(0),
    )
    if now is not None:
        made.noticed_at = now
    return made


def _identity(row: BudgetNotice) -> tuple[object, ...]:
    """What the database holds once."""
    return row.agreement_id, row.project_id, row.period, row.level, row.hours, row.amount


def _following(firm: Firm, now: datetime) -> datetime:
    """The next morning after this moment."""
    today = now.astimezone(firm.zone).date()
    morning = schedule.starts_at(today, firm.zone) + AT
    return morning if morning > now else schedule.starts_at(today + timedelta(days=1), firm.zone) + AT


def _mails(member: Membership, used: Sequence[Used]) -> list[AnymailMessage]:
    seen = set(visible(member, Dossier.objects.all()).values_list("pk", flat=True)) if used else set()
    mine = [each for each in used if each.budget.dossier.pk in seen]
    if not mine:
        return []
    up = sum(1 for each in mine if each.is_used_up)
    title = ngettext(
        "%(firm)s: %(n)d budget is nearly used up", "%(firm)s: %(n)d budgets are nearly used up", len(mine)
    )
    if up:
        title = ngettext("%(firm)s: %(n)d budget is used up", "%(firm)s: %(n)d budgets are used up", up)
    words = {"firm": member.firm.name, "n": up or len(mine)}
    facts = {"used": mine, "page": mails.page("firm:budgets")}
    return [mails.write(kind=mails.Kind.BUDGETS, member=member, title=title % words, facts=facts)]
