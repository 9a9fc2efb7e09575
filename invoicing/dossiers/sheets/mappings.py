"""Dossiers and mappings as rows of a sheet: read with every fault named at its column, and written back the same way.

The columns have the words of the onboarding file (design section 10). A sheet is taken whole or not at all: the verbs
are called once nothing is at fault.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

from django.utils.translation import gettext as _

from integrations.models import Company, Workspace
from invoicing.dossiers import mappings, rules
from invoicing.dossiers.faults import Fault
from invoicing.dossiers.firm import standing
from invoicing.dossiers.rules import DossierRules, Pairing, Wanted
from invoicing.dossiers.sheets.cells import EMPTY, AgreementRow, Cell, ClientRow, DossierRow, Row, TagRow, text_of
from invoicing.dossiers.sheets.known import Known
from invoicing.models import ClientMapping, Dossier, TagMapping
from invoicing.rules.judging.mapping import ClientRule, TagRule, Treatment, normalise_number
from invoicing.rules.text import same_case_key, text_key
from toggbill.firms.audit import Actor
from toggbill.firms.models import Firm


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

    @property
    def faults(self) -> dict[str, list[str]]:
        """What is wrong with it, by column."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for column, text in self.row.faults():
            found[column].append(text)
        return dict(found)


class Sheet(ABC):
    """A kind of sheet. ``row``: its columns in their order, and those of them that must be there."""

    row: type[Row]

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.known = Known()

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Their names, in their order."""
        return cls.row.columns()

    @abstractmethod
    def read(self, rows: Sequence[Mapping[str, Cell]]) -> list[Read]:
        """All rows, faults and all."""

    @abstractmethod
    def write(self, read: Sequence[Read], *, by: Actor, now: datetime) -> None:
        """Through the verbs, once nothing is at fault."""

    @abstractmethod
    def cells_of(self, instance: Any) -> dict[str, str]:
        """What stands, by column."""

    def _cells(self, *values: object) -> dict[str, str]:
        return {name: _text(value) for name, value in zip(self.columns(), values, strict=True)}

    def _dossier(self, row: TagRow | ClientRow | AgreementRow) -> Dossier | None:
        found = self.scope.dossiers.get(row.dossier or "")
        if row.dossier and found is None and row.sound("dossier"):
            row.note("dossier", _("the firm has no dossier “%(key)s”.") % {"key": row.dossier[:60]})
        return found

    def _product(self, row: Row, column: str, company: Company, old: Mapping[str, str] | None) -> None:
        """A product that the row newly names is one that the company has."""
        reference = row.given.get(column) or ""
        if reference and (old or {}).get(column) != reference:
            self._has_products(row, column, [reference], company)

    def _has_products(self, row: Row, column: str, references: Iterable[str], company: Company) -> None:
        if not row.sound(column):
            return
        for reference in references:
            if self.known.has_product(company, reference):
                continue
            words = {"reference": reference[:60], "company": company.name}
            row.note(
                column, _("company %(company)s has no product “%(reference)s” in Billit: check its reference.") % words
            )

    def _clients(self, row: Row, column: str, clients: Iterable[int], workspace: Workspace, old: str) -> None:
        """Toggl clients that the row newly names are the workspace's; ``old``: its cell as it stands."""
        new = sorted(set(clients) - {int(each) for each in old.split()})
        if unknown := [client for client in new if row.sound(column) and not self.known.has_client(workspace, client)]:
            words = {"workspace": workspace.name, "client": ", ".join(map(str, unknown))[:60]}
            row.note(column, _("workspace %(workspace)s has no client %(client)s in Toggl: check its id.") % words)

    def _person(self, row: Row, workspace: Workspace, person: int) -> None:
        """A person whom the row newly names has hours in the workspace."""
        if row.sound("person") and not self.known.has_person(workspace, person):
            words = {"workspace": workspace.name, "person": person}
            row.note(
                "person", _("workspace %(workspace)s has no hours of Toggl user %(person)s: check the id.") % words
            )


_Rule = TypeVar("_Rule", TagRule, ClientRule)


def _check(read: Sequence[Read], check: Callable[[Sequence[_Rule]], list[list[Fault]]]) -> None:
    """Note what is wrong with mappings, which are stated together where they are of one dossier."""
    together: defaultdict[Hashable, list[Read]] = defaultdict(list)
    for each in read:
        together[each.new["dossier"]].append(each)
    for of_one in together.values():
        for each, faults in zip(of_one, check([each.told[1] for each in of_one]), strict=True):
            for fault in faults:
                each.row.note_fault(fault)


