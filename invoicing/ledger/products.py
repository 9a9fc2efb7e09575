"""What tags lead to in a dossier, and why: its tag mappings and the products of its company, as the rules want them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date
from decimal import Decimal

from integrations.models import Company, Product, ProductPrice
from invoicing.models import Dossier, TagMapping
from invoicing.rules import judge, mapping


def products_of(company: Company) -> tuple[mapping.Product, ...]:
    """The company's products, by id."""
    rows = Product.objects.present().filter(company=company).order_by("remote_id")
    prices = defaultdict[int, list[tuple[date, Decimal | None]]](list)
    kept = ProductPrice.objects.filter(product__company=company).order_by("since")
    for product, since, price in kept.values_list("product_id", "since", "price"):
        prices[product].append((since, price))
    return tuple(
        mapping.Product(row.remote_id, row.reference, row.description, row.price, row.vat_rate, tuple(prices[row.pk]))
        for row in rows
    )


def tag_rules(dossier: Dossier) -> tuple[mapping.TagRule, ...]:
    """The tag mappings of a dossier."""
    rows = TagMapping.objects.filter(dossier=dossier)
    return tuple(
        mapping.TagRule(tag, product, bill, priority, is_contradicted=bool(contradicted_by), person=person)
        for tag, product, bill, priority, contradicted_by, person in rows.values_list(
            "tag", "product_reference", "bill", "priority", "contradicted_by", "person_remote_id"
        )
    )


Choose = Callable[[tuple[str, ...], int | None], mapping.Choice | None]


def chooser(dossier: Dossier) -> Choose:
    """What the rules of today say of tags at the entries of a person (R4, section 11): the product that they lead to
    and why, None when they lead to none. Three queries, however many tags are asked for."""
    rules = mapping.Rules(
        start=dossier.start_date,
        clients=None,
        takes_unassigned=True,
        named_elsewhere=frozenset(),
        billable="all",
        tags=tag_rules(dossier),
        clients_map=(),
        products=products_of(dossier.company),
        customers=(),
        pins={},
        default_product=dossier.default_product,
        price_decimals=dossier.price_decimals,
    )
    return judge.Judge(rules).choice_of
