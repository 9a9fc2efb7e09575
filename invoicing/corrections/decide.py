"""After billing: what a person decides of a correction (design section 6). A posted invoice itself is never altered.

``accept`` leaves it at what was billed; ``bill_next`` bills the difference, or takes it off, on the next invoice;
``replace`` deletes an unsent order and posts it anew; ``credit`` takes entries of a sent one back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext

from integrations.connections.opening import open_billit
from integrations.models import Entry
from invoicing.corrections import credit_notes
from invoicing.deciding import figures, rights
from invoicing.ledger import locks
from invoicing.ledger.facts.books import frozen_rounding
from invoicing.ledger.states import derive, differences
from invoicing.models import Correction, Invoice
from invoicing.models.problems import words
from invoicing.posting import read_first
from invoicing.posting.credited import Elsewhere, credited_elsewhere
from invoicing.rules.billing.differences import differing_hours
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.firms.models import Firm
from toggbill.firms.read import Figures, Read, check

_Decision = Correction.Decision


@transaction.atomic
def accept(*, correction: Correction, by: Actor, now: datetime, note: str = "", read: Read | None = None) -> Correction:
    """Leave it at what was billed: this difference is settled. A later change in Toggl opens a new correction.

    Raises ``NotPossible`` when the correction is not open, ``NotAllowed``, and ``Changed`` or ``Unread`` when it is not
    as ``read`` has it.
    """
    found = _to_decide(correction, by, now, read)
    return _decided(found, _Decision.ACCEPTED, by, now, note)


def bill_next(
    *, correction: Correction, by: Actor, now: datetime, note: str = "", read: Read | None = None
) -> Correction:
    """Bill the difference on the customer's next invoice, or take it off there.

    It is drafted by the next run. Before hours are taken off, the order that billed them is read, as by ``credit``.
    Raises ``NotPossible`` for another product or customer (no difference in hours says that), for a difference that the
    rounding hides, for hours of an order with an open finding, and as ``accept``; ``ServiceError`` as ``credit``.
    """
    if correction.seconds < 0:
        read_order(_checked(correction, by, read).invoice, by, None, now)
    return _bill_next(correction=correction, by=by, now=now, note=note, read=read)


@transaction.atomic
def _bill_next(*, correction: Correction, by: Actor, now: datetime, note: str, read: Read | None) -> Correction:
    found = _to_decide(correction, by, now, read)
    if found.seconds < 0 and (finding := read_first.hindrance(found.invoice)) is not None:
        raise NotPossible(words(finding))
    seconds = differences.settled_seconds(found.claim.line_id)
    why, _hours = next_invoice(found, seconds)
    if why:
        raise NotPossible(why)
    return _decided(found, _Decision.NEXT_INVOICE, by, now, note)


def next_invoice(correction: Correction, settled: dict[int, int]) -> tuple[str, Decimal]:
    """Why a difference cannot go on the next invoice ("" when it can), and the hours that it comes to there.

    ``settled``: seconds by live claim (row id) of the line, with the later differences of its entries.
    """
    entry = correction.entry.remote_id
    hours = Decimal(0)
    if correction.claim_id in settled:
        rounding = frozen_rounding(correction.invoice)
        (hours,) = differing_hours(settled, [(correction.claim_id, correction.seconds)], rounding)
    if {"product", "customer"} & set(correction.what):
        return (
            gettext(
                "Entry %(entry)s is another product’s or customer’s now than on invoice %(invoice)s, and hours alone "
                "cannot say that. Replace the invoice while it is not sent, else credit the entry."
            )
            % {"entry": entry, "invoice": correction.invoice},
            hours,
        )
    if {"day", "billable"} & set(correction.what):
        return (
            gettext(
                "Entry %(entry)s is not billable any more, or stands on another day than on invoice %(invoice)s, and "
                "hours alone cannot say that. Replace the invoice while it is not sent, else credit the entry."
            )
            % {"entry": entry, "invoice": correction.invoice},
            hours,
        )
    if not hours:
        why = gettext(
            "The difference of %(seconds)s seconds of entry %(entry)s comes to 0.00 hours by the rounding of its "
            "invoice: there is nothing to bill. Accept it."
        )
        return why % {"seconds": correction.seconds, "entry": entry}, hours
    return "", hours


@transaction.atomic
def withdraw(*, correction: Correction, by: Actor, now: datetime, read: Read | None = None) -> Correction:
    """Take ``bill_next`` back as long as the difference is on no invoice but a draft, which the next run redraws.

    Raises as ``accept``.
    """
    found, entry = _as_read(correction, by, now, read)
    if not Correction.objects.waiting_for_an_invoice().filter(pk=found.pk).exists():
        raise NotPossible(
            gettext("The difference of entry %(entry)s does not wait for an invoice: too late.")
            % {"entry": entry.remote_id}
        )
    if Correction.objects.open().filter(entry=entry).exists():
        raise NotPossible(changed_since(entry))
    found.decision, found.decided_at, found.decided_by, found.note = _Decision.OPEN, None, "", ""
    found.save()
    news = [differences.news("correction_opened", found, entry)]
    return _written(found, news, by, now)


def changed_since(entry: Entry) -> str:
    """Why a decision on an entry is not taken back: it has a later correction."""
    return gettext("Entry %(entry)s has changed once more since: decide on that correction first.") % {
        "entry": entry.remote_id
    }


def credit(
    *,
    correction: Correction | None = None,
    entries: Sequence[Entry] = (),
    rebill: bool,
    by: Actor,
    now: datetime,
    note: str = "",
    read: Read | None = None,
) -> Invoice:
    """Draft a credit note for the entry of a correction, or for entries of one sent invoice; it is approved and posted
    as an invoice is. ``read``: the correction, or the invoice of the entries.

    All that is billed of these entries is taken back, later differences too. When it is posted, exactly they are
    released: open again with ``rebill``, else credited until a person opens them. The order is read before: what Billit
    sent can be credited, whoever had it sent. Raises ``NotPossible`` when the invoice is not sent, has a waiting credit
    note or an open finding, when nothing would be left to credit or less than that is; the client's ``ServiceError``
    when Billit cannot be asked; else as ``accept``.
    """
    ids = [correction.entry_id] if correction is not None else [entry.pk for entry in entries]
    if correction is not None:
        # Before anything is asked, or said of it; once more below, under the locks.
        _checked(correction, by, read)
    invoice = credit_notes.billing_invoice(ids)
    elsewhere = read_order(invoice, by, read if correction is None else None, now, entries=ids)
    return _credit(
        correction=correction, ids=ids, rebill=rebill, by=by, now=now, note=note, read=read, elsewhere=elsewhere
    )


def read_order(
    invoice: Invoice, by: Actor, read: Read | None, at: datetime, *, entries: Sequence[int] = ()
) -> Elsewhere:
    """Take over what Billit says of the order (design D13), for who may decide on it; gives what credit notes that were
    made in Billit take back of it. Raises ``ServiceError``.

    ``entries``: those (row ids) that are to be credited; the orders that bill their differences are read with it.
    """
    audit.check_open(invoice.firm)
    rights.demand(by, "hold", invoice.dossier)
    if read is not None:
        check(read, lambda: [figures.of_invoice(invoice)], by=by)
    orders = [invoice, *(credit_notes.later_invoices(invoice, entries) if entries else ())]
    with open_billit(invoice.company) as api:
        seen = read_first.read(invoices=orders, api=api)
        elsewhere = credited_elsewhere(seen, api)
    read_first.take_over(seen=seen, now=at)
    return elsewhere


@transaction.atomic
def _credit(
    *,
    correction: Correction | None,
    ids: Sequence[int],
    rebill: bool,
    by: Actor,
    now: datetime,
    note: str,
    read: Read | None,
    elsewhere: Elsewhere,
) -> Invoice:
    if (firm := Firm.objects.filter(pk__in=Entry.objects.filter(pk__in=ids).values("firm")).first()) is not None:
        lock_firm(firm)
    if correction is not None:
        # Before anything else is said of it; once more below, with its entry locked and judged.
        _checked(correction, by, read)
    about = credit_notes.locked(credit_notes.billing_invoice(ids))
    # All at once: the correction's entry is one of them.
    locks.lock_entries(ids)
    if correction is not None:
        _to_decide(correction, by, now, read)
    else:
        rights.demand(by, "hold", about.dossier)
        check(read, lambda: [figures.of_invoice(about)], by=by)
    made, news = draft_credit(about=about, entries=ids, rebill=rebill, by=by, now=now, note=note, elsewhere=elsewhere)
    audit.record(firm=about.firm, news=news, by=by, now=now)
    return made


def draft_credit(
    *,
    about: Invoice,
    entries: Sequence[int],
    rebill: bool,
    by: Actor,
    now: datetime,
    note: str,
    elsewhere: Elsewhere,
) -> tuple[Invoice, list[News]]:
    """Draft a credit note for entries (row ids) of an invoice, which settles what was to decide of them; gives it with
    the events. For the caller's transaction, in which invoice and entries are locked. Raises ``NotPossible``."""
    made, claims = credit_notes.draft_note(about=about, entries=entries, rebill=rebill, now=now, elsewhere=elsewhere)
    standing = Correction.objects.filter(claim__in=claims).select_related("entry", "invoice")
    decided = differences.decide(
        standing.undecided(),
        _Decision.CREDITED,
        by=by,
        now=now,
        note=note,
        settlement=made,
    )
    return made, [credit_notes.drafted_news(made, claims, note), *decided]


