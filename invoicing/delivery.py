"""Posting to Billit, exactly once (design section 7). Nowhere else does an invoice go beyond approved.

A post is: claim (a conditional update, an attempt with key and body, commit); one POST outside any transaction;
settle in one transaction. What is unknown afterwards is ``in_doubt``: from there only a look-up leads on.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Case, OuterRef, Prefetch, Q, QuerySet, Subquery, TextField, Value, When
from django.db.models.functions import Cast

from integrations import billit, circuit
from integrations.models import Company
from integrations.sync import billit_api
from integrations.transport import BadCredentials, NoAnswer, Refused, RetryLater, ServiceError
from invoicing import ledger, mapping, ordering
from invoicing.models import Attempt, Dossier, Invoice, InvoiceLine
from invoicing.runs import NotPossible
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News

_Status = Invoice.Status
_Delivery = Invoice.Delivery
_Outcome = Attempt.Outcome
READ_BACK_AT_ONCE = 120
_READ_BACK_DAYS = 7
TOGETHER = 20
"""Invoices that one worker posts one after the other: as many as share the wait for the firm's log."""

_SETTLED_WITHIN = 1.0
"""Seconds after which answers are settled although more are awaited: a dead worker leaves little in doubt."""

_PAUSE = 60.0
"""Seconds until the next try when the service named none."""


def request(*, invoice: Invoice, send: bool, now: datetime) -> None:
    """Ask the workers to post an approved invoice (and to send it): the wish stands in the row and cannot be lost."""
    asked = {"post_requested_at": now} | ({"send_requested_at": now} if send else {})
    Invoice.objects.filter(pk=invoice.pk, status__in=[_Status.APPROVED, _Status.IN_DOUBT]).update(**asked)
    if send:
        Invoice.objects.filter(pk=invoice.pk, status=_Status.POSTED).update(send_requested_at=now)


def post(*, invoice: Invoice, by: Actor, now: datetime) -> Invoice:
    """Post an approved invoice to Billit. Whatever comes of it stands in the row; a repetition changes nothing.

    Raises ``NotPossible`` when a person must decide first, and the client's ``ServiceError`` when Billit could not be
    asked: the invoice then stays approved.
    """
    for error in post_together(invoices=[invoice], by=by, now=now).values():
        raise error
    return fresh(invoice)


def work_off(*, invoices: Sequence[Invoice], by: Actor, now: datetime) -> None:
    """A worker's turn with invoices of one company: doubts are looked up, then what is approved is posted.

    What Billit could not be asked for is left alone for a while. Safe twice, and at the same time by two.
    """
    late: set[int] = set()
    for invoice in invoices:
        # An approved one has nothing to look up: the most frequent case goes straight on.
        if invoice.status != _Status.APPROVED:
            try:
                recover(invoice=invoice, by=by, now=now)
            except ServiceError:
                late.add(invoice.pk)
    late |= set(post_together(invoices=invoices, by=by, now=now, background=True))
    for invoice in invoices:
        if invoice.pk in late:
            postpone(invoice=invoice, now=now)


def portions(invoices: Iterable[Invoice]) -> Iterator[list[Invoice]]:
    """What is worked off together: at most so many, of one company."""
    by_company: defaultdict[int, list[Invoice]] = defaultdict(list)
    for invoice in invoices:
        by_company[invoice.company_id].append(invoice)
    for rows in by_company.values():
        for start in range(0, len(rows), TOGETHER):
            yield rows[start : start + TOGETHER]


