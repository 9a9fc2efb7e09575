"""After billing: what a person decides of a correction (design section 6). A posted invoice itself is never altered.

``accept`` leaves it at what was billed; ``bill_next`` bills the difference, or takes it off, on the next invoice;
``replace`` deletes an unsent order and posts it anew; ``credit`` takes entries of a sent one back.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet

from integrations.models import Entry
from invoicing import differences, ledger, planning, rating
from invoicing.books import rounding_of
from invoicing.credit import credited_hours, credited_texts, differing_hours, line_hours
from invoicing.holding import hold as hold
from invoicing.holding import release as release
from invoicing.holding import reopen as reopen
from invoicing.holding import write_off as write_off
from invoicing.models import Claim, Correction, Invoice, InvoiceLine
from invoicing.replacing import due_replacements as due_replacements
from invoicing.replacing import recover_replacement as recover_replacement
from invoicing.replacing import replace as replace
from invoicing.runs import NotPossible
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News

_Decision = Correction.Decision
_Delivery = Invoice.Delivery
_WAITING = [
    Invoice.Status.DRAFT,
    Invoice.Status.APPROVED,
    Invoice.Status.POSTING,
    Invoice.Status.REFUSED,
    Invoice.Status.IN_DOUBT,
]


@transaction.atomic
def accept(*, correction: Correction, by: Actor, now: datetime, note: str = "") -> Correction:
    """Leave it at what was billed: this difference is settled. A later change in Toggl opens a new correction.

    Raises ``NotPossible`` when the correction is not open, or is not as the caller has read it.
    """
    found = _to_decide(correction, now)
    return _decided(found, _Decision.ACCEPTED, by, now, note)


@transaction.atomic
def bill_next(*, correction: Correction, by: Actor, now: datetime, note: str = "") -> Correction:
    """Bill the difference on the customer's next invoice, or take it off there.

    It is drafted by the next run. Raises ``NotPossible`` for another product or customer (no difference in hours says
    that), for a difference that the rounding hides, and as ``accept``.
    """
    found = _to_decide(correction, now)
    if {"product", "customer"} & set(found.what):
        raise NotPossible(
            f"Entry {found.entry.remote_id} differs in {' and '.join(found.what)} from what invoice {found.invoice} "
            "billed, and hours alone cannot say that. Replace the invoice while it is not sent, else credit the entry."
        )
    seconds = differences.settled_seconds(found.claim.line_id)
    (hours,) = differing_hours(seconds, [(found.claim_id, found.seconds)], rounding_of(found.invoice.dossier))
    if not hours:
        raise NotPossible(
            f"The difference of {found.seconds} seconds of entry {found.entry.remote_id} comes to 0.00 hours by the "
            "rounding of the dossier: there is nothing to bill. Accept it."
        )
    return _decided(found, _Decision.NEXT_INVOICE, by, now, note)


@transaction.atomic
def withdraw(*, correction: Correction, by: Actor, now: datetime) -> Correction:
    """Take ``bill_next`` back as long as the difference is on no invoice but a draft, which the next run redraws."""
    ledger.hold_log(correction.firm)
    entry = _locked_entry(correction)
    found = _fresh(correction)
    if not Correction.objects.filter(differences.waiting_for_an_invoice(), pk=found.pk).exists():
        raise NotPossible(f"The difference of entry {entry.remote_id} does not wait for an invoice: too late.")
    if Correction.objects.filter(entry=entry, decision=_Decision.OPEN).exists():
        raise NotPossible(f"Entry {entry.remote_id} has changed once more since: decide on that correction first.")
    found.decision, found.decided_at, found.decided_by, found.note = _Decision.OPEN, None, "", ""
    found.save()
    news = [differences.news("correction_opened", found, entry)]
    return _written(found, news, by, now)


@transaction.atomic
def credit(
    *,
    correction: Correction | None = None,
    entries: Sequence[Entry] = (),
    rebill: bool,
    by: Actor,
    now: datetime,
    note: str = "",
) -> Invoice:
    """Draft a credit note for the entry of a correction, or for entries of one sent invoice; it is approved and posted
    as an invoice is.

    All that is billed of these entries is taken back, later differences too. When it is posted, exactly they are
    released: open again with ``rebill``, else credited until a person opens them. Raises ``NotPossible`` when the
    invoice is not sent, has a waiting credit note, or nothing would be left to credit.
    """
    ids = [correction.entry_id] if correction is not None else [entry.pk for entry in entries]
    about = _billing_invoice(ids)
    ledger.hold_log(about.firm)
    if correction is not None:
        _to_decide(correction, now)
    locked = Entry.objects.filter(pk__in=ids).order_by("remote_id").select_for_update(of=("self",), no_key=True)
    claims = list(_live(Claim.Kind.ENTRY).filter(line__invoice=about, entry__in=locked))
    _creditable(about, claims, ids)
    later = _later_claims(claims)
    made = _credit_note(about, rebill, now)
    lines = _credit_lines(made, claims, later)
    _write(made, lines)
    standing = Correction.objects.filter(claim__in=claims).select_related("entry", "invoice")
    decided = differences.decide(
        standing.filter(decision=_Decision.OPEN) | standing.filter(differences.waiting_for_an_invoice()),
        _Decision.CREDITED,
        by=by,
        now=now,
        note=note,
        settlement=made,
    )
    audit.record(firm=about.firm, news=[_drafted_news(made, claims, note), *decided], by=by, now=now)
    return made


def _to_decide(correction: Correction, now: datetime) -> Correction:
    """The correction, locked with its entry, if it is still what the caller has read."""
    ledger.hold_log(correction.firm)
    entry = _locked_entry(correction)
    if entry.marked_at is not None:
        ledger.derive(workspace=entry.workspace, now=now)
    found = _fresh(correction)
    if found.decision != _Decision.OPEN:
        raise NotPossible(
            f"The correction of entry {entry.remote_id} is decided already: {found.get_decision_display()}."
        )
    if (found.seconds, found.what) != (correction.seconds, correction.what):
        raise NotPossible(
            f"Entry {entry.remote_id} changed in Toggl once more: the difference is {found.seconds} seconds now. "
            "Look at it again, then decide."
        )
    return found


def _decided(correction: Correction, decision: Correction.Decision, by: Actor, now: datetime, note: str) -> Correction:
    return _written(correction, differences.decide([correction], decision, by=by, now=now, note=note), by, now)


def _written(correction: Correction, news: Sequence[News], by: Actor, now: datetime) -> Correction:
    audit.record(firm=correction.firm, news=news, by=by, now=now)
    ledger.mark(entries=[correction.entry_id], now=now)
    ledger.derive(workspace=correction.entry.workspace, now=now)
    return _fresh(correction)


def _locked_entry(correction: Correction) -> Entry:
    rows = Entry.objects.select_for_update(of=("self",), no_key=True).select_related("workspace__firm")
    return rows.get(pk=correction.entry_id)


def _fresh(correction: Correction) -> Correction:
    return Correction.objects.select_related(
        "firm", "entry__workspace__firm", "claim__line", "invoice__dossier__firm"
    ).get(pk=correction.pk)


def _live(kind: Claim.Kind) -> QuerySet[Claim]:
    rows = Claim.objects.filter(kind=kind, released_at__isnull=True)
    return rows.select_related("entry", "line__invoice").order_by("line__position", "started_at", "pk")


def _billing_invoice(ids: Sequence[int]) -> Invoice:
    """The one posted invoice that bills all these entries (row ids), locked."""
    posted = _live(Claim.Kind.ENTRY).filter(entry__in=ids, line__invoice__status=Invoice.Status.POSTED)
    found = {claim.line.invoice_id for claim in posted}
    if len(found) != 1:
        raise NotPossible(
            "None of these entries is on a posted invoice: there is nothing to credit."
            if not found
            else f"These entries are on {len(found)} invoices: a credit note is about one. Credit them one by one."
        )
    rows = Invoice.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("firm", "dossier__firm", "company").get(pk=found.pop())


def _creditable(about: Invoice, claims: Sequence[Claim], ids: Sequence[int]) -> None:
    missing = set(ids) - {claim.entry_id for claim in claims}
    if missing:
        entry = Entry.objects.get(pk=min(missing))
        raise NotPossible(f"Entry {entry} is not billed by invoice {about}. Choose entries of one invoice.")
    if about.status != Invoice.Status.POSTED or about.delivery in (_Delivery.NOT_SENT, _Delivery.FAILED):
        raise NotPossible(f"Invoice {about} is not sent: replace it rather than credit it.")
    if about.delivery not in (_Delivery.SENT, _Delivery.DELIVERED):
        raise NotPossible(f"It is not clear yet whether invoice {about} was sent. Wait until it is, then credit it.")
    waiting = about.credit_notes.filter(status__in=_WAITING).first()
    if waiting is not None:
        raise NotPossible(
            f"Credit note {waiting} about invoice {about} waits already: have it posted, or drop it, first."
        )


def _later_claims(claims: Sequence[Claim]) -> dict[int, list[Claim]]:
    """By claim (row id) of an entry: its differences on later invoices, which must be at Billit, too."""
    later = defaultdict(list)
    found = _live(Claim.Kind.DIFFERENCE).filter(correction__claim__in=[claim.pk for claim in claims])
    for claim in found.select_related("correction", "entry", "line__invoice"):
        if claim.line.invoice.status != Invoice.Status.POSTED:
            raise NotPossible(
                f"A difference of entry {claim.entry} is on invoice {claim.line.invoice}, which is not posted. "
                "Have it posted, or drop it, first."
            )
        if claim.correction is not None:
            later[claim.correction.claim_id].append(claim)
    return later


def _credit_note(about: Invoice, rebill: bool, now: datetime) -> Invoice:
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
        purchase_order=about.purchase_order,
        buyer_reference=about.buyer_reference,
        drafted_at=now,
    )


def _credit_lines(
    made: Invoice, claims: Sequence[Claim], later: dict[int, list[Claim]]
) -> list[tuple[InvoiceLine, list[Claim]]]:
    """A line for each billed line concerned, with the claims that it takes back."""
    by_line: dict[int, list[Claim]] = defaultdict(list)
    for claim in claims:
        by_line[claim.line_id].append(claim)
    return [_credit_line(made, gone, later) for gone in by_line.values()]


def _credit_line(
    made: Invoice, gone: Sequence[Claim], later: dict[int, list[Claim]]
) -> tuple[InvoiceLine, list[Claim]]:
    billed = gone[0].line
    taken_back = [each for claim in gone for each in (claim, *later.get(claim.pk, []))]
    seconds = sum(claim.seconds for claim in taken_back)
    quantity = _credited_quantity(made, billed, gone)
    quantity += sum((_signed(claim.line) for claim in taken_back if claim.kind == Claim.Kind.DIFFERENCE), Decimal(0))
    if quantity <= 0 or seconds <= 0:
        named = ", ".join(str(claim.entry) for claim in gone)
        raise NotPossible(
            f"Entries {named} come to {quantity:.2f} hours on line “{billed.description}” of invoice {made.about}: "
            "there is nothing to credit of them. Credit the whole line, or leave them out."
        )
    language = planning.language_of(made.customer_language, made.firm.language)
    description, extended = credited_texts(billed.description, billed.description_extended, str(made.about), language)
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
        total=rating.line_total(quantity, billed.unit_price),
        seconds=seconds,
    )
    return line, taken_back


def _credited_quantity(made: Invoice, billed: InvoiceLine, gone: Sequence[Claim]) -> Decimal:
    """The line, as far as it is not credited yet, less the line that the other entries alone make."""
    live = billed.claims.filter(kind=Claim.Kind.ENTRY, released_at__isnull=True)
    line = dict(live.values_list("pk", "seconds"))
    rounding = rating.Rounding(**made.rounding) if made.rounding else rounding_of(made.dossier)
    quantity = credited_hours(line, [claim.pk for claim in gone], rounding)
    if sum(line.values()) == billed.seconds:
        # Nothing of it was credited before: what was billed is certain, whatever the rule says today.
        quantity += billed.quantity - line_hours(line.values(), rounding)
    return quantity


def _signed(line: InvoiceLine) -> Decimal:
    quantity: Decimal = line.quantity
    return quantity.copy_sign(line.unit_price)


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
    )


def _drafted_news(made: Invoice, claims: Sequence[Claim], note: str) -> News:
    return News(
        "invoice_drafted",
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
