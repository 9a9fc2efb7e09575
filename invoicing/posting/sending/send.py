"""Having Billit deliver a posted invoice (R11): the machine of posting once more, with a key of its own.

Its order is read before (``read_first``): sent is sent, whoever did it.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.db.models import BigIntegerField, Case, F, Value, When

from integrations.clients import billit
from integrations.clients.http.failures import Message
from integrations.clients.http.transport import BadCredentials, NoAnswer, Refused, RetryLater, ServiceError
from integrations.connections import hindrances
from integrations.connections.opening import open_billit
from integrations.connections.stopping import Stopping
from invoicing.deciding import guards, rights
from invoicing.models import Attempt, Invoice, moves
from invoicing.models.invoices.invoice import NO_SEND_ASKED
from invoicing.models.moves import DELIVERY, Step
from invoicing.models.problems import Code, columns, words
from invoicing.posting import read_first
from invoicing.posting.attempts import GivenUp, asked, finish, leaves, never_left
from invoicing.posting.post import fresh, fresh_of, news_of
from invoicing.posting.read_first import Seen
from invoicing.posting.sending.deliveries import awaited
from invoicing.posting.sending.way import Way, choose, stop
from toggbill.firms import audit
from toggbill.firms.access import NotAllowed
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.log_lines import about

_Delivery = Invoice.Delivery
_Outcome = Attempt.Outcome
_PAUSE = 60.0
_FRESH_FOR = 20.0
"""Seconds for which what was read of orders holds; then those that still wait are read once more."""
_SENT_BY = {"Peppol": Code.SENT_OVER_PEPPOL, "SMTP": Code.SENT_BY_EMAIL}


def send(*, invoice: Invoice, by: Actor, now: datetime, background: bool = False) -> Invoice:
    """Have a posted invoice delivered: over Peppol when the receiver takes it there, else by e-mail when allowed.

    As ``send_together``; raises what that returns.
    """
    for error in send_together(invoices=[invoice], by=by, now=now, background=background).values():
        raise error
    return fresh(invoice)


def send_together(
    *, invoices: Sequence[Invoice], by: Actor, now: datetime, background: bool = False
) -> dict[int, ServiceError | NotPossible | NotAllowed]:
    """Have posted invoices of one company delivered, one after the other; returns by row id why some were not.

    Their orders are read before anything is sent (design D13), up to 120 a call: what Billit sent already is taken
    over, and what has an open finding is not sent. Where no way is open, or a person must decide first, that stands as
    attention on the invoice. In the background only what somebody asked for is sent, and nothing while the connection
    is left alone or its credential is refused; else ``by`` asks for it herewith.

    Raises ``ValueError`` for invoices of several companies, and ``NotAllowed`` for a right that ``by`` has not.
    """
    errors: dict[int, ServiceError | NotPossible | NotAllowed] = {}
    rows = fresh_of(invoices)
    if not background:
        for dossier in {row.dossier_id: row.dossier for row in rows}.values():
            rights.demand(by, "send", dossier)
        errors |= _of_same_eyes(rows, by)
        rows = [row for row in rows if row.pk not in errors]
    waiting = deque(row for row in rows if _is_to_send(row, background) or _is_to_look_up(row, now))
    if not waiting:
        return errors
    company = waiting[0].company
    if any(row.company_id != company.pk for row in waiting):
        raise ValueError("invoices of several companies are not sent together")
    try:
        if background:
            hindrances.check(company.connection, now=now)
        with open_billit(company) as api:
            while waiting:
                _turn(waiting, errors, api, by, now, background=background)
    except ServiceError as error:
        # The others would meet the same.
        errors |= dict.fromkeys((row.pk for row in waiting), error)
    return errors


def _of_same_eyes(rows: Sequence[Invoice], by: Actor) -> dict[int, ServiceError | NotPossible | NotAllowed]:
    """Those that ``by`` may not send because of having approved them, where a dossier wants four eyes."""
    errors: dict[int, ServiceError | NotPossible | NotAllowed] = {}
    for row in rows:
        try:
            guards.demand_other_eyes(by, row)
        except NotAllowed as error:
            errors[row.pk] = error
    return errors


def _is_to_send(invoice: Invoice, background: bool) -> bool:
    """Whether it is an order that may be sent, and somebody asks for it."""
    is_asked = not background or invoice.send_requested_at is not None
    return is_asked and _is_order(invoice) and invoice.delivery in read_first.UNSENT


def _is_to_look_up(invoice: Invoice, now: datetime) -> bool:
    """Whether it is in doubt: no answer came, or the worker that sent it is taken for dead."""
    lease = now - timedelta(seconds=settings.POSTING_LEASE_SECONDS)
    is_dead = invoice.delivery == _Delivery.SENDING and (invoice.sending_since or now) < lease
    return _is_order(invoice) and (is_dead or invoice.delivery == _Delivery.IN_DOUBT)


def _is_order(invoice: Invoice) -> bool:
    is_posted = invoice.status == Invoice.Status.POSTED and invoice.order_id is not None
    return is_posted and invoice.replacing_since is None


def _turn(
    waiting: deque[Invoice],
    errors: dict[int, ServiceError | NotPossible | NotAllowed],
    api: billit.Api,
    by: Actor,
    now: datetime,
    *,
    background: bool,
) -> None:
    """Read the orders of those that wait, then look up or send them as long as what was read is fresh.

    Who is done waits no more. Raises ``ServiceError`` when Billit cannot be asked.
    """
    seen = read_first.read(invoices=list(waiting), api=api)
    read_at = time.monotonic()
    read_first.take_over(seen=seen, now=now)
    known = {invoice.pk: state for invoice, state in seen}
    is_first = True
    while waiting and (is_first or time.monotonic() - read_at < _FRESH_FOR):
        is_first = False
        invoice, unwell = waiting[0], None
        try:
            with about(dossier=invoice.dossier.key, reference=invoice.reference):
                unwell = _one(invoice, known[invoice.pk], api, by, now, background=background)
        except (NotPossible, Refused) as error:
            errors[invoice.pk] = error
        waiting.popleft()
        if background and unwell is not None:
            raise unwell


def _one(
    before: Invoice, seen: Seen, api: billit.Api, by: Actor, now: datetime, *, background: bool
) -> NoAnswer | None:
    """Look one up, or send it; ``before``: as it was until its order was read. Returns that Billit did not answer."""
    invoice = fresh(before)
    if invoice.delivery in (_Delivery.SENDING, _Delivery.IN_DOUBT):
        invoice = _look(invoice, seen, by, now)
        if invoice.delivery != _Delivery.NOT_SENT:
            return None
    if not _is_to_send(invoice, background):
        return None
    try:
        _stop_if_found(before, invoice)
        return _send(invoice, api, by, now, asked_only=background)
    except _Found as found:
        unsent = Invoice.objects.filter(pk=invoice.pk, delivery__in=read_first.UNSENT)
        unsent.update(**columns("attention", found.why), **NO_SEND_ASKED)
        raise NotPossible(words(found.why)) from None


class _Found(Exception):
    """A person has to know of something before it is sent."""

    def __init__(self, why: Message) -> None:
        super().__init__(why.code)
        self.why = why


def _stop_if_found(before: Invoice, invoice: Invoice) -> None:
    """Raises ``_Found`` with what was found of the order between the two, of which a person has to know."""
    if (why := _found(before, invoice)) is not None:
        raise _Found(why)


def _found(before: Invoice, invoice: Invoice) -> Message | None:
    """What was found when the order was read; ``before``: the invoice as it was until then."""
    if (finding := read_first.hindrance(invoice)) is not None:
        return finding
    paid = Invoice.Payment.PAID
    if before.payment != paid and invoice.payment == paid:
        return read_first.paid_unsent(invoice)
    if before.legal_excl is None and invoice.attention == Code.TOTALS_DIFFER:
        return Message(Code.TOTALS_DIFFER, invoice.attention_facts)
    return None


def _send(invoice: Invoice, api: billit.Api, by: Actor, now: datetime, *, asked_only: bool) -> NoAnswer | None:
    asked_by = invoice.send_requested_by, invoice.send_requested_by_user
    if asked_only and guards.has_same_eyes(invoice, *asked_by):
        stop(invoice, Message(Code.SAME_EYES, {"who": invoice.approved_by}))
    as_read = asked_only and invoice.send_requested_by != Actor.schedule().name
    chosen = choose(invoice, api, as_read=as_read)
    way = chosen.transport
    attempt = _claim(invoice, chosen, by, now, asked_only=asked_only)
    if attempt is None or invoice.order_id is None:
        return None
    try:
        api.send_order(invoice.order_id, transport=way, key=attempt.key, leaving=partial(leaves, attempt, lambda: now))
    except GivenUp:
        return None
    except RetryLater as error:
        wait = None
        if not isinstance(error, Stopping):
            wait = now + timedelta(seconds=_PAUSE if error.after is None else error.after)
        _settle(invoice, attempt, _Delivery.NOT_SENT, _Outcome.NOT_SENT, error.message, by, now, not_before=wait)
        raise
    except NoAnswer as error:
        wait = now + timedelta(seconds=settings.IN_DOUBT_SECONDS)
        attempt.http_status = error.status
        _settle(invoice, attempt, _Delivery.IN_DOUBT, _Outcome.NO_ANSWER, error.message, by, now, not_before=wait)
        return None if error.status == 409 else error
    except (Refused, BadCredentials) as error:
        if isinstance(error, BadCredentials):
            hindrances.refused(invoice.company.connection, error.message)
        why = _why_refused(invoice, error, api, now)
        _settle(invoice, attempt, _Delivery.FAILED, _Outcome.REFUSED, why, by, now, **NO_SEND_ASKED)
    else:
        _settle(invoice, attempt, _Delivery.SENT, _Outcome.ACCEPTED, Message(_SENT_BY[way]), by, now, **awaited(now))
    return None


def _why_refused(invoice: Invoice, error: Refused | BadCredentials, api: billit.Api, now: datetime) -> Message:
    """For an order that is gone since it was read Billit says that it is not ours (Billit docs: 401)."""
    if isinstance(error, Refused) and error.status in (401, 404):
        with suppress(ServiceError):
            read_first.take_over(seen=read_first.read(invoices=[invoice], api=api), now=now)
            return read_first.hindrance(invoice) or error.message
    return error.message


def _look(invoice: Invoice, seen: Seen, by: Actor, now: datetime) -> Invoice:
    """What became of a sending without an answer: Billit's own status of the order says."""
    attempt = invoice.attempts.filter(intent=Attempt.Intent.SEND).order_by("-started_at", "-pk").first()
    if attempt is None or not _is_to_look_up(invoice, now):
        return invoice
    back = Step(_Delivery.SENDING, _Delivery.NOT_SENT)
    event = DELIVERY.event(_Delivery.SENDING, _Delivery.NOT_SENT)
    if never_left(invoice, attempt, event, by, now, delivery=back, sending_since=None):
        return fresh(invoice)
    attempt.refresh_from_db()
    if seen.is_sent:
        shown, taken = Message(Code.SHOWN_AS_SENT), awaited(attempt.started_at)
        _settle(invoice, attempt, _Delivery.SENT, _Outcome.ADOPTED, shown, by, now, **taken)
    elif now - attempt.asked_at < timedelta(seconds=settings.IN_DOUBT_SECONDS):
        pass
    elif attempt.http_status == 409:
        # As with a post: a used key without its effect is for a person, who may send anew, with a new key.
        why = Message(Code.NOT_SENT_AFTER_ALL)
        anew = {"send_key_number": (invoice.send_key_number or 0) + 1} | NO_SEND_ASKED
        _settle(invoice, attempt, _Delivery.FAILED, _Outcome.NO_ANSWER, why, by, now, **anew)
    else:
        _settle(invoice, attempt, _Delivery.NOT_SENT, _Outcome.ABSENT, Message(Code.SHOWN_AS_NOT_SENT), by, now)
    return fresh(invoice)


