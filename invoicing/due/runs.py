"""The scheduled round of a dossier (R9): re-read Toggl, draft what is due, and let the mode carry the drafts on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from functools import partial

from django.db import transaction

from integrations.clients.http.failures import Message, english
from integrations.clients.http.transport import ServiceError
from integrations.connections.pacing import quota
from integrations.connections.stopping import Stopping
from integrations.mirror import sync
from integrations.models import Company, Workspace
from invoicing.deciding import guards, rights
from invoicing.drafting import runs
from invoicing.due import posts
from invoicing.ledger import window
from invoicing.ledger.facts.books import schedule_of
from invoicing.ledger.states import derive
from invoicing.models import Dossier, Invoice
from invoicing.models.problems import columns
from invoicing.rules import schedule
from toggbill.firms.audit import Actor

RETRY_AFTER = timedelta(minutes=10)
BUSY_AFTER = timedelta(seconds=20)
LEASE = timedelta(minutes=15)
FRESH = timedelta(minutes=1)
"""A reading of Toggl that a scheduled run need not repeat."""
_BEHIND = ("firm", "workspace__connection", "workspace__firm", "company__connection")


class Waits(Exception):
    """The mirror could not be brought up to date; ``message`` says why, ``until`` when to try again."""

    def __init__(self, message: Message, until: datetime) -> None:
        super().__init__(english(message))
        self.message, self.until = message, until


def reread_hours(*, workspace: Workspace, now: datetime, background: bool) -> None:
    """Read the window of what is not invoiced again, right before drafting (design section 8).

    Raises ``Waits`` when Toggl cannot be read now (quota, outage, a refused credential).
    """
    if background and workspace.reread_at is not None and now - workspace.reread_at < FRESH:
        return
    today = now.astimezone(workspace.firm.zone).date()
    since = window.uninvoiced_since(workspace=workspace, today=today)
    try:
        done = sync.sync_workspace(workspace=workspace, now=now, full=True, since=since, background=background)
    except sync.Busy as error:
        raise Waits(error.message, now + BUSY_AFTER) from error
    except ServiceError as error:
        raise Waits(error.message, _again(error, now)) from error
    if done.deferred_until is not None:
        raise Waits(quota.used_up(workspace, until=done.deferred_until), done.deferred_until)


def _again(error: ServiceError, now: datetime) -> datetime:
    """What the end of this process hindered is due at once, for another one."""
    return now if isinstance(error, Stopping) else now + RETRY_AFTER


def reread_prices(*, company: Company, now: datetime) -> None:
    """Read products and customers again: the price that is frozen on a line is today's. Raises ``Waits``."""
    try:
        done = sync.sync_company(company=company, now=now)
    except sync.Busy as error:
        raise Waits(error.message, now + BUSY_AFTER) from error
    except ServiceError as error:
        raise Waits(error.message, _again(error, now)) from error
    if done.deferred_until is not None and done.why is not None:
        raise Waits(done.why, done.deferred_until)


def take_due(*, now: datetime) -> list[int]:
    """A dossier (row id) of each group that is due: those that share a workspace or a company are served together."""
    groups: list[tuple[set[tuple[str, int]], int]] = []
    rows = Dossier.objects.due(now).order_by("pk").values_list("pk", "workspace_id", "company_id")
    for pk, workspace_id, company_id in rows:
        reads, first = {("workspace", workspace_id), ("company", company_id)}, pk
        for group in [each for each in groups if each[0] & reads]:
            groups.remove(group)
            reads, first = reads | group[0], min(first, group[1])
        groups.append((reads, first))
    return sorted(first for _reads, first in groups)


def serve(*, dossier: Dossier, by: Actor, now: datetime) -> list[Invoice]:
    """Do the run that is due, if there is one, and those that are due and share a workspace or a company with it;
    returns the invoices that workers shall post.

    Each workspace and company is read once for all of them. A run that was missed is made up once, with the latest
    cut-off that is due. One that cannot re-read Toggl first waits, and says why on the dossier. The due rows are
    claimed: a second worker finds nothing to do. One that fails hinders no other: ``ExceptionGroup`` after the last.
    """
    claimed = _claimed(dossier, now)
    days = {row.pk: _due_day(row, now) for row in claimed}
    hindered = _read([row for row in claimed if days[row.pk] is not None], now)
    found: list[Invoice] = []
    failed: list[Exception] = []
    for row in claimed:
        today, due = now.astimezone(row.firm.zone).date(), days[row.pk]
        if due is None:
            _next(row, today, None)
        elif (why := hindered.get(row.pk)) is not None:
            Dossier.objects.filter(pk=row.pk).update(due_at=why.until, **columns("waiting", why.message))
        else:
            try:
                found += _draft(row, due, today, by, now)
            except Exception as error:  # whatever it is, the others have their turn before it is raised
                failed.append(error)
    if failed:
        raise ExceptionGroup(f"runs that were due with dossier {dossier.key}", failed)
    return found


