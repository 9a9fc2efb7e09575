"""What a person may decide of a correction now, with the consequence of each in words and figures. Reads only.

The verbs say what is possible: each reason here is the sentence with which the verb would refuse. What only Billit
knows (an order that was sent there by hand) comes out when the verb asks it. Read in a fixed number of queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from django.db.models import QuerySet
from django.utils import formats
from django.utils.translation import gettext as _

from invoicing.corrections import credit_notes, decide, replace
from invoicing.deciding import figures
from invoicing.ledger.states import differences
from invoicing.models import Claim, Correction, Deduction, Invoice
from invoicing.rules.billing import rating
from toggbill.firms.access import visible
from toggbill.firms.models import Membership
from toggbill.firms.read import Read

LONGEST_NOTE = 500


@dataclass(frozen=True, slots=True)
class Option:
    """A decision: its name in the address, what the button says, what follows from it; ``why_not``: why not now."""

    name: str
    label: str
    consequence: str
    why_not: str = ""


@dataclass(slots=True)
class Case:
    """A correction with what stands behind it: seconds and hours billed and mirrored, the amount, the remedies."""

    correction: Correction
    billed: int
    mirrored: int
    hours: Decimal
    read: Read
    remedies: list[Option] = field(default_factory=list)

    @property
    def amount(self) -> Decimal:
        """The difference in euro excl. VAT, by price and discount of the line; negative when too much was billed."""
        return self.correction.claim.line.net_of(self.hours)

    @property
    def possible(self) -> list[Option]:
        """What can be decided now."""
        return [remedy for remedy in self.remedies if not remedy.why_not]

    @property
    def refused(self) -> list[tuple[str, str]]:
        """What cannot, and why: those that one reason refuses are named together."""
        found: dict[str, list[str]] = {}
        for remedy in self.remedies:
            if remedy.why_not:
                found.setdefault(remedy.why_not, []).append(remedy.label)
        return [(" · ".join(labels), why_not) for why_not, labels in found.items()]

    @property
    def is_deleted(self) -> bool:
        """Whether the entry is gone in Toggl."""
        return "deleted" in self.correction.what

    @property
    def product(self) -> str:
        """The product that the entry leads to now, "" when that is no difference."""
        return str(self.correction.mirrored.get("product") or "–") if "product" in self.correction.what else ""

    @property
    def customer(self) -> str:
        """The Toggl client that the entry has now, "" when that is no difference."""
        if "customer" not in self.correction.what:
            return ""
        row = getattr(self.correction.entry, "ledger_row", None)
        return (row.client_name if row is not None else "") or "–"

    @property
    def day(self) -> date | None:
        """The local day on which the entry starts now, None when that is no difference."""
        told = self.correction.mirrored.get("day") if "day" in self.correction.what else None
        return None if told is None else date.fromisoformat(told)

    @property
    def is_not_billable(self) -> bool:
        """Whether the billable flag was taken off."""
        return "billable" in self.correction.what


def open_of(membership: Membership) -> QuerySet[Correction]:
    """The corrections that a member can decide on, the oldest first."""
    return visible(membership, Correction.objects.open()).order_by("opened_at", "pk")


def waiting_of(membership: Membership) -> QuerySet[Correction]:
    """Those that wait for the next invoice, and can be taken back."""
    rows = visible(membership, Correction.objects.waiting_for_an_invoice())
    return rows.order_by("-decided_at", "-pk")


def decided_of(membership: Membership) -> QuerySet[Correction]:
    """Those that are settled, by somebody or by Toggl itself, the latest first."""
    return visible(membership, Correction.objects.decided()).order_by("-decided_at", "-pk")


def cases(rows: QuerySet[Correction] | Sequence[Correction], *, may_post: bool = True) -> list[Case]:
    """These corrections, each with what stands behind it and what can be decided, by who may post or may not."""
    if isinstance(rows, QuerySet):
        rows = rows.select_related(*BEHIND)
    found = list(rows)
    facts = _Facts.of(found)
    return [_case(correction, facts, may_post) for correction in found]


BEHIND = ("entry__ledger_row", "claim__line__invoice", "claim__entry", "invoice__dossier", "firm")


@dataclass(slots=True)
class _Facts:
    """What the decisions hang on: seconds by claim of each line, later differences by claim, credit notes by invoice,
    differences that stand on other invoices and what takes their advances off by invoice, entries that have an open
    correction, and what of each invoice nobody has settled."""

    claims: Mapping[int, Mapping[int, int]]
    later: Mapping[int, Sequence[Claim]]
    notes: Mapping[int, Sequence[Invoice]]
    elsewhere: Mapping[int, Claim]
    deducting: Mapping[int, Deduction]
    open: frozenset[int]
    unsettled: Mapping[int, Sequence[Correction]]

    @classmethod
    def of(cls, rows: Sequence[Correction]) -> _Facts:
        lines = {row.claim.line_id for row in rows}
        invoices = {row.invoice_id for row in rows}
        claims: defaultdict[int, dict[int, int]] = defaultdict(dict)
        live = Claim.objects.live()
        of_lines = live.of_entries().filter(line__in=lines).values_list("line_id", "pk", "seconds")
        for line_id, claim_id, seconds in of_lines:
            claims[line_id][claim_id] = seconds
        later: defaultdict[int, list[Claim]] = defaultdict(list)
        elsewhere: dict[int, Claim] = {}
        differing = live.of_differences().filter(correction__invoice__in=invoices)
        for claim in differing.select_related("correction", "entry", "line__invoice").order_by("pk"):
            if claim.correction is not None:
                later[claim.correction.claim_id].append(claim)
                if claim.line.invoice_id != claim.correction.invoice_id:
                    elsewhere.setdefault(claim.correction.invoice_id, claim)
        notes: defaultdict[int, list[Invoice]] = defaultdict(list)
        for note in Invoice.objects.standing().filter(about__in=invoices).order_by("pk"):
            notes[note.about_id or 0].append(note)
        standing = Correction.objects.open().filter(entry__in=[row.entry_id for row in rows])
        unsettled: defaultdict[int, list[Correction]] = defaultdict(list)
        for correction in Correction.objects.undecided().filter(invoice__in=invoices).select_related("entry"):
            unsettled[correction.invoice_id].append(correction)
        deducted = Deduction.objects.live().filter(advance__invoice__in=invoices)
        rows_of = deducted.select_related("advance", "line__invoice").order_by("-pk")
        deducting = {row.advance.invoice_id: row for row in rows_of if row.advance is not None}
        open_entries = frozenset(standing.values_list("entry_id", flat=True))
        return cls(claims, later, notes, elsewhere, deducting, open_entries, unsettled)

    def settled(self, correction: Correction) -> dict[int, int]:
        """Seconds by claim of the billed line, later differences and all."""
        claims = self.claims.get(correction.claim.line_id, {})
        return differences.settled(claims, self.of_claims(claims))

    def of_claims(self, claims: Iterable[int]) -> list[Claim]:
        """The later differences of these claims."""
        return [each for claim in claims for each in self.later.get(claim, ())]


def _case(correction: Correction, facts: _Facts, may_post: bool) -> Case:
    settled = facts.settled(correction)
    why_not, hours = decide.next_invoice(correction, settled)
    billed = settled.get(correction.claim_id, 0)
    mirrored = int(correction.mirrored.get("seconds", billed + correction.seconds))
    replacing = figures.of_replacement(correction.invoice, facts.unsettled.get(correction.invoice_id, ()))
    read = Read.of([figures.of_correction(correction, settled, hours), replacing])
    case = Case(correction, billed, mirrored, hours, read)
    if correction.decision == Correction.Decision.OPEN:
        case.remedies = [
            _accept(case),
            _next_invoice(case, why_not),
            _replace(case, facts, may_post),
            *_credit(case, facts),
        ]
    elif correction.decision == Correction.Decision.NEXT_INVOICE:
        case.remedies = [_withdraw(case, facts)]
    return case


def name_of(invoice: Invoice) -> str:
    """An invoice as people say it: Billit's number, else the first characters of our reference."""
    return invoice.order_number or invoice.reference.removeprefix("tb-")[:8]