@transaction.atomic
def _claim(invoice: Invoice, way: Way, by: Actor, now: datetime, *, asked_only: bool) -> Attempt | None:
    lock_firm(invoice.firm)
    # What another reader of the order found since: a finding, other first totals, that it was paid.
    _stop_if_found(invoice, fresh(invoice))
    number = invoice.send_key_number or invoice.key_number + 1
    # What is being replaced is not sent: see `corrections.replace`, which in its turn leaves alone what is being sent.
    rows = Invoice.objects.posted().not_being_replaced().filter(pk=invoice.pk)
    claimed = moves.move(
        rows.filter(send_requested_at__isnull=False) if asked_only else rows,
        delivery=Step([_Delivery.NOT_SENT, _Delivery.FAILED], _Delivery.SENDING),
        **asked("send", by.name, now),
        send_requested_by_user=Case(
            When(send_requested_at__isnull=True, then=Value(by.user, BigIntegerField())),
            default=F("send_requested_by_user"),
        ),
        sending_since=now,
        send_key_number=number,
        not_before=None,
        **way.columns(now),
        **columns("attention", None),
    )
    if not claimed:
        return None
    body = f"{way.transport} {invoice.order_id}"
    attempt = Attempt.objects.create(
        firm_id=invoice.firm_id,
        invoice=invoice,
        intent=Attempt.Intent.SEND,
        key=f"{invoice.reference}-{number}",
        body=body,
        body_hash=hashlib.sha256(body.encode()).hexdigest(),
        started_at=now,
    )
    event = DELIVERY.event(_Delivery.NOT_SENT, _Delivery.SENDING)
    news = [news_of(event, invoice, key=attempt.key, way=way.transport, to=way.to)]
    audit.record(firm=invoice.firm, news=news, by=by, now=now)
    return attempt


