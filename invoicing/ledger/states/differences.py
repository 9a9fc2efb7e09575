"""After billing (design section 6): an entry as it is mirrored now against what was billed of it. Writes corrections.

``mirrored`` of a correction holds the facts that it rests on: ``seconds`` (0 when deleted), ``deleted``, ``start``,
``day`` (the firm's), ``billable`` (Toggl's flag), ``description``, ``tags``, ``project``, ``client`` (Toggl's ids),
``product`` (reference) and ``customer`` (key) as judged, null when there is none, and ``accepted``: the difference that
is accepted in all once a person accepts this one. What was deleted in Toggl counts as it last was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from integrations.mirror import own_tags
from integrations.models import Entry
from invoicing.ledger.facts.books import frozen_rounding
from invoicing.models import Claim, Correction, Dossier, Invoice
from invoicing.rules import planning
from invoicing.rules.billing import discounts, rating
from invoicing.rules.billing.differences import differing_hours, unsettled
from invoicing.rules.billing.lines import NO_DISCOUNT, Discount
from invoicing.rules.judging import mapping
from toggbill.firms.audit import Actor, News

_Decision = Correction.Decision
BY_ITSELF = Actor("sync", "worker")


@dataclass(slots=True)
class Billed:
    """What was billed of an entry: its claim, the seconds of later difference lines that are posted, the latest
    acceptance, what is to be decided, and what waits for an invoice (with whether that invoice is still a draft)."""

    claim: Claim
    later: int = 0
    accepted: Correction | None = None
    open: Correction | None = None
    waiting: list[tuple[Correction, bool]] = field(default_factory=list)
    taken_back: bool = False
    own_tags: frozenset[str] = frozenset()

    def tags(self, tags: Iterable[str] | None) -> list[str] | None:
        """Tags of then as the mirror has them now: a tag that toggbill writes by now may have been a person's."""
        return None if tags is None else sorted(own_tags.without(tags, self.own_tags))


@dataclass(frozen=True, slots=True)
class Difference:
    """What the ledger says of a billed entry: seconds mirrored, accepted and not settled, and what else changed."""

    seconds: int
    accepted: int
    unsettled: int
    text: str


def billed(claims: Iterable[Claim]) -> dict[int, Billed]:
    """By entry (row id): what stands beside the given live claims of posted invoices."""
    found = {claim.pk: Billed(claim) for claim in claims}
    by_entry = {each.claim.entry_id: each for each in found.values()}
    written = own_tags.of_entries(by_entry)
    for entry, each in by_entry.items():
        each.own_tags = written.get(entry, frozenset())
    posted = set[int]()
    frozen = set[int]()
    live = Claim.objects.live().filter(entry__in=by_entry).exclude(kind=Claim.Kind.ENTRY)
    for claim in live.select_related("line__invoice"):
        of = by_entry[claim.entry_id]
        status = claim.line.invoice.status
        if claim.kind == Claim.Kind.CREDIT:
            of.taken_back = of.taken_back or claim.takes_back_id == of.claim.pk
        elif status == Invoice.Status.POSTED:
            of.later += claim.seconds
            posted.add(claim.correction_id or 0)
        elif status != Invoice.Status.DRAFT:
            frozen.add(claim.correction_id or 0)
    standing = [_Decision.OPEN, _Decision.NEXT_INVOICE, _Decision.ACCEPTED]
    for correction in Correction.objects.filter(claim__in=found, decision__in=standing).order_by("decided_at", "pk"):
        of = found[correction.claim_id]
        if correction.decision == _Decision.OPEN:
            of.open = correction
        elif correction.decision == _Decision.ACCEPTED:
            of.accepted = correction
        elif correction.pk not in posted:
            of.waiting.append((correction, correction.pk not in frozen))
    return by_entry


def judge(
    row: Entry,
    entry: mapping.Entry,
    product: mapping.Product | None,
    buyer: mapping.Buyer | None,
    of: Billed,
    now: datetime,
) -> tuple[Difference, list[News]]:
    """The difference of a billed entry. Opens, follows or closes its correction; gives the events of that.

    ``product`` and ``buyer``: what it leads to now, the product by the rules of the dossier that billed it.
    While a credit note takes the entry back nothing is opened or closed: it will be judged when that is posted or
    dropped.
    """
    seconds = 0 if entry.deleted else row.seconds
    accepted = 0 if of.accepted is None else int(of.accepted.mirrored.get("accepted", 0))
    left, covered = unsettled(seconds - of.claim.seconds - of.later, accepted)
    facts: dict[str, Any] = {
        "seconds": seconds,
        "deleted": entry.deleted,
        "start": row.started_at.isoformat(),
        "day": entry.day.isoformat(),
        "billable": entry.billable,
        "description": row.description,
        "tags": sorted(entry.tags),
        "project": entry.project_id,
        "client": entry.client_id,
        "product": None if product is None else product.reference,
        "customer": None if buyer is None else buyer.key,
    }
    others = _others(row, facts, buyer, of)
    difference = Difference(seconds, covered, left, ", ".join(others))
    return difference, [] if of.taken_back else _follow(row, of, left, covered, others, facts, now)


