"""Toggl's own total of each month against the mirror (design section 6): the proof that nothing was left out.

One call per dossier and month, and so only when the books are compared, never in a sync. It always leaves the reserve
of the hourly budget alone: what could not be read this time is first in line the next.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from django.db.models import Sum

from integrations.clients import toggl
from integrations.clients.http.failures import Message
from integrations.clients.http.transport import QuotaExhausted
from integrations.connections.opening import open_toggl
from integrations.connections.pacing import quota
from integrations.models import Entry, Project, Workspace
from invoicing.ledger.facts.books import Facts
from invoicing.models import Dossier, ReportedMonth

_Clients = frozenset[int]
# For how long a timer runs is known as of the reading, not of Toggl's own reckoning.
_TOLERANCE = 120


class _BudgetIsSpent(Exception):
    """What is left of Toggl's hourly budget is for people, until then."""

    def __init__(self, until: datetime) -> None:
        super().__init__()
        self.until = until


@dataclass(frozen=True, slots=True)
class Totals:
    """How many months were read, and why the others were not, if any was left."""

    read: int
    why: Message | None = None


def explained(difference: int, ages: Iterable[int]) -> bool:
    """Whether a total that is so many seconds more than what was mirrored is right all the same (design section 6).

    It is when nothing differs, or when some of the timers that run, by their ages in seconds, make the difference up
    within two minutes: Toggl does not say whether a total counts them. Nothing between is.
    """
    if difference <= 0:
        return difference == 0
    most = (1 << (difference + _TOLERANCE + 1)) - 1
    # Bit n: some of the timers make n seconds.
    every, some = 1, 0
    for age in ages:
        if age <= difference + _TOLERANCE:
            some |= (every << age) & most
            every |= some
    return some >> max(0, difference - _TOLERANCE) != 0


def read(
    *, workspace: Workspace, dossiers: Sequence[Dossier], months: Collection[date] | None = None, now: datetime
) -> Totals:
    """Ask Toggl for the total of each of the dossiers' months, the longest unread first, as far as the budget allows.
    ``months``: of these alone (first days).

    A day is asked for once it is over in the firm's time zone. Raises the client's ``ServiceError``.
    """
    books = Facts.load(workspace)
    wanted = {dossier.pk for dossier in dossiers}
    reported = ReportedMonth.objects.filter(dossier__in=wanted)
    if months is not None:
        reported = reported.filter(month__in=months)
    read_at = {
        (dossier_id, month): at for dossier_id, month, at in reported.values_list("dossier_id", "month", "read_at")
    }
    yesterday = now.astimezone(books.zone).date() - timedelta(days=1)
    periods = [
        (dossier, period)
        for dossier in books.dossiers
        if dossier.pk in wanted
        for period in _periods(dossier.start_date, yesterday)
        if months is None or period.month in months
    ]
    never = datetime.min.replace(tzinfo=UTC)
    # Newest first among those of one age; Python sorts stably.
    periods.sort(key=lambda each: each[1].month, reverse=True)
    periods.sort(key=lambda each: read_at.get((each[0].pk, each[1].month), never))
    unequal = {
        (row.dossier_id, row.month): row.differs_since or now
        for row in ReportedMonth.objects.filter(dossier__in=dossiers).differing()
    }
    done = 0
    with open_toggl(workspace.connection, organization_id=workspace.organization_id, now=now) as api:
        reader = _Reader(workspace, books, api, now, unequal)
        try:
            for dossier, period in periods:
                reader.read(dossier, period)
                done += 1
        except _BudgetIsSpent as error:
            return Totals(done, quota.used_up(workspace, until=error.until))
        except QuotaExhausted as error:
            return Totals(done, error.message)
    return Totals(done)


@dataclass(frozen=True, slots=True)
class _Period:
    """A month as far as it lies in the books and is over: local days, both included."""

    month: date
    since: date
    through: date


def _periods(start: date, last: date) -> Iterator[_Period]:
    since = start
    while since <= last:
        following = (since.replace(day=1) + timedelta(days=31)).replace(day=1)
        yield _Period(since.replace(day=1), since, min(following - timedelta(days=1), last))
        since = following


