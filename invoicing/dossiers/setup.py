"""Setting up what a firm bills: the firm itself, its dossiers with their rules, and their mappings.

Every verb compares with what stands, writes only what differs, and leaves one audit event per thing that changed, with
old and new (design section 9); asked twice, it does nothing the second time. What a change may alter in the books is
marked on the mirrored entries, and whoever calls lets the ledger re-derive them (design section 6).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Min

from integrations.models import Company, Connection, Entry, Workspace
from invoicing.models import ClientMapping, Dossier, DossierClient, TagMapping
from invoicing.rules.mapping import ClientRule, TagRule, tag_key
from invoicing.rules.rating import Rounding
from invoicing.rules.schedule import Schedule, next_due, starts_at
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.changes import Amended, Outcome, amend, plain
from toggbill.firms.models import Firm


class Locked(Exception):
    """The dossier has invoiced, so its workspace, company or start stays (design section 10); says which."""


@dataclass(frozen=True, slots=True)
class DossierRules:
    """The rules of one dossier (design section 5) as a person states them; what is not stated is the default.

    ``clients``: Toggl client ids that the dossier bills, empty for all of its workspace (R1). ``auto_limit``: euro
    excluding VAT, None for no limit (R9). ``payment_days``: days from the invoice date (R10).
    """

    key: str
    name: str
    start: date
    clients: frozenset[int] = frozenset()
    billable: str = Dossier.Billable.ALL.value
    group_by: str = Dossier.GroupBy.PRODUCT.value
    rounding: Rounding = field(default_factory=Rounding)
    schedule: Schedule = field(default_factory=lambda: Schedule("manual"))
    mode: str = Dossier.Mode.REVIEW.value
    auto_limit: Decimal | None = None
    price_decimals: int = 2
    payment_days: int = 30
    default_product: str = ""


@dataclass(frozen=True, slots=True)
class StandingDossier:
    """A dossier that stands: its remote ids, the keys of its connections, and whether it has invoiced."""

    toggl: str
    workspace: int
    billit: str
    company: int
    start: date
    clients: frozenset[int]
    has_invoiced: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What a firm has already, as far as a new setting must fit to it. Empty for a firm that is not there yet."""

    toggl: frozenset[str] = frozenset()
    billit: frozenset[str] = frozenset()
    dossiers: Mapping[str, StandingDossier] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pairing:
    """A workspace and the company that bills it, with the rules: what becomes a dossier."""

    workspace: Workspace
    company: Company
    rules: DossierRules


def standing(slug: str) -> Standing:
    """What the firm of this short name has."""
    keys: dict[str, set[str]] = {"toggl": set(), "billit": set()}
    # A removed one has no secret left: a file that names it brings one, as for a new one.
    connections = Connection.objects.standing().filter(firm__slug=slug)
    for service, key in connections.values_list("service", "key"):
        keys[service].add(key)
    dossiers = (
        Dossier.objects.filter(firm__slug=slug)
        .select_related("workspace__connection", "company__connection")
        .defer("workspace__connection__secret", "company__connection__secret")
        .prefetch_related("named_clients")
    )
    return Standing(
        toggl=frozenset(keys["toggl"]),
        billit=frozenset(keys["billit"]),
        dossiers={
            row.key: StandingDossier(
                toggl=row.workspace.connection.key,
                workspace=row.workspace.remote_id,
                billit=row.company.connection.key,
                company=row.company.party_id,
                start=row.start_date,
                clients=frozenset(named.client_remote_id for named in row.named_clients.all()),
                has_invoiced=_has_invoiced(row),
            )
            for row in dossiers
        },
    )


@transaction.atomic
def set_up_firm(
    *, slug: str, name: str, timezone: str, language: str, by: Actor, now: datetime
) -> tuple[Firm, Outcome]:
    """Make a firm, or change its name, time zone or language.

    Another time zone moves days and cut-offs (R8): all entries are marked, and runs that lie ahead keep their day.
    """
    values = {"name": name, "timezone": timezone, "language": language}
    firm, is_new = Firm.objects.select_for_update().get_or_create(slug=slug, defaults=values)
    if is_new:
        return firm, "created"
    old_zone = firm.zone
    changed = amend(firm, values)
    if not changed:
        return firm, "unchanged"
    if "timezone" in changed.new:
        for dossier in Dossier.objects.for_firm(firm).filter(due_at__gt=now):
            if dossier.due_at is not None:
                amend(dossier, {"due_at": starts_at(dossier.due_at.astimezone(old_zone).date(), firm.zone)})
        Entry.objects.for_firm(firm).update(marked_at=now)
    news = News("rule_changed", f"firm {slug}", {"old": changed.old, "new": changed.new})
    record(firm=firm, news=[news], by=by, now=now)
    return firm, "updated"


