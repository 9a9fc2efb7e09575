"""Prices over time (design section 11): hours of an invoice from before a price changed. Pure."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from invoicing.rules.judging.mapping import Product


@dataclass(frozen=True, slots=True)
class EarlierPrice:
    """Hours of an invoice from before a price changed: raw `seconds`, and the `difference` that today's prices make to
    its total excluding VAT; `billed`: they are billed at the price of their day all the same."""

    seconds: int
    difference: Decimal
    billed: bool


def price_of_day(product: Product, day: date, decimals: int) -> Decimal | None:
    """The price in force on the day, as far as it is one that can be billed: above 0, with so many decimals at most."""
    price = product.price_on(day)
    return price if price is not None and price > 0 and price == round(price, decimals) else None
