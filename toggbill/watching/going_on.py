"""What goes on in a firm, for its page *what runs*: what is under way, what waits, what failed, what comes next.

Read from the rows in a fixed number of queries, and only as many rows of each kind as the page shows. A member sees the
rows that ``visible`` gives them: one who is restricted to dossiers sees nothing of the others, nor of connections.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import BooleanField, Count, ExpressionWrapper, F, Min, Model, OuterRef, Q, QuerySet, Subquery
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from integrations.connections import failures, hindrances
from integrations.mirror.sync import LEASE
from integrations.models import Company, Connection, Entry, Quota, Workspace
from invoicing.models import Dossier, Invoice, WriteBack
from invoicing.models.problems import words_of
from toggbill.firms.access import visible
from toggbill.firms.models import Membership
from toggbill.watching import waiting

MOST = 30
"""Rows of one kind that are shown."""

_Row = TypeVar("_Row", bound=Model)
_Status, _Delivery = Invoice.Status, Invoice.Delivery


@dataclass(frozen=True, slots=True)
class Line:
    """One thing of a list: what it is, of which row, since when (or at which moment), and a sentence."""

    what: str | Promise
    subject: str
    address: str
    at: datetime | None
    words: str = ""


@dataclass(frozen=True, slots=True)
class GoingOn:
    """The four lists, each oldest or next first, and Toggl's budgets of this hour."""

    under_way: Sequence[Line]
    waits: Sequence[Line]
    failed: Sequence[Line]
    next: Sequence[Line]
    quotas: Sequence[Quota]


def of(membership: Membership, *, now: datetime) -> GoingOn:
    """What goes on, as far as the member may see it."""
    seen = _Seen(membership, now)
    return GoingOn(
        under_way=_in_order(seen.under_way()),
        waits=_in_order(seen.waits()),
        failed=seen.failed(),
        next=_in_order(seen.next()),
        quotas=list(seen.rows(Quota).filter(resets_at__gt=now).select_related("connection").order_by("remaining")),
    )


def _in_order(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: (line.at is None, line.at))