@dataclass(slots=True)
class _Reader:
    workspace: Workspace
    books: Facts
    api: toggl.Api
    now: datetime
    differing: dict[tuple[int, date], datetime]
    known: dict[tuple[date, date, _Clients | None], int] = field(default_factory=dict)

    def read(self, dossier: Dossier, period: _Period) -> None:
        """Ask for one month and keep the answer."""
        own, others = self._clients(dossier)
        if own is not None:
            reported = self._total(period, own) if own else 0
        else:
            # What no dossier names stands in the first one's books (R1): the whole, less what the others name.
            reported = self._total(period, None) - sum(self._total(period, clients) for clients in others)
        mirrored, ages = self._mirrored(period, own, frozenset().union(*others), reported)
        agrees = explained(reported - mirrored, ages)
        since = self.differing.get((dossier.pk, period.month), self.now)
        ReportedMonth.objects.update_or_create(
            dossier=dossier,
            month=period.month,
            defaults={
                "firm_id": dossier.firm_id,
                "since": period.since,
                "through": period.through,
                "toggl_seconds": reported,
                "own_seconds": mirrored,
                "running_seconds": sum(ages),
                "read_at": self.now,
                "differs_since": None if agrees else since,
            },
        )

    def _clients(self, dossier: Dossier) -> tuple[_Clients | None, list[_Clients]]:
        """The clients whose hours stand in a dossier's books; None: all but those of the sets beside it."""
        named = {
            each.pk: frozenset(client for client, of in self.books.named.items() if of == each)
            for each in self.books.dossiers
        }
        if dossier != self.books.dossiers[0]:
            return named[dossier.pk], []
        return None, [clients for pk, clients in named.items() if pk != dossier.pk and clients]

    def _total(self, period: _Period, clients: _Clients | None) -> int:
        asked = (period.since, period.through, clients)
        if asked not in self.known:
            row = self.workspace
            until = quota.deferred_until(
                connection=row.connection, organization_id=row.organization_id, background=True, now=self.now
            )
            if until is not None:
                raise _BudgetIsSpent(until)
            self.known[asked] = self.api.total_seconds(
                row.remote_id, start=period.since, end=period.through, client_ids=clients
            )
        return self.known[asked]

    def _mirrored(
        self, period: _Period, own: _Clients | None, others: _Clients, reported: int
    ) -> tuple[int, list[int]]:
        """Mirrored seconds of these days, and for how long each of their timers has been running.

        Toggl counts days in the zone of the token's owner, as far as is known (its documentation does not say): the
        same days in the firm's zone and in UTC are taken for right as well.
        """
        counted = [self._counted(period, own, others, zone) for zone in self._zones()]
        agreeing = (each for each in counted if explained(reported - each[0], each[1]))
        return next(agreeing, counted[0])

    def _zones(self) -> list[tzinfo]:
        named = self.workspace.connection.timezone
        owners = ZoneInfo(named) if named in available_timezones() else self.books.zone
        return list(dict.fromkeys([owners, self.books.zone, ZoneInfo("UTC")]))

    def _counted(self, period: _Period, own: _Clients | None, others: _Clients, zone: tzinfo) -> tuple[int, list[int]]:
        entries = Entry.objects.present().filter(
            workspace=self.workspace,
            started_at__gte=datetime.combine(period.since, time(0), tzinfo=zone),
            started_at__lt=datetime.combine(period.through + timedelta(days=1), time(0), tzinfo=zone),
        )
        projects = Project.objects.filter(workspace=self.workspace)
        if own is not None:
            entries = entries.filter(
                project_remote_id__in=projects.filter(client_remote_id__in=own).values("remote_id")
            )
        elif others:
            entries = entries.exclude(
                project_remote_id__in=projects.filter(client_remote_id__in=others).values("remote_id")
            )
        total = entries.aggregate(total=Sum("seconds", default=0))["total"]
        starts = entries.filter(is_running=True).values_list("started_at", flat=True)
        return total, [max(0, int((self.now - start).total_seconds())) for start in starts]
