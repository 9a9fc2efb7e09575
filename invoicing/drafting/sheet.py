"""What lies on the table of a run over a dossier: the waiting drafts, and the plan of what is open (design R8)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery
from django.utils.translation import gettext

from integrations.models import Entry
from invoicing.drafting import drafts, trying
from invoicing.drafting.drafts import key_of
from invoicing.drafting.trying import WhatIf as WhatIf
from invoicing.ledger.agreements import agreements, blocks
from invoicing.ledger.agreements.fee_periods import unlisted
from invoicing.ledger.facts.books import Facts, terms
from invoicing.ledger.facts.customers import KnownCustomer
from invoicing.ledger.states import differences
from invoicing.models import Claim, Dossier, Invoice, InvoiceLine, LedgerRow, Run
from invoicing.models.invoices.invoice import InvoiceQuerySet
from invoicing.models.problems import Code
from invoicing.rules import planning
from invoicing.rules.agreement import Agreement
from invoicing.rules.agreements.fees import Standing
from invoicing.rules.agreements.settlement import settlements
from invoicing.rules.billing.lines import AdvanceKey
from invoicing.rules.judging.judge import Judge
from toggbill.firms.errors import NotPossible

_Status = Invoice.Status
_State = LedgerRow.State


@dataclass(slots=True)
class Table:
    """What a plan is made of besides its rules and hours: read once for all plans that are compared.

    ``rows``: the invoices that a run may draw anew, with the last cut-off that drew them (`drawn_through`);
    ``standing``: by the invoices (row ids) that do not count, what stands of the agreements; ``hours``: by the invoices
    whose hours are another customer's by now, and those that are left alone, what is planned, and which of it is billed
    elsewhere. ``tries``: by other rules it is planned too, so that what these bill is read.
    """

    rows: list[Invoice]
    late_through: date | None
    differences: list[planning.Difference]
    tries: bool
    standing: dict[frozenset[int], dict[int, Standing]] = field(default_factory=dict)
    hours: dict[frozenset[int], tuple[list[Any], frozenset[int]]] = field(default_factory=dict)

    @classmethod
    def read(cls, dossier: Dossier, *, tries: bool = False) -> Table:
        """As it is now."""
        lines = (
            InvoiceLine.objects.order_by("position")
            .select_related("deduction")
            .prefetch_related(
                Prefetch("claims", Claim.objects.order_by("started_at", "entry__remote_id").select_related("entry"))
            )
        )
        runs = Run.objects.filter(invoices=OuterRef("pk")).order_by("-cut_off").values("cut_off")[:1]
        rows = unposted(dossier).order_by("pk").select_related("dossier", "firm", "company")
        rows = rows.annotate(drawn_through=Subquery(runs))
        found = list(rows.prefetch_related(Prefetch("lines", lines)))
        return cls(found, late_through(dossier), list(differences.to_bill(dossier)), tries)

    def standing_of(self, agreed: Iterable[Agreement], besides: Iterable[Invoice]) -> dict[int, Standing]:
        """What stands of agreements; those of a later plan are among those of the first, or have billed nothing."""
        without = {invoice.pk: invoice for invoice in besides}
        key = frozenset(without)
        if key not in self.standing:
            self.standing[key] = agreements.standing(tuple(agreed), besides=without.values())
        return self.standing[key]


@dataclass(slots=True)
class Sheet:
    """What lies on the table of a run: the waiting drafts, the plan, and what the mirror knows of the customers.

    ``later``: the drafts of runs with a later cut-off, which are left alone;
    ``remapped``: invoices that are held back or refused, and whose hours are another customer's by now; ``judge``: by
    the rules that it was planned by; ``seconds``: of the hours that were planned, by their ids in Toggl.
    """

    cut_off: date
    drafts: list[Invoice]
    later: list[Invoice]
    remapped: list[Invoice]
    plan: planning.Plan
    known: Mapping[int, KnownCustomer]
    judge: Judge
    seconds: Mapping[int, int]
    table: Table

    @classmethod
    def read(
        cls,
        dossier: Dossier,
        cut_off: date,
        now: datetime,
        what_if: WhatIf | None = None,
        only: str | None = None,
        books: Facts | None = None,
        table: Table | None = None,
    ) -> Sheet:
        """``only``: what is this customer's (its key); drafts of others are left as they are. ``books``, ``table``:
        where they were read already, in the same transaction or for the same page. Raises ``NotPossible`` where such a
        draft holds what is this customer's by now."""
        books = Facts.load(dossier.workspace) if books is None else books
        table = Table.read(dossier) if table is None else table
        found = table.rows
        waiting = [invoice for invoice in found if invoice.status == _Status.DRAFT]
        # What one customer is drafted by himself joins his draft, whatever day that was drawn through.
        later = [] if only is not None else [invoice for invoice in waiting if _is_later(invoice, cut_off)]
        waiting = [invoice for invoice in waiting if invoice not in later]
        judge = books.judges[dossier.pk]
        if what_if is not None:
            judge = what_if.judge(dossier, judge)
        drawn = [*waiting, *later]
        remapped = [each for each in found if each not in drawn and _is_anothers(each, books, judge)]
        key = frozenset(each.pk for each in [*remapped, *later])
        if key not in table.hours:
            tries = table.tries or what_if is not None
            hours = _hours(dossier, judge, cut_off, [*waiting, *remapped], later, tries=tries)
            # Asked again under the firm's lock: another dossier may have taken what was moved since these were judged.
            table.hours[key] = hours, books.billed_elsewhere(hours)
        hours, elsewhere = table.hours[key]
        of_run = terms(dossier, cut_off=cut_off, late_through=table.late_through, now=now)
        standing = table.standing_of(judge.agreements, [*waiting, *remapped])
        stocks = blocks.stocks_of([each.id for each in judge.agreements], books.sold, besides=[*waiting, *remapped])
        twins, block = None, None
        if what_if is not None:
            more = trying.reached(dossier, books, what_if)
            hours = list({row.pk: row for row in (*more, *hours)}.values())
            elsewhere |= books.billed_elsewhere(more)
            twins = trying.twins_of(dossier, books, judge, what_if, hours)
            judge, in_stock, block = trying.sold(judge, of_run, what_if)
            stocks |= in_stock
        covering = {row.pk: row.covered_by for row in hours if row.covered_by is not None}
        held = {row.remote_id for row in hours if hasattr(row, "ledger_row") and row.ledger_row.state == _State.HELD}
        entries = [books.entry(row, trying.kept_of(row, twins), elsewhere, covering) for row in hours]
        if what_if is not None:
            standing = trying.counted(standing, judge, zip(hours, entries, strict=True))
        plan = planning.plan(
            entries,
            judge=judge,
            agreed=planning.Agreed(standing, stocks=stocks),
            terms=of_run,
            held=held,
            differences=_differences(table, later),
            at_their_day={key_of(row) for row in waiting if row.at_their_day},
            written={key_of(row): drafts.written(row.lines.all()) for row in waiting},
        )
        plan = trying.with_block(plan, block, of_run)
        plan = _without(plan, later)
        if only is not None:
            own = tuple(each for each in plan.invoices if each.buyer.key == only and each.block is None)
            plan = replace(plan, invoices=own, hung=(), drawn=())
            others = [row for row in waiting if not any(drafts.standing([row], each) for each in own)]
            _refuse_what_others_hold(own, [*others, *remapped])
            waiting, remapped = [row for row in waiting if row not in others], []
        parties = {row.customer_party_id for row in waiting} | {planned.buyer.party_id for planned in plan.invoices}
        known = books.known_customers(dossier.company, parties)
        seconds = {row.remote_id: row.seconds for row in hours}
        return cls(cut_off, waiting, later, remapped, plan, known, judge, seconds, table)

    @property
    def agreements(self) -> tuple[Agreement, ...]:
        """Those of the dossier."""
        return self.judge.agreements

    def standing(self, planned: planning.PlannedInvoice) -> Invoice | None:
        """The waiting draft of the planned invoice's customer, references and scope of VAT, if there is one."""
        return drafts.standing(self.drafts, planned)

    def without_hours(self, matched: Collection[int]) -> tuple[Invoice, ...]:
        """The drafts that the plan has no invoice for (``matched``: those that it has one for). A block that cannot be
        billed now stays ordered."""
        unmatched = [*(invoice for invoice in self.drafts if invoice.pk not in matched), *self.remapped]
        unmatched = [each for each in unmatched if each.block_of_id is None or each in self.remapped]
        return tuple(invoice for invoice in unmatched if self._touches(invoice))

    @property
    def left_alone(self) -> list[Invoice]:
        """The drafts of later cut-offs that hold something up to this one, which a run with theirs draws anew."""
        return [invoice for invoice in self.later if self._touches(invoice)]

    def _touches(self, invoice: Invoice) -> bool:
        """Whether the draft holds an hour up to the cut-off, or a fee that is due with it; one that lies wholly behind
        it is left to a later run."""
        days = [day for line in invoice.lines.all() for day in _days(line)]
        return any(day is not None and day <= self.cut_off for day in days)