@dataclass(frozen=True, slots=True)
class _Seen:
    membership: Membership
    now: datetime

    def rows(self, model: type[_Row]) -> QuerySet[_Row]:
        """Those of the firm that the member may see."""
        return visible(self.membership, model._default_manager.all())

    def under_way(self) -> list[Line]:
        """What a worker does at this moment; a claim that is older than its lease is a dead worker's."""
        since, lease = self.now - LEASE, self.now - timedelta(seconds=settings.POSTING_LEASE_SECONDS)
        invoices = self.rows(Invoice)
        return [
            *_lines(_READING, self.rows(Workspace).filter(claimed_at__gte=since), "claimed_at"),
            *_lines(_READING, self.rows(Company).filter(claimed_at__gte=since), "claimed_at"),
            *_of_kinds(
                invoices,
                _Kind(_POSTING, Q(status=_Status.POSTING, posting_since__gte=lease), "posting_since"),
                _Kind(_SENDING, Q(delivery=_Delivery.SENDING, sending_since__gte=lease), "sending_since"),
                _Kind(_REPLACING, Q(pk__in=Invoice.objects.being_replaced().values("pk")), "replacing_since"),
            ),
        ]

    def waits(self) -> list[Line]:
        """What is due, or was asked for, and no worker has begun."""
        invoices, since = self.rows(Invoice), self.now - LEASE
        due = {"next_sync_at__lte": self.now}
        asked = self.rows(Dossier).filter(pk__in=Dossier.objects.comparison_due(self.now).values("pk"))
        doubts = Q(status=_Status.IN_DOUBT, needs_person=False) | Q(delivery=_Delivery.IN_DOUBT)
        return [
            *_lines(_READ, self._served(Workspace).unclaimed(since).filter(**due), "next_sync_at"),
            *_lines(_READ, self._served(Company).unclaimed(since).filter(**due), "next_sync_at"),
            *_lines(_RUN, self.rows(Dossier).filter(due_at__lte=self.now, waiting=""), "due_at"),
            *_lines(_COMPARE, asked, "reconcile_at"),
            *_lines(_TAG, self._tagging(WriteBack.objects.due(self.now)), "tags_due_at"),
            *_lines(_JUDGE, self._marked(), "first_marked_at"),
            *_of_kinds(
                invoices,
                _Kind(_ANNEX, Q(pk__in=waiting.annexes_alone(self.now).values("pk")), "approved_at"),
                _Kind(_POST, Q(pk__in=waiting.posts_asked().values("pk")), "post_requested_at"),
                _Kind(_SEND, Q(pk__in=waiting.sends_asked().values("pk")), "send_requested_at"),
                _Kind(_LOOK_UP, doubts, "not_before"),
            ),
        ]

    def failed(self) -> list[Line]:
        """What went wrong last and still stands: connections, runs and comparisons that wait, invoices."""
        broken = visible(self.membership, Connection.objects.standing()).exclude(failure_code="", sign_in_lost_at=None)
        lines = [
            Line(_CONNECTION, str(row), reverse("firm:connection", args=[row.service, row.key]), None, _trouble(row))
            for row in broken.defer("secret", "refresh_secret").order_by("pk")[:MOST]
        ]
        dossiers, invoices = self.rows(Dossier), self.rows(Invoice)
        refused = Q(status__in=[_Status.REFUSED, _Status.IN_DOUBT])
        unsent = Q(delivery__in=[_Delivery.FAILED, _Delivery.REFUSED, _Delivery.IN_DOUBT])
        return [
            *lines,
            *_of_kinds(
                dossiers,
                _Kind(_RUN_WAITS, ~Q(waiting=""), "due_at", _words("waiting")),
                _Kind(_COMPARISON_WAITS, ~Q(reconcile_problem=""), "reconcile_at", _words("reconcile_problem")),
            ),
            *_lines(_TAGS_REFUSED, self._tagging(WriteBack.objects.refused()), "tags_due_at", _refused),
            *_of_kinds(
                invoices,
                _Kind(_NOT_POSTED, refused, "approved_at", _words("problem"), newest=True),
                _Kind(_NOT_SENT, unsent, "posted_at", _words("delivery_problem"), newest=True),
            ),
        ]

    def next(self) -> list[Line]:
        """What the rows ask for later: readings, runs and comparisons."""
        later = {"next_sync_at__gt": self.now}
        return [
            *_lines(_READ, self._served(Workspace).filter(**later), "next_sync_at"),
            *_lines(_READ, self._served(Company).filter(**later), "next_sync_at"),
            *_lines(_RUN, self.rows(Dossier).filter(due_at__gt=self.now), "due_at"),
            *_lines(_COMPARE, self.rows(Dossier).filter(reconcile_at__gt=self.now), "reconcile_at"),
        ]

    def _tagging(self, rows: QuerySet[WriteBack]) -> QuerySet[Dossier]:
        """The dossiers of these tags, with how many they are, and when the first of them is asked for."""
        of_them = Q(write_backs__in=rows.values("pk"))
        tags_due_at, tags = Min("write_backs__due_at", filter=of_them), Count("write_backs", filter=of_them)
        with_some = self.rows(Dossier).filter(pk__in=rows.values("dossier"))
        return with_some.annotate(tags_due_at=tags_due_at, tags=tags)

    def _marked(self) -> QuerySet[Workspace]:
        """The workspaces with hours that are to be judged, with since when."""
        marked = Entry.objects.marked().filter(firm=self.membership.firm_id)
        first = marked.filter(workspace=OuterRef("pk")).order_by("marked_at").values("marked_at")[:1]
        return self.rows(Workspace).filter(pk__in=marked.values("workspace")).annotate(first_marked_at=Subquery(first))

    def _served(self, model: Any) -> Any:
        return visible(self.membership, model.objects.served())


