"""The main job as the demo shows it: hours of two Toggl workspaces become invoices at three Billit companies.

The steps are the product's own verbs and tasks; only the waiting and the printing are here.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

from django.core.management.base import OutputWrapper
from django.db.models import Count, Q, Sum
from django.utils import timezone

from integrations.models import Company, Entry, Project, Workspace
from invoicing.drafting import blocks, runs
from invoicing.due import posts
from invoicing.ledger import audit_trail, balance
from invoicing.models import Agreement, Dossier, Invoice, InvoiceLine, LedgerRow
from invoicing.rules.wip import BANDS
from invoicing.tasks import enqueue_posts
from invoicing.web.agreements import balance as agreements
from invoicing.web.agreements import words
from invoicing.wip import as_of
from invoicing.wip.realisation import realisation
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.models import Firm, User

PATIENCE = 90.0
"""Seconds that the workers get for one step."""
_MOST_RUNS = 8
Hours = dict[str, Any]
"""An entry as Toggl has it."""


class Stuck(Exception):
    """A step did not come to its end in time; ``str()`` says which."""


def main_job(*, firm: Firm, out: OutputWrapper, write: Callable[[Sequence[Hours]], None]) -> bool:
    """Sync; bill two months one after the other; then the tables, what needs attention, and the proof. Returns whether
    all is well. ``write``: what puts hours into Toggl that somebody wrote down late.

    What was done is not done again: a second call drafts what is new.
    """
    now = timezone.now()
    person = User.objects.filter(memberships__firm=firm, memberships__role="owner").order_by("pk").first()
    by = Actor.command() if person is None else Actor(person.email, "demo", Authority.COMMAND)
    dossiers = list(
        Dossier.objects.filter(firm=firm).order_by("key").select_related("firm", "workspace__firm", "company__firm")
    )
    say = _Printer(out)
    say.step("Sync", "the workers read both workspaces and the three companies")
    _sync(firm, now)
    say.result(_count_of_hours(firm))
    cut_off = now.astimezone(firm.zone).date().replace(day=1) - timedelta(days=1)
    posted = 0
    if not Invoice.objects.for_firm(firm).exists():
        _order(dossiers, by, say)
        posted += _bill(firm, dossiers, cut_off.replace(day=1) - timedelta(days=1), by, say)
        posted += _bill(firm, dossiers, cut_off, by, say)
        _write_late(firm, cut_off, write, say)
    # A block that ran out is ordered anew, and drawn by the next run: until there is nothing more to bill.
    for _ in range(_MOST_RUNS):
        found = _bill(firm, dossiers, cut_off, by, say)
        posted += found
        if not found:
            break
    say.line(f"{'':<8} {posted} posted now, {Invoice.objects.for_firm(firm).posted().count()} in all")
    _table(firm, say)
    _agreements(dossiers, cut_off + timedelta(days=1), say)
    _settled(firm, say)
    _in_progress(dossiers, now.astimezone(firm.zone).date(), cut_off, say)
    _attention(firm, say)
    return _proof(firm, dossiers, say)


def _bill(firm: Firm, dossiers: Sequence[Dossier], cut_off: date, by: Actor, say: _Printer) -> int:
    """Draft everything up to a day, approve and post; how many were posted."""
    say.step("Draft", f"everything open through {cut_off:%d/%m/%Y}")
    for dossier in dossiers:
        runs.draft(dossier=dossier, cut_off=cut_off, by=by, now=timezone.now())
    waiting = list(Invoice.objects.for_firm(firm).drafts().order_by("pk"))
    say.result(f"{len(waiting)} drafts")
    if not waiting:
        return 0
    say.step("Approve", f"as {by.name}")
    for invoice in waiting:
        runs.approve(invoice=invoice, by=by, now=timezone.now())
    say.result(f"{len(waiting)} invoices")
    say.step("Post", "the workers post to Billit, each invoice once, and read the totals back")
    _post(firm, by)
    say.result(f"{len(waiting)} posted")
    return len(waiting)


def _order(dossiers: Sequence[Dossier], by: Actor, say: _Printer) -> None:
    """The first block of each customer who pays hours in advance; the later ones are drafted by the runs."""
    prepaid = Agreement.objects.filter(dossier__in=dossiers, kind=Agreement.Kind.PREPAID).order_by("key")
    for agreement in prepaid:
        say.step("Order", f"the first block of “{agreement.title}”")
        invoice = blocks.order_block(agreement=agreement, by=by, now=timezone.now())
        say.result(f"{_money(invoice.total_excl)} excl. VAT")


def _write_late(firm: Firm, month_end: date, write: Callable[[Sequence[Hours]], None], say: _Printer) -> None:
    """For a customer of each kind of agreement, and for one who pays by the hour, an hour more of a month that is
    billed: beside the latest one that they have."""
    whole = Entry.objects.for_firm(firm).select_related("workspace").filter(project_remote_id__isnull=False)
    day = datetime.combine(month_end, time_of_day.max, tzinfo=firm.zone)
    billed = whole.filter(started_at__lte=day, ledger_row__isnull=False).order_by("-started_at")
    agreed = Agreement.objects.filter(firm=firm, client_remote_id__isnull=False).order_by("key")
    clients = {row.kind: row.client_remote_id for row in agreed.filter(products=[], projects=[])}
    projects = Project.objects.for_firm(firm).present()
    of_agreements = projects.filter(client_remote_id__in=agreed.values("client_remote_id"))
    by_the_hour = billed.filter(ledger_row__state=LedgerRow.State.INVOICED).exclude(
        project_remote_id__in=of_agreements.values("remote_id")
    )
    beside = [by_the_hour.first()]
    for client in clients.values():
        own = projects.filter(client_remote_id=client).values("remote_id")
        beside.append(billed.filter(project_remote_id__in=own).first())
    late = [_beside(entry, firm) for entry in beside if entry is not None]
    say.step("Late", f"somebody writes down what was worked in {month_end:%m/%Y}")
    write(late)
    _sync(firm, timezone.now())
    say.result(f"{len(late)} hours more")


def _beside(entry: Entry, firm: Firm) -> Hours:
    """An hour on the evening of an entry's day, of the same person for the same."""
    start = datetime.combine(entry.started_at.astimezone(firm.zone).date(), time_of_day(18, 15), tzinfo=firm.zone)
    return {
        "workspace_id": entry.workspace.remote_id,
        "user_id": entry.person_remote_id,
        "project_id": entry.project_remote_id,
        "description": entry.description,
        "billable": True,
        "tags": list(entry.tags),
        "start": start.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "stop": (start + timedelta(hours=1)).astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }


