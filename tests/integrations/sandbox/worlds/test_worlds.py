"""The worlds by name: the demo's people, hours and troubles as the rules of billing judge them; the plain ones."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import stdnum.be.vat
import stdnum.eu.vat

from integrations.sandbox.http.wire import Record
from integrations.sandbox.remote import Remote
from integrations.sandbox.worlds import files
from integrations.sandbox.worlds.numbers import belgian_vat, german_vat, luxembourg_vat, wrong_vat
from integrations.sandbox.worlds.onboarding import onboarding_file
from invoicing.rules.billing.rating import Rounding
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import (
    ClientRule,
    Customer,
    Entry,
    Product,
    Reason,
    Rules,
    State,
    TagRule,
    Treatment,
)
from invoicing.rules.judging.plausibility import twins
from invoicing.rules.judging.vat_numbers import customer_number
from invoicing.rules.planning import Terms, plan
from tests.integrations.sandbox.scene import Toggl

BRUSSELS = ZoneInfo("Europe/Brussels")
# A Sunday night, a Monday at dawn, an ordinary Wednesday, the days around the change to winter time, a leap day.
MOMENTS = [
    datetime(2026, 11, 22, 22, 30, tzinfo=UTC),
    datetime(2026, 11, 23, 4, 0, tzinfo=UTC),
    datetime(2026, 10, 14, 12, 0, tzinfo=UTC),
    datetime(2026, 10, 26, 9, 0, tzinfo=UTC),
    datetime(2028, 2, 29, 15, 0, tzinfo=UTC),
]


@pytest.fixture(params=MOMENTS, ids=str)
def now(request: pytest.FixtureRequest) -> datetime:
    moment: datetime = request.param
    return moment


@dataclass(frozen=True)
class Judged:
    """The demo's entries as the rules of billing see them, by dossier."""

    reasons: Counter[str]
    states: Counter[str]
    outside: set[int]
    skipped: Counter[str]
    invoices: list[Any]
    seconds: Counter[str]


def entries_of(world: Record, workspace: int) -> Iterator[Entry]:
    clients = {row["id"]: row for row in world["toggl"]["clients"]}
    projects = {row["id"]: row for row in world["toggl"]["projects"]}
    people = {row["id"]: row["fullname"] for row in world["toggl"]["users"]}
    for row in world["toggl"]["entries"]:
        if row["workspace_id"] != workspace:
            continue
        project = projects.get(row["project_id"])
        client = clients.get(project["client_id"]) if project else None
        start = datetime.fromisoformat(row["start"])
        stop = datetime.fromisoformat(row["stop"]) if row["stop"] else None
        yield Entry(
            id=row["id"],
            start=start,
            day=start.astimezone(BRUSSELS).date(),
            seconds=int((stop - start).total_seconds()) if stop else 0,
            running=stop is None,
            deleted=False,
            billable=row["billable"],
            tags=tuple(row["tags"]),
            description=row["description"],
            project_id=row["project_id"],
            project_name=project["name"] if project else "",
            client_id=client["id"] if client else None,
            client_name=client["name"] if client else "",
            person_id=row["user_id"],
            person_name=people[row["user_id"]],
        )


def rules_of(world: Record, dossier: Record) -> Rules:
    billit = world["billit"]
    same = [row for row in world["dossiers"] if row["workspace"] == dossier["workspace"]]
    elsewhere = {client for row in same if row is not dossier for client in row.get("clients", [])}
    return Rules(
        start=date.fromisoformat(str(dossier["start"])),
        clients=frozenset(dossier["clients"]) if dossier.get("clients") else None,
        takes_unassigned=same[0] is dossier,
        named_elsewhere=frozenset(elsewhere),
        billable=dossier["billable"],
        tags=tuple(
            TagRule(row["tag"], row.get("product", ""), row.get("bill", True), row.get("priority"))
            for row in dossier["tags"]
        ),
        clients_map=tuple(
            ClientRule(
                row["client"],
                row.get("vat", ""),
                row.get("customer"),
                treatment=Treatment(row["vat_treatment"]) if "vat_treatment" in row else None,
                purchase_order=row.get("po", ""),
                buyer_reference=row.get("buyer_reference", ""),
            )
            for row in dossier.get("client_map", [])
        ),
        products=tuple(
            Product(row["ProductID"], row["Reference"], row["Description"], Decimal(row["AmountExcl"]), row["VAT"])
            for row in billit["products"]
            if row["CompanyID"] == dossier["company"]
        ),
        customers=tuple(
            Customer(row["PartyID"], row["Name"], customer_number(row["VATNumber"]), row["Language"])
            for row in billit["parties"]
            if row["CompanyID"] == dossier["company"]
        ),
        pins={},
        default_product=dossier.get("default_product", ""),
    )


