"""Dossiers and mappings as rows of a file: read with every fault named at its column, and written back the same way.

The columns have the words of the onboarding file (design section 10). A file is taken whole or not at all: the verbs
are called once nothing is at fault.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.utils.translation import gettext as _

from integrations.models import Company, Workspace
from invoicing.dossiers import setup
from invoicing.dossiers.sheet_rows import Row
from invoicing.models import ClientMapping, Dossier, TagMapping
from invoicing.rules.mapping import ClientRule, TagRule, Treatment, normalise_number, tag_key
from invoicing.rules.rating import Rounding
from invoicing.rules.schedule import Schedule
from toggbill.firms.audit import Actor
from toggbill.firms.models import Firm

TAG_COLUMNS = ("dossier", "tag", "bill", "product", "priority")
CLIENT_COLUMNS = ("dossier", "client", "vat", "customer", "vat_treatment", "po", "buyer_reference")
DOSSIER_COLUMNS = (
    "key",
    "name",
    "workspace",
    "company",
    "start",
    "clients",
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
    "price_decimals",
    "payment_days",
    "default_product",
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows these are: the firm, and the dossiers that the person may change, by their short name."""

    firm: Firm
    dossiers: Mapping[str, Dossier]


Outcome = Literal["new", "update", "skip"]


@dataclass(frozen=True, slots=True)
class Read:
    """A row that was read: what stands, what shall stand (both by column), and what the verb is told."""

    row: Row
    old: Mapping[str, str] | None
    new: Mapping[str, str]
    told: Any

    @property
    def outcome(self) -> Outcome:
        """Whether it makes something, changes something, or finds everything as it says."""
        if self.old is None:
            return "new"
        return "skip" if dict(self.old) == dict(self.new) else "update"


class Sheet(ABC):
    """A kind of file. ``columns`` in their order; the first ``needed`` of them must be there."""

    columns: tuple[str, ...]
    needed: tuple[str, ...]

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    @abstractmethod
    def read(self, rows: Sequence[Mapping[str, str]]) -> list[Read]:
        """All rows, faults and all."""

    @abstractmethod
    def write(self, read: Sequence[Read], *, by: Actor, now: datetime) -> None:
        """Through the verbs, once nothing is at fault."""

    @abstractmethod
    def cells_of(self, instance: Any) -> dict[str, str]:
        """What stands, by column."""

    def _dossier(self, row: Row) -> Dossier | None:
        key = row.text("dossier", longest=50, required=True)
        found = self.scope.dossiers.get(key)
        if key and found is None:
            row.fault("dossier", _("the firm has no dossier “%(key)s”.") % {"key": key})
        return found


def _once(rows: Sequence[Row], key: Callable[[Row], object], column: str) -> None:
    seen: set[object] = set()
    for row in rows:
        value = key(row)
        if value in seen:
            row.fault(column, _("stands in this file twice."))
        seen.add(value)


def _text(value: object) -> str:
    return "" if value is None else str(value)


class TagSheet(Sheet):
    """Tag mappings."""

    columns = TAG_COLUMNS
    needed = ("dossier", "tag")

    def cells_of(self, instance: TagMapping) -> dict[str, str]:
        """A mapping that stands."""
        values = (
            instance.dossier.key,
            instance.tag,
            "yes" if instance.bill else "no",
            instance.product_reference,
            _text(instance.priority),
        )
        return dict(zip(self.columns, values, strict=True))

    def read(self, rows: Sequence[Mapping[str, str]]) -> list[Read]:
        """As the onboarding file's ``tags``."""
        standing = {
            (row.dossier.key, row.tag_key): self.cells_of(row)
            for row in TagMapping.objects.filter(dossier__in=self.scope.dossiers.values()).select_related("dossier")
        }
        found = []
        for cells in rows:
            row = Row(cells)
            dossier = self._dossier(row)
            rule = TagRule(
                tag=row.text("tag", longest=255, required=True),
                product=row.text("product"),
                bill=row.flag("bill", default=True),
                priority=row.number_or_none("priority", least=-(10**9), most=10**9),
            )
            if rule.bill and not rule.product:
                row.fault("product", _("missing; name a product's reference, or write no under bill."))
            if not rule.bill and rule.product:
                row.fault("product", _("a tag that is not billed leads to no product: leave this empty."))
            new = dict(
                zip(
                    self.columns,
                    (
                        cells.get("dossier", ""),
                        rule.tag,
                        "yes" if rule.bill else "no",
                        rule.product,
                        _text(rule.priority),
                    ),
                    strict=True,
                )
            )
            found.append(Read(row, standing.get((new["dossier"], tag_key(rule.tag))), new, (dossier, rule)))
        _once(
            [read.row for read in found],
            lambda row: (row.cells.get("dossier"), tag_key(row.cells.get("tag", ""))),
            "tag",
        )
        return found

    def write(self, read: Sequence[Read], *, by: Actor, now: datetime) -> None:
        """One call of the verb for each dossier."""
        for dossier, rules in _by_dossier(read).items():
            setup.map_tags(dossier=dossier, rules=rules, by=by, now=now)


