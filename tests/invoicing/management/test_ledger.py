"""What the command ledger prints: every state of every month, attention, corrections, whether the month is balanced."""

from __future__ import annotations

from collections.abc import Callable

from tests.conftest import Outcome
from tests.invoicing.scene import Scene
from tests.worlds import FIRST_ENTRY, entry

Command = Callable[..., Outcome]


# --- ledger -----------------------------------------------------------------------------------------------------------


def tally(entries: int, seconds: int) -> dict[str, int]:
    return {"entries": entries, "seconds": seconds}


STATES = (
    "running",
    "not_billable",
    "open",
    "attention",
    "held",
    "written_off",
    "drafted",
    "invoiced",
    "credited",
    "deleted",
    "covered",
    "on_account",
    "prepaid",
)


def test_ledger_prints_every_state_of_every_month(scene: Callable[..., Scene]) -> None:
    made = scene(
        entries=[
            entry(1, "2026-09-30T21:59:59+00:00"),  # in Brussels the last second of September
            entry(2, "2026-09-30T22:00:00+00:00"),
            entry(3, "2026-10-06", tags=[]),
            entry(4, "2026-10-07", seconds=60, project_id=None),
            entry(5, "2026-10-07", running=True),
            entry(6, "2026-10-07", seconds=0),
        ]
    )
    done = made.command("ledger", "--firm", "small")
    assert (done.code, done.words) == (0, "")
    nothing = {state: tally(0, 0) for state in STATES}
    assert done.answer == {
        "dossiers": [
            {
                "dossier": "small",
                "month": "2026-09",
                "states": nothing | {"open": tally(1, 3600)},
                "attention": {},
                "corrections": tally(0, 0),
                "balanced": True,
                "broken": [],
            },
            {
                "dossier": "small",
                "month": "2026-10",
                "states": nothing
                | {
                    "open": tally(1, 3600),
                    "attention": tally(2, 3660),
                    "running": tally(1, 0),
                    "not_billable": tally(1, 0),
                },
                "attention": {"no_project": tally(1, 60), "no_tag": tally(1, 3600)},
                "corrections": tally(0, 0),
                "balanced": True,
                "broken": [],
            },
        ]
    }
    only = made.command("ledger", "--firm", "small", "--dossier", "small", "--month", "2026-10").answer
    assert only["dossiers"] == done.answer["dossiers"][1:]


def test_ledger_of_a_month_without_entries_is_all_zero_and_balanced(scene: Callable[..., Scene]) -> None:
    done = scene().command("ledger", "--firm", "small", "--month", "2026-12")
    assert done.answer == {
        "dossiers": [
            {
                "dossier": "small",
                "month": "2026-12",
                "states": {state: tally(0, 0) for state in STATES},
                "attention": {},
                "corrections": tally(0, 0),
                "balanced": True,
                "broken": [],
            }
        ]
    }


def test_ledger_of_a_firm_without_entries_is_empty(scene: Callable[..., Scene]) -> None:
    assert scene(entries=[]).command("ledger", "--firm", "small").answer == {"dossiers": []}


def test_ledger_tells_the_corrections_after_billing(scene: Callable[..., Scene]) -> None:
    made = scene(entries=[entry(1), entry(2, "2026-10-06")])
    made.posted()
    made.later(hours=1)
    made.control.put_entries({"id": FIRST_ENTRY + 1, "stop": "2026-10-05T09:40:00Z"})
    made.control.delete_entries(FIRST_ENTRY + 2)
    made.command("sync", "--full")
    (month,) = made.command("ledger", "--firm", "small").answer["dossiers"]
    assert month["states"]["invoiced"] == tally(2, 2400)
    assert month["corrections"] == tally(2, -1200 - 3600)
    assert month["balanced"] is True