def _to_decide(correction: Correction, by: Actor, now: datetime, read: Read | None) -> Correction:
    """The correction, locked with its entry, if it is open, and what was read."""
    found, entry = _as_read(correction, by, now, read)
    if found.decision != _Decision.OPEN:
        raise NotPossible(
            gettext("The correction of entry %(entry)s is decided already: %(decision)s.")
            % {"entry": entry.remote_id, "decision": found.get_decision_display()}
        )
    if (found.seconds, found.what) != (correction.seconds, correction.what):
        raise NotPossible(
            gettext(
                "Entry %(entry)s changed in Toggl once more: the difference is %(seconds)s seconds now. "
                "Look at it again, then decide."
            )
            % {"entry": entry.remote_id, "seconds": found.seconds}
        )
    return found


def _as_read(correction: Correction, by: Actor, now: datetime, read: Read | None) -> tuple[Correction, Entry]:
    """The correction and its entry, locked, as they are; who acts may decide on it, and has read just that."""
    lock_firm(correction.firm)
    entry = _locked_entry(correction)
    if entry.marked_at is not None:
        # This one alone: what else is marked in the workspace would be locked out of order.
        derive.derive_entries(entries=[entry.pk], now=now)
    return _checked(correction, by, read), entry


def _checked(correction: Correction, by: Actor, read: Read | None) -> Correction:
    found = _fresh(correction)
    rights.demand(by, "hold", found.invoice.dossier)
    check(read, lambda: [_figures(found)], by=by)
    return found


def _figures(correction: Correction) -> Figures:
    settled = differences.settled_seconds(correction.claim.line_id)
    _why, hours = next_invoice(correction, settled)
    return figures.of_correction(correction, settled, hours)


def _decided(correction: Correction, decision: Correction.Decision, by: Actor, now: datetime, note: str) -> Correction:
    return _written(correction, differences.decide([correction], decision, by=by, now=now, note=note), by, now)


def _written(correction: Correction, news: Sequence[News], by: Actor, now: datetime) -> Correction:
    audit.record(firm=correction.firm, news=news, by=by, now=now)
    derive.derive_entries(entries=[correction.entry_id], now=now)
    return _fresh(correction)


def _locked_entry(correction: Correction) -> Entry:
    rows = Entry.objects.select_for_update(of=("self",), no_key=True).select_related("workspace__firm")
    return rows.get(pk=correction.entry_id)


def _fresh(correction: Correction) -> Correction:
    return Correction.objects.select_related(
        "firm", "entry__workspace__firm", "claim__line", "invoice__dossier__firm"
    ).get(pk=correction.pk)
