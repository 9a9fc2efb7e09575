"""The only verbs that make a fee agreement, change it or end it (design section 11).

Page, admin, sheet and onboarding file all come here. What was billed by an agreement stands: other terms hold for the
periods that are not billed yet.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from django.db import transaction
from django.utils.translation import gettext

from integrations.models import Client
from invoicing.deciding import figures, rights
from invoicing.dossiers.agreements import planned
from invoicing.dossiers.faults import Fault, line, refuse, repeated, short_name, word
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.ledger.facts.books import Facts
from invoicing.ledger.locks import lock_rules
from invoicing.ledger.rule_events import agreement_changed, terms_of
from invoicing.ledger.states import reach
from invoicing.models import Agreement, Dossier, Invoice
from invoicing.rules import agreement as rules
from invoicing.rules import days
from invoicing.rules.judging.mapping import normalise_number
from invoicing.rules.text import text_key
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.changes import Outcome, amend
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.firms.read import Read, check

Terms = rules.Agreement
_LONGEST = 200
_MOST = Decimal(10) ** 10
_MOST_HOURS = Decimal(10) ** 6
_OF_BLOCKS = ("hours", "price", "refill_at")
_ONLY_SAID = ("title", "budget_hours", "budget_amount")
_BUDGET = ("budget_hours", "budget_amount")
# What a period that is billed rests on: with other ones a period could be billed twice, or a part of it never.
_DAY_OF_YEAR = re.compile(r"(0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|[12]\d)")
_FIXED = ("kind", "client", "vat", "from", "every", "in_advance")


def check_agreements(
    wanted: Sequence[Terms], stand: Mapping[str, Agreement] = MappingProxyType({})
) -> list[list[Fault]]:
    """What is wrong with agreements that are stated together, whatever stands beside them; a list for each.

    Fields: the keys of the onboarding file. ``stand``: the rows that are stated anew, by short name.
    """
    found = [
        [*_own(each)] if (row := stand.get(each.key)) is None else planned.without_kept(row, each, _own(each))
        for each in wanted
    ]
    for place, first in repeated([each.key for each in wanted]).items():
        found[place].append(Fault("key", "twice", {"value": wanted[place].key, "first": first}))
    return found


def check_beside(dossier: Dossier, wanted: Sequence[Terms]) -> list[list[Fault]]:
    """As ``check_agreements``, and what stands in their way: terms that have billed, and scopes that meet."""
    wanted = list(map(_normalised, wanted))
    rows = Agreement.objects.filter(firm=dossier.firm_id).select_related("dossier")
    stand = {row.key: row for row in rows}
    checked = zip(wanted, check_agreements(wanted, stand), strict=True)
    found = [[*faults, *_billed(dossier, each, stand.get(each.key))] for each, faults in checked]
    if not any(found):
        places = {each.key: place for place, each in enumerate(wanted)}
        for key, fault in _overlaps(dossier, wanted, stand.values()):
            found[places[key]].append(fault)
    return found


@transaction.atomic
def agree(*, dossier: Dossier, terms: Terms, by: Actor, now: datetime) -> Agreement:
    """Make an agreement. Raises ``Refused`` for what ``check_agreements`` finds, a short name that the firm has
    already, and a scope that meets another agreement's of the same customer; ``NotAllowed``."""
    lock_firm(dossier.firm)
    rights.demand(by, "map", dossier)
    if Agreement.objects.filter(firm=dossier.firm_id, key=terms.key).exists():
        refuse([(terms.key, Fault("key", "agreement_taken"))])
    _state(dossier, [terms], by, now)
    return Agreement.objects.get(firm=dossier.firm_id, key=terms.key)


@transaction.atomic
def change(*, agreement: Agreement, terms: Terms, by: Actor, now: datetime, read: Read | None = None) -> Agreement:
    """Give an agreement other terms, its short name apart. A draft that was made by the earlier ones is drawn anew
    before it is approved. Raises as ``agree``, and ``Refused`` for what may not change once it has billed; ``Changed``
    and ``Unread``."""
    lock_firm(agreement.firm)
    found = _fresh(agreement)
    rights.demand(by, "map", found.dossier)
    check(read, lambda: [figures.of_agreement(found)], by=by)
    _state(found.dossier, [replace(terms, key=found.key)], by, now)
    return _fresh(found)