def _is_later(invoice: Invoice, cut_off: date) -> bool:
    """Whether a draft was drawn with a later cut-off, or holds what comes behind this one (R8). The block of an
    agreement has none: a person orders it."""
    if invoice.block_of_id is not None:
        return False
    drawn_through: date | None = getattr(invoice, "drawn_through", None)
    days = [drawn_through, *(day for line in invoice.lines.all() for day in _days(line))]
    return any(day is not None and day > cut_off for day in days)


def _days(line: InvoiceLine) -> list[date | None]:
    return [line.due_on, *(claim.day for claim in line.claims.all())]


def _differences(table: Table, later: Collection[Invoice]) -> list[planning.Difference]:
    """Those that are on no draft that is left alone."""
    lines = [line for invoice in later for line in invoice.lines.all()]
    held = {claim.correction_id for line in lines for claim in line.claims.all() if claim.released_at is None}
    return [each for each in table.differences if each.correction not in held]


def _without(plan: planning.Plan, later: Collection[Invoice]) -> planning.Plan:
    """A plan without what would go on drafts that are left alone: it stays open until a run draws them anew."""
    if not later:
        return plan
    lines = {line.pk for invoice in later for line in invoice.lines.all()}
    invoices = tuple(each for each in plan.invoices if drafts.standing(later, each) is None)
    return replace(plan, invoices=invoices, hung=tuple(each for each in plan.hung if each.line not in lines))


