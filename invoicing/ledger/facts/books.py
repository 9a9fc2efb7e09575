"""The books of a workspace as the pure rules want them: rows in, frozen facts out. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import BigIntegerField, Exists, OuterRef, Value

from integrations.clients.http.failures import Message
from integrations.models import Client, Company, Customer, Entry, Project, Workspace
from invoicing.ledger.agreements import blocks
from invoicing.ledger.agreements.agreements import agreements_of
from invoicing.ledger.facts.customers import Customers, KnownCustomer
from invoicing.ledger.facts.judges import companies_of, judges_of, named_clients
from invoicing.models import Claim, Dossier, Invoice, InvoiceLine, LedgerRow
from invoicing.models.problems import Code, Detail
from invoicing.rules import einvoice, planning, schedule
from invoicing.rules.billing import rating
from invoicing.rules.judging import judge, mapping
from toggbill.firms.read import digest_of

_CHUNK = 2000


@dataclass(slots=True)
class Standing:
    """What the ledger keeps of an entry from one verdict to the next, with the names of its row: what a person decided
    and confirmed, and its twin (row id)."""

    decision: str = ""
    confirmed_as: str = ""
    twin_id: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that judges the entries of one workspace. ``dossiers`` stand oldest first; ``zone`` is the firm's.

    ``shares_ids``: whether the firm has other workspaces, from which entries may be moved; they keep their ids.
    ``gone_projects``: those that were deleted in Toggl; ``gone_clients``: by project without a client the one that it
    had when that was deleted. ``customers``: by company (row id); ``sold``: the blocks of prepaid agreements.
    """

    zone: ZoneInfo
    dossiers: tuple[Dossier, ...]
    judges: dict[int, judge.Judge]
    named: dict[int, Dossier]
    projects: dict[int, tuple[str, int | None]]
    clients: dict[int, str]
    shares_ids: bool
    gone_projects: frozenset[int]
    gone_clients: dict[int, int]
    customers: dict[int, Customers]
    sold: tuple[blocks.Sold, ...]

    @classmethod
    def load(cls, workspace: Workspace, *, of: Dossier | None = None) -> Facts:
        """Read a workspace's dossiers with their mappings, and the products and customers of their companies.

        ``of``: only what judges the hours of this dossier. As many queries for many dossiers as for one, but for those
        of each company that they bill through.
        """
        others = Workspace.objects.filter(firm=OuterRef("firm")).exclude(pk=workspace.pk)
        rows = Dossier.objects.filter(workspace=workspace).select_related("firm", "company")
        found: list[Any] = list(rows.annotate(shares_ids=Exists(others)).order_by("created_at", "pk"))
        dossiers = tuple[Dossier, ...](found)
        named = named_clients(dossiers)
        known, clients = _projects_and_clients(workspace)
        gone = {client_id for client_id, _name, deleted_at in clients if deleted_at is not None}
        names = {client_id: name for client_id, name, _deleted in clients}
        judged = [dossier for dossier in dossiers if of is None or dossier == of]
        agreements, sold = agreements_of(judged, names)
        customers = {company.pk: Customers.load(company) for company in companies_of(judged)}
        return cls(
            # As the row is now; the workspace's may have been read before the zone was changed.
            zone=(dossiers[0].firm if dossiers else workspace.firm).zone,
            dossiers=dossiers,
            judges=judges_of(judged, dossiers, named, agreements, customers),
            named={client: dossier for dossier in dossiers for client in named[dossier.pk]},
            projects={remote_id: (name, client_id) for remote_id, name, client_id, _last, _deleted in known},
            clients=names,
            # Without a dossier nothing is judged.
            shares_ids=any(dossier.shares_ids for dossier in found),
            gone_projects=frozenset(remote_id for remote_id, *_rest, deleted_at in known if deleted_at is not None),
            gone_clients={
                remote_id: last
                for remote_id, _name, client_id, last, _deleted in known
                if client_id is None and last in gone
            },
            customers=customers,
            sold=sold,
        )

    def known_customers(self, company: Company, party_ids: Iterable[int | None]) -> dict[int, KnownCustomer]:
        """The mirrored rows of these customers of a company, by PartyID, as they were read with all else."""
        found = self.customers.get(company.pk)
        return {} if found is None else found.known(party_ids)

    def billed_elsewhere(self, rows: Iterable[Entry]) -> frozenset[int]:
        """The row ids of those that are on an invoice of the firm already as the entry that they were in another
        workspace (design section 6)."""
        if not self.shares_ids:
            return frozenset()
        by_firm: defaultdict[int, dict[int, int]] = defaultdict(dict)
        for row in rows:
            by_firm[row.firm_id][row.remote_id] = row.pk
        found = set[int]()
        for firm_id, own in by_firm.items():
            ids = sorted(own)
            for start in range(0, len(ids), _CHUNK):
                claims = Claim.objects.live().holding().filter(firm=firm_id)
                claims = claims.filter(entry_remote_id__one_of=ids[start : start + _CHUNK])
                for entry_id, remote_id in claims.values_list("entry_id", "entry_remote_id"):
                    if entry_id != own[remote_id]:
                        found.add(own[remote_id])
        return frozenset(found)

    def entry(
        self,
        row: Entry,
        standing: LedgerRow | Standing | None = None,
        billed_elsewhere: Collection[int] = (),
        covered_by: Mapping[int, int] = MappingProxyType({}),
    ) -> mapping.Entry:
        """A mirrored entry as the rules see it.

        ``standing``: what the ledger keeps of it; ``billed_elsewhere``: as the method of this
        name gives them; ``covered_by``: as ``agreements.covered_by`` does.
        """
        project_name, client_id = self.projects.get(row.project_remote_id or 0, ("", None))
        entry = mapping.Entry(
            id=row.remote_id,
            start=row.started_at,
            day=row.started_at.astimezone(self.zone).date(),
            seconds=row.seconds,
            running=row.is_running,
            deleted=row.deleted_at is not None,
            billable=row.billable,
            tags=tuple(row.tags),
            description=row.description,
            project_id=row.project_remote_id,
            project_name=project_name,
            client_id=client_id,
            client_name=self.clients.get(client_id or 0, ""),
            person_id=row.person_remote_id,
            person_name=row.person_name,
            stop=row.stopped_at,
            is_duplicate=standing is not None and standing.twin_id is not None,
            billed_elsewhere=row.pk in billed_elsewhere,
            covered_by=covered_by.get(row.pk),
        )
        if standing is not None and standing.confirmed_as:
            return replace(entry, is_confirmed=standing.confirmed_as == stands_as(row))
        return entry

    def as_it_last_was(self, row: Entry) -> mapping.Entry:
        """The same of one that is billed: a client, project or tag that was deleted in Toggl counts as it last was."""
        entry = self.entry(row)
        tags = tuple(dict.fromkeys([*entry.tags, *row.last_tags]))
        project_id = entry.project_id
        if project_id is None and row.last_project_remote_id in self.gone_projects:
            project_id = row.last_project_remote_id
        project_name, client_id = self.projects.get(project_id or 0, ("", None))
        if client_id is None:
            client_id = self.gone_clients.get(project_id or 0)
        return replace(
            entry,
            tags=tags,
            project_id=project_id,
            project_name=project_name,
            client_id=client_id,
            client_name=self.clients.get(client_id or 0, ""),
        )

    def product(self, entry: mapping.Entry, dossier: Dossier) -> mapping.Product | None:
        """The product that an entry leads to by the rules of a dossier, whoever the customer is."""
        judge = self.judges.get(dossier.pk)
        return None if judge is None else judge.product_of(entry.tags, entry.person_id)

    def customer(self, entry: mapping.Entry, dossier: Dossier) -> mapping.Buyer | None:
        """Whom an entry's client is billed to by the rules of a dossier, whether or not the entry itself is billed."""
        return self.judges[dossier.pk].customer_of(entry)

    def verdict(self, entry: mapping.Entry) -> tuple[Dossier | None, mapping.Verdict]:
        """In whose books an entry stands, and what their rules say of it (R1); None: in nobody's."""
        dossier = self.named.get(entry.client_id or 0) or (self.dossiers[0] if self.dossiers else None)
        if dossier is None:
            return None, mapping.Verdict(None)
        verdict = self.judges[dossier.pk].verdict(entry)
        return (None if verdict.state is None else dossier), verdict

    def lets_through(self, entry: mapping.Entry) -> bool:
        """Whether it is to be billed by R1 and R2, in whose books ever."""
        dossier = self.named.get(entry.client_id or 0) or (self.dossiers[0] if self.dossiers else None)
        return dossier is not None and self.judges[dossier.pk].lets_through(entry)