def _accept(case: Case) -> Option:
    words = {"invoice": name_of(case.correction.invoice)}
    if case.correction.seconds < 0:
        consequence = _("Invoice %(invoice)s stays as it is, and nothing is given back to the customer.") % words
    elif case.correction.seconds:
        consequence = _("Invoice %(invoice)s stays as it is, and this difference is never billed.") % words
    else:
        consequence = _("Invoice %(invoice)s stays as it is.") % words
    return Option("accept", _("Accept the difference"), consequence)


def _next_invoice(case: Case, why_not: str) -> Option:
    words = {
        "hours": formats.number_format(abs(case.hours), 2),
        "amount": formats.number_format(abs(case.amount), 2),
        "customer": case.correction.invoice.customer_name,
    }
    if case.correction.seconds < 0:
        label = _("Take it off the next invoice")
        consequence = _("The next invoice of %(customer)s gets a line of − %(hours)s h, − € %(amount)s excl. VAT.")
    else:
        label = _("Bill it on the next invoice")
        consequence = _("The next invoice of %(customer)s gets a line of %(hours)s h, € %(amount)s excl. VAT.")
    return Option("next-invoice", label, consequence % words, why_not)


def _replace(case: Case, facts: _Facts, may_post: bool) -> Option:
    invoice = case.correction.invoice
    if invoice.replacing_since is not None:
        why_not = replace.under_way(invoice)
    else:
        has_note, later = bool(facts.notes.get(invoice.pk)), facts.elsewhere.get(invoice.pk)
        why_not = replace.why_not(invoice, has_note, later, facts.deducting.get(invoice.pk))
    if not why_not and not may_post:
        why_not = _("To replace an invoice is for who may post to Billit: an owner or a manager of the firm.")
    consequence = _(
        "Order %(order)s is deleted in Billit, and its hours as Toggl has them now are drafted and approved anew. "
        "You then post the new invoice."
    ) % {"order": invoice.order_number or invoice.order_id}
    return Option("replace", _("Replace the invoice"), consequence, why_not)