def _hours(
    dossier: Dossier,
    judge: Judge,
    cut_off: date,
    drawn: Sequence[Invoice],
    later: Collection[Invoice],
    *,
    tries: bool,
) -> list[Any]:
    """The entries that may be billed, with their rows and what covers them; those of the invoices that are ``drawn``
    anew included, those of ``later`` ones not, and with ``tries`` what other rules might bill."""
    states = [_State.OPEN, _State.ATTENTION, _State.HELD, *([_State.NOT_BILLABLE, _State.ON_ACCOUNT] if tries else [])]
    own = LedgerRow.objects.filter(dossier=dossier)
    # Put together by their ids: with an "or" across tables PostgreSQL reads every firm's hours from end to end.
    some = [own.filter(state__in=states).values("entry"), _to_cover(dossier, later).values("entry")]
    for settled in settlements(judge.agreements, cut_off):
        on_account = own.filter(agreement=settled.agreement, day__lte=settled.through, state=_State.ON_ACCOUNT)
        some.append(on_account.values("entry"))
    claims = Claim.objects.live().of_entries().filter(line__invoice__in=drawn).values("entry")
    found = Entry.objects.filter(pk__in=claims.order_by().union(*some)).select_related("ledger_row")
    return agreements.with_cover(found)


def unposted(dossier: Dossier) -> InvoiceQuerySet:
    """What a run may draw anew: drafts, and what Billit refused or is not to get because its customer changed."""
    stuck = Q(status=_Status.APPROVED, attention__in=[Code.CUSTOMER_GONE, Code.CUSTOMER_RENUMBERED])
    return Invoice.objects.filter(
        Q(status__in=[_Status.DRAFT, _Status.REFUSED]) | stuck, dossier=dossier, kind=Invoice.Kind.INVOICE
    )