def stands_as(row: Entry) -> str:
    """A digest of what Toggl says of an entry itself: another one once the entry changes."""
    stopped_at = None if row.stopped_at is None else row.stopped_at.isoformat()
    times = [row.started_at.isoformat(), stopped_at, row.seconds]
    rest = [row.description, row.project_remote_id, row.person_remote_id, sorted(row.tags), row.billable]
    return digest_of([*times, *rest])


def in_scope(dossier: Dossier, books: Facts) -> Iterable[tuple[int, str]]:
    """The Toggl clients (id, name) that a dossier bills."""
    if len(books.dossiers) == 1 and not books.named:
        return books.clients.items()
    return [
        (client, books.clients[client])
        for client in books.named
        if books.named[client] == dossier and client in books.clients
    ]


def terms(dossier: Dossier, *, cut_off: date, late_through: date | None, now: datetime) -> planning.Terms:
    """How a run over a dossier bills up to and including ``cut_off``; ``now``: the moment of the run."""
    return planning.Terms(
        group_by=dossier.group_by,
        rounding=rounding_of(dossier),
        cut_off=cut_off,
        late_through=late_through,
        language=dossier.firm.language,
        exempt_code=settings.BILLIT_SMALL_ENTERPRISE_CODE if dossier.company.small_enterprise else None,
        now=now,
        price_decimals=dossier.price_decimals,
    )


