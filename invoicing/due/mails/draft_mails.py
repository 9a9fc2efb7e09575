"""Who may approve is told by mail that a scheduled run left drafts for a person, and of which agreement few prepaid
hours are left.

The row of the dossier or the agreement says that it is to be told (design D4), so a mail that could not be handed over
is tried at the next tick. Several of a firm are one mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from anymail.exceptions import AnymailError
from anymail.message import AnymailMessage
from django.db.models import Count, Sum
from django.utils.translation import gettext, ngettext

from invoicing.ledger.agreements import blocks
from invoicing.models import Agreement, Dossier, Invoice
from toggbill.firms import mails
from toggbill.firms.access import may, visible
from toggbill.firms.models import Firm, Membership


@dataclass(frozen=True, slots=True)
class Waiting:
    """The drafts of a dossier: how many, what they come to in euro excl. VAT, and their page."""

    dossier: Dossier
    count: int
    total: Decimal
    page: str


@dataclass(frozen=True, slots=True)
class Low:
    """An agreement of which few prepaid hours are left, or none; ``page``: the dossier's."""

    agreement: Agreement
    left: Decimal
    page: str


def untold() -> list[int]:
    """The firms at work (row ids) in which somebody is to be told."""
    rows = Dossier.objects.filter(tell_drafts_at__isnull=False, firm__closed_at__isnull=True)
    low = Agreement.objects.filter(tell_left_at__isnull=False, firm__closed_at__isnull=True)
    return sorted({*rows.values_list("firm", flat=True), *low.values_list("firm", flat=True)})


def tell(*, firm: Firm, now: datetime) -> int:
    """Mail each who may approve the drafts of the dossiers concerned, and orders blocks; returns how many mails. Twice
    is once.

    Of drafts that were approved or dropped meanwhile nobody is told. Raises OSError when no mail could be handed over;
    it is due again then.
    """
    rows = Dossier.objects.for_firm(firm).filter(tell_drafts_at__isnull=False)
    mine = [row.pk for row in rows.order_by("pk") if rows.filter(pk=row.pk).update(tell_drafts_at=None)]
    low = Agreement.objects.for_firm(firm).filter(tell_left_at__isnull=False)
    few = [row.pk for row in low.order_by("pk") if low.filter(pk=row.pk).update(tell_left_at=None)]
    if not mine and not few:
        return 0
    told = 0
    members = mails.wanting(Membership.objects.filter(firm=firm).select_related("firm", "user"), mails.Kind.DRAFTS)
    try:
        for member in members:
            with mails.within(member):
                told += mails.send(_mails(member, mine, few))
    except (OSError, AnymailError) as error:
        if not told:
            for pk in mine:
                Dossier.objects.filter(pk=pk).update(tell_drafts_at=now)
            Agreement.objects.filter(pk__in=few).update(tell_left_at=now)
            raise OSError(str(error)) from error
    return told


def _mails(member: Membership, dossiers: Sequence[int], agreements: Sequence[int]) -> list[AnymailMessage]:
    if not may(member, "approve"):
        return []
    waiting = [
        Waiting(row, drafts["n"], drafts["total"] or Decimal(0), f"{mails.page('firm:invoices')}?dossier={row.key}")
        for row in visible(member, Dossier.objects.filter(pk__in=dossiers)).order_by("name", "pk")
        if (drafts := _drafts(row))["n"]
    ]
    low = [
        Low(row, blocks.left(row), mails.page("firm:dossier", row.dossier.key))
        for row in visible(member, Agreement.objects.filter(pk__in=agreements)).order_by("dossier__name", "key")
    ]
    if not waiting and not low:
        return []
    count = sum(each.count for each in waiting)
    title = ngettext("%(firm)s: %(n)d draft is waiting", "%(firm)s: %(n)d drafts are waiting", count)
    if not waiting:
        title = gettext("%(firm)s: few prepaid hours are left")
    facts = {"waiting": waiting, "count": count, "low": low}
    words = {"firm": member.firm.name, "n": count}
    return [mails.write(kind=mails.Kind.DRAFTS, member=member, title=title % words, facts=facts)]


def _drafts(dossier: Dossier) -> dict[str, Any]:
    return Invoice.objects.drafts().filter(dossier=dossier).aggregate(n=Count("pk"), total=Sum("total_excl"))