@transaction.atomic
def _settle(
    invoice: Invoice,
    attempt: Attempt,
    delivery: Invoice.Delivery,
    outcome: Attempt.Outcome,
    answer: Message,
    by: Actor,
    now: datetime,
    **fields: object,
) -> None:
    lock_firm(invoice.firm)
    problem = columns("delivery_problem", answer if delivery in (_Delivery.FAILED, _Delivery.IN_DOUBT) else None)
    origins = [_Delivery.SENDING, _Delivery.IN_DOUBT]
    rows = Invoice.objects.filter(pk=invoice.pk)
    if delivery == _Delivery.SENT:
        # A yes that comes late is one all the same, whatever the row fell back to.
        origins += [_Delivery.NOT_SENT, _Delivery.FAILED]
    else:
        # A no that comes late, to an attempt that was given up, says nothing of the one that was sent after it.
        known = Attempt.objects.filter(pk=attempt.pk, outcome__in=[_Outcome.PENDING, _Outcome.NO_ANSWER])
        rows = rows.filter(pk__in=known.values("invoice"))
    if not moves.move(rows, delivery=Step(origins, delivery), sending_since=None, **problem, **fields):
        return
    finish(attempt, outcome, attempt.http_status, answer, now)
    event = DELIVERY.event(_Delivery.SENDING, delivery)
    audit.record(
        firm=invoice.firm, news=[news_of(event, invoice, key=attempt.key, answer=answer.data())], by=by, now=now
    )
