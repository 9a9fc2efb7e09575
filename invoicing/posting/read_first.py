"""Billit's order of a posted invoice is read before anything is done with it (design D13, R11).

What Billit says wins over what our rows remember. That an order was sent, paid or numbered there is taken over with an
event; what a person has to decide on (deleted, gone, other amounts, another customer) is kept as a finding, and while
one stands the verb does nothing. It is read outside any transaction; the verb then decides inside its own, by the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import datetime
from decimal import Decimal
from enum import StrEnum, auto
from itertools import groupby
from typing import Any, NamedTuple

from django.db import transaction

from integrations.clients import billit, billit_rows
from integrations.clients.http.failures import Message
from integrations.clients.http.transport import Refused
from invoicing.models import Dossier, Drift, Invoice, moves
from invoicing.models.invoices.invoice import NO_SEND_ASKED
from invoicing.models.moves import DELIVERY, PAYMENT, Step
from invoicing.models.problems import Code, columns
from invoicing.posting import orders
from invoicing.rules.judging import mapping
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.locks import lock_firm, lock_rows

_Delivery = Invoice.Delivery
_Payment = Invoice.Payment
_Kind = Drift.Kind
AT_ONCE = 120
"""Orders of one page of Billit's lists."""
UNSENT = (_Delivery.NOT_SENT, _Delivery.FAILED)
HOLDING_BACK = (_Kind.ORDER_DELETED, _Kind.ORDER_MISSING, _Kind.ORDER_CHANGED, _Kind.ORDER_UNKNOWN)
"""Findings on an order with which nothing is done to it until a person has decided."""
_MAY_STAY = (_Kind.ORDER_CHANGED, _Kind.ORDER_UNKNOWN)
"""Those of them that hold nothing back any more once a person has acknowledged them as they are."""
_ANSWERED = (Code.ORDER_WAS_DELETED, Code.ORDER_NOWHERE, Code.ORDER_WAS_CHANGED, Code.ORDER_OF_ANOTHER)
"""Attentions that a finding left, and that go with it."""
_OF_SENDING = (Code.NO_WAY_TO_SEND, Code.PAID_UNSENT)
"""Attentions of an order that waits to be sent."""


class Place(StrEnum):
    """Where Billit has an order: among the ones that stand, among the deleted ones, or nowhere."""

    STANDS = auto()
    DELETED = auto()
    NOWHERE = auto()


class Seen(NamedTuple):
    """What Billit says of an order; ``order`` is given while it stands."""

    place: Place
    order: billit.OrderSummary | None = None

    @property
    def is_sent(self) -> bool:
        """Whether Billit sent it."""
        return self.order is not None and self.order.is_sent


def read(*, invoices: Sequence[Invoice], api: billit.Api) -> list[tuple[Invoice, Seen]]:
    """How Billit has the orders of posted invoices of one company, up to 120 a call. Raises ``ServiceError``."""
    found: list[tuple[Invoice, Seen]] = []
    for part in portions(invoices):
        at_once = _listed(part, api) if len(part) > 1 else {}
        found += [(invoice, _seen(invoice, at_once.get(invoice.order_id or 0), api)) for invoice in part]
    return found


def look_up(
    *, invoices: Sequence[Invoice], listed: Mapping[int, billit.OrderSummary], api: billit.Api
) -> list[tuple[Invoice, Seen]]:
    """How Billit has the orders of posted invoices: from what was ``listed`` (by id), each of the others alone."""
    return [(invoice, _seen(invoice, listed.get(invoice.order_id or 0), api)) for invoice in invoices]


def portions(invoices: Sequence[Invoice], *, by_day: bool = True) -> Iterator[Sequence[Invoice]]:
    """Portions of at most 120, in the order of their order ids.

    ``by_day``: none spans two days of posting. A list is asked for by its first and last id, and must not reach from
    an order that is gone, or from a late one, over all that came between.
    """
    rows = sorted(invoices, key=lambda row: row.order_id or 0)
    for _, day in groupby(rows, key=lambda row: row.order_date if by_day else None):
        found = list(day)
        for start in range(0, len(found), AT_ONCE):
            yield found[start : start + AT_ONCE]


def completed(order: billit.OrderSummary, needed: Set[str], api: billit.Api) -> billit.OrderSummary:
    """An order of a list with the ``needed`` fields (names of ``billit_rows.COMPARED``): read whole if it lacks one."""
    return api.order(order.id) if order.lacks & needed else order


