"""One reading of a Toggl workspace while it goes on: what is asked for, in which order, and how far that is.

Toggl counts days in the zone of the token's owner, which need not be the firm's: one day more is asked for at both
ends, and only what lies inside for every zone is judged to be gone.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from functools import partial

from django.db.models import Min

from integrations.clients import toggl
from integrations.clients.http.failures import Code, Message
from integrations.clients.http.transport import BadCredentials, QuotaExhausted, TooManyRequests
from integrations.connections.pacing import quota
from integrations.mirror import lists, writing
from integrations.mirror.window import Window
from integrations.models import Client, Entry, Project, Workspace

OVERLAP = timedelta(minutes=5)
DICTIONARIES_AFTER = timedelta(hours=1)
RETRY_AFTER = timedelta(minutes=5)
LONGEST_SPAN = timedelta(days=365)  # Toggl refuses a report over more than 366 days, both ends included
WHOLE = ("whole_from", "whole_began_at", "whole_through")
_NOON = time_of_day(12, tzinfo=UTC)
_MIDNIGHT = time_of_day(0, tzinfo=UTC)


@dataclass(slots=True)
class Reading:
    """One reading of a workspace while it goes on."""

    workspace: Workspace
    api: toggl.Api
    now: datetime
    background: bool
    changes: writing.Changes
    deferred_until: datetime | None = None
    tags: frozenset[str] | None = None
    is_checked: bool = False

    def read_or_defer(self, *, full: bool, since: date | None, months: Collection[date]) -> None:
        """Read, as far as Toggl allows: what it does not any more is deferred, and a quota that is used up is noted."""
        row, began = self.workspace, time.monotonic()
        try:
            self.read(full=full, since=since, months=months)
        except TooManyRequests as error:
            self.deferred_until = asked_again(error, began, self.now)
        except QuotaExhausted as error:
            self.deferred_until = quota.note_spent(row, error, now=self.now)

    def read(self, *, full: bool, since: date | None, months: Collection[date]) -> None:
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
                newest = self._whole(first, newest, begins)
            for month in sorted(month for month in months if month < first):
                if self.deferred_until is None:
                    self._month(month, begins)
        else:
            newest = self._increment(begins, newest)
        if self.deferred_until is not None:
            return
        self._unknown_projects()
        self._lost_projects()
        fields = {"synced_at": self.now, "cursor_at": newest} | (dict.fromkeys(WHOLE) if full else {})
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
        return self._changed(max(begins - timedelta(days=1), last - LONGEST_SPAN), last, cursor)

    def _changed(self, first: date, last: date, cursor: datetime | None) -> datetime | None:
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

    def _whole(self, first: date, cursor: datetime | None, begins: date) -> datetime | None:
        """Every entry from a day on; those that are mirrored and no longer there are deleted. Returns the cursor.

        Years are read span by span, and each page that came keeps how far it is: who was ended, or sent to sleep by
        the quota, goes on there.
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
                    self._judge(window, through, begins)
                    if self.deferred_until is not None:
                        return newest
                    self._keep(window, through)
                if self._out_of_budget(page):
                    return newest
            start = end + timedelta(days=1)
        self._judge(window, datetime.combine(last, _MIDNIGHT), begins)
        # What changed on days that were read already, while later ones were, is newer than that.
        return newest if newest is None else min(newest, began)

    def _month(self, month: date, begins: date) -> None:
        """Every entry of a month, as ``_whole`` reads them: the same margins, and what is gone is deleted.

        It is judged once it is whole: a month that the quota parts is begun anew.
        """
        day = timedelta(days=1)
        first, last = max(month, begins), (month + timedelta(days=31)).replace(day=1)
        window = Window(first, self.now, datetime.combine(first - day, _NOON))
        for page in self.api.entries(self.workspace.remote_id, start=first - day, end=last):
            self._write(page)
            window.add(page.entries)
            if self._out_of_budget(page):
                return
        self._judge(window, datetime.combine(last, _MIDNIGHT), begins)

    def _moved_far_back(self, missed: Collection[int], begins: date) -> None:
        """Read what changed since the latest that is known of these entries (row ids), and lies farther back than an
        increment reads: they may have been moved there."""
        day = timedelta(days=1)
        changed = Entry.objects.filter(pk__in=missed).aggregate(at=Min("changed_at"))["at"]
        last = self.now.astimezone(UTC).date() - LONGEST_SPAN
        while begins - day <= last and self.deferred_until is None:
            first = max(begins - day, last - LONGEST_SPAN)
            self._changed(first, last, changed)
            last = first - day

    def _judge(self, window: Window, until: datetime, begins: date) -> None:
        """Those that are mirrored from where it was judged last until then, and that Toggl did not show, are gone: not
        where the quota lets nobody find out whether they were moved."""
        asked = partial(writing.vanished, workspace=self.workspace, since=window.judged, until=until, seen=window.seen)
        gone = asked()
        if gone and window.first > begins:
            self._moved_far_back(gone, begins)
            if self.deferred_until is not None:
                return
            gone = asked()
        if gone:
            self._still_admin()
            writing.delete_entries(rows=gone, changes=self.changes, now=self.now)
        window.judged = max(window.judged, until)

    def _keep(self, window: Window, through: datetime) -> None:
        row = self.workspace
        row.whole_from, row.whole_began_at, row.whole_through = window.first, window.began, through.date()
        row.save(update_fields=[*WHOLE])
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


def asked_again(error: TooManyRequests, began: float, now: datetime) -> datetime:
    """When a service that asked for fewer requests is asked again.

    That counts from its answer on, and a first reading, which ``began`` at ``now``, may have lasted for minutes.
    """
    wait = int(time.monotonic() - began) + (error.after or RETRY_AFTER.total_seconds())
    return now + timedelta(seconds=wait)
