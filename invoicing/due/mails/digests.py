"""Each Monday morning owners and managers are told by mail what will go out by itself until the next one (R11).

The firm's row says when (design D4). What is told is what a run would make of the hours so far: more may come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal

from anymail.exceptions import AnymailError
from anymail.message import AnymailMessage
from django.db.models import Q
from django.utils.translation import gettext as _

from invoicing.deciding import guards, rights
from invoicing.drafting import runs
from invoicing.models import Dossier, Invoice
from toggbill.firms import mails
from toggbill.firms.access import visible
from toggbill.firms.models import Firm, Membership

AT = time(7)
"""On a Monday, in the firm's zone."""
LONGEST = timedelta(days=7, hours=2)
"""From one Monday morning to the next, summer time and a difference of clocks included."""
SHOWN = 20
"""Customers of a dossier that the mail names; then how many more."""
_LEADS = (Membership.Role.OWNER, Membership.Role.MANAGER)
_BY_ITSELF = (Dossier.Mode.POST, Dossier.Mode.SEND)


@dataclass(frozen=True, slots=True)
class Going:
    """A dossier whose run is due this week: what it bills so far without a person, and how many wait for one."""

    dossier: Dossier
    page: str
    invoices: Sequence[Invoice]
    waiting: int

    @property
    def total(self) -> Decimal:
        """Euro excl. VAT."""
        return sum((invoice.total_excl for invoice in self.invoices), Decimal(0))

    @property
    def named(self) -> Sequence[Invoice]:
        """The largest ones."""
        return sorted(self.invoices, key=lambda invoice: (-invoice.total_excl, invoice.customer_name))[:SHOWN]

    @property
    def more(self) -> int:
        """How many are not named."""
        return max(0, len(self.invoices) - SHOWN)


def count(*, now: datetime) -> int:
    """Say when the mail of each firm is due that has no time yet, or one that a wrong clock wrote; returns of how many.

    Nothing is told at that moment: what goes out in the days until the first Monday goes out as before.
    """
    uncounted = Q(digest_due_at__isnull=True) | Q(digest_due_at__gt=now + LONGEST)
    firms = list(Firm.objects.filter(uncounted, closed_at__isnull=True).only("pk", "timezone"))
    for firm in firms:
        Firm.objects.filter(uncounted, pk=firm.pk).update(digest_due_at=_following(firm, now))
    return len(firms)


def due(*, now: datetime) -> list[int]:
    """The firms at work (row ids) of which the mail is due."""
    rows = Firm.objects.filter(digest_due_at__lte=now, closed_at__isnull=True)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def tell(*, firm: Firm, now: datetime) -> int:
    """Send the mails that are due, and say when the next ones are; returns how many. Twice is once.

    A firm in which nothing goes out by itself gets none. Raises OSError when no mail could be handed over; they are due
    again then.
    """
    following = _following(firm, now)
    mine = Firm.objects.filter(pk=firm.pk)
    if not mine.filter(digest_due_at__lte=now).update(digest_due_at=following):
        return 0
    told = 0
    members = mails.wanting(Membership.objects.filter(firm=firm, role__in=_LEADS), mails.Kind.WEEK)
    try:
        for member in members.select_related("firm", "user"):
            with mails.within(member):
                told += mails.send(_mails(member, now, following))
    except (OSError, AnymailError) as error:
        if not told:
            mine.update(digest_due_at=now)
            raise OSError(str(error)) from error
    return told


def _following(firm: Firm, now: datetime) -> datetime:
    """The next Monday morning after this moment."""
    local = now.astimezone(firm.zone)
    monday = datetime.combine(local.date() - timedelta(days=local.weekday()), AT, tzinfo=firm.zone)
    return monday if monday > now else datetime.combine(monday.date() + timedelta(days=7), AT, tzinfo=firm.zone)


def _mails(member: Membership, now: datetime, until: datetime) -> list[AnymailMessage]:
    rows = visible(member, Dossier.objects.filter(mode__in=_BY_ITSELF, due_at__gt=now, due_at__lte=until))
    rows = rows.select_related("firm", "workspace__firm", "company").order_by("due_at", "name", "pk")
    going = [_going(dossier, now) for dossier in rows]
    if not going:
        return []
    title = _("%(firm)s: what goes out by itself this week") % {"firm": member.firm.name}
    return [mails.write(kind=mails.Kind.WEEK, member=member, title=title, facts={"going": going})]


def _going(dossier: Dossier, now: datetime) -> Going:
    """What a run of today would make: neither limit, guard nor something to look at holds it back."""
    drafting = runs.preview(dossier=dossier, cut_off=now.astimezone(dossier.firm.zone).date(), now=now)
    invoices = [*(invoice for invoice, _planned in drafting.moved), *drafting.left]
    free = [row for row in invoices if not row.attention and rights.within_limit(row) and not guards.deviation(row)]
    page = mails.page("firm:dossier", dossier.key)
    return Going(dossier, page, free, len(invoices) - len(free))
