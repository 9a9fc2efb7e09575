"""The days of a product's prices, which a person may correct: toggbill sees a new price when it reads Billit next."""

from __future__ import annotations

from datetime import date, datetime

from django.db import transaction
from django.utils.formats import date_format
from django.utils.translation import gettext

from integrations.models import Company, ProductPrice
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm, lock_rows


@transaction.atomic
def correct_day(*, price: ProductPrice, since: date, by: Actor, now: datetime) -> None:
    """The price was in force from another day on; what the company bills is judged anew.

    Raises ``NotPossible`` for a day after today, and for one that is not between those of the prices before and after.
    """
    lock_firm(price.firm)
    lock_rows(Company.objects.filter(pk=price.product.company_id))
    price.refresh_from_db()
    if price.since == since:
        return
    others = ProductPrice.objects.filter(product=price.product_id)
    before = others.filter(since__lt=price.since).order_by("-since").first()
    after = others.filter(since__gt=price.since).order_by("since").first()
    today = now.astimezone(price.firm.zone).date()
    if since > today or (before and since <= before.since) or (after and since >= after.since):
        least = date_format(before.since, "SHORT_DATE_FORMAT") if before else "…"
        most = date_format(after.since if after else today, "SHORT_DATE_FORMAT")
        raise NotPossible(
            gettext(
                "The price of %(product)s cannot be in force from %(day)s on: choose a day between %(least)s and "
                "%(most)s, when the prices before and after it began."
            )
            % {
                "product": price.product,
                "day": date_format(since, "SHORT_DATE_FORMAT"),
                "least": least,
                "most": most,
            }
        )
    old = _stated(price)
    price.since = since
    price.save(update_fields=["since"])
    Company.objects.filter(pk=price.product.company_id).update(marked_at=now)
    news = News("rule_changed", f"product {price.product.remote_id}", {"old": old, "new": _stated(price)})
    record(firm=price.firm, news=[news], by=by, now=now)


def _stated(price: ProductPrice) -> dict[str, str | None]:
    amount = None if price.price is None else f"{price.price.normalize():f}"
    return {"reference": price.product.reference, "price": amount, "since": price.since.isoformat()}
