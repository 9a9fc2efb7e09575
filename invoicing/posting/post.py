"""Posting to Billit, exactly once (design section 7). Nowhere else does an invoice go beyond approved.

A post is: claim (a conditional update, an attempt with key and body, commit); one POST outside any transaction;
settle in one transaction. What is unknown afterwards is ``in_doubt``: see ``recover``. Right before the request leaves,
the attempt is made sure of and marked (``leaves``): a worker that was taken for dead sends nothing any more, and of
what has no mark it is certain that nothing was sent.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Prefetch, Subquery
from django.db.models.functions import JSONObject

from integrations.clients import billit
from integrations.clients.http.failures import Message
from integrations.clients.http.transport import BadCredentials, NoAnswer, Refused, RetryLater, ServiceError
from integrations.connections import hindrances, stopping
from integrations.connections.opening import open_billit
from integrations.connections.pacing import circuit
from integrations.connections.stopping import Stopping
from integrations.models import Company
from invoicing.deciding import rights
from invoicing.ledger.states import transitions
from invoicing.models import Attempt, Dossier, Invoice, InvoiceLine, LedgerRow, moves
from invoicing.models.invoices.invoice import NO_POST_ASKED, NO_SEND_ASKED, InvoiceQuerySet
from invoicing.models.moves import STATE, STATUS, Step
from invoicing.models.problems import Code, columns
from invoicing.posting import credited
from invoicing.posting.attachments import files_of
from invoicing.posting.attempts import NOT_POSTED, GivenUp, asked, finish, leaves, never_left, running, tell_of
from invoicing.posting.orders import orders_of
from toggbill.database.lookups import NumberByKey
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.log_lines import about

_Status = Invoice.Status
_Outcome = Attempt.Outcome
_State = LedgerRow.State
PAUSE = 60.0
"""Seconds until the next try when the service named none."""

_SETTLED_WITHIN = 5.0
"""Seconds after which answers are settled although more are awaited: a dead worker leaves little in doubt."""


def post(*, invoice: Invoice, by: Actor, now: datetime) -> Invoice:
    """Post an approved invoice to Billit. Whatever comes of it stands in the row; a repetition changes nothing.

    Raises ``NotAllowed``, ``NotPossible`` when a person must decide first, and the client's ``ServiceError`` when
    Billit could not be asked: the invoice then stays approved.
    """
    for error in post_together(invoices=[invoice], by=by, now=now).values():
        raise error
    return fresh(invoice)


def post_together(
    *, invoices: Sequence[Invoice], by: Actor, now: datetime, background: bool = False
) -> dict[int, ServiceError | NotPossible]:
    """Post approved invoices of one company, one after the other; returns by row id why some could not be asked for.

    They share one claim, and the settling of answers that come within five seconds. Each has an attempt of its own, on
    record before its request leaves, and its own outcome. When Billit is unwell, takes the credential no more, or the
    process is to end, the rest stays approved. In the background only what somebody asked for is posted, and nothing
    while the connection is left alone; else ``by`` asks for it herewith.

    Raises ``ValueError`` for invoices of several companies, and ``NotAllowed``.
    """
    rows = _to_post(invoices, asked_only=background)
    if not rows:
        return {}
    if not background:
        for dossier in {row.dossier_id: row.dossier for row in rows}.values():
            rights.demand(by, "post", dossier)
    company = rows[0].company
    if any(row.company_id != company.pk for row in rows):
        raise ValueError("invoices of several companies are not posted together")
    if background:
        try:
            hindrances.check(company.connection, now=now)
        except (RetryLater, BadCredentials) as error:
            return dict.fromkeys((row.pk for row in rows), error)
    files, without = files_of(rows, by, now, make=not background)
    rows = [row for row in rows if row.pk not in without]
    with ExitStack() as stack:
        try:
            stopping.check()
            api = stack.enter_context(open_billit(company))
        except ServiceError as error:
            return without | dict.fromkeys((row.pk for row in rows), error)
        held = without | credited.read_credited(rows=rows, api=api, now=now)
        orders, errors = orders_of([row for row in rows if row.pk not in held], files, api, now)
        return held | errors | _send(_claim(orders, by, now, asked_only=background), api, by, now)


def _to_post(invoices: Sequence[Invoice], *, asked_only: bool) -> list[Invoice]:
    """The approved ones among them with all that a post needs; what they share is read once."""
    lines = Prefetch("lines", InvoiceLine.objects.order_by("position"))
    approved = Invoice.objects.filter(pk__in=[invoice.pk for invoice in invoices], status=_Status.APPROVED)
    if asked_only:
        approved = approved.filter(post_requested_at__isnull=False)
    rows = list(approved.order_by("pk").select_related("about").prefetch_related(lines))
    dossiers = Dossier.objects.select_related("workspace__firm").in_bulk({row.dossier_id for row in rows})
    companies = Company.objects.select_related("connection", "firm").in_bulk({row.company_id for row in rows})
    for row in rows:
        row.dossier, row.company = dossiers[row.dossier_id], companies[row.company_id]
        row.firm = row.company.firm
    return rows


def _send(
    claimed: Sequence[_Claimed], api: billit.Api, by: Actor, now: datetime
) -> dict[int, ServiceError | NotPossible]:
    """One POST for each, outside any transaction. Returns why some were surely not sent.

    What has not left is given back however the turn ends.
    """
    turn = _Turn(deque(claimed), api, by, now, running(now))
    try:
        turn.go_on()
    except (Exception, KeyboardInterrupt, SystemExit):
        turn.settle()
        for invoice, _, attempt in turn.waiting:
            never_left(invoice, attempt, by=by, now=now, **NOT_POSTED)
        raise
    turn.settle()
    if claimed:
        circuit.note(claimed[0].invoice.company.connection, answered=turn.answered, failure=turn.unwell, now=now)
    return _give_back(turn.waiting, turn.unwell, by, now)


@dataclass(slots=True)
class _Turn:
    """The posts of one claim, one after the other."""

    waiting: deque[_Claimed]
    api: billit.Api
    by: Actor
    now: datetime
    moment: Callable[[], datetime]
    accepted: list[tuple[Invoice, Attempt, int]] = field(default_factory=list)
    answered: bool = False
    unwell: ServiceError | None = None

    def go_on(self) -> None:
        """Until nothing waits, Billit is unwell, or it has taken too long."""
        begun = settled = time.monotonic()
        most, is_first = settings.POSTING_LEASE_SECONDS / 2, True
        while self.waiting and self.unwell is None:
            # Who takes a slow worker for a dead one looks the order up: it must not be on its way then.
            if not is_first and time.monotonic() - begun > most:
                break
            is_first = False
            invoice = self.waiting[0].invoice
            with about(dossier=invoice.dossier.key, reference=invoice.reference):
                self._post(*self.waiting[0])
            if self.accepted and time.monotonic() - settled > _SETTLED_WITHIN:
                self.settle()
                settled = time.monotonic()

    def settle(self) -> None:
        """What Billit took so far stands as posted from here on."""
        if self.accepted:
            tell_of(settle(self.accepted, _Outcome.ACCEPTED, self.by, self.now), _Outcome.ACCEPTED)
            self.accepted = []

    def _post(self, invoice: Invoice, order: billit.Order, attempt: Attempt) -> None:
        """One POST. What was surely not sent goes on waiting."""
        try:
            order_id = self.api.create_order(order, key=attempt.key, leaving=partial(leaves, attempt, self.moment))
        except GivenUp:
            pass
        except RetryLater as error:
            self.unwell = error
            return
        except NoAnswer as error:
            mark_in_doubt(invoice, attempt, error.message, error.status, self.by, self.now)
            if error.status == 409:
                self.answered = True
            else:
                self.unwell = error
        except (Refused, BadCredentials) as error:
            _refuse(invoice, attempt, error, self.by, self.now)
            self.answered = True
            if isinstance(error, BadCredentials):
                # The others would meet the same.
                self.unwell = error
                hindrances.refused(invoice.company.connection, error.message)
        else:
            self.accepted.append((invoice, attempt, order_id))
            self.answered = True
        self.waiting.popleft()


class _Claimed(NamedTuple):
    invoice: Invoice
    order: billit.Order
    attempt: Attempt


@transaction.atomic
def _claim(
    orders: Sequence[tuple[Invoice, billit.Order]], by: Actor, now: datetime, *, asked_only: bool
) -> list[_Claimed]:
    """Those that are still approved as they were read are being posted from here on, each with a pending attempt."""
    if not orders:
        return []
    # Everybody who posts for the firm waits for its lock: what can be made before is.
    made = [_Claimed(invoice, order, _attempt(invoice, order, now)) for invoice, order in orders]
    # The lines of an approved invoice stay as they are.
    resting = credited.resting([invoice for invoice, _ in orders])
    lock_firm(orders[0][0].firm)
    rows = Invoice.objects.filter(pk__in=[invoice.pk for invoice, _ in orders], status=_Status.APPROVED)
    if asked_only:
        rows = rows.filter(post_requested_at__isnull=False)
    free = dict(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", "key_number"))
    claimed = [
        each
        for each in made
        if free.get(each.invoice.pk) == each.invoice.key_number
        and (each.invoice.pk not in resting or credited.held_back(each.invoice) is None)
    ]
    if not claimed:
        return []
    moves.move(
        Invoice.objects.filter(pk__in=[invoice.pk for invoice, _, _ in claimed]),
        status=Step(_Status.APPROVED, _Status.POSTING),
        **asked("post", by.name, now),
        posting_since=now,
        order_date=claimed[0].order.order_date,
        not_before=None,
        **columns("attention", None),
    )
    Attempt.objects.bulk_create([attempt for _, _, attempt in claimed])
    event = STATUS.event(_Status.APPROVED, _Status.POSTING)
    news = [news_of(event, invoice, key=attempt.key, body_sha256=attempt.body_hash) for invoice, _, attempt in claimed]
    audit.record(firm=claimed[0].invoice.firm, news=news, by=by, now=now)
    return claimed


def _attempt(invoice: Invoice, order: billit.Order, now: datetime) -> Attempt:
    # The files are kept once, with the annex.
    body, body_hash = billit.recorded(order)
    return Attempt(
        firm_id=invoice.firm_id,
        invoice=invoice,
        intent=Attempt.Intent.POST,
        key=invoice.key,
        body=body,
        body_hash=body_hash,
        started_at=now,
    )


@transaction.atomic
def settle(
    answers: Sequence[tuple[Invoice, Attempt, int]], outcome: Attempt.Outcome, by: Actor, now: datetime
) -> list[Attempt]:
    """The orders stand at Billit. An answer that comes late settles the row all the same, whatever it fell back to.

    Returns the attempts that it settled, of which the log is told (``tell_of``) once nobody waits any more.
    """
    firm = answers[0][0].firm
    lock_firm(firm)
    open_states = [_Status.POSTING, _Status.IN_DOUBT, _Status.APPROVED, _Status.REFUSED]
    rows = Invoice.objects.filter(
        pk__in=[invoice.pk for invoice, _, _ in answers], status__in=open_states, order_id__isnull=True
    )
    still_open = set(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
    settled = [answer for answer in answers if answer[0].pk in still_open]
    if not settled:
        return []
    attempts = Attempt.objects.filter(pk__in=[attempt.pk for _, attempt, _ in settled])
    moves.move(
        Invoice.objects.filter(pk__in=still_open),
        status=Step(open_states, _Status.POSTED),
        posting_since=None,
        posted_at=now,
        order_id=NumberByKey({invoice.pk: order_id for invoice, _, order_id in settled}),
        accepted_body=Subquery(attempts.filter(invoice=OuterRef("pk")).values("body")),
        **columns("problem", None),
        needs_person=False,
        not_before=None,
    )
    taken = JSONObject(order=NumberByKey({attempt.pk: order_id for _, attempt, order_id in settled}))
    attempts.update(outcome=outcome, http_status=200, answer=Code.TAKEN_AS_ORDER, answer_facts=taken, finished_at=now)
    transitions.lock(invoices=[invoice for invoice, _, _ in settled])
    billed = [invoice for invoice, _, _ in settled if invoice.kind == Invoice.Kind.INVOICE]
    transitions.invoiced(invoices=billed, now=now)
    asked_from = _Status.IN_DOUBT if outcome == _Outcome.ADOPTED else _Status.POSTING
    posted, credited = STATUS.event(asked_from, _Status.POSTED), STATE.event(_State.INVOICED, _State.CREDITED)
    news = []
    for invoice, attempt, order_id in settled:
        news.append(news_of(posted, invoice, order_id=order_id, key=attempt.key))
        if invoice.kind == Invoice.Kind.CREDIT_NOTE and invoice.about is not None:
            entries = transitions.credited(note=invoice, now=now)
            news.append(news_of(credited, invoice.about, credit_note=invoice.reference, entries=entries))
    audit.record(firm=firm, news=news, by=by, now=now)
    return [attempt for _, attempt, _ in settled]


@transaction.atomic
def _refuse(invoice: Invoice, attempt: Attempt, error: ServiceError, by: Actor, now: datetime) -> None:
    lock_firm(invoice.firm)
    status = error.status if isinstance(error, Refused) else 401
    reason = Message(Code.ORDER_TOO_LARGE) if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else error.message
    if not _leave(invoice, attempt, _Status.REFUSED, **columns("problem", reason), **NO_POST_ASKED, **NO_SEND_ASKED):
        return
    finish(attempt, _Outcome.REFUSED, status, reason, now)
    event = STATUS.event(_Status.POSTING, _Status.REFUSED)
    audit.record(firm=invoice.firm, news=[news_of(event, invoice, reason=reason.data())], by=by, now=now)


@transaction.atomic
def mark_in_doubt(
    invoice: Invoice, attempt: Attempt, reason: Message, http_status: int | None, by: Actor, now: datetime
) -> None:
    lock_firm(invoice.firm)
    wait = now + timedelta(seconds=settings.IN_DOUBT_SECONDS)
    if not _leave(invoice, attempt, _Status.IN_DOUBT, **columns("problem", reason), not_before=wait):
        return
    finish(attempt, _Outcome.NO_ANSWER, http_status, reason, now)
    event = STATUS.event(_Status.POSTING, _Status.IN_DOUBT)
    audit.record(firm=invoice.firm, news=[news_of(event, invoice, reason=reason.data())], by=by, now=now)


@transaction.atomic
def _give_back(
    unsent: Sequence[_Claimed], unwell: ServiceError | None, by: Actor, now: datetime
) -> dict[int, ServiceError | NotPossible]:
    """Surely not sent: approved as before, with the same key; after a pause when Billit itself asked for one."""
    if not unsent:
        return {}
    firm = unsent[0].invoice.firm
    lock_firm(firm)
    wait = None
    if isinstance(unwell, RetryLater) and not isinstance(unwell, Stopping):
        wait = now + timedelta(seconds=PAUSE if unwell.after is None else unwell.after)
    why = Message(Code.ANSWERS_WERE_SLOW) if unwell is None else unwell.message
    event = STATUS.event(_Status.POSTING, _Status.APPROVED)
    errors: dict[int, ServiceError | NotPossible] = {}
    news = []
    for invoice, _, attempt in sorted(unsent, key=lambda each: each.invoice.pk):
        if _leave(invoice, attempt, _Status.APPROVED, not_before=wait):
            finish(attempt, _Outcome.NOT_SENT, None, why, now)
            news.append(news_of(event, invoice, key=attempt.key, reason=why.data()))
        if isinstance(unwell, RetryLater):
            errors[invoice.pk] = unwell
    audit.record(firm=firm, news=news, by=by, now=now)
    return errors


def _leave(invoice: Invoice, attempt: Attempt, target: Invoice.Status, **fields: object) -> bool:
    """From posting to another state, if it is this attempt that is under way.

    A no that comes late, to an attempt that was given up, says nothing of the one that was sent after it.
    """
    under_way = Attempt.objects.filter(pk=attempt.pk, outcome=_Outcome.PENDING)
    rows = Invoice.objects.filter(pk__in=under_way.values("invoice"))
    return bool(moves.move(rows, status=Step(_Status.POSTING, target), posting_since=None, **fields))


def news_of(type: str, invoice: Invoice, **data: object) -> News:
    return News(type, f"invoice {invoice.reference}", data)


def fresh(invoice: Invoice) -> Invoice:
    """The row as it stands now, with what a step needs of its dossier and company."""
    return _with_all().get(pk=invoice.pk)


def fresh_of(invoices: Sequence[Invoice]) -> list[Invoice]:
    """The same for several, by row id."""
    return list(_with_all().filter(pk__in=[invoice.pk for invoice in invoices]).order_by("pk"))


def _with_all() -> InvoiceQuerySet:
    return Invoice.objects.select_related(
        "firm", "about", "dossier__workspace__firm", "company__connection", "company__firm"
    )
