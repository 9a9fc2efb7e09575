"""Which entries shall have the tag of billed hours in Toggl: those that a posted invoice bills (design section 8).

Only what is wanted is written here, in the transaction that bills an entry or frees it; ``due.write_backs`` asks Toggl.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from invoicing.ledger.locks import portions
from invoicing.models import Claim, Dossier, Invoice, InvoiceLine, WriteBack
from toggbill.firms.locks import lock_rows

_FIELDS = ["dossier", "wanted", "due_at", "tries", "failure", "said"]


def follow(*, entries: Iterable[int], now: datetime) -> None:
    """These entries (row ids), which the caller has locked, were billed or freed: they want the tag, or no more.

    An entry is billed while an invoice that is posted holds it, on a line of hours, of a fee or of a block. The tag is
    the one that the rules of its dossier name at that moment; what has another from before keeps it.
    """
    for part in portions(entries):
        _follow(part, now)


def _follow(entries: list[int], now: datetime) -> None:
    claims = Claim.objects.live().holding().filter(entry__pk__one_of=entries)
    lines = dict(claims.values_list("entry", "line"))
    # By the lines that are known: one question for all of it had the database walk all claims for each posted invoice.
    billing = InvoiceLine.objects.live().filter(pk__in=set(lines.values()), invoice__status=Invoice.Status.POSTED)
    named = "pk", "firm", "invoice__dossier", "invoice__dossier__billed_tag"
    of_line = {pk: (firm, dossier, tag) for pk, firm, dossier, tag in billing.values_list(*named)}
    held = {entry: of_line[line] for entry, line in lines.items() if line in of_line}
    tags = {entry: (firm, dossier, tag) for entry, (firm, dossier, tag) in held.items() if tag}
    rows = WriteBack.objects.filter(entry__pk__one_of=entries).order_by("pk").select_for_update(no_key=True)
    standing = {row.entry_id: row for row in rows}
    changed = []
    for entry, row in standing.items():
        _firm, dossier, tag = tags.get(entry, (0, row.dossier_id, ""))
        # One whose dossier names no tag any more keeps the tag that it has, as long as it is billed.
        wanted = (row.wanted or tag) if entry in held else ""
        if wanted != row.wanted:
            changed.append(_wanting(row, wanted, dossier, now))
    WriteBack.objects.bulk_update(changed, _FIELDS, batch_size=500)
    WriteBack.objects.bulk_create(
        [
            WriteBack(firm_id=firm, dossier_id=dossier, entry_id=entry, wanted=tag, due_at=now)
            for entry, (firm, dossier, tag) in sorted(tags.items())
            if entry not in standing
        ],
        batch_size=500,
    )


def restate(*, dossier: Dossier, tag: str, now: datetime) -> None:
    """The rules of a dossier name another tag, or none: what is not in Toggl yet follows them.

    What Toggl has, or was asked for, stays until the entry is not billed any more.
    """
    unwritten = WriteBack.objects.filter(dossier=dossier, written="").exclude(wanted__in=["", tag])
    lock_rows(unwritten)
    due_at = now if tag else None
    unwritten.update(wanted=tag, due_at=due_at, tries=0, failure="", said="")


def _wanting(row: WriteBack, wanted: str, dossier: int, now: datetime) -> WriteBack:
    row.dossier_id, row.wanted = dossier, wanted
    # While Toggl is being asked, ``is_sure`` is off: what comes of that is known first.
    row.due_at = None if row.is_sure and wanted == row.written else now
    row.tries, row.failure, row.said = 0, "", ""
    return row
