"""What narrows the list of invoices, as it stands in its address: `?status=draft&dossier=bakery&month=2026-11`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal, InvalidOperation
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce
from django.http import Http404, QueryDict

from invoicing.models import NEEDS_PERSON, Invoice, InvoiceLine
from invoicing.models.invoices.invoice import InvoiceQuerySet
from invoicing.rules import days
from invoicing.web.lookup import day_of, month_of

ATTENTION = "attention"
"""A status of the page alone: what needs a person, whatever its own status is."""
ELSEWHERE = "elsewhere"
"""Sent in Billit, not by toggbill."""
LONGEST = 200
"""Characters of a text to look for; what follows is left out."""
_MOST = Decimal("999999999999.99")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which invoices are asked for.

    ``month``: those whose period touches it. ``least``, ``most``: amounts excl. VAT as they count legally. ``customer``
    (name or number) and ``q`` (number, reference, title, purchase order, text of a line) are found wherever they stand.
    ``sent``: those that were sent ``ELSEWHERE``; ``since``: those with an invoice date from this day on.
    """

    status: str = ""
    delivery: str = ""
    dossier: str = ""
    customer: str = ""
    month: date | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    q: str = ""
    sent: str = ""
    since: date | None = None

    @classmethod
    def of(cls, asked: QueryDict) -> Filter:
        """What an address asks for. Raises ``Http404`` for a status, a delivery or a month that there is not."""
        texts = {
            name: asked.get(name, "").strip()[:LONGEST] for name in ("status", "delivery", "dossier", "customer", "q")
        }
        if texts["status"] and texts["status"] not in {*Invoice.Status.values, ATTENTION}:
            raise Http404
        if texts["delivery"] and texts["delivery"] not in Invoice.Delivery.values:
            raise Http404
        month = month_of(asked.get("month", ""))
        texts["sent"] = ELSEWHERE if asked.get("sent") == ELSEWHERE else ""
        since = day_of(asked.get("since", ""))
        least, most = _amount(asked.get("least", "")), _amount(asked.get("most", ""))
        return cls(month=month, least=least, most=most, since=since, **texts)

    @property
    def query(self) -> str:
        """As it stands in an address."""
        return self.without()

    def without(self, *names: str) -> str:
        """The same without some of it, as it stands in an address."""
        written = {field.name: getattr(self, field.name) for field in fields(self)}
        written |= {"month": f"{self.month:%Y-%m}" if self.month else ""}
        return urlencode(
            {name: value for name, value in written.items() if value not in ("", None) and name not in names}
        )

    @property
    def has_more(self) -> bool:
        """Whether it asks for something that is found under *more filters*."""
        return any((self.delivery, self.customer, self.least is not None, self.most is not None))

    def rows(self, rows: InvoiceQuerySet) -> InvoiceQuerySet:
        """Those of ``rows`` that are asked for, in no order yet."""
        rows = self.besides_status(rows)
        if self.status == ATTENTION:
            return rows.filter(NEEDS_PERSON)
        return rows.filter(status=self.status) if self.status else rows

    def besides_status(self, rows: InvoiceQuerySet) -> InvoiceQuerySet:
        """Those that all but the status asks for."""
        if self.delivery:
            # Every invoice that is no order yet is not sent: who asks for that means orders.
            rows = rows.posted().filter(delivery=self.delivery)
        if self.sent:
            rows = rows.sent_elsewhere()
        if self.since is not None:
            rows = rows.filter(order_date__gte=self.since)
        if self.dossier:
            rows = rows.filter(dossier__key=self.dossier)
        if self.customer:
            rows = rows.filter(Q(customer_name__icontains=self.customer) | Q(customer_vat__icontains=self.customer))
        if self.month is not None:
            rows = rows.filter(period_from__lt=days.next_month(self.month), period_till__gte=self.month)
        if self.least is not None or self.most is not None:
            rows = rows.alias(told=Coalesce("legal_excl", "total_excl")).filter(_amounts("told", self))
        return rows.filter(_says(self.q)) if self.q else rows


def _amounts(column: str, asked: Filter) -> Q:
    least, most = asked.least, asked.most
    at_least = Q(**{f"{column}__gte": least}) if least is not None else Q()
    return at_least & Q(**{f"{column}__lte": most}) if most is not None else at_least


def _says(text: str) -> Q:
    of_line = Q(description__icontains=text) | Q(description_extended__icontains=text)
    lines = InvoiceLine.objects.filter(of_line | Q(product_reference__icontains=text), invoice=OuterRef("pk"))
    own = ("order_number", "reference", "title", "customer_name", "purchase_order", "buyer_reference")
    found = Q(Exists(lines))
    for column in own:
        found |= Q(**{f"{column}__icontains": text})
    return found


def _amount(text: str) -> Decimal | None:
    """An amount as people write it, with a comma or a point; None for what is none, or too much to be one."""
    try:
        value = Decimal(text.strip().replace(" ", "").replace("\u00a0", "").replace(",", "."))
    except InvalidOperation:
        return None
    return value.quantize(Decimal("0.01")) if value.is_finite() and abs(value) <= _MOST else None