def _claimed(dossier: Dossier, now: datetime) -> list[Dossier]:
    """The dossier, and what is due with it; nothing when another worker has it."""
    due = Dossier.objects.due(now)
    if not due.filter(pk=dossier.pk, due_at=dossier.due_at).update(due_at=now + LEASE):
        return []
    rest = list(due.filter(firm=dossier.firm_id).select_related(*_BEHIND).order_by("pk"))
    claimed, reached = [dossier], [dossier]
    while reached:
        one = reached.pop()
        for row in [each for each in rest if _share(one, each)]:
            rest.remove(row)
            if due.filter(pk=row.pk, due_at=row.due_at).update(due_at=now + LEASE):
                claimed.append(row)
                reached.append(row)
    return claimed


def _share(one: Dossier, other: Dossier) -> bool:
    return one.workspace_id == other.workspace_id or one.company_id == other.company_id


def _due_day(dossier: Dossier, now: datetime) -> date | None:
    today = now.astimezone(dossier.firm.zone).date()
    return schedule.latest_due(schedule_of(dossier), today, dossier.scheduled_through)


def _read(dossiers: Sequence[Dossier], now: datetime) -> dict[int, Waits]:
    """Read what dossiers bill, and derive it; gives by dossier (row id) what hinders its run."""
    tried: dict[Workspace | Company, Waits | None] = {}
    hindered: dict[int, Waits] = {}
    for row in dossiers:
        hours = partial(reread_hours, workspace=row.workspace, now=now, background=True)
        prices = partial(reread_prices, company=row.company, now=now)
        for of, read in ((row.workspace, hours), (row.company, prices)):
            if of not in tried:
                tried[of] = _try(read)
            if (why := tried[of]) is not None:
                hindered[row.pk] = why
                break
    for workspace in dict.fromkeys(row.workspace for row in dossiers if row.pk not in hindered):
        derive.derive(workspace=workspace, now=now)
    return hindered


def _try(read: Callable[[], None]) -> Waits | None:
    try:
        read()
    except Waits as error:
        return error
    return None


@transaction.atomic
def _draft(dossier: Dossier, due: date, today: date, by: Actor, now: datetime) -> list[Invoice]:
    """Draft, say when the next run is due, and approve as far as the mode goes: all of it or nothing."""
    drafting = runs.draft_derived(dossier=dossier, cut_off=schedule.cut_off(due), by=by, now=now)
    # Who changed the mode while Toggl was read meant this run, too; the firm is locked from here on.
    dossier.refresh_from_db(fields=["mode"])
    _next(dossier, today, due)
    left = (invoice for invoice in drafting.left if invoice not in drafting.sheet.later)
    waiting = [*(invoice for invoice, _ in drafting.moved), *left]
    on = [] if dossier.mode == Dossier.Mode.REVIEW else [invoice for invoice in waiting if _goes_on(invoice)]
    # Of drafts that stand there as they did after the run before, nobody is told again.
    if any(invoice not in on for invoice, _ in drafting.moved):
        Dossier.objects.filter(pk=dossier.pk).update(tell_drafts_at=now)
    return [_carry_on(invoice, dossier, by, now) for invoice in on]


def _goes_on(invoice: Invoice) -> bool:
    """Whether nothing is noted on it, and limit (R9) and guard (R11) of the dossier let it pass without a person."""
    return not invoice.attention and rights.within_limit(invoice) and guards.deviation(invoice) is None


def _carry_on(invoice: Invoice, dossier: Dossier, by: Actor, now: datetime) -> Invoice:
    approved = runs.approve(invoice=invoice, by=by, now=now)
    # A block of prepaid hours is sent by a person alone (section 11).
    is_sent = dossier.mode == Dossier.Mode.SEND and invoice.block_of_id is None
    posts.request(invoice=approved, send=is_sent, by=by, now=now)
    return approved


def _next(dossier: Dossier, today: date, served: date | None) -> None:
    following = schedule.next_due(schedule_of(dossier), today)
    due_at = None if following is None else schedule.starts_at(following, dossier.firm.zone)
    Dossier.objects.filter(pk=dossier.pk).update(
        due_at=due_at, scheduled_through=served or dossier.scheduled_through, **columns("waiting", None)
    )
