"""Replacing an unsent order (design section 6): deleted at Billit once, void here, drafted and approved anew.

And what is left to do when somebody deleted it in Billit: the same without the deletion.

The machine of posting once more: claim (a conditional update and an attempt of its own, commit); one DELETE outside any
transaction; settle in one transaction. Without an answer a look-up among the live and the deleted orders leads on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum, auto
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext

from integrations.clients import billit
from integrations.clients.http.failures import Message
from integrations.clients.http.transport import BadCredentials, NoAnswer, Refused, RetryLater
from integrations.connections.opening import open_billit
from integrations.models import Entry
from invoicing.deciding import figures, rights
from invoicing.drafting import runs
from invoicing.ledger.states import derive, differences, transitions
from invoicing.models import Attempt, Claim, Correction, Deduction, Drift, Invoice, moves
from invoicing.models.invoices.invoice import NO_POST_ASKED, NO_SEND_ASKED
from invoicing.models.moves import STATUS, Step
from invoicing.models.problems import Code, columns, words
from invoicing.posting import read_first
from invoicing.posting.attempts import GivenUp, finish, leaves, never_left
from invoicing.posting.post import fresh
from invoicing.posting.read_first import Place
from toggbill.database.limits import wait_for_locks
from toggbill.firms import audit
from toggbill.firms.access import named_by
from toggbill.firms.audit import Actor, Authority, News
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.firms.models import AuditEvent
from toggbill.firms.read import Read, check

_Status = Invoice.Status
_Delivery = Invoice.Delivery
_Outcome = Attempt.Outcome
_UNSENT = [_Delivery.NOT_SENT, _Delivery.FAILED]
_OPEN = [_Outcome.PENDING, _Outcome.NO_ANSWER]
_REPLACING = "invoice_replacing"


class _Place(StrEnum):
    """Where Billit has the order."""

    unsent = auto()
    sent = auto()
    deleted = auto()
    nowhere = auto()


def replace(*, correction: Correction, by: Actor, now: datetime, read: Read | None = None) -> list[Invoice]:
    """Delete the unsent order of the invoice that a correction is about, and draft the customer's hours of it anew.

    Returns the new invoices, approved and ready to post, or drafts where the dossier's limit holds them back from
    ``by``: one, or none when no hour of this customer is left, or more when the references differ by now. Hours that
    are another customer's now are open. A repetition changes nothing. ``read``: the correction's invoice with all that
    waits to be decided of it, which is what is replaced.

    Raises ``NotPossible`` when the order is sent, when a person must decide otherwise first, and when Billit gave no
    answer: ``recover_replacement`` then finds out; ``NotAllowed``, ``Changed`` and ``Unread``; ``ServiceError`` when
    Billit could not be asked.
    """
    invoice = fresh(correction.invoice)
    _as_read(correction, invoice, by, read)
    if invoice.replacing_since is not None:
        raise NotPossible(under_way(invoice))
    _replaceable(correction, invoice)
    with open_billit(invoice.company) as api:
        place = _place(invoice, api, now)
        if place in (_Place.sent, _Place.nowhere):
            raise NotPossible(words(_where(invoice, place)))
        attempt = _claim(correction, invoice, by, now, read)
        if place == _Place.deleted:
            return _settle(invoice, attempt, _Outcome.ADOPTED, by, now)
        return _delete(invoice, attempt, api, by, now)


def bill_anew(*, invoice: Invoice, by: Actor, now: datetime, read: Read | None = None) -> list[Invoice]:
    """The order of a posted invoice was deleted in Billit by hand: void here, its hours drafted anew and approved.

    Returns the new invoices, as ``replace`` does. Raises ``NotPossible`` when Billit does not show the order as deleted
    or when the invoice cannot be replaced; else as ``replace``.
    """
    invoice = fresh(invoice)
    _as_read(None, invoice, by, read)
    if invoice.replacing_since is not None:
        raise NotPossible(under_way(invoice))
    _replaceable(None, invoice)
    with open_billit(invoice.company) as api:
        if _place(invoice, api, now) != _Place.deleted:
            raise NotPossible(
                gettext(
                    "Billit does not show order %(order)s of invoice %(invoice)s as deleted: its hours are not billed "
                    "a second time."
                )
                % {"order": invoice.order_id, "invoice": invoice}
            )
    return _settle(invoice, _claim(None, invoice, by, now, read), _Outcome.ADOPTED, by, now)


def recover_replacement(*, invoice: Invoice, by: Actor, now: datetime) -> list[Invoice]:
    """Look up what became of a deletion without an answer, and of one whose worker died; returns the new invoices.

    A worker goes on for who asked for the replacement: approved is what that person may approve at this moment, the
    rest are drafts. Raises the client's ``ServiceError`` when Billit cannot be asked.
    """
    invoice = fresh(invoice)
    attempt = invoice.attempts.filter(intent=Attempt.Intent.DELETE).order_by("-started_at", "-pk").first()
    if invoice.replacing_since is None or attempt is None:
        return []
    lease = timedelta(seconds=settings.POSTING_LEASE_SECONDS)
    if attempt.outcome == _Outcome.PENDING and now - invoice.replacing_since < lease:
        return []
    if never_left(invoice, attempt, None, by, now, replacing_since=None):
        return []
    attempt.refresh_from_db()
    with open_billit(invoice.company) as api:
        place = _place(invoice, api, now)
    if place == _Place.deleted:
        return _settle(invoice, attempt, _Outcome.ADOPTED, _asked_by(invoice, by), now)
    late_enough = now - attempt.asked_at >= timedelta(seconds=settings.IN_DOUBT_SECONDS)
    if place == _Place.sent:
        _give_up(invoice, attempt, _Outcome.ABSENT, _where(invoice, place), now)
    elif place == _Place.unsent and late_enough:
        _give_up(invoice, attempt, _Outcome.ABSENT, Message(Code.NOT_DELETED), now)
    else:
        attention = columns("attention", _where(invoice, place) if place == _Place.nowhere else None)
        wait = now + timedelta(seconds=settings.IN_DOUBT_SECONDS)
        Invoice.objects.being_replaced().filter(pk=invoice.pk).update(not_before=wait, **attention)
    return []


def _asked_by(invoice: Invoice, worker: Actor) -> Actor:
    """Who had the order deleted, when it is the schedule that found out: that has nothing to decide here."""
    if worker.authority != Authority.SCHEDULE:
        return worker
    asked = AuditEvent.objects.filter(firm=invoice.firm, subject=f"invoice {invoice.reference}", type=_REPLACING)
    event = asked.order_by("-number").first()
    return worker if event is None else named_by(event, origin=worker.origin)


def due_replacements(*, now: datetime) -> QuerySet[Invoice]:
    """Invoices whose deletion at Billit is to be looked up: no answer came, or the worker died."""
    waiting = Invoice.objects.being_replaced().exclude(not_before__gt=now)
    dead = waiting.filter(replacing_since__lt=now - timedelta(seconds=settings.POSTING_LEASE_SECONDS))
    unanswered = Attempt.objects.filter(
        invoice=OuterRef("pk"), intent=Attempt.Intent.DELETE, outcome=_Outcome.NO_ANSWER
    )
    return (dead | waiting.filter(Exists(unanswered))).order_by("pk")


def _delete(invoice: Invoice, attempt: Attempt, api: billit.Api, by: Actor, now: datetime) -> list[Invoice]:
    try:
        api.delete_order(invoice.order_id or 0, leaving=partial(leaves, attempt, lambda: now))
    except GivenUp as error:
        raise NotPossible(under_way(invoice)) from error
    except RetryLater as error:
        _give_up(invoice, attempt, _Outcome.NOT_SENT, error.message, now)
        raise
    except NoAnswer as error:
        _doubt(invoice, attempt, error, by, now)
        raise NotPossible(
            gettext("%(why)s It will be looked up; until then invoice %(invoice)s stays as it is.")
            % {"why": words(error.message), "invoice": invoice}
        ) from error
    except (Refused, BadCredentials) as error:
        _give_up(invoice, attempt, _Outcome.REFUSED, error.message, now)
        raise NotPossible(
            gettext("Invoice %(invoice)s cannot be replaced. %(why)s")
            % {"invoice": invoice, "why": words(error.message)}
        ) from error
    return _settle(invoice, attempt, _Outcome.ACCEPTED, by, now)


def _place(invoice: Invoice, api: billit.Api, now: datetime) -> _Place:
    """Where Billit has the order; what else it says of it is taken over. That it is gone is settled by the verb."""
    ((_, seen),) = found = read_first.read(invoices=[invoice], api=api)
    if seen.order is None:
        return _Place.deleted if seen.place == Place.DELETED else _Place.nowhere
    read_first.take_over(seen=found, now=now)
    return _Place.sent if seen.is_sent else _Place.unsent


def _where(invoice: Invoice, place: _Place) -> Message:
    code = Code.SENT_MEANWHILE if place == _Place.sent else Code.ORDER_NOWHERE
    return Message(code, {"order": invoice.order_id, "invoice": str(invoice)})


def _replaceable(correction: Correction | None, invoice: Invoice) -> None:
    """Raises ``NotPossible`` with the reason when it is not; ``correction``: the one that shall be settled by it."""
    current = None if correction is None else Correction.objects.get(pk=correction.pk)
    waiting = (Correction.Decision.OPEN, Correction.Decision.NEXT_INVOICE)
    if current is not None and current.decision not in waiting:
        raise NotPossible(
            gettext("This correction is decided already: %(decision)s.") % {"decision": current.get_decision_display()}
        )
    has_note = invoice.credit_notes.standing().exists()
    later = _later_differences(invoice).select_related("entry", "line__invoice").first()
    deducting = Deduction.objects.live().filter(advance__invoice=invoice).select_related("line__invoice").first()
    if why := why_not(invoice, has_note, later, deducting):
        raise NotPossible(why)


def under_way(invoice: Invoice) -> str:
    """Why nothing is decided of an invoice at this moment: its order is being deleted."""
    return gettext(
        "Order %(order)s of invoice %(invoice)s is being deleted at Billit already. "
        "What became of it is looked up; wait until it is clear."
    ) % {"order": invoice.order_id, "invoice": invoice}


def why_not(invoice: Invoice, has_credit_note: bool, later: Claim | None, deducting: Deduction | None) -> str:
    """Why a billed invoice cannot be replaced, as far as our rows tell, "" when it can.

    ``later``: a difference of one of its entries that stands on another invoice; ``deducting``: what takes an advance
    off that it bills.
    """
    words = {
        "invoice": invoice,
        "status": invoice.get_status_display(),
        "delivery": invoice.get_delivery_display(),
    }
    if invoice.status != _Status.POSTED or invoice.kind != Invoice.Kind.INVOICE:
        return gettext("Invoice %(invoice)s is %(status)s: only a posted one can be replaced.") % words
    if invoice.delivery not in _UNSENT:
        sentence = gettext("Invoice %(invoice)s is %(delivery)s: what the customer has is not replaced. Credit it.")
        return sentence % words
    if invoice.payment == Invoice.Payment.PAID:
        return gettext("Invoice %(invoice)s is paid: it is not replaced. Credit it once it is sent.") % words
    if has_credit_note:
        sentence = gettext("A credit note is about invoice %(invoice)s: what it credits cannot be replaced as well.")
        return sentence % words
    if deducting is not None:
        return gettext(
            "Invoice %(other)s deducts an advance of invoice %(invoice)s. Drop or replace that one first, or credit it "
            "once it is sent."
        ) % {"other": deducting.line.invoice, **words}
    if later is not None:
        return gettext(
            "A difference of entry %(entry)s stands on invoice %(invoice)s. Drop that invoice first, or credit the "
            "entry once this one is sent."
        ) % {"entry": later.entry, "invoice": later.line.invoice}
    return ""


def _later_differences(invoice: Invoice) -> QuerySet[Claim]:
    """Differences of this invoice's entries that stand on other invoices."""
    found = Claim.objects.live().of_differences().filter(correction__invoice=invoice)
    return found.exclude(line__invoice=invoice).order_by("pk")


