"""What a person read and what there is now, side by side (design D12): `{% load changes %}`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django import template
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from integrations.connections import credentials
from integrations.models import Connection
from invoicing.deciding import figures as deciding
from invoicing.deciding.configured import RULES
from invoicing.ledger import attention
from invoicing.models import Agreement, ClientMapping, Correction, Dossier, Drift, Invoice, LedgerRow, problems
from invoicing.reconciliation import findings
from invoicing.templatetags.figures import clock, decimal, difference, money, rate, short, signed
from invoicing.web import descriptions, figures
from toggbill.firms import mails
from toggbill.firms.membership import members
from toggbill.firms.models import Membership
from toggbill.firms.read import Figures, Read

register = template.Library()

Text = str | Promise


class Figure(NamedTuple):
    """A figure in words, as it was read and as it is; "" where there was or is none."""

    label: Text
    old: str
    new: str
    differs: bool


class Sheet(NamedTuple):
    """What a page showed of one thing, beside what there is of it now."""

    title: str
    figures: Sequence[Figure]


@register.filter
def as_read(rows: Iterable[LedgerRow]) -> str:
    """What a form carries of the entries that it lists, as far as something can be decided of them."""
    return Read.of(deciding.of_entry(row) for row in rows if row.state in figures.DECIDABLE).pack()


@register.filter
def invoices_as_read(rows: Iterable[Invoice]) -> str:
    """What a list carries of its invoices, lines included, as far as Billit does not have them."""
    return Read.of(deciding.of_invoices([row for row in rows if row.status in deciding.DROPPABLE])).pack()


@register.filter
def connections_as_read(rows: Sequence[Connection]) -> str:
    """What a list carries of its connections, which are one firm's."""
    return Read.of(credentials.all_as_read(rows[0].firm, rows) if rows else []).pack()


@register.filter
def sheets(changes: Iterable[tuple[Figures, Figures]]) -> list[Sheet]:
    """The changes as tables: what tells the thing apart, amounts, and whatever differs."""
    return [Sheet(_title(new), list(_figures(old.shown, new.shown))) for old, new in changes]


@register.filter
def moved_on(changes: Iterable[tuple[Figures, Figures]]) -> bool:
    """Whether one of them is in another state, so that the same decision may be none any more."""
    states = ("status", "delivery", "decision", "state", "is_paused", "is_removed")
    return any(old.shown.get(name) != new.shown.get(name) for old, new in changes for name in states)


def _title(found: Figures) -> str:
    kind, _blank, name = found.subject.partition(" ")
    if kind == "corrections":
        return str(_("Alike corrections"))
    if kind == "finding":
        return capfirst(str(Drift.Kind(found.shown["kind"]).label))
    if kind in {"invoice", "replacement", "sending"}:
        return f"{found.shown['customer']} · {short(name)}"
    if kind == "agreement":
        return str(found.shown["title"])
    if kind == "attention":
        return str(found.shown["description"]) or str(attention.words(found.shown["reason"]).title)
    return str(found.shown["description"]) or f"{_('entry')} {name}"


