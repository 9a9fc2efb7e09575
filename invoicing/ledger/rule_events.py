"""The audit events of rules and mappings, in the one shape that they have whoever writes them (design section 9).

``rule_changed`` (subject ``dossier KEY``) and ``mapping_changed`` (the same subject) carry ``old`` and ``new``: the
whole dossier or the whole mapping before and after, in the words of the onboarding file (design section 10), as JSON
values: ids of the services, ISO days, amounts as text. ``old`` is null for what is new, ``new`` for what is gone; a
mapping is one event each, and so is a fee agreement (``agreement_changed``). So each event alone says what was in force
after it. ``rule_changed`` of a firm has the same shape (``toggbill.firms.changes``).

Events of before this shape stay as they were written: a rule by the names of its columns and only what differed, a
mapping beside its ``tag`` or ``client``, proposals of a sync together under ``proposed``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from invoicing.models import Agreement, ClientMapping, Dossier, TagMapping
from toggbill.firms.audit import News

Stated = dict[str, Any]


def rules_of(dossier: Dossier, *, clients: Iterable[int]) -> Stated:
    """The rules of a dossier, its workspace, its company and the Toggl clients that it bills among them."""
    limit = dossier.auto_limit
    return {
        "name": dossier.name,
        "workspace": dossier.workspace.remote_id,
        "company": dossier.company.party_id,
        "start": dossier.start_date.isoformat(),
        "clients": sorted(clients),
        "billable": str(dossier.billable),
        "group_by": str(dossier.group_by),
        "rounding": {
            "minutes": dossier.rounding_minutes,
            "direction": str(dossier.rounding_direction),
            "level": str(dossier.rounding_level),
            "minimum": dossier.rounding_minimum,
        },
        "schedule": _schedule_of(dossier),
        "mode": str(dossier.mode),
        "email_allowed": dossier.email_allowed,
        "annex": dossier.annex,
        "auto_limit": None if limit is None else f"{limit:.2f}",
        "no_limit": dossier.no_limit,
        "longest_hours": dossier.longest_hours,
        "four_eyes": dossier.four_eyes,
        "deviation": dossier.deviation,
        "price_decimals": dossier.price_decimals,
        "price_day": str(dossier.price_day),
        "payment_days": dossier.payment_days,
        "default_product": dossier.default_product,
        "billed_tag": dossier.billed_tag,
    }


def mapping_of(mapping: TagMapping | ClientMapping) -> Stated:
    """A mapping. ``proposed`` of a client's: its number was read in the name and pinned, no person stated it (R3)."""
    if isinstance(mapping, TagMapping):
        said: Stated = {
            "tag": mapping.tag,
            "bill": mapping.bill,
            "product": mapping.product_reference,
            "priority": mapping.priority,
        }
        said |= {} if mapping.person_remote_id is None else {"person": mapping.person_remote_id}
        return said | ({"contradicted_by": mapping.contradicted_by} if mapping.contradicted_by else {})
    return {
        "client": mapping.client_remote_id,
        "vat": mapping.number,
        "customer": mapping.customer_party_id,
        "proposed": mapping.is_proposed,
        "vat_treatment": str(mapping.treatment),
        "po": mapping.purchase_order,
        "buyer_reference": mapping.buyer_reference,
    }


def terms_of(agreement: Agreement) -> Stated:
    """A fee agreement (section 11)."""
    hours = agreement.included_hours
    return {
        "key": agreement.key,
        "title": agreement.title,
        "kind": str(agreement.kind),
        "client": agreement.client_remote_id,
        "vat": agreement.number,
        "from": agreement.start_date.isoformat(),
        "until": None if agreement.end_date is None else agreement.end_date.isoformat(),
        "products": list(agreement.products),
        "projects": list(agreement.projects),
        "product": agreement.product_reference,
        "amount": f"{agreement.amount:.2f}",
        "every": str(agreement.every),
        "in_advance": agreement.in_advance,
        "included_hours": None if hours is None else f"{hours:.2f}",
        "extra_product": agreement.extra_product,
        "part_periods": str(agreement.part_periods),
        **_advances_of(agreement),
        **_block_of(agreement),
        **_budget_of(agreement),
    }


def _advances_of(agreement: Agreement) -> Stated:
    if agreement.kind != Agreement.Kind.ADVANCE:
        return {}
    return {"plan": agreement.plan, "settle_on": agreement.settle_on}


def _block_of(agreement: Agreement) -> Stated:
    if agreement.kind != Agreement.Kind.PREPAID:
        return {}
    found = {"hours": agreement.hours, "price": agreement.price, "refill_at": agreement.refill_at}
    return {name: None if value is None else f"{value:.2f}" for name, value in found.items()}


def _budget_of(agreement: Agreement) -> Stated:
    found = {"budget_hours": agreement.budget_hours, "budget_amount": agreement.budget_amount}
    return {name: f"{value:.2f}" for name, value in found.items() if value is not None}


def rule_changed(dossier: Dossier, *, old: Stated | None, new: Stated) -> News:
    """The rules of the dossier are new (``old`` None) or others; see ``rules_of``."""
    return News("rule_changed", f"dossier {dossier.key}", {"old": old, "new": new})


def mapping_changed(dossier: Dossier, *, old: Stated | None, new: Stated | None) -> News:
    """A mapping came (``old`` None), changed or went (``new`` None); see ``mapping_of``."""
    return News("mapping_changed", f"dossier {dossier.key}", {"old": old, "new": new})


def agreement_changed(dossier: Dossier, *, old: Stated | None, new: Stated) -> News:
    """A fee agreement came (``old`` None) or has other terms, an end among them; see ``terms_of``.

    ``dropped``: the planned advances that an end takes off the plan, where it does.
    """
    until, stays = new["until"], new.get("plan", [])
    before = [] if old is None else old.get("plan", [])
    dropped = [each for each in before if until and each["day"] > until and each not in stays]
    said: dict[str, Any] = {"old": old, "new": new}
    return News("agreement_changed", f"dossier {dossier.key}", said | ({"dropped": dropped} if dropped else {}))


def _schedule_of(dossier: Dossier) -> Stated:
    every = Dossier.Every(dossier.every)
    days = {Dossier.Every.WEEKLY: "weekday", Dossier.Every.MONTHLY: "day"}
    return {"every": str(every)} | ({days[every]: dossier.day} if every in days else {})