def _listed(invoices: Sequence[Invoice], api: billit.Api) -> dict[int, billit.OrderSummary]:
    ids = [invoice.order_id for invoice in invoices if invoice.order_id is not None]
    return {order.id: order for order in api.orders_between(min(ids), max(ids))}


def _seen(invoice: Invoice, listed: billit.OrderSummary | None, api: billit.Api) -> Seen:
    if listed is not None:
        return Seen(Place.STANDS, completed(listed, billit_rows.STATE, api))
    # Not in a list, or not looked for in one.
    return _alone(invoice, api)


def _alone(invoice: Invoice, api: billit.Api) -> Seen:
    try:
        return Seen(Place.STANDS, api.order(invoice.order_id or 0))
    except Refused:
        # So Billit answers for an id that is gone (Billit docs: 401).
        return gone(invoice, api)


def gone(invoice: Invoice, api: billit.Api) -> Seen:
    """What became of an order that Billit does not show by its id."""
    deleted = any(order.id == invoice.order_id for order in api.find_deleted_orders(invoice.reference))
    return Seen(Place.DELETED if deleted else Place.NOWHERE)


class Difference(NamedTuple):
    """A finding on an order: its kind, and the facts of its sentence."""

    kind: Drift.Kind
    facts: dict[str, Any]


def differences(invoice: Invoice, seen: Seen) -> list[Difference]:
    """What a person has to decide on before anything is done with the order.

    Totals that were never read back are Billit's to say: these are taken over, see ``take_over``.
    """
    said = {"invoice": str(invoice)}
    if seen.order is None:
        return [Difference(_Kind.ORDER_DELETED if seen.place == Place.DELETED else _Kind.ORDER_MISSING, said)]
    order, ours = seen.order, (invoice.excl, invoice.vat, invoice.incl)
    if invoice.legal_excl is not None and _totals(order) != ours:
        return [Difference(_Kind.ORDER_CHANGED, said | {"amounts": [f"{order.total_incl:.2f}", f"{invoice.incl:.2f}"]})]
    if _is_another(invoice, order):
        return [Difference(_Kind.ORDER_CHANGED, said | {"parties": [order.customer_id, invoice.customer_party_id]})]
    return []


def _totals(order: billit.OrderSummary) -> tuple[Decimal, Decimal, Decimal]:
    return order.total_excl, order.total_vat, order.total_incl


def _is_another(invoice: Invoice, order: billit.OrderSummary) -> bool:
    """Whether the order has another customer. Two records of one number that were merged in Billit are none."""
    if None in (invoice.customer_party_id, order.customer_id) or invoice.customer_party_id == order.customer_id:
        return False
    return not invoice.customer_vat or mapping.customer_number(order.customer_vat) != invoice.customer_vat


@transaction.atomic
def take_over(*, seen: Sequence[tuple[Invoice, Seen]], now: datetime) -> set[int]:
    """Take over what Billit says of orders of one firm: state into the invoices, the rest into findings.

    Returns the invoices (row ids) that were found sent, of which our rows did not know. Safe at the same time by two.
    """
    if not seen:
        return set()
    known = {invoice.pk: state for invoice, state in seen}
    standing = list(_standing([invoice for invoice, _ in seen]))
    if not standing and not any(_is_news(invoice, state) for invoice, state in seen):
        return set()
    firm = seen[0][0].firm
    lock_firm(firm)
    # Another comparison may write the same findings.
    lock_rows(Dossier.objects.filter(pk__in={invoice.dossier_id for invoice, _ in seen}))
    lock_rows(Invoice.objects.filter(pk__in=known))
    rows = list(Invoice.objects.posted().filter(pk__in=known).select_related("firm").order_by("pk"))
    kept = defaultdict[str, dict[str, Drift]](dict)
    for finding in _standing(rows):
        if finding.kind != _Kind.ORDER_UNKNOWN:
            kept[finding.reference][finding.kind] = finding
    news, sent = list[News](), set[int]()
    for row in rows:
        state = known[row.pk]
        news += _accept(row, state, kept[row.reference])
        _keep(row, differences(row, state), kept[row.reference], now)
        if state.order is not None:
            found = note_order(row, state.order, now)
            news += found
            if any(each.type == _SENT for each in found):
                sent.add(row.pk)
    if news:
        audit.record(firm=firm, news=news, by=Actor("Billit", "read back"), now=now)
    return sent