def post_together(
    *, invoices: Sequence[Invoice], by: Actor, now: datetime, background: bool = False
) -> dict[int, ServiceError | NotPossible]:
    """Post approved invoices of one company, one after the other; returns by row id why some could not be asked for.

    They share one claim, and the settling of answers that come within a second. Each has an attempt of its own, on
    record before its request leaves, and its own outcome. When Billit is unwell the rest stays approved. In the
    background nothing is sent while the connection is left alone.
    """
    rows = _to_post(invoices)
    if not rows:
        return {}
    company = rows[0].company
    if background:
        try:
            circuit.check(company.connection, now=now)
        except RetryLater as error:
            return dict.fromkeys((row.pk for row in rows), error)
    try:
        api = billit_api(company)
    except ServiceError as error:
        return dict.fromkeys((row.pk for row in rows), error)
    try:
        orders, errors = _orders(rows, api, now)
        return errors | _send(_claim(orders, by, now), api, by, now)
    finally:
        api.close()


def _to_post(invoices: Sequence[Invoice]) -> list[Invoice]:
    """The approved ones among them with all that a post needs; what they share is read once."""
    lines = Prefetch("lines", InvoiceLine.objects.order_by("position"))
    approved = Invoice.objects.filter(pk__in=[invoice.pk for invoice in invoices], status=_Status.APPROVED)
    rows = list(approved.order_by("pk").select_related("about").prefetch_related(lines))
    dossiers = Dossier.objects.select_related("workspace__firm").in_bulk({row.dossier_id for row in rows})
    companies = Company.objects.select_related("connection", "firm").in_bulk({row.company_id for row in rows})
    for row in rows:
        row.dossier, row.company = dossiers[row.dossier_id], companies[row.company_id]
        row.firm = row.company.firm
    return rows


def _orders(
    invoices: Sequence[Invoice], api: billit.Api, now: datetime
) -> tuple[list[tuple[Invoice, billit.Order]], dict[int, ServiceError | NotPossible]]:
    orders: list[tuple[Invoice, billit.Order]] = []
    errors: dict[int, ServiceError | NotPossible] = {}
    for number, invoice in enumerate(invoices):
        try:
            orders.append((invoice, ordering.order_of(invoice, api, now)))
        except NotPossible as error:
            errors[invoice.pk] = error
        except ServiceError as error:
            errors |= dict.fromkeys((unasked.pk for unasked in invoices[number:]), error)
            break
    return orders, errors


def _send(
    claimed: Sequence[_Claimed], api: billit.Api, by: Actor, now: datetime
) -> dict[int, ServiceError | NotPossible]:
    """One POST for each, outside any transaction. Returns why some were surely not sent."""
    accepted: list[tuple[Invoice, Attempt, int]] = []
    waiting = deque(claimed)
    begun = settled = time.monotonic()
    unwell: ServiceError | None = None
    answered = False
    try:
        while waiting and unwell is None:
            invoice, order, attempt = waiting[0]
            # Who takes a slow worker for a dead one looks the order up: it must not be on its way then.
            if len(waiting) < len(claimed) and time.monotonic() - begun > settings.POSTING_LEASE_SECONDS / 2:
                break
            try:
                order_id = api.create_order(order, key=attempt.key)
            except RetryLater as error:
                unwell = error
                break
            except NoAnswer as error:
                _doubt(invoice, attempt, str(error), error.status, by, now)
                if error.status == 409:
                    answered = True
                else:
                    unwell = error
            except (Refused, BadCredentials) as error:
                _refuse(invoice, attempt, error, by, now)
                answered = True
            else:
                accepted.append((invoice, attempt, order_id))
                answered = True
            waiting.popleft()
            if accepted and time.monotonic() - settled > _SETTLED_WITHIN:
                _settle(accepted, _Outcome.ACCEPTED, "invoice_posted", by, now)
                accepted, settled = [], time.monotonic()
    finally:
        if accepted:
            _settle(accepted, _Outcome.ACCEPTED, "invoice_posted", by, now)
    if claimed:
        circuit.note(claimed[0].invoice.company.connection, answered=answered, failure=unwell, now=now)
    return _give_back(waiting, unwell, now)


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
        _doubt(invoice, attempt, "The worker that posted it ended before it could note Billit's answer.", None, by, now)
        invoice = fresh(invoice)
        attempt.refresh_from_db()
    if invoice.status != _Status.IN_DOUBT:
        return invoice
    api = billit_api(invoice.company)
    try:
        live = api.find_orders(invoice.reference)
        deleted = api.find_deleted_orders(invoice.reference)
        found = live[0] if len(live) == 1 and not deleted else None
        if found is not None and _agrees(invoice, found, api):
            _settle([(invoice, attempt, found.id)], _Outcome.ADOPTED, "invoice_adopted", by, now)
            return fresh(invoice)
    finally:
        api.close()
    asked_at = attempt.finished_at if attempt.http_status is not None and attempt.finished_at else attempt.started_at
    late_enough = now - asked_at >= timedelta(seconds=settings.IN_DOUBT_SECONDS)
    if live or deleted:
        _leave_to_person(invoice, _what_was_found(invoice, live, deleted))
    elif not late_enough:
        wait = asked_at + timedelta(seconds=settings.IN_DOUBT_SECONDS)
        Invoice.objects.filter(pk=invoice.pk, status=_Status.IN_DOUBT).update(not_before=wait)
    elif attempt.http_status == 409:
        _leave_to_person(invoice, "Billit says that the key was used, but has no order of this reference.")
    else:
        _back_to_approved(invoice, attempt, now)
    return fresh(invoice)


