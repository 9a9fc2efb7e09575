"""Which names mean the same though they are not equal: what a page proposes first, and a person decides.

Pure. Nothing is billed by likeness; it only orders what is offered.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

from invoicing.rules.judging.mapping import Customer, Product
from invoicing.rules.judging.vat_numbers import rest_of_name
from invoicing.rules.text import text_key

LIKELY = 650
"""Thousandths, from which on a guess is worth naming."""
SHORTEST = 3
"""Letters of a word that tells something."""
_LONGEST = 60
_FORMS = frozenset(
    ["bv", "bvba", "cv", "cvba", "gcv", "nv", "sa", "sarl", "sas", "sc", "scrl", "snc", "sprl", "srl", "vof", "vzw"]
)
"""Legal forms, which tell no company from another."""


def words_of(name: str) -> list[str]:
    """The words of a company's name that tell it from others, folded: no number, legal form or short word."""
    words = text_key(rest_of_name(name)).replace(".", "").replace(",", " ").split()
    return [word for word in words if len(word) >= SHORTEST and word not in _FORMS]


def likeness(one: str, other: str) -> int:
    """How alike two names are, in thousandths: 1000 for equal ones, 0 for such as share nothing."""
    a, b = text_key(one)[:_LONGEST], text_key(other)[:_LONGEST]
    if not a or not b:
        return 0
    if a == b:
        return 1000
    found = int(SequenceMatcher(None, a, b, autojunk=False).ratio() * 1000)
    short, long = sorted((a, b), key=len)
    if len(short) >= SHORTEST and (long.startswith(short) or short in long.split()):
        found = max(found, 900)
    return min(found, 999)


def products_for(tag: str, products: Iterable[Product]) -> list[tuple[Product, int]]:
    """Products with a price, the one that a tag most likely means first, each with its likeness."""
    rated = [
        (product, max(likeness(tag, product.reference), likeness(tag, product.description)))
        for product in products
        if text_key(product.reference) and product.price
    ]
    return sorted(rated, key=lambda each: (-each[1], each[0].reference.casefold(), each[0].id))


def customers_for(name: str, customers: Iterable[Customer]) -> list[tuple[Customer, int]]:
    """Customers that the name of a Toggl client may mean, the likeliest first, each with its likeness."""
    wanted = " ".join(words_of(name))
    rated = [(customer, likeness(wanted, " ".join(words_of(customer.name)))) for customer in customers]
    likely = [(customer, alike) for customer, alike in rated if alike >= LIKELY]
    return sorted(likely, key=lambda each: (-each[1], each[0].name.casefold(), each[0].party_id))