def same_buyer(buyer: mapping.Buyer, invoice: Invoice) -> bool:
    """Whether an invoice is a buyer's: by PartyID where both are known, else by number."""
    if buyer.party_id is not None and invoice.customer_party_id is not None:
        return buyer.party_id == invoice.customer_party_id
    return bool(buyer.number) and buyer.number == invoice.customer_vat


def _others(row: Entry, facts: dict[str, Any], buyer: mapping.Buyer | None, of: Billed) -> list[str]:
    """What else than the time differs from what was billed, and from what was accepted: product, customer, local day,
    billable flag.

    Only a change of the entry itself counts; a mapping, a rule or a zone that changed after billing alters no invoice.
    """
    if facts["deleted"]:
        return []
    known = {} if of.accepted is None else of.accepted.mirrored
    changed = _elsewhere(facts, buyer, of, known)
    day = of.claim.day.isoformat()
    moved = row.started_at != of.claim.started_at and facts["start"] != known.get("start")
    if moved and facts["day"] not in (day, known.get("day", day)):
        changed.append("day")
    flagged = of.claim.line.invoice.dossier.billable == Dossier.Billable.FLAGGED
    if flagged and of.claim.billable and not facts["billable"] and known.get("billable", True):
        changed.append("billable")
    return changed


def _elsewhere(facts: dict[str, Any], buyer: mapping.Buyer | None, of: Billed, known: Mapping[str, Any]) -> list[str]:
    claim = of.claim
    where = (facts["tags"], facts["project"], facts["client"])
    if where == (of.tags(claim.tags), claim.project_remote_id, claim.client_remote_id):
        return []
    if where == (of.tags(known.get("tags")), known.get("project"), known.get("client")):
        return []
    changed = []
    product = facts["product"]
    if product != claim.line.product_reference and not ("product" in known and product == known["product"]):
        changed.append("product")
    same = buyer is not None and same_buyer(buyer, claim.line.invoice)
    if not same and not ("customer" in known and facts["customer"] == known["customer"]):
        changed.append("customer")
    return changed


def _follow(
    row: Entry, of: Billed, left: int, covered: int, others: list[str], facts: dict[str, Any], now: datetime
) -> list[News]:
    movable = [correction for correction, is_movable in of.waiting if is_movable]
    if left == 0 and not others and len(movable) == len(of.waiting):
        standing = movable if of.open is None else [*movable, of.open]
        return [_gone(correction, row, now) for correction in standing]
    follower = of.open or (movable[-1] if movable else None)
    rest = left - sum(correction.seconds for correction, _ in of.waiting if correction != follower)
    what = [*(["deleted" if facts["deleted"] else "seconds"] if rest else []), *others]
    if not what:
        return [] if follower is None else [_gone(follower, row, now)]
    facts = facts | {"accepted": covered + rest}
    if follower is None:
        opened = Correction.objects.create(
            firm_id=row.firm_id,
            entry=row,
            claim=of.claim,
            invoice=of.claim.line.invoice,
            opened_at=now,
            seconds=rest,
            what=what,
            mirrored=facts,
        )
        return [news("correction_opened", opened, row)]
    return _moved(follower, row, rest, what, facts)


def _moved(correction: Correction, row: Entry, rest: int, what: list[str], facts: dict[str, Any]) -> list[News]:
    """The entry changed again before anything was done about it."""
    if (correction.seconds, correction.what, correction.mirrored) == (rest, what, facts):
        return []
    shown = (correction.seconds, correction.what) != (rest, what)
    correction.seconds, correction.what, correction.mirrored = rest, what, facts
    if correction.decision == _Decision.NEXT_INVOICE and not _is_time_alone(what):
        # Decided for a difference in time; another product or customer is another question.
        correction.decision, correction.decided_at, correction.decided_by = _Decision.OPEN, None, ""
    correction.save()
    return [news("correction_changed", correction, row)] if shown else []


def _is_time_alone(what: list[str]) -> bool:
    return what in (["seconds"], ["deleted"])


def _gone(correction: Correction, row: Entry, now: datetime) -> News:
    correction.decision, correction.decided_at, correction.decided_by = _Decision.GONE, now, BY_ITSELF.name
    correction.save()
    return news("correction_decided", correction, row)


def news(type: str, correction: Correction, row: Entry) -> News:
    """An event of a correction."""
    data = {
        "invoice": correction.invoice.reference,
        "seconds": correction.seconds,
        "what": correction.what,
        "decision": str(correction.decision),
    }
    return News(type, f"entry {row.remote_id}", data | ({"note": correction.note} if correction.note else {}))


