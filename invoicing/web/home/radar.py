"""What to look at first, before an hour is missed: a fixed number of queries. Reads only.

It looks back over a year of a firm's hours, so what it found is shown again for ten minutes (``KEPT``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from django.core.cache import cache
from django.db.models import Count, Min, QuerySet, Sum
from django.db.models.functions import TruncMonth, TruncWeek
from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from invoicing.deciding.read import digest_of
from invoicing.models import Dossier, LedgerRow
from invoicing.rules import radar
from invoicing.rules.radar import Worked
from invoicing.web import descriptions
from toggbill.firms.access import visible
from toggbill.firms.models import Membership

KEPT = timedelta(minutes=10)
SHOWN = 3
"""Of each kind; what follows is counted."""
_YEAR = timedelta(days=365)
_State = LedgerRow.State
_UNBILLED = (_State.OPEN, _State.ATTENTION, _State.HELD)


class Sign(NamedTuple):
    """Something to look at: what it is, what is usual or since when, and where it stands. ``colour``: of its dot."""

    title: str
    more: str
    href: str
    colour: str


def signs(*, membership: Membership, dossiers: Iterable[Dossier], now: datetime, today: date) -> list[Sign]:
    """What a member looks at first, the most pressing kind first; ``dossiers``: those that the member sees."""
    named = {dossier.pk: (dossier.key, dossier.name) for dossier in dossiers}
    # Who sees other dossiers than a moment ago is not shown what was found in those.
    key = f"radar:{digest_of([membership.pk, get_language(), str(today), sorted(named)])}"
    found: list[Sign] | None = cache.get(key)
    if found is None:
        found = _signs(membership, named, now, today)
        cache.set(key, found, KEPT.total_seconds())
    return found


def _signs(membership: Membership, named: dict[int, tuple[str, str]], now: datetime, today: date) -> list[Sign]:
    rows = visible(membership, LedgerRow.objects.all()).exclude(state=_State.DELETED).order_by()
    rows = rows.filter(dossier__in=named)
    return [
        *_running(rows, now),
        *_old(rows, today),
        *_clients(rows, named, today),
        *_people(rows, today),
        *_new(rows, named, today),
    ]


def _hours_of(key: str, **asked: str) -> str:
    return f"{reverse('firm:hours', args=[key])}?{urlencode(asked)}"


def _all_hours(**asked: str) -> str:
    return f"{reverse('firm:all_hours')}?{urlencode(asked)}"


def _first(found: list[Sign], more: str, href: str) -> Iterator[Sign]:
    yield from found[:SHOWN]
    if len(found) > SHOWN:
        yield Sign(more % {"n": len(found) - SHOWN}, "", href, "held")


def _running(rows: QuerySet[LedgerRow], now: datetime) -> Iterator[Sign]:
    late = rows.filter(state=_State.RUNNING, entry__started_at__lt=now - radar.RUNNING)
    late = late.order_by("entry__started_at").select_related("entry", "dossier")
    found = [
        Sign(
            _("A timer runs for %(n)d hours in %(dossier)s")
            % {"n": (now - row.entry.started_at).total_seconds() // 3600, "dossier": row.dossier.name},
            f"{row.entry.person_name} · {row.entry.description or '–'}",
            _hours_of(row.dossier.key, state=_State.RUNNING),
            "attention",
        )
        for row in late[: SHOWN + 50]
    ]
    yield from _first(found, _("%(n)d more timers run"), _all_hours(state=_State.RUNNING))


def _old(rows: QuerySet[LedgerRow], today: date) -> Iterator[Sign]:
    old = rows.filter(state__in=_UNBILLED, day__lt=today - radar.OLD)
    sums = old.aggregate(entries=Count("pk"), seconds=Sum("seconds", default=0), oldest=Min("day"))
    if not sums["entries"]:
        return
    text = ngettext(
        "%(n)d entry of more than 60 days ago is not billed",
        "%(n)d entries of more than 60 days ago are not billed",
        sums["entries"],
    )
    since = _("%(hours)s, the oldest of %(day)s") % {
        "hours": descriptions.hours(sums["seconds"]),
        "day": descriptions.day(sums["oldest"]),
    }
    href = _all_hours(month=f"{sums['oldest']:%Y-%m}")
    yield Sign(text % {"n": sums["entries"]}, since, href, "attention")


def _clients(rows: QuerySet[LedgerRow], dossiers: dict[int, tuple[str, str]], today: date) -> Iterator[Sign]:
    since = radar.month_before(today.replace(day=1), radar.MONTHS)
    worked = (
        rows.filter(day__gte=since, day__lte=today)
        .exclude(client_name="")
        .annotate(span=TruncMonth("day"))
        .values_list("dossier_id", "client_name", "span")
        .annotate(first=Min("day"), total=Sum("seconds"))
    )
    found = [
        Sign(
            _("%(client)s has no hours this month") % {"client": missing.who[1]},
            _("usually %(hours)s a month · %(dossier)s")
            % {"hours": descriptions.hours(missing.usual), "dossier": dossiers[missing.who[0]][1]},
            _hours_of(dossiers[missing.who[0]][0], client=missing.who[1]),
            "open",
        )
        for missing in radar.missing_clients(_worked(worked), today)
    ]
    yield from _first(found, _("%(n)d more clients have none"), _all_hours())


def _people(rows: QuerySet[LedgerRow], today: date) -> Iterator[Sign]:
    since = radar.monday(today) - timedelta(weeks=radar.WEEKS)
    worked = (
        rows.filter(day__gte=since, day__lte=today)
        .annotate(span=TruncWeek("day"))
        .values_list("entry__person_remote_id", "entry__person_name", "span")
        .annotate(first=Min("day"), total=Sum("seconds"))
    )
    found = [
        Sign(
            _("%(person)s has no hours this week") % {"person": missing.who[1] or "–"},
            _("usually %(hours)s a week") % {"hours": descriptions.hours(missing.usual)},
            _all_hours(person=missing.who[1]),
            "open",
        )
        for missing in radar.missing_people(_worked(worked), today)
    ]
    yield from _first(found, _("%(n)d more people have none"), _all_hours())


def _worked(rows: Iterable[tuple[int, str, date, date, int]]) -> Iterator[Worked]:
    for number, name, span, first, seconds in rows:
        yield Worked((number, name), span, first, seconds)


def _new(rows: QuerySet[LedgerRow], dossiers: dict[int, tuple[str, str]], today: date) -> Iterator[Sign]:
    lately = rows.filter(day__gte=today - _YEAR, day__lte=today)
    clients: dict[tuple[int, str], date] = {}
    tags: dict[tuple[int, str], date] = {}
    seen = lately.values_list("dossier_id", "client_name", "entry__tags").annotate(first=Min("day"))
    for dossier, client, names, day in seen:
        for known, name in [*((tags, name) for name in names), *([(clients, client)] if client else [])]:
            known[dossier, name] = min(day, known.get((dossier, name), day))
    kinds = (
        ("client", clients, _("%(name)s is a new client")),
        ("tag", tags, _("%(name)s is a new tag")),
    )
    for field, first, title in kinds:
        found = [
            Sign(
                title % {"name": name},
                _("since %(day)s · %(dossier)s")
                % {"day": descriptions.day(first[dossier, name]), "dossier": dossiers[dossier][1]},
                _hours_of(dossiers[dossier][0], **{field: name}),
                "held",
            )
            for dossier, name in radar.newcomers(first, today)
        ]
        yield from _first(found, _("%(n)d more are new"), _all_hours())