class ClientSheet(Sheet):
    """Client mappings."""

    columns = CLIENT_COLUMNS
    needed = ("dossier", "client")

    def cells_of(self, instance: ClientMapping) -> dict[str, str]:
        """A mapping that stands."""
        values = (
            instance.dossier.key,
            str(instance.client_remote_id),
            instance.number,
            _text(instance.customer_party_id),
            str(instance.treatment),
            instance.purchase_order,
            instance.buyer_reference,
        )
        return dict(zip(self.columns, values, strict=True))

    def read(self, rows: Sequence[Mapping[str, str]]) -> list[Read]:
        """As the onboarding file's ``client_map``."""
        mappings = ClientMapping.objects.filter(dossier__in=self.scope.dossiers.values()).select_related("dossier")
        standing = {(row.dossier.key, row.client_remote_id): row for row in mappings}
        found = []
        for cells in rows:
            row = Row(cells)
            dossier = self._dossier(row)
            client = row.number("client")
            written = row.text("vat", longest=60)
            number = normalise_number(written)
            if written and not number:
                row.fault(
                    "vat", _("“%(number)s” is not a valid VAT or Belgian enterprise number.") % {"number": written}
                )
            party_id = row.number_or_none("customer")
            if written and party_id is not None:
                row.fault("customer", _("stands beside vat; name the customer by one of the two."))
            treatment = row.choice("vat_treatment", [str(known) for known in Treatment], "")
            rule = ClientRule(
                client_id=client,
                number=number,
                party_id=party_id,
                treatment=Treatment(treatment) if treatment else None,
                purchase_order=row.text("po"),
                buyer_reference=row.text("buyer_reference"),
            )
            stands = standing.get((cells.get("dossier", ""), client))
            # A number that was read in the name is kept by the verb when the row names no customer.
            kept = (
                stands.number if stands is not None and stands.is_proposed and not number and party_id is None else ""
            )
            values = (
                cells.get("dossier", ""),
                str(client),
                number or kept,
                _text(party_id),
                treatment,
                rule.purchase_order,
                rule.buyer_reference,
            )
            new = dict(zip(self.columns, values, strict=True))
            found.append(Read(row, None if stands is None else self.cells_of(stands), new, (dossier, rule)))
        _once([read.row for read in found], lambda row: (row.cells.get("dossier"), row.cells.get("client")), "client")
        return found

    def write(self, read: Sequence[Read], *, by: Actor, now: datetime) -> None:
        """One call of the verb for each dossier."""
        for dossier, rules in _by_dossier(read).items():
            setup.map_clients(dossier=dossier, rules=rules, by=by, now=now)


def _by_dossier(read: Sequence[Read]) -> dict[Dossier, list[Any]]:
    found: defaultdict[Dossier, list[Any]] = defaultdict(list)
    for each in read:
        dossier, rule = each.told
        if each.outcome != "skip":
            found[dossier].append(rule)
    return found


