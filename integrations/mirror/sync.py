"""Reading Toggl and Billit into the mirror (design section 8). A sync marks what it touched; the caller re-derives.

A first reading of a month costs three calls (clients, projects, entries), an increment one: entries newest change
first, down to the cursor less an overlap. Deleted entries vanish from Toggl's reports, and removing a tag may not touch
an entry's time stamp, so the window of what is not invoiced is read whole once a day and right before drafting.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from functools import partial

from integrations.clients import toggl
from integrations.clients.http.failures import Code, Message, english
from integrations.clients.http.transport import (
    BadCredentials,
    QuotaExhausted,
    Refused,
    RetryLater,
    ServiceError,
    TooManyRequests,
)
from integrations.connections import credentials, stopping, tokens
from integrations.connections.opening import open_billit, open_toggl
from integrations.connections.pacing import quota
from integrations.mirror import lists, writing
from integrations.mirror.window import Window
from integrations.models import Client, Company, Connection, Project, Workspace
from toggbill.firms.audit import Actor

OVERLAP = timedelta(minutes=5)
INTERVAL = timedelta(minutes=15)
REREAD_AFTER = timedelta(days=1)
DICTIONARIES_AFTER = timedelta(hours=1)
RETRY_AFTER = timedelta(minutes=5)
LEASE = timedelta(minutes=15)
LONGEST_SPAN = timedelta(days=365)  # Toggl refuses a report over more than 366 days, both ends included
_WHOLE = ("whole_from", "whole_began_at", "whole_through")
_NOON = time_of_day(12, tzinfo=UTC)
_MIDNIGHT = time_of_day(0, tzinfo=UTC)


class Busy(Exception):
    """Another process reads the same workspace or company at this moment: ``message`` says which."""

    def __init__(self, row: Workspace | Company) -> None:
        self.message = Message(Code.BUSY, {"what": str(row)})
        super().__init__(english(self.message))


@dataclass(frozen=True, slots=True)
class WorkspaceSync:
    """What a reading came to; ``workspace`` is Toggl's id.

    ``deferred_until`` is set when the quota said no, or Toggl asked for fewer requests.
    """

    workspace: int
    calls: int
    seen: int
    created: int
    updated: int
    deleted: int
    quota_remaining: int | None
    deferred_until: datetime | None


@dataclass(frozen=True, slots=True)
class CompanySync:
    """What reading a company came to; ``company`` is Billit's PartyID, the others are counts.

    Where Billit asked for fewer requests, for longer than a call waits, ``deferred_until`` says when it is read on, and
    ``why`` which call that was.
    """

    company: int
    calls: int
    products: int
    customers: int
    deferred_until: datetime | None = None
    why: Message | None = None


def sync_workspace(
    *, workspace: Workspace, now: datetime, full: bool = False, since: date | None = None, background: bool = False
) -> WorkspaceSync:
    """Read a workspace. ``full`` re-reads everything from ``since`` (default: where its books begin) to find deletions.

    A first reading, and one a day after the latest full one, is full by itself. Raises ``Busy``, and the clients'
    ``ServiceError`` after noting it on the connection. A used-up quota, and a 429 that is not waited out, are no errors
    but ``deferred_until``; the workspace is left alone until then.
    """
    organization = workspace.organization_id
    left = quota.remaining(connection=workspace.connection, organization_id=organization, now=now)
    until = quota.deferred_until(
        connection=workspace.connection, organization_id=organization, background=background, now=now
    )
    if until is not None:
        Workspace.objects.filter(pk=workspace.pk).update(next_sync_at=until)
        return WorkspaceSync(workspace.remote_id, 0, 0, 0, 0, 0, left, until)
    with _claimed(Workspace, workspace, now), _noted(workspace.connection, now):
        # Where the books begin may have moved back since the row was read. Then, as at first, no window will do: what
        # lies before it would count as read.
        workspace.refresh_from_db(fields=["read_from", "reread_at", *_WHOLE])
        since = None if workspace.reread_at is None else since
        full = full or workspace.reread_at is None or now - workspace.reread_at > REREAD_AFTER
        with open_toggl(workspace.connection, organization_id=organization, now=now) as api:
            reading = _Reading(workspace, api, now, background, writing.Changes())
            reading.read_or_defer(full=full, since=since)
        Workspace.objects.filter(pk=workspace.pk).update(next_sync_at=reading.deferred_until or now + INTERVAL)
    counts = reading.changes
    return WorkspaceSync(
        workspace=workspace.remote_id,
        calls=reading.api.calls,
        seen=counts.seen,
        created=counts.created,
        updated=counts.updated,
        deleted=counts.deleted,
        quota_remaining=quota.remaining(connection=workspace.connection, organization_id=organization, now=now),
        deferred_until=reading.deferred_until,
    )


@dataclass(slots=True)
class _Reading:
    """One reading of a workspace while it goes on."""

    workspace: Workspace
    api: toggl.Api
    now: datetime
    background: bool
    changes: writing.Changes
    deferred_until: datetime | None = None
    tags: frozenset[str] | None = None
    is_checked: bool = False

    def read_or_defer(self, *, full: bool, since: date | None) -> None:
        """Read, as far as Toggl allows: what it does not any more is deferred, and a quota that is used up is noted."""
        row, began = self.workspace, time.monotonic()
        try:
            self.read(full=full, since=since)
        except TooManyRequests as error:
            self.deferred_until = _asked_again(error, began, self.now)
        except QuotaExhausted as error:
            wait = error.after or 3600
            self.deferred_until = self.now + min(timedelta(seconds=wait), quota.LONGEST_WINDOW)
            connection, organization = row.connection, row.organization_id
            if not quota.deferred_until(
                connection=connection, organization_id=organization, background=False, now=self.now
            ):
                quota.note(
                    connection=connection, organization_id=organization, remaining=0, resets_in=wait, now=self.now
                )

    def read(self, *, full: bool, since: date | None) -> None:
        row = self.workspace
        stale = row.dictionaries_at is None or self.now - row.dictionaries_at > DICTIONARIES_AFTER
        if full or row.dictionaries_at is None:
            self._clients()
        if full or stale:
            self._projects()
        begins = row.read_from or (self.now - timedelta(days=31)).date()
        newest = row.cursor_at
        if full:
            first = max(begins, since) if since else begins
            if first > begins:
                # What was entered late for a day before the window shows itself by its time stamp.
                newest = self._increment(begins, newest)
            if self.deferred_until is None:
                newest = self._whole(first, newest)
        else:
            newest = self._increment(begins, newest)
        if self.deferred_until is not None:
            return
        self._unknown_projects()
        self._lost_projects()
        fields = {"synced_at": self.now, "cursor_at": newest} | (dict.fromkeys(_WHOLE) if full else {})
        Workspace.objects.filter(pk=row.pk).update(**fields)
        for name, value in fields.items():
            setattr(row, name, value)
        # Books that were opened further back meanwhile are not read whole yet.
        if full and Workspace.objects.filter(pk=row.pk, read_from=row.read_from).update(reread_at=self.now):
            row.reread_at = self.now

    def _clients(self) -> None:
        writing.clients(workspace=self.workspace, read=self.api.clients(self.workspace.remote_id), now=self.now)

    def _projects(self) -> None:
        row = self.workspace
        writing.projects(workspace=row, read=self.api.projects(row.remote_id), now=self.now)
        known = set(Client.objects.filter(workspace=row).values_list("remote_id", flat=True))
        named = Project.objects.filter(workspace=row, client_remote_id__isnull=False)
        if set(named.values_list("client_remote_id", flat=True)) - known:
            self._clients()
        # Of a client that is gone no project tells; one that a person took off is still there.
        if lists.lost_clients_stand(row):
            self._clients()
            writing.settle_clients(workspace=row)
        row.dictionaries_at = self.now
        Workspace.objects.filter(pk=row.pk).update(dictionaries_at=self.now)

    def _lost_projects(self) -> None:
        """Entries have no project any more: it was deleted, or a person took it off."""
        row = self.workspace
        if lists.lost_projects_stand(row):
            self._projects()
            writing.settle_projects(workspace=row)

    def _write(self, page: toggl.Page) -> None:
        write = partial(
            writing.entries, workspace=self.workspace, read=page.entries, changes=self.changes, now=self.now
        )
        try:
            write(tags=self.tags)
        except writing.TagsWanted:
            self.tags = frozenset(self.api.tags(self.workspace.remote_id).values())
            write(tags=self.tags)

    def _unknown_projects(self) -> None:
        row = self.workspace
        if row.dictionaries_at != self.now and lists.unknown_projects_used(row, self.now):
            self._projects()

    def _increment(self, begins: date, cursor: datetime | None) -> datetime | None:
        """Entries in the order of their latest change, down to the cursor; returns the new cursor."""
        last = self.now.astimezone(UTC).date() + timedelta(days=1)
        first = max(begins - timedelta(days=1), last - LONGEST_SPAN)
        newest, previous, sorted_so_far = cursor, None, True
        for page in self.api.entries(self.workspace.remote_id, start=first, end=last, newest_first=True):
            self._write(page)
            for entry in page.entries:
                sorted_so_far = sorted_so_far and (previous is None or entry.updated_at <= previous)
                previous = entry.updated_at
                newest = entry.updated_at if newest is None else max(newest, entry.updated_at)
            # An answer that is not in that order is read to its end: stopping early would lose hours.
            reached = cursor is not None and previous is not None and previous < cursor - OVERLAP
            if (sorted_so_far and reached) or self._out_of_budget(page):
                break
        return newest

    def _whole(self, first: date, cursor: datetime | None) -> datetime | None:
        """Every entry from a day on; those that are mirrored and no longer there are deleted. Returns the cursor.

        Toggl counts days in the zone of the token's user, which need not be the firm's: one day more is asked for at
        both ends, and only what lies inside for every zone is judged to be gone. Years are read span by span, and each
        page that came keeps how far it is: who was ended, or sent to sleep by the quota, goes on there.
        """
        row, last = self.workspace, self.now.astimezone(UTC).date() + timedelta(days=1)
        is_resumed = row.whole_from == first and row.whole_through is not None and row.whole_began_at is not None
        began = (row.whole_began_at if is_resumed else None) or self.now
        start = (row.whole_through if is_resumed else None) or first
        start -= timedelta(days=1)
        window = Window(first, began, datetime.combine(start, _MIDNIGHT if is_resumed else _NOON))
        newest = cursor
        while start <= last:
            end = min(last, start + LONGEST_SPAN)
            for page in self.api.entries(row.remote_id, start=start, end=end):
                self._write(page)
                for entry in page.entries:
                    newest = entry.updated_at if newest is None else max(newest, entry.updated_at)
                window.add(page.entries)
                if (through := window.complete_before()) is not None:
                    self._judge(window, through)
                    self._keep(window, through)
                if self._out_of_budget(page):
                    return newest
            start = end + timedelta(days=1)
        self._judge(window, datetime.combine(last, _MIDNIGHT))
        # What changed on days that were read already, while later ones were, is newer than that.
        return newest if newest is None else min(newest, began)

    def _judge(self, window: Window, until: datetime) -> None:
        """Those that are mirrored from where it was judged last until then, and that Toggl did not show, are gone."""
        gone = writing.vanished(workspace=self.workspace, since=window.judged, until=until, seen=window.seen)
        if gone:
            self._still_admin()
            writing.delete_entries(rows=gone, changes=self.changes, now=self.now)
        window.judged = max(window.judged, until)

    def _keep(self, window: Window, through: datetime) -> None:
        row = self.workspace
        row.whole_from, row.whole_began_at, row.whole_through = window.first, window.began, through.date()
        row.save(update_fields=[*_WHOLE])
        window.forget_before(through)

    def _out_of_budget(self, page: toggl.Page) -> bool:
        if page.last:
            return False
        row = self.workspace
        self.deferred_until = quota.deferred_until(
            connection=row.connection, organization_id=row.organization_id, background=self.background, now=self.now
        )
        return self.deferred_until is not None

    def _still_admin(self) -> None:
        """A token that lost its admin right reads only part, silently: its gaps must not pass for deletions."""
        row = self.workspace
        # A token that never was an admin's shows the same part each time: there a gap is a deletion.
        if self.is_checked or (row.connection.accept_partial and not row.is_admin):
            return
        seen = next((found for found in self.api.workspaces() if found.id == row.remote_id), None)
        if seen is None or not seen.admin:
            facts = {"connection": str(row.connection), "workspace": f"{row.remote_id} ({row.name})"}
            raise BadCredentials(Message(Code.NO_LONGER_ADMIN, facts))
        self.is_checked = True


def sync_company(*, company: Company, now: datetime) -> CompanySync:
    """Read a company's products and customers, and once a day what Billit says of the company itself.

    Raises ``Busy`` and the client's ``ServiceError``. A 429 that is not waited out is no error but ``deferred_until``;
    the company is left alone until then.
    """
    products = customers = 0
    with _claimed(Company, company, now), _noted(company.connection, now):
        began = time.monotonic()
        with open_billit(company) as api:
            try:
                if _is_first_of_day(company, now) and (found := api.company()) is not None:
                    credentials.note_company(company=company, found=found, by=Actor("Billit", "read back"), now=now)
                products = writing.products(company=company, read=api.products(), now=now)
                customers = writing.customers(company=company, read=api.customers(), now=now)
            except TooManyRequests as error:
                until = _asked_again(error, began, now)
                Company.objects.filter(pk=company.pk).update(next_sync_at=until)
                return CompanySync(company.party_id, api.calls, products, customers, until, error.message)
        Company.objects.filter(pk=company.pk).update(synced_at=now, next_sync_at=now + INTERVAL)
        company.synced_at = now
    return CompanySync(company.party_id, api.calls, products, customers)


def _asked_again(error: TooManyRequests, began: float, now: datetime) -> datetime:
    """When a service that asked for fewer requests is asked again.

    That counts from its answer on, and a first reading, which ``began`` at ``now``, may have lasted for minutes.
    """
    wait = int(time.monotonic() - began) + (error.after or RETRY_AFTER.total_seconds())
    return now + timedelta(seconds=wait)


def _is_first_of_day(company: Company, now: datetime) -> bool:
    """Whether the company was last read on another local day; when it was never, it was just connected."""
    zone = company.firm.zone
    return company.synced_at is not None and company.synced_at.astimezone(zone).date() != now.astimezone(zone).date()


def postpone(*, row: Workspace | Company, why: Exception, now: datetime) -> None:
    """Try a reading that failed again in a few minutes, not at every tick; one that its process ended, at once."""
    wait = timedelta(0) if isinstance(why, stopping.Stopping) else RETRY_AFTER
    type(row).objects.filter(pk=row.pk).update(next_sync_at=now + wait)


@contextmanager
def _claimed(model: type[Workspace] | type[Company], row: Workspace | Company, now: datetime) -> Iterator[None]:
    """One reader at a time: a claim by conditional update, with a lease for a reader that died."""
    if not model.objects.unclaimed(now - LEASE).filter(pk=row.pk).update(claimed_at=now):
        raise Busy(row)
    try:
        yield
    finally:
        # Only our own claim: after the lease another reader may have taken over.
        model.objects.filter(pk=row.pk, claimed_at=now).update(claimed_at=None)


@contextmanager
def _noted(connection: Connection, now: datetime) -> Iterator[None]:
    """Keep on the connection whether its latest call worked, and why not."""
    rows = Connection.objects.filter(pk=connection.pk)
    try:
        yield
    except (tokens.Resting, stopping.Stopping):
        # That a person paused it, or that the worker ends, is no failure, and says nothing of the latest call.
        raise
    except ServiceError as error:
        message = error.message
        rows.update(failure=_failure(error), failure_code=message.code, failure_facts=message.facts)
        raise
    rows.update(**Connection.WORKS, latest_ok_at=now)


def _failure(error: ServiceError) -> Connection.Failure:
    match error:
        case BadCredentials():
            return Connection.Failure.CREDENTIALS
        case Refused():
            return Connection.Failure.REFUSED
        case RetryLater():
            return Connection.Failure.UNREACHABLE
        case _:
            return Connection.Failure.UNREACHABLE