def _accept(invoice: Invoice, seen: Seen, standing: dict[str, Drift]) -> list[News]:
    """Billit's amounts become the legal ones where a person has acknowledged just these; gives the event."""
    row = standing.get(_Kind.ORDER_CHANGED)
    if row is None or row.acknowledged_at is None or seen.order is None or "amounts" not in row.facts:
        return []
    if Difference(_Kind.ORDER_CHANGED, row.facts) not in differences(invoice, seen):
        return []
    old, new = invoice.incl, _totals(seen.order)
    invoice.legal_excl, invoice.legal_vat, invoice.legal_incl = new
    invoice.save(update_fields=["legal_excl", "legal_vat", "legal_incl"])
    return [_event("invoice_totals_accepted", invoice, old=f"{old:.2f}", total_incl=f"{invoice.incl:.2f}")]


_SENT = DELIVERY.event(_Delivery.NOT_SENT, _Delivery.SENT)


def _is_news(invoice: Invoice, seen: Seen) -> bool:
    """Whether anything is to be written, as far as the row that was read tells."""
    order = seen.order
    return (
        order is None
        or invoice.legal_excl is None
        or bool(differences(invoice, seen))
        or (order.is_sent and invoice.delivery in UNSENT)
        or (order.paid and invoice.payment != _Payment.PAID)
        or order.number[:100] not in ("", invoice.order_number)
        or order.customer_id not in (None, invoice.customer_party_id)
    )


def note_order(invoice: Invoice, order: billit.OrderSummary, now: datetime) -> list[News]:
    """Note on a locked invoice what Billit says of its order: sent, paid, number, customer, first totals.

    Gives the events, for the caller to record.
    """
    fields: dict[str, object] = {}
    news = []
    if invoice.legal_excl is None:
        fields |= _legal(invoice, order)
    number = order.number[:100]
    if number not in ("", invoice.order_number):
        fields["order_number"] = number
        if invoice.order_number:
            news.append(_event("invoice_renumbered", invoice, old=invoice.order_number, number=number))
    if invoice.customer_party_id is None and order.customer_id is not None:
        fields["customer_party_id"] = order.customer_id
        orders.pin_customer(invoice, order.customer_id, now)
    elif order.customer_id not in (None, invoice.customer_party_id) and not _is_another(invoice, order):
        fields["customer_party_id"] = order.customer_id
    if order.paid and invoice.payment != _Payment.PAID:
        fields |= _paid(invoice, order)
        event = PAYMENT.event(_Payment.OPEN, _Payment.PAID)
        news.append(_event(event, invoice, date=order.paid_date.isoformat() if order.paid_date else None))
    if order.is_sent and invoice.delivery in UNSENT:
        fields |= _sent(invoice)
        news.append(_event(_SENT, invoice, key=None, answer=Message(Code.SENT_ELSEWHERE).data()))
    if fields:
        moves.move(Invoice.objects.filter(pk=invoice.pk), **fields)
    return news


def _legal(invoice: Invoice, order: billit.OrderSummary) -> dict[str, object]:
    """Billit's totals as they were read first. Others than ours are for a person to look at before it is sent."""
    legal, ours = _totals(order), (invoice.total_excl, invoice.total_vat, invoice.total_incl)
    fields: dict[str, object] = dict(zip(("legal_excl", "legal_vat", "legal_incl"), legal, strict=True))
    if legal != ours:
        names = ("excl", "vat", "incl", "our_excl", "our_vat", "our_incl")
        facts = {name: f"{amount:.2f}" for name, amount in zip(names, (*legal, *ours), strict=True)}
        fields |= columns("attention", Message(Code.TOTALS_DIFFER, facts)) | NO_SEND_ASKED
    return fields


def _paid(invoice: Invoice, order: billit.OrderSummary) -> dict[str, object]:
    fields: dict[str, object] = {"payment": Step(_Payment, _Payment.PAID), "paid_date": order.paid_date}
    if not order.is_sent and invoice.delivery in UNSENT and invoice.send_requested_at is not None:
        # Whoever asked did not know; who asks again does.
        fields |= columns("attention", paid_unsent(invoice)) | NO_SEND_ASKED
    return fields