def rounding_of(dossier: Dossier) -> rating.Rounding:
    """The dossier's rule for seconds (R5)."""
    return rating.Rounding(
        minutes=dossier.rounding_minutes,
        direction=cast(Literal["up", "nearest", "down"], dossier.rounding_direction),
        level=cast(Literal["entry", "line"], dossier.rounding_level),
        minimum=dossier.rounding_minimum,
    )


def frozen_rounding(invoice: Invoice) -> rating.Rounding:
    """The rule by which an invoice was billed; of one from before that was kept, the dossier's of today."""
    return rating.Rounding(**invoice.rounding) if invoice.rounding else rounding_of(invoice.dossier)


def schedule_of(dossier: Dossier) -> schedule.Schedule:
    """When a dossier's runs are due."""
    return schedule.Schedule(
        every=cast(Literal["manual", "daily", "weekly", "monthly"], dossier.every), day=dossier.day
    )


def _projects_and_clients(workspace: Workspace) -> tuple[list[Any], list[Any]]:
    """Of each project its id, name, client, latest client and when it was deleted; of each client its id, name and when
    it was deleted. One query."""
    nobody = Value(None, output_field=BigIntegerField())
    projects = Project.objects.filter(workspace=workspace).annotate(of=Value("project"))
    clients = Client.objects.filter(workspace=workspace).annotate(of=Value("client"), client=nobody, latest=nobody)
    found = projects.values_list(
        "of", "remote_id", "name", "client_remote_id", "last_client_remote_id", "deleted_at"
    ).union(clients.values_list("of", "remote_id", "name", "client", "latest", "deleted_at"), all=True)
    known, names = list[Any](), list[Any]()
    for of, *row in found:
        if of == "project":
            known.append(row)
        else:
            names.append((row[0], row[1], row[4]))
    return known, names


def known_customers(company: Company, party_ids: Iterable[int | None]) -> dict[int, KnownCustomer]:
    """The mirrored rows of these customers, by PartyID."""
    rows = Customer.objects.filter(company=company, party_id__in={party_id for party_id in party_ids if party_id})
    return {row[0]: KnownCustomer(*row) for row in rows.values_list(*KnownCustomer._fields)}


def changed_customer(invoice: Invoice, known: Mapping[int, KnownCustomer]) -> Message | None:
    """What is said of an invoice whose customer is gone from Billit, or has another number by now (R3)."""
    row = known.get(invoice.customer_party_id or 0)
    if row is None:
        return None
    number = mapping.customer_number(row.vat_number)
    if row.deleted_at is None and not mapping.is_another(invoice.customer_vat, number):
        return None
    facts = {"customer": invoice.customer_name, "party": row.party_id}
    if row.deleted_at is not None:
        return Message(Code.CUSTOMER_GONE, facts)
    return Message(Code.CUSTOMER_RENUMBERED, facts | {"number": number, "ours": invoice.customer_vat})


def refusal(invoice: Invoice, lines: Iterable[InvoiceLine], known: Mapping[int, KnownCustomer]) -> Message | None:
    """Why an invoice with these lines is not posted: its customer changed (R3), or Peppol would refuse it (R11): the
    first check that fails, None when all pass.

    ``known``: its customer, by PartyID, as ``known_customers`` gives it.
    """
    if (changed := changed_customer(invoice, known)) is not None:
        return changed
    writing = einvoice.Writing(
        outside_scope=settings.BILLIT_OUTSIDE_SCOPE,
        exemption_reasons=settings.BILLIT_EXEMPTION_REASONS,
        turns_prices=settings.BILLIT_NEGATIVE_LINES == "price",
    )
    found = einvoice.failures(document_of(invoice, lines, known), writing)
    if not found:
        return None
    why = Message(Detail(f"e_{found[0].check}"), found[0].facts)
    return Message(Code.PEPPOL_REFUSES, {"why": why, "rules": list(found[0].rules)})


def document_of(
    invoice: Invoice, lines: Iterable[InvoiceLine], known: Mapping[int, KnownCustomer]
) -> einvoice.Document:
    """An invoice as the checks of e-invoices see it; its customer as the mirror has it, else as the order names it."""
    company = invoice.company
    buyer = einvoice.Party(invoice.customer_name, invoice.customer_vat)
    if (row := known.get(invoice.customer_party_id or 0)) is not None:
        buyer = einvoice.Party(row.name or invoice.customer_name, _read(row.vat_number), row.country)
    return einvoice.Document(
        seller=einvoice.Party(company.name, company.vat_number),
        buyer=buyer,
        purchase_order=invoice.purchase_order,
        title=invoice.title,
        lines=tuple(
            einvoice.Line(
                quantity=line.quantity,
                unit_price=line.unit_price,
                description=line.description,
                description_extended=line.description_extended,
                reference=line.product_reference,
                vat_rate=line.vat_rate,
                code=line.ventilation_code,
                discount_reason=line.discount_reason,
            )
            for line in lines
        ),
    )


def _read(vat_number: str) -> str:
    """Billit's field as a number, where the reader of numbers finds one (R3), else as it stands."""
    return mapping.customer_number(vat_number) or vat_number
