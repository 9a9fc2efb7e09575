"""The rules of a dossier: what a person may state, and the only verbs that make a dossier or change it.

Page, admin, sheet and onboarding file all come here. A verb compares with what stands, writes only what differs, and
leaves one audit event for each dossier that differs (``ledger.rule_events``); asked twice, it does nothing the second
time. What a change may alter in the books is marked on the mirrored entries (``ledger.states.reach``), and whoever
calls lets the ledger re-derive them (design section 6).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Min

from integrations.mirror import own_tags
from integrations.models import Company, Entry, Workspace
from invoicing.dossiers.faults import Fault, between, line, refuse, repeated, short_name, word
from invoicing.dossiers.firm import Standing, standing
from invoicing.ledger import write_backs
from invoicing.ledger.locks import lock_rules
from invoicing.ledger.rule_events import rule_changed, rules_of
from invoicing.ledger.states import reach
from invoicing.models import Dossier, DossierClient
from invoicing.models.dossiers import LONGEST_BILLED_TAG
from invoicing.rules import days
from invoicing.rules.schedule import DAYS, Schedule, next_due, starts_at
from invoicing.rules.text import text_key
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.changes import Outcome, amend
from toggbill.firms.locks import lock_firm, lock_rows
from toggbill.firms.models import Firm

_IN_WHOSE_BOOKS = {"workspace", "company", "start", "clients", "billable", "billed_tag"}
"""Rules, by the names of the event, with which any entry of the workspace may be judged otherwise, a billed one too."""
_JUDGING = {"rounding", "default_product", "longest_hours", "price_decimals", "price_day"}
"""Those with which what the dossier has not billed may be. The others judge no hour."""

A_DAY = 24 * 60
"""Minutes: nothing is rounded to more."""

LIMITS: Mapping[str, tuple[int, int]] = {
    "rounding_minutes": (0, A_DAY),
    "rounding_minimum": (0, A_DAY),
    "price_decimals": (2, 5),
    "payment_days": (0, 365),
    "longest_hours": (0, 1000),
    "deviation": (0, 1000),
}
"""The least and the most of a whole number among the rules."""

WORDS: Mapping[str, Sequence[str]] = {
    "billable": Dossier.Billable.values,
    "group_by": Dossier.GroupBy.values,
    "rounding_direction": Dossier.Direction.values,
    "rounding_level": Dossier.Level.values,
    "every": Dossier.Every.values,
    "mode": Dossier.Mode.values,
    "price_day": Dossier.PriceDay.values,
}
"""The words of which a rule is one."""

_TEXTS = {"name": 200, "default_product": 200, "billed_tag": LONGEST_BILLED_TAG}
_MOST = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class DossierRules:
    """The rules of one dossier (design section 5) as a person states them; what is not stated is the default.

    ``clients``: Toggl client ids that the dossier bills, empty for all of its workspace (R1). ``day``: of the week
    (1 = Monday) or month, where ``every`` wants one (R9). ``email_allowed``: e-mail where Peppol does not reach (R11).
    ``annex``: whether invoices carry a list of their hours. ``billed_tag``: the tag that billed hours get in Toggl,
    empty for none.
    ``auto_limit``: euro excluding VAT, above which a person approves; with a mode that lets invoices out by themselves
    it is given, or ``no_limit`` says that there is none (R9). ``payment_days``: days from the invoice date (R10).
    ``longest_hours``: of a longer entry a person is asked, 0 for never (R4). ``four_eyes``: who approved does not send;
    ``deviation``: per cent above the customer's usual at which a person looks, 0 for never (R11). ``price_day``: hours
    are billed at the price of the day of the draft, or of their own day (section 11).
    """

    key: str
    name: str
    start: date
    clients: frozenset[int] = frozenset()
    billable: str = Dossier.Billable.ALL.value
    group_by: str = Dossier.GroupBy.PRODUCT.value
    rounding_minutes: int = 0
    rounding_direction: str = Dossier.Direction.UP.value
    rounding_level: str = Dossier.Level.ENTRY.value
    rounding_minimum: int = 0
    every: str = Dossier.Every.MANUAL.value
    day: int | None = None
    mode: str = Dossier.Mode.REVIEW.value
    email_allowed: bool = False
    annex: bool = True
    auto_limit: Decimal | None = None
    no_limit: bool = False
    longest_hours: int = 16
    four_eyes: bool = False
    deviation: int = 0
    price_decimals: int = 2
    price_day: str = Dossier.PriceDay.DRAFT.value
    payment_days: int = 30
    default_product: str = ""
    billed_tag: str = ""

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> DossierRules:
        """The rules that somebody gave, by the names above; None is not given, and an empty name is the key.

        Key and start may be missing only where the reader says so: then nothing is made of the rules.
        """
        names = {field.name for field in fields(cls)}
        values = {name: value for name, value in given.items() if name in names and value is not None}
        key = values.get("key", "")
        return cls(**({"start": date.min} | values | {"key": key, "name": values.get("name") or key}))

    def columns(self) -> dict[str, Any]:
        """The columns of a dossier that hold them: all but key and clients."""
        values = {name: value for name, value in asdict(self).items() if name not in ("key", "clients", "start")}
        limit = self.auto_limit
        return values | {
            "billed_tag": self.billed_tag.strip(),
            "start_date": self.start,
            "day": self.day if self.every in DAYS else None,
            "auto_limit": None if limit is None else limit.quantize(Decimal("0.01")),
        }


def stated(dossier: Dossier, *, clients: Iterable[int]) -> DossierRules:
    """The rules of a dossier that stands, with the clients that it bills, as a person would state them."""
    values = {name: getattr(dossier, name) for name in DossierRules("", "", dossier.start_date).columns()}
    return DossierRules.of(values | {"key": dossier.key, "start": dossier.start_date, "clients": frozenset(clients)})


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rules for the dossier of a workspace and a company, by their ids at Toggl and Billit: what is checked."""

    workspace: int
    company: int
    rules: DossierRules