@transaction.atomic
def post_anew(*, invoice: Invoice, by: Actor, now: datetime) -> Invoice:
    """A person who looked at Billit decides that the invoice is not there: approved again, with a new key."""
    changed = Invoice.objects.filter(pk=invoice.pk, status=_Status.IN_DOUBT, needs_person=True).update(
        status=_Status.APPROVED, key_number=invoice.key_number + 1, needs_person=False, problem="", not_before=None
    )
    if not changed:
        raise NotPossible(f"Invoice {invoice} is not one that a person has to decide on.")
    audit.record(
        firm=invoice.firm, news=[_news("invoice_approved", invoice, key=invoice.key_number + 1)], by=by, now=now
    )
    return fresh(invoice)


def read_back(*, company: Company, invoices: QuerySet[Invoice] | None = None, now: datetime) -> int:
    """Read totals, number, customer and payment of posted orders back, up to 120 a call; returns how many were read.

    Without ``invoices``: those whose totals were not read yet. Billit's figures stand as the legal ones.
    """
    waiting = Invoice.objects.filter(legal_excl__isnull=True) if invoices is None else invoices
    rows = list(waiting.filter(company=company, status=_Status.POSTED).select_related("firm").order_by("order_id"))
    if not rows:
        return 0
    api = billit_api(company)
    try:
        read = 0
        for together in _read_together(rows, by_day=invoices is None):
            part = {row.order_id: row for row in together}
            ids = [order_id for order_id in part if order_id is not None]
            for order in api.orders_between(min(ids), max(ids)):
                if order.id in part:
                    note_order(invoice=part[order.id], order=order, now=now)
                    read += 1
        return read
    finally:
        api.close()


def _read_together(rows: Sequence[Invoice], *, by_day: bool) -> Iterator[Sequence[Invoice]]:
    """Portions of at most 120, in the order of their order ids.

    ``by_day``: none spans two days of posting. An order that is gone stays unread: the range that is asked for must not
    reach from it over all that came later.
    """
    for _, day in groupby(rows, key=lambda row: row.order_date if by_day else None):
        found = list(day)
        for start in range(0, len(found), READ_BACK_AT_ONCE):
            yield found[start : start + READ_BACK_AT_ONCE]


