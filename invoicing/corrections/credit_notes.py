"""What a credit note takes back (design section 6): the lines that entries of a sent invoice come to."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet
from django.utils.translation import gettext

from integrations.clients.http.failures import Message
from integrations.models import Entry
from invoicing.ledger.facts.books import frozen_rounding
from invoicing.models import Claim, Invoice, InvoiceLine
from invoicing.models.moves import BEGIN, STATUS
from invoicing.models.problems import words
from invoicing.posting import credited, read_first
from invoicing.posting.credited import Elsewhere
from invoicing.rules import planning
from invoicing.rules.billing import discounts, rating
from invoicing.rules.billing.differences import credited_hours, credited_texts, line_hours
from toggbill.firms.audit import News
from toggbill.firms.errors import NotPossible

_Delivery = Invoice.Delivery
_LEFT = (_Delivery.SENT, _Delivery.DELIVERED, _Delivery.REFUSED)
"""What is in one of these left Billit for the customer."""


def draft_note(
    *, about: Invoice, entries: Sequence[int], rebill: bool, now: datetime, elsewhere: Elsewhere
) -> tuple[Invoice, list[Claim]]:
    """Write the draft of a credit note for entries (row ids) of an invoice; gives it with the claims it takes back.
    Where they are all that it bills still, the advances that it deducts go with them: they are free again.

    For the caller's transaction, in which the invoice and the entries are locked. ``elsewhere``: what credit notes that
    were made in Billit take back of it. Raises ``NotPossible``.
    """
    books = _Books.of({about: entries})
    _check(about, entries, books)
    claims = books.of_entries(about, entries)
    made = credit_note(about, rebill, now)
    lines = _credit_lines(made, claims, books)
    held = Claim.objects.live().of_entries().filter(line__invoice=about)
    if not held.exclude(pk__in=[claim.pk for claim in claims]).exists():
        lines += _undone(made, about)
    _write(made, lines)
    if (why := credited.too_large(made, elsewhere)) is not None:
        raise NotPossible(words(why))
    return made, claims


@dataclass(frozen=True, slots=True)
class _Books:
    """What the ledger holds of entries that are to be credited: their claims, the credit note that waits and what a
    person has to decide first, each by invoice (row id); later differences by claim; seconds by claim of each line."""

    claims: Mapping[int, list[Claim]]
    waiting: Mapping[int, Invoice]
    hindrances: Mapping[int, Message]
    later: Mapping[int, list[Claim]]
    live: Mapping[int, dict[int, int]]

    @classmethod
    def of(cls, entries: Mapping[Invoice, Sequence[int]]) -> _Books:
        """Of entries (row ids) by invoice; a fixed number of queries."""
        invoices = {about.pk: set(ids) for about, ids in entries.items()}
        ids = [each for of_invoice in entries.values() for each in of_invoice]
        live = Claim.objects.live()
        claims: defaultdict[int, list[Claim]] = defaultdict(list)
        for claim in _in_order(live.of_entries().filter(line__invoice__in=invoices, entry__in=ids)):
            if claim.entry_id in invoices[claim.line.invoice_id]:
                claims[claim.line.invoice_id].append(claim)
        found = [claim for of_invoice in claims.values() for claim in of_invoice]
        later: defaultdict[int, list[Claim]] = defaultdict(list)
        differing = live.of_differences().filter(correction__claim__in=[claim.pk for claim in found])
        for claim in _in_order(differing).select_related("correction", "entry", "line__invoice"):
            if claim.correction is not None:
                later[claim.correction.claim_id].append(claim)
        seconds: defaultdict[int, dict[int, int]] = defaultdict(dict)
        of_lines = live.of_entries().filter(line__in={claim.line_id for claim in found})
        for line_id, claim_id, each in of_lines.values_list("line_id", "pk", "seconds"):
            seconds[line_id][claim_id] = each
        waiting: dict[int, Invoice] = {}
        for note in Invoice.objects.waiting().filter(about__in=invoices).order_by("pk"):
            waiting.setdefault(note.about_id or 0, note)
        others = {each.line.invoice_id: each.line.invoice for of_claim in later.values() for each in of_claim}
        orders = {about.pk: about for about in entries} | others
        return cls(claims, waiting, read_first.hindrances(list(orders.values())), later, seconds)

    def of_entries(self, about: Invoice, ids: Collection[int]) -> list[Claim]:
        """The claims of these entries (row ids) on an invoice, in the order of its lines."""
        return [claim for claim in self.claims.get(about.pk, ()) if claim.entry_id in set(ids)]


def _in_order(claims: QuerySet[Claim]) -> QuerySet[Claim]:
    return claims.select_related("entry", "line__invoice").order_by("line__position", "started_at", "pk")


def billing_invoice(ids: Sequence[int]) -> Invoice:
    """The one posted invoice that bills all these entries (row ids). Raises ``NotPossible``."""
    posted = _in_order(Claim.objects.live().of_entries().posted().filter(entry__in=ids))
    found = {claim.line.invoice_id for claim in posted}
    if len(found) != 1:
        raise NotPossible(
            gettext("None of these entries is on a posted invoice: there is nothing to credit.")
            if not found
            else gettext("These entries are on %(n)s invoices: a credit note is about one. Credit them one by one.")
            % {"n": len(found)}
        )
    return Invoice.objects.select_related("firm", "dossier__firm", "company__connection").get(pk=found.pop())


def locked(invoice: Invoice) -> Invoice:
    """The same row, locked, as it is now."""
    rows = Invoice.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("firm", "dossier__firm", "company").get(pk=invoice.pk)


def later_invoices(about: Invoice, ids: Collection[int]) -> list[Invoice]:
    """The later invoices that bill differences of entries (row ids) of an invoice."""
    differing = Claim.objects.live().of_differences().filter(correction__invoice=about, entry__in=ids)
    rows = Invoice.objects.posted().filter(pk__in=differing.values("line__invoice")).exclude(pk=about.pk)
    return list(rows.select_related("firm", "dossier", "company").order_by("pk"))


def _check(about: Invoice, ids: Sequence[int], books: _Books) -> None:
    claims = books.of_entries(about, ids)
    missing = set(ids) - {claim.entry_id for claim in claims}
    if missing:
        entry = Entry.objects.get(pk=min(missing))
        raise NotPossible(
            gettext("Entry %(entry)s is not billed by invoice %(invoice)s. Choose entries of one invoice.")
            % {"entry": entry, "invoice": about}
        )
    if why := why_not(about, books.waiting.get(about.pk)):
        raise NotPossible(why)
    if (finding := books.hindrances.get(about.pk)) is not None:
        raise NotPossible(words(finding))
    for claim in claims:
        for difference in books.later.get(claim.pk, ()):
            if why := why_not_of(difference):
                raise NotPossible(why)
            if (finding := books.hindrances.get(difference.line.invoice_id)) is not None:
                raise NotPossible(words(finding))


def why_not(about: Invoice, waiting: Invoice | None) -> str:
    """Why nothing of an invoice can be credited now, "" when it can; ``waiting``: its credit note that waits."""
    named = {"invoice": about, "note": waiting}
    if about.status != Invoice.Status.POSTED or about.delivery in (_Delivery.NOT_SENT, _Delivery.FAILED):
        return gettext("Invoice %(invoice)s is not sent: replace it rather than credit it.") % named
    if about.delivery not in _LEFT:
        return (
            gettext("It is not clear yet whether invoice %(invoice)s was sent. Wait until it is, then credit it.")
            % named
        )
    if waiting is not None:
        return (
            gettext("Credit note %(note)s about invoice %(invoice)s waits already: have it posted, or drop it, first.")
            % named
        )
    return ""


def why_not_entries(asked: Sequence[tuple[Invoice, Sequence[int]]]) -> list[str]:
    """For each invoice with entries (row ids) of it: why these cannot be credited together now, "" when they can.

    Takes as many queries for one as for many.
    """
    entries: defaultdict[Invoice, list[int]] = defaultdict(list)
    for about, ids in asked:
        entries[about] += ids
    books = _Books.of(entries)
    return [_refusal(about, ids, books) for about, ids in asked]


def _refusal(about: Invoice, ids: Sequence[int], books: _Books) -> str:
    try:
        _check(about, ids, books)
        _credit_lines(about, books.of_entries(about, ids), books)
    except NotPossible as refusal:
        return str(refusal)
    return ""


def why_not_of(difference: Claim) -> str:
    """Why an entry is not credited with a later difference of it, as far as the invoice of that tells, else ""."""
    billing = difference.line.invoice
    named = {"entry": difference.entry, "invoice": billing}
    if billing.status != Invoice.Status.POSTED:
        return (
            gettext(
                "A difference of entry %(entry)s is on invoice %(invoice)s, which is not posted. "
                "Have it posted, or drop it, first."
            )
            % named
        )
    if billing.delivery not in _LEFT:
        return (
            gettext("A difference of entry %(entry)s is on invoice %(invoice)s, which is not sent. Have it sent first.")
            % named
        )
    return ""


def credit_note(about: Invoice, rebill: bool, now: datetime) -> Invoice:
    """A credit note about an invoice, for its customer; not saved."""
    return Invoice(
        firm=about.firm,
        dossier=about.dossier,
        company=about.company,
        reference=f"tb-{uuid.uuid4()}",
        kind=Invoice.Kind.CREDIT_NOTE,
        about=about,
        rebill=rebill,
        rounding=about.rounding,
        buyer_key=about.buyer_key,
        customer_vat=about.customer_vat,
        customer_name=about.customer_name,
        customer_party_id=about.customer_party_id,
        customer_language=about.customer_language,
        outside_scope=about.outside_scope,
        purchase_order=about.purchase_order,
        buyer_reference=about.buyer_reference,
        drafted_at=now,
    )


def _credit_lines(made: Invoice, claims: Sequence[Claim], books: _Books) -> list[tuple[InvoiceLine, list[Claim]]]:
    """A line for each billed line concerned, with the claims that it takes back."""
    by_line: dict[int, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_line[claim.line_id].append(claim)
    return [_credit_line(made, gone, books) for gone in by_line.values()]


def _undone(made: Invoice, about: Invoice) -> list[tuple[InvoiceLine, list[Claim]]]:
    """Lines that take back what a settlement deducts: on a credit note they are charged, so their sign stays."""
    language = planning.language_of(made.customer_language, made.firm.language)
    found: list[tuple[InvoiceLine, list[Claim]]] = []
    for line in about.lines.live().filter(kind=InvoiceLine.Kind.DEDUCTION).order_by("position"):
        description, extended = credited_texts(line.description, line.description_extended, str(about), language)
        row = InvoiceLine(
            firm=made.firm,
            kind=line.kind,
            agreement_id=line.agreement_id,
            agreement_version=line.agreement_version,
            due_on=line.due_on,
            takes_back=line,
            product_reference=line.product_reference,
            description=description,
            description_extended=extended,
            quantity=line.quantity,
            unit_price=line.unit_price,
            vat_rate=line.vat_rate,
            ventilation_code=line.ventilation_code,
            treatment=line.treatment,
            total=line.total,
            seconds=0,
        )
        found.append((row, []))
    return found


def _credit_line(made: Invoice, gone: Sequence[Claim], books: _Books) -> tuple[InvoiceLine, list[Claim]]:
    billed = gone[0].line
    taken_back = [each for claim in gone for each in (claim, *books.later.get(claim.pk, []))]
    seconds = sum(claim.seconds for claim in taken_back)
    quantity = quantity_of(billed, made.about or made, books.live[billed.pk], taken_back)
    if quantity <= 0 or seconds <= 0:
        raise NotPossible(nothing_left(gone, quantity))
    language = planning.language_of(made.customer_language, made.firm.language)
    description, extended = credited_texts(billed.description, billed.description_extended, str(made.about), language)
    value = rating.line_total(quantity, billed.unit_price)
    discount = discount_of(billed, made.about or made, books.live[billed.pk], taken_back)
    line = InvoiceLine(
        firm=made.firm,
        product_reference=billed.product_reference,
        description=description,
        description_extended=extended,
        quantity=quantity,
        unit_price=billed.unit_price,
        vat_rate=billed.vat_rate,
        ventilation_code=billed.ventilation_code,
        treatment=billed.treatment,
        discount=discount,
        discount_reason=_reason(taken_back) if discount else "",
        total=value - discount,
        seconds=seconds,
    )
    return line, taken_back


def nothing_left(gone: Sequence[Claim], quantity: Decimal) -> str:
    """Why entries of a line are not credited whose hours the rounding hides, or that were taken off before."""
    line = gone[0].line
    return gettext(
        "Entries %(entries)s come to %(hours)s hours on line “%(line)s” of invoice %(invoice)s: "
        "there is nothing to credit of them. Credit the whole line, or leave them out."
    ) % {
        "entries": ", ".join(str(claim.entry) for claim in gone),
        "hours": f"{quantity:.2f}",
        "line": line.description,
        "invoice": line.invoice,
    }


def quantity_of(billed: InvoiceLine, about: Invoice, live: Mapping[int, int], taken_back: Sequence[Claim]) -> Decimal:
    """The hours of a line that go with these claims: what is billed first of entries, and their later differences.

    The line, as far as it is not credited yet, less the line that the other entries alone make. ``live``: seconds by
    claim (row id) of the entries that are still on it.
    """
    rounding = frozen_rounding(about)
    entries = [claim.pk for claim in taken_back if claim.kind == Claim.Kind.ENTRY]
    quantity = credited_hours(live, entries, rounding)
    if sum(live.values()) == billed.seconds:
        # Nothing of it was credited before: what was billed is certain, whatever the rule says today.
        quantity += billed.quantity - line_hours(live.values(), rounding)
    differences = (claim.line for claim in taken_back if claim.kind == Claim.Kind.DIFFERENCE)
    return quantity + sum((line.quantity for line in differences), Decimal(0))


def discount_of(billed: InvoiceLine, about: Invoice, live: Mapping[int, int], taken_back: Sequence[Claim]) -> Decimal:
    """What of the discounts of a line, and of its later differences, goes with these claims: together, all of them."""
    rounding = frozen_rounding(about)
    gone = {claim.pk for claim in taken_back if claim.kind == Claim.Kind.ENTRY}
    staying = line_hours((seconds for claim, seconds in live.items() if claim not in gone), rounding)
    was_whole = sum(live.values()) == billed.seconds
    before = billed.quantity if was_whole else line_hours(live.values(), rounding)
    parts = [
        discounts.share(billed.discount, billed.value, rating.line_total(hours, billed.unit_price))
        for hours in (before, staying)
    ]
    differences = [claim.line for claim in taken_back if claim.kind == Claim.Kind.DIFFERENCE]
    return parts[0] - parts[1] + sum((line.discount for line in differences), Decimal(0))


def _reason(taken_back: Sequence[Claim]) -> str:
    return next((claim.line.discount_reason for claim in taken_back if claim.line.discount_reason), "")


def _write(made: Invoice, lines: Sequence[tuple[InvoiceLine, list[Claim]]]) -> None:
    sums = rating.totals((line.vat_rate, line.total) for line, _ in lines)
    made.total_excl, made.total_vat, made.total_incl = sums.excl, sums.vat, sums.incl
    days = [claim.day for _, claims in lines for claim in claims]
    made.period_from, made.period_till = min(days), max(days)
    made.title = made.buyer_reference or planning.period_title(
        made.period_from, made.period_till, made.customer_language, made.firm.language
    )
    made.save()
    for position, (line, claims) in enumerate(lines, start=1):
        line.invoice, line.position = made, position
        line.save()
        Claim.objects.bulk_create([_taking_back(claim, line) for claim in claims])


def _taking_back(claim: Claim, line: InvoiceLine) -> Claim:
    return Claim(
        firm_id=claim.firm_id,
        kind=Claim.Kind.CREDIT,
        takes_back=claim,
        entry=claim.entry,
        entry_remote_id=claim.entry_remote_id,
        line=line,
        seconds=claim.seconds,
        started_at=claim.started_at,
        day=claim.day,
        project_remote_id=claim.project_remote_id,
        project_name=claim.project_name,
        client_remote_id=claim.client_remote_id,
        person_name=claim.person_name,
        description=claim.description,
        tags=claim.tags,
        billable=claim.billable,
    )


def drafted_news(made: Invoice, claims: Sequence[Claim], note: str) -> News:
    return News(
        STATUS.event(BEGIN, Invoice.Status.DRAFT),
        f"invoice {made.reference}",
        {
            "kind": str(made.kind),
            "about": "" if made.about is None else made.about.reference,
            "dossier": made.dossier.key,
            "customer": made.customer_name,
            "number": made.customer_vat,
            "rebill": made.rebill,
            "total_excl": str(made.total_excl),
            "total_incl": str(made.total_incl),
            "entries": sorted(claim.entry.remote_id for claim in claims),
            "note": note,
        },
    )