def _credit(case: Case, facts: _Facts) -> list[Option]:
    claim, invoice = case.correction.claim, case.correction.invoice
    waiting = [note for note in facts.notes.get(invoice.pk, ()) if note.status != Invoice.Status.POSTED]
    why_not = credit_notes.why_not(invoice, waiting[0] if waiting else None)
    live = facts.claims.get(claim.line_id, {})
    later = facts.of_claims([claim.pk])
    quantity = discount = Decimal(0)
    if claim.pk in live:
        quantity = credit_notes.quantity_of(claim.line, invoice, live, [claim, *later])
        discount = credit_notes.discount_of(claim.line, invoice, live, [claim, *later])
    why_not = why_not or next(filter(None, map(credit_notes.why_not_of, later)), "")
    if not why_not and (quantity <= 0 or claim.seconds + sum(each.seconds for each in later) <= 0):
        why_not = credit_notes.nothing_left([claim], quantity)
    words = {
        "hours": formats.number_format(quantity, 2),
        "amount": formats.number_format(rating.line_total(quantity, claim.line.unit_price) - discount, 2),
    }
    drafted = _("A credit note of %(hours)s h, € %(amount)s excl. VAT, is drafted for this entry.") % words
    again = _("Once it is posted, the entry is open and the next run bills it as Toggl has it then.")
    for_good = _("Once it is posted, the entry stays credited; it is not billed again unless a person opens it.")
    return [
        Option("credit-and-bill", _("Credit it and bill it anew"), f"{drafted} {again}", why_not),
        Option("credit", _("Credit it for good"), f"{drafted} {for_good}", why_not),
    ]


def _withdraw(case: Case, facts: _Facts) -> Option:
    why_not = ""
    if case.correction.entry_id in facts.open:
        why_not = decide.changed_since(case.correction.entry)
    consequence = _("The difference waits for a decision again, and the next run takes it off a draft.")
    return Option("withdraw", _("Take the decision back"), consequence, why_not)
