"""Invoices in doubt (design section 7): no answer came to a post, or the worker died. Only a look-up leads on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext

from integrations.clients import billit
from integrations.clients.failures import Message
from integrations.connections.opening import open_billit
from invoicing.models import Attempt, Invoice, moves
from invoicing.models.moves import STATUS, Step
from invoicing.models.problems import Code, Detail, columns
from invoicing.posting.post import finish, fresh, mark_in_doubt, news_of, settle
from invoicing.rules import mapping
from toggbill.firms import audit
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm

_Status = Invoice.Status
_Outcome = Attempt.Outcome


def recover(*, invoice: Invoice, by: Actor, now: datetime) -> Invoice:
    """Look up what became of a post without an answer, and of one whose worker died (section 7).

    Adopted when Billit has exactly one order of our reference with our totals and customer; back to approved, with the
    same key, when it surely has none; else a person decides. Raises the client's ``ServiceError`` when it cannot look.
    """
    invoice = fresh(invoice)
    lease = now - timedelta(seconds=settings.POSTING_LEASE_SECONDS)
    attempt = invoice.attempts.filter(intent=Attempt.Intent.POST).order_by("-started_at", "-pk").first()
    if attempt is None:
        return invoice
    if invoice.status == _Status.POSTING and invoice.posting_since is not None and invoice.posting_since < lease:
        mark_in_doubt(invoice, attempt, Message(Code.WORKER_ENDED), None, by, now)
        invoice = fresh(invoice)
        attempt.refresh_from_db()
    if invoice.status != _Status.IN_DOUBT:
        return invoice
    with open_billit(invoice.company) as api:
        live = api.find_orders(invoice.reference)
        deleted = api.find_deleted_orders(invoice.reference)
        found = live[0] if len(live) == 1 and not deleted else None
        if found is not None and _agrees(invoice, found, api):
            settle([(invoice, attempt, found.id)], _Outcome.ADOPTED, by, now)
            return fresh(invoice)
    asked_at = attempt.finished_at if attempt.http_status is not None and attempt.finished_at else attempt.started_at
    late_enough = now - asked_at >= timedelta(seconds=settings.IN_DOUBT_SECONDS)
    if live or deleted:
        _leave_to_person(invoice, _what_was_found(invoice, live, deleted))
    elif not late_enough:
        wait = asked_at + timedelta(seconds=settings.IN_DOUBT_SECONDS)
        Invoice.objects.filter(pk=invoice.pk, status=_Status.IN_DOUBT).update(not_before=wait)
    elif attempt.http_status == 409:
        _leave_to_person(invoice, Message(Detail.KEY_USED))
    else:
        _back_to_approved(invoice, attempt, now)
    return fresh(invoice)


@transaction.atomic
def post_anew(*, invoice: Invoice, by: Actor, now: datetime) -> Invoice:
    """A person who looked at Billit decides that the invoice is not there: approved again, with a new key."""
    lock_firm(invoice.firm)
    changed = moves.move(
        Invoice.objects.filter(pk=invoice.pk, needs_person=True),
        status=Step(_Status.IN_DOUBT, _Status.APPROVED),
        key_number=invoice.key_number + 1,
        needs_person=False,
        not_before=None,
        **columns("problem", None),
    )
    if not changed:
        raise NotPossible(
            gettext("Invoice %(invoice)s is not one that a person has to decide on.") % {"invoice": invoice}
        )
    event = STATUS.event(_Status.IN_DOUBT, _Status.APPROVED)
    audit.record(firm=invoice.firm, news=[news_of(event, invoice, key=invoice.key_number + 1)], by=by, now=now)
    return fresh(invoice)


@transaction.atomic
def _back_to_approved(invoice: Invoice, attempt: Attempt, now: datetime) -> None:
    back = Step(_Status.IN_DOUBT, _Status.APPROVED)
    if moves.move(Invoice.objects.filter(pk=invoice.pk), status=back, not_before=None, **columns("problem", None)):
        finish(attempt, _Outcome.ABSENT, attempt.http_status, Message(attempt.answer, attempt.answer_facts), now)


def _leave_to_person(invoice: Invoice, found: Message) -> None:
    problem = columns("problem", Message(Code.NOT_ADOPTED, {"found": found}))
    Invoice.objects.filter(pk=invoice.pk, status=_Status.IN_DOUBT).update(needs_person=True, **problem)


def _agrees(invoice: Invoice, order: billit.OrderSummary, api: billit.Api) -> bool:
    """Whether an order that was found is ours: the same totals and the same customer."""
    if order.customer_id is None and not order.customer_vat:
        order = api.order(order.id)
    totals = (order.total_excl, order.total_vat, order.total_incl)
    if totals != (invoice.total_excl, invoice.total_vat, invoice.total_incl):
        return False
    if invoice.customer_party_id is not None and order.customer_id is not None:
        return order.customer_id == invoice.customer_party_id
    return mapping.customer_number(order.customer_vat) == invoice.customer_vat


def _what_was_found(
    invoice: Invoice, live: Sequence[billit.OrderSummary], deleted: Sequence[billit.OrderSummary]
) -> Message:
    if deleted:
        return Message(Detail.ORDER_DELETED, {"order": deleted[0].id})
    if len(live) > 1:
        return Message(Detail.SEVERAL_ORDERS, {"n": len(live), "orders": [order.id for order in live]})
    return Message(Detail.OTHER_ORDER, {"order": live[0].id})
