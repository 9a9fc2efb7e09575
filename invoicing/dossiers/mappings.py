"""The only verbs that map tags to products and Toggl clients to customers, or take a mapping away (R2 to R4, R6, R10).

Page, admin, sheet and onboarding file all come here; as in ``rules``, only what differs is written, told and marked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.models import Workspace
from invoicing.dossiers.faults import Fault, between, line, refuse, repeated
from invoicing.ledger.locks import lock_rules
from invoicing.ledger.rule_events import mapping_changed, mapping_of
from invoicing.ledger.states import reach
from invoicing.ledger.states.customers import forget_changed_pin
from invoicing.models import ClientMapping, Dossier, TagMapping
from invoicing.rules.judging.mapping import ClientRule, TagRule, normalise_number
from invoicing.rules.text import text_key
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.changes import Outcome, amend
from toggbill.firms.locks import lock_firm

TagName = str | tuple[str, int | None]
"""A tag as somebody spells it, or with the person (Toggl user) for whom alone it is mapped."""

_LONGEST_TAG = 255
_LONGEST = 200
_BILLION = 10**9
_ONLY_SAID = ("po", "buyer_reference")


def check_tags(rules: Sequence[TagRule], *, written: Iterable[str] = ()) -> list[list[Fault]]:
    """What is wrong with tag mappings of one dossier that are stated together; a list for each.

    ``written``: the tags that toggbill itself writes in the dossier's workspace. Fields: ``tag``, ``person``,
    ``product``, ``bill``, ``priority``.
    """
    found = [_tag(rule) for rule in rules]
    own = set(map(text_key, written)) - {""}
    for rule, faults in zip(rules, found, strict=True):
        if text_key(rule.tag) in own:
            faults.append(Fault("tag", "tag_written", {"value": rule.tag}))
    for place, first in repeated([rule.key if any(rule.key) else "" for rule in rules]).items():
        value = text_key(rules[place].tag) or str(rules[place].person)
        found[place].append(Fault("tag", "twice", {"value": value, "first": first}))
    return found


def key_of(tag: TagName) -> tuple[str, int | None]:
    """What a mapping is of, as ``TagRule.key`` has it."""
    name, person = (tag, None) if isinstance(tag, str) else tag
    return text_key(name), person


def check_clients(rules: Sequence[ClientRule]) -> list[list[Fault]]:
    """What is wrong with client mappings of one dossier that are stated together; a list for each.

    ``number`` of a rule may be as a person writes it. Fields: ``client``, ``vat``, ``customer``, ``po``,
    ``buyer_reference``.
    """
    found = [_client(rule) for rule in rules]
    for place, first in repeated([rule.client_id for rule in rules]).items():
        found[place].append(Fault("client", "twice", {"value": rules[place].client_id, "first": first}))
    return found


def normalised(rule: ClientRule) -> ClientRule:
    """The rule with its number as ``normalise_number`` gives it: empty for one that is none, see ``check_clients``."""
    return replace(rule, number=normalise_number(rule.number))


@transaction.atomic
def map_tags(
    *,
    dossier: Dossier,
    rules: Iterable[TagRule],
    renamed: Mapping[TagName, TagName] | None = None,
    by: Actor,
    now: datetime,
) -> Counter[Outcome]:
    """Write tag mappings, one per tag (as ``text_key`` compares them) and person; those that are not named stay. One
    that another spelling of its tag contradicted is settled by stating it.

    ``renamed``: the tag that a mapping had, by the one that it shall have. Raises ``Refused``, see ``check_tags``.
    """
    wanted = list(rules)
    lock_firm(dossier.firm)
    lock_rules([dossier.workspace_id])
    written = Workspace.objects.values_list("own_tags", flat=True).get(pk=dossier.workspace_id)
    found = zip(wanted, check_tags(wanted, written=written), strict=True)
    refuse((rule.tag, fault) for rule, faults in found for fault in faults)
    rows = {(row.tag_key, row.person_remote_id): row for row in dossier.tag_mappings.all()}
    before = {key_of(tag): key_of(old) for tag, old in (renamed or {}).items()}
    outcomes: Counter[Outcome] = Counter()
    news: list[News] = []
    for rule in wanted:
        values: dict[str, Any] = {
            "tag": rule.tag.strip(),
            "tag_key": text_key(rule.tag),
            "person_remote_id": rule.person,
            "bill": rule.bill,
            "product_reference": rule.product.strip(),
            "priority": rule.priority,
            "contradicted_by": [],
        }
        row = rows.get(rule.key) or rows.get(before.get(rule.key, ("", None)))
        outcomes[_write(dossier, row or TagMapping(), values, news)] += 1
    _told(dossier, news, by, now)
    return outcomes


@transaction.atomic
def map_clients(
    *,
    dossier: Dossier,
    rules: Iterable[ClientRule],
    renamed: Mapping[int, int] | None = None,
    keep_read: bool = True,
    by: Actor,
    now: datetime,
) -> Counter[Outcome]:
    """Write client mappings, one per Toggl client; those that are not named stay.

    ``proposed`` of a rule: its number is the one that was read in the name and pinned, not stated. ``keep_read``: a
    rule that names no customer leaves such a number alone; else it takes it away, and the name is read anew.
    ``renamed``: the client that a mapping had, by the one that it shall have. Raises ``Refused``, see
    ``check_clients``.
    """
    wanted = list(rules)
    refuse(
        (str(rule.client_id), fault)
        for rule, faults in zip(wanted, check_clients(wanted), strict=True)
        for fault in faults
    )
    lock_firm(dossier.firm)
    lock_rules([dossier.workspace_id])
    rows = {row.client_remote_id: row for row in dossier.client_mappings.all()}
    outcomes: Counter[Outcome] = Counter()
    news: list[News] = []
    for rule in map(normalised, wanted):
        row = rows.get(rule.client_id) or rows.get((renamed or {}).get(rule.client_id, 0))
        values: dict[str, Any] = {
            "client_remote_id": rule.client_id,
            "treatment": rule.treatment.value if rule.treatment else "",
            "purchase_order": rule.purchase_order,
            "buyer_reference": rule.buyer_reference,
        }
        was_read = row is not None and row.is_proposed
        if rule.number or rule.party_id is not None or not was_read or not keep_read:
            same = was_read and row is not None and rule.proposed and rule.number == row.number
            values |= {"number": rule.number, "customer_party_id": rule.party_id, "is_proposed": same}
        outcome = _write(dossier, row or ClientMapping(), values, news)
        if outcome != "unchanged" and rule.number and not rule.proposed:
            forget_changed_pin(company=dossier.company, number=rule.number, now=now)
        outcomes[outcome] += 1
    _told(dossier, news, by, now)
    return outcomes


def unmap_tags(*, dossier: Dossier, tags: Iterable[TagName], by: Actor, now: datetime) -> int:
    """Take tag mappings away; returns how many there were."""
    keys = {key_of(tag) for tag in tags}

    def find() -> list[TagMapping]:
        rows = dossier.tag_mappings.filter(tag_key__in={tag for tag, _person in keys}).order_by("pk")
        return [row for row in rows if (row.tag_key, row.person_remote_id) in keys]

    return _unmap(dossier, find, by, now)


def unmap_clients(*, dossier: Dossier, clients: Iterable[int], by: Actor, now: datetime) -> int:
    """Take client mappings away; returns how many there were. A number in the client's name is proposed again."""
    ids = set(clients)
    return _unmap(
        dossier, lambda: list(dossier.client_mappings.filter(client_remote_id__in=ids).order_by("pk")), by, now
    )


