"""Alike corrections are decided together (design section 6): one cause in Toggl, such as a tag or a client that was
changed, opens one for each billed hour.

Alike are the open corrections of one dossier in which the same changed in the same way: more time, less, deleted;
from the same product or customer to the same. ``groups`` finds them, ``decide`` decides on all of one group or on none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext

from integrations.models import Entry
from invoicing.corrections import credit_notes
from invoicing.corrections.decide import draft_credit, next_invoice, read_order
from invoicing.corrections.options import BEHIND
from invoicing.deciding import rights
from invoicing.deciding.figures import of_correction
from invoicing.ledger import locks
from invoicing.ledger.facts.books import frozen_rounding
from invoicing.ledger.states import derive, differences
from invoicing.models import Correction, Dossier, Invoice
from invoicing.posting.credited import Elsewhere
from invoicing.rules.billing.differences import differing_hours
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm, lock_rows
from toggbill.firms.read import Figures, Read, check, digest_of

_Decision = Correction.Decision
REMEDIES = ("accept", "next-invoice", "credit", "credit-and-bill")
"""What can be decided of a group. An order that is replaced settles all corrections of its invoice anyhow."""


@dataclass(frozen=True, slots=True)
class Group:
    """Alike corrections, in the order of their hours; ``why_not``: by remedy why it is refused now.

    ``name``: the same as long as they are alike. ``hours`` and ``amount`` (euro excl. VAT) are what the next invoice
    would get or, negative, take off for all of them.
    """

    name: str
    dossier: Dossier
    corrections: Sequence[Correction]
    hours: Decimal
    amount: Decimal
    figures: Figures
    why_not: Mapping[str, str]

    @property
    def what(self) -> list[str]:
        """What changed: seconds, deleted, product, customer, day, billable."""
        return list(self.corrections[0].what)

    @property
    def seconds(self) -> int:
        """Mirrored less billed seconds of all."""
        return sum(row.seconds for row in self.corrections)

    @property
    def products(self) -> tuple[str, str]:
        """The product that was billed, and the one that the hours lead to now."""
        first = self.corrections[0]
        return first.claim.line.product_reference, str(first.mirrored.get("product") or "")

    @property
    def customers(self) -> tuple[str, str]:
        """The customer that was billed, and the Toggl client that the hours have now."""
        first = self.corrections[0]
        row = getattr(first.entry, "ledger_row", None)
        return first.invoice.customer_name, "" if row is None else row.client_name

    @property
    def invoices(self) -> list[Invoice]:
        """The invoices that bill them."""
        return list({row.invoice_id: row.invoice for row in self.corrections}.values())

    @property
    def can_be_billed(self) -> bool:
        """Whether the differences can go on the next invoices."""
        return not self.why_not["next-invoice"]

    @property
    def can_be_credited(self) -> bool:
        """Whether a credit note can be drafted for each invoice."""
        return not self.why_not["credit"]

    @property
    def read(self) -> str:
        """What the form of a decision carries."""
        return Read.of([self.figures]).pack()


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of a decision: the corrections, and the credit notes that were drafted."""

    corrections: list[Correction]
    notes: list[Invoice] = field(default_factory=list)


def groups(rows: Iterable[Correction]) -> list[Group]:
    """The groups of these open corrections (with ``options.BEHIND``), those with most of them first."""
    found: defaultdict[str, list[Correction]] = defaultdict(list)
    for row in rows:
        found[_name(row)].append(row)
    return sorted(
        _groups(found), key=lambda group: (-len(group.corrections), group.corrections[0].opened_at, group.name)
    )


def find(dossier: Dossier, name: str) -> Group:
    """The open corrections of that name. Raises ``NotPossible`` when there are none any more."""
    alike = [row for row in _open(dossier) if _name(row) == name]
    if not alike:
        raise NotPossible(gettext("Nothing of these corrections waits for a decision any more."))
    (found,) = _groups({name: alike})
    return found


def decide(
    *,
    group: Group,
    remedy: str,
    by: Actor,
    now: datetime,
    note: str = "",
    read: Read | None = None,
    digest: str = "",
) -> Decided:
    """Decide on all corrections of a group (``remedy`` of ``REMEDIES``), or on none.

    ``read`` or, for a command, ``digest``: what was read of the group. A credit note is drafted for each invoice. The
    order from which something is taken back is read before. Raises ``NotPossible`` when nothing of the group is open,
    when one of them cannot be decided so, or when it is not what the digest is of; ``NotAllowed``, ``Changed`` and
    ``Unread``; the client's ``ServiceError`` when Billit cannot be asked.
    """
    rights.demand(by, "hold", group.dossier)
    elsewhere: dict[int, Decimal] = {}
    if remedy.startswith("credit") or (remedy == "next-invoice" and group.seconds < 0):
        current = find(group.dossier, group.name)
        check(read, lambda: [current.figures], by=by)
        for invoice, entries in _gone(current.corrections):
            elsewhere |= read_order(invoice, by, None, now, entries=entries if remedy.startswith("credit") else ())
    return _decide_under_locks(
        group=group, remedy=remedy, by=by, now=now, note=note, read=read, digest=digest, elsewhere=elsewhere
    )


