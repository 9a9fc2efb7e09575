"""Runs: hours become drafts, which a person (or the dossier's mode) approves or drops (design R8, R9, section 7)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef
from django.utils.translation import gettext

from integrations.clients.http.failures import Message
from integrations.models import Entry, Project
from invoicing.annexes import freeze
from invoicing.deciding import figures, rights
from invoicing.drafting import drafts, draws
from invoicing.drafting.news import drafted_news, hung_news
from invoicing.drafting.sheet import Sheet, Table, WhatIf, late_through, unposted
from invoicing.ledger import locks
from invoicing.ledger.agreements import agreements, blocks
from invoicing.ledger.facts.books import Facts, known_customers, refusal, terms
from invoicing.ledger.states import derive, differences, transitions
from invoicing.models import Claim, Correction, Dossier, Invoice, InvoiceLine, LedgerRow, Run, moves
from invoicing.models.invoices.invoice import NO_POST_ASKED, NO_SEND_ASKED
from invoicing.models.moves import BEGIN, STATUS, Step
from invoicing.models.problems import Code, columns, words
from invoicing.rules import planning
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm, lock_rows
from toggbill.firms.read import Figures, Read, check

_Status = Invoice.Status
_State = LedgerRow.State
_TO_DRAFT = [_State.OPEN, _State.ON_ACCOUNT]


@dataclass(frozen=True, slots=True)
class Drafting:
    """What a run did (or, as a preview, would do).

    ``moved``: the invoices made or changed, with what was planned; ``left``: the waiting drafts that stay as they were;
    ``dropped``: those that no hour is left on; ``sheet``: what it was planned of.
    """

    sheet: Sheet
    moved: tuple[tuple[Invoice, planning.PlannedInvoice], ...]
    left: tuple[Invoice, ...]
    dropped: tuple[Invoice, ...]
    mirror_as_of: datetime | None

    @property
    def plan(self) -> planning.Plan:
        """What was planned."""
        return self.sheet.plan


def preview(*, dossier: Dossier, cut_off: date, now: datetime) -> Drafting:
    """What ``draft`` would do, without doing it; the invoices are not saved and carry their planned lines."""
    refuse_future(dossier, cut_off, now)
    derive.derive(workspace=dossier.workspace, now=now)
    return foresee(dossier=dossier, cut_off=cut_off, now=now)


def foresee(
    *,
    dossier: Dossier,
    cut_off: date,
    now: datetime,
    what_if: WhatIf | None = None,
    only: str | None = None,
    books: Facts | None = None,
    table: Table | None = None,
) -> Drafting:
    """The same of the hours as the books have judged them, by other rules if ``what_if`` says so; nothing is written.

    ``only``: of this customer (its key) alone; ``books``, ``table``: where they were read. Raises ``NotPossible`` for
    a day after today.
    """
    refuse_future(dossier, cut_off, now)
    sheet = Sheet.read(dossier, cut_off, now, what_if, only, books, table)
    moved, left, matched = [], sheet.left_alone, set[int]()
    for planned in sheet.plan.invoices:
        standing = sheet.standing(planned)
        if standing is not None:
            matched.add(standing.pk)
            if drafts.says_the_same(standing, planned, sheet.known):
                left.append(standing)
                continue
        moved.append((drafts.header(copy.copy(standing or drafts.new(dossier, now)), planned, sheet.known), planned))
    return Drafting(sheet, tuple(moved), tuple(left), sheet.without_hours(matched), dossier.workspace.synced_at)


def draft(*, dossier: Dossier, cut_off: date, by: Actor, now: datetime, read: Read | None = None) -> Drafting:
    """Draft everything open up to and including the local day ``cut_off``; waiting drafts are redrawn (R8).

    ``read``: the preview (``figures.of_plan``) that was read, if one was. A second run for the same day makes nothing
    twice. Raises ``NotPossible`` for a day after today, ``NotAllowed``, and ``Changed`` for another plan than was read.
    """
    refuse_future(dossier, cut_off, now)
    rights.demand(by, "draft", dossier)
    derive.derive(workspace=dossier.workspace, now=now)
    return draft_derived(dossier=dossier, cut_off=cut_off, by=by, now=now, read=read)


@transaction.atomic
def draft_derived(
    *,
    dossier: Dossier,
    cut_off: date,
    by: Actor,
    now: datetime,
    read: Read | None = None,
    only: str | None = None,
    books: Facts | None = None,
    figures_of: Callable[[planning.Plan], Figures] | None = None,
) -> Drafting:
    """What ``draft`` does once the ledger of the workspace is derived: the part for a caller's transaction.

    ``only``: for this customer (its key) alone; that is no run of the dossier, by which hours of others are late.
    ``books``: where the caller read them under the firm's lock; ``figures_of``: what a page showed of the plan, where
    that was no preview of a run: a person has then read it.
    """
    refuse_future(dossier, cut_off, now)
    lock_firm(dossier.firm)
    rights.demand(by, "draft", dossier)
    # One run of a dossier at a time: what is open is read under this lock.
    dossier = (
        Dossier.objects.select_for_update(of=("self",), no_key=True)
        .select_related("workspace", "company", "firm")
        .get(pk=dossier.pk)
    )
    # Nobody approves or drops a draft while it is redrawn.
    lock_rows(unposted(dossier))
    # Once its drafts no longer wait, a cut-off has passed for good: what a repetition drafts is late, and stays so.
    passed = Run.objects.filter(dossier=dossier, cut_off=cut_off).exclude(invoices__status=_Status.DRAFT).exists()
    sheet = Sheet.read(dossier, cut_off, now, only=only, books=books)
    if figures_of is not None:
        shown = figures_of(sheet.plan)
        check(read, lambda: [shown], by=by)
    elif read is not None:
        check(read, lambda: [figures.of_plan(dossier, cut_off, sheet.plan)], by=by)
    kept, matched = sheet.left_alone, set[int]()
    changes: list[tuple[Invoice, planning.PlannedInvoice]] = []
    for planned in sheet.plan.invoices:
        standing = sheet.standing(planned)
        if standing is not None:
            matched.add(standing.pk)
            if drafts.says_the_same(standing, planned, sheet.known):
                kept.append(standing)
                continue
        changes.append((standing or drafts.new(dossier, now), planned))
    dropped = sheet.without_hours(matched)
    hung = sheet.plan.hung
    rows = drafts.entry_rows(dossier, (planned for _, planned in changes), [*hung, *sheet.plan.drawn])
    hours = [line for _, planned in changes for line in planned.lines if line.difference is None]
    claimed = [rows[entry.id].pk for line in hours for entry in line.entries]
    taken_off = Claim.objects.filter(line__invoice__in=[*(invoice for invoice, _ in changes if invoice.pk), *dropped])
    judged_again = draws.judged_again(dossier, sheet.judge, sheet.plan, changes)
    locks.lock_entries(
        {*(row.pk for row in rows.values()), *taken_off.values_list("entry_id", flat=True), *judged_again}
    )
    # Hours that go from a draft that is dropped to another one are judged again, too.
    moved_on = set(claimed).intersection(taken_off.filter(line__invoice__in=dropped).values_list("entry_id", flat=True))
    written = {invoice.reference: drafts.written(invoice.lines.all()) for invoice, _ in changes if invoice.pk}
    released = _free([invoice for invoice, _ in changes if invoice.pk], dropped, now)
    news = [
        void_news(invoice, Code.REDRAWN if invoice in sheet.remapped else Code.NO_HOURS_LEFT) for invoice in dropped
    ]
    redrawn = {invoice.reference for invoice, _ in changes if invoice.pk}
    for invoice, planned in changes:
        before = written.get(invoice.reference, [])
        drafts.header(invoice, planned, sheet.known)
        news.append(drafted_news(invoice, planned, cut_off, invoice.reference in redrawn, before))
    drafts.write(changes, rows)
    drafts.hang(hung, rows, now)
    news += hung_news(hung) + draws.write(sheet.plan.drawn, rows, now)
    transitions.claimed(entries=claimed)
    if only is None:
        _note_run(dossier, cut_off, by, now, () if passed else (*kept, *(invoice for invoice, _ in changes)))
        counts = {"drafted": len(changes), "left": len(kept), "dropped": len(dropped)}
        said = {"through": cut_off.isoformat(), **counts, "skipped": len(sheet.plan.skipped)}
        news.append(News("run", f"dossier {dossier.key}", said))
    audit.record(firm=dossier.firm, news=news, by=by, now=now)
    others = {*released, *locks.elsewhere(claimed)} - set(claimed)
    derive.derive_entries(entries=others | moved_on | judged_again - set(claimed), now=now)
    return Drafting(sheet, tuple(changes), tuple(kept), dropped, dossier.workspace.synced_at)


def _note_run(dossier: Dossier, cut_off: date, by: Actor, now: datetime, invoices: Collection[Invoice]) -> None:
    run, _ = Run.objects.update_or_create(
        dossier=dossier,
        cut_off=cut_off,
        defaults={
            "firm_id": dossier.firm_id,
            "started_at": now,
            "started_by": by.name,
            "mirror_as_of": dossier.workspace.synced_at,
        },
    )
    run.invoices.add(*invoices)


@transaction.atomic
def approve(*, invoice: Invoice, by: Actor, now: datetime, read: Read | None = None) -> Invoice:
    """A draft, or an invoice that Billit refused, may be posted: as ``read`` has it, up to what ``by`` may approve.

    A draft whose hours changed in Toggl since is not approved, nor is what Peppol would refuse (R11). Raises
    ``NotPossible``, ``NotAllowed`` (also above the dossier's limit), ``Changed`` and ``Unread``.
    """
    lock_firm(invoice.firm)
    invoice = locked(invoice)
    rights.demand(by, "approve", invoice.dossier)
    check(read, lambda: [figures.of_invoice(invoice)], by=by)
    rights.demand_approval(by, invoice)
    if invoice.status not in (_Status.DRAFT, _Status.REFUSED):
        raise NotPossible(
            gettext("Invoice %(invoice)s is %(status)s: only a draft or a refused one can be approved.")
            % {"invoice": invoice, "status": invoice.get_status_display()}
        )
    if invoice.status == _Status.DRAFT and (changed := changed_since(invoice)):
        raise NotPossible(
            gettext(
                "Invoice %(invoice)s: %(n)s of its entries changed in Toggl since it was drafted. "
                "Draft again, then approve."
            )
            % {"invoice": invoice, "n": changed}
        )
    known = known_customers(invoice.company, [invoice.customer_party_id])
    if (refused := refusal(invoice, invoice.lines.order_by("position"), known)) is not None:
        raise NotPossible(words(refused))
    step, event = Step(invoice.status, _Status.APPROVED), STATUS.event(invoice.status, _Status.APPROVED)
    anew = columns("problem", None) | columns("attention", None) | {"prepaid_left": blocks.left_of_customer(invoice)}
    changes = {"approved_at": now, "approved_by": by.name, "approved_by_user": by.user, "not_before": None, **anew}
    moves.move(Invoice.objects.filter(pk=invoice.pk), status=step, **changes)
    invoice.refresh_from_db(fields=["status", *changes])
    news = News(event, f"invoice {invoice.reference}", {"total_excl": str(invoice.total_excl)})
    audit.record(firm=invoice.firm, news=[news, *freeze.drop_stale(invoice=invoice)], by=by, now=now)
    return invoice


@transaction.atomic
def void(*, invoice: Invoice, by: Actor, now: datetime, read: Read | None = None) -> Invoice:
    """Drop an invoice that Billit does not have (who may: ``demand_drop``): exactly its entries are free again.

    Raises ``NotPossible``, ``NotAllowed``, ``Changed`` and ``Unread``.
    """
    lock_firm(invoice.firm)
    invoice = locked(invoice)
    rights.demand_drop(by, invoice)
    check(read, lambda: [figures.of_invoice(invoice)], by=by)
    if invoice.status not in figures.DROPPABLE:
        raise NotPossible(
            gettext("Invoice %(invoice)s is %(status)s: only one that Billit does not have can be dropped.")
            % {"invoice": invoice, "status": invoice.get_status_display()}
        )
    news = [void_news(invoice, Code.DROPPED)]
    if invoice.kind == Invoice.Kind.CREDIT_NOTE:
        news += transitions.credit_dropped(note=invoice, now=now)
    released = drop(invoice, now)
    audit.record(firm=invoice.firm, news=news, by=by, now=now)
    derive.derive_entries(entries=released, now=now)
    return invoice


def draft_again(
    *, dropped: Invoice, entries: Collection[int], corrections: Collection[int], by: Actor, now: datetime
) -> tuple[list[Invoice], list[News]]:
    """Draft the hours of an invoice that was dropped as they are now, for the same customer, and approve that.

    ``entries`` (row ids) are those that it held, ``corrections`` (row ids) the differences that it billed; what is
    another customer's by now stays open. Periods of agreements that it billed are billed again; the next run lists the
    hours that they cover. What the dossier's limit holds back from ``by`` is a draft; where one of this
    customer waits already, its hours stay open for the next run. Discounts stay with their lines. For the caller's
    transaction, in which the firm and these entries are locked; gives the new invoices and the events.
    """
    dossier = dropped.dossier
    books = Facts.load(dossier.workspace)
    judge = books.judges[dossier.pk]
    today = now.astimezone(dossier.firm.zone).date()
    free = Entry.objects.filter(pk__in=entries, ledger_row__dossier=dossier, ledger_row__state__in=_TO_DRAFT)
    free = free.select_related("ledger_row")
    elsewhere, covering = books.billed_elsewhere(free), agreements.covered_by(free)
    agreed = planning.Agreed(
        agreements.standing(judge.agreements),
        agreements.periods_of(dropped),
        blocks.stocks_of([each.id for each in judge.agreements], books.sold),
    )
    before = drafts.written(dropped.lines.order_by("position").prefetch_related("claims"))
    plan = planning.plan(
        (books.entry(row, row.ledger_row, elsewhere, covering) for row in free),
        judge=judge,
        agreed=agreed,
        terms=terms(dossier, cut_off=today, late_through=late_through(dossier), now=now),
        differences=[each for each in differences.to_bill(dossier) if each.correction in corrections],
        written={drafts.key_of(dropped): before},
    )
    same = [planned for planned in plan.invoices if differences.same_buyer(planned.buyer, dropped)]
    rows = drafts.entry_rows(dossier, same)
    waiting = list(Invoice.objects.drafts().filter(dossier=dossier, kind=Invoice.Kind.INVOICE))
    known = books.known_customers(dossier.company, (planned.buyer.party_id for planned in same))
    made, news, hours = list[tuple[Invoice, planning.PlannedInvoice]](), list[News](), list[planning.PlannedLine]()
    for planned in same:
        invoice = drafts.header(drafts.new(dossier, now), planned, known)
        is_approved = not invoice.attention and rights.may_approve(by, invoice)
        if not is_approved and drafts.standing(waiting, planned) is not None:
            continue
        STATUS.begin(invoice, _Status.APPROVED if is_approved else _Status.DRAFT)
        if is_approved:
            invoice.approved_at, invoice.approved_by, invoice.approved_by_user = now, by.name, by.user
            invoice.prepaid_left = blocks.left_of_customer(invoice)
        made.append((invoice, planned))
        hours += [line for line in planned.lines if line.difference is None]
        news.append(drafted_news(invoice, planned, today, redrawn=False, before=before))
        if is_approved:
            event = STATUS.event(BEGIN, _Status.APPROVED)
            news.append(News(event, f"invoice {invoice.reference}", {"total_excl": str(invoice.total_excl)}))
    drafts.write(made, rows)
    transitions.claimed(entries=[rows[entry.id].pk for line in hours for entry in line.entries])
    return [invoice for invoice, _ in made], news


def refuse_future(dossier: Dossier, cut_off: date, now: datetime) -> None:
    """Raises ``NotPossible`` for a day after today."""
    today = now.astimezone(dossier.firm.zone).date()
    if cut_off > today:
        raise NotPossible(
            gettext("%(day)s is after today (%(today)s): hours that are not worked yet cannot be drafted.")
            % {"day": cut_off, "today": today}
        )


def _free(redrawn: Sequence[Invoice], dropped: Sequence[Invoice], now: datetime) -> list[int]:
    """Take the hours of drafts that are redrawn (their lines go) or dropped (their lines stay as history) off them."""
    of_redrawn = Claim.objects.filter(line__invoice__in=redrawn)
    freed = list(of_redrawn.values_list("entry_id", flat=True))
    InvoiceLine.objects.filter(invoice__in=redrawn).delete()
    freed += locks.elsewhere(freed)
    for invoice in dropped:
        freed += drop(invoice, now)
    return freed


def drop(invoice: Invoice, now: datetime) -> list[int]:
    """Void an invoice that Billit does not have, for the caller's transaction; gives the entries (row ids) that it held
    and that are marked, to be judged again."""
    nothing_asked = NO_POST_ASKED | NO_SEND_ASKED
    moves.move(Invoice.objects.filter(pk=invoice.pk), status=Step(figures.DROPPABLE, _Status.VOID), **nothing_asked)
    invoice.refresh_from_db(fields=["status", *nothing_asked])
    freeze.drop(invoice=invoice)
    return transitions.release(invoice=invoice, now=now)


def locked(invoice: Invoice) -> Invoice:
    """The invoice as it is now, which nobody changes until the transaction ends."""
    found = Invoice.objects.select_for_update(of=("self",), no_key=True).select_related(
        "firm", "dossier__workspace__firm", "company"
    )
    return found.get(pk=invoice.pk)


def changed_since(invoice: Invoice) -> int:
    """How many entries of an invoice are otherwise in Toggl now than when it was drafted."""
    live = Claim.objects.live().filter(line__invoice=invoice)
    claims = live.holding().select_related("entry")
    # An agreement that was changed or ended since counts as one change.
    agreed = invoice.lines.filter(agreement__isnull=False, takes_back__isnull=True).exclude(
        agreement_version=F("agreement__version")
    )
    # A project that went to another client changes the customer, and neither the entry nor the project's id.
    projects = Project.objects.filter(workspace=invoice.dossier.workspace)
    clients = dict(projects.values_list("remote_id", "client_remote_id"))
    decided = Correction.objects.waiting_for_an_invoice().filter(seconds=OuterRef("seconds"))
    moved = live.of_differences().exclude(
        Exists(decided.filter(pk=OuterRef("correction"))), entry__marked_at__isnull=True
    )
    flagged = invoice.dossier.billable == Dossier.Billable.FLAGGED
    return (
        agreed.values("agreement").distinct().count()
        + moved.count()
        + sum(
            claim.entry.deleted_at is not None
            or (claim.entry.seconds, claim.entry.started_at, claim.entry.project_remote_id)
            != (claim.seconds, claim.started_at, claim.project_remote_id)
            or clients.get(claim.project_remote_id or 0) != claim.client_remote_id
            or sorted(claim.entry.tags) != sorted(claim.tags)
            # Without its flag it is not billed there (R2).
            or (flagged and not claim.entry.billable)
            for claim in claims
        )
    )


def void_news(invoice: Invoice, reason: Code) -> News:
    """The event of a dropped invoice."""
    event = STATUS.event(_Status.DRAFT, _Status.VOID)
    return News(event, f"invoice {invoice.reference}", {"reason": Message(reason).data()})