@dataclass(frozen=True, slots=True)
class Pairing:
    """A workspace and the company that bills it, with the rules: what becomes a dossier."""

    workspace: Workspace
    company: Company
    rules: DossierRules


def check(wanted: Sequence[Wanted], stands: Standing) -> list[list[Fault]]:
    """What is wrong with rules that are stated together: in themselves, among each other, beside what stands.

    A list for each, at the names of ``DossierRules`` and ``Wanted``.
    """
    faults = [[*_own(each.rules), *_invoiced(each, stands), *_tag_speaks(each, stands)] for each in wanted]
    for place, first in repeated([each.rules.key for each in wanted]).items():
        faults[place].append(Fault("key", "twice", {"value": wanted[place].rules.key, "first": first}))
    for place, found in enumerate(overlaps(wanted, stands)):
        faults[place] += found
    return faults


def check_firms(firm: Firm, workspace: Workspace, company: Company) -> list[Fault]:
    """A workspace and a company of the firm are paired, and of no other."""
    return [] if {workspace.firm_id, company.firm_id} == {firm.pk} else [Fault("company", "two_firms")]


def check_new(key: str, stands: Standing) -> list[Fault]:
    """A dossier that shall be new has a short name that no other has."""
    return [Fault("key", "taken")] if key in stands.dossiers else []


def create(*, firm: Firm, pairing: Pairing, by: Actor, now: datetime) -> Dossier:
    """Make a dossier. Raises ``Refused`` when the firm has one of this short name, else as ``set_dossiers``."""
    [(dossier, _outcome)] = _set(firm, [pairing], by, now, is_new=True)
    return dossier


def set_dossiers(*, firm: Firm, pairings: Iterable[Pairing], by: Actor, now: datetime) -> list[tuple[Dossier, Outcome]]:
    """Make dossiers, or bring those of these short names to these rules; mappings are left alone.

    All at once, so that a client may move from one to another. Raises ``Refused`` with what ``check`` finds, such as
    another workspace, company or start for a dossier that has an invoice which is not void, or overlapping clients.
    """
    return _set(firm, list(pairings), by, now, is_new=False)


