"""One decision for all alike hours, which are judged anew in the same transaction: what it says is done, is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Sum
from django.utils.translation import gettext

from integrations.models import Entry, Product
from invoicing.attention import causes, people
from invoicing.attention.causes import Decision
from invoicing.attention.choices import (
    CHOOSES_CUSTOMER,
    CHOOSES_TREATMENT,
    MAPS_TAG,
    SETS_DEFAULT,
    clients_named,
    product_by,
)
from invoicing.deciding import figures, rights
from invoicing.dossiers import mappings, rules
from invoicing.ledger.states import decisions, derive
from invoicing.models import Dossier, DossierClient, LedgerRow
from invoicing.rules.billing.rating import worth
from invoicing.rules.judging.mapping import DOUBTS, ClientRule, Reason, TagRule, Treatment
from invoicing.rules.text import text_key
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm
from toggbill.firms.read import Read, check

AT_ONCE = 2000
"""Entries that are judged in the request; a worker judges the rest."""
_State = LedgerRow.State


@dataclass(frozen=True, slots=True)
class Remedy:
    """What was chosen. ``kind`` is one of ``KINDS``.

    ``tag`` leads to ``product`` (a reference); ``party`` (PartyID) or ``number`` is the customer; ``dossier``: the
    short name of the one that bills the client; ``reason``: why hours are held or written off.
    """

    kind: str
    tag: str = ""
    product: str = ""
    party: int | None = None
    number: str = ""
    treatment: str = ""
    dossier: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of it: of the entries that were judged anew, ``entries`` with ``seconds`` wait for nobody any more;

    ``open_seconds`` of them can be billed, worth ``open_value`` euro excl. VAT, and ``unbilled_seconds`` are not
    billable. ``others``: how many wait for another reason now. ``later``: how many a worker still judges.
    """

    entries: int
    seconds: int
    open_seconds: int
    open_value: Decimal
    unbilled_seconds: int
    others: Mapping[str, int]
    later: int


@transaction.atomic
def decide(
    *, dossier: Dossier, name: str, remedy: Remedy, by: Actor, now: datetime, read: Read | None = None
) -> Decided:
    """Decide on all hours of a decision (``causes.find``) as ``read`` has it, and judge what that concerns.

    Raises ``NotPossible`` when nothing of it waits any more or it cannot be decided so, ``NotAllowed``, ``Changed`` and
    ``Unread``.
    """
    kind = KINDS.get(remedy.kind)
    if kind is None:
        raise NotPossible(gettext("Choose what to do with these hours."))
    lock_firm(dossier.firm)
    rights.demand(by, kind.right, dossier)
    found = causes.find(dossier, name)
    check(read, lambda: [found.figures], by=by)
    if kind.reasons and found.reason not in kind.reasons:
        raise NotPossible(gettext("Nothing was changed: this is no answer to what these hours wait for."))
    concerned = kind.concerns(found, remedy)
    kind.apply(found, remedy, by, now)
    ids = concerned[:AT_ONCE]
    if kind.right != "hold":
        # What was marked here is locked already; the others are judged as before.
        touched = Entry.objects.filter(pk__in=ids, marked_at=now).values_list("pk", flat=True)
        derive.derive_entries(entries=list(touched), now=now)
    return _outcome(ids, len(concerned) - len(ids))


def _outcome(ids: Sequence[int], later: int) -> Decided:
    rows = LedgerRow.objects.filter(entry__in=ids)
    entries = seconds = open_seconds = unbilled = 0
    value, others = Decimal(0), dict[str, int]()
    summed = rows.order_by().values_list("state", "reason", "price").annotate(n=Count("pk"), total=Sum("seconds"))
    for state, reason, price, count, total in summed:
        if state == _State.ATTENTION:
            others[reason] = others.get(reason, 0) + count
            continue
        entries += count
        seconds += total
        if state == _State.OPEN:
            open_seconds += total
            value += worth(total, price) if price is not None else 0
        elif state == _State.NOT_BILLABLE:
            unbilled += total
    return Decided(entries, seconds, open_seconds, value, unbilled, others, later)


# --- which entries ----------------------------------------------------------------------------------------------------


def _waiting(found: Decision) -> list[tuple[int, list[str]]]:
    """The entries of the dossier that need a decision (row ids) with their tags, the earliest first."""
    rows = LedgerRow.objects.attention().filter(dossier=found.dossier).order_by("day", "entry__remote_id")
    return list(rows.values_list("entry_id", "entry__tags"))


def _own(found: Decision, remedy: Remedy) -> list[int]:
    return list(found.rows.values_list("entry_id", flat=True))


