"""What pages say of the tags that billed hours have in Toggl from us."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from invoicing.models import Dossier, LedgerRow, WriteBack

SHOWN = 5
"""Refused entries that the page of a dossier names."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Of a dossier: hours that have their tag, those of which Toggl is still to be asked, those that it refused."""

    written: int
    waiting: int
    refused: int
    named: Sequence[WriteBack]


def of_dossier(dossier: Dossier) -> Progress | None:
    """None where nothing was ever to be written. Two queries."""
    rows = WriteBack.objects.filter(dossier=dossier)
    still = Q(due_at__isnull=False, entry__deleted_at__isnull=True)
    counts = rows.aggregate(
        every=Count("pk"),
        written=Count("pk", filter=Q(due_at__isnull=True) & ~Q(written="")),
        waiting=Count("pk", filter=still & Q(failure="")),
        refused=Count("pk", filter=still & ~Q(failure="")),
    )
    if not counts["every"]:
        return None
    named = rows.refused().select_related("entry").order_by("-tries", "pk")[:SHOWN] if counts["refused"] else ()
    return Progress(counts["written"], counts["waiting"], counts["refused"], tuple(named))


def of_hours(rows: Iterable[LedgerRow]) -> dict[int, str]:
    """By entry (row id): a sentence on its tag in Toggl, where there is something to say. One query."""
    found = WriteBack.objects.filter(entry__in=[row.entry_id for row in rows])
    return {row.entry_id: sentence for row in found if (sentence := words(row))}


def words(row: WriteBack) -> str:
    """Whether the entry has its tag, gets or loses it, or why not."""
    if row.due_at is None:
        return _("has the tag “%(tag)s” in Toggl") % {"tag": row.written} if row.written else ""
    if row.failure == WriteBack.Failure.REFUSED:
        said = row.said.rstrip(".") or _("no reason given")
        return _("Toggl refuses to change its tag “%(tag)s”: %(said)s.") % {"tag": row.tag, "said": said}
    if row.takes_away:
        return _("loses the tag “%(tag)s” in Toggl soon") % {"tag": row.tag}
    return _("gets the tag “%(tag)s” in Toggl soon") % {"tag": row.tag}