@transaction.atomic
def _set(
    firm: Firm, pairings: Sequence[Pairing], by: Actor, now: datetime, *, is_new: bool
) -> list[tuple[Dossier, Outcome]]:
    lock_firm(firm)
    _refuse(firm, pairings, is_new=is_new)
    rows = _locked(firm, pairings)
    sets = _clients_of(rows.values())
    before = {key: rules_of(row, clients=sets[row.pk]) for key, row in rows.items()}
    touched = {row.workspace_id for row in rows.values()}
    lock_rules(touched | {pairing.workspace.pk for pairing in pairings})
    results: list[tuple[Dossier, Outcome]] = []
    news: list[News] = []
    changed: dict[int, set[str]] = {}
    for pairing in pairings:
        old = before.get(pairing.rules.key)
        row = _written(rows.get(pairing.rules.key), firm, pairing, now)
        new = rules_of(row, clients=pairing.rules.clients)
        results.append((row, "created" if old is None else "unchanged" if old == new else "updated"))
        if old != new:
            news.append(rule_changed(row, old=old, new=new))
            changed[row.pk] = {name for name in new if old is None or old[name] != new[name]}
    # All sets are taken away before one is given, so that no order of the dossiers makes them overlap.
    differ = [
        (row, pairing) for (row, outcome), pairing in zip(results, pairings, strict=True) if outcome != "unchanged"
    ]
    DossierClient.objects.filter(dossier__in=[row for row, _pairing in differ]).delete()
    DossierClient.objects.bulk_create(
        DossierClient(firm=firm, dossier=row, workspace=pairing.workspace, client_remote_id=client)
        for row, pairing in differ
        for client in sorted(pairing.rules.clients)
    )
    if differ:
        everywhere = {row.pk for row, _pairing in differ if changed[row.pk] & _IN_WHOSE_BOOKS}
        moved = touched | {row.workspace_id for row, _pairing in differ}
        _reread(moved, now)
        if everywhere:
            Entry.objects.filter(workspace__in=moved).mark(now=now)
        for row, pairing in differ:
            if not everywhere and changed[row.pk] & _JUDGING:
                reach.mark_all(dossier=row, now=now)
            if row.billed_tag:
                own_tags.take_over(workspace=pairing.workspace, tag=row.billed_tag)
            write_backs.restate(dossier=row, tag=row.billed_tag, now=now)
        record(firm=firm, news=news, by=by, now=now)
    return results


def _refuse(firm: Firm, pairings: Sequence[Pairing], *, is_new: bool) -> None:
    stands = standing(firm.slug)
    wanted = [Wanted(each.workspace.remote_id, each.company.party_id, each.rules) for each in pairings]
    checked = zip(wanted, check(wanted, stands), strict=True)
    faults = [(each.rules.key, fault) for each, found in checked for fault in found]
    for each in pairings:
        if is_new:
            faults += [(each.rules.key, fault) for fault in check_new(each.rules.key, stands)]
        faults += [(each.rules.key, fault) for fault in check_firms(firm, each.workspace, each.company)]
    refuse(faults)


def _locked(firm: Firm, pairings: Sequence[Pairing]) -> dict[str, Dossier]:
    """The dossiers that stand, by key; locked, and before them their workspaces, those that they move to included."""
    rows = Dossier.objects.for_firm(firm).filter(key__in=[pairing.rules.key for pairing in pairings])
    workspaces = {pairing.workspace.pk for pairing in pairings} | set(rows.values_list("workspace_id", flat=True))
    lock_rows(Workspace.objects.filter(pk__in=workspaces))
    locked = rows.select_related("workspace", "company").order_by("pk").select_for_update(of=("self",), no_key=True)
    return {row.key: row for row in locked}


def _clients_of(dossiers: Iterable[Dossier]) -> defaultdict[int, set[int]]:
    found: defaultdict[int, set[int]] = defaultdict(set)
    rows = DossierClient.objects.filter(dossier__in=list(dossiers))
    for dossier_id, client in rows.values_list("dossier_id", "client_remote_id"):
        found[dossier_id].add(client)
    return found


def _written(row: Dossier | None, firm: Firm, pairing: Pairing, now: datetime) -> Dossier:
    values = {"workspace": pairing.workspace, "company": pairing.company, **pairing.rules.columns()}
    due_at = _due_at(Schedule(pairing.rules.every, pairing.rules.day), firm, now)
    if row is None:
        return Dossier.objects.create(firm=firm, key=pairing.rules.key, due_at=due_at, **values)
    if {"every", "day"} & amend(row, values).new.keys():
        amend(row, {"due_at": due_at})
    return row


def _due_at(schedule: Schedule, firm: Firm, now: datetime) -> datetime | None:
    """The start of the first scheduled day after today, in the firm's zone (R9)."""
    day = next_due(schedule, now.astimezone(firm.zone).date())
    return None if day is None else starts_at(day, firm.zone)


def _reread(workspaces: Iterable[int], now: datetime) -> None:
    """Workspaces are read from the earliest start of their dossiers; what lies further back is read anew, and soon."""
    for workspace in Workspace.objects.filter(pk__in=workspaces).order_by("pk"):
        earliest = workspace.dossiers.aggregate(Min("start_date"))["start_date__min"]
        if earliest is None:
            continue
        values = {"read_from": earliest}
        if workspace.read_from is None or earliest < workspace.read_from:
            values |= {"reread_at": None, "next_sync_at": now}
        amend(workspace, values)


