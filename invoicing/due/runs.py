"""The scheduled round of a dossier (R9): re-read Toggl, draft what is due, and let the mode carry the drafts on."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import transaction

from integrations.clients.failures import Message, english
from integrations.clients.transport import ServiceError
from integrations.connections import quota
from integrations.connections.stopping import Stopping
from integrations.mirror import sync
from integrations.models import Company, Workspace
from invoicing.deciding import guards, rights
from invoicing.drafting import runs
from invoicing.due import posts
from invoicing.ledger import derive
from invoicing.ledger.facts import schedule_of
from invoicing.models import Dossier, Invoice
from invoicing.models.problems import columns
from invoicing.rules import schedule
from toggbill.firms.audit import Actor

RETRY_AFTER = timedelta(minutes=10)
BUSY_AFTER = timedelta(seconds=20)
LEASE = timedelta(minutes=15)
FRESH = timedelta(minutes=1)
"""A reading that a scheduled run need not repeat: dossiers of one workspace are due at the same moment."""


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
    since = derive.uninvoiced_since(workspace=workspace, today=today)
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
        sync.sync_company(company=company, now=now)
    except sync.Busy as error:
        raise Waits(error.message, now + BUSY_AFTER) from error
    except ServiceError as error:
        raise Waits(error.message, _again(error, now)) from error


def serve(*, dossier: Dossier, by: Actor, now: datetime) -> list[Invoice]:
    """Do the run that is due, if there is one; returns the invoices that workers shall post.

    A run that was missed is made up once, with the latest cut-off that is due. One that cannot re-read Toggl first
    waits, and says why on the dossier. The due row is claimed: a second worker finds nothing to do.
    """
    if not Dossier.objects.filter(pk=dossier.pk, due_at=dossier.due_at, due_at__lte=now).update(due_at=now + LEASE):
        return []
    today = now.astimezone(dossier.firm.zone).date()
    due = schedule.latest_due(schedule_of(dossier), today, dossier.scheduled_through)
    if due is None:
        _next(dossier, today, None)
        return []
    try:
        reread_hours(workspace=dossier.workspace, now=now, background=True)
        reread_prices(company=dossier.company, now=now)
    except Waits as error:
        Dossier.objects.filter(pk=dossier.pk).update(due_at=error.until, **columns("waiting", error.message))
        return []
    derive.derive(workspace=dossier.workspace, now=now)
    return _draft(dossier, due, today, by, now)


@transaction.atomic
def _draft(dossier: Dossier, due: date, today: date, by: Actor, now: datetime) -> list[Invoice]:
    """Draft, say when the next run is due, and approve as far as the mode goes: all of it or nothing."""
    drafting = runs.draft_derived(dossier=dossier, cut_off=schedule.cut_off(due), by=by, now=now)
    # Who changed the mode while Toggl was read meant this run, too; the firm is locked from here on.
    dossier.refresh_from_db(fields=["mode"])
    _next(dossier, today, due)
    if dossier.mode == Dossier.Mode.REVIEW:
        return []
    waiting = [*(invoice for invoice, _ in drafting.moved), *drafting.left]
    return [_carry_on(invoice, dossier, by, now) for invoice in waiting if _goes_on(invoice)]


def _goes_on(invoice: Invoice) -> bool:
    """Whether nothing is noted on it, and limit (R9) and guard (R11) of the dossier let it pass without a person."""
    return not invoice.attention and rights.within_limit(invoice) and guards.deviation(invoice) is None


def _carry_on(invoice: Invoice, dossier: Dossier, by: Actor, now: datetime) -> Invoice:
    approved = runs.approve(invoice=invoice, by=by, now=now)
    posts.request(invoice=approved, send=dossier.mode == Dossier.Mode.SEND, by=by, now=now)
    return approved


def _next(dossier: Dossier, today: date, served: date | None) -> None:
    following = schedule.next_due(schedule_of(dossier), today)
    due_at = None if following is None else schedule.starts_at(following, dossier.firm.zone)
    Dossier.objects.filter(pk=dossier.pk).update(
        due_at=due_at, scheduled_through=served or dossier.scheduled_through, **columns("waiting", None)
    )