def _figures(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[Figure]:
    for name, (label, words) in _WORDS.items():
        if name not in old and name not in new:
            continue
        differs = old.get(name) != new.get(name)
        if differs or name in _ALWAYS:
            yield Figure(label, _said(words, old.get(name)), _said(words, new.get(name)), differs)
    yield from _lines(old, new)


def _said(words: Callable[[Any], Text], value: Any) -> str:
    return "" if value is None else str(words(value))


def _lines(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterable[Figure]:
    before, after = old.get("lines", []), new.get("lines", [])
    for place in range(max(len(before), len(after))):
        was = before[place] if place < len(before) else None
        now = after[place] if place < len(after) else None
        before_it, after_it = _line(was) if was else "", _line(now) if now else ""
        if was != now and before_it == after_it:
            after_it = _("%(line)s (other entries)") % {"line": after_it}
        yield Figure(_("Line %(n)d") % {"n": place + 1}, before_it, after_it, was != now)


def _line(line: Mapping[str, Any]) -> str:
    sum_of_it = _("%(hours)s h × %(price)s = %(total)s, VAT %(rate)s, %(time)s in Toggl") % {
        "hours": decimal(Decimal(line["quantity"])),
        "price": money(Decimal(line["price"])),
        "total": money(Decimal(line["total"])),
        "rate": rate(Decimal(line["rate"])),
        "time": clock(line["seconds"]),
    }
    treatment = "" if line["treatment"] == "domestic" else str(ClientMapping.Treatment(line["treatment"]).label)
    reason = ""
    if line.get("discount"):
        amount, reason = line["discount"]
        reason = _("less %(discount)s (%(reason)s)") % {"discount": money(Decimal(amount)), "reason": reason}
    more = [text for text in (line["product"], _("late") if line["late"] else "", treatment, reason) if text]
    return " · ".join([f"{line['description']} {line['extended']}".strip() + f": {sum_of_it}", *more])


def _amount(value: str) -> str:
    return money(Decimal(value))


def _hours(value: str) -> str:
    return signed(Decimal(value))


def _yes(value: bool) -> Text:
    return _("yes") if value else _("no")


def _problem(pair: Sequence[Any]) -> str:
    code, facts = pair
    return problems.words_of(code, facts)


def _finding(facts: Mapping[str, Any]) -> str:
    return findings.sentence(Drift.Kind(facts["kind"]), dict(facts))


def _earlier(found: Sequence[Any]) -> str:
    seconds, difference_made, is_billed = found
    if not seconds:
        return ""
    price = _("at the price of their day") if is_billed else _("at today’s price")
    return f"{clock(seconds)} {price} ({money(Decimal(difference_made))})"


def _reason(code: str) -> Text:
    return attention.words(code).title if code else ""


def _period(days: Sequence[str]) -> str:
    first, last = (descriptions.day(date.fromisoformat(day)) for day in days)
    return first if first == last else f"{first} – {last}"


def _moment(text: str) -> str:
    return descriptions.moment(datetime.fromisoformat(text))


def _all(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values))


def _dossiers(keys: Sequence[str]) -> str:
    return _("all") if keys == members.ALL else _all(keys)


def _mails(kinds: Sequence[str]) -> str:
    return " · ".join(str(name) for kind, (name, _when) in mails.CHOOSABLE.items() if kind in kinds)


def _corrections(rows: Iterable[Mapping[str, Any]]) -> str:
    return _all(f"{_('entry')} {row['entry']}: {difference(row['seconds'])}" for row in rows)


def _way(value: Sequence[str]) -> str:
    way, receiver = value
    return f"{Invoice.Way(way).label} {receiver}".strip() if way else ""


def _of_agreement(name: str) -> tuple[Text, Callable[[Any], Text]]:
    """What a term of an agreement is called, and how its value is said."""
    field: Any = Agreement._meta.get_field(name)
    labels = dict(field.choices or ())
    return field.verbose_name, lambda value: labels.get(value) or str(value)


def _day(text: str) -> str:
    return descriptions.day(date.fromisoformat(text)) if text else ""


def _scope(parts: Sequence[Sequence[Any]]) -> str:
    return _all([each for part in parts for each in part]) or _("all hours")


def _plan(pairs: Sequence[Sequence[str]]) -> str:
    return _all(f"{_day(day)}: {_amount(amount)}" for day, amount in pairs)


def _rule(name: str) -> tuple[Text, Callable[[Any], Text]]:
    """What a rule of a dossier is called, and how its value is said."""
    field: Any = Dossier._meta.get_field(name)
    labels = dict(field.choices or ())

    def said(value: Any) -> Text:
        return _yes(value) if isinstance(value, bool) else labels.get(value) or str(value)

    return field.verbose_name, said


_WORDS: dict[str, tuple[Text, Callable[[Any], Text]]] = {
    "status": (gettext_lazy("Status"), lambda value: Invoice.Status(value).label),
    "delivery": (gettext_lazy("Delivery"), lambda value: Invoice.Delivery(value).label),
    "payment": (gettext_lazy("Payment"), lambda value: Invoice.Payment(value).label),
    "replacing": (gettext_lazy("Its order is being deleted"), _yes),
    "needs_person": (gettext_lazy("A person decides"), _yes),
    "problem": (gettext_lazy("What Billit said"), _problem),
    "attention": (gettext_lazy("Needs attention"), _problem),
    "delivery_problem": (gettext_lazy("Not delivered"), _problem),
    "way": (gettext_lazy("Way to the customer"), _way),
    "state": (gettext_lazy("State"), lambda value: LedgerRow.State(value).label),
    "reason": (gettext_lazy("Reason"), _reason),
    "decision_text": (gettext_lazy("Reason of the decision"), str),
    "decision": (gettext_lazy("Decision"), lambda value: Correction.Decision(value).label),
    "number": (gettext_lazy("VAT number"), str),
    "party": ("PartyID", str),
    "title": (gettext_lazy("Title"), str),
    "purchase_order": (gettext_lazy("Purchase order"), str),
    "buyer_reference": (gettext_lazy("Buyer reference"), str),
    "period": (gettext_lazy("Period"), _period),
    "start": (gettext_lazy("When"), _moment),
    "person": (gettext_lazy("Who"), str),
    "client": (gettext_lazy("Toggl client"), str),
    "tags": (gettext_lazy("Tags"), _all),
    "time": (gettext_lazy("Time"), clock),
    "billed": (gettext_lazy("Billed"), clock),
    "mirrored": (gettext_lazy("In Toggl now"), clock),
    "entries": (gettext_lazy("Entries"), str),
    "which": (gettext_lazy("Sum of the entries’ ids"), str),
    "count": (gettext_lazy("Corrections"), str),
    "seconds": (gettext_lazy("Difference"), difference),
    "hours": (gettext_lazy("Hours"), _hours),
    "amount": (gettext_lazy("Amount excl. VAT"), _amount),
    "product": (gettext_lazy("Product"), str),
    "customer": (gettext_lazy("Customer"), str),
    "day": (gettext_lazy("Day"), lambda value: descriptions.day(date.fromisoformat(value))),
    "billable": (gettext_lazy("Billable"), _yes),
    "finding": (gettext_lazy("What differs"), _finding),
    "gone": (gettext_lazy("No longer found"), _yes),
    "line_entries": (gettext_lazy("Entries on its line"), str),
    "line_seconds": (gettext_lazy("Time on its line"), clock),
    "corrections": (gettext_lazy("Corrections"), _corrections),
    "excl": (gettext_lazy("Total excl. VAT"), _amount),
    "vat": (gettext_lazy("VAT"), _amount),
    "incl": (gettext_lazy("Total"), _amount),
    "earlier": (gettext_lazy("Hours from before a price changed"), _earlier),
    "more_lines": (gettext_lazy("More lines"), str),
}
"""By the name of a figure (``invoicing.deciding.figures``): what it is called, and how it is said."""
_WORDS |= {f"rule_{name}": _rule(name) for name in RULES}
_WORDS |= {
    "rule_clients": (gettext_lazy("only these Toggl clients"), _all),
    "bill": (gettext_lazy("bill"), _yes),
    "priority": (gettext_lazy("priority"), str),
    "treatment": (gettext_lazy("VAT treatment"), lambda value: ClientMapping.Treatment(value).label if value else ""),
    "role": (gettext_lazy("Role"), lambda value: Membership.Role(value).label),
    "dossiers": (gettext_lazy("Dossiers"), _dossiers),
    "valid_until": (gettext_lazy("Valid until"), _moment),
    "mails": (gettext_lazy("Mails that you get"), _mails),
    "opens": (gettext_lazy("What it opens"), _all),
    "method": (gettext_lazy("Credential"), lambda value: Connection.Method(value).label),
    "owner": (Connection._meta.get_field("owner_name").verbose_name, str),
    "accept_partial": (Connection._meta.get_field("accept_partial").verbose_name, _yes),
    "is_paused": (Connection._meta.get_field("paused_at").verbose_name, _yes),
    "is_removed": (Connection._meta.get_field("removed_at").verbose_name, _yes),
    "latest_change": (gettext_lazy("Latest change"), lambda event: f"{_moment(event[1])} · {event[2]}"),
    "connections": (gettext_lazy("Connections"), _all),
    "drafts": (gettext_lazy("drafts"), str),
    "approved": (gettext_lazy("approved, not at Billit"), str),
    "in_doubt": (gettext_lazy("in doubt"), str),
    "not_sent": (gettext_lazy("at Billit, not sent"), str),
    "audit_heads": (gettext_lazy("Audit log by mail"), _yes),
    "requires_mfa": (gettext_lazy("Two steps for everybody"), _yes),
    "firm_name": (gettext_lazy("name"), str),
    "timezone": (gettext_lazy("time zone"), str),
    "language": (gettext_lazy("language"), str),
}
_WORDS |= {name: _of_agreement(name) for name in ("every", "included_hours", "extra_product", "part_periods")}
_WORDS |= {name: _of_agreement(name) for name in ("budget_hours", "budget_amount")}
_WORDS |= {
    "from": (Agreement._meta.get_field("start_date").verbose_name, _day),
    "until": (Agreement._meta.get_field("end_date").verbose_name, _day),
    "scope": (gettext_lazy("Which hours it is about"), _scope),
    "plan": (Agreement._meta.get_field("plan").verbose_name, _plan),
    "settle_on": (Agreement._meta.get_field("settle_on").verbose_name, str),
    "in_advance": (Agreement._meta.get_field("in_advance").verbose_name, _yes),
}
_ALWAYS = frozenset({"status", "state", "decision", "time", "amount", "excl", "incl"})
"""Shown even where they are the same."""
