"""The rules of a dossier and the life of an invoice, in words that a person reads."""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from django.utils import dates, formats, timezone, translation
from django.utils.translation import gettext as _

from invoicing.models import Dossier, Invoice


def rules_in_words(dossier: Dossier) -> list[tuple[str, str]]:
    """The dossier's rules as pairs of a heading and a sentence, in the order of design section 5."""
    rows = [
        (_("Entries"), _("%(what)s, from %(day)s on") % {"what": _billed(dossier), "day": day(dossier.start_date)}),
        (_("Rounding"), _rounding(dossier)),
        (_("Lines"), _("one line per %(what)s") % {"what": dossier.get_group_by_display()}),
        (_("Schedule"), _schedule(dossier)),
        (_("Then"), _mode(dossier)),
        (_("Payment"), _("within %(n)d days") % {"n": dossier.payment_days}),
    ]
    if dossier.default_product:
        rows.insert(1, (_("Without a tag"), _("product %(reference)s") % {"reference": dossier.default_product}))
    return rows


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


def _rounding(dossier: Dossier) -> str:
    if not dossier.rounding_minutes:
        text = _("none: seconds are added as they are")
    else:
        text = _("%(level)s %(direction)s to %(n)d minutes") % {
            "level": dossier.get_rounding_level_display(),
            "direction": dossier.get_rounding_direction_display(),
            "n": dossier.rounding_minutes,
        }
    if dossier.rounding_minimum and dossier.rounding_level == Dossier.Level.ENTRY:
        text = _("%(rule)s, at least %(n)d minutes per entry") % {"rule": text, "n": dossier.rounding_minimum}
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
        text = _("%(rule)s, but above € %(limit)s a person approves") % {"rule": text, "limit": limit}
    return text


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
    delivered = Step(_("Delivered"), "todo", None)
    match invoice.delivery:
        case Invoice.Delivery.SENDING:
            return [Step(_("Being sent"), "now", invoice.sending_since), delivered]
        case Invoice.Delivery.SENT:
            return [Step(_("Sent"), "done", None), delivered]
        case Invoice.Delivery.DELIVERED:
            return [Step(_("Sent"), "done", None), Step(_("Delivered"), "done", None)]
        case Invoice.Delivery.FAILED:
            return [Step(_("Not delivered"), "trouble", None), delivered]
        case Invoice.Delivery.IN_DOUBT:
            return [Step(_("Sent: in doubt"), "trouble", None), delivered]
    return [Step(_("Sent"), "todo", None), delivered]
