"""docs/unknowns.md names every switch of the sandbox with its default, and the probe where there is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from integrations.sandbox.http.switches import BILLIT, DEFAULTS, TOGGL
from tests.integrations.test_probe import BILLIT_READS, BILLIT_SENT, BILLIT_WRITES, TOGGL_READS, TOGGL_WRITES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "unknowns.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| [^|]+ \| `(\w+)` \| ([^|]*) \|", PAGE, re.MULTILINE))
SETTLING = dict(re.findall(r"^\| [^|]+ \| `(\w+)` \| [^|]* \| ([^|]+) \|$", PAGE, re.MULTILINE))


def test_every_switch_stands_on_the_page_in_its_order() -> None:
    assert list(ROWS) == [*TOGGL, *BILLIT]


def test_every_default_is_told() -> None:
    told = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in DEFAULTS.items()}
    assert told == ROWS


@pytest.mark.parametrize(
    ("probe", "known", "alone"),
    [
        ("`--toggl`", TOGGL_READS, {"toggl_secret_in_lists"}),
        ("`--toggl --allow-writes`", TOGGL_WRITES, set()),
        ("`--billit`", BILLIT_READS + [row[:3] for row in BILLIT_SENT], set()),
        ("`--billit --allow-writes`", BILLIT_WRITES, set()),
    ],
)
def test_what_the_page_leaves_to_a_probe_it_can_tell(
    probe: str, known: list[tuple[str, object, object]], alone: set[str]
) -> None:
    left = {name for name, how in SETTLING.items() if how.startswith(probe)}
    # Told apart on both sides in test_probe, but what takes a webhook that is there.
    assert left - alone == {name for name, _, _ in known}
    assert alone <= left


def test_every_row_says_how_to_settle_it() -> None:
    assert set(SETTLING) == set(DEFAULTS)
    assert [name for name, how in SETTLING.items() if len(how) < 7] == []
