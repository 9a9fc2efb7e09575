"""A change of what judges the entries of a dossier: its rules and its mappings (design R1 to R10, sections 6 and 9).

Whoever changes one (admin, onboarding, a page) saves the row and calls the verb in the same transaction: the audit log
then holds old and new, and the entries of the dossier's workspace are marked, so that `ledger` re-derives their state.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.models import Entry
from invoicing.models import ClientMapping, Dossier, TagMapping
from invoicing.rules import schedule
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News


def rule_changed(
    *, dossier: Dossier, old: dict[str, Any] | None, new: dict[str, Any] | None, by: Actor, now: datetime
) -> None:
    """A rule of the dossier changed (`old` None: the dossier is new): audited, and its entries are to be judged again.

    `old` and `new` hold JSON values, see `rules_of`. Equal ones are no change: nothing happens."""
    _changed("rule_changed", dossier, old, new, by, now)


def mapping_changed(
    *, dossier: Dossier, old: dict[str, Any] | None, new: dict[str, Any] | None, by: Actor, now: datetime
) -> None:
    """A tag or client mapping came (`old` None), changed or went (`new` None); the rest as in `rule_changed`.

    See `mapping_of` for what `old` and `new` hold."""
    _changed("mapping_changed", dossier, old, new, by, now)


def rules_of(dossier: Dossier) -> dict[str, Any]:
    """The rules of a dossier as JSON values, for the audit log: services' ids, ISO dates, amounts as text."""
    limit = dossier.auto_limit
    return {
        "name": dossier.name,
        "workspace": dossier.workspace.remote_id,
        "company": dossier.company.party_id,
        "start": dossier.start_date.isoformat(),
        "clients": sorted(dossier.named_clients.values_list("client_remote_id", flat=True)),
        "billable": str(dossier.billable),
        "group_by": str(dossier.group_by),
        "rounding": {
            "minutes": dossier.rounding_minutes,
            "direction": str(dossier.rounding_direction),
            "level": str(dossier.rounding_level),
            "minimum": dossier.rounding_minimum,
        },
        "schedule": {"every": str(dossier.every), "day": dossier.day},
        "mode": str(dossier.mode),
        "email_allowed": dossier.email_allowed,
        "auto_limit": None if limit is None else f"{limit:.2f}",
        "price_decimals": dossier.price_decimals,
        "payment_days": dossier.payment_days,
        "default_product": dossier.default_product,
    }


def mapping_of(mapping: TagMapping | ClientMapping) -> dict[str, Any]:
    """A mapping as JSON values, for the audit log, in the words of the onboarding file (design section 10)."""
    if isinstance(mapping, TagMapping):
        return {
            "tag": mapping.tag,
            "bill": mapping.bill,
            "product": mapping.product_reference,
            "priority": mapping.priority,
        }
    return {
        "client": mapping.client_remote_id,
        "vat": mapping.number,
        "customer": mapping.customer_party_id,
        "vat_treatment": str(mapping.treatment),
        "po": mapping.purchase_order,
        "buyer_reference": mapping.buyer_reference,
    }


def due_at(*, dossier: Dossier, now: datetime) -> datetime | None:
    """When the next scheduled run is due: the start, in UTC, of the next scheduled local day; None by hand (R9).

    Raises ValueError when the day does not fit the schedule."""
    zone = dossier.firm.zone
    plan = schedule.Schedule(str(dossier.every), dossier.day)
    day = schedule.next_due(plan, now.astimezone(zone).date())
    return None if day is None else schedule.starts_at(day, zone)


@transaction.atomic
def _changed(
    kind: str, dossier: Dossier, old: dict[str, Any] | None, new: dict[str, Any] | None, by: Actor, now: datetime
) -> None:
    if old == new:
        return
    Entry.objects.filter(workspace=dossier.workspace_id).update(marked_at=now)
    # A dossier that moved to another workspace leaves entries behind in its books.
    Entry.objects.filter(ledger_row__dossier=dossier).exclude(workspace=dossier.workspace_id).update(marked_at=now)
    news = News(kind, f"dossier {dossier.key}", {"old": old, "new": new})
    audit.record(firm=dossier.firm, news=[news], by=by, now=now)
