"""What to look at first, before an hour is missed: a fixed number of queries. Reads only.

It looks back over half a year of a firm's hours at most, by their days; what it found is shown again for ten minutes
(``KEPT``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from urllib.parse import urlencode

from django.core.cache import cache
from django.db.models import Count, Max, Min, QuerySet, Sum
from django.db.models.functions import TruncMonth, TruncWeek
from django.urls import reverse
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from integrations.models import Client, Project
from invoicing.models import Dossier, Invoice, LedgerRow
from invoicing.rules import radar
from invoicing.rules.radar import NOBODY, Missing, Worked
from invoicing.web import descriptions
from invoicing.web.hours.filters import UNBILLED
from invoicing.web.invoices.filters import ELSEWHERE
from toggbill.firms.access import visible
from toggbill.firms.models import Membership
from toggbill.firms.read import digest_of

KEPT = timedelta(minutes=10)
SHOWN = 3
"""Of each kind; what follows is counted."""
LATELY = timedelta(days=30)
"""What was sent in Billit within so long a time is told."""
_LISTED = 12
"""So many ids of those that are only counted fit the address that leads to them."""
_FIRM = 0
"""The book of people: they work for all dossiers."""
_State = LedgerRow.State


class Named(NamedTuple):
    """A dossier, as its hours are read and shown."""

    key: str
    name: str
    workspace: int


class Sign(NamedTuple):
    """Something to look at: what it is, what is usual or since when, and where it stands. ``colour``: of its dot."""

    title: str
    more: str
    href: str
    colour: str


def signs(*, membership: Membership, dossiers: Iterable[Dossier], now: datetime, today: date) -> list[Sign]:
    """What a member looks at first, the most pressing kind first; ``dossiers``: those that the member sees."""
    named = {row.pk: Named(row.key, row.name, row.workspace_id) for row in dossiers}
    # Who sees other dossiers than a moment ago is not shown what was found in those.
    key = f"radar:{digest_of([membership.pk, get_language(), str(today), sorted(named)])}"
    found: list[Sign] | None = cache.get(key)
    if found is None:
        found = _signs(membership, named, now, today)
        cache.set(key, found, KEPT.total_seconds())
    return found


def _signs(membership: Membership, named: dict[int, Named], now: datetime, today: date) -> list[Sign]:
    rows = visible(membership, LedgerRow.objects.all()).exclude(state=_State.DELETED).order_by()
    rows = rows.filter(dossier__in=named)
    clients = _clients_of(membership, named)
    return [
        *_sent(membership, named, today),
        *_running(rows, now),
        *_old(rows, today),
        *_clients(rows, named, clients, today),
        *_people(rows, named, today),
        *_new(rows, named, clients, today),
    ]


class Clients(NamedTuple):
    """The Toggl clients of workspaces: the client of each project, by workspace (row id) and project, as it is or last
    was; and the names of those that stand, by workspace and client."""

    of: dict[tuple[int, int], int]
    names: dict[tuple[int, int], str]


def _clients_of(membership: Membership, named: dict[int, Named]) -> Clients:
    workspaces = {each.workspace for each in named.values()}
    projects = Project.objects.filter(workspace__in=workspaces)
    of = projects.values_list("workspace_id", "remote_id", "client_remote_id", "last_client_remote_id")
    rows = Client.objects.present().filter(workspace__in=workspaces, is_archived=False)
    return Clients(
        {(workspace, project): client or last or NOBODY for workspace, project, client, last in of},
        {
            (workspace, client): name
            for workspace, client, name in rows.values_list("workspace_id", "remote_id", "name")
        },
    )


def _sent(membership: Membership, named: dict[int, Named], today: date) -> Iterator[Sign]:
    """Orders that Billit sent without toggbill: its daily sending, which no answer of its API tells, looks so."""
    since = today - LATELY
    rows = visible(membership, Invoice.objects.all()).sent_elsewhere().filter(dossier__in=named, order_date__gte=since)
    counted = rows.order_by().values_list("dossier").annotate(n=Count("pk", distinct=True))
    found = [
        Sign(
            ngettext(
                "%(n)d invoice of %(dossier)s was sent in Billit, not by toggbill",
                "%(n)d invoices of %(dossier)s were sent in Billit, not by toggbill",
                count,
            )
            % {"n": count, "dossier": named[dossier].name},
            _("If nobody sent them there, Billit’s own daily sending is on: switch it off, or hours go out unseen."),
            _sent_elsewhere(since, dossier=named[dossier].key),
            "attention",
        )
        for dossier, count in sorted(counted, key=lambda each: (-each[1], named[each[0]].name))
    ]
    yield from _first(found, _("%(n)d more dossiers have such invoices"), _sent_elsewhere(since))


def _sent_elsewhere(since: date, **asked: str) -> str:
    return f"{reverse('firm:invoices')}?{urlencode(asked | {'sent': ELSEWHERE, 'since': since.isoformat()})}"


def _lately(rows: QuerySet[LedgerRow], named: dict[int, Named], since: date, today: date) -> QuerySet[LedgerRow]:
    """The hours of these days. Their entries are named by workspace and start as well, by which they are found: joined
    by their rows alone, the entries of all firms are read."""
    # A day of a firm may begin up to half a day before the same one in UTC.
    starts = datetime.combine(since - timedelta(days=1), time(0), tzinfo=UTC)
    workspaces = {each.workspace for each in named.values()}
    return rows.filter(day__gte=since, day__lte=today, entry__workspace__in=workspaces, entry__started_at__gte=starts)


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
            _hours_of(row.dossier.key, state=_State.RUNNING, q=str(row.entry.remote_id)),
            "attention",
        )
        for row in late[: SHOWN + 50]
    ]
    yield from _first(found, _("%(n)d more timers run"), _all_hours(state=_State.RUNNING))


def _old(rows: QuerySet[LedgerRow], today: date) -> Iterator[Sign]:
    old = rows.filter(state__in=UNBILLED, day__lt=today - radar.OLD)
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
    until = today - radar.OLD - timedelta(days=1)
    yield Sign(text % {"n": sums["entries"]}, since, _all_hours(unbilled="1", until=until.isoformat()), "attention")


def _clients(rows: QuerySet[LedgerRow], named: dict[int, Named], clients: Clients, today: date) -> Iterator[Sign]:
    since = radar.month_before(today.replace(day=1), radar.MONTHS + radar.SPARE)
    by_project = (
        _lately(rows, named, since, today)
        .annotate(span=TruncMonth("day"))
        .values_list("dossier_id", "entry__project_remote_id", "span")
        .annotate(first=Min("day"), last=Max("day"), total=Sum("seconds"))
    )
    worked = dict[tuple[int, int, date], Worked]()
    for dossier, project, span, first, last, seconds in by_project:
        client = clients.of.get((named[dossier].workspace, project or 0), NOBODY)
        row = worked.get((dossier, client, span), Worked((dossier, client), span, first, last, 0))
        worked[dossier, client, span] = row._replace(
            first=min(row.first, first), last=max(row.last, last), seconds=row.seconds + seconds
        )
    missing = [
        (each, name)
        for each in radar.missing_clients(worked.values(), today)
        if (name := clients.names.get((named[each.who[0]].workspace, each.who[1])))
    ]
    found = [
        Sign(
            _none(each, name, _("%(who)s has no hours this month")),
            _("usually %(hours)s a month · %(dossier)s")
            % {"hours": descriptions.hours(each.usual), "dossier": named[each.who[0]].name},
            _hours_of(named[each.who[0]].key, client_id=str(each.who[1])),
            "open",
        )
        for each, name in missing
    ]
    yield from _first(
        found, _("%(n)d more clients have none"), _all_hours(client_id=_ids(each for each, _name in missing))
    )


def _none(missing: Missing, name: str, now: str) -> str:
    """That there are no hours in this span (``now``), or since when."""
    if not missing.whole:
        return now % {"who": name}
    return _("%(who)s has no hours since %(day)s") % {"who": name, "day": descriptions.day(missing.last)}


def _ids(missing: Iterable[Missing]) -> str:
    """Of those that are only counted, for an address."""
    return ",".join(str(each.who[1]) for each in list(missing)[SHOWN : SHOWN + _LISTED])


def _people(rows: QuerySet[LedgerRow], named: dict[int, Named], today: date) -> Iterator[Sign]:
    since = radar.monday(today) - timedelta(weeks=radar.WEEKS + radar.SPARE)
    by_person = (
        _lately(rows, named, since, today)
        .annotate(span=TruncWeek("day"))
        .values_list("entry__person_remote_id", "span")
        .annotate(first=Min("day"), last=Max("day"), total=Sum("seconds"), name=Max("entry__person_name"))
    )
    worked, names = list[Worked](), dict[int, str]()
    for person, span, first, last, seconds, name in by_person:
        worked.append(Worked((_FIRM, person), span, first, last, seconds))
        names[person] = name
    missing = radar.missing_people(worked, today)
    found = [
        Sign(
            _none(each, names[each.who[1]] or "–", _("%(who)s has no hours this week")),
            _("usually %(hours)s a week") % {"hours": descriptions.hours(each.usual)},
            _all_hours(person_id=str(each.who[1])),
            "open",
        )
        for each in missing
    ]
    yield from _first(found, _("%(n)d more people have none"), _all_hours(person_id=_ids(missing)))


def _new(rows: QuerySet[LedgerRow], named: dict[int, Named], clients: Clients, today: date) -> Iterator[Sign]:
    """Of the latest weeks alone: what was not seen in the two months before is new, or back after them."""
    lately = _lately(rows, named, today - radar.NEW - radar.SEEN + timedelta(days=1), today)
    first_client: dict[tuple[int, int], date] = {}
    first_tag: dict[tuple[int, str], date] = {}
    seen = lately.values_list("dossier_id", "entry__project_remote_id", "entry__tags").annotate(first=Min("day"))
    for dossier, project, tags, day in seen:
        client = clients.of.get((named[dossier].workspace, project or 0), NOBODY)
        first_client[dossier, client] = min(day, first_client.get((dossier, client), day))
        for tag in tags:
            first_tag[dossier, tag] = min(day, first_tag.get((dossier, tag), day))
    new_clients = [
        (dossier, client)
        for dossier, client in radar.newcomers(first_client, today)
        if (named[dossier].workspace, client) in clients.names
    ]
    found = [
        Sign(
            _("%(name)s is a new client") % {"name": clients.names[named[dossier].workspace, client]},
            _since(first_client[dossier, client], named[dossier].name),
            _hours_of(named[dossier].key, client_id=str(client)),
            "held",
        )
        for dossier, client in new_clients
    ]
    listed = ",".join(str(client) for _dossier, client in new_clients[SHOWN : SHOWN + _LISTED])
    yield from _first(found, _("%(n)d more are new"), _all_hours(client_id=listed))
    found = [
        Sign(
            _("%(name)s is a new tag") % {"name": tag},
            _since(first_tag[dossier, tag], named[dossier].name),
            _hours_of(named[dossier].key, tag=tag),
            "held",
        )
        for dossier, tag in radar.newcomers(first_tag, today)
    ]
    since = today - radar.NEW + timedelta(days=1)
    yield from _first(found, _("%(n)d more are new"), _all_hours(since=since.isoformat()))


def _since(day: date, dossier: str) -> str:
    return _("since %(day)s · %(dossier)s") % {"day": descriptions.day(day), "dossier": dossier}