@transaction.atomic
def end(*, agreement: Agreement, last_day: date, by: Actor, now: datetime, read: Read | None = None) -> Agreement:
    """Let an agreement end with a local day, the last one that it covers. What was billed beyond that day stays billed:
    a person credits it. What was planned beyond it and is not billed is dropped. Raises ``NotPossible`` for a day
    before its first one, else as ``change``."""
    lock_firm(agreement.firm)
    found = _fresh(agreement)
    rights.demand(by, "map", found.dossier)
    check(read, lambda: [figures.of_agreement(found)], by=by)
    if last_day < found.start_date:
        raise NotPossible(
            gettext("Agreement %(agreement)s begins on %(start)s: give that day or a later one as its last.")
            % {"agreement": found, "start": found.start_date.isoformat()}
        )
    _state(found.dossier, [planned.ended(found, last_day)], by, now)
    return _fresh(found)


@transaction.atomic
def set_agreements(*, dossier: Dossier, agreements: Iterable[Terms], by: Actor, now: datetime) -> Counter[Outcome]:
    """Make agreements, or bring those of these short names to these terms; those that are not named stay.

    Raises ``Refused``, as ``agree`` and ``change`` do.
    """
    lock_firm(dossier.firm)
    return _state(dossier, list(agreements), by, now)


def _fresh(agreement: Agreement) -> Agreement:
    """The row as it is now: agreements are written under the firm's lock."""
    rows = Agreement.objects.select_related("firm", "dossier__workspace__firm", "dossier__firm", "dossier__company")
    return rows.get(pk=agreement.pk)


def _state(dossier: Dossier, wanted: Sequence[Terms], by: Actor, now: datetime) -> Counter[Outcome]:
    """Under the firm's lock."""
    if not wanted:
        return Counter()
    lock_rules([dossier.workspace_id])
    wanted = list(map(_normalised, wanted))
    found = zip(wanted, check_beside(dossier, wanted), strict=True)
    refuse([(each.key, fault) for each, faults in found for fault in faults])
    rows = Agreement.objects.filter(firm=dossier.firm_id, key__in=[each.key for each in wanted])
    stand = {row.key: row for row in rows}
    outcomes: Counter[Outcome] = Counter()
    news: list[News] = []
    customers = reach.customers_of(dossier, stand)
    for terms in wanted:
        row = stand.get(terms.key)
        old = None if row is None else terms_of(row)
        outcomes[_write(dossier, row, terms, old, news)] += 1
    if news:
        judging = [one.data for one in news if reach.differs(one.data["old"], one.data["new"], besides=_ONLY_SAID)]
        if keys := {data["new"]["key"] for data in judging}:
            customers |= reach.customers_of(dossier, keys)
            reach.mark_agreements(dossier=dossier, keys=keys, customers=customers, now=now)
        record(firm=dossier.firm, news=news, by=by, now=now)
    return outcomes


def _normalised(terms: Terms) -> Terms:
    return replace(terms, number=normalise_number(terms.number) or terms.number)


def _write(
    dossier: Dossier, row: Agreement | None, terms: Terms, old: dict[str, Any] | None, news: list[News]
) -> Outcome:
    values = _columns(terms)
    if row is None:
        made = Agreement.objects.create(firm_id=dossier.firm_id, dossier=dossier, key=terms.key, **values)
        news.append(agreement_changed(dossier, old=None, new=terms_of(made)))
        return "created"
    if not amend(row, values):
        return "unchanged"
    amend(row, {"version": row.version + 1})
    news.append(agreement_changed(dossier, old=old, new=terms_of(row)))
    return "updated"


def _columns(terms: Terms) -> dict[str, Any]:
    return {
        "title": terms.title.strip(),
        "kind": terms.kind,
        "client_remote_id": terms.client_id,
        "number": terms.number,
        "start_date": terms.start,
        "end_date": terms.end,
        "products": [reference.strip() for reference in terms.products],
        "projects": list(terms.projects),
        "product_reference": terms.product.strip(),
        "amount": terms.amount,
        "every": terms.every,
        "in_advance": terms.in_advance,
        "included_hours": terms.included_hours,
        "extra_product": terms.extra_product.strip(),
        "part_periods": terms.part_periods,
        "plan": [{"day": day.isoformat(), "amount": f"{amount:.2f}"} for day, amount in sorted(terms.plan)],
        "settle_on": terms.settle_on,
        "hours": terms.hours,
        "price": terms.price,
        "refill_at": terms.refill_at,
        **{name: getattr(terms, name) for name in _BUDGET},
    }


