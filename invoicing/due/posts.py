"""What workers do with invoices that wait for Billit: what is due, what is worked off together, what is put off."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, Value, When, Window
from django.db.models.functions import RowNumber
from django.utils.translation import gettext

from integrations.clients.http.transport import ServiceError
from integrations.connections.pacing import turns
from integrations.connections.stopping import Stopping
from invoicing.annexes.freeze import lacking
from invoicing.deciding import figures, guards, rights
from invoicing.models import Invoice
from invoicing.models.invoices.invoice import InvoiceQuerySet
from invoicing.models.invoices.waiting import SEND_ASKED
from invoicing.models.problems import words
from invoicing.posting import post, read_first, recover
from invoicing.posting.sending import send
from toggbill.firms import audit
from toggbill.firms.access import NotAllowed
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm, lock_rows
from toggbill.firms.read import Read, check

_Status = Invoice.Status
_Delivery = Invoice.Delivery
TOGETHER = 80
"""Invoices that one worker posts one after the other: as many as share the wait for the firm's log."""


@transaction.atomic
def request(*, invoice: Invoice, send: bool, by: Actor, now: datetime, read: Read | None = None) -> None:
    """Ask the workers to post an approved invoice (and to send it): the wish stands in the row and cannot be lost.

    Raises ``audit.Closed``: nobody would fulfil it for a firm that left; ``NotPossible``, ``NotAllowed``, ``Changed``
    and ``Unread``.
    """
    row = _to_ask(invoice, ["post", "send"] if send else ["post"], by, read)
    if row.status not in (_Status.APPROVED, _Status.IN_DOUBT):
        raise NotPossible(gettext("Only an approved invoice can be posted."))
    asked: dict[str, Any] = {"post_requested_at": now, "post_requested_by": by.name}
    if send:
        asked |= _send_asked(by, now)
    Invoice.objects.filter(pk=row.pk).update(**asked)


def request_send(*, invoice: Invoice, by: Actor, now: datetime, read: Read | None = None) -> None:
    """Ask the workers to send a posted invoice that was not sent yet. Raises as ``request``."""
    request_sends(invoices=[invoice], by=by, now=now, read=read)


@transaction.atomic
def request_sends(*, invoices: Sequence[Invoice], by: Actor, now: datetime, read: Read | None = None) -> None:
    """The same for several of one firm, all or none. ``read``: way, receiver and amount of each, as they were read.

    By the way that was read they are sent, and by no other (``posting.way``).
    """
    firm = invoices[0].firm
    audit.check_open(firm)
    lock_firm(firm)
    lock_rows(Invoice.objects.filter(firm=firm, pk__in=[invoice.pk for invoice in invoices]))
    rows = [post.fresh(invoice) for invoice in invoices]
    for row in rows:
        rights.demand(by, "send", row.dossier)
        guards.demand_other_eyes(by, row)
    check(read, lambda: [figures.of_sending(row) for row in rows], by=by)
    for row in rows:
        if row.status != _Status.POSTED or row.delivery not in (_Delivery.NOT_SENT, _Delivery.FAILED):
            raise NotPossible(gettext("Only a posted invoice that was not sent yet can be sent."))
        if (why := read_first.hindrance(row)) is not None:
            raise NotPossible(words(why))
    ids = [row.pk for row in rows]
    Invoice.objects.filter(pk__in=ids).update(**_send_asked(by, now))


def _send_asked(by: Actor, now: datetime) -> dict[str, Any]:
    return {"send_requested_at": now, "send_requested_by": by.name, "send_requested_by_user": by.user}


def _to_ask(invoice: Invoice, rights_needed: Sequence[str], by: Actor, read: Read | None) -> Invoice:
    """The row, locked as it was read, of a firm that did not leave."""
    audit.check_open(invoice.firm)
    lock_firm(invoice.firm)
    lock_rows(Invoice.objects.filter(pk=invoice.pk))
    row = post.fresh(invoice)
    for right in rights_needed:
        rights.demand(by, right, row.dossier)
    if "send" in rights_needed:
        guards.demand_other_eyes(by, row)
    check(read, lambda: [figures.of_invoice(row)], by=by)
    return row