@transaction.atomic
def note_order(*, invoice: Invoice, order: billit.OrderSummary, now: datetime) -> None:
    """Keep what Billit says of a posted order: legal totals, number, customer, payment."""
    legal = (order.total_excl, order.total_vat, order.total_incl)
    fields: dict[str, object] = {
        "legal_excl": legal[0],
        "legal_vat": legal[1],
        "legal_incl": legal[2],
        "order_number": order.number[:100] or invoice.order_number,
    }
    if invoice.legal_excl is None and legal != (invoice.total_excl, invoice.total_vat, invoice.total_incl):
        fields["attention"] = (
            f"Billit computed {legal[0]} + {legal[1]} VAT = {legal[2]}, we {invoice.total_excl} + {invoice.total_vat} "
            f"= {invoice.total_incl}. Billit's figures are the legal ones; look at the lines in Billit."
        )
    if invoice.customer_party_id is None and order.customer_id is not None:
        fields["customer_party_id"] = order.customer_id
        ordering.pin_customer(invoice, order.customer_id, now)
    if order.paid and invoice.payment != Invoice.Payment.PAID:
        fields |= {"payment": Invoice.Payment.PAID, "paid_date": order.paid_date}
        news = _news("invoice_paid", invoice, date=order.paid_date.isoformat() if order.paid_date else None)
        audit.record(firm=invoice.firm, news=[news], by=Actor("Billit", "read back"), now=now)
    Invoice.objects.filter(pk=invoice.pk).update(**fields)


def take_due(*, now: datetime) -> list[Invoice]:
    """Invoices that wait for a worker: posts that were asked for, doubts to look up, dead leases, sends asked for.

    They are not due again for the length of a lease: a tick does not enqueue anew what still waits in the queue, and
    a message that was lost heals.
    """
    lease = now - timedelta(seconds=settings.POSTING_LEASE_SECONDS)
    may = Q(not_before__isnull=True) | Q(not_before__lte=now)
    due = Invoice.objects.filter(
        Q(status=_Status.APPROVED, post_requested_at__isnull=False) & may
        | Q(status=_Status.IN_DOUBT, needs_person=False) & may
        | Q(status=_Status.POSTING, posting_since__lt=lease) & may
        | Q(status=_Status.POSTED, send_requested_at__isnull=False, delivery__in=[_Delivery.NOT_SENT]) & may
        | Q(status=_Status.POSTED, delivery=_Delivery.SENDING, sending_since__lt=lease) & may
        | Q(status=_Status.POSTED, delivery=_Delivery.IN_DOUBT) & may
    )
    found = list(due.order_by("pk").only("pk", "status", "company"))
    wait = now + timedelta(seconds=settings.POSTING_LEASE_SECONDS)
    Invoice.objects.filter(pk__in=[invoice.pk for invoice in found]).update(not_before=wait)
    return found


def unread(*, now: datetime) -> list[int]:
    """The companies (row ids) with posted invoices whose totals were not read back.

    Not for ever: an order that is not there after a week is none that a worker will find; ``reconcile`` names it.
    """
    rows = Invoice.objects.filter(
        status=_Status.POSTED, legal_excl__isnull=True, posted_at__gt=now - timedelta(days=_READ_BACK_DAYS)
    )
    return sorted(set(rows.values_list("company_id", flat=True)))


def postpone(*, invoice: Invoice, now: datetime) -> None:
    """Billit could not be asked: not at every tick again. A pause that is longer already stays."""
    wait = now + timedelta(seconds=_PAUSE)
    sooner = Q(not_before__isnull=True) | Q(not_before__lt=wait)
    Invoice.objects.filter(sooner, pk=invoice.pk).update(not_before=wait)


class _Claimed(NamedTuple):
    invoice: Invoice
    order: billit.Order
    attempt: Attempt