def _own(terms: Terms) -> Iterable[Fault]:
    """What is wrong with terms in themselves."""
    yield from short_name("key", terms.key)
    yield from line("title", terms.title.strip(), longest=_LONGEST, required=True)
    yield from line("product", terms.product.strip(), longest=_LONGEST, required=True)
    yield from line("extra_product", terms.extra_product.strip(), longest=_LONGEST)
    for reference in terms.products:
        yield from line("products", reference.strip(), longest=_LONGEST, required=True)
    yield from word("kind", terms.kind, [kind.value for kind in rules.Kind])
    yield from word("every", terms.every, [every.value for every in rules.Every])
    yield from word("part_periods", terms.part_periods, [part.value for part in rules.PartPeriods])
    yield from _customer(terms)
    yield from _days(terms)
    yield from _amount("amount", terms.amount, _MOST)
    yield from _blocks(terms)
    yield from _budget(terms)
    if terms.included_hours is not None:
        yield from _amount("included_hours", terms.included_hours, _MOST_HOURS)
    if terms.included_hours is not None and not terms.extra_product.strip():
        yield Fault("extra_product", "no_extra_product", beside=("included_hours",))
    if terms.included_hours is None and terms.extra_product.strip():
        yield Fault("included_hours", "no_included_hours", beside=("extra_product",))
    yield from _of_its_kind(terms)
    if terms.kind == rules.Kind.advance:
        yield from _advances(terms)


def _of_its_kind(terms: Terms) -> Iterable[Fault]:
    """What is said of an agreement and belongs to another kind."""
    is_advance = terms.kind == rules.Kind.advance
    said = {"plan": bool(terms.plan), "settle_on": bool(terms.settle_on)}
    if is_advance:
        said = {
            "in_advance": terms.in_advance,
            "included_hours": terms.included_hours is not None,
            "extra_product": bool(terms.extra_product.strip()),
            "part_periods": terms.part_periods != rules.PartPeriods.full,
        }
    for name, is_said in said.items():
        if is_said:
            yield Fault(name, "not_of_this_kind", {"kind": terms.kind}, beside=("kind",))


def _advances(terms: Terms) -> Iterable[Fault]:
    if not terms.plan and not terms.amount:
        yield Fault("plan", "no_advances", beside=("amount",))
    if terms.plan and terms.amount:
        yield Fault("amount", "beside_a_plan", beside=("plan",))
    for place, _first in repeated([day for day, _ in terms.plan]).items():
        yield Fault("plan", "plan_day_twice", {"day": terms.plan[place][0].isoformat()})
    for day, amount in terms.plan:
        if not terms.in_force(day):
            yield Fault("plan", "plan_day_outside", {"day": day.isoformat()}, beside=("from", "until"))
        yield from _amount("plan", amount, _MOST)
        if not amount:
            yield Fault("plan", "not_an_amount", {"value": str(amount)})
    if terms.settle_on and not _DAY_OF_YEAR.fullmatch(terms.settle_on):
        yield Fault("settle_on", "not_a_day_of_the_year", {"value": terms.settle_on})


def _blocks(terms: Terms) -> Iterable[Fault]:
    """What prepaid hours need, and what belongs to them, or to a fee, alone."""
    if terms.kind != rules.Kind.prepaid:
        stated = [name for name in _OF_BLOCKS if getattr(terms, name) is not None]
        yield from (Fault(name, "not_of_this_kind", {"kind": terms.kind}, beside=("kind",)) for name in stated)
        return
    for name in ("hours", "price"):
        if getattr(terms, name) is None:
            yield Fault(name, "prepaid_needs", beside=("kind",))
    for name, most in (("hours", _MOST_HOURS), ("price", _MOST), ("refill_at", _MOST_HOURS)):
        if (value := getattr(terms, name)) is not None:
            yield from _amount(name, value, most)
    if terms.hours == 0:
        yield Fault("hours", "block_of_nothing")
    if terms.hours is not None and terms.refill_at is not None and terms.refill_at > terms.hours:
        yield Fault("refill_at", "refill_above_block", {"hours": f"{terms.hours:f}"}, beside=("hours",))
    plain = Terms(key="", title="", start=terms.start, product="")
    for name in ("amount", "every", "in_advance", "included_hours", "extra_product", "part_periods"):
        if getattr(terms, name) != getattr(plain, name):
            yield Fault(name, "not_of_this_kind", {"kind": terms.kind}, beside=("kind",))


def _budget(terms: Terms) -> Iterable[Fault]:
    for name, most in zip(_BUDGET, (_MOST_HOURS, _MOST), strict=True):
        value = getattr(terms, name)
        if value is None:
            continue
        yield from _amount(name, value, most)
        if value == 0:
            yield Fault(name, "budget_of_nothing")
        if terms.kind == rules.Kind.prepaid:
            yield Fault(name, "not_of_this_kind", {"kind": terms.kind}, beside=("kind",))


def _customer(terms: Terms) -> Iterable[Fault]:
    if terms.client_id is None and not terms.number:
        yield Fault("client", "no_agreed_customer", beside=("vat",))
    if terms.client_id is not None and terms.number:
        yield Fault("vat", "two_agreed_customers", beside=("client",))
    if terms.number and not normalise_number(terms.number):
        yield Fault("vat", "not_a_number", {"value": terms.number})


