"""What the latest comparisons with Toggl and Billit left open, as the pages show it. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import F, Q
from django.utils import formats
from django.utils.translation import gettext as _

from invoicing.deciding import figures
from invoicing.ledger.invariants import invariants
from invoicing.ledger.invariants.broken import Broken, month_action
from invoicing.ledger.invariants.invariants import Scope
from invoicing.models import Dossier, Drift, Invoice, ReportedMonth
from invoicing.reconciliation import findings
from toggbill.firms.access import visible
from toggbill.firms.models import Membership
from toggbill.firms.read import Read


class Shown(NamedTuple):
    """A difference in words: what kind it is, what differs, what to do, and when it was first found.

    ``reference``: of the invoice that it is about, if there is one; ``to_decide``: its correction waits for a person;
    ``row``: what is kept of it, which a person may acknowledge or has, none for the total of a month; ``read``: what
    the form of that carries.
    """

    title: str
    sentence: str
    action: str
    since: datetime
    reference: str = ""
    to_decide: bool = False
    row: Drift | None = None
    read: str = ""

    @property
    def is_acknowledged(self) -> bool:
        """Whether somebody has said why it may stay."""
        return self.row is not None and self.row.acknowledged_at is not None


def differences(dossier: Dossier, totals: Iterable[Broken] | None = None) -> list[Shown]:
    """What stands between a dossier and both services: months first, then the oldest difference, and last what a person
    has acknowledged. ``totals``: the breaches of ``toggl_total``, if they were read already."""
    if totals is None:
        totals = invariants.toggl_total(Scope({dossier.pk: dossier}))
    months = [
        Shown(
            _("total of %(month)s is not Toggl’s") % {"month": formats.date_format(broken.month, "F Y")},
            broken.sentence,
            month_action(),
            broken.facts["differs_since"],
        )
        for broken in totals
    ]
    rows = Drift.objects.standing().filter(dossier=dossier)
    rows = rows.order_by(F("acknowledged_at").asc(nulls_first=True), "first_seen_at", "pk")
    invoices = Invoice.objects.filter(dossier=dossier, reference__in=rows.values("reference"))
    known = set(invoices.values_list("reference", flat=True))
    return months + [_shown(row, known) for row in rows]


def _shown(row: Drift, known: set[str]) -> Shown:
    found = findings.of_row(row)
    return Shown(
        row.get_kind_display(),
        found.sentence,
        found.action,
        row.first_seen_at,
        row.reference if row.reference in known else "",
        row.kind == Drift.Kind.ENTRY_DELETED or (row.kind == Drift.Kind.ENTRY_CHANGED and not row.facts.get("words")),
        row,
        Read.of([figures.of_finding(row)]).pack(),
    )


def counts(membership: Membership, dossiers: Sequence[Dossier]) -> Counter[int]:
    """How many differences stand in each of a member's dossiers, by row id: two queries.

    Those that stand among the corrections, too, are counted there; those that are acknowledged are not.
    """
    standing = visible(membership, Drift.objects.unanswered())
    corrections = Q(kind=Drift.Kind.ENTRY_DELETED) | Q(kind=Drift.Kind.ENTRY_CHANGED, facts__words=False)
    found = Counter(standing.exclude(corrections).values_list("dossier_id", flat=True))
    found.update(ReportedMonth.objects.filter(dossier__in=dossiers).differing().values_list("dossier_id", flat=True))
    return found
