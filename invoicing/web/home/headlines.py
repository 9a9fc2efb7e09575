"""What stands between the books and their end, counted; each count leads to just what it counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from integrations.connections import hindrances
from integrations.models import Connection
from invoicing.models import Invoice, LedgerRow
from invoicing.models.problems import words, words_of
from invoicing.web import descriptions
from invoicing.web.figures import DossierRow, Portfolio

_Status, _Delivery = Invoice.Status, Invoice.Delivery
NAMED = 4
"""Obstacles that the heading names; the counts below it have all."""


@dataclass(frozen=True, slots=True)
class Headline:
    """A count, what it is of, what more there is to say, and where just these are."""

    count: int
    label: str
    more: str
    href: str
    is_trouble: bool = False


class Broken(NamedTuple):
    """A connection that workers cannot use: why, how much waits for it, and where it is mended."""

    connection: Connection
    why: str
    waits: str
    href: str


def headlines(found: Portfolio) -> list[Headline]:
    """The counts, in the order in which an hour becomes a delivered invoice."""
    invoices, money = reverse("firm:invoices"), descriptions.money
    posted = f"{invoices}?status={_Status.POSTED}&delivery="
    held = f"{reverse('firm:all_hours')}?state={LedgerRow.State.HELD}"
    unread = f"{reverse('firm:dossiers')}?show=unread"
    decide = descriptions.hours(found.attention.seconds)
    return [
        Headline(found.unread, _("not read yet"), "", unread, is_trouble=True),
        Headline(found.decisions, _("to decide"), decide, reverse("firm:attention"), is_trouble=True),
        Headline(found.held.entries, _("held"), descriptions.hours(found.held.seconds), held),
        Headline(found.drafts, _("drafts"), money(found.drafts_value), f"{invoices}?status={_Status.DRAFT}"),
        Headline(
            found.approved,
            _("approved, not posted"),
            money(found.approved_value),
            f"{invoices}?status={_Status.APPROVED}",
        ),
        Headline(found.refused, _("refused by Billit"), "", f"{invoices}?status={_Status.REFUSED}", is_trouble=True),
        Headline(found.unsent, _("posted, not sent"), "", f"{posted}{_Delivery.NOT_SENT}"),
        Headline(found.undelivered, _("sent, not delivered"), "", f"{posted}{_Delivery.SENT}"),
        Headline(found.returned, _("refused by the receiver"), "", f"{posted}{_Delivery.REFUSED}", is_trouble=True),
    ]


def heading(found: Portfolio) -> str:
    """What the page says first. *Every hour is billed* only where that is so in Billit, as far as hours can be read."""
    broken_ones = len(_broken_connections(found.rows))
    counted = [
        (
            found.unread,
            ngettext("%(n)d dossier that was not read yet", "%(n)d dossiers that were not read yet", found.unread),
        ),
        (
            broken_ones,
            ngettext("%(n)d connection that does not work", "%(n)d connections that do not work", broken_ones),
        ),
        (found.decisions, ngettext("%(n)d decision", "%(n)d decisions", found.decisions)),
        (found.corrections, ngettext("%(n)d correction", "%(n)d corrections", found.corrections)),
        (found.drafts, ngettext("%(n)d draft", "%(n)d drafts", found.drafts)),
        (found.approved, ngettext("%(n)d invoice to post", "%(n)d invoices to post", found.approved)),
        (found.stuck, ngettext("%(n)d stuck invoice", "%(n)d stuck invoices", found.stuck)),
        (
            found.differences,
            ngettext(
                "%(n)d difference with Toggl or Billit", "%(n)d differences with Toggl or Billit", found.differences
            ),
        ),
    ]
    obstacles = [(count, text % {"n": count}) for count, text in counted if count]
    if obstacles:
        return _stand_between(obstacles)
    if found.open.entries:
        return _("Nothing needs you; the open hours wait for their next run")
    if later := _billed_later(found):
        return _("Every hour is billed but %(these)s") % {"these": _listed(later)}
    if found.unsent:
        return ngettext(
            "Every hour is in Billit; %(n)d invoice is not sent",
            "Every hour is in Billit; %(n)d invoices are not sent",
            found.unsent,
        ) % {"n": found.unsent}
    return _("Every hour is billed")


def _billed_later(found: Portfolio) -> list[str]:
    """The hours that wait for something else than their next run."""
    counted = [
        (found.held.entries, _("those that are held")),
        (found.on_account.entries, _("those on account until their settlement")),
        (found.unbilled_fees, _("those whose fee is not billed yet")),
    ]
    return [text for waits, text in counted if waits]


def _listed(texts: list[str]) -> str:
    *before, last = texts
    return _("%(these)s and %(last)s") % {"these": ", ".join(before), "last": last} if before else last


def _stand_between(obstacles: list[tuple[int, str]]) -> str:
    named = [text for _count, text in obstacles[:NAMED]]
    if len(obstacles) > NAMED:
        named[-1] = _("more")
    things = _listed(named)
    return ngettext(
        "%(things)s stands between you and finished books",
        "%(things)s stand between you and finished books",
        sum(count for count, _text in obstacles),
    ) % {"things": things}


def _broken_connections(rows: Iterable[DossierRow]) -> dict[int, tuple[Connection, list[DossierRow]]]:
    """By row id: the connections that do not work or are paused, and the dossiers that each serves."""
    found: dict[int, tuple[Connection, list[DossierRow]]] = {}
    for row in rows:
        for connection in (row.dossier.workspace.connection, row.dossier.company.connection):
            if connection.failure != Connection.Failure.NONE or connection.paused_at is not None:
                found.setdefault(connection.pk, (connection, []))[1].append(row)
    return found


def broken(rows: Iterable[DossierRow], *, may_connect: bool) -> list[Broken]:
    """The connections that do not work, each once, those first for which most invoices wait."""
    found = []
    for connection, own in _broken_connections(rows).values():
        trouble = hindrances.trouble(connection)
        if trouble is not None:
            why = words(trouble)
        elif connection.paused_at is not None:
            why = _("It is paused.")
        else:
            why = words_of(connection.failure_code, connection.failure_facts)
        waiting = sum(row.approved for row in own)
        dossiers = ngettext("%(n)d dossier", "%(n)d dossiers", len(own)) % {"n": len(own)}
        posts = ngettext("%(n)d invoice to post", "%(n)d invoices to post", waiting) % {"n": waiting}
        href = (
            reverse("firm:connection", args=[connection.service, connection.key])
            if may_connect
            else reverse("firm:dossier", args=[own[0].dossier.key])
        )
        found.append(
            (waiting, len(own), Broken(connection, why, f"{dossiers} · {posts}" if waiting else dossiers, href))
        )
    return [
        each for _waiting, _dossiers, each in sorted(found, key=lambda row: (-row[0], -row[1], row[2].connection.pk))
    ]