def _days(terms: Terms) -> Iterable[Fault]:
    for name, day in (("from", terms.start), ("until", terms.end)):
        if day is not None and not days.FIRST <= day <= days.LAST:
            facts = {"value": day.isoformat(), "least": days.FIRST.year, "most": days.LAST.year}
            yield Fault(name, "day_out_of_range", facts)
    if terms.end is not None and terms.end < terms.start:
        yield Fault("until", "until_before_from", {"value": terms.end.isoformat(), "start": terms.start.isoformat()})
    is_fee = terms.kind == rules.Kind.fixed
    if is_fee and terms.every == rules.Every.once and not terms.in_advance and terms.end is None:
        yield Fault("until", "once_without_end", beside=("every", "in_advance"))


def _amount(name: str, value: Decimal, most: Decimal) -> Iterable[Fault]:
    if not value.is_finite() or not 0 <= value < most:
        yield Fault(name, "not_an_amount", {"value": str(value)})
    elif value != round(value, 2):
        yield Fault(name, "more_than_cents", {"value": str(value)})


def _billed(dossier: Dossier, terms: Terms, row: Agreement | None) -> Iterable[Fault]:
    """What stays as it is: always the dossier, and once a period is billed what makes the periods and their payer."""
    if row is None:
        return
    if row.dossier_id != dossier.pk:
        yield Fault("key", "agreement_elsewhere", {"dossier": row.dossier.key})
        return
    lines = row.lines.live().filter(takes_back__isnull=True)
    if not lines.exists() and not row.brought.live().exists():
        return
    old, new = terms_of(row), terms_of(Agreement(key=row.key, **_columns(terms)))
    for name in _FIXED:
        if old[name] != new[name]:
            yield Fault(name, "agreement_billed", {"old": str(old[name]), "agreement": row.key})
    if row.kind == rules.Kind.advance and bool(row.plan) != bool(terms.plan):
        yield Fault("plan", "agreement_billed", {"old": str(row.plan or old["every"]), "agreement": row.key})
    elif terms.plan:
        amounts = dict(terms.plan)
        advances = lines.filter(kind="advance").order_by("period")
        for day, total, status in advances.values_list("period", "total", "invoice__status"):
            # A draft loses what lies behind the end, when it is drawn anew.
            if day is None or (status == Invoice.Status.DRAFT and not terms.in_force(day)):
                continue
            if amounts.get(day) != total:
                yield Fault("plan", "advance_billed", {"day": day.isoformat(), "amount": f"{total:.2f}"})


def _overlaps(dossier: Dossier, wanted: Sequence[Terms], rows: Iterable[Agreement]) -> Iterable[tuple[str, Fault]]:
    """Agreements of one customer that could cover the same hour. Two that stand so already, since their customers
    became one, are not refused again: else nobody could end one of them, nor state a whole file anew."""
    names = dict(Client.objects.filter(workspace=dossier.workspace_id).values_list("remote_id", "name"))
    judge = Facts.load(dossier.workspace).judges[dossier.pk]
    stated = {terms.key for terms in wanted}
    others = [agreement_of(row) for row in rows if row.dossier_id == dossier.pk and row.key not in stated]
    before = {row.key: agreement_of(row) for row in rows if row.dossier_id == dossier.pk}

    def stand_so(one: Terms, other: Terms) -> bool:
        was, were = before.get(one.key), before.get(other.key)
        if was is None or were is None or not rules.may_overlap(_keyed(was), _keyed(were)):
            return False
        payers = [_payers(judge.customer_key(_named(each, names)), each) for each in (was, were)]
        return bool(payers[0] & payers[1])

    placed = [(each, _payers(judge.customer_key(_named(each, names)), each)) for each in others]
    for terms in wanted:
        own = _payers(judge.customer_key(_named(terms, names)), terms)
        for other, theirs in placed:
            if own & theirs and rules.may_overlap(_keyed(terms), _keyed(other)) and not stand_so(terms, other):
                yield terms.key, Fault("products", "scopes_overlap", {"agreement": terms.key, "other": other.key})
        placed.append((terms, own))


def _named(terms: Terms, names: dict[int, str]) -> Terms:
    return replace(terms, client_name=names.get(terms.client_id or 0, ""))


def _payers(key: str, terms: Terms) -> set[object]:
    """What tells whom it is agreed with; two that share one of these are of one customer."""
    return {each for each in (key, terms.client_id, terms.number) if each}


def _keyed(terms: Terms) -> Terms:
    """With references as they are compared (R4)."""
    return replace(terms, products=tuple(map(text_key, terms.products)))