class DossierSheet(Sheet):
    """Dossiers with their rules. Workspaces and companies are named by the ids of Toggl and Billit."""

    columns = DOSSIER_COLUMNS
    needed = ("key", "workspace", "company", "start")

    def cells_of(self, instance: Dossier) -> dict[str, str]:
        """A dossier that stands."""
        clients = sorted(named.client_remote_id for named in instance.named_clients.all())
        values = (
            instance.key,
            instance.name,
            instance.workspace.remote_id,
            instance.company.party_id,
            instance.start_date.isoformat(),
            " ".join(map(str, clients)),
            instance.billable,
            instance.group_by,
            instance.rounding_minutes,
            instance.rounding_direction,
            instance.rounding_level,
            instance.rounding_minimum,
            instance.every,
            _text(instance.day),
            instance.mode,
            "" if instance.auto_limit is None else f"{instance.auto_limit:.2f}",
            instance.price_decimals,
            instance.payment_days,
            instance.default_product,
        )
        return dict(zip(self.columns, map(str, values), strict=True))

    def read(self, rows: Sequence[Mapping[str, str]]) -> list[Read]:
        """As the onboarding file's ``dossiers``, without their mappings, and judged against what stands."""
        firm = self.scope.firm
        standing = {
            row.key: row
            for row in Dossier.objects.for_firm(firm)
            .select_related("workspace", "company")
            .prefetch_related("named_clients")
        }
        locked = {key for key, row in setup.standing(firm.slug).dossiers.items() if row.has_invoiced}
        workspaces = {row.remote_id: row for row in Workspace.objects.for_firm(firm)}
        companies = {row.party_id: row for row in Company.objects.for_firm(firm)}
        found = []
        for cells in rows:
            row = Row(cells)
            rules = _rules(row)
            workspace = workspaces.get(row.number("workspace"))
            company = companies.get(row.number("company"))
            if workspace is None and "workspace" not in row.faults:
                row.fault("workspace", _("no connection opens this workspace: choose it on the page Connections."))
            if company is None and "company" not in row.faults:
                row.fault("company", _("no connection opens this company: choose it on the page Connections."))
            stands = standing.get(rules.key)
            old = None if stands is None else self.cells_of(stands)
            new = self._cells(rules, cells)
            if old is not None and rules.key in locked:
                for column in ("workspace", "company", "start"):
                    if old[column] != new[column] and column not in row.faults:
                        row.fault(column, _("stays %(old)s: the dossier has invoiced.") % {"old": old[column]})
            found.append(Read(row, old, new, (workspace, company, rules)))
        _once([read.row for read in found], lambda row: row.cells.get("key"), "key")
        _overlaps(found, standing)
        return found

    def _cells(self, rules: setup.DossierRules, cells: Mapping[str, str]) -> dict[str, str]:
        values = (
            rules.key,
            rules.name,
            cells.get("workspace", ""),
            cells.get("company", ""),
            rules.start.isoformat(),
            " ".join(map(str, sorted(rules.clients))),
            rules.billable,
            rules.group_by,
            rules.rounding.minutes,
            rules.rounding.direction,
            rules.rounding.level,
            rules.rounding.minimum,
            rules.schedule.every,
            _text(rules.schedule.day),
            rules.mode,
            "" if rules.auto_limit is None else f"{rules.auto_limit:.2f}",
            rules.price_decimals,
            rules.payment_days,
            rules.default_product,
        )
        return dict(zip(self.columns, map(str, values), strict=True))

    def write(self, read: Sequence[Read], *, by: Actor, now: datetime) -> None:
        """All at once, so that a client may move from one to another."""
        pairings = [
            setup.Pairing(workspace=each.told[0], company=each.told[1], rules=each.told[2])
            for each in read
            if each.outcome != "skip"
        ]
        setup.set_up_dossiers(firm=self.scope.firm, pairings=pairings, by=by, now=now)


def _rules(row: Row) -> setup.DossierRules:
    key = row.text("key", longest=50, required=True)
    try:
        if key:
            validate_slug(key)
    except ValidationError:
        row.fault("key", _("use letters, digits, hyphens and underscores only."))
    return setup.DossierRules(
        key=key,
        name=row.text("name") or key,
        start=row.day("start"),
        clients=row.numbers("clients"),
        billable=row.choice("billable", Dossier.Billable.values, "all"),
        group_by=row.choice("group_by", Dossier.GroupBy.values, "product"),
        rounding=Rounding(
            minutes=row.number("rounding_minutes", 0, least=0, most=24 * 60),
            direction=cast(Any, row.choice("rounding_direction", Dossier.Direction.values, "up")),
            level=cast(Any, row.choice("rounding_level", Dossier.Level.values, "entry")),
            minimum=row.number("rounding_minimum", 0, least=0, most=24 * 60),
        ),
        schedule=_schedule(row),
        mode=row.choice("mode", Dossier.Mode.values, "review"),
        auto_limit=row.money_or_none("auto_limit"),
        price_decimals=row.number("price_decimals", 2, least=2, most=5),
        payment_days=row.number("payment_days", 30, least=0, most=365),
        default_product=row.text("default_product"),
    )


def _schedule(row: Row) -> Schedule:
    every = row.choice("every", Dossier.Every.values, "manual")
    day = row.number_or_none("day", most=7 if every == "weekly" else 28)
    try:
        return Schedule(cast(Any, every), day if every in {"weekly", "monthly"} else None)
    except ValueError:
        if "day" not in row.faults:
            row.fault("day", _("give the day: weekly 1 (Monday) to 7, monthly 1 to 28."))
        return Schedule("manual")


def _overlaps(found: Sequence[Read], standing: Mapping[str, Dossier]) -> None:
    """R1: the clients of the dossiers of one workspace are disjoint, those that the file does not name included."""
    in_file = {read.new["key"] for read in found}
    sets: defaultdict[str, list[tuple[str, frozenset[int]]]] = defaultdict(list)
    for key, row in standing.items():
        if key not in in_file:
            clients = frozenset(named.client_remote_id for named in row.named_clients.all())
            sets[str(row.workspace.remote_id)].append((key, clients))
    for read in found:
        own = read.told[2].clients
        for key, clients in sets[read.new["workspace"]]:
            if own & clients or not (own or clients):
                read.row.fault("clients", _("dossier %(key)s of this workspace bills them too.") % {"key": key})
        sets[read.new["workspace"]].append((read.new["key"], own))
