"""What became at Billit of orders that were brought in (sections 5 and 11, D13): deleted, gone, credited or changed.

What a person has to decide on is kept as a finding of the agreement's dossier; while one stands nothing is deducted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.clients import billit, billit_rows
from integrations.clients.http.failures import Message
from integrations.clients.http.transport import Refused
from invoicing.ledger.agreements.brought import IN_QUESTION, findings_on
from invoicing.models import BroughtOrder, Dossier, Drift, Invoice
from invoicing.models.problems import Code
from invoicing.posting.read_first import Difference, Place, Seen
from toggbill.firms.locks import lock_firm, lock_rows

_Kind = Drift.Kind


def of_invoice(invoice: Invoice) -> list[BroughtOrder]:
    """Those that an invoice deducts."""
    rows = BroughtOrder.objects.filter(deductions__line__invoice=invoice, deductions__released_at=None)
    return list(rows.select_related("agreement").distinct().order_by("pk"))


def read(*, rows: Sequence[BroughtOrder], api: billit.Api) -> list[tuple[BroughtOrder, Seen]]:
    """How Billit has the orders, of one company, many a call. Raises ``ServiceError``."""
    found: list[tuple[BroughtOrder, Seen]] = []
    for start in range(0, len(rows), billit.REFERENCES_AT_ONCE):
        part = rows[start : start + billit.REFERENCES_AT_ONCE]
        listed = {each.id: each for each in api.orders_by_id([row.order_id for row in part])} if len(part) > 1 else {}
        found += [(row, _seen(row, listed.get(row.order_id), api)) for row in part]
    return found


def _seen(row: BroughtOrder, listed: billit.OrderSummary | None, api: billit.Api) -> Seen:
    if listed is not None and not listed.lacks & billit_rows.STATE and listed.status:
        return Seen(Place.STANDS, listed)
    try:
        return Seen(Place.STANDS, api.order(row.order_id))
    except Refused:
        # So Billit answers for an id that is gone (Billit docs: 401).
        deleted = any(each.id == row.order_id for each in api.orders_by_id([row.order_id], deleted=True))
        return Seen(Place.DELETED if deleted else Place.NOWHERE)


def differences(row: BroughtOrder, seen: Seen) -> Iterator[Difference]:
    """What a person has to decide on before anything is deducted of it, one at most."""
    said: dict[str, Any] = {"invoice": str(row), "agreement": row.agreement.key}
    order = seen.order
    if order is None:
        yield Difference(_Kind.ORDER_DELETED if seen.place == Place.DELETED else _Kind.ORDER_MISSING, said)
    elif order.is_undone:
        yield Difference(_Kind.ORDER_CHANGED, said | {"credited": True})
    elif (order.total_excl, order.total_vat) != (row.total_excl, row.total_vat):
        amounts = [f"{order.total_incl:.2f}", f"{row.total_incl:.2f}"]
        yield Difference(_Kind.ORDER_CHANGED, said | {"amounts": amounts})


@transaction.atomic
def take_over(*, seen: Sequence[tuple[BroughtOrder, Seen]], now: datetime) -> None:
    """Keep what was found of orders of one firm, and close what is gone. Safe at the same time by two."""
    if not seen:
        return
    lock_firm(seen[0][0].firm)
    dossiers = {row.agreement.dossier_id for row, _ in seen}
    # Another comparison may write the same findings.
    lock_rows(Dossier.objects.filter(pk__in=dossiers))
    abouts = {Drift.about_of(order_id=row.order_id) for row, _ in seen}
    rows = Drift.objects.standing().filter(dossier__in=dossiers, about__in=abouts, kind__in=IN_QUESTION)
    standing = {(drift.about, drift.kind): drift for drift in rows}
    for row, state in seen:
        about = Drift.about_of(order_id=row.order_id)
        for kind, facts in differences(row, state):
            drift = standing.pop((about, kind), None)
            if drift is None:
                Drift.objects.create(
                    firm_id=row.firm_id,
                    dossier_id=row.agreement.dossier_id,
                    kind=kind,
                    order_id=row.order_id,
                    about=about,
                    facts=facts,
                    first_seen_at=now,
                    last_seen_at=now,
                )
            else:
                changed = {} if drift.facts == facts else Drift.NOT_ACKNOWLEDGED
                Drift.objects.filter(pk=drift.pk).update(facts=facts, last_seen_at=now, **changed)
    gone = Drift.objects.filter(pk__in=[drift.pk for drift in standing.values()], first_seen_at__lte=now)
    gone.update(gone_at=now)


def hindrance(invoice: Invoice) -> Message | None:
    """Why an invoice that deducts brought-in orders is not posted, as far as the rows tell; None: nothing is."""
    rows = of_invoice(invoice)
    findings = findings_on(rows) if rows else {}
    row = next((row for row in rows if row.pk in findings), None)
    if row is None:
        return None
    said = {"order": row.order_id, "invoice": str(row), "agreement": row.agreement.key}
    return Message(Code.BROUGHT_IN_QUESTION, said)