def judged(world: Record, now: datetime) -> Judged:
    found = Judged(Counter(), Counter(), set(), Counter(), [], Counter())
    for dossier in world["dossiers"]:
        judge = Judge(rules_of(world, dossier))
        entries = list(entries_of(world, dossier["workspace"]))
        found_twice = twins(entries, judge.lets_through)
        entries = [replace(entry, is_duplicate=entry.id in found_twice) for entry in entries]
        for entry in entries:
            verdict = judge.verdict(entry)
            if verdict.state is None:
                if entry.day < date.fromisoformat(str(dossier["start"])):
                    found.outside.add(entry.id)
                continue
            found.states[verdict.state] += 1
            found.seconds[verdict.state] += entry.seconds
            if verdict.reason:
                found.reasons[verdict.reason] += 1
        terms = Terms(
            group_by=dossier["group_by"],
            rounding=Rounding(**dossier["rounding"]),
            cut_off=now.astimezone(BRUSSELS).date(),
            late_through=None,
            language="fr",
        )
        drawn = plan(entries, judge=judge, terms=terms)
        found.invoices.extend((dossier["key"], invoice) for invoice in drawn.invoices)
        found.skipped.update(skipped.reason for skipped in drawn.skipped)
    return found


# --- the demo -------------------------------------------------------------------------------------------------------


def test_demo_is_the_same_for_the_same_day(now: datetime) -> None:
    assert files.load("demo", now) == files.load("demo", now)


def test_demo_holds_two_months_of_office_hours(now: datetime) -> None:
    world = files.load("demo", now)
    entries = world["toggl"]["entries"]
    assert 1350 <= len(entries) <= 1500
    assert len({row["id"] for row in entries}) == len(entries)
    assert len({row["user_id"] for row in entries}) == 6
    first = now.astimezone(BRUSSELS).date() - timedelta(days=61)
    stops = [datetime.fromisoformat(row["stop"]) for row in entries if row["stop"]]
    starts = [datetime.fromisoformat(row["start"]).astimezone(BRUSSELS) for row in entries]
    assert max(stops) <= now
    assert all(8 <= start.hour < 18 for start in starts)
    assert sum(start.date() < first for start in starts) == 3
    seconds = [
        (datetime.fromisoformat(row["stop"]) - datetime.fromisoformat(row["start"])).seconds
        for row in entries
        if row["stop"]
    ]
    assert 0.2 < sum(second % 900 != 0 for second in seconds) / len(seconds) < 0.5


def test_demo_holds_every_trouble_but_only_a_few_hours_of_it(now: datetime) -> None:
    found = judged(files.load("demo", now), now)
    # What only time brings (a client renamed, a customer merged, an hour moved) or what no sane file names (a PartyID
    # that is not there) is left out.
    absent = {
        *(Reason.client_vat_changed, Reason.unknown_customer, Reason.contradicting_mappings),
        *(Reason.customer_changed, Reason.billed_elsewhere),
        *(Reason.treatment_number, Reason.small_enterprise),
        *(Reason.several_agreements, Reason.left_agreement),
    }
    assert set(found.reasons) == set(Reason) - absent
    assert set(found.states) == {State.running, State.not_billable, State.open, State.attention}
    assert (found.states[State.running], len(found.outside)) == (1, 3)
    assert found.skipped["rounds_to_zero"] == 1
    share = found.seconds[State.attention] / sum(found.seconds.values())
    assert 0.02 < share < 0.05


def test_demo_bills_every_sound_client(now: datetime) -> None:
    world = files.load("demo", now)
    invoices = judged(world, now).invoices
    assert Counter(key for key, _ in invoices) == {"compta": 13, "conseil": 4, "salaires": 5}
    buyers = {invoice.buyer.number: invoice.buyer for _, invoice in invoices}
    # Those that Billit lacks: it is the register that knows them.
    new = {number for number, buyer in buyers.items() if buyer.party_id is None}
    register = {f"BE{row['CompanyIdentification']}" for row in world["billit"]["kbo"]}
    assert len(new) == 4
    assert new <= register
    assert {buyer.treatment for buyer in buyers.values()} == {
        Treatment.domestic,
        Treatment.reverse_charge,
        Treatment.eu_services,
    }
    assert [buyer.purchase_order for buyer in buyers.values() if buyer.purchase_order] == ["4500012345"]
    assert [buyer.buyer_reference for buyer in buyers.values() if buyer.buyer_reference] == ["Service achats"]


