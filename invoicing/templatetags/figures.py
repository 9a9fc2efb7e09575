"""How pages write hours, money and the words of the books: `{% load books %}`."""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django import template
from django.utils import formats, timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from integrations.connections import hindrances
from invoicing.corrections import options
from invoicing.ledger import attention
from invoicing.models import ClientMapping, Invoice, LedgerRow, problems
from invoicing.rules.billing.rating import worth
from invoicing.web import descriptions, figures
from invoicing.web.descriptions import NO_BREAK
from toggbill.firms.access import FirmRequest
from toggbill.firms.access import may as _may
from toggbill.firms.models import AuditEvent, Membership, User
from toggbill.firms.requests.addresses import first_page

register = template.Library()

_CENT = Decimal("0.01")


money = register.filter("money", descriptions.money)
hours = register.filter("hours", descriptions.hours)


@register.filter
def clock(seconds: int) -> str:
    """Seconds as Toggl shows them: 1:35:12."""
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


@register.filter
def decimal(value: Decimal | None) -> str:
    """A quantity or price with the decimals that it needs, two at least."""
    if value is None:
        return "–"
    exact = value.normalize()
    places = max(2, -int(exact.as_tuple().exponent))
    return formats.number_format(value, places)


@register.filter
def size(value: Decimal) -> Decimal:
    """An amount without its sign, where a word says which way it goes."""
    return abs(value)


@register.filter
def rate(value: Decimal) -> str:
    """A VAT rate: 21 %."""
    return f"{formats.number_format(value.normalize(), None if value % 1 else 0)}{NO_BREAK}%"


@register.filter
def number(seconds: int | None) -> str:
    """Seconds as hours with two decimals, without the unit: for columns whose heading says it."""
    return hours(seconds).removesuffix(f"{NO_BREAK}h")


@register.filter
def signed(hours: Decimal) -> str:
    """Hours with their sign: + 0.50 h."""
    sign = "−" if hours < 0 else "+"
    return f"{sign}{NO_BREAK}{formats.number_format(abs(hours), 2)}{NO_BREAK}h"


@register.filter
def signed_money(amount: Decimal) -> str:
    """An amount more or less, with its sign: + € 12.50."""
    return f"+{NO_BREAK}{money(amount)}" if amount > 0 else money(amount)


@register.filter
def difference(seconds: int) -> str:
    """Seconds more or less, as hours with their sign: + 0.50 h."""
    return signed((Decimal(seconds) / 3600).quantize(_CENT, ROUND_HALF_UP)) if seconds else "–"


@register.filter
def words(code: str, facts: dict[str, Any]) -> str:
    """A code of a row and its facts as a sentence, in the reader's language."""
    return problems.words_of(code, facts)


@register.filter
def waits(invoice: Invoice) -> str:
    """Why an invoice that waits for Billit cannot go on by itself now, and what to do; "" when it can."""
    if not invoice.waits_for_billit:
        return ""
    why = hindrances.waits(invoice.company.connection, now=timezone.now())
    return "" if why is None else problems.words(why)


@register.filter
def day(value: date | None) -> str:
    """A day that nobody can misread: 7 Nov 2026. A moment counts for its local day."""
    return descriptions.day(value) if value else ""


@register.filter
def moment(value: datetime | None) -> str:
    """A moment in the firm's time zone: 7 Nov 2026, 09:12."""
    return descriptions.moment(value) if value else ""


@register.filter
def quoted(text: str) -> str:
    """A name of somebody else's, between the quotes of the language."""
    return f"«{NO_BREAK}{text}{NO_BREAK}»" if (translation.get_language() or "en").startswith("fr") else f"“{text}”"


@register.filter
def initials(user: User) -> str:
    """Two letters for a person."""
    words = user.name.split() or [user.email]
    return (words[0][0] + words[-1][0] if len(words) > 1 else words[0][:2]).upper()


