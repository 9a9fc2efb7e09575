"""The figures of what persons configure, as the pages of rules and mappings show them (design D12)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from invoicing.models import ClientMapping, Dossier, TagMapping
from toggbill.firms.read import Figures

RULES = (
    "name",
    "start_date",
    "billable",
    "group_by",
    "rounding_minutes",
    "rounding_direction",
    "rounding_level",
    "rounding_minimum",
    "every",
    "day",
    "mode",
    "auto_limit",
    "no_limit",
    "longest_hours",
    "four_eyes",
    "deviation",
    "price_decimals",
    "price_day",
    "payment_days",
    "default_product",
    "email_allowed",
    "annex",
    "billed_tag",
)
"""The columns of a dossier that are its rules; its clients stand in rows of their own."""


def of_rules(dossier: Dossier, *, clients: Iterable[int]) -> Figures:
    """The rules of a dossier, and the Toggl clients that it bills by their ids (none: all of its workspace)."""
    values = {f"rule_{name}": _plain(getattr(dossier, name)) for name in RULES}
    shown = {"description": dossier.name, **values, "rule_clients": sorted(clients)}
    return Figures.of(f"rules {dossier.key}", shown)


def tag_subject(tag: str, person: int | None) -> str:
    """What the figures of a tag (its text key) are called, those of a person (Toggl id) apart."""
    return f"tag {tag}" if person is None else f"persons-tag {person} {tag}"


def of_tag(tag: str, person: int | None, row: TagMapping | None) -> Figures:
    """What a tag (its text key) leads to in a dossier, for a person (Toggl id) or for everybody; ``row``: its mapping,
    if there is one."""
    mapped = {} if row is None else {"product": row.product_reference, "bill": row.bill, "priority": row.priority}
    return Figures.of(tag_subject(tag, person), {"description": tag if row is None else row.tag, **mapped})


def of_customer(client: int, name: str, row: ClientMapping | None) -> Figures:
    """The customer of a Toggl client in a dossier; ``row``: its mapping, if there is one."""
    mapped: dict[str, Any] = {}
    if row is not None:
        mapped = {
            "customer": row.number or str(row.customer_party_id or ""),
            "treatment": str(row.treatment),
            "purchase_order": row.purchase_order,
            "buyer_reference": row.buyer_reference,
        }
    return Figures.of(f"customer {client}", {"description": name or str(client), **mapped})


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return value.isoformat() if isinstance(value, date) else value
