"""Which invoices wait, and for whom: conditions that querysets, indexes and pages share."""

from __future__ import annotations

from django.db.models import Q

STUCK = Q(status__in=["refused", "in_doubt"]) | Q(status="posted", delivery__in=["failed", "refused", "in_doubt"])
"""Billit said no, or did not answer: of the order, or of its delivery."""

SEND_ASKED = Q(send_requested_at__isnull=False, delivery__in=["not_sent", "failed"])
"""Somebody wants a posted one sent: for the first time, or again after Billit refused it. A refusal clears the wish."""

WAITS = (
    Q(status="approved", post_requested_at__isnull=False)
    | Q(status="posting")
    | Q(status="in_doubt", needs_person=False)
    | Q(SEND_ASKED, status="posted")
    | Q(status="posted", delivery__in=["sending", "in_doubt"])
    | Q(replacing_since__isnull=False)
)
"""A worker or Billit has something to do about them."""

# Sent, and not there after a working day: beside whatever else a person has to look at.
_LATE = Q(delivery="sent") & ~Q(delivery_problem="")
NEEDS_PERSON = STUCK | _LATE | (~Q(attention="") & ~Q(status="void"))
"""Invoices that a person has to look at: stuck, or with something noted on them."""

UNFINISHED = (
    Q(status__in=["draft", "approved", "refused"])
    | NEEDS_PERSON
    | Q(status="posted", delivery__in=["not_sent", "sent", "refused"])
)
"""Invoices between their draft and the customer: what the first page counts, few beside those of all years."""

_MOMENTS = ("posted_at", "posting_since", "sending_since", "replacing_since", "not_before", "way_asked_at", "sent_at")
LOOKED_FOR = (
    *((f"invoice_by_{moment}", moment, Q(**{f"{moment}__isnull": False})) for moment in _MOMENTS),
    ("invoice_send_asked", "send_requested_at", SEND_ASKED),
    ("invoice_being_sent", "delivery", Q(delivery__in=["sending", "in_doubt"])),
    ("invoice_not_delivered", "firm", Q(delivery__in=["failed", "refused", "in_doubt"])),
    ("invoice_with_attention", "firm", ~Q(attention="")),
    ("invoice_delivery_problem", "firm", ~Q(delivery_problem="")),
    ("invoice_unfinished", "firm", UNFINISHED),
)
"""Name, field and condition of the partial indexes: what ticks look for among the invoices of all firms, under way or
ahead of the clock, and pages among those of one."""
