"""Who sent an invoice is told by mail that it does not arrive: refused, or not delivered after a working day (R11).

The row says that it is to be told (design D4), so a mail that could not be handed over is tried at the next tick.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from anymail.exceptions import AnymailError
from anymail.message import AnymailMessage
from django.utils.translation import ngettext

from invoicing.models import Invoice
from invoicing.models.problems import words_of
from toggbill.firms import mails
from toggbill.firms.access import visible
from toggbill.firms.models import Firm, Membership

_LEADS = (Membership.Role.OWNER, Membership.Role.MANAGER)


class Row(NamedTuple):
    """An invoice in a mail: what came of it, and its page."""

    invoice: Invoice
    sentence: str
    page: str


def untold() -> list[int]:
    """The firms (row ids) in which somebody is to be told."""
    return sorted(set(Invoice.objects.delivery_to_tell().values_list("firm", flat=True)))


def tell(*, firm: Firm, now: datetime) -> int:
    """Mail each who sent them the invoices of a firm that do not arrive; returns how many mails. Twice is once.

    What the schedule sent, or somebody who is no member any more, is told to owners and managers. Raises OSError when
    no mail could be handed over; what it would have told of is due again then.
    """
    told = 0
    for members, invoices in _by_members(firm).items():
        mine = [invoice for invoice in invoices if _claim(invoice)]
        if not mine:
            continue
        sent = 0
        try:
            for member in members:
                with mails.within(member):
                    sent += mails.send([_mail(member, mine)])
        except (OSError, AnymailError) as error:
            if not sent:
                for row in mine:
                    Invoice.objects.sent().filter(pk=row.pk).update(tell_delivery_at=now)
                raise OSError(str(error)) from error
        told += sent
    return told


def _claim(invoice: Invoice) -> bool:
    return bool(Invoice.objects.delivery_to_tell().filter(pk=invoice.pk).update(tell_delivery_at=None))


def _by_members(firm: Firm) -> dict[tuple[Membership, ...], list[Invoice]]:
    rows = Invoice.objects.delivery_to_tell().filter(firm=firm).select_related("dossier").order_by("pk")
    of_firm = Membership.objects.filter(firm=firm).select_related("firm", "user")
    members = list(mails.wanting(of_firm, mails.Kind.DELIVERY))
    found: defaultdict[tuple[Membership, ...], list[Invoice]] = defaultdict(list)
    for invoice in rows:
        found[tuple(_recipients(invoice, members))].append(invoice)
    return found


def _recipients(invoice: Invoice, members: Sequence[Membership]) -> list[Membership]:
    """Who sent it, if still a member who sees it and wants such mails; else who leads the firm."""
    seeing = [row for row in members if visible(row, Invoice.objects.filter(pk=invoice.pk)).exists()]
    name, user = invoice.send_requested_by, invoice.send_requested_by_user
    sender = [row for row in seeing if (row.user.email == name if user is None else row.user_id == user)]
    return sender or [row for row in seeing if row.role in _LEADS]


def _mail(member: Membership, invoices: Sequence[Invoice]) -> AnymailMessage:
    title = ngettext(
        "%(firm)s: %(n)d invoice does not arrive", "%(firm)s: %(n)d invoices do not arrive", len(invoices)
    ) % {"firm": member.firm.name, "n": len(invoices)}
    rows = [Row(row, _sentence(row), mails.page("firm:invoice", row.reference)) for row in invoices]
    return mails.write(kind=mails.Kind.DELIVERY, member=member, title=title, facts={"invoices": rows})


def _sentence(invoice: Invoice) -> str:
    return words_of(invoice.delivery_problem, invoice.delivery_problem_facts)