def _own(rules: DossierRules) -> Iterator[Fault]:
    """What is wrong with rules whatever stands beside them."""
    yield from short_name("key", rules.key)
    for name, longest in _TEXTS.items():
        yield from line(name, getattr(rules, name), longest=longest)
    for name, choices in WORDS.items():
        yield from word(name, getattr(rules, name), choices)
    for name, (least, most) in LIMITS.items():
        yield from between(name, getattr(rules, name), least, most)
    if rules.every in DAYS and rules.day is None:
        yield Fault("day", "day_of_week" if rules.every == "weekly" else "day_of_month", beside=("every",))
    elif rules.every in DAYS and rules.day is not None:
        yield from between("day", rules.day, *DAYS[rules.every])
    if not days.FIRST <= rules.start <= days.LAST:
        facts = {"value": rules.start.isoformat(), "least": days.FIRST.year, "most": days.LAST.year}
        yield Fault("start", "day_out_of_range", facts)
    if rules.four_eyes and rules.mode == Dossier.Mode.SEND:
        yield Fault("four_eyes", "four_eyes_sends", beside=("mode",))
    limit = rules.auto_limit
    if limit is not None and not (0 <= limit < _MOST and limit == round(limit, 2)):
        yield Fault("auto_limit", "not_an_amount", {"value": str(limit)})
    if limit is not None and rules.no_limit:
        yield Fault("no_limit", "limit_and_none", beside=("auto_limit",))
    if limit is None and not rules.no_limit and rules.mode in (Dossier.Mode.POST, Dossier.Mode.SEND):
        yield Fault("auto_limit", "limit_not_said", {"mode": rules.mode}, beside=("mode", "no_limit"))


def _tag_speaks(wanted: Wanted, stands: Standing) -> Iterator[Fault]:
    """The tag of billed hours says nothing of what is billed: no dossier of the workspace maps it, nor has a product of
    this name (R4)."""
    key = text_key(wanted.rules.billed_tag)
    if wanted.rules.billed_tag.strip() and not key:
        yield Fault("billed_tag", "empty")
    for name, row in stands.dossiers.items():
        # A product that got the name of a tag that is written already meets no entry.
        if key and row.workspace == wanted.workspace and key in row.tags - set(map(text_key, row.written)):
            facts = {"value": wanted.rules.billed_tag, "dossier": name}
            yield Fault("billed_tag", "tag_speaks", facts, beside=("workspace",))
            return


def _invoiced(wanted: Wanted, stands: Standing) -> Iterator[Fault]:
    """A dossier's workspace, company or start cannot change once it has invoiced (design section 10)."""
    row = stands.dossiers.get(wanted.rules.key)
    if row is None or not row.has_invoiced:
        return
    for name, new, old in (
        ("workspace", wanted.workspace, row.workspace),
        ("company", wanted.company, row.company),
        ("start", wanted.rules.start, row.start),
    ):
        if new != old:
            yield Fault(name, "invoiced", {"old": str(old), "dossier": wanted.rules.key}, beside=("key",))


def overlaps(wanted: Sequence[Wanted], stands: Standing) -> Iterator[list[Fault]]:
    """R1: the clients of the dossiers of one workspace are disjoint, those that are not stated here included."""
    stated = {each.rules.key for each in wanted}
    placed: defaultdict[int, list[tuple[str, str, frozenset[int]]]] = defaultdict(list)
    for key, row in stands.dossiers.items():
        if key not in stated:
            placed[row.workspace].append((key, row.name, row.clients))
    for each in wanted:
        faults = []
        own = each.rules.clients
        # No workspace, where the reader could make out none, is no workspace that others share.
        for key, name, clients in placed[each.workspace] if each.workspace else []:
            facts: dict[str, Any] = {"dossier": key, "name": name, "workspace": each.workspace, "ids": ()}
            if key == each.rules.key:
                continue
            if both := sorted(own & clients):
                facts |= {"clients": ", ".join(map(str, both)), "ids": both}
                faults.append(Fault("clients", "clients_elsewhere", facts, beside=("workspace", "key")))
            elif not clients and not own:
                faults.append(Fault("clients", "whole_workspace", facts, beside=("workspace", "key")))
        placed[each.workspace].append((each.rules.key, each.rules.name, own))
        yield faults