class _Printer:
    """Plain lines; a step and its result stand on one."""

    def __init__(self, out: OutputWrapper) -> None:
        self._out = out

    def step(self, name: str, what: str) -> None:
        self._out.write(f"\n{name:<8} {what} ... ", ending="")
        self._out.flush()

    def result(self, text: str) -> None:
        self._out.write(text)

    def line(self, text: str = "") -> None:
        self._out.write(text)


def _wait(step: str, done: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > until:
            raise Stuck(f"{step} did not end within {PATIENCE:.0f} seconds")
        time.sleep(0.1)


def _sync(firm: Firm, now: datetime) -> None:
    """Everything is due now: the next tick of beat sees it and the workers do it."""
    Workspace.objects.for_firm(firm).update(next_sync_at=now)
    Company.objects.for_firm(firm).update(next_sync_at=now)
    stale = Q(synced_at__isnull=True) | Q(synced_at__lt=now)

    def done() -> bool:
        return not (
            Workspace.objects.for_firm(firm).filter(stale).exists()
            or Company.objects.for_firm(firm).filter(stale).exists()
            or Company.objects.for_firm(firm).marked().exists()
            or Entry.objects.for_firm(firm).marked().exists()
        )

    _wait("The sync", done)


def _post(firm: Firm, by: Actor) -> None:
    approved = list(Invoice.objects.filter(firm=firm, status=Invoice.Status.APPROVED).order_by("pk"))
    for invoice in approved:
        posts.request(invoice=invoice, send=False, by=by, now=timezone.now())
    enqueue_posts(approved)
    rows = Invoice.objects.for_firm(firm)
    under_way = rows.filter(status=Invoice.Status.APPROVED) | rows.unanswered() | rows.unread()
    _wait("The posting", lambda: not under_way.all().exists())


def _count_of_hours(firm: Firm) -> str:
    found = Entry.objects.for_firm(firm).aggregate(entries=Count("pk"), seconds=Sum("seconds"))
    return f"{found['entries']} entries, {_hours(found['seconds'] or 0)} h"


def _table(firm: Firm, say: _Printer) -> None:
    invoices = Invoice.objects.for_firm(firm).standing()
    rows = invoices.prefetch_related("lines").select_related("dossier").order_by("company__name", "order_id")
    say.line()
    say.line(f"{'Dossier':<10} {'Customer':<34} {'Lines':>5} {'Excl. VAT':>12} {'VAT':>11} {'Total':>12}  Billit order")
    say.line("-" * 108)
    for row in rows:
        order = f"{row.order_id} ({row.order_number})" if row.order_id else row.get_status_display()
        say.line(
            f"{row.dossier.key[:10]:<10} {row.customer_name[:34]:<34} {len(row.lines.all()):>5} {_money(row.excl):>12} "
            f"{_money(row.vat):>11} {_money(row.incl):>12}  {order}"
        )
    say.line("-" * 108)
    excl, vat, incl = (sum((getattr(row, name) for row in rows), Decimal(0)) for name in ("excl", "vat", "incl"))
    say.line(f"{f'{len(rows)} invoices':<51} {_money(excl):>12} {_money(vat):>11} {_money(incl):>12}")


def _agreements(dossiers: Sequence[Dossier], today: date, say: _Printer) -> None:
    """What fee agreements bill instead of the hours, and what those hours would come to."""
    found = [(dossier, each) for dossier in dossiers for each in agreements.of_dossier(dossier, today=today)]
    if not found:
        return
    say.line(f"\n{'Agreed':<10} {'Customer':<34} {'Billed':>12} {'Hours':>9} {'Worth':>11}  Next")
    say.line("-" * 108)
    for dossier, agreed in found:
        each = agreed.balance
        coming = f"{words.coming(each)}, {_money(each.coming.amount)}" if each.coming else "nothing more"
        coming = coming if each.left is None else f"{each.left:,.2f} h left of its blocks"
        say.line(
            f"{dossier.key[:10]:<10} {f'{agreed.customer}'[:34]:<34} {_money(each.fees):>12} {_hours(each.seconds):>9} "
            f"{_money(each.value):>11}  {coming}"
        )


def _settled(firm: Firm, say: _Printer) -> None:
    """What was settled: the hours on account, less the advances that were billed before."""
    lines = InvoiceLine.objects.filter(invoice__in=Invoice.objects.for_firm(firm).posted())
    found = lines.filter(kind=InvoiceLine.Kind.DEDUCTION).values("invoice", "invoice__customer_name")
    for row in found.annotate(taken=Sum("total"), n=Count("pk")).order_by("invoice"):
        hours = lines.filter(invoice=row["invoice"], kind=InvoiceLine.Kind.HOURS).aggregate(total=Sum("total"))["total"]
        say.line(
            f"\nSettled: {row['invoice__customer_name']}, hours {_money(hours or Decimal(0))} less {row['n']} advances "
            f"{_money(-row['taken'])}"
        )


def _in_progress(dossiers: Sequence[Dossier], today: date, month_end: date, say: _Printer) -> None:
    """What lies unbilled and how old it is, and what the last month brought of what it was worth."""
    rows = as_of.rows(dossiers=dossiers, as_of=today)
    seconds, value = sum(row.seconds for row in rows), sum((row.value for row in rows), Decimal(0))
    ages = ", ".join(
        f"{band.name} days {_money(sum((row.bands[band.name] for row in rows), Decimal(0)))}" for band in BANDS
    )
    say.line(f"\nWork in progress: {_hours(seconds)} h, {_money(value)} at rate ({ages})")
    whole = realisation(dossiers=dossiers, first=month_end.replace(day=1), last=month_end).whole
    if whole.per_cent is not None:
        say.line(
            f"Realisation of {month_end:%m/%Y}: {whole.per_cent} %, {_money(whole.billed)} billed of "
            f"{_money(whole.value)} at rate"
        )


def _attention(firm: Firm, say: _Printer) -> None:
    rows = LedgerRow.objects.for_firm(firm).attention().values("reason")
    found = list(rows.annotate(entries=Count("pk"), seconds=Sum("seconds")).order_by("-entries", "reason"))
    total = sum(row["entries"] for row in found)
    say.line(f"\nNeeds a decision: {total} entries")
    for row in found:
        say.line(f"  {row['reason']:<20} {row['entries']:>4} entries {_hours(row['seconds']):>8} h")


def _proof(firm: Firm, dossiers: Sequence[Dossier], say: _Printer) -> bool:
    months = balance.months(dossiers=dossiers)
    say.line("\nThe books, by state")
    for state in LedgerRow.State.values:
        entries = sum(month.states[state].entries for month in months)
        seconds = sum(month.states[state].seconds for month in months)
        if entries:
            say.line(f"  {state:<20} {entries:>4} entries {_hours(seconds):>8} h")
    broken = [each for month in months for each in month.broken]
    rules = Counter(each.rule for each in broken)
    entries = sum(tally.entries for month in months for tally in month.states.values())
    chain = audit_trail.verify(firm=firm)
    verdict = "The books balance" if not broken else "The books do NOT balance"
    say.line(f"\n{verdict}: {entries} entries, billed twice {rules['one_live_claim']}, lost {rules['one_state']}.")
    for each in broken:
        say.line(f"  {each.rule}: {each.sentence}")
    say.line(
        f"Audit log: {chain.events} events, {'chain and rows agree' if chain.ok else 'chain and rows do NOT agree'}."
    )
    return not broken and chain.ok


def _hours(seconds: int) -> str:
    return f"{seconds / 3600:,.2f}"


def _money(value: Decimal) -> str:
    return f"{value:,.2f}"