def _written(dossier: Dossier | None, rule: TagRule) -> list[Fault]:
    """A tag that toggbill itself writes leads nowhere."""
    if dossier is None:
        return []
    (faults,) = mappings.check_tags([rule], written=dossier.workspace.own_tags)
    return [fault for fault in faults if fault.code == "tag_written"]


def by_dossier(read: Iterable[Read]) -> dict[Dossier, list[Any]]:
    """What is told of each dossier, less what stands so already."""
    found: defaultdict[Dossier, list[Any]] = defaultdict(list)
    for each in read:
        dossier, rule = each.told
        if each.outcome != "skip":
            found[dossier].append(rule)
    return found


def key_of(cells: Mapping[str, Cell], column: str) -> str:
    """What a cell says by which a row is known."""
    return text_of(cells.get(column, EMPTY))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


class TagSheet(Sheet):
    """Tag mappings."""

    row = TagRow

    def cells_of(self, instance: TagMapping) -> dict[str, str]:
        """A mapping that stands."""
        product = instance.product_reference
        person = instance.person_remote_id
        return self._cells(instance.dossier.key, instance.tag, person, instance.bill, product, instance.priority)

    def read(self, rows: Sequence[Mapping[str, Cell]]) -> list[Read]:
        """As the onboarding file's ``tags``."""
        standing = {
            (row.dossier.key, row.tag_key, _text(row.person_remote_id)): self.cells_of(row)
            for row in TagMapping.objects.filter(dossier__in=self.scope.dossiers.values()).select_related("dossier")
            # One that is contradicted says nothing yet: stating it settles it.
            if not row.contradicted_by
        }
        found = []
        for cells in rows:
            # Whom it names is read first: +9003 and 9003 are one person.
            row = TagRow.read(cells)
            person = key_of(cells, "person").strip() if row.person is None else _text(row.person)
            old = standing.get((same_case_key(key_of(cells, "dossier")), text_key(key_of(cells, "tag")), person))
            row = TagRow.read(cells, old)
            rule = TagRule(row.tag or "", row.product or "", row.bill is not False, row.priority, person=row.person)
            new = self._cells(row.dossier, rule.tag, rule.person, rule.bill, rule.product, rule.priority)
            dossier = self._dossier(row)
            if dossier is not None and rule.person is not None and old is None:
                self._person(row, dossier.workspace, rule.person)
            if dossier is not None and rule.bill:
                self._product(row, "product", dossier.company, old)
            found.append(Read(row, old, new, (dossier, rule)))
        _check(found, mappings.check_tags)
        for each in found:
            dossier, rule = each.told
            for fault in _written(dossier, rule):
                each.row.note_fault(fault)
        return found

    def write(self, read: Sequence[Read], *, by: Actor, now: datetime) -> None:
        """One call of the verb for each dossier."""
        for dossier, stated in by_dossier(read).items():
            mappings.map_tags(dossier=dossier, rules=stated, by=by, now=now)


