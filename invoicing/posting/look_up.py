"""What Billit has of several references, in as few calls as may be trusted (design section 7).

One filter asks for many references. Its rows may lack the field, so they cannot always be told apart; and that it finds
nothing counts only if the filter did what it says. So each one also asks for an order that is known to be there, where
there is one: without it in the answer, and wherever rows cannot be told apart, each reference is asked for alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from integrations.clients.billit import REFERENCES_AT_ONCE, Api, OrderSummary
from integrations.clients.http.transport import Refused
from integrations.models import Company
from invoicing.models import Invoice


class Found(NamedTuple):
    """The orders of one reference: those that stand, and the deleted ones."""

    live: list[OrderSummary]
    deleted: list[OrderSummary]


def look_up(*, company: Company, references: Sequence[str], api: Api) -> dict[str, Found]:
    """What Billit has of each reference. Raises the client's ``ServiceError`` when it cannot be asked."""
    if len(references) == 1:
        return {reference: _alone(api, reference) for reference in references}
    known = _known(company)
    found: dict[str, Found] = {}
    for part in _parts(references, REFERENCES_AT_ONCE - len(known)):
        found |= _together(api, part, known)
    return found


def _parts(references: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(references), size):
        yield references[start : start + size]


def _known(company: Company) -> dict[str, int]:
    """An order of the company that Billit is known to have, by its reference; empty before there is one."""
    latest = Invoice.objects.read_back().filter(company=company).order_by("-order_id").first()
    return {} if latest is None or latest.order_id is None else {latest.reference: latest.order_id}


def _together(api: Api, references: Sequence[str], known: dict[str, int]) -> dict[str, Found]:
    asked = [*references, *known]
    try:
        live = api.orders_with(asked)
        if not {order.id for order in live}.issuperset(known.values()):
            return {reference: _alone(api, reference) for reference in references}
        deleted = api.orders_with(asked, deleted=True)
    except Refused:
        # A filter of many is too long for it, or none that it takes.
        return {reference: _alone(api, reference) for reference in references}
    ours = [order for order in live if order.id not in known.values()]
    if any(order.external_id not in references for order in (*ours, *deleted)):
        return {reference: _alone(api, reference) for reference in references}
    return {
        reference: Found(
            [order for order in ours if order.external_id == reference],
            [order for order in deleted if order.external_id == reference],
        )
        for reference in references
    }


def _alone(api: Api, reference: str) -> Found:
    return Found(api.find_orders(reference), api.find_deleted_orders(reference))