@register.filter
def days(period: tuple[date, date] | None) -> str:
    """A first and a last day, once when they are the same."""
    if period is None:
        return ""
    first, last = (descriptions.day(value) for value in period)
    return first if first == last else f"{first} – {last}"


@register.filter
def ago(then: datetime | None, now: datetime) -> str:
    """How long ago, in the one unit that matters."""
    if then is None:
        return _("never")
    minutes = int((now - then).total_seconds() // 60)
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return ngettext("%(n)d min ago", "%(n)d min ago", minutes) % {"n": minutes}
    if minutes < 48 * 60:
        return ngettext("%(n)d hour ago", "%(n)d hours ago", minutes // 60) % {"n": minutes // 60}
    return ngettext("%(n)d day ago", "%(n)d days ago", minutes // 1440) % {"n": minutes // 1440}


@register.filter
def age(since: date | None, today: date) -> str:
    """How many days a day lies back: 47 d."""
    return "" if since is None else _("%(n)d d") % {"n": (today - since).days}


@register.filter
def invoice_name(invoice: Invoice) -> str:
    """An invoice as people say it: Billit's number, else the first characters of our reference."""
    return options.name_of(invoice)


@register.filter
def short(reference: str) -> str:
    """Our reference as people say it: its first eight characters."""
    return reference.removeprefix("tb-")[:8]


@register.filter
def state_label(state: str) -> str:
    """The word for a state of the books."""
    return str(LedgerRow.State(state).label)


@register.filter
def treatment_label(treatment: str) -> str:
    """The word for a VAT treatment."""
    return str(ClientMapping.Treatment(treatment).label)


@register.filter
def get(mapping: dict[str, Any], key: str) -> Any:
    """A value of a dictionary, by a key that is a variable."""
    return mapping.get(key)


@register.filter
def value(row: LedgerRow) -> Decimal | None:
    """What an open row is worth, in euro."""
    return None if row.price is None else worth(row.seconds, row.price)


@register.filter
def reason_title(reason: str) -> str | Promise:
    """What an attention reason is called."""
    return attention.words(reason).title


_EVENTS: dict[str, str | Promise] = {
    "invoice_drafted": gettext_lazy("Drafted"),
    "invoice_approved": gettext_lazy("Approved"),
    "invoice_posting": gettext_lazy("Being posted"),
    "invoice_posted": gettext_lazy("Posted to Billit"),
    "invoice_in_doubt": gettext_lazy("In doubt: no clear answer"),
    "invoice_adopted": gettext_lazy("Found again in Billit"),
    "invoice_refused": gettext_lazy("Refused by Billit"),
    "invoice_not_posted": gettext_lazy("Not posted, later again"),
    "invoice_not_found": gettext_lazy("Not found in Billit, posted again"),
    "invoice_sending": gettext_lazy("Being sent"),
    "invoice_not_sent": gettext_lazy("Not sent, later again"),
    "invoice_sent": gettext_lazy("Sent"),
    "invoice_delivered": gettext_lazy("Delivered"),
    "invoice_delivery_refused": gettext_lazy("Refused, or not deliverable"),
    "invoice_not_delivered": gettext_lazy("Not delivered after one working day"),
    "invoice_paid": gettext_lazy("Paid"),
    "invoice_renumbered": gettext_lazy("Numbered anew in Billit"),
    "invoice_totals_accepted": gettext_lazy("Amounts of Billit accepted"),
    "invoice_void": gettext_lazy("Dropped"),
    "invoice_credited": gettext_lazy("Credited"),
    "invoice_send_refused": gettext_lazy("Not sent: Billit refused"),
    "invoice_send_in_doubt": gettext_lazy("Sent: in doubt"),
    "line_written": gettext_lazy("A line was given another amount"),
    "annex_frozen": gettext_lazy("Annex of hours frozen"),
    "annex_dropped": gettext_lazy("Annex of hours dropped"),
    "invoice_replacing": gettext_lazy("Being deleted in Billit, to be replaced"),
    "hours_drawn": gettext_lazy("Hours drew this block"),
    "hours_freed": gettext_lazy("Hours no longer draw this block"),
    "operator_looked": gettext_lazy("Looked at by whoever runs toggbill"),
    "sign_in_locked": gettext_lazy("Sign-in locked after bad tries"),
    "member_email_changed": gettext_lazy("Signs in with another address"),
    "member_email_added": gettext_lazy("Another address proven"),
    "member_email_removed": gettext_lazy("Another address removed"),
    "member_password_changed": gettext_lazy("Password changed"),
    "member_mfa_added": gettext_lazy("Second step added"),
    "member_mfa_removed": gettext_lazy("Second step removed"),
    "member_codes_made": gettext_lazy("New recovery codes made"),
    "invoice_replacing_in_doubt": gettext_lazy("Deletion in doubt: no clear answer"),
}


@register.filter
def event_title(kind: str) -> str | Promise:
    """What happened to an invoice; an event without a word of its own is shown by its name."""
    return _EVENTS.get(kind) or kind.removeprefix("invoice_").replace("_", " ").capitalize()


@register.filter
def event_reason(event: AuditEvent) -> str:
    """Why it happened, or what was answered, in words; an event of an earlier version holds the words themselves."""
    reason = event.data.get("reason") or event.data.get("answer") or ""
    return problems.words_of(reason["code"], reason["facts"]) if isinstance(reason, dict) else str(reason)


@register.filter
def who(name: str) -> str:
    """The actor of an event, in words where it is not a person."""
    return {"schedule": _("schedule"), "operator": _("operator"), "sync": _("reading of Toggl")}.get(name, name)


_STATUS_COLOUR = {
    Invoice.Status.DRAFT: "drafted",
    Invoice.Status.APPROVED: "open",
    Invoice.Status.POSTING: "open",
    Invoice.Status.POSTED: "invoiced",
    Invoice.Status.REFUSED: "attention",
    Invoice.Status.IN_DOUBT: "attention",
    Invoice.Status.VOID: "held",
}


@register.filter
def colour(invoice: Invoice) -> str:
    """The state colour of an invoice."""
    if invoice.delivery == Invoice.Delivery.REFUSED or invoice.delivery_problem == problems.Code.NOT_DELIVERED:
        return "attention"
    return _STATUS_COLOUR[Invoice.Status(invoice.status)]


@register.simple_tag(takes_context=True)
def may(context: dict[str, Any], what: str) -> bool:
    """Whether the member may do something of the table in `access`."""
    return _may(context["request"].membership, what)


def _waiting(context: dict[str, Any], membership: Membership | None) -> figures.Waiting | None:
    """What waits; the first page has counted it."""
    portfolio = context.get("portfolio")
    if isinstance(portfolio, figures.Portfolio):
        return portfolio.waiting
    return figures.waiting(membership) if membership else None


@register.inclusion_tag("parts/nav.html", takes_context=True)
def nav(context: dict[str, Any]) -> dict[str, Any]:
    """The bar on top, with what waits."""
    request: FirmRequest = context["request"]
    membership = getattr(request, "membership", None)
    # Outside of firms, on the pages of the account, the way back to any of them.
    others = sorted(request.memberships, key=lambda row: (row.firm.name, row.pk))
    offered = others if len(others) > 1 or membership is None else []
    return {
        "request": request,
        "user": request.user,
        "membership": membership,
        "firm": membership.firm if membership else None,
        "firms": [(row.firm.name, first_page(row.firm.slug), row == membership) for row in offered],
        "first_page": context.get("first_page"),
        "may_members": _may(membership, "members"),
        "waiting": _waiting(context, membership),
        "here": request.resolver_match.url_name if request.resolver_match else "",
        "csrf_token": context.get("csrf_token"),
    }