def _as_read(correction: Correction | None, invoice: Invoice, by: Actor, read: Read | None) -> None:
    """Who acts may replace the order, and has read what is replaced. Raises ``NotAllowed``, ``Changed``, ``Unread``."""
    rights.demand(by, "post", invoice.dossier)
    if correction is None:
        check(read, lambda: [figures.of_invoice(invoice)], by=by)
        return
    unsettled = Correction.objects.undecided().filter(invoice=invoice).select_related("entry")
    check(read, lambda: [figures.of_replacement(invoice, unsettled)], by=by)


@transaction.atomic
def _claim(
    correction: Correction | None, invoice: Invoice, by: Actor, now: datetime, read: Read | None = None
) -> Attempt:
    lock_firm(invoice.firm)
    _as_read(correction, fresh(invoice), by, read)
    free = Invoice.objects.posted().filter(pk=invoice.pk, delivery__in=_UNSENT)
    if not free.not_being_replaced().update(replacing_since=now, not_before=None, **NO_SEND_ASKED):
        raise NotPossible(
            gettext("Invoice %(invoice)s is being sent or replaced by somebody else at this moment.")
            % {"invoice": invoice}
        )
    # What was looked at before the claim is looked at once more under it; no run and no decision is under way now.
    _replaceable(correction, fresh(invoice))
    if (why := read_first.hindrance(invoice, but=[Drift.Kind.ORDER_DELETED])) is not None:
        raise NotPossible(words(why))
    body = f"DELETE {invoice.order_id}"
    attempt = Attempt.objects.create(
        firm_id=invoice.firm_id,
        invoice=invoice,
        intent=Attempt.Intent.DELETE,
        key=f"{invoice.reference}-delete",
        body=body,
        body_hash=hashlib.sha256(body.encode()).hexdigest(),
        started_at=now,
    )
    news = News(_REPLACING, f"invoice {invoice.reference}", {"order_id": invoice.order_id})
    audit.record(firm=invoice.firm, news=[news], by=by, now=now)
    return attempt


