"""What is kept of dossiers' months: sums and proofs, read, added up, renewed, and counted anew from the rows.

The database keeps the sums and notes which months changed (``models.month_triggers``), in the transaction of the
change. Here the checks (``invariants``) are asked of changed months, in portions; until then a reader asks them itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Any

from django.db import connection, transaction
from django.db.models import F, QuerySet, Sum
from django.db.models.functions import TruncMonth

from integrations.models import Entry
from invoicing.ledger.invariants import invariants
from invoicing.ledger.invariants.invariants import Broken, Check
from invoicing.models import ChangedMonth, Claim, Dossier, Invoice, LedgerRow, MonthProof, MonthSum
from invoicing.models.triggers.months import COUNTED, SUMMED, added_up, sums_of
from toggbill.firms.locks import lock_rows

TOGETHER = 40
"""So many dossiers of a firm are checked at once: a check asks for all of them together."""
MOST = 200
"""So many months are checked in one go."""
CLOSED = 6
"""So many months of a dossier in which all is settled are counted anew each night, the longest uncounted first."""
_CHANGES = 20_000
_FEW = 3
_TOLD = 50
_State = LedgerRow.State
_UNSETTLED = [_State.RUNNING, _State.OPEN, _State.ATTENTION, _State.HELD, _State.ON_ACCOUNT, _State.DRAFTED]
KEPT = tuple(check for check in invariants.CHECKS if check is not invariants.toggl_total)
"""What Toggl reports of a month stands in a row of its own already."""
_ORDER = {check.__name__: place for place, check in enumerate(invariants.CHECKS)}
_NAMES, _SUMMED = ", ".join((*SUMMED, *COUNTED)), ", ".join(SUMMED)
_TOTALS = ", ".join(f"sum({name}) AS {name}" for name in COUNTED)


# --- sums -------------------------------------------------------------------------------------------------------------


def sums(
    dossiers: Collection[Dossier] | QuerySet[Dossier], *by: str, **only: Any
) -> QuerySet[MonthSum, dict[str, Any]]:
    """The kept sums of dossiers by columns of ``MonthSum``: ``count`` entries, ``total`` seconds, and of those that
    were corrected after billing ``corrected`` entries and ``difference`` in seconds. ``only`` narrows the sums."""
    rows = MonthSum.objects.filter(dossier__in=dossiers, **only).order_by().values(*by)
    counted = rows.annotate(
        count=Sum("entries"),
        total=Sum("seconds"),
        corrected=Sum("corrected_entries"),
        difference=Sum("corrected_seconds"),
    )
    found: QuerySet[MonthSum, dict[str, Any]] = counted.filter(count__gt=0)
    return found


def add_up() -> int:
    """Add the changes of sums to the sums, a bounded number of them; returns how many there were.

    Two who do so take different changes. A reader sees each change either by itself or in its sum.
    """
    table, count = MonthSum._meta.db_table, 0
    if MonthSum.objects.changes().exists():
        some = f"SELECT id FROM {table} WHERE is_change ORDER BY id LIMIT {_CHANGES} FOR UPDATE SKIP LOCKED"
        taken = f"DELETE FROM {table} WHERE id IN ({some}) RETURNING {_NAMES}"
        added = added_up("postgresql", f"(SELECT {_SUMMED}, {_TOTALS} FROM taken GROUP BY {_SUMMED}) AS grouped")
        with connection.cursor() as cursor:
            cursor.execute(f"WITH taken AS ({taken}), added AS ({added} RETURNING 1) SELECT count(*) FROM taken")
            (count,) = cursor.fetchone()
    with transaction.atomic():
        nothing = MonthSum.objects.filter(is_change=False, **dict.fromkeys(COUNTED, 0))
        MonthSum.objects.filter(pk__in=nothing.select_for_update(skip_locked=True).values("pk")).delete()
    return int(count)


def _correct_sums(dossier: Dossier, month: date) -> bool:
    """Bring the sums of a month to what its rows make, in one statement; whether they were not."""
    table, rows = MonthSum._meta.db_table, LedgerRow._meta.db_table
    own = f"(SELECT 1 AS sign, r.* FROM {rows} r WHERE r.dossier_id = %s AND r.day >= %s AND r.day < %s) AS own"
    kept = ", ".join(f"-{name}" for name in COUNTED)
    both = (
        f"SELECT {_NAMES} FROM ({sums_of(connection.vendor, own)}) AS counted UNION ALL "
        f"SELECT {_SUMMED}, {kept} FROM {table} WHERE dossier_id = %s AND month = %s"
    )
    off = " OR ".join(f"sum({name}) <> 0" for name in COUNTED)
    grouped = f"(SELECT {_SUMMED}, {_TOTALS} FROM ({both}) AS every GROUP BY {_SUMMED} HAVING {off}) AS differing"
    with connection.cursor() as cursor:
        cursor.execute(added_up(connection.vendor, grouped), [dossier.pk, month, _following(month), dossier.pk, month])
        return bool(cursor.rowcount > 0)


# --- proofs -----------------------------------------------------------------------------------------------------------


def broken(
    *, dossiers: Sequence[Dossier], month: date | None = None, checks: Collection[Check] = invariants.CHECKS
) -> list[Broken]:
    """What does not hold in the books of dossiers, as ``invariants.broken`` tells it.

    The checks are asked of what changed since they were asked last; what they found then is kept.
    """
    by_id = {dossier.pk: dossier for dossier in dossiers}
    kept, others = [each for each in checks if each in KEPT], [each for each in checks if each not in KEPT]
    whole, some, found = _to_ask(by_id, month)
    names = {check.__name__ for check in kept}
    found = [each for each in found if each.rule in names]
    if whole:
        found += invariants.broken(dossiers=[by_id[pk] for pk in sorted(whole)], month=month, checks=kept)
    for of, ids in sorted(some.items()):
        found += invariants.broken(dossiers=[by_id[pk] for pk in sorted(ids)], month=of, checks=kept)
    found += invariants.broken(dossiers=dossiers, month=month, checks=others)
    return sorted(found, key=lambda each: (_ORDER[each.rule], each.dossier, each.month, each.subject))


def _to_ask(dossiers: Collection[int], month: date | None) -> tuple[set[int], dict[date, set[int]], list[Broken]]:
    """The dossiers (row ids) of which all months are to be asked, by month those of which that one is, and what is kept
    of the other months."""
    # First what changed: what is checked between the two readings is then asked, rather than believed.
    noted = ChangedMonth.objects.filter(dossier__in=dossiers).values_list("dossier_id", "month").distinct()
    months = defaultdict[int, set[date | None]](set)
    for pk, of in noted.order_by():
        if month in (None, of) or of is None:
            months[pk].add(of)
    wrong = MonthProof.objects.broken().filter(dossier__in=dossiers, **({} if month is None else {"month": month}))
    kept = []
    for proof in wrong:
        if any(isinstance(found, int) and found for found in proof.outcome.values()):
            months[proof.dossier_id].add(proof.month)
        else:
            kept.append(proof)
    whole = {pk for pk, of in months.items() if None in of or len(of) > _FEW}
    some = defaultdict[date, set[int]](set)
    for pk in months.keys() - whole:
        for each in months[pk]:
            if each is not None:
                some[each].add(pk)
    told = [
        Broken.of_kept(proof.dossier_id, proof.month, rule, each)
        for proof in kept
        if proof.dossier_id not in whole and proof.month not in months.get(proof.dossier_id, ())
        for rule, found in proof.outcome.items()
        for each in found or ()
    ]
    return whole, some, told


def prove(
    *, now: datetime, dossiers: Collection[int] | None = None, most: int = MOST, beside_others: bool = False
) -> int:
    """Ask the checks of what changed in these dossiers (row ids), or in any; at most of so many months. Returns of how
    many. In transactions of its own, month by month and firm by firm.

    ``beside_others``: months that somebody else checks at this moment are left to them, rather than waited for.
    """
    noted = ChangedMonth.objects.all() if dossiers is None else ChangedMonth.objects.filter(dossier__in=dossiers)
    for pk in noted.filter(month=None).order_by().values_list("dossier_id", flat=True).distinct()[:most]:
        _spread(Dossier.objects.select_related("firm").get(pk=pk))
    changed = noted.filter(month__isnull=False).order_by("firm", "month", "dossier")
    pairs = list(changed.values_list("firm_id", "month", "dossier_id").distinct()[:most])
    for (_firm, month), group in groupby(pairs, key=lambda pair: pair[:2]):
        ids = [pk for _firm, _month, pk in group]
        for start in range(0, len(ids), TOGETHER):
            some = ids[start : start + TOGETHER]
            _prove_changed(some, month, now, beside_others=beside_others)
    return len(pairs)


@transaction.atomic
def _prove_changed(ids: Sequence[int], month: date, now: datetime, *, beside_others: bool) -> None:
    """The same as ``_prove`` of those that are still noted: whoever had to wait for another finds them checked."""
    proofs = MonthProof.objects.filter(dossier__in=ids, month=month).order_by("pk")
    if beside_others:
        known = set(proofs.values_list("dossier_id", flat=True))
        free = proofs.select_for_update(no_key=True, skip_locked=True).values_list("dossier_id", flat=True)
        ids = sorted(set(ids).difference(known.difference(free)))
    else:
        lock_rows(proofs)
    noted = ChangedMonth.objects.filter(dossier__in=ids, month=month)
    if still := sorted(set(noted.values_list("dossier_id", flat=True))):
        _prove(still, month, now)


@transaction.atomic
def _spread(dossier: Dossier) -> None:
    """All months of a dossier may have changed: note each of them."""
    noted = list(ChangedMonth.objects.filter(dossier=dossier, month=None).values_list("pk", flat=True))
    ChangedMonth.objects.bulk_create(
        [ChangedMonth(firm_id=dossier.firm_id, dossier=dossier, month=month) for month in months_of(dossier)]
    )
    ChangedMonth.objects.filter(pk__in=noted).delete()


@transaction.atomic
def _prove(ids: Sequence[int], month: date, now: datetime) -> dict[int, bool]:
    """Ask the checks of one month of dossiers of a firm; gives by row id whether what was kept was wrong.

    Nobody else asks them of these months meanwhile. What changes while they are asked is noted by its own transaction,
    and stays noted: only what was noted before is taken away.
    """
    dossiers = list(Dossier.objects.filter(pk__in=ids).select_related("firm").order_by("pk"))
    MonthProof.objects.bulk_create(
        [MonthProof(firm_id=row.firm_id, dossier=row, month=month, proved_at=now) for row in dossiers],
        ignore_conflicts=True,
    )
    proofs = MonthProof.objects.filter(dossier__in=ids, month=month)
    lock_rows(proofs)
    before = dict(proofs.values_list("dossier_id", "outcome"))
    noted = dict(ChangedMonth.objects.filter(dossier__in=ids, month=month).values_list("pk", "dossier_id"))
    found = defaultdict[tuple[int, str], list[Broken]](list)
    for each in invariants.broken(dossiers=dossiers, month=month, checks=KEPT):
        found[each.dossier, each.rule].append(each)
    wrong = {}
    for row in dossiers:
        by_rule = {check.__name__: found[row.pk, check.__name__] for check in KEPT}
        outcome = {rule: _outcome(breaches) for rule, breaches in by_rule.items()}
        count = sum(len(breaches) for breaches in by_rule.values())
        proofs.filter(dossier=row).update(outcome=outcome, broken=count, proved_at=now)
        wrong[row.pk] = (
            bool(before[row.pk]) and _counts(before[row.pk]) != _counts(outcome) and row.pk not in noted.values()
        )
    ChangedMonth.objects.filter(pk__in=noted).delete()
    return wrong


def _counts(outcome: Mapping[str, int | list[Any]]) -> dict[str, int]:
    return {rule: found if isinstance(found, int) else len(found) for rule, found in outcome.items()}


def _outcome(breaches: Sequence[Broken]) -> int | list[list[Any]]:
    """What is kept of a check: 0, what it found, or of more than are looked at their number alone."""
    return [each.kept() for each in breaches] if 0 < len(breaches) <= _TOLD else len(breaches)


# --- counting anew ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Recount:
    """How many months were counted anew, and in how many what was kept was not what the rows make."""

    months: int
    changed: int


def recount(*, dossiers: Sequence[Dossier], now: datetime) -> Recount:
    """Count sums and proofs of all months anew from the rows, month by month; what was wrong is right afterwards."""
    return _recounted([(dossier, month) for dossier in dossiers for month in months_of(dossier)], now)


def renew(*, dossiers: Sequence[Dossier], now: datetime) -> Recount:
    """The same of a night: the months that are open or changed, and some of those in which all is settled."""
    ids = [dossier.pk for dossier in dossiers]
    while prove(now=now, dossiers=ids):
        pass
    return _recounted([(dossier, month) for dossier in dossiers for month in _of_tonight(dossier)], now)


def _of_tonight(dossier: Dossier) -> list[date]:
    unsettled = set(sums([dossier], "month", state__in=_UNSETTLED).values_list("month", flat=True))
    proofs = MonthProof.objects.filter(dossier=dossier).exclude(month__in=unsettled).order_by("proved_at", "month")
    return sorted(unsettled.union(proofs.values_list("month", flat=True)[:CLOSED]))


def _recounted(months: Iterable[tuple[Dossier, date]], now: datetime) -> Recount:
    changed = [_recount(dossier, month, now) for dossier, month in months]
    return Recount(len(changed), sum(changed))


@transaction.atomic
def _recount(dossier: Dossier, month: date, now: datetime) -> bool:
    # The proof first: its lock lets one at a time correct the sums.
    proof = _prove([dossier.pk], month, now)[dossier.pk]
    return _correct_sums(dossier, month) or proof


def months_of(dossier: Dossier) -> list[date]:
    """The months in which the books of a dossier hold anything, or should."""
    zone = dossier.firm.zone
    begin = datetime.combine(dossier.start_date, time(0), tzinfo=zone)
    entries = Entry.objects.filter(workspace=dossier.workspace_id, started_at__gte=begin)
    local = TruncMonth("started_at", tzinfo=zone)
    claims = Claim.objects.filter(line__invoice__dossier=dossier, line__firm=dossier.firm_id)
    found = {moment.date() for moment in entries.order_by().values_list(local, flat=True).distinct()}
    rows: tuple[tuple[QuerySet[Any], str], ...] = (
        (LedgerRow.objects.filter(dossier=dossier), "day"),
        (claims, "day"),
        (Invoice.objects.filter(dossier=dossier), "period_from"),
        (MonthSum.objects.filter(dossier=dossier), "month"),
        (MonthProof.objects.filter(dossier=dossier), "month"),
    )
    for some, day in rows:
        found.update(some.order_by().values_list(TruncMonth(F(day)), flat=True).distinct())
    return sorted(found)


def _following(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)
