"""What became of a sent invoice, as Billit says it (R11): delivered, refused, or nothing of it after a working day."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.clients import billit
from integrations.clients.http import failures
from integrations.clients.http.failures import Message
from invoicing.models import Invoice, moves
from invoicing.models.moves import DELIVERY, Step
from invoicing.models.problems import Code, columns
from invoicing.posting.post import news_of
from invoicing.rules import delivery as rules
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.locks import lock_firm

_Delivery = Invoice.Delivery
_SETTLED = (_Delivery.DELIVERED, _Delivery.REFUSED)
NOT_DELIVERED_EVENT = "invoice_not_delivered"


def awaited(sent_at: datetime) -> dict[str, Any]:
    """The columns of an invoice that Billit took for sending."""
    due = rules.next_look(sent_at=sent_at, now=sent_at, is_settled=False, is_paid=False)
    return {"sent_at": sent_at, "delivery_due_at": due, "delivery_read_of": None}


def read(*, invoice: Invoice, order: billit.OrderSummary, api: billit.Api, now: datetime) -> None:
    """Keep what Billit says of the delivery of a sent invoice; of others nothing is kept.

    A row of a list may not say it: then the order is read whole, but only where it changed since, or where it is about
    to count as not delivered. Raises the client's ``ServiceError``.
    """
    if invoice.delivery not in (_Delivery.SENT, *_SETTLED):
        return
    details = order.delivery
    if details is None and (_has_changed(invoice, order) or _is_overdue(invoice, now)):
        order = api.order(order.id)
        details = order.delivery
    note(invoice=invoice, details=details, read_of=order.last_modified, now=now)


def _has_changed(invoice: Invoice, order: billit.OrderSummary) -> bool:
    return order.last_modified is None or order.last_modified != invoice.delivery_read_of


def _is_overdue(invoice: Invoice, now: datetime) -> bool:
    """Whether it should have arrived, and nobody was told yet that it did not."""
    if invoice.delivery != _Delivery.SENT or invoice.sent_at is None or invoice.delivery_problem:
        return False
    return now >= rules.overdue_at(invoice.sent_at, invoice.firm.zone)


def note(
    *, invoice: Invoice, details: billit.DeliveryDetails | None, read_of: datetime | None = None, now: datetime
) -> None:
    """Keep what an order's details say (None: nothing new), and when to look again.

    News is an event, and is told by mail where it is bad. What was sent in Billit by hand counts from the first look.
    """
    known = {"delivery_read_of": read_of} if read_of is not None else {}
    if invoice.sent_at is None:
        # By hand: by which way, nobody told.
        Invoice.objects.filter(pk=invoice.pk, sent_at__isnull=True).update(sent_at=now, way="", way_to="")
        invoice.sent_at = now
    if _target(invoice, details) != invoice.delivery or _is_overdue(invoice, now):
        _note_news(invoice, details, now)
    row = Invoice.objects.only("delivery", "payment", "sent_at").get(pk=invoice.pk)
    due = rules.next_look(
        sent_at=invoice.sent_at,
        now=now,
        is_settled=row.delivery in _SETTLED,
        is_paid=row.payment == Invoice.Payment.PAID,
    )
    Invoice.objects.sent().filter(pk=invoice.pk).update(delivery_due_at=due, **known)


def _target(invoice: Invoice, details: billit.DeliveryDetails | None) -> str:
    if details is not None and details.has_failed:
        return _Delivery.REFUSED
    if details is not None and details.is_delivered:
        return _Delivery.DELIVERED
    return invoice.delivery


@transaction.atomic
def _note_news(invoice: Invoice, details: billit.DeliveryDetails | None, now: datetime) -> None:
    lock_firm(invoice.firm)
    row = Invoice.objects.select_for_update(of=("self",), no_key=True).select_related("firm").get(pk=invoice.pk)
    target = _target(row, details)
    if row.delivery in (_Delivery.SENT, *_SETTLED) and target != row.delivery and details is not None:
        news = _settled(row, target, details, now)
    elif _is_overdue(row, now) and row.sent_at is not None:
        news = _overdue(row, row.sent_at, now)
    else:
        return
    audit.record(firm=row.firm, news=[news], by=Actor("Billit", "read back"), now=now)


def _settled(row: Invoice, target: str, details: billit.DeliveryDetails, now: datetime) -> News:
    event = DELIVERY.event(row.delivery, target)
    fields: dict[str, Any] = {"tell_delivery_at": None}
    if target == _Delivery.DELIVERED:
        fields |= {"delivered_at": details.delivered_at or now, **columns("delivery_problem", None)}
        news = news_of(event, row, date=_day(row, details.delivered_at or now), info=details.info)
    else:
        problem = _refusal(row, details, now)
        fields |= {"tell_delivery_at": now, **columns("delivery_problem", problem)}
        news = news_of(event, row, reason=problem.data())
    moves.move(Invoice.objects.filter(pk=row.pk), delivery=Step(row.delivery, target), **fields)
    return news


def _refusal(row: Invoice, details: billit.DeliveryDetails, now: datetime) -> Message:
    """What the receiver, or Billit, gave as the reason: the text, and the code behind it."""
    said, code = details.refused_info or details.info, details.refused_code
    reason: Message | str = f"{said} ({code})" if said and code else said or code or Message(failures.Detail.NO_REASON)
    facts = {"customer": row.customer_name, "reason": reason}
    # An Error with the members of a refusal is one: whoever answered, it was not a network that failed.
    if details.is_refused:
        return Message(Code.RECEIVER_REFUSED, facts | {"on_day": _day(row, details.refused_at or now)})
    return Message(Code.NOT_DELIVERABLE, facts)


def _overdue(row: Invoice, sent_at: datetime, now: datetime) -> News:
    late = Message(Code.NOT_DELIVERED, {"customer": row.customer_name, "on_day": _day(row, sent_at)})
    Invoice.objects.filter(pk=row.pk).update(tell_delivery_at=now, **columns("delivery_problem", late))
    return news_of(NOT_DELIVERED_EVENT, row, sent=_day(row, sent_at))


def _day(row: Invoice, moment: datetime) -> str:
    """The local day of the firm."""
    return moment.astimezone(row.firm.zone).date().isoformat()
