"""What a person decides of unbilled hours: hold them, write them off, open them again, bill them (design section 6)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext, ngettext

from integrations.models import Entry
from invoicing.deciding import figures, rights
from invoicing.ledger import locks, write_backs
from invoicing.ledger.agreements import blocks
from invoicing.ledger.facts.books import stands_as
from invoicing.ledger.states import derive
from invoicing.models import Claim, LedgerRow
from invoicing.models.moves import STATE
from invoicing.rules.judging import mapping
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.firms.models import Firm
from toggbill.firms.read import Read, check

_State = LedgerRow.State
_Decision = LedgerRow.Decision
_UNDECIDED = (_State.OPEN, _State.ATTENTION, _State.ON_ACCOUNT)
_CONFIRMED = STATE.event(_State.ATTENTION, _State.OPEN)
LONGEST_REASON = 500


def hold(*, entries: Iterable[Entry], reason: str, by: Actor, now: datetime, read: Read | None = None) -> int:
    """Keep unbilled entries of one firm off every run until they are released; returns how many.

    All or none: raises ``NotPossible`` when one of them is not open, on account or in need of attention, or the reason
    is missing; ``NotAllowed``, and ``Changed`` or ``Unread`` when one of them is not as ``read`` has it.
    """
    event = STATE.event(_State.OPEN, _State.HELD)
    return _decide(entries, _UNDECIDED, _Decision.HELD, _reason(reason), event, by, now, read)


def write_off(*, entries: Iterable[Entry], reason: str, by: Actor, now: datetime, read: Read | None = None) -> int:
    """Never bill unbilled entries of one firm; held ones, too. Else as ``hold``."""
    states = (*_UNDECIDED, _State.HELD)
    event = STATE.event(_State.OPEN, _State.WRITTEN_OFF)
    return _decide(entries, states, _Decision.WRITTEN_OFF, _reason(reason), event, by, now, read)


def release(*, entries: Iterable[Entry], by: Actor, now: datetime, read: Read | None = None) -> int:
    """Held entries are judged by the rules again. Else as ``hold``."""
    return _decide(entries, (_State.HELD,), _Decision.NONE, "", STATE.event(_State.HELD, _State.OPEN), by, now, read)


def reopen(*, entries: Iterable[Entry], by: Actor, now: datetime, read: Read | None = None) -> int:
    """Entries that were written off, or credited without being billed again, are judged by the rules again.

    Else as ``hold``.
    """
    event = STATE.event(_State.WRITTEN_OFF, _State.OPEN)
    return _decide(entries, (_State.WRITTEN_OFF, _State.CREDITED), _Decision.NONE, "", event, by, now, read)


@transaction.atomic
def bill(*, entries: Iterable[Entry], by: Actor, now: datetime, read: Read | None = None) -> int:
    """Bill entries of one firm as they stand, although they are very long, stand there twice (R4), or are listed on the
    line of an agreement that does not cover them any more (section 11); returns how many.

    That holds until an entry changes in Toggl. Else as ``hold``: all or none, and only those that wait for that reason.
    """
    rows = _locked(entries, (_State.ATTENTION,), by, now, read)
    for row in rows:
        if row.reason not in mapping.DOUBTS:
            raise NotPossible(
                gettext(
                    "Entry %(entry)s waits neither for its length nor for a twin nor because it left its agreement, so "
                    "this does not bill it. Nothing was changed."
                )
                % {"entry": row.entry.remote_id}
            )
    news = [
        News(_CONFIRMED, f"entry {row.entry.remote_id}", {"was": row.reason, "seconds": row.seconds}) for row in rows
    ]
    left = [row.entry_id for row in rows if row.reason == mapping.Reason.left_agreement]
    Claim.objects.live().agreed().filter(entry__in=left).update(released_at=now)
    write_backs.follow(entries=left, now=now)
    for row in rows:
        if row.entry_id not in left:
            row.confirmed_as = stands_as(row.entry)
    LedgerRow.objects.bulk_update(rows, ["confirmed_as"], batch_size=1000)
    derive.derive_entries(entries=[row.entry_id for row in rows], now=now)
    if rows:
        audit.record(firm=rows[0].firm, news=news, by=by, now=now)
    return len(rows)


@transaction.atomic
def _decide(
    entries: Iterable[Entry],
    states: Sequence[LedgerRow.State],
    decision: LedgerRow.Decision,
    reason: str,
    event: str,
    by: Actor,
    now: datetime,
    read: Read | None,
) -> int:
    rows = _locked(entries, states, by, now, read)
    # One that left its agreement: what is decided of it, its block does not pay.
    freed = blocks.free(list(blocks.drawing([row.entry_id for row in rows]).values()), now)
    _set(rows, decision, reason, now)
    if rows:
        audit.record(firm=rows[0].firm, news=[*freed, *(_news(event, row, reason) for row in rows)], by=by, now=now)
    return len(rows)


def hold_freed(*, entries: Collection[int], reason: str, now: datetime) -> list[News]:
    """Hold entries (row ids) that were taken off a draft a moment ago; gives the events.

    For the caller's transaction, in which the firm and these entries are locked and judged again. Raises
    ``NotPossible`` as ``hold`` does.
    """
    told = _reason(reason)
    found = LedgerRow.objects.filter(entry__in=entries).select_related("entry")
    rows = list(found.order_by("entry__remote_id"))
    _demand(rows, _UNDECIDED)
    _set(rows, _Decision.HELD, told, now)
    event = STATE.event(_State.OPEN, _State.HELD)
    return [_news(event, row, told) for row in rows]


def _set(rows: Iterable[LedgerRow], decision: LedgerRow.Decision, reason: str, now: datetime) -> None:
    ids = [row.entry_id for row in rows]
    LedgerRow.objects.filter(entry__in=ids).update(decision=decision, decision_text=reason)
    derive.derive_entries(entries=ids, now=now)


def _locked(
    entries: Iterable[Entry], states: Sequence[LedgerRow.State], by: Actor, now: datetime, read: Read | None
) -> list[LedgerRow]:
    """The ledger rows of entries in one of these states, judged and locked, with their firm before them."""
    ids = sorted({entry.pk for entry in entries})
    firms = Firm.objects.filter(pk__in=Entry.objects.filter(pk__in=ids).values("firm"))
    if not ids:
        return []
    # One firm: MultipleObjectsReturned is a fault of the caller, never of a person.
    lock_firm(firms.get())
    locks.lock_entries(ids)
    # These alone: what else is marked in their workspaces would be locked out of order.
    stale = Entry.objects.marked().filter(pk__in=ids)
    derive.derive_entries(entries=stale.values_list("pk", flat=True), now=now)
    found = LedgerRow.objects.filter(entry__in=ids).select_related("entry", "firm", "dossier__firm")
    rows = list(found.order_by("entry__remote_id"))
    if len(rows) < len(ids):
        outside = len(ids) - len(rows)
        raise NotPossible(
            ngettext(
                "%(n)d of the entries is outside the books. Choose entries of a dossier.",
                "%(n)d of the entries are outside the books. Choose entries of a dossier.",
                outside,
            )
            % {"n": outside}
        )
    for dossier in {row.dossier_id: row.dossier for row in rows}.values():
        rights.demand(by, "hold", dossier)
    check(read, lambda: [figures.of_entry(row) for row in rows], by=by)
    _demand(rows, states)
    return rows


def _demand(rows: Iterable[LedgerRow], states: Sequence[LedgerRow.State]) -> None:
    """Raises ``NotPossible`` when one of them is in none of these states."""
    for row in rows:
        if row.state not in states:
            raise NotPossible(
                gettext("Entry %(entry)s is %(state)s: this needs one that is %(possible)s. Nothing was changed.")
                % {
                    "entry": row.entry.remote_id,
                    "state": row.get_state_display(),
                    "possible": gettext(" or ").join(str(state.label) for state in states),
                }
            )


def _news(event: str, row: LedgerRow, reason: str) -> News:
    if not reason:
        return derive.opened_news(row)
    return News(event, f"entry {row.entry.remote_id}", {"reason": reason, "seconds": row.seconds})


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason:
        raise NotPossible(gettext("Say why: to hold hours or write them off needs a reason."))
    if len(reason) > LONGEST_REASON:
        raise NotPossible(
            gettext("The reason has %(n)s characters; %(most)s are the most.")
            % {"n": len(reason), "most": LONGEST_REASON}
        )
    return reason
