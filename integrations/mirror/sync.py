"""Reading Toggl and Billit into the mirror (design section 8). A sync marks what it touched; the caller re-derives.

A first reading of a month costs three calls (clients, projects, entries), an increment one: entries newest change
first, down to the cursor less an overlap. Deleted entries vanish from Toggl's reports, and removing a tag may not touch
an entry's time stamp, so the window of what is not invoiced is read whole once a day and right before drafting.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from integrations.clients.http.failures import Code, Message, english
from integrations.clients.http.transport import (
    BadCredentials,
    Refused,
    RetryLater,
    ServiceError,
    TooManyRequests,
)
from integrations.connections import choosing, stopping, tokens
from integrations.connections.opening import open_billit, open_toggl
from integrations.connections.pacing import quota
from integrations.mirror import writing
from integrations.mirror.reading import RETRY_AFTER, WHOLE, Reading, asked_again
from integrations.models import Company, Connection, Workspace
from toggbill.firms.audit import Actor

INTERVAL = timedelta(minutes=15)
REREAD_AFTER = timedelta(days=1)
LEASE = timedelta(minutes=15)


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
    *,
    workspace: Workspace,
    now: datetime,
    full: bool = False,
    since: date | None = None,
    months: Collection[date] = (),
    background: bool = False,
) -> WorkspaceSync:
    """Read a workspace. ``full`` re-reads everything from ``since`` (default: where its books begin) to find deletions,
    and so are ``months`` before that (their first days).

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
        workspace.refresh_from_db(fields=["read_from", "reread_at", *WHOLE])
        since = None if workspace.reread_at is None else since
        full = full or workspace.reread_at is None or now - workspace.reread_at > REREAD_AFTER
        with open_toggl(workspace.connection, organization_id=organization, background=background, now=now) as api:
            reading = Reading(workspace, api, now, background, writing.Changes())
            reading.read_or_defer(full=full, since=since, months=months)
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
                    choosing.note_company(company=company, found=found, by=Actor("Billit", "read back"), now=now)
                products = writing.products(company=company, read=api.products(), now=now)
                customers = writing.customers(company=company, read=api.customers(), now=now)
            except TooManyRequests as error:
                until = asked_again(error, began, now)
                Company.objects.filter(pk=company.pk).update(next_sync_at=until)
                return CompanySync(company.party_id, api.calls, products, customers, until, error.message)
        Company.objects.filter(pk=company.pk).update(synced_at=now, next_sync_at=now + INTERVAL)
        company.synced_at = now
    return CompanySync(company.party_id, api.calls, products, customers)


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
