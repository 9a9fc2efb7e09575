"""The page on which invoices that Billit itself made are brought into an agreement, and let go again (section 11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.contrib import messages
from django.db.models import QuerySet, Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from integrations.clients.billit import OrderSummary
from integrations.clients.http.transport import ServiceError
from integrations.connections import failures
from invoicing.deciding import figures
from invoicing.dossiers.agreements import brought
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.ledger.agreements.brought import findings_on, left_of
from invoicing.models import Agreement, BroughtOrder, Dossier, LedgerRow
from invoicing.rules import agreement as rules
from invoicing.rules.agreements import brought as rule
from invoicing.rules.billing.rating import worth
from invoicing.web.agreements import words
from invoicing.web.lookup import dossier_of
from toggbill.firms.access import FirmRequest, actor, may, member_required
from toggbill.firms.errors import NotPossible
from toggbill.firms.read import Read

_BACK = timedelta(days=400)
NO_PERIOD = "-"
"""What the field of an order says of an advance beside the plan."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What an order may stand for: its key as the field has it, in words, and whether it is suggested."""

    key: str
    text: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Offered:
    """An invoice in Billit; ``choices``: what it may stand for; ``why``: why it cannot be brought in, "" if it can;
    ``told``: what bills its own period already, "" if nothing does."""

    order: OrderSummary
    choices: list[Choice]
    why: str
    told: str


@dataclass(frozen=True, slots=True)
class Brought:
    """An order that was brought in; ``period``: what it stands for, in words; ``left``: of an advance; ``read``: for
    the form that lets it go; ``hours`` and ``value``: of a fee's period, ``over``: what they are worth beyond it
    (negative: below it); None where there is nothing to compare."""

    row: BroughtOrder
    period: str
    left: Decimal
    read: str
    has_finding: bool
    seconds: int | None
    value: Decimal | None

    @property
    def over(self) -> Decimal | None:
        """How much more the hours are worth than the fee."""
        return None if self.value is None else self.value - self.row.total_excl

    @property
    def gap(self) -> Decimal:
        """The same without a sign."""
        return abs(self.over or Decimal(0))


@member_required()
@require_GET
def orders(request: FirmRequest, key: str, pk: int) -> HttpResponse:
    """What was brought in; with ``look`` also the customer's invoices in Billit, to pick from."""
    dossier = dossier_of(request, key)
    row = get_object_or_404(_rows(dossier), pk=pk)
    may_bring = may(request.membership, "map")
    offered: list[Offered] | None = None
    trouble = ""
    read = ""
    if "look" in request.GET and may_bring:
        try:
            offered = _offered(row)
        except NotPossible as refusal:
            trouble = str(refusal)
        except ServiceError as error:
            trouble = failures.words(error.message)
        else:
            shown = [figures.of_order(each.order) for each in offered]
            read = Read.of([figures.of_agreement(row), *shown]).pack()
    context = {
        "dossier": dossier,
        "row": row,
        "brought": _brought(row),
        "offered": offered,
        "trouble": trouble,
        "read": read,
        "most": brought.MOST,
        "may_bring": may_bring,
    }
    return render(request, "configuring/agreement_orders.html", context)


@member_required("map")
@require_POST
def bring(request: FirmRequest, key: str, pk: int) -> HttpResponse:
    """Bring the ticked orders in (fields `order`, `for-<id>` and `read`)."""
    row = get_object_or_404(_rows(dossier_of(request, key)), pk=pk)
    ticked = [int(each) for each in request.POST.getlist("order") if each.isdecimal() and len(each) < 18]
    try:
        made = brought.bring_advance(
            agreement=row,
            orders={order: _day(request.POST.get(f"for-{order}", "")) for order in ticked},
            by=actor(request),
            now=timezone.now(),
            read=Read.unpack(request.POST.get("read", "")),
        )
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    except ServiceError as error:
        messages.error(request, failures.words(error.message))
    else:
        done = ngettext(
            "%(n)d invoice of Billit’s is brought in: toggbill does not bill it again.",
            "%(n)d invoices of Billit’s are brought in: toggbill does not bill them again.",
            len(made),
        )
        messages.success(request, done % {"n": len(made)})
    return redirect("firm:agreement_orders", key=key, pk=pk)