class ClientSheet(Sheet):
    """Client mappings."""

    row = ClientRow

    def cells_of(self, instance: ClientMapping) -> dict[str, str]:
        """A mapping that stands."""
        return self._cells(
            instance.dossier.key,
            instance.client_remote_id,
            instance.number,
            instance.customer_party_id,
            instance.treatment,
            instance.purchase_order,
            instance.buyer_reference,
        )

    def read(self, rows: Sequence[Mapping[str, Cell]]) -> list[Read]:
        """As the onboarding file's ``client_map``."""
        of_dossiers = ClientMapping.objects.filter(dossier__in=self.scope.dossiers.values()).select_related("dossier")
        standing = {(row.dossier.key, row.client_remote_id): row for row in of_dossiers}
        found = []
        for cells in rows:
            row = ClientRow.read(cells)
            stands = standing.get((row.dossier or "", row.client or 0))
            old = None if stands is None else self.cells_of(stands)
            row = ClientRow.read(cells, old)
            number = normalise_number(row.vat or "")
            rule = ClientRule(
                client_id=row.client or 0,
                number=row.vat or "",
                party_id=row.customer,
                # A number that was read in the name, and that the file gives back as it was, is no statement.
                proposed=stands is not None and stands.is_proposed and number == stands.number,
                treatment=Treatment(row.vat_treatment) if row.vat_treatment else None,
                purchase_order=row.po or "",
                buyer_reference=row.buyer_reference or "",
            )
            new = self._cells(
                row.dossier,
                rule.client_id,
                number,
                rule.party_id,
                row.vat_treatment,
                rule.purchase_order,
                rule.buyer_reference,
            )
            dossier = self._dossier(row)
            if dossier is not None:
                self._named(row, rule, dossier, old)
            found.append(Read(row, old, new, (dossier, rule)))
        _check(found, mappings.check_clients)
        return found

    def write(self, read: Sequence[Read], *, by: Actor, now: datetime) -> None:
        """One call of the verb for each dossier."""
        for dossier, stated in by_dossier(read).items():
            mappings.map_clients(dossier=dossier, rules=stated, keep_read=False, by=by, now=now)

    def _named(self, row: ClientRow, rule: ClientRule, dossier: Dossier, old: Mapping[str, str] | None) -> None:
        """The client that a new row names is the workspace's, and the customer that it newly names the company's."""
        if old is None and rule.client_id:
            self._clients(row, "client", [rule.client_id], dossier.workspace, "")
        party, company = rule.party_id, dossier.company
        if party is None or not row.sound("customer") or (old or {}).get("customer") == str(party):
            return
        if not self.known.has_customer(company, party):
            words = {"customer": str(party), "company": company.name}
            row.note("customer", _("company %(company)s has no customer %(customer)s in Billit: check its id.") % words)


class DossierSheet(Sheet):
    """Dossiers with their rules."""

    row = DossierRow

    def cells_of(self, instance: Dossier) -> dict[str, str]:
        """A dossier that stands."""
        clients = [named.client_remote_id for named in instance.named_clients.all()]
        return self._of(
            instance.workspace.remote_id, instance.company.party_id, rules.stated(instance, clients=clients)
        )

    def read(self, rows: Sequence[Mapping[str, Cell]]) -> list[Read]:
        """As the onboarding file's ``dossiers``, without their mappings, and judged against what stands."""
        firm = self.scope.firm
        dossiers = Dossier.objects.for_firm(firm).select_related("workspace", "company")
        stand = {row.key: self.cells_of(row) for row in dossiers.prefetch_related("named_clients")}
        workspaces = {row.remote_id: row for row in Workspace.objects.for_firm(firm)}
        companies = {row.party_id: row for row in Company.objects.for_firm(firm)}
        found, wanted = [], []
        for cells in rows:
            old = stand.get(same_case_key(key_of(cells, "key")))
            row = DossierRow.read(cells, old)
            stated = DossierRules.of(row.given)
            workspace, company = workspaces.get(row.workspace or 0), companies.get(row.company or 0)
            if workspace is None and row.sound("workspace"):
                row.note("workspace", _("no connection opens this workspace: choose it on the page Connections."))
            if company is None and row.sound("company"):
                row.note("company", _("no connection opens this company: choose it on the page Connections."))
            if workspace is not None:
                self._clients(row, "clients", stated.clients, workspace, (old or {}).get("clients", ""))
            if company is not None:
                self._product(row, "default_product", company, old)
            new = self._of(row.workspace or 0, row.company or 0, stated)
            wanted.append(Wanted(row.workspace or 0, row.company or 0, stated))
            found.append(Read(row, old, new, (workspace, company, stated)))
        for each, faults in zip(found, rules.check(wanted, standing(firm.slug)), strict=True):
            for fault in faults:
                each.row.note_fault(fault)
        return found

    def write(self, read: Sequence[Read], *, by: Actor, now: datetime) -> None:
        """All at once, so that clients may move from one to another."""
        pairings = [Pairing(*each.told) for each in read if each.outcome != "skip"]
        rules.set_dossiers(firm=self.scope.firm, pairings=pairings, by=by, now=now)

    def _of(self, workspace: int, company: int, stated: DossierRules) -> dict[str, str]:
        values = {name: getattr(stated, name, "") for name in self.columns()} | {
            "workspace": workspace,
            "company": company,
            "start": stated.start.isoformat(),
            "clients": " ".join(map(str, sorted(stated.clients))),
            "day": stated.columns()["day"],
            "auto_limit": stated.columns()["auto_limit"],
        }
        return {name: _text(value) for name, value in values.items()}