def to_bill(dossier: Dossier) -> list[planning.Difference]:
    """What persons decided to bill, or take off, on the next invoice, and what a run may still put on one.

    Both sides are rounded by the rule that was frozen with the line that is corrected, over all of it: as it is billed
    so far, and as the difference makes it.
    """
    invoices = Invoice.objects.not_being_replaced().filter(dossier=dossier)
    found = Correction.objects.waiting_for_an_invoice().filter(invoice__in=invoices)
    found = found.select_related("entry", "claim__line__invoice__dossier", "claim__entry")
    by_line: defaultdict[int, list[Correction]] = defaultdict(list)
    for correction in found.order_by("claim__started_at", "entry__remote_id", "pk"):
        by_line[correction.claim.line_id].append(correction)
    due = []
    settled_by_line = settled_of(by_line) if by_line else {}
    for line_id, corrections in by_line.items():
        seconds = settled_by_line.get(line_id, {})
        rounding = frozen_rounding(corrections[0].claim.line.invoice)
        hours = differing_hours(seconds, [(each.claim_id, each.seconds) for each in corrections], rounding)
        due += [_planned(correction, each) for correction, each in zip(corrections, hours, strict=True)]
    return due


def settled_seconds(line_id: int) -> dict[int, int]:
    """By live claim (row id) of a line's entries: its seconds, with the differences on invoices that wait no longer."""
    return settled_of([line_id]).get(line_id, {})


def settled_of(lines: Collection[int]) -> dict[int, dict[int, int]]:
    """The same of each of these lines; two queries for all of them."""
    claims = Claim.objects.live().of_entries().filter(line__in=lines)
    by_line: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for line_id, claim_id, seconds in claims.values_list("line_id", "pk", "seconds"):
        by_line[line_id][claim_id] = seconds
    later = Claim.objects.live().of_differences().filter(correction__claim__line__in=lines)
    differing = defaultdict(list)
    for claim in later.select_related("correction__claim", "line__invoice"):
        if claim.correction is not None and claim.correction.claim_id in by_line[claim.correction.claim.line_id]:
            differing[claim.correction.claim.line_id].append(claim)
    return {line_id: settled(found, differing[line_id]) for line_id, found in by_line.items()}


def settled(claims: Mapping[int, int], later: Iterable[Claim]) -> dict[int, int]:
    """Seconds by claim (row id) of entries, with those of their live later differences that no draft holds."""
    found = dict(claims)
    for claim in later:
        if claim.correction is not None and claim.line.invoice.status != Invoice.Status.DRAFT:
            found[claim.correction.claim_id] += claim.seconds
    return found


def _planned(correction: Correction, hours: Decimal) -> planning.Difference:
    claim = correction.claim
    line, invoice = claim.line, claim.line.invoice
    treatment = mapping.Treatment(line.treatment)
    discount = discounts.share(line.discount, line.value, rating.line_total(hours, line.unit_price))
    return planning.Difference(
        correction=correction.pk,
        entry=_as_billed(claim),
        seconds=correction.seconds,
        hours=hours,
        product=mapping.Product(0, line.product_reference, line.description, line.unit_price, line.vat_rate),
        unit_price=line.unit_price,
        vat_rate=line.vat_rate,
        ventilation_code=line.ventilation_code,
        treatment=treatment,
        description=line.description,
        description_extended=line.description_extended,
        number=str(invoice),
        buyer=mapping.Buyer(
            number=invoice.customer_vat,
            party_id=invoice.customer_party_id,
            name=invoice.customer_name,
            language=invoice.customer_language,
            treatment=treatment,
            purchase_order=invoice.purchase_order,
            buyer_reference=invoice.buyer_reference,
        ),
        discount=Discount(discount, line.discount_reason) if discount else NO_DISCOUNT,
    )


def _as_billed(claim: Claim) -> mapping.Entry:
    """The entry as it was billed: what the line that corrects it shows of it."""
    row = claim.entry
    return mapping.Entry(
        id=row.remote_id,
        start=claim.started_at,
        day=claim.day,
        seconds=claim.seconds,
        running=False,
        deleted=row.deleted_at is not None,
        billable=row.billable,
        tags=tuple(claim.tags),
        description=claim.description,
        project_id=claim.project_remote_id,
        project_name=claim.project_name,
        client_id=claim.client_remote_id,
        client_name="",
        person_id=row.person_remote_id,
        person_name=claim.person_name,
    )


def decide(
    corrections: Iterable[Correction],
    decision: Correction.Decision,
    *,
    by: Actor,
    now: datetime,
    note: str = "",
    settlement: Invoice | None = None,
) -> list[News]:
    """Write a decision on corrections that the caller has locked; gives the events."""
    events = []
    for correction in corrections:
        correction.decision, correction.decided_at, correction.decided_by = decision, now, by.name
        correction.note, correction.settlement = note, settlement
        correction.save()
        events.append(news("correction_decided", correction, correction.entry))
    return events