@transaction.atomic
def set_up_dossiers(
    *, firm: Firm, pairings: Iterable[Pairing], by: Actor, now: datetime
) -> list[tuple[Dossier, Outcome]]:
    """Make dossiers, or bring them to these rules, their sets of clients among them; mappings are left alone.

    All at once, so that a client may move from one to another. Raises Locked when a dossier has an invoice that is not
    void and its workspace, company or start would change, and IntegrityError when two sets of clients overlap (R1).
    """
    pairings = list(pairings)
    rows = {row.key: row for row in Dossier.objects.for_firm(firm).select_related("workspace", "company")}
    results: list[tuple[Dossier, Outcome]] = []
    news: list[News] = []
    touched: set[int] = set()
    for pairing in pairings:
        row = rows.get(pairing.rules.key)
        if row is None:
            row = _make(firm, pairing, now)
            results.append((row, "created"))
            news.append(_rule_news(row, None, _shown(row, pairing.rules, pairing.rules.clients)))
        else:
            old_workspace, old = row.workspace_id, _shown(row, pairing.rules, _clients(row))
            _change(row, firm, pairing, now)
            new = _shown(row, pairing.rules, pairing.rules.clients)
            differ = [name for name in new if old[name] != new[name]]
            results.append((row, "updated" if differ else "unchanged"))
            if not differ:
                continue
            # The sets are taken away here and given below, so that no order of the dossiers makes them overlap.
            row.named_clients.all().delete()
            news.append(_rule_news(row, {name: old[name] for name in differ}, {name: new[name] for name in differ}))
            touched.add(old_workspace)
        touched.add(row.workspace_id)
    for pairing, (row, outcome) in zip(pairings, results, strict=True):
        if outcome != "unchanged":
            DossierClient.objects.bulk_create(
                DossierClient(firm=firm, dossier=row, workspace=row.workspace, client_remote_id=client)
                for client in sorted(pairing.rules.clients)
            )
    for workspace in Workspace.objects.filter(pk__in=touched):
        _open_books(workspace, now)
    Entry.objects.for_firm(firm).filter(workspace__in=touched).update(marked_at=now)
    record(firm=firm, news=news, by=by, now=now)
    return results


@transaction.atomic
def map_tags(*, dossier: Dossier, rules: Iterable[TagRule], by: Actor, now: datetime) -> Counter[Outcome]:
    """Write tag mappings (R2, R4), one per tag as ``tag_key`` compares them; those that are not named stay."""
    rows = {row.tag_key: row for row in dossier.tag_mappings.all()}
    outcomes: Counter[Outcome] = Counter()
    news = []
    for rule in rules:
        key = tag_key(rule.tag)
        values = {
            "tag": rule.tag.strip(),
            "bill": rule.bill,
            "product_reference": rule.product.strip(),
            "priority": rule.priority,
        }
        row = rows.get(key)
        changed = amend(row, values) if row is not None else Amended(old={}, new=values)
        if row is None:
            rows[key] = TagMapping.objects.create(firm_id=dossier.firm_id, dossier=dossier, tag_key=key, **values)
        outcomes["created" if row is None else "updated" if changed else "unchanged"] += 1
        if changed:
            news.append(_mapping_news(dossier, {"tag": rule.tag.strip()}, row is None, changed))
    _mapped(dossier, news, by, now)
    return outcomes


@transaction.atomic
def map_clients(*, dossier: Dossier, rules: Iterable[ClientRule], by: Actor, now: datetime) -> Counter[Outcome]:
    """Write client mappings (R3, R6, R10), one per Toggl client; those that are not named stay.

    ``proposed`` of a rule does not count: what a person states is not proposed. A rule that leaves the customer to the
    name keeps the number that a sync has read there and pinned.
    """
    rows = {row.client_remote_id: row for row in dossier.client_mappings.all()}
    outcomes: Counter[Outcome] = Counter()
    news = []
    for rule in rules:
        row = rows.get(rule.client_id)
        values: dict[str, Any] = {
            "treatment": rule.treatment.value if rule.treatment else "",
            "purchase_order": rule.purchase_order,
            "buyer_reference": rule.buyer_reference,
        }
        if rule.number or rule.party_id is not None or row is None or not row.is_proposed:
            values |= {"number": rule.number, "customer_party_id": rule.party_id, "is_proposed": False}
        changed = amend(row, values) if row is not None else Amended(old={}, new=values)
        if row is None:
            rows[rule.client_id] = ClientMapping.objects.create(
                firm_id=dossier.firm_id, dossier=dossier, client_remote_id=rule.client_id, **values
            )
        outcomes["created" if row is None else "updated" if changed else "unchanged"] += 1
        if changed:
            news.append(_mapping_news(dossier, {"client": rule.client_id}, row is None, changed))
    _mapped(dossier, news, by, now)
    return outcomes