def work_off(*, invoices: Sequence[Invoice], by: Actor, now: datetime) -> None:
    """A worker's turn with invoices of one company: doubts are looked up, then what is approved is posted.

    What Billit could not be asked for is left alone for a while; what a process that ends did not do is due at once.
    Safe twice, and at the same time by two.
    """
    # An approved one has nothing to look up: the most frequent case goes straight on.
    doubts = [invoice for invoice in invoices if invoice.status != _Status.APPROVED]
    late: dict[int, ServiceError | NotPossible] = {}
    if doubts:
        late |= recover.recover_together(invoices=doubts, by=by, now=now)
    late |= post.post_together(invoices=invoices, by=by, now=now, background=True)
    for invoice in invoices:
        if invoice.pk in late:
            put_off(invoice=invoice, why=late[invoice.pk], now=now)


def send_off(*, invoices: Sequence[Invoice], by: Actor, now: datetime) -> None:
    """A worker's turn with posted invoices of one company: doubts are looked up, and what was asked for is sent."""
    rows = {invoice.pk: invoice for invoice in invoices}
    for pk, why in send.send_together(invoices=invoices, by=by, now=now, background=True).items():
        put_off(invoice=rows[pk], why=why, now=now)


def portions(invoices: Iterable[Invoice]) -> Iterator[list[Invoice]]:
    """What is worked off together: at most so many, of one company."""
    by_company: defaultdict[int, list[Invoice]] = defaultdict(list)
    for invoice in invoices:
        by_company[invoice.company_id].append(invoice)
    for rows in by_company.values():
        for start in range(0, len(rows), TOGETHER):
            yield rows[start : start + TOGETHER]


def first_portions(invoices: Iterable[Invoice]) -> list[list[Invoice]]:
    """Of each company what is worked off first; the rows ask for the rest, which follows as a turn ends."""
    found: dict[int, list[Invoice]] = {}
    for part in portions(invoices):
        found.setdefault(part[0].company_id, part)
    return list(found.values())


def take_due(*, now: datetime, beside: Sequence[int] | None = None, lane: turns.Lane | None = None) -> list[Invoice]:
    """Invoices that wait for a worker: posts that were asked for, doubts to look up, dead leases, sends asked for.

    They are not due again for the length of a lease: a tick does not enqueue anew what still waits in the queue, and
    a message that was lost heals. One whose annex is still to be made is due once it is there.

    Of a connection no more are taken than have a turn (``turns``), posts and sends apart: what a person asked for
    first, then what was not tried yet; its companies take turns. ``beside``: of the connections of these invoices
    (row ids), of which a turn has ended; ``lane``: posts, or sends, alone.
    """
    lease = timedelta(seconds=settings.POSTING_LEASE_SECONDS)
    due = _due(now, now - lease)
    if beside is not None:
        due = due.filter(company__connection__in=Invoice.objects.filter(pk__in=beside).values("company__connection"))
    if lane is not None:
        due = due.posted() if lane == turns.Lane.SEND else due.exclude(status=_Status.POSTED)
    return _take(_chosen(due), now, lease)


@transaction.atomic
def _take(chosen: Sequence[int], now: datetime, lease: timedelta) -> list[Invoice]:
    """Those of the chosen (row ids) that are due still, in that order: another process may have taken some."""
    rows = _due(now, now - lease).filter(pk__in=chosen).order_by("pk").only("pk", "status", "company")
    found = {row.pk: row for row in rows.select_for_update(no_key=True, of=("self",))}
    Invoice.objects.filter(pk__in=found).update(not_before=now + lease)
    return [found[pk] for pk in chosen if pk in found]


