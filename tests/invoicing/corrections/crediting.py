"""A sent invoice whose entries are credited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils import timezone

from invoicing.corrections import decide
from invoicing.models import Claim, Invoice
from invoicing.posting import post as posting
from tests.invoicing.after_billing import (
    the,
)
from tests.invoicing.scene import BY, Scene

Make = Callable[..., Scene]


QUARTER: dict[str, Any] = {"minutes": 15, "direction": "up", "minimum": 0}


def sent(books: Scene) -> Invoice:
    """The only invoice, posted, read back and delivered."""
    invoice = books.posted()
    books.read_back()
    return books.send(posting.fresh(invoice))


def credit(*serials: int, rebill: bool = True) -> Invoice:
    return decide.credit(entries=[the(serial) for serial in serials], rebill=rebill, by=BY, now=timezone.now())


def post(books: Scene, note: Invoice) -> Invoice:
    return books.post(books.approve(note)[0])


def live(invoice: Invoice) -> list[int]:
    """The Toggl ids of the entries that an invoice still bills."""
    rows = Claim.objects.filter(line__invoice=invoice, released_at__isnull=True).exclude(kind="credit")
    return sorted(rows.values_list("entry__remote_id", flat=True))
