"""The rules of a dossier and the life of an invoice, in words that a person reads."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from django.conf import settings
from django.utils import dates, formats, timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from integrations.connections import hindrances
from invoicing.ledger.facts.books import rounding_of
from invoicing.models import Dossier, Invoice
from invoicing.models.problems import Code, words
from invoicing.rules.billing.rating import Rounding

NO_BREAK = "\u00a0"
_ROUNDED = {
    "up": gettext_lazy("%(level)s up to %(n)d minutes"),
    "nearest": gettext_lazy("%(level)s to the nearest %(n)d minutes"),
    "down": gettext_lazy("%(level)s down to %(n)d minutes"),
}
_CENT = Decimal("0.01")


def rules_in_words(dossier: Dossier) -> list[tuple[str, str]]:
    """The dossier's rules as pairs of a heading and a sentence, in the order of design section 5."""
    rows = [
        (_("Entries"), _("%(what)s, from %(day)s on") % {"what": _billed(dossier), "day": day(dossier.start_date)}),
        (_("Doubtful"), _doubtful(dossier)),
        (_("Rounding"), rounding_in_words(rounding_of(dossier))),
        (_("Lines"), _("one line per %(what)s") % {"what": dossier.get_group_by_display()}),
        (_("Schedule"), _schedule(dossier)),
        (_("Then"), _mode(dossier)),
        (_("Payment"), _("within %(n)d days") % {"n": dossier.payment_days}),
        (_("Annex of hours"), _("with each invoice, PDF and CSV") if dossier.annex else _("none")),
    ]
    if dossier.billed_tag:
        rows.append((_("In Toggl"), _("billed hours get the tag “%(tag)s”") % {"tag": dossier.billed_tag}))
    if dossier.price_day == Dossier.PriceDay.WORK:
        rows.insert(3, (_("Price"), _("in force on the day of the work")))
    if guarded := _guards(dossier):
        rows.insert(-1, (_("Guards"), guarded))
    if dossier.default_product:
        rows.insert(1, (_("Without a tag"), _("product %(reference)s") % {"reference": dossier.default_product}))
    return rows


def _doubtful(dossier: Dossier) -> str:
    if not dossier.longest_hours:
        return _("an entry that stands there twice waits for a person")
    return ngettext(
        "an entry of more than %(n)d hour, or one that stands there twice, waits for a person",
        "an entry of more than %(n)d hours, or one that stands there twice, waits for a person",
        dossier.longest_hours,
    ) % {"n": dossier.longest_hours}


def above_the_limit(count: int) -> str:
    """What is said when hours were billed anew by somebody whom the dossier's limit holds back."""
    return ngettext(
        "The hours stand on %(n)d new invoice. It is above the dossier’s limit: who may pass that approves it.",
        "The hours stand on %(n)d new invoices. One or more are above the dossier’s limit: who may pass that approves "
        "them.",
        count,
    ) % {"n": count}


def money(amount: Decimal | None) -> str:
    """An amount in euro, written as the language does."""
    if amount is None:
        return "–"
    number = formats.number_format(abs(amount).quantize(_CENT, ROUND_HALF_UP), 2)
    sign = f"−{NO_BREAK}" if amount < 0 else ""
    if (translation.get_language() or "en").startswith("fr"):
        return f"{sign}{number}{NO_BREAK}€"
    return f"{sign}€{NO_BREAK}{number}"


def hours(seconds: int | None) -> str:
    """Seconds as hours with two decimals: 12.75 h."""
    value = (Decimal(seconds or 0) / 3600).quantize(_CENT, ROUND_HALF_UP)
    return f"{formats.number_format(value, 2)}{NO_BREAK}h"


def day(value: date) -> str:
    """A day that nobody can misread: 7 Nov 2026. A moment counts for its day in the time zone in force."""
    local = timezone.localtime(value) if isinstance(value, datetime) else value
    return formats.date_format(local, f"j {_month_sign()} Y")