@transaction.atomic
def _settle(invoice: Invoice, attempt: Attempt, outcome: Attempt.Outcome, by: Actor, now: datetime) -> list[Invoice]:
    """The order is gone. A confirmation that comes after the claim was given up settles it all the same."""
    wait_for_locks()
    lock_firm(invoice.firm)
    if not moves.move(
        Invoice.objects.filter(pk=invoice.pk),
        status=Step(_Status.POSTED, _Status.VOID),
        delivery=Step(_UNSENT, _Delivery.NOT_SENT),
        **columns("delivery_problem", None),
        replacing_since=None,
        not_before=None,
        **NO_POST_ASKED,
        **NO_SEND_ASKED,
        **columns("attention", None),
    ):
        return []
    finish(attempt, outcome, attempt.http_status, Message(Code.ORDER_GONE), now)
    findings = Drift.objects.standing().filter(dossier=invoice.dossier, reference=invoice.reference)
    findings.filter(kind=Drift.Kind.ORDER_DELETED).update(gone_at=now)
    billed = list(Correction.objects.undecided().filter(invoice=invoice).select_related("entry", "invoice"))
    differing = Claim.objects.live().of_differences().filter(line__invoice=invoice)
    on_it = list(Correction.objects.filter(claims__in=differing).values_list("pk", flat=True))
    hours = Claim.objects.live().of_entries().filter(line__invoice=invoice)
    entries = list(hours.values_list("entry", flat=True))
    released = transitions.release(invoice=invoice, now=now)
    # Their claims are released: nothing waits any more, and a run must not take them for waiting.
    decided = differences.decide(billed, Correction.Decision.REPLACED, by=by, now=now)
    derive.derive_entries(entries=released, now=now)
    made, events = runs.draft_again(dropped=invoice, entries=entries, corrections=on_it, by=by, now=now)
    if made:
        Correction.objects.filter(pk__in=[correction.pk for correction in billed]).update(settlement=made[0])
    void = News(
        STATUS.event(_Status.POSTED, _Status.VOID),
        f"invoice {invoice.reference}",
        {
            "reason": Message(Code.REPLACED).data(),
            "order_id": invoice.order_id,
            "by": [new.reference for new in made],
            "entries": sorted(_toggl_ids(entries)),
        },
    )
    audit.record(firm=invoice.firm, news=[void, *decided, *events], by=by, now=now)
    return made


