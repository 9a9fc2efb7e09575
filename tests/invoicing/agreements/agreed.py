"""Agreements of the small world, and what came of them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from django.utils import timezone

from invoicing.dossiers.agreements import agreements
from invoicing.drafting import blocks
from invoicing.ledger import balance
from invoicing.models import Agreement, Claim, Invoice, LedgerRow
from invoicing.rules import agreement as rules
from tests.invoicing.scene import BY, Scene, ids
from tests.worlds import GARAGE, product

PRODUCTS = [
    product(0, "ADV", "Advice"),
    product(1, "CPT", "Bookkeeping", "60.00"),
    product(2, "FIS", "Tax", "120.00"),
    product(3, "FORF", "Flat fee", "1.00"),
]
ADVANCES = [*PRODUCTS, product(4, "PROV", "Advance", "1.00")]
HOUR = 3600


def terms(**changes: Any) -> rules.Agreement:
    """The garage's: 250 euro a month in arrears as FORF, from September 2026 on."""
    stated: dict[str, Any] = {
        "key": "garage",
        "title": "Keeping the books",
        "start": date(2026, 9, 1),
        "product": "FORF",
        "amount": Decimal("250.00"),
        "client_id": GARAGE,
    }
    return rules.Agreement(**stated | changes)


def agree(books: Scene, **changes: Any) -> Agreement:
    made = agreements.agree(dossier=books.dossier, terms=terms(**changes), by=BY, now=timezone.now())
    books.sync()
    return made


def bill(invoice: Invoice) -> list[tuple[str, str, str, str]]:
    """Lines as (kind, description, quantity, amount)."""
    lines = invoice.lines.order_by("position")
    return [(line.kind, line.description, str(line.quantity), str(line.total)) for line in lines]


def totals(invoice: Invoice) -> tuple[str, str, str]:
    return str(invoice.total_excl), str(invoice.total_vat), str(invoice.total_incl)


def post_all(books: Scene) -> list[Invoice]:
    return [books.post(invoice) for invoice in books.approve()]


def covers(books: Scene) -> dict[str, list[int]]:
    """The hours (serials) on the live line of each period."""
    found: dict[str, list[int]] = {}
    claims = Claim.objects.live().covered().filter(line__released_at__isnull=True).order_by("started_at")
    for claim in claims.select_related("line"):
        assert claim.line.period is not None
        found.setdefault(f"{claim.line.period:%Y-%m}", []).append(claim.entry_remote_id - ids(0)[0])
    return found


def balanced(books: Scene) -> None:
    """Nothing does not hold in any month, and every second of Toggl is in a state."""
    for month in balance.months(dossiers=[books.dossier]):
        assert month.broken == []
    assert LedgerRow.objects.filter(firm=books.firm).count() == len(books.states())


def october(books: Scene, **changes: Any) -> Agreement:
    """The garage's, from October 2026 on."""
    return agree(books, start=date(2026, 10, 1), **changes)


def prepaid(books: Scene, **changes: Any) -> Agreement:
    """The garage's: blocks of 20 hours at 85.00."""
    stated: dict[str, Any] = {"kind": "prepaid", "amount": Decimal(0), "hours": Decimal(20), "price": Decimal("85.00")}
    return agree(books, **stated | {"product": "ADV", "title": "Prepaid advice"} | changes)


def order(agreement: Agreement) -> Invoice:
    return blocks.order_block(agreement=agreement, by=BY, now=timezone.now())


def draws() -> list[list[int]]:
    """The hours (serials) on each block, the oldest first."""
    claims = Claim.objects.live().prepaid().order_by("line__part", "started_at")
    found: dict[int, list[int]] = {}
    for claim in claims.select_related("line"):
        found.setdefault(claim.line.part, []).append(claim.entry_remote_id - ids(0)[0])
    return [found[part] for part in sorted(found)]