def _sent(invoice: Invoice) -> dict[str, object]:
    """It went out by hand or by Billit's own clock: from now on it can only be credited."""
    return {
        "delivery": Step(UNSENT, _Delivery.SENT),
        "replacing_since": None,
        **NO_SEND_ASKED,
        **columns("delivery_problem", None),
        **(columns("attention", None) if invoice.attention in _OF_SENDING else {}),
    }


def paid_unsent(invoice: Invoice) -> Message:
    """What is said of an invoice that was paid before it was sent."""
    return Message(Code.PAID_UNSENT, facts_of(invoice))


def _event(type: str, invoice: Invoice, **data: object) -> News:
    return News(type, f"invoice {invoice.reference}", data)


def _standing(invoices: Sequence[Invoice]) -> Iterator[Drift]:
    """Findings on the orders of these invoices, whoever found them."""
    references = [invoice.reference for invoice in invoices]
    rows = Drift.objects.standing().filter(dossier__in={invoice.dossier_id for invoice in invoices})
    yield from rows.filter(reference__in=references, kind__in=[*HOLDING_BACK, _Kind.ORDER_SENT]).order_by("pk")


def _keep(invoice: Invoice, found: Sequence[Difference], standing: dict[str, Drift], now: datetime) -> None:
    """Write the findings on an order; of the ``standing`` ones, by kind, those close that are gone."""
    for kind, facts in found:
        row = standing.pop(kind, None)
        if row is not None:
            changed = {} if row.facts == facts else Drift.NOT_ACKNOWLEDGED
            Drift.objects.filter(pk=row.pk).update(facts=facts, last_seen_at=now, **changed)
        else:
            Drift.objects.create(
                firm_id=invoice.firm_id,
                dossier_id=invoice.dossier_id,
                kind=kind,
                order_id=invoice.order_id,
                reference=invoice.reference,
                about=Drift.about_of(order_id=invoice.order_id, reference=invoice.reference),
                facts=facts,
                first_seen_at=now,
                last_seen_at=now,
            )
    if not standing:
        return
    gone = Drift.objects.filter(pk__in=[row.pk for row in standing.values()], first_seen_at__lte=now)
    if gone.update(gone_at=now) and not found:
        Invoice.objects.filter(pk=invoice.pk, attention__in=_ANSWERED).update(**columns("attention", None))


def hindrance(invoice: Invoice, *, but: Sequence[Drift.Kind] = ()) -> Message | None:
    """What a person has to decide of the order before anything is done with it, as far as the rows tell.

    ``but``: kinds of findings that do not stand in the way of this verb.
    """
    return hindrances([invoice], but=but).get(invoice.pk)


def hindrances(invoices: Sequence[Invoice], *, but: Sequence[Drift.Kind] = ()) -> dict[int, Message]:
    """By invoice (row id), of those that have one; one query for all of them."""
    found: dict[int, Message] = {}
    by_order = {(invoice.dossier_id, invoice.reference): invoice for invoice in invoices}
    for row in _standing(invoices):
        invoice = by_order.get((row.dossier_id, row.reference))
        is_answered = row.acknowledged_at is not None and row.kind in _MAY_STAY
        if invoice is not None and row.kind in HOLDING_BACK and row.kind not in but and not is_answered:
            found.setdefault(invoice.pk, _message(invoice, row))
    return found


def _message(invoice: Invoice, row: Drift) -> Message:
    said = facts_of(invoice)
    match row.kind:
        case _Kind.ORDER_DELETED:
            return Message(Code.ORDER_WAS_DELETED, said)
        case _Kind.ORDER_MISSING:
            return Message(Code.ORDER_NOWHERE, said)
        case _Kind.ORDER_UNKNOWN:
            return Message(Code.ORDER_TWICE, said | {"other": row.order_id})
    if "amounts" in row.facts:
        theirs, ours = row.facts["amounts"]
        return Message(Code.ORDER_WAS_CHANGED, said | {"incl": theirs, "our_incl": ours})
    theirs, ours = row.facts["parties"]
    return Message(Code.ORDER_OF_ANOTHER, said | {"theirs": theirs, "ours": ours})


def facts_of(invoice: Invoice) -> dict[str, Any]:
    """The facts that every sentence on an order names."""
    return {"order": invoice.order_id, "invoice": str(invoice)}