def _with_tag(found: Decision, remedy: Remedy) -> list[int]:
    """Those that carry the tag, whatever they wait for: more than the decision's own, where other tags stand by it."""
    key = text_key(remedy.tag)
    return [entry for entry, tags in _waiting(found) if key in map(text_key, tags)]


def _of_client(found: Decision, remedy: Remedy) -> list[int]:
    rows = LedgerRow.objects.attention().filter(dossier=found.dossier, client_name=found.text)
    return list(rows.order_by("day", "entry__remote_id").values_list("entry_id", flat=True))


def _without_product(found: Decision, remedy: Remedy) -> list[int]:
    reasons = (Reason.no_tag, Reason.unknown_tag, Reason.unknown_product)
    rows = LedgerRow.objects.attention().filter(dossier=found.dossier, reason__in=reasons)
    return list(rows.order_by("day", "entry__remote_id").values_list("entry_id", flat=True))


# --- what is done -----------------------------------------------------------------------------------------------------


def _tag_of(found: Decision, remedy: Remedy) -> str:
    """The tag as it is spelled at the entries."""
    for tag in found.tags:
        if text_key(tag) and text_key(tag) == text_key(remedy.tag):
            return tag.strip()
    raise NotPossible(gettext("Nothing was changed: these hours have no tag of this name."))


def _map_tag(found: Decision, remedy: Remedy, by: Actor, now: datetime) -> None:
    tag, product = _tag_of(found, remedy), _chosen(found, remedy.product)
    rules = [
        TagRule(tag, product, priority=_priority(found.dossier, tag, [person]), person=person)
        for person in people.counting(found, tag)
    ]
    mappings.map_tags(dossier=found.dossier, rules=rules, by=by, now=now)


def _do_not_bill(found: Decision, remedy: Remedy, by: Actor, now: datetime) -> None:
    tag = _tag_of(found, remedy)
    rules = [TagRule(tag, "", bill=False, person=person) for person in people.counting(found, tag)]
    mappings.map_tags(dossier=found.dossier, rules=rules, by=by, now=now)


def _pick(found: Decision, remedy: Remedy, by: Actor, now: datetime) -> None:
    """The tag wins over the other tags of these hours: its mapping gets the highest priority."""
    tag = _tag_of(found, remedy)
    workers = [None, *people.worked(found)]
    others = [_priority(found.dossier, other, workers) or 0 for other in found.tags if text_key(other) != text_key(tag)]
    leads = product_by(found)
    rules = []
    for person in people.counting(found, tag):
        product = leads(tag, person)
        if product is None:
            raise NotPossible(gettext("Nothing was changed: this tag leads to no product."))
        rules.append(TagRule(tag, product.reference, priority=max([*others, 0]) + 1, person=person))
    mappings.map_tags(dossier=found.dossier, rules=rules, by=by, now=now)


def _priority(dossier: Dossier, tag: str, persons: Sequence[int | None]) -> int | None:
    """The highest priority of a tag's mappings for these people (Toggl ids; None: for everybody)."""
    rows = dossier.tag_mappings.filter(tag_key=text_key(tag)).values_list("person_remote_id", "priority")
    return max((priority for person, priority in rows if person in persons and priority is not None), default=None)


def _chosen(found: Decision, product: str) -> str:
    known = Product.objects.present().filter(company=found.dossier.company_id, reference=product)
    if not product.strip() or not known.exists():
        raise NotPossible(gettext("Nothing was changed: choose a product."))
    return product


def _set_default(found: Decision, remedy: Remedy, by: Actor, now: datetime) -> None:
    """The dossier's; of a person whose own product Billit does not have, that one."""
    product = _chosen(found, remedy.product)
    lost = people.without_product(found)
    mappings.map_tags(
        dossier=found.dossier, rules=[TagRule("", product, person=person) for person in lost], by=by, now=now
    )
    if not lost or set(people.worked(found)) - set(lost):
        clients = DossierClient.objects.filter(dossier=found.dossier).values_list("client_remote_id", flat=True)
        _state(found.dossier, set(clients), by, now, default_product=product)


def _assign(found: Decision, remedy: Remedy, by: Actor, now: datetime) -> None:
    """The client goes to a dossier of the same workspace that names its clients."""
    rows = Dossier.objects.filter(firm=found.dossier.firm_id, workspace=found.dossier.workspace_id)
    target = rows.select_related("firm", "workspace", "company").filter(key=remedy.dossier).first()
    if target is None:
        raise NotPossible(gettext("Nothing was changed: choose a dossier of this workspace."))
    rights.demand(by, "configure", target)
    clients = set(DossierClient.objects.filter(dossier=target).values_list("client_remote_id", flat=True))
    if not clients:
        raise NotPossible(gettext("Nothing was changed: this dossier bills its whole workspace."))
    _state(target, clients | set(clients_named(found.dossier, found.text)), by, now)


