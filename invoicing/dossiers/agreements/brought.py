"""The only verbs that bring an order of Billit's own into the books of an agreement, and that let it go (section 11).

A firm that has its provisions or its fee in Billit's recurring invoices goes on without billing anything twice: what an
order brought in bills is not billed by toggbill, and a settlement deducts it as any advance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext

from integrations.clients import billit_rows
from integrations.clients.billit import OrderSummary, WholeOrder
from integrations.clients.http.transport import Refused
from integrations.connections.opening import open_billit
from integrations.models import Customer
from invoicing.deciding import figures, rights
from invoicing.ledger.facts.books import Facts
from invoicing.models import Agreement, BroughtOrder, Invoice, InvoiceLine
from invoicing.rules import agreement as rules
from invoicing.rules.agreements import brought as rule
from invoicing.rules.billing.rating import to_cents
from invoicing.rules.judging.mapping import Buyer, customer_number
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.firms.read import Read, check

MOST = 12
"""Orders that are brought in at once: each is read before, and Billit is asked once a second."""
_RATES = (0, 6, 12, 21)
_ONE_EACH = (InvoiceLine.Kind.FEE, InvoiceLine.Kind.ADVANCE)


@dataclass(frozen=True, slots=True)
class Customers:
    """An agreement as the rules see it, its buyer, and the customers (PartyIDs) that he is at Billit."""

    terms: rules.Agreement
    buyer: Buyer
    party_ids: tuple[int, ...]


def bring_advance(
    *, agreement: Agreement, orders: Mapping[int, date | None], by: Actor, now: datetime, read: Read | None = None
) -> list[BroughtOrder]:
    """Bring orders (Billit's ids) of the agreement's customer in, all or none: each an advance, or the fee of a period.

    ``orders``: for each the advance (its day) or the period (its key) in whose place it stands; None: an advance beside
    the plan. Each order is read first (D13). Raises ``NotPossible`` for one that is no invoice in euro at one VAT rate
    of this customer, was credited, refused, cancelled or deleted, is an invoice of ours or was brought in before, and
    for a period that is billed already; the client's ``ServiceError``; ``NotAllowed``, ``Changed`` and ``Unread``.
    """
    audit.check_open(agreement.firm)
    rights.demand(by, "map", agreement.dossier)
    if not 0 < len(orders) <= MOST:
        raise NotPossible(gettext("Choose at least one order, and at most %(most)s at once.") % {"most": MOST})
    _of_kind(agreement)
    whole = [_read(agreement, order_id) for order_id in orders]
    return _bring(agreement=agreement, orders=orders, whole=whole, by=by, now=now, read=read)


@transaction.atomic
def _bring(
    *,
    agreement: Agreement,
    orders: Mapping[int, date | None],
    whole: Iterable[WholeOrder],
    by: Actor,
    now: datetime,
    read: Read | None,
) -> list[BroughtOrder]:
    lock_firm(agreement.firm)
    found = _fresh(agreement)
    rights.demand(by, "map", found.dossier)
    seen = {each.order.id: each for each in whole}
    check(
        read,
        lambda: [figures.of_agreement(found), *(figures.of_order(each.order) for each in seen.values())],
        by=by,
    )
    customers = customers_of(found)
    billed = billed_by(found)
    made: list[BroughtOrder] = []
    for order_id, period in orders.items():
        each = seen[order_id]
        row = _row(found, each, customers, by, now)
        row.period = _period(customers.terms, row, period, billed)
        if row.period is not None:
            billed[row.period] = str(row)
        row.save()
        made.append(row)
    audit.record(firm=found.firm, news=[_news("order_brought", row) for row in made], by=by, now=now)
    return made


@transaction.atomic
def let_go(*, brought: BroughtOrder, by: Actor, now: datetime, read: Read | None = None) -> BroughtOrder:
    """Take an order that was brought in out of the books again: what it stood for is billed by toggbill once more.

    Raises ``NotPossible`` when it was let go already, and when a settlement deducts it; ``NotAllowed``, ``Changed`` and
    ``Unread``.
    """
    lock_firm(brought.firm)
    row = BroughtOrder.objects.select_related("firm", "agreement__dossier__firm").get(pk=brought.pk)
    rights.demand(by, "map", row.agreement.dossier)
    check(read, lambda: [figures.of_brought(row)], by=by)
    said = {"order": row}
    if row.released_at is not None:
        raise NotPossible(gettext("Order %(order)s was let go already.") % said)
    deducting = row.deductions.live().select_related("line__invoice").first()
    if deducting is not None:
        raise NotPossible(
            gettext("Invoice %(invoice)s deducts order %(order)s: drop, replace or credit that invoice first.")
            % (said | {"invoice": deducting.line.invoice})
        )
    row.released_at = now
    row.save(update_fields=["released_at"])
    audit.record(firm=row.firm, news=[_news("order_let_go", row)], by=by, now=now)
    return row


def orders_at_billit(agreement: Agreement, customers: Customers, *, since: date) -> list[OrderSummary]:
    """The invoices that Billit has of the agreement's customer from a day on, the newest first, those of ours apart.

    Raises the client's ``ServiceError``.
    """
    company = agreement.dossier.company
    found: list[OrderSummary] = []
    with open_billit(company) as api:
        for party_id in customers.party_ids:
            listed = api.orders_to(party_id, "Invoice", since=since)
            found += [api.order(each.id) if _is_bare(each) else each for each in listed]
    ours = Invoice.objects.filter(company=company, order_id__in=[each.id for each in found])
    known = set(ours.values_list("order_id", flat=True))
    found.sort(key=lambda each: (each.dated or date.min, each.id), reverse=True)
    return [each for each in found if each.id not in known]


def _is_bare(order: OrderSummary) -> bool:
    """Whether a list's row leaves out what is shown of an order."""
    return bool(order.lacks & billit_rows.STATE) or order.dated is None


def customers_of(agreement: Agreement) -> Customers:
    """With whom an agreement is made. Raises ``NotPossible`` where its customer cannot be billed."""
    dossier = agreement.dossier
    judge = Facts.load(dossier.workspace, of=dossier).judges[dossier.pk]
    (terms,) = [each for each in judge.agreements if each.id == agreement.pk]
    buyer, _reason = judge.billed_to(terms)
    if buyer is None:
        raise NotPossible(
            gettext("Agreement %(agreement)s has no customer that can be billed: map its Toggl client to one first.")
            % {"agreement": agreement}
        )
    if buyer.party_id is not None:
        return Customers(terms, buyer, (buyer.party_id,))
    rows = Customer.objects.present().filter(company=dossier.company).exclude(vat_number="")
    known = rows.order_by("party_id").values_list("party_id", "vat_number")
    return Customers(terms, buyer, tuple(party for party, number in known if customer_number(number) == buyer.number))


def billed_by(agreement: Agreement) -> dict[date, str]:
    """The periods and advances (keys) that something bills already, and what."""
    lines = InvoiceLine.objects.live().filter(agreement=agreement, kind__in=_ONE_EACH, takes_back__isnull=True)
    found = {line.period: str(line.invoice) for line in lines.select_related("invoice") if line.period is not None}
    rows = BroughtOrder.objects.live().filter(agreement=agreement, period__isnull=False)
    return found | {row.period: str(row) for row in rows if row.period is not None}


def _fresh(agreement: Agreement) -> Agreement:
    rows = Agreement.objects.select_related("firm", "dossier__workspace__firm", "dossier__firm", "dossier__company")
    found = rows.get(pk=agreement.pk)
    _of_kind(found)
    return found


def _of_kind(agreement: Agreement) -> None:
    if agreement.kind == Agreement.Kind.PREPAID:
        raise NotPossible(
            gettext("Agreement %(agreement)s is of prepaid hours: only advances and fees are brought in from Billit.")
            % {"agreement": agreement}
        )


def _read(agreement: Agreement, order_id: int) -> WholeOrder:
    with open_billit(agreement.dossier.company) as api:
        try:
            return api.whole_order(order_id)
        except Refused as error:
            # So Billit answers for an id that is gone, too (Billit docs: 401).
            raise NotPossible(
                gettext("Billit has no order %(order)s of %(company)s: it was deleted there, or never was.")
                % {"order": order_id, "company": agreement.dossier.company}
            ) from error


def _row(agreement: Agreement, whole: WholeOrder, customers: Customers, by: Actor, now: datetime) -> BroughtOrder:
    """The row of an order, not saved. Raises ``NotPossible`` for what is wrong with it."""
    order, company = whole.order, agreement.dossier.company
    why = next(_wrong(agreement, whole, customers), "")
    (rate,) = {line.vat_rate for line in whole.lines} if not why else {Decimal(0)}
    if why or rate is None or order.dated is None:
        raise NotPossible(why or gettext("Billit does not say of order %(order)s what it is.") % {"order": order.id})
    first = whole.lines[0]
    treatment = rule.treatment_of(rate, first.ventilation_code, customers.buyer.treatment)
    exempt = settings.BILLIT_SMALL_ENTERPRISE_CODE if company.small_enterprise else None
    return BroughtOrder(
        firm_id=agreement.firm_id,
        agreement=agreement,
        company=company,
        order_id=order.id,
        order_number=order.number[:100],
        order_date=order.dated,
        description=first.description.strip()[:512],
        customer_party_id=order.customer_id,
        customer_vat=customer_number(order.customer_vat) or "",
        vat_rate=rate,
        ventilation_code=rule.code_of(treatment, rate, first.ventilation_code, exempt),
        treatment=treatment,
        total_excl=to_cents(order.total_excl),
        total_vat=to_cents(order.total_vat),
        total_incl=to_cents(order.total_incl),
        brought_at=now,
        brought_by=by.name,
    )


def _wrong(agreement: Agreement, whole: WholeOrder, customers: Customers) -> Iterator[str]:
    order, company = whole.order, agreement.dossier.company
    said = {"order": order.number or order.id, "agreement": agreement}
    if whole.order_type.lower() != "invoice" or whole.direction.lower() not in ("", "income"):
        yield gettext("Order %(order)s is no invoice to a customer: choose an invoice.") % said
    if order.status.lower() == "draft" or order.dated is None:
        yield gettext("Order %(order)s is a draft in Billit: finish it there first.") % said
    if order.is_undone:
        yield gettext("Order %(order)s was credited, refused or cancelled in Billit: nothing of it is left.") % said
    if whole.currency.upper() not in ("", "EUR"):
        yield gettext("Order %(order)s is in %(currency)s: only euro are deducted.") % (
            said | {"currency": whole.currency}
        )
    is_his = order.customer_id in customers.party_ids or (
        bool(customers.buyer.number) and customer_number(order.customer_vat) == customers.buyer.number
    )
    if not is_his:
        yield gettext("Order %(order)s is another customer’s than that of agreement %(agreement)s.") % said
    if order.total_excl <= 0 or not whole.lines:
        yield gettext("Order %(order)s amounts to nothing: there is nothing to bring in.") % said
    rates = {line.vat_rate for line in whole.lines}
    if len(rates) != 1 or not rates.intersection(map(Decimal, _RATES)):
        text = gettext(
            "Order %(order)s has several VAT rates, or one that Belgium does not have: an advance is deducted at its "
            "one rate. Have Billit bill it alone, and bring that in."
        )
        yield text % said
    ours = Invoice.objects.filter(company=company, order_id=order.id).first()
    if ours is not None:
        yield gettext("Order %(order)s is invoice %(invoice)s of toggbill’s own.") % (said | {"invoice": ours})
    before = BroughtOrder.objects.live().filter(company=company, order_id=order.id).select_related("agreement").first()
    if before is not None:
        yield gettext("Order %(order)s was brought in already, for agreement %(other)s.") % (
            said | {"other": before.agreement}
        )


def _period(terms: rules.Agreement, row: BroughtOrder, period: date | None, billed: Mapping[date, str]) -> date | None:
    said = {"order": row, "agreement": terms.key, "period": None if period is None else period.isoformat()}
    if period is None:
        if terms.kind == rules.Kind.fixed:
            raise NotPossible(gettext("Say for order %(order)s which period of the fee it bills.") % said)
        return None
    if period not in {each.key for each in rule.choices(terms, row.order_date)}:
        raise NotPossible(
            gettext("Agreement %(agreement)s bills nothing on %(period)s that order %(order)s could stand for.") % said
        )
    if period in billed:
        raise NotPossible(
            gettext(
                "What order %(order)s is to stand for, %(period)s, is billed already by %(other)s: drop that first if "
                "it is still a draft, or bring the order in without it."
            )
            % (said | {"other": billed[period]})
        )
    return period


def _news(type: str, row: BroughtOrder) -> News:
    return News(
        type,
        f"dossier {row.agreement.dossier.key}",
        {
            "agreement": row.agreement.key,
            "order_id": row.order_id,
            "number": row.order_number,
            "date": row.order_date.isoformat(),
            "period": None if row.period is None else row.period.isoformat(),
            "total_excl": f"{row.total_excl:.2f}",
            "total_incl": f"{row.total_incl:.2f}",
            "vat_rate": f"{row.vat_rate.normalize():f}",
        },
    )
