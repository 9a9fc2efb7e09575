"""The generated worlds: their size, their seed, and the share of every trouble as the rules of billing judge it."""

import os
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import stdnum.be.vat
import stdnum.eu.vat

from integrations.sandbox.http.wire import dumps
from integrations.sandbox.process import start
from integrations.sandbox.server import Sandbox
from integrations.sandbox.worlds import files
from integrations.sandbox.worlds.troubles import TROUBLES, counts
from invoicing.rules.judging.mapping import Reason
from tests.integrations.sandbox.worlds.test_worlds import judged

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
# What only a change, an agreement or an earlier version brings, and what would trouble all hours of a company.
NO_TROUBLES = {
    Reason.client_vat_changed,
    Reason.customer_changed,
    Reason.billed_elsewhere,
    Reason.contradicting_mappings,
    Reason.small_enterprise,
    Reason.several_agreements,
    Reason.left_agreement,
}


@pytest.mark.parametrize("share", [0, 20, 100])
def test_troubles_come_in_the_stated_share(share: int) -> None:
    world = files.load(f"troubles:4000:{share}", NOW)
    assert len(world["toggl"]["entries"]) == 4000
    found = judged(world, NOW)
    expected = counts(4000, Decimal(share))
    assert sum(expected.values()) == 40 * share
    reasons = {reason: found.reasons[reason] for reason in Reason if reason in expected}
    assert reasons == {reason: expected[reason] for reason in reasons}
    assert sum(found.reasons.values()) == sum(reasons.values())
    assert len(found.outside) == expected["before_start"]
    assert found.states["not_billable"] == expected["zero_seconds"] + expected["not_billed"]
    assert found.skipped["rounds_to_zero"] == expected["rounds_to_zero"]
    # What is in no trouble is billed; the short calls are open, too, though they make no line.
    assert found.states["open"] == 4000 - 40 * share + expected["rounds_to_zero"]
    assert (len(found.invoices) > 0) == (share < 100)


def test_troubles_are_all_that_a_standing_world_can_hold() -> None:
    assert set(TROUBLES) >= set(Reason) - NO_TROUBLES
    assert set(TROUBLES) - set(Reason) == {"before_start", "zero_seconds", "not_billed", "rounds_to_zero"}


def test_troubles_stand_among_the_sound_hours() -> None:
    # A tenth of the hours: each of the troubles twice.
    found = judged(files.load(f"troubles:{20 * len(TROUBLES)}:10", NOW), NOW)
    assert found.reasons == Counter(dict.fromkeys(set(Reason) - NO_TROUBLES, 2))


@pytest.mark.parametrize("name", ["bench:{}:3", "troubles:{}:50"])
@pytest.mark.parametrize("count", [10, 1234])
def test_any_number_of_entries(name: str, count: int) -> None:
    entries = list(files.load(name.format(count), NOW)["toggl"]["entries"])
    assert len(entries) == len({row["id"] for row in entries}) == count
    stops = [datetime.fromisoformat(row["stop"]) for row in entries]
    assert max(stops) <= NOW


@pytest.mark.parametrize("name", ["bench:300:5", "troubles:300:40"])
def test_the_seed_and_the_day_make_the_world(name: str) -> None:
    def hours(name: str, now: datetime = NOW) -> list[object]:
        return list(files.load(name, now)["toggl"]["entries"])

    assert hours(name) == hours(name)
    assert hours(name) == hours(name, NOW.replace(hour=14))
    assert hours(name) != hours(f"{name}:other")
    assert hours(name) != hours(name, NOW.replace(day=17))
    assert files.load(f"{name}:other", NOW)["name"] == f"{name}:other"


def test_invented_numbers_are_valid_and_nobodys() -> None:
    billit = files.load("troubles:100000:5", NOW)["billit"]
    numbers = [row["VATNumber"] for row in billit["parties"] + billit["companies"]]
    assert len(numbers) == 506
    assert all(stdnum.eu.vat.is_valid(number) for number in numbers)
    assert {stdnum.eu.vat.compact(number)[:6] for number in numbers} == {"BE0999", "DE9999"}
    assert all(stdnum.be.vat.is_valid(number) for number in numbers if number.startswith("BE"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bench:1000001:5", "asks for 1000001 entries; there are at most 1000000"),
        ("bench:10:2:a:b", "is not of the form bench:ENTRIES:CUSTOMERS"),
        ("troubles:1000001:5", "asks for 1000001 entries; there are at most 1000000"),
        ("troubles:10:101", "is not of the form troubles:ENTRIES:SHARE"),
        ("troubles:0:10", "is not of the form troubles:ENTRIES:SHARE"),
        ("troubles:10", "is not of the form troubles:ENTRIES:SHARE"),
    ],
)
def test_a_bad_name_is_refused(name: str, words: str) -> None:
    with pytest.raises(files.WorldError, match=words):
        files.load(name, NOW)


def test_a_generated_world_can_be_written_and_read_again() -> None:
    sandbox = Sandbox("troubles:50:40", now=NOW)
    again = Sandbox(files.checked(sandbox.world()), now=NOW)
    assert dumps(again.world()) == dumps(sandbox.world())
    assert len(again.toggl.store.entries) == 50


@pytest.mark.slow
def test_a_million_entries_are_served() -> None:
    """Ready within 30 seconds of its own work, however busy the machine is."""
    with start("bench:1000000:2000", start_seconds=300) as process:
        user, system = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        assert (int(user) + int(system)) / os.sysconf("SC_CLK_TCK") < 30
        assert len(process.control.log()) == 0