def _refuse_what_others_hold(planned: Iterable[planning.PlannedInvoice], others: Iterable[Invoice]) -> None:
    """A client that was mapped anew may have periods and hours on a draft of its earlier customer still, until a run
    draws that anew. Raises ``NotPossible``."""
    lines = [line for each in planned for line in each.lines]
    due = {(each.due.agreement, str(each.kind), each.due.period, each.due.part) for each in lines if each.due}
    hours = {entry.id for line in lines if line.difference is None for entry in line.entries}
    advances = {line.deducts for line in lines if line.deducts is not None}
    for invoice in others:
        for line in invoice.lines.all():
            held = {claim.entry_remote_id for claim in line.claims.all() if claim.released_at is None}
            bills = (line.agreement_id, line.kind, line.period, line.part) in due
            if bills or held & hours or _deducted(line) in advances:
                said = {"invoice": invoice, "customer": invoice.customer_name}
                raise NotPossible(
                    gettext(
                        "Draft %(invoice)s for %(customer)s still holds what this would bill to another customer: "
                        "draft the dossier first, so that it is drawn anew."
                    )
                    % said
                )


def _deducted(line: InvoiceLine) -> AdvanceKey | None:
    deduction = getattr(line, "deduction", None)
    if deduction is None or deduction.released_at is not None:
        return None
    if deduction.advance_id is not None:
        return AdvanceKey(deduction.advance_id)
    return AdvanceKey(deduction.brought_id, is_brought=True)


def _to_cover(dossier: Dossier, later: Collection[Invoice]) -> QuerySet[LedgerRow]:
    """The covered hours that are on no line yet and come on one, but for lines of drafts, which are drawn anew; those
    of ``later`` ones are not."""
    if later:
        listed = Claim.objects.live().exclude(~Q(line__invoice__in=later), line__invoice__status=_Status.DRAFT)
    else:
        listed = Claim.objects.live().exclude(line__invoice__status=_Status.DRAFT)
    return unlisted(listed).filter(dossier=dossier)


def _is_anothers(invoice: Invoice, books: Facts, judge: Judge) -> bool:
    """Whether an hour or a fee of an invoice has another customer by now: its client was mapped anew."""
    agreed = {line.agreement_id for line in invoice.lines.all() if line.agreement_id is not None}
    owing = [judge.billed_to(each)[0] for each in judge.agreements if each.id in agreed]
    if any(buyer is not None and not differences.same_buyer(buyer, invoice) for buyer in owing):
        return True
    claims = [claim for line in invoice.lines.all() for claim in line.claims.all() if claim.released_at is None]
    buyers = (judge.verdict(books.entry(claim.entry)).buyer for claim in claims)
    return any(buyer is not None and not differences.same_buyer(buyer, invoice) for buyer in buyers)


def late_through(dossier: Dossier) -> date | None:
    """R8: the latest cut-off of the runs so far whose drafts no longer wait."""
    runs = Run.objects.filter(dossier=dossier).exclude(invoices__status=_Status.DRAFT).order_by("-cut_off")
    return runs.values_list("cut_off", flat=True).first()