@transaction.atomic
def _decide_under_locks(
    *,
    group: Group,
    remedy: str,
    by: Actor,
    now: datetime,
    note: str,
    read: Read | None,
    digest: str,
    elsewhere: Elsewhere,
) -> Decided:
    dossier = group.dossier
    lock_firm(dossier.firm)
    rights.demand(by, "hold", dossier)
    named = [row.pk for row in _open(dossier) if _name(row) == group.name]
    if remedy.startswith("credit"):
        lock_rows(Invoice.objects.filter(corrections__in=named))
    entries = list(Correction.objects.filter(pk__in=named).values_list("entry_id", flat=True))
    locks.lock_entries(entries)
    stale = Entry.objects.marked().filter(pk__in=entries)
    derive.derive_entries(entries=list(stale.values_list("pk", flat=True)), now=now)
    found = find(dossier, group.name)
    check(read, lambda: [found.figures], by=by)
    if digest and digest != found.figures.digest:
        raise NotPossible(
            gettext("These corrections are not those that were read: they changed since. List them again, then decide.")
        )
    if why := found.why_not[remedy]:
        raise NotPossible(why)
    return _decided(found, remedy, by, now, note, elsewhere)


def _decided(group: Group, remedy: str, by: Actor, now: datetime, note: str, elsewhere: Elsewhere) -> Decided:
    rows, notes = list(group.corrections), list[Invoice]()
    news = list[News]()
    if remedy.startswith("credit"):
        for about in sorted(group.invoices, key=lambda invoice: invoice.pk):
            ids = [row.entry_id for row in rows if row.invoice_id == about.pk]
            made, events = draft_credit(
                about=about,
                entries=ids,
                rebill=remedy == "credit-and-bill",
                by=by,
                now=now,
                note=note,
                elsewhere=elsewhere,
            )
            notes.append(made)
            news += events
    else:
        decision = _Decision.ACCEPTED if remedy == "accept" else _Decision.NEXT_INVOICE
        news += differences.decide(rows, decision, by=by, now=now, note=note)
    audit.record(firm=group.dossier.firm, news=news, by=by, now=now)
    if not notes:
        derive.derive_entries(entries=[row.entry_id for row in rows], now=now)
    fresh = Correction.objects.filter(pk__in=[row.pk for row in rows]).select_related("entry", "invoice")
    return Decided(list(fresh.order_by("pk")), notes)


def _open(dossier: Dossier) -> list[Correction]:
    rows = Correction.objects.open().filter(invoice__dossier=dossier).select_related(*BEHIND)
    return list(rows.order_by("claim__started_at", "pk"))


def _name(row: Correction) -> str:
    """What makes corrections alike, as a name for addresses and commands."""
    what: list[Any] = [row.invoice.dossier_id, sorted(row.what), (row.seconds > 0) - (row.seconds < 0)]
    if "product" in row.what:
        what += [row.claim.line.product_reference, row.mirrored.get("product")]
    if "customer" in row.what:
        what += [row.invoice.buyer_key, row.mirrored.get("customer")]
    return digest_of(what)[:16]


def _gone(rows: Sequence[Correction]) -> list[tuple[Invoice, list[int]]]:
    """The entries (row ids) of alike corrections by the invoice that bills them."""
    invoices = {row.invoice_id: row.invoice for row in rows}
    return [
        (invoice, [row.entry_id for row in rows if row.invoice_id == pk]) for pk, invoice in sorted(invoices.items())
    ]


def _groups(found: Mapping[str, Sequence[Correction]]) -> list[Group]:
    """Alike corrections by name, as groups; takes as many queries for one as for many."""
    settled = differences.settled_of({row.claim.line_id for rows in found.values() for row in rows})
    refusals = iter(credit_notes.why_not_entries([each for rows in found.values() for each in _gone(rows)]))
    return [
        _group(name, rows, settled, next(filter(None, [next(refusals) for _ in _gone(rows)]), ""))
        for name, rows in found.items()
    ]


def _group(name: str, rows: Sequence[Correction], books: Mapping[int, dict[int, int]], why_credit: str) -> Group:
    by_line: defaultdict[int, list[Correction]] = defaultdict(list)
    for row in rows:
        by_line[row.claim.line_id].append(row)
    amount, total, why_next = Decimal("0.00"), Decimal("0.00"), ""
    each: dict[int, str] = {}
    for line_id, of_line in by_line.items():
        settled = books.get(line_id, {})
        changes = [(row.claim_id, row.seconds) for row in of_line if row.claim_id in settled]
        for hours in differing_hours(settled, changes, frozen_rounding(of_line[0].invoice)):
            total += hours
            amount += of_line[0].claim.line.net_of(hours)
        for row in of_line:
            refusal, alone = next_invoice(row, settled)
            why_next = why_next or refusal
            each[row.pk] = of_correction(row, settled, alone).digest
    figures = Figures.of(
        f"corrections {name}",
        {
            "what": sorted(rows[0].what),
            "count": len(rows),
            "seconds": sum(row.seconds for row in rows),
            "hours": f"{total:.2f}",
            "amount": f"{amount:.2f}",
            "each": digest_of(sorted(each.items())),
        },
    )
    why_not = {"accept": "", "next-invoice": why_next, "credit": why_credit, "credit-and-bill": why_credit}
    return Group(name, rows[0].invoice.dossier, rows, total, amount, figures, why_not)