def _toggl_ids(entries: Collection[int]) -> list[int]:
    return list(Entry.objects.filter(pk__in=entries).values_list("remote_id", flat=True))


@transaction.atomic
def _give_up(invoice: Invoice, attempt: Attempt, outcome: Attempt.Outcome, answer: Message, now: datetime) -> None:
    """The order stands as before, and so does the invoice."""
    wait_for_locks()
    if Attempt.objects.filter(pk=attempt.pk, outcome__in=_OPEN).exists():
        Invoice.objects.filter(pk=invoice.pk).update(replacing_since=None, not_before=None)
        finish(attempt, outcome, attempt.http_status, answer, now)


@transaction.atomic
def _doubt(invoice: Invoice, attempt: Attempt, error: NoAnswer, by: Actor, now: datetime) -> None:
    wait_for_locks()
    lock_firm(invoice.firm)
    wait = now + timedelta(seconds=settings.IN_DOUBT_SECONDS)
    if Invoice.objects.being_replaced().filter(pk=invoice.pk).update(not_before=wait):
        finish(attempt, _Outcome.NO_ANSWER, error.status, error.message, now)
        news = News("invoice_replacing_in_doubt", f"invoice {invoice.reference}", {"reason": error.message.data()})
        audit.record(firm=invoice.firm, news=[news], by=by, now=now)