_READING = gettext_lazy("Being read")
_POSTING = gettext_lazy("Being posted")
_SENDING = gettext_lazy("Being sent")
_REPLACING = gettext_lazy("Being replaced in Billit")
_READ = gettext_lazy("Read")
_RUN = gettext_lazy("Draft")
_COMPARE = gettext_lazy("Compare with Toggl and Billit")
_TAG = gettext_lazy("Tag billed hours in Toggl")
_TAGS_REFUSED = gettext_lazy("Tags that Toggl refused")
_JUDGE = gettext_lazy("Judge hours by the rules")
_ANNEX = gettext_lazy("Make the annex of hours")
_POST = gettext_lazy("Post")
_SEND = gettext_lazy("Send")
_LOOK_UP = gettext_lazy("Look up in Billit")
_CONNECTION = gettext_lazy("Connection")
_RUN_WAITS = gettext_lazy("Drafting waits")
_COMPARISON_WAITS = gettext_lazy("Comparison waits")
_NOT_POSTED = gettext_lazy("Not posted")
_NOT_SENT = gettext_lazy("Not sent")


def _words(column: str) -> Callable[[Any], str]:
    return lambda row: words_of(getattr(row, column), getattr(row, f"{column}_facts"))


def _refused(row: Any) -> str:
    return ngettext("%(n)d entry; asked again", "%(n)d entries; asked again", row.tags) % {"n": row.tags}


def _trouble(row: Connection) -> str:
    found = hindrances.trouble(row)
    return failures.words(found) if found else failures.words_of(row.failure_code, row.failure_facts)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Rows that are told as one thing: which, by what column they are ordered, and what more is said of them."""

    what: str | Promise
    which: Q
    moment: str
    words: Callable[[Any], str] = lambda _row: ""
    newest: bool = False


def _of_kinds(rows: QuerySet[Any], *kinds: _Kind) -> list[Line]:
    """The first of each kind as lines, kind by kind; all of them in one query."""
    firsts, marks = Q(pk__in=[]), {}
    for place, kind in enumerate(kinds):
        firsts |= Q(pk__in=_first(rows.filter(kind.which), kind).values("pk"))
        marks[f"is_{place}"] = ExpressionWrapper(kind.which, BooleanField())
    found = list(rows.filter(firsts).annotate(**marks))
    return [
        line
        for place, kind in enumerate(kinds)
        for line in _told([row for row in found if getattr(row, f"is_{place}")], kind)
    ]


def _lines(
    what: str | Promise, rows: QuerySet[Any], moment: str, words: Callable[[Any], str] = lambda _row: ""
) -> list[Line]:
    """The first of the rows as lines; ``moment`` is the column by which they are ordered."""
    kind = _Kind(what, Q(), moment, words)
    return _told(list(_first(rows, kind)), kind)


def _first(rows: QuerySet[Any], kind: _Kind) -> QuerySet[Any]:
    moment = F(kind.moment)
    order = moment.desc(nulls_last=True) if kind.newest else moment.asc(nulls_first=True)
    return rows.order_by(order, "pk")[:MOST]


def _told(rows: list[Any], kind: _Kind) -> list[Line]:
    """The rows as lines, in the order of ``_first``."""

    def place(row: Any) -> tuple[bool, float, int]:
        at = getattr(row, kind.moment)
        if at is None:
            return kind.newest, 0.0, row.pk
        return not kind.newest, -at.timestamp() if kind.newest else at.timestamp(), row.pk

    rows = sorted(rows, key=place)[:MOST]
    return [Line(kind.what, *_named(row), getattr(row, kind.moment), kind.words(row)) for row in rows]


def _named(row: Workspace | Company | Dossier | Invoice) -> tuple[str, str]:
    """What a row is called, and where its page is; "" for what has none."""
    if isinstance(row, Dossier):
        return row.name, reverse("firm:dossier", args=[row.key])
    if isinstance(row, Invoice):
        return f"{row.customer_name} {row}", reverse("firm:invoice", args=[row.reference])
    if isinstance(row, Workspace):
        return _("%(name)s in Toggl") % {"name": row.name}, ""
    return _("%(name)s in Billit") % {"name": row.name}, ""