def _state(dossier: Dossier, clients: set[int], by: Actor, now: datetime, **changed: Any) -> None:
    """The dossier's rules as they stand, but for what changes."""
    stated = rules.stated(dossier, clients=clients)
    pairing = rules.Pairing(dossier.workspace, dossier.company, replace(stated, **changed))
    rules.set_dossiers(firm=dossier.firm, pairings=[pairing], by=by, now=now)


def _choose_customer(found: Decision, remedy: Remedy, by: Actor, now: datetime) -> None:
    if remedy.party is None and not remedy.number.strip():
        raise NotPossible(gettext("Nothing was changed: choose a customer."))
    _map_client(found, by, now, number=remedy.number, party=remedy.party)


def _choose_treatment(found: Decision, remedy: Remedy, by: Actor, now: datetime) -> None:
    if remedy.treatment not in list(Treatment):
        raise NotPossible(gettext("Nothing was changed: choose a VAT treatment."))
    _map_client(found, by, now, treatment=Treatment(remedy.treatment))


def _map_client(
    found: Decision,
    by: Actor,
    now: datetime,
    *,
    number: str = "",
    party: int | None = None,
    treatment: Treatment | None = None,
) -> None:
    """All clients of the name; what their mappings say besides stays."""
    stated = []
    for client, row in clients_named(found.dossier, found.text).items():
        keeps = not number and party is None and row is not None
        stated.append(
            ClientRule(
                client_id=client,
                number=row.number if keeps and row is not None else number,
                party_id=row.customer_party_id if keeps and row is not None else party,
                proposed=keeps and row is not None and row.is_proposed,
                treatment=treatment or (Treatment(row.treatment) if row is not None and row.treatment else None),
                purchase_order="" if row is None else row.purchase_order,
                buyer_reference="" if row is None else row.buyer_reference,
            )
        )
    mappings.map_clients(dossier=found.dossier, rules=stated, by=by, now=now)


def _set_aside(verb: Callable[..., int], *, says_why: bool) -> Callable[[Decision, Remedy, Actor, datetime], None]:
    def apply(found: Decision, remedy: Remedy, by: Actor, now: datetime) -> None:
        if found.entries > AT_ONCE:
            text = gettext("Nothing was changed: these are more than %(n)d entries. Choose them month by month.")
            raise NotPossible(text % {"n": AT_ONCE})
        rows = list(found.rows.select_related("entry"))
        # They are those of the decision that was read: its figures were compared under the same lock.
        read = Read.of(figures.of_entry(row) for row in rows)
        told = {"reason": remedy.reason} if says_why else {}
        entries = Entry.objects.filter(pk__in=[row.entry_id for row in rows])
        verb(entries=entries, by=by, now=now, read=read, **told)

    return apply


class _Kind(NamedTuple):
    """``reasons``: what it is an answer to, empty for every reason; ``concerns``: the entries (row ids) to judge."""

    right: str
    reasons: frozenset[Reason]
    concerns: Callable[[Decision, Remedy], list[int]]
    apply: Callable[[Decision, Remedy, Actor, datetime], None]


_ANY: frozenset[Reason] = frozenset()
_BY_TAG = frozenset({*MAPS_TAG, Reason.several_products})
KINDS: Mapping[str, _Kind] = {
    "product": _Kind("map", MAPS_TAG, _with_tag, _map_tag),
    "not-billed": _Kind("map", _BY_TAG, _with_tag, _do_not_bill),
    "pick": _Kind("map", frozenset({Reason.several_products}), _with_tag, _pick),
    "default": _Kind("configure", SETS_DEFAULT, _without_product, _set_default),
    "customer": _Kind("map", CHOOSES_CUSTOMER, _of_client, _choose_customer),
    "treatment": _Kind("map", CHOOSES_TREATMENT, _of_client, _choose_treatment),
    "dossier": _Kind("configure", frozenset({Reason.unassigned_client}), _of_client, _assign),
    "bill": _Kind("hold", DOUBTS, _own, _set_aside(decisions.bill, says_why=False)),
    "hold": _Kind("hold", _ANY, _own, _set_aside(decisions.hold, says_why=True)),
    "write-off": _Kind("hold", _ANY, _own, _set_aside(decisions.write_off, says_why=True)),
}
