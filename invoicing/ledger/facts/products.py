"""What tags lead to in a dossier, and why: its tag mappings and the products of its company, as the rules want them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from integrations.models import Company, Product
from invoicing.models import Dossier, TagMapping
from invoicing.rules.judging import judge, mapping


def products_of(company: Company) -> tuple[mapping.Product, ...]:
    """The company's products, by id."""
    rows = Product.objects.present().filter(company=company).order_by("remote_id", "prices__since")
    # A row for each price that a product had, and one for a product without.
    columns = ("reference", "description", "price", "vat_rate", "prices__since", "prices__price")
    read: list[tuple[Any, ...]] = list(rows.values_list("remote_id", *columns))
    found = {row[0]: mapping.Product(*row[:5]) for row in read}
    prices = defaultdict[int, list[tuple[date, Decimal | None]]](list)
    for remote_id, *_product, since, price in read:
        if since is not None:
            prices[remote_id].append((since, price))
    return tuple(replace(product, prices=tuple(prices[product.id])) for product in found.values())


def tag_rules(dossiers: Collection[Dossier]) -> dict[int, tuple[mapping.TagRule, ...]]:
    """The tag mappings of each of the dossiers, by its row id."""
    found = defaultdict[int, list[mapping.TagRule]](list)
    rows = TagMapping.objects.filter(dossier__in=dossiers)
    for of, tag, product, bill, priority, contradicted_by, person in rows.values_list(
        "dossier_id", "tag", "product_reference", "bill", "priority", "contradicted_by", "person_remote_id"
    ):
        rule = mapping.TagRule(tag, product, bill, priority, is_contradicted=bool(contradicted_by), person=person)
        found[of].append(rule)
    return {dossier.pk: tuple(found[dossier.pk]) for dossier in dossiers}


Choose = Callable[[tuple[str, ...], int | None], mapping.Choice | None]


def chooser(dossier: Dossier) -> Choose:
    """What the rules of today say of tags at the entries of a person (R4, section 11): the product that they lead to
    and why, None when they lead to none. Two queries, however many tags are asked for."""
    rules = mapping.Rules(
        start=dossier.start_date,
        clients=None,
        takes_unassigned=True,
        named_elsewhere=frozenset(),
        billable="all",
        tags=tag_rules([dossier])[dossier.pk],
        clients_map=(),
        products=products_of(dossier.company),
        customers=(),
        pins={},
        default_product=dossier.default_product,
        price_decimals=dossier.price_decimals,
    )
    return judge.Judge(rules).choice_of