def test_demo_numbers_are_valid_and_in_nobodys_range(now: datetime) -> None:
    billit = files.load("demo", now)["billit"]
    numbers = [row["VATNumber"] for row in billit["companies"] + billit["parties"]]
    numbers += [row["number"] for row in billit["peppol"]]
    numbers += [f"BE{row['CompanyIdentification']}" for row in billit["kbo"]]
    assert all(stdnum.eu.vat.is_valid(number) for number in numbers)
    compact = {stdnum.eu.vat.compact(number) for number in numbers}
    assert {number[:6] for number in compact} == {"BE0999", "LU9990", "DE9999"}


def test_demo_onboarding_file() -> None:
    world = files.load("demo", MOMENTS[0])
    file = tomllib.loads(onboarding_file(world))
    assert file["firm"] == {
        "slug": "fiduciaire",
        "name": "Fiduciaire Exemple",
        "timezone": "Europe/Brussels",
        "language": "fr",
    }
    assert file["users"] == [{"email": "owner@example.com", "role": "owner"}]
    assert file["toggl"] == [{"key": "main", "api_token": world["toggl"]["users"][0]["token"]}]
    assert file["billit"] == [{"key": "main", "api_key": world["billit"]["users"][0]["api_key"]}]
    assert [(row["key"], row["workspace"], row["company"], row["start"]) for row in file["dossiers"]] == [
        ("compta", 4001, 7001, date(2026, 9, 22)),
        ("conseil", 4001, 7002, date(2026, 9, 22)),
        ("salaires", 4002, 7003, date(2026, 9, 22)),
    ]
    assert {"tag": "interne", "bill": False} in file["dossiers"][0]["tags"]
    assert file["dossiers"][0]["client_map"][0] == {"client": 510, "customer": 88510, "po": "4500012345"}


def test_demo_is_read_whole_over_http(control: Remote, toggl: Toggl) -> None:
    control.load("demo", MOMENTS[2])
    token = control.world()["toggl"]["users"][0]["token"]
    ids: list[int] = []
    cursor: dict[str, Any] = {}
    while True:
        answer = toggl.search(
            token=token, start_date="2026-08-01", end_date="2026-10-14", page_size=1000, rounding_minutes=0, **cursor
        )
        ids += [row["time_entries"][0]["id"] for row in answer.json()]
        if "X-Next-ID" not in answer.headers:
            break
        cursor = {
            "first_id": int(answer.headers["X-Next-ID"]),
            "first_row_number": int(answer.headers["X-Next-Row-Number"]),
        }
    # One timer runs, and a report has none that does.
    rows = [row for row in control.world()["toggl"]["entries"] if row["workspace_id"] == 4001]
    assert sum(row["stop"] is None for row in rows) == 1
    expected = {row["id"] for row in rows if row["stop"]}
    assert len(ids) == len(set(ids))
    assert set(ids) == expected


# --- the plain worlds -----------------------------------------------------------------------------------------------


def test_month_lies_in_last_month(now: datetime) -> None:
    world = files.load("month", now)
    today = now.astimezone(BRUSSELS).date()
    last = today.replace(day=1) - timedelta(days=1)
    days = {datetime.fromisoformat(row["start"]).astimezone(BRUSSELS).date() for row in world["toggl"]["entries"]}
    assert (len(world["toggl"]["entries"]), len(world["toggl"]["projects"])) == (1000, 190)
    assert {(day.year, day.month) for day in days} == {(last.year, last.month)}
    found = judged(world, now)
    assert (found.states, found.outside, len(found.invoices)) == (Counter(open=1000), set(), 38)


def test_bench_is_clean() -> None:
    world = files.load("bench:3000:60", MOMENTS[2])
    found = judged(world, MOMENTS[2])
    assert (found.states, found.outside, len(found.invoices)) == (Counter(open=3000), set(), 60)
    assert world["name"] == "bench:3000:60"


def test_empty_world_can_be_onboarded() -> None:
    world = files.load("empty", MOMENTS[2])
    assert world["toggl"]["entries"] == []
    assert tomllib.loads(onboarding_file(world))["dossiers"][0]["tags"] == []


@pytest.mark.parametrize("index", [0, 1, 96, 97, 500, 9999, 10_000, 19_999])
def test_invented_numbers(index: int) -> None:
    assert stdnum.be.vat.is_valid(belgian_vat(index))
    assert not stdnum.be.vat.is_valid(wrong_vat(index))
    assert stdnum.eu.vat.is_valid(luxembourg_vat(index % 1000))
    assert stdnum.eu.vat.is_valid(german_vat(index % 10_000))