@transaction.atomic
def _unmap(dossier: Dossier, find: Callable[[], Sequence[TagMapping | ClientMapping]], by: Actor, now: datetime) -> int:
    lock_firm(dossier.firm)
    lock_rules([dossier.workspace_id])
    rows = find()
    news = [mapping_changed(dossier, old=mapping_of(row), new=None) for row in rows]
    for row in rows:
        row.delete()
    _told(dossier, news, by, now)
    return len(rows)


def _write(dossier: Dossier, row: TagMapping | ClientMapping, values: Mapping[str, Any], news: list[News]) -> Outcome:
    """Bring a mapping to these values; what differs is added to the news."""
    if row._state.adding:
        made = type(row).objects.create(firm_id=dossier.firm_id, dossier=dossier, **values)
        news.append(mapping_changed(dossier, old=None, new=mapping_of(made)))
        return "created"
    old = mapping_of(row)
    if not amend(row, values):
        return "unchanged"
    news.append(mapping_changed(dossier, old=old, new=mapping_of(row)))
    return "updated"


def _told(dossier: Dossier, news: list[News], by: Actor, now: datetime) -> None:
    """The entries that the mappings judge are to be judged again, and the audit log holds old and new."""
    if not news:
        return
    judging = [one.data for one in news if reach.differs(one.data["old"], one.data["new"], besides=_ONLY_SAID)]
    stated = [each for data in judging for each in (data["old"], data["new"]) if each is not None]
    if tags := {(text_key(each["tag"]), each.get("person")) for each in stated if "tag" in each}:
        reach.mark_tags(dossier=dossier, keys=tags, now=now)
    if clients := {int(each["client"]) for each in stated if "client" in each}:
        reach.mark_clients(dossier=dossier, clients=clients, now=now)
    record(firm=dossier.firm, news=news, by=by, now=now)


def _tag(rule: TagRule) -> list[Fault]:
    faults = line("tag", rule.tag.strip(), longest=_LONGEST_TAG, required=rule.person is None)
    if not faults and not text_key(rule.tag) and (rule.person is None or rule.tag.strip()):
        faults.append(Fault("tag", "empty"))
    if not rule.tag.strip() and rule.person is not None and not rule.bill:
        faults.append(Fault("bill", "person_not_billed"))
    if not faults and len(text_key(rule.tag)) > _LONGEST_TAG:
        faults.append(Fault("tag", "tag_too_long", {"most": _LONGEST_TAG}))
    faults += line("product", rule.product.strip(), longest=_LONGEST)
    if rule.bill and not rule.product.strip():
        faults.append(Fault("product", "no_product", beside=("bill",)))
    if not rule.bill and rule.product.strip():
        faults.append(Fault("product", "product_not_billed", beside=("bill",)))
    return faults + between("priority", rule.priority or 0, -_BILLION, _BILLION)


def _client(rule: ClientRule) -> list[Fault]:
    faults = line("vat", rule.number, longest=60)
    if not faults and rule.number and not normalise_number(rule.number):
        faults.append(Fault("vat", "not_a_number", {"value": rule.number}))
    if rule.number and rule.party_id is not None:
        faults.append(Fault("customer", "two_customers"))
    for name, value in (("po", rule.purchase_order), ("buyer_reference", rule.buyer_reference)):
        faults += line(name, value, longest=_LONGEST)
    return faults
