"""How products are written where one is chosen."""

from __future__ import annotations

from django.utils import formats, translation

from invoicing.rules.judging.mapping import Product

_LONGEST = 60


def product_label(product: Product) -> str:
    """Reference, description and price: `ADV · Advice · € 95.00`."""
    parts = [product.reference, " ".join(product.description.split())[:_LONGEST]]
    if product.price is not None:
        places = max(2, -int(product.price.normalize().as_tuple().exponent))
        number = formats.number_format(product.price, places)
        is_french = (translation.get_language() or "en").startswith("fr")
        parts.append(f"{number}\u00a0€" if is_french else f"€\u00a0{number}")
    return " · ".join(part for part in parts if part)
