"""Mails to members: one template as text and one as HTML for each kind, in the member's language.

A kind has `templates/mails/<kind>.txt` and `.html`; the HTML one extends `mails/frame.html`. Each names its kind as a
tag, by which services that send mails (django-anymail) count them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from anymail.message import AnymailMessage
from django.conf import settings
from django.core.mail import get_connection
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from toggbill.firms.models import Firm, Membership
from toggbill.firms.requests.addresses import in_firm


class Kind(StrEnum):
    """What a mail is about."""

    INVITATION = "invitation"
    DRAFTS = "drafts"
    CONNECTION = "connection"
    DELIVERY = "delivery"
    WEEK = "week"
    BUDGETS = "budgets"


CHOOSABLE: dict[Kind, tuple[str | Promise, str | Promise]] = {
    Kind.DRAFTS: (_("Drafts are waiting"), _("A scheduled run left drafts for a person, to whoever may approve.")),
    Kind.CONNECTION: (
        _("A connection does not work"),
        _("Toggl or Billit takes a credential no more, to owners and managers."),
    ),
    Kind.DELIVERY: (
        _("An invoice does not arrive"),
        _("Refused, or not delivered after a working day: to who sent it, else to owners and managers."),
    ),
    Kind.WEEK: (_("What goes out this week"), _("On Monday morning, to owners and managers.")),
    Kind.BUDGETS: (
        _("A budget is used up"),
        _("In the morning after 80 or 100 % of a budget was used, to owners and managers."),
    ),
}
"""The kinds that a member may switch off, each with its name and when it is written. (An invitation is to somebody who

is no member yet.)"""


def wanting(rows: QuerySet[Membership], kind: Kind) -> QuerySet[Membership]:
    """Those of the members who want mails of this kind, and whose account is open, by address."""
    return rows.filter(user__is_active=True, **{f"mails_{kind}": True}).order_by("user__email")


def language_of(member: Membership) -> str:
    """The language in which a member is written to: the one that they chose on a page, else the firm's."""
    return str(member.user.language or member.firm.language)


def write(*, kind: Kind, member: Membership, title: str, facts: Mapping[str, Any]) -> AnymailMessage:
    """A mail to one member, not sent yet. ``title`` may hold line breaks of names, which no header takes.

    The language, the zone and the addresses of the firm are to be in force (``within``), as they were for the facts.
    """
    choosing = page("firm:mails")
    known = {"member": member, "choosing": choosing, **facts}
    mail = write_to(
        member.user.email, kind=kind, firm=member.firm, language=language_of(member), title=title, facts=known
    )
    end = gettext("You get this mail as a member of %(firm)s. Choose which mails you get: %(page)s")
    mail.body += f"\n{end % {'firm': ' '.join(member.firm.name.split()), 'page': choosing}}\n"
    return mail


def write_to(
    address: str, *, kind: Kind, firm: Firm, language: str, title: str, facts: Mapping[str, Any]
) -> AnymailMessage:
    """A mail of a firm to an address, not sent yet, in the language in force; see ``write``."""
    subject = " ".join(title.split())
    known = {"firm": firm, "title": subject, "language": language, **facts}
    mail = AnymailMessage(
        subject=subject,
        body=render_to_string(f"mails/{kind}.txt", known).strip() + "\n",
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[address],
        tags=[str(kind)],
    )
    mail.attach_alternative(render_to_string(f"mails/{kind}.html", known), "text/html")
    return mail


@contextmanager
def within(member: Membership) -> Iterator[None]:
    """Language of the member, zone and addresses of the firm, for all that is written to them."""
    firm = member.firm
    with translation.override(language_of(member)), timezone.override(firm.zone), in_firm(firm.slug):
        yield


def page(name: str, *args: object) -> str:
    """The whole address of a page of the firm in force, for a mail."""
    return f"{settings.PUBLIC_URL}{reverse(name, args=args)}"


def send(mails: Iterable[AnymailMessage]) -> int:
    """Hand mails over, one by one, so that no address is shown to another; returns how many were.

    Raises OSError (of which SMTPException is one) or ``anymail.exceptions.AnymailError`` for the first that was not.
    """
    sent = 0
    with get_connection() as server:
        for mail in mails:
            mail.connection = server
            sent += mail.send()
    return sent