@transaction.atomic
def _claim(orders: Sequence[tuple[Invoice, billit.Order]], by: Actor, now: datetime) -> list[_Claimed]:
    """Those that are still approved as they were read are being posted from here on, each with a pending attempt."""
    if not orders:
        return []
    rows = Invoice.objects.filter(pk__in=[invoice.pk for invoice, _ in orders], status=_Status.APPROVED)
    free = dict(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", "key_number"))
    claimed = [
        _Claimed(invoice, order, _attempt(invoice, order, now))
        for invoice, order in orders
        if free.get(invoice.pk) == invoice.key_number
    ]
    if not claimed:
        return []
    Invoice.objects.filter(pk__in=[invoice.pk for invoice, _, _ in claimed]).update(
        status=_Status.POSTING,
        posting_since=now,
        order_date=claimed[0].order.order_date,
        not_before=None,
        attention="",
    )
    Attempt.objects.bulk_create([attempt for _, _, attempt in claimed])
    news = [
        _news("invoice_posting", invoice, key=attempt.key, body_sha256=attempt.body_hash)
        for invoice, _, attempt in claimed
    ]
    audit.record(firm=claimed[0].invoice.firm, news=news, by=by, now=now)
    return claimed


def _attempt(invoice: Invoice, order: billit.Order, now: datetime) -> Attempt:
    body = billit.encode(billit.order_body(order))
    return Attempt(
        firm_id=invoice.firm_id,
        invoice=invoice,
        intent=Attempt.Intent.POST,
        key=invoice.key,
        body=body.decode(),
        body_hash=hashlib.sha256(body).hexdigest(),
        started_at=now,
    )


@transaction.atomic
def _settle(
    answers: Sequence[tuple[Invoice, Attempt, int]], outcome: Attempt.Outcome, event: str, by: Actor, now: datetime
) -> None:
    """The orders stand at Billit. An answer that comes late settles the row all the same, whatever it fell back to."""
    open_states = [_Status.POSTING, _Status.IN_DOUBT, _Status.APPROVED, _Status.REFUSED]
    rows = Invoice.objects.filter(
        pk__in=[invoice.pk for invoice, _, _ in answers], status__in=open_states, order_id__isnull=True
    )
    still_open = set(rows.order_by("pk").select_for_update(no_key=True).values_list("pk", flat=True))
    settled = [answer for answer in answers if answer[0].pk in still_open]
    if not settled:
        return
    attempts = Attempt.objects.filter(pk__in=[attempt.pk for _, attempt, _ in settled])
    Invoice.objects.filter(pk__in=still_open).update(
        status=_Status.POSTED,
        posting_since=None,
        posted_at=now,
        order_id=Case(*(When(pk=invoice.pk, then=Value(order_id)) for invoice, _, order_id in settled)),
        accepted_body=Subquery(attempts.filter(invoice=OuterRef("pk")).values("body")),
        problem="",
        needs_person=False,
        not_before=None,
    )
    orders = Invoice.objects.filter(pk=OuterRef("invoice")).values(text=Cast("order_id", TextField()))
    attempts.update(outcome=outcome, http_status=200, answer=Subquery(orders), finished_at=now)
    firm = settled[0][0].firm
    ledger.hold_log(firm)
    ledger.invoiced(invoices=[invoice for invoice, _, _ in settled if invoice.kind == Invoice.Kind.INVOICE], now=now)
    news = []
    for invoice, attempt, order_id in settled:
        news.append(_news(event, invoice, order_id=order_id, key=attempt.key))
        if invoice.kind == Invoice.Kind.CREDIT_NOTE and invoice.about is not None:
            entries = ledger.credited(note=invoice, now=now)
            news.append(_news("invoice_credited", invoice.about, credit_note=invoice.reference, entries=entries))
    audit.record(firm=firm, news=news, by=by, now=now)


@transaction.atomic
def _refuse(invoice: Invoice, attempt: Attempt, error: ServiceError, by: Actor, now: datetime) -> None:
    reason = str(error)
    nothing_asked = {"post_requested_at": None, "send_requested_at": None}
    if not _leave(invoice, attempt, status=_Status.REFUSED, problem=reason, **nothing_asked):
        return
    status = error.status if isinstance(error, Refused) else 401
    _finish(attempt, _Outcome.REFUSED, status, reason, now)
    audit.record(firm=invoice.firm, news=[_news("invoice_refused", invoice, reason=reason)], by=by, now=now)


@transaction.atomic
def _doubt(invoice: Invoice, attempt: Attempt, reason: str, http_status: int | None, by: Actor, now: datetime) -> None:
    wait = now + timedelta(seconds=settings.IN_DOUBT_SECONDS)
    if not _leave(invoice, attempt, status=_Status.IN_DOUBT, problem=reason, not_before=wait):
        return
    _finish(attempt, _Outcome.NO_ANSWER, http_status, reason, now)
    audit.record(firm=invoice.firm, news=[_news("invoice_in_doubt", invoice, reason=reason)], by=by, now=now)


@transaction.atomic
def _give_back(
    unsent: Iterable[_Claimed], unwell: ServiceError | None, now: datetime
) -> dict[int, ServiceError | NotPossible]:
    """Surely not sent: approved as before, with the same key; after a pause when Billit itself asked for one."""
    wait = None
    if isinstance(unwell, RetryLater):
        wait = now + timedelta(seconds=_PAUSE if unwell.after is None else unwell.after)
    errors: dict[int, ServiceError | NotPossible] = {}
    for invoice, _, attempt in unsent:
        if _leave(invoice, attempt, status=_Status.APPROVED, not_before=wait):
            _finish(attempt, _Outcome.NOT_SENT, None, str(unwell or "The answers before it were slow."), now)
        if isinstance(unwell, RetryLater):
            errors[invoice.pk] = unwell
    return errors


@transaction.atomic
def _back_to_approved(invoice: Invoice, attempt: Attempt, now: datetime) -> None:
    changed = Invoice.objects.filter(pk=invoice.pk, status=_Status.IN_DOUBT).update(
        status=_Status.APPROVED, problem="", not_before=None
    )
    if changed:
        _finish(attempt, _Outcome.ABSENT, attempt.http_status, attempt.answer, now)


def _leave(invoice: Invoice, attempt: Attempt, *, status: Invoice.Status, **fields: object) -> bool:
    """From posting to another state, if it is this attempt that is under way.

    A no that comes late, to an attempt that was given up, says nothing of the one that was sent after it.
    """
    under_way = Attempt.objects.filter(pk=attempt.pk, outcome=_Outcome.PENDING)
    rows = Invoice.objects.filter(pk__in=under_way.values("invoice"), status=_Status.POSTING)
    return bool(rows.update(status=status, posting_since=None, **fields))


def _leave_to_person(invoice: Invoice, sentence: str) -> None:
    problem = f"{sentence} Look at Billit, then adopt it there by hand or post anew."
    Invoice.objects.filter(pk=invoice.pk, status=_Status.IN_DOUBT).update(needs_person=True, problem=problem)


def _finish(attempt: Attempt, outcome: Attempt.Outcome, http_status: int | None, answer: str, now: datetime) -> None:
    attempt.outcome, attempt.http_status, attempt.answer, attempt.finished_at = outcome, http_status, answer, now
    attempt.save(update_fields=["outcome", "http_status", "answer", "finished_at"])


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
) -> str:
    if deleted:
        return f"Order {deleted[0].id} of this reference was deleted in Billit."
    if len(live) > 1:
        return f"Billit has {len(live)} orders of this reference: {', '.join(str(order.id) for order in live)}."
    return f"Order {live[0].id} has this reference, but another total or customer than ours."


def _news(type: str, invoice: Invoice, **data: object) -> News:
    return News(type, f"invoice {invoice.reference}", data)


def fresh(invoice: Invoice) -> Invoice:
    """The row as it stands now, with what a step needs of its dossier and company."""
    return Invoice.objects.select_related(
        "firm", "about", "dossier__workspace__firm", "company__connection", "company__firm"
    ).get(pk=invoice.pk)
