"""Having Billit deliver a posted invoice (R11): the machine of posting once more, with a key of its own."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction

from integrations.clients import billit
from integrations.clients.failures import Message
from integrations.clients.transport import BadCredentials, NoAnswer, Refused, RetryLater
from integrations.connections import hindrances
from integrations.connections.opening import open_billit
from integrations.connections.stopping import Stopping
from invoicing.deciding import guards, rights
from invoicing.models import Attempt, Invoice, moves
from invoicing.models.invoices import NO_SEND_ASKED
from invoicing.models.moves import DELIVERY, Step
from invoicing.models.problems import Code, columns
from invoicing.posting.attempts import GivenUp, finish, leaves, never_left
from invoicing.posting.deliveries import awaited
from invoicing.posting.post import asked, fresh, news_of
from invoicing.posting.way import Way, choose, stop
from toggbill.firms import audit
from toggbill.firms.audit import Actor
from toggbill.firms.locks import lock_firm

_Delivery = Invoice.Delivery
_Outcome = Attempt.Outcome
_PAUSE = 60.0
_SENT_BY = {"Peppol": Code.SENT_OVER_PEPPOL, "SMTP": Code.SENT_BY_EMAIL}


def send(*, invoice: Invoice, by: Actor, now: datetime, background: bool = False) -> Invoice:
    """Have a posted invoice delivered: over Peppol when the receiver takes it there, else by e-mail when allowed.

    From doubt, and from a dead worker, the order's own status is read before anything is sent. In the background only
    what somebody asked for is sent, and nothing while the connection is left alone or its credential is refused; else
    ``by`` asks for it herewith. Raises ``NotAllowed``, ``NotPossible`` when neither way is open (it stands as attention
    on the invoice), ``RetryLater`` when Billit could not be asked.
    """
    invoice = fresh(invoice)
    if not background:
        rights.demand(by, "send", invoice.dossier)
        guards.demand_other_eyes(by, invoice)
    order_id = invoice.order_id
    if invoice.status != Invoice.Status.POSTED or order_id is None or invoice.replacing_since is not None:
        return invoice
    if background:
        hindrances.check(invoice.company.connection, now=now)
    with open_billit(invoice.company) as api:
        if invoice.delivery in (_Delivery.SENDING, _Delivery.IN_DOUBT):
            invoice = _look(invoice, api, by, now)
            if invoice.delivery != _Delivery.NOT_SENT:
                return invoice
        if invoice.delivery not in (_Delivery.NOT_SENT, _Delivery.FAILED):
            return invoice
        if background and invoice.send_requested_at is None:
            return invoice
        _send(invoice, order_id, api, by, now, asked_only=background)
    return fresh(invoice)


def _send(invoice: Invoice, order_id: int, api: billit.Api, by: Actor, now: datetime, *, asked_only: bool) -> None:
    if asked_only and guards.has_same_eyes(invoice, invoice.send_requested_by):
        stop(invoice, Message(Code.SAME_EYES, {"who": invoice.approved_by}))
    as_read = asked_only and invoice.send_requested_by != Actor.schedule().name
    chosen = choose(invoice, api, as_read=as_read)
    way = chosen.transport
    attempt = _claim(invoice, chosen, by, now, asked_only=asked_only)
    if attempt is None:
        return
    try:
        api.send_order(order_id, transport=way, key=attempt.key, leaving=partial(leaves, attempt, lambda: now))
    except GivenUp:
        return
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
    except (Refused, BadCredentials) as error:
        if isinstance(error, BadCredentials):
            hindrances.refused(invoice.company.connection, error.message)
        _settle(invoice, attempt, _Delivery.FAILED, _Outcome.REFUSED, error.message, by, now, **NO_SEND_ASKED)
    else:
        _settle(invoice, attempt, _Delivery.SENT, _Outcome.ACCEPTED, Message(_SENT_BY[way]), by, now, **awaited(now))


def _look(invoice: Invoice, api: billit.Api, by: Actor, now: datetime) -> Invoice:
    """What became of a sending without an answer: Billit's own status of the order says."""
    attempt = invoice.attempts.filter(intent=Attempt.Intent.SEND).order_by("-started_at", "-pk").first()
    if attempt is None or invoice.order_id is None:
        return invoice
    lease = now - timedelta(seconds=settings.POSTING_LEASE_SECONDS)
    if invoice.delivery == _Delivery.SENDING and (invoice.sending_since is None or invoice.sending_since >= lease):
        return invoice
    back = Step(_Delivery.SENDING, _Delivery.NOT_SENT)
    event = DELIVERY.event(_Delivery.SENDING, _Delivery.NOT_SENT)
    if never_left(invoice, attempt, event, by, now, delivery=back, sending_since=None):
        return fresh(invoice)
    attempt.refresh_from_db()
    if api.order(invoice.order_id).is_sent:
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
    number = invoice.send_key_number or invoice.key_number + 1
    # What is being replaced is not sent: see `corrections.replace`, which in its turn leaves alone what is being sent.
    rows = Invoice.objects.posted().not_being_replaced().filter(pk=invoice.pk)
    claimed = moves.move(
        rows.filter(send_requested_at__isnull=False) if asked_only else rows,
        delivery=Step([_Delivery.NOT_SENT, _Delivery.FAILED], _Delivery.SENDING),
        **asked("send", by.name, now),
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