def _make(firm: Firm, pairing: Pairing, now: datetime) -> Dossier:
    return Dossier.objects.create(
        firm=firm,
        key=pairing.rules.key,
        workspace=pairing.workspace,
        company=pairing.company,
        due_at=_due_at(pairing.rules.schedule, firm, now),
        **_columns(pairing.rules),
    )


def _change(row: Dossier, firm: Firm, pairing: Pairing, now: datetime) -> None:
    fixed = {"workspace": pairing.workspace, "company": pairing.company, "start_date": pairing.rules.start}
    moved = [name for name, value in fixed.items() if getattr(row, name) != value]
    if moved and _has_invoiced(row):
        what = " and ".join(moved).replace("start_date", "start")
        raise Locked(
            f"Dossier {row.key} has invoiced, so its {what} can no longer change. "
            "Leave it as it was, or make another dossier."
        )
    changed = amend(row, fixed | _columns(pairing.rules))
    if {"every", "day"} & changed.new.keys():
        amend(row, {"due_at": _due_at(pairing.rules.schedule, firm, now)})


def _columns(rules: DossierRules) -> dict[str, Any]:
    return {
        "name": rules.name,
        "start_date": rules.start,
        "billable": rules.billable,
        "group_by": rules.group_by,
        "rounding_minutes": rules.rounding.minutes,
        "rounding_direction": rules.rounding.direction,
        "rounding_level": rules.rounding.level,
        "rounding_minimum": rules.rounding.minimum,
        "every": rules.schedule.every,
        "day": rules.schedule.day,
        "mode": rules.mode,
        "auto_limit": rules.auto_limit,
        "price_decimals": rules.price_decimals,
        "payment_days": rules.payment_days,
        "default_product": rules.default_product,
    }


def _shown(row: Dossier, rules: DossierRules, clients: Iterable[int]) -> dict[str, Any]:
    """A dossier as the audit log shows it: workspace, company and clients by the ids of Toggl and Billit."""
    return {name: plain(getattr(row, name)) for name in _columns(rules)} | {
        "workspace": row.workspace.remote_id,
        "company": row.company.party_id,
        "clients": sorted(clients),
    }


def _clients(row: Dossier) -> list[int]:
    return list(row.named_clients.values_list("client_remote_id", flat=True))


def _has_invoiced(row: Dossier) -> bool:
    return row.invoices.standing().exists()


def _due_at(schedule: Schedule, firm: Firm, now: datetime) -> datetime | None:
    """The start of the first scheduled day after today, in the firm's zone (R9)."""
    day = next_due(schedule, now.astimezone(firm.zone).date())
    return None if day is None else starts_at(day, firm.zone)


def _open_books(workspace: Workspace, now: datetime) -> None:
    """The workspace is read from the earliest start of its dossiers; what lies further back is read anew, and soon."""
    earliest = workspace.dossiers.aggregate(Min("start_date"))["start_date__min"]
    if earliest is None:
        return
    if workspace.read_from is None or earliest < workspace.read_from:
        amend(workspace, {"read_from": earliest, "reread_at": None, "next_sync_at": now})
    else:
        amend(workspace, {"read_from": earliest})


def _rule_news(row: Dossier, old: dict[str, Any] | None, new: dict[str, Any]) -> News:
    return News("rule_changed", f"dossier {row.key}", {"old": old, "new": new})


def _mapping_news(dossier: Dossier, what: dict[str, Any], is_new: bool, changed: Amended) -> News:
    data = what | {"old": None if is_new else changed.old, "new": changed.new}
    return News("mapping_changed", f"dossier {dossier.key}", data)


def _mapped(dossier: Dossier, news: list[News], by: Actor, now: datetime) -> None:
    if news:
        Entry.objects.filter(workspace_id=dossier.workspace_id).update(marked_at=now)
        record(firm=dossier.firm, news=news, by=by, now=now)
