"""What people decide in the soak, by the verbs that their pages call."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

from django.utils import timezone

from integrations.clients.http.transport import ServiceError
from integrations.sandbox.remote import Remote
from invoicing.corrections import decide, replace
from invoicing.drafting import runs, settlement
from invoicing.drafting.blocks import order_block
from invoicing.due import posts
from invoicing.ledger.agreements import blocks
from invoicing.models import Agreement, Correction, Invoice
from invoicing.posting import recover
from toggbill.firms.audit import Actor, Authority
from toggbill.firms.errors import NotPossible

BY = Actor("owner@example.com", "page", Authority.COMMAND)
_STATUS = Invoice.Status


def drop_draft() -> None:
    """One that has not been posted."""
    waiting = Invoice.objects.filter(status__in=[_STATUS.DRAFT, _STATUS.APPROVED, _STATUS.REFUSED])
    invoice = waiting.order_by("?").first()
    if invoice is not None:
        with suppress(NotPossible):
            runs.void(invoice=invoice, by=BY, now=timezone.now())


def go_on_with_invoices(control: Remote) -> None:
    """What is left to a person: a look at Billit, posting anew what is not there, approving, having it posted."""
    now = timezone.now()
    doubtful = list(Invoice.objects.filter(status=_STATUS.IN_DOUBT, needs_person=True))
    there = {order["ExternalProviderID"] for order in control.orders()} if doubtful else set()
    for invoice in doubtful:
        if invoice.reference not in there:
            with suppress(NotPossible, ServiceError):
                recover.post_anew(invoice=invoice, by=BY, now=now)
        else:
            # The order came after the look-up: the next look-up finds it.
            Invoice.objects.filter(pk=invoice.pk, status=_STATUS.IN_DOUBT).update(needs_person=False)
    for invoice in Invoice.objects.filter(status__in=[_STATUS.REFUSED, _STATUS.DRAFT]):
        with suppress(NotPossible):
            runs.approve(invoice=invoice, by=BY, now=now)
    for invoice in Invoice.objects.filter(status=_STATUS.APPROVED, post_requested_at__isnull=True):
        with suppress(NotPossible):  # a worker that posts it was faster
            posts.request(invoice=invoice, send=False, by=BY, now=now)


def decide_correction(die: random.Random) -> None:
    """A billed entry changed in Toggl: a person leaves it, bills the difference, or replaces the unsent order."""
    open_ones = Correction.objects.filter(decision=Correction.Decision.OPEN).select_related("entry", "invoice")
    correction = open_ones.order_by("?").first()
    if correction is not None:
        verbs: list[Callable[..., object]] = [decide.accept, decide.bill_next, replace.replace]
        verb = die.choice(verbs)
        with suppress(NotPossible, ServiceError):
            verb(correction=correction, by=BY, now=timezone.now())
    for invoice in replace.due_replacements(now=timezone.now()):
        with suppress(ServiceError):
            replace.recover_replacement(invoice=invoice, by=BY, now=timezone.now())


def order_next_block() -> None:
    """Of prepaid hours, where none waits and few are left."""
    agreement = Agreement.objects.filter(kind=Agreement.Kind.PREPAID).order_by("?").first()
    if agreement is not None and blocks.left(agreement) <= 0:
        with suppress(NotPossible):
            order_block(agreement=agreement, by=BY, now=timezone.now())


def settle_advances(die: random.Random) -> None:
    """A person settles a customer's hours on account, up to some day."""
    agreement = Agreement.objects.filter(kind=Agreement.Kind.ADVANCE).order_by("?").first()
    if agreement is not None:
        day = timezone.localdate() - timedelta(days=die.randint(2, 12))
        with suppress(NotPossible):
            settlement.settle(agreement=agreement, through=day, by=BY, now=timezone.now())


def pay_order(control: Remote) -> None:
    """A customer pays an order, which Billit tells by a webhook."""
    unpaid = Invoice.objects.posted().filter(payment=Invoice.Payment.OPEN, replacing_since__isnull=True)
    invoice = unpaid.exclude(order_id=None).order_by("?").first()
    if invoice is not None:
        day = timezone.localdate().isoformat()
        control.change_order(int(invoice.order_id or 0), Paid=True, PaidDate=f"{day}T00:00:00")