@member_required("map")
@require_POST
def let_go(request: FirmRequest, key: str, pk: int, order: int) -> HttpResponse:
    """Take an order out of the books again (field `read`)."""
    row = get_object_or_404(_rows(dossier_of(request, key)), pk=pk)
    found = get_object_or_404(row.brought.select_related("firm"), pk=order)
    try:
        read = Read.unpack(request.POST.get("read", ""))
        brought.let_go(brought=found, by=actor(request), now=timezone.now(), read=read)
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    else:
        said = _("Invoice %(invoice)s of Billit’s is let go: what it stood for is billed by toggbill.")
        messages.success(request, said % {"invoice": found})
    return redirect("firm:agreement_orders", key=key, pk=pk)


def _rows(dossier: Dossier) -> QuerySet[Agreement]:
    rows = Agreement.objects.filter(dossier=dossier).exclude(kind=Agreement.Kind.PREPAID)
    return rows.select_related("firm", "dossier__firm", "dossier__workspace__firm", "dossier__company__connection")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _offered(row: Agreement) -> list[Offered]:
    """The customer's invoices in Billit, the newest first. Raises ``NotPossible`` and ``ServiceError``."""
    customers = brought.customers_of(row)
    since = timezone.localdate() - _BACK
    listed = brought.orders_at_billit(row, customers, since=since)
    known = set(BroughtOrder.objects.live().filter(company=row.dossier.company).values_list("order_id", flat=True))
    billed = dict(brought.billed_by(row))
    found = []
    for order in sorted(listed, key=lambda each: (each.dated or since, each.id)):
        why = _("brought in already") if order.id in known else _("credited or cancelled") if order.is_undone else ""
        if why or order.dated is None:
            found.append(Offered(order, [], why, ""))
            continue
        told = _told(customers.terms, order.dated, billed)
        found.append(Offered(order, _choices(customers.terms, order.dated, billed), why, told))
    return found[::-1]


def _told(terms: rules.Agreement, dated: date, billed: Mapping[date, str]) -> str:
    own = rule.stands_for(terms, dated, ())
    if not billed.get(own):
        return ""
    said = {"period": words.period(terms, words.lying(terms, own)), "other": billed[own]}
    return _("%(period)s is billed already by %(other)s: look whether one of them is too much.") % said


def _choices(terms: rules.Agreement, dated: date, billed: dict[date, str]) -> list[Choice]:
    likely = rule.stands_for(terms, dated, billed)
    # The next one of the list is not suggested for the same.
    billed.setdefault(likely, "")
    near = [each for each in rule.choices(terms, dated) if each.key == likely or not billed.get(each.key)]
    near = sorted(near, key=lambda each: abs(each.first - dated))[:12]
    found = [
        Choice(each.key.isoformat(), words.period(terms, each), each.key == likely)
        for each in sorted(near, key=lambda each: each.first)
    ]
    if terms.kind == rules.Kind.advance:
        found.insert(0, Choice(NO_PERIOD, _("an advance beside the plan"), likely == date.min))
    elif likely == date.min:
        # Else the first one would stand there as if it were meant.
        found.insert(0, Choice("", _("choose its period"), is_chosen=True))
    return found


def _brought(row: Agreement) -> list[Brought]:
    rows = list(row.brought.live().order_by("-order_date", "-order_id"))
    for each in rows:
        each.agreement = row
    left, findings = left_of(rows), findings_on(rows)
    worked = _worked(row, rows)
    terms = agreement_of(row)
    return [
        Brought(
            each,
            "" if each.period is None else words.period(terms, words.lying(terms, each.period)),
            left[each.pk],
            Read.of([figures.of_brought(each)]).pack(),
            each.pk in findings,
            *worked.get(each.pk, (None, None)),
        )
        for each in rows
    ]


def _worked(row: Agreement, rows: list[BroughtOrder]) -> Mapping[int, tuple[int, Decimal]]:
    """By brought-in order of a fee: the seconds of its period, and what they are worth at their prices."""
    if row.kind != Agreement.Kind.FIXED:
        return {}
    terms = agreement_of(row)
    hours = LedgerRow.objects.filter(agreement=row, state=LedgerRow.State.COVERED).order_by()
    sums = list(hours.values_list("day", "price").annotate(total=Sum("seconds")))
    found: dict[int, tuple[int, Decimal]] = {}
    for each in rows:
        if each.period is None:
            continue
        period = words.lying(terms, each.period)
        inside = [
            (seconds, price)
            for day, price, seconds in sums
            if period.first <= day and (period.last is None or day <= period.last)
        ]
        value = sum((worth(seconds, price) for seconds, price in inside if price is not None), Decimal(0))
        found[each.pk] = sum(seconds for seconds, _price in inside), value
    return found
