"""The judges of dossiers: of their mappings, agreements, and their companies' products and customers. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from integrations.models import Company
from invoicing.ledger.agreements.agreements import Agreed
from invoicing.ledger.facts.customers import Customers
from invoicing.ledger.facts.products import products_of, tag_rules
from invoicing.models import ClientMapping, Dossier, DossierClient
from invoicing.rules.judging import judge, mapping

Named = dict[int, frozenset[int]]
"""By dossier (row id) the ids of Toggl clients."""

_CLIENT_RULE = (
    "client_remote_id",
    "number",
    "customer_party_id",
    "is_proposed",
    "treatment",
    "purchase_order",
    "buyer_reference",
)


@dataclass(frozen=True, slots=True)
class _Read:
    """By dossier or by company (row ids)."""

    tags: Mapping[int, tuple[mapping.TagRule, ...]]
    clients: Mapping[int, Sequence[mapping.ClientRule]]
    products: Mapping[int, tuple[mapping.Product, ...]]
    customers: Mapping[int, Customers]
    agreements: Mapping[int, Agreed]


def named_clients(dossiers: Iterable[Dossier]) -> Named:
    """Of each dossier the Toggl clients that it names."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    rows = DossierClient.objects.filter(dossier__in=dossiers).values_list("dossier_id", "client_remote_id")
    for dossier_id, client_id in rows:
        found[dossier_id].add(client_id)
    return {dossier.pk: frozenset(found[dossier.pk]) for dossier in dossiers}


def judges_of(
    judged: Collection[Dossier],
    dossiers: Sequence[Dossier],
    named: Named,
    agreements: Mapping[int, Agreed],
    customers: Mapping[int, Customers],
) -> dict[int, judge.Judge]:
    """By dossier (row id) the judge of each of ``judged``. ``dossiers``: all of their workspace, the oldest first;
    ``customers``: by company. Two queries, and one for each company."""
    clients = defaultdict[int, list[mapping.ClientRule]](list)
    # Not as objects of the ORM: a dossier has thousands, which are read for each portion of hours.
    found = ClientMapping.objects.filter(dossier__in=judged).values_list("dossier", *_CLIENT_RULE)
    for dossier_id, client, number, party, proposed, treatment, order, reference in found:
        treated = mapping.Treatment(treatment) if treatment else None
        clients[dossier_id].append(mapping.ClientRule(client, number, party, proposed, treated, order, reference))
    products = {company.pk: products_of(company) for company in companies_of(judged)}
    read = _Read(tag_rules(judged), clients, products, customers, agreements)
    return {dossier.pk: judge.Judge(_rules(dossier, dossiers, named, read)) for dossier in judged}


def companies_of(dossiers: Iterable[Dossier]) -> list[Company]:
    """Through which dossiers bill, each once."""
    return list({dossier.company_id: dossier.company for dossier in dossiers}.values())


def _rules(dossier: Dossier, dossiers: Sequence[Dossier], named: Named, read: _Read) -> mapping.Rules:
    own = named[dossier.pk]
    elsewhere = frozenset().union(*(named[other.pk] for other in dossiers if other != dossier))
    everything = len(dossiers) == 1 and not own
    customers = read.customers[dossier.company_id]
    return mapping.Rules(
        start=dossier.start_date,
        clients=None if everything else own,
        takes_unassigned=dossier == dossiers[0],
        named_elsewhere=elsewhere,
        billable=cast(Literal["all", "flagged"], dossier.billable),
        tags=read.tags[dossier.pk],
        clients_map=tuple(read.clients[dossier.pk]),
        products=read.products[dossier.company_id],
        customers=customers.present,
        pins=customers.pins,
        gone=customers.gone,
        default_product=dossier.default_product,
        price_decimals=dossier.price_decimals,
        small_enterprise=dossier.company.small_enterprise,
        longest_hours=dossier.longest_hours,
        price_day=cast(Literal["draft", "work"], dossier.price_day),
        agreements=read.agreements[dossier.pk],
    )