def _due(now: datetime, lease: datetime) -> InvoiceQuerySet:
    may = Q(not_before__isnull=True) | Q(not_before__lte=now)
    awaits_annex = Q(pk__in=lacking().values("pk"))
    return Invoice.objects.filter(
        Q(status=_Status.APPROVED, post_requested_at__isnull=False) & may & ~awaits_annex
        | Q(status=_Status.IN_DOUBT, needs_person=False) & may
        | Q(status=_Status.POSTING, posting_since__lt=lease) & may
        | Q(SEND_ASKED, status=_Status.POSTED) & may
        | Q(status=_Status.POSTED, delivery=_Delivery.SENDING, sending_since__lt=lease) & may
        | Q(status=_Status.POSTED, delivery=_Delivery.IN_DOUBT) & may
    )


_IS_SEND = Case(When(status=_Status.POSTED, then=Value(True)), default=Value(False))
_BY_SCHEDULE = Case(
    When(status=_Status.POSTED, send_requested_by=Actor.schedule().name, then=Value(1)),
    When(~Q(status=_Status.POSTED), post_requested_by=Actor.schedule().name, then=Value(1)),
    default=Value(0),
)
_ORDER = (F("by_schedule").asc(), F("not_before").asc(nulls_first=True), F("pk").asc())
_Lane = tuple[turns.Lane, int, int]
"""A lane with its connection and firm (row ids)."""


def _chosen(due: InvoiceQuerySet) -> list[int]:
    """Row ids in the order in which they go to the workers. Of a company no more are read than may be taken."""
    place = Window(RowNumber(), partition_by=[F("company"), F("is_send")], order_by=_ORDER)
    rows = due.annotate(is_send=_IS_SEND, by_schedule=_BY_SCHEDULE).annotate(place=place)
    rows = rows.filter(place__lte=TOGETHER * settings.POSTS_AT_ONCE).order_by("by_schedule", "place", "pk")
    waiting: dict[_Lane, dict[int, list[int]]] = {}
    urgent: dict[tuple[_Lane, int], int] = {}
    for pk, is_send, company, connection, firm, by_schedule in rows.values_list(
        "pk", "is_send", "company", "company__connection", "firm", "by_schedule"
    ):
        lane = (turns.Lane.SEND if is_send else turns.Lane.POST, connection, firm)
        waiting.setdefault(lane, {}).setdefault(company, []).append(pk)
        urgent.setdefault((lane, company), by_schedule)
    chosen: list[int] = []
    of_firm: Counter[tuple[turns.Lane, int]] = Counter()
    for lane, companies in waiting.items():
        name, connection, firm = lane
        room = turns.free(name, connection=connection, firm=firm, besides=of_firm[name, firm])
        order = turns.after_latest(name, connection=connection, of=companies)
        order.sort(key=lambda company: urgent[lane, company])
        longest = max(map(len, companies.values()))
        parts = [(company, start) for start in range(0, longest, TOGETHER) for company in order]
        for company, start in [(of, start) for of, start in parts if companies[of][start:]][:room]:
            turns.note_latest(name, connection=connection, company=company)
            of_firm[name, firm] += 1
            chosen += companies[company][start : start + TOGETHER]
    return chosen


def put_off(*, invoice: Invoice, why: ServiceError | NotPossible | NotAllowed, now: datetime) -> None:
    """Not at every tick again; but what only the end of this process hindered is due at once, for another one."""
    if isinstance(why, Stopping):
        Invoice.objects.filter(pk=invoice.pk, not_before__gt=now).update(not_before=now)
    else:
        postpone(invoice=invoice, now=now)


def postpone(*, invoice: Invoice, now: datetime) -> None:
    """Billit could not be asked: not at every tick again. A pause that is longer already stays."""
    wait = now + timedelta(seconds=post.PAUSE)
    sooner = Q(not_before__isnull=True) | Q(not_before__lt=wait)
    Invoice.objects.filter(sooner, pk=invoice.pk).update(not_before=wait)
