"""The main job as the demo shows it: hours of two Toggl workspaces become invoices at three Billit companies.

The steps are the product's own verbs and tasks; only the waiting and the printing are here.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.core.management.base import OutputWrapper
from django.db.models import Count, Q, Sum
from django.utils import timezone

from integrations.models import Company, Entry, Workspace
from invoicing.drafting import runs
from invoicing.due import posts
from invoicing.ledger import audit_trail, balance
from invoicing.models import Dossier, Invoice, LedgerRow
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


class Stuck(Exception):
    """A step did not come to its end in time; ``str()`` says which."""


def main_job(*, firm: Firm, out: OutputWrapper) -> bool:
    """Sync, draft, approve, post; then the table, what needs attention, and the proof. Returns whether all is well."""
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
    say.step("Draft", f"everything open through {cut_off:%d/%m/%Y}")
    drafted = [
        invoice
        for dossier in dossiers
        for invoice, _ in runs.draft(dossier=dossier, cut_off=cut_off, by=by, now=timezone.now()).moved
    ]
    say.result(f"{len(drafted)} drafts")
    say.step("Approve", f"as {by.name}")
    waiting = list(Invoice.objects.for_firm(firm).drafts().order_by("pk"))
    for invoice in waiting:
        runs.approve(invoice=invoice, by=by, now=timezone.now())
    say.result(f"{len(waiting)} invoices")
    say.step("Post", "the workers post to Billit, each invoice once, and read the totals back")
    _post(firm, by)
    say.result(f"{len(waiting)} posted now, {Invoice.objects.for_firm(firm).posted().count()} in all")
    _table(firm, say)
    _agreements(dossiers, cut_off + timedelta(days=1), say)
    _in_progress(dossiers, now.astimezone(firm.zone).date(), cut_off, say)
    _attention(firm, say)
    return _proof(firm, dossiers, say)


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
        say.line(
            f"{dossier.key[:10]:<10} {f'{agreed.customer}'[:34]:<34} {_money(each.fees):>12} {_hours(each.seconds):>9} "
            f"{_money(each.value):>11}  {coming}"
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