def moment(value: datetime) -> str:
    """A moment in the time zone in force: 7 Nov 2026, 09:12."""
    return formats.date_format(timezone.localtime(value), f"j {_month_sign()} Y, H:i")


def _month_sign() -> str:
    # Only English writes months with a capital.
    return "M" if (translation.get_language() or "en").startswith("en") else "b"


def _billed(dossier: Dossier) -> str:
    return str(dossier.get_billable_display())


def rounding_in_words(rounding: Rounding) -> str:
    """A rule for seconds (R5): each entry up to 15 minutes."""
    if not rounding.minutes:
        text = _("none: seconds are added as they are")
    else:
        text = _ROUNDED[rounding.direction] % {"level": Dossier.Level(rounding.level).label, "n": rounding.minutes}
    if rounding.minimum and rounding.level == Dossier.Level.ENTRY:
        text = _("%(rule)s, at least %(n)d minutes per entry") % {"rule": text, "n": rounding.minimum}
    return text


def _schedule(dossier: Dossier) -> str:
    match dossier.every:
        case Dossier.Every.DAILY:
            return _("every day, through the day before")
        case Dossier.Every.WEEKLY:
            weekday = dates.WEEKDAYS[(dossier.day or 1) - 1]
            return _("every %(weekday)s, through the day before") % {"weekday": weekday}
        case Dossier.Every.MONTHLY:
            return _("on day %(n)d of the month, through the day before") % {"n": dossier.day or 1}
    return _("by hand")


def _mode(dossier: Dossier) -> str:
    match dossier.mode:
        case Dossier.Mode.POST:
            text = _("drafts are posted to Billit, and a person sends them")
        case Dossier.Mode.SEND:
            text = _("drafts are posted to Billit and sent")
        case _other:
            return _("drafts wait for a person")
    if dossier.auto_limit is not None:
        limit = formats.number_format(dossier.auto_limit, 2)
        return _("%(rule)s, but above € %(limit)s a person approves") % {"rule": text, "limit": limit}
    return _("%(rule)s, whatever the amount") % {"rule": text}


def _guards(dossier: Dossier) -> str:
    found = []
    if dossier.four_eyes:
        found.append(_("who approves does not send"))
    if dossier.deviation:
        text = _("a person looks at what is more than %(n)d %% above the customer’s latest six invoices")
        found.append(text % {"n": dossier.deviation})
    return "; ".join(found)


class Step(NamedTuple):
    """A step of an invoice's life. `how`: done, now, trouble, todo."""

    label: str
    how: str
    at: datetime | date | None


def life(invoice: Invoice) -> list[Step]:
    """The steps from draft to payment, as far as this invoice is."""
    steps = [Step(_("Drafted"), "done", invoice.drafted_at)]
    if invoice.status == Invoice.Status.VOID:
        return [*steps, Step(_("Dropped"), "trouble", None)]
    approved = invoice.status != Invoice.Status.DRAFT
    steps.append(Step(_("Approved"), "done" if approved else "todo", invoice.approved_at))
    steps.append(_posted(invoice))
    steps += _sent(invoice)
    paid = invoice.payment == Invoice.Payment.PAID
    steps.append(Step(_("Paid"), "done" if paid else "todo", invoice.paid_date))
    return steps


def _posted(invoice: Invoice) -> Step:
    match invoice.status:
        case Invoice.Status.POSTED:
            return Step(_("Posted"), "done", invoice.posted_at)
        case Invoice.Status.POSTING:
            return Step(_("Being posted"), "now", invoice.posting_since)
        case Invoice.Status.REFUSED:
            return Step(_("Refused"), "trouble", None)
        case Invoice.Status.IN_DOUBT:
            return Step(_("In doubt"), "trouble", None)
    return Step(_("Posted"), "todo", None)


