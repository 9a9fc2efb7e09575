"""Invoices in doubt (design section 7): no answer came to a post, or the worker died. Only a look-up leads on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Prefetch
from django.utils.translation import gettext

from integrations.clients import billit, billit_rows
from integrations.clients.http.failures import Message
from integrations.clients.http.transport import ServiceError
from integrations.connections import stopping
from integrations.connections.opening import open_billit
from invoicing.deciding import figures, rights
from invoicing.models import Attempt, Invoice, moves
from invoicing.models.moves import STATUS, Step, Who
from invoicing.models.problems import Code, Detail, columns, words
from invoicing.posting import read_first
from invoicing.posting.attempts import NOT_POSTED, finish, never_left, tell_of
from invoicing.posting.look_up import Found, look_up
from invoicing.posting.post import fresh, mark_in_doubt, news_of, settle
from invoicing.rules.judging import mapping
from toggbill.firms import audit
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm, lock_rows
from toggbill.firms.read import Read, check
from toggbill.log_lines import about

_Status = Invoice.Status
_Outcome = Attempt.Outcome


def recover(*, invoice: Invoice, by: Actor, now: datetime) -> Invoice:
    """Look up what became of a post without an answer, and of one whose worker died (section 7).

    Adopted when Billit has exactly one order of our reference with our totals and customer; back to approved, with the
    same key, when it surely has none; else a person decides. Raises the client's ``ServiceError`` when it cannot look.
    """
    for error in recover_together(invoices=[invoice], by=by, now=now).values():
        raise error
    return fresh(invoice)


def recover_together(*, invoices: Sequence[Invoice], by: Actor, now: datetime) -> dict[int, ServiceError]:
    """The same for invoices of one company, in few calls; returns by row id why some could not be looked up.

    What a dead worker had not sent yet is approved again without a look-up: there is nothing to be found. Raises
    ``ValueError`` for invoices of several companies.
    """
    doubts = [each for each in _to_look_up(invoices) if _is_in_doubt(each, by, now)]
    if not doubts:
        return {}
    company = doubts[0].invoice.company
    if any(each.invoice.company_id != company.pk for each in doubts):
        raise ValueError("invoices of several companies are not looked up together")
    decided: set[int] = set()
    try:
        stopping.check()
        with open_billit(company) as api:
            references = [each.invoice.reference for each in doubts]
            found = look_up(company=company, references=references, api=api)
            for each in doubts:
                with about(dossier=each.invoice.dossier.key, reference=each.invoice.reference):
                    _decide(each, found[each.invoice.reference], api, by, now)
                decided.add(each.invoice.pk)
    except ServiceError as error:
        return {each.invoice.pk: error for each in doubts if each.invoice.pk not in decided}
    return {}


class _Doubt(NamedTuple):
    invoice: Invoice
    attempt: Attempt


def _to_look_up(invoices: Sequence[Invoice]) -> Iterator[_Doubt]:
    """Those without an answer, with the latest attempt of each."""
    rows = Invoice.objects.unanswered().filter(pk__in=[invoice.pk for invoice in invoices]).order_by("pk")
    attempts = Attempt.objects.filter(intent=Attempt.Intent.POST).order_by("-started_at", "-pk")
    related = ("firm", "about", "dossier__workspace__firm", "company__connection", "company__firm")
    for row in rows.select_related(*related).prefetch_related(Prefetch("attempts", attempts)):
        for attempt in row.attempts.all()[:1]:
            yield _Doubt(row, attempt)


def _is_in_doubt(each: _Doubt, by: Actor, now: datetime) -> bool:
    """Whether only a look-up leads on. A dead worker's is, if its request may have left."""
    invoice, attempt = each
    if invoice.status == _Status.IN_DOUBT:
        return True
    lease = now - timedelta(seconds=settings.POSTING_LEASE_SECONDS)
    if (
        invoice.posting_since is None
        or invoice.posting_since >= lease
        or never_left(invoice, attempt, by=by, now=now, **NOT_POSTED)
    ):
        return False
    mark_in_doubt(invoice, attempt, Message(Code.WORKER_ENDED), None, by, now)
    invoice.refresh_from_db(fields=["status"])
    attempt.refresh_from_db()
    return invoice.status == _Status.IN_DOUBT


def _decide(each: _Doubt, found: Found, api: billit.Api, by: Actor, now: datetime) -> None:
    invoice, attempt = each
    live, deleted = found
    order = live[0] if len(live) == 1 and not deleted else None
    if order is not None and _agrees(invoice, order, api):
        tell_of(settle([(invoice, attempt, order.id)], _Outcome.ADOPTED, by, now), _Outcome.ADOPTED)
        return
    wait = timedelta(seconds=settings.IN_DOUBT_SECONDS)
    if live or deleted:
        _leave_to_person(invoice, _what_was_found(invoice, live, deleted))
    elif now - attempt.asked_at < wait:
        Invoice.objects.filter(pk=invoice.pk, status=_Status.IN_DOUBT).update(not_before=attempt.asked_at + wait)
    elif attempt.http_status == 409:
        _leave_to_person(invoice, Message(Detail.KEY_USED))
    else:
        _back_to_approved(invoice, attempt, by, now)


