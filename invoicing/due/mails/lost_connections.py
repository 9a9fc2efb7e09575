"""A credential that a service takes no more is told by mail, once: owners and managers of the firm can mend it.

The row says that it is to be told (design D4), so a mail that could not be handed over is tried at the next tick.
"""

from __future__ import annotations

from datetime import datetime

from anymail.exceptions import AnymailError
from anymail.message import AnymailMessage
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from integrations.connections import hindrances, tokens
from integrations.connections.failures import words
from integrations.models import Connection
from invoicing.models import Invoice
from toggbill.firms import mails
from toggbill.firms.models import Membership

_ROLES = (Membership.Role.OWNER, Membership.Role.MANAGER)


def untold() -> list[int]:
    """The connections (row ids) that work no more, of which nobody was told yet."""
    rows = Connection.objects.standing().refused().filter(told_at__isnull=True, firm__closed_at__isnull=True)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def tell(*, connection: Connection, now: datetime) -> int:
    """Mail the firm's owners and managers that a person has to act; returns to how many. Twice is once.

    Raises OSError when no mail could be handed over.
    """
    if not Connection.objects.refused().filter(pk=connection.pk, told_at__isnull=True).update(told_at=now):
        return 0
    told = 0
    leads = Membership.objects.filter(firm=connection.firm, role__in=_ROLES).select_related("firm", "user")
    try:
        for member in mails.wanting(leads, mails.Kind.CONNECTION):
            with mails.within(member):
                told += mails.send([_mail(member, connection, now)])
    except (OSError, AnymailError) as error:
        if not told:
            Connection.objects.filter(pk=connection.pk, told_at=now).update(told_at=None)
            raise OSError(str(error)) from error
    return told


def _mail(member: Membership, connection: Connection, now: datetime) -> AnymailMessage:
    trouble = hindrances.trouble(connection)
    title = _("%(firm)s: %(connection)s needs you") % {"firm": member.firm.name, "connection": str(connection)}
    parts = [words(trouble) if trouble else "", *_consequences(connection, now)]
    facts = {"sentences": [part for part in parts if part], "page": tokens.page_of(connection)}
    return mails.write(kind=mails.Kind.CONNECTION, member=member, title=title, facts=facts)


def _consequences(connection: Connection, now: datetime) -> list[str]:
    """Until when it works all the same, and what waits for it."""
    found = []
    if tokens.still_open(connection, now=now) and connection.expires_at is not None:
        until = formats.date_format(connection.expires_at.astimezone(connection.firm.zone), "H:i")
        found.append(_("It still works until %(time)s.") % {"time": until})
    if count := Invoice.objects.waiting_for_billit().filter(company__connection=connection).count():
        found.append(
            ngettext(
                "%(n)d invoice waits for it. It goes on by itself once the connection works again.",
                "%(n)d invoices wait for it. They go on by themselves once the connection works again.",
                count,
            )
            % {"n": count}
        )
    elif connection.service == Connection.Service.TOGGL:
        found.append(_("Until then no hours are read through it."))
    return found