def _sent(invoice: Invoice) -> list[Step]:
    delivered, sent = Step(_("Delivered"), "todo", None), Step(_("Sent"), "done", invoice.sent_at)
    match invoice.delivery:
        case Invoice.Delivery.SENDING:
            return [Step(_("Being sent"), "now", invoice.sending_since), delivered]
        case Invoice.Delivery.SENT:
            is_late = invoice.delivery_problem == Code.NOT_DELIVERED
            return [sent, Step(_("Not delivered"), "trouble", None) if is_late else delivered]
        case Invoice.Delivery.DELIVERED:
            return [sent, Step(_("Delivered"), "done", invoice.delivered_at)]
        case Invoice.Delivery.REFUSED:
            return [sent, Step(_("Refused by the receiver"), "trouble", None)]
        case Invoice.Delivery.FAILED:
            return [Step(_("Not delivered"), "trouble", None), delivered]
        case Invoice.Delivery.IN_DOUBT:
            return [Step(_("Sent: in doubt"), "trouble", None), delivered]
    return [Step(_("Sent"), "todo", None), delivered]


class Progress(NamedTuple):
    """What an invoice waits for. `looks_again`: it may change by itself in a moment. `hindered`: a person is needed."""

    text: str
    looks_again: bool
    hindered: bool


_SOON = timedelta(minutes=5)
"""Where workers run, one takes up what is asked for within this time, and Billit answers."""


def annex_with_order(invoice: Invoice) -> str:
    """Whether the annex of hours that is there went with the order, or will."""
    if invoice.status == Invoice.Status.POSTED:
        return (
            _("attached to the order") if '"Attachments":' in invoice.accepted_body else _("not attached to the order")
        )
    return _("goes with the order") if invoice.dossier.annex else _("stays here: the dossier wants none any more")


def progress(invoice: Invoice, now: datetime) -> Progress | None:
    """What an invoice that is asked for waits for, as far as the rows tell; None when it waits for nothing."""
    if not invoice.waits_for_billit:
        return None
    why = hindrances.waits(invoice.company.connection, now=now)
    if why is not None:
        return Progress(words(why), looks_again=False, hindered=True)
    began = invoice.posting_since or invoice.sending_since or invoice.replacing_since
    if began is not None:
        return _under_way(began, now)
    if invoice.status == Invoice.Status.IN_DOUBT or invoice.delivery == Invoice.Delivery.IN_DOUBT:
        # What is known of a doubt, and what follows, is said of the problem itself.
        return None
    asked = invoice.send_requested_at if invoice.status == Invoice.Status.POSTED else invoice.post_requested_at
    return None if asked is None else _waiting(asked, invoice.not_before, now)


def _under_way(began: datetime, now: datetime) -> Progress:
    if now - began < timedelta(seconds=settings.POSTING_LEASE_SECONDS):
        text = _("Begun on %(when)s, and Billit’s answer is not here yet. This page looks again by itself.")
        return Progress(text % {"when": moment(began)}, looks_again=True, hindered=False)
    text = _(
        "The worker that began it on %(when)s has not finished it. What became of it is looked up in Billit; "
        "nothing is billed twice."
    )
    return Progress(text % {"when": moment(began)}, looks_again=False, hindered=False)


def _waiting(asked: datetime, not_before: datetime | None, now: datetime) -> Progress:
    if now - asked < _SOON:
        text = _("Asked for on %(when)s; it waits for a worker. This page looks again by itself.")
        return Progress(text % {"when": moment(asked)}, looks_again=True, hindered=False)
    if not_before is not None and not_before > now:
        later = formats.date_format(timezone.localtime(not_before), "H:i")
        return Progress(_("It is tried again at %(time)s.") % {"time": later}, looks_again=False, hindered=False)
    text = _("Asked for on %(when)s, and no worker has done it yet. Whoever runs toggbill looks whether workers run.")
    return Progress(text % {"when": moment(asked)}, looks_again=False, hindered=True)