def post_anew(*, invoice: Invoice, by: Actor, now: datetime, read: Read | None = None) -> Invoice:
    """A person who looked at Billit decides that the invoice is not there: approved again, with a new key.

    Workers post it: that is asked for herewith. Billit is asked once more before: an order that came to agree with ours
    is adopted instead, and while any other of our reference stands nothing is posted anew. Raises ``NotPossible``,
    ``NotAllowed``, ``Changed`` and ``Unread``; the client's ``ServiceError`` when Billit cannot be asked.
    """
    audit.check_open(invoice.firm)
    row = _to_post_anew(invoice, by, read)
    # What never left for Billit has no attempt, and no order.
    for each in _to_look_up([row]) if row.needs_person else ():
        with open_billit(row.company) as api:
            found = look_up(company=row.company, references=[row.reference], api=api)[row.reference]
            if found.live:
                _decide(each, found, api, by, now)
        row = fresh(row)
        if row.status == _Status.POSTED:
            return row
        if found.live:
            raise NotPossible(words(Message(row.problem, row.problem_facts)))
    return _post_anew(invoice=row, by=by, now=now, read=read)


def _to_post_anew(invoice: Invoice, by: Actor, read: Read | None) -> Invoice:
    row = fresh(invoice)
    rights.demand(by, "post", row.dossier)
    check(read, lambda: [figures.of_invoice(row)], by=by)
    return row


@transaction.atomic
def _post_anew(*, invoice: Invoice, by: Actor, now: datetime, read: Read | None) -> Invoice:
    lock_firm(invoice.firm)
    lock_rows(Invoice.objects.filter(pk=invoice.pk))
    invoice = _to_post_anew(invoice, by, read)
    changed = moves.move(
        Invoice.objects.filter(pk=invoice.pk, needs_person=True),
        status=Step(_Status.IN_DOUBT, _Status.APPROVED),
        key_number=invoice.key_number + 1,
        needs_person=False,
        not_before=None,
        post_requested_at=now,
        post_requested_by=by.name,
        **columns("problem", None),
    )
    if not changed:
        raise NotPossible(
            gettext("Invoice %(invoice)s is not one that a person has to decide on.") % {"invoice": invoice}
        )
    event = STATUS.event(_Status.IN_DOUBT, _Status.APPROVED, who=Who.PERSON)
    audit.record(firm=invoice.firm, news=[news_of(event, invoice, key=invoice.key_number + 1)], by=by, now=now)
    return fresh(invoice)


@transaction.atomic
def _back_to_approved(invoice: Invoice, attempt: Attempt, by: Actor, now: datetime) -> None:
    lock_firm(invoice.firm)
    back = Step(_Status.IN_DOUBT, _Status.APPROVED)
    if moves.move(Invoice.objects.filter(pk=invoice.pk), status=back, not_before=None, **columns("problem", None)):
        finish(attempt, _Outcome.ABSENT, attempt.http_status, Message(attempt.answer, attempt.answer_facts), now)
        event = STATUS.event(_Status.IN_DOUBT, _Status.APPROVED, who=Who.WORKER)
        audit.record(firm=invoice.firm, news=[news_of(event, invoice, key=attempt.key)], by=by, now=now)


def _leave_to_person(invoice: Invoice, found: Message) -> None:
    problem = columns("problem", Message(Code.NOT_ADOPTED, {"found": found}))
    Invoice.objects.filter(pk=invoice.pk, status=_Status.IN_DOUBT).update(needs_person=True, **problem)


def _agrees(invoice: Invoice, order: billit.OrderSummary, api: billit.Api) -> bool:
    """Whether an order that was found is ours: the same totals and the same customer.

    A row of a list may lack what that takes, the number of a customer that Billit has just made above all.
    """
    by_number = invoice.customer_party_id is None or "PartyID" in order.lacks
    needed = billit_rows.COMPARED if by_number else billit_rows.STATE
    order = read_first.completed(order, needed, api)
    totals = (order.total_excl, order.total_vat, order.total_incl)
    if totals != (invoice.total_excl, invoice.total_vat, invoice.total_incl):
        return False
    if invoice.customer_party_id is not None and order.customer_id is not None:
        return order.customer_id == invoice.customer_party_id
    return mapping.customer_number(order.customer_vat) == invoice.customer_vat


def _what_was_found(
    invoice: Invoice, live: Sequence[billit.OrderSummary], deleted: Sequence[billit.OrderSummary]
) -> Message:
    if not live:
        return Message(Detail.ORDER_DELETED, {"order": deleted[0].id})
    if len(live) > 1 or deleted:
        orders = [order.id for order in (*live, *deleted)]
        return Message(Detail.SEVERAL_ORDERS, {"n": len(orders), "orders": orders})
    return Message(Detail.OTHER_ORDER, {"order": live[0].id})
