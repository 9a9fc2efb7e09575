"""The lists of what is imitated where, in the docstrings of both packages, are true: every place and switch exists."""

import re
from pathlib import Path

import pytest

from integrations.sandbox import billit, toggl
from integrations.sandbox.http.switches import BILLIT, DEFAULTS, SWITCHES, TOGGL


def text(package: object) -> str:
    return str(package.__doc__)


def test_every_point_of_billit_has_its_place() -> None:
    assert [int(number) for number in re.findall(r"^ ?(\d+)  ", text(billit), re.MULTILINE)] == list(range(1, 49))


@pytest.mark.parametrize("package", [billit, toggl])
def test_places_exist(package: object) -> None:
    root = Path(str(getattr(package, "__file__", ""))).parent
    places = re.findall(r"((?:\w+/)*\w+\.py)((?: (?:\([^)]*\) )?`\w+`(?:, `\w+`)*)?)", text(package))
    assert len(places) > 20
    for name, functions in places:
        path = root.parent.parent / name if name.startswith("sandbox/") else root / name
        assert path.is_file(), name
        source = path.read_text(encoding="utf-8")
        assert [one for one in re.findall(r"`(\w+)`", functions) if f"def {one}(" not in source] == [], name


@pytest.mark.parametrize(("package", "switches"), [(billit, BILLIT), (toggl, TOGGL)])
def test_every_switch_is_named(package: object, switches: dict[str, object]) -> None:
    found = set(re.findall(r"\b(?:billit|toggl)_\w+", text(package)))
    assert found == set(switches)


def test_switches_are_whole() -> None:
    assert {name: switch.default for name, switch in SWITCHES.items()} == DEFAULTS
    for name, switch in SWITCHES.items():
        assert switch.meaning, name
        assert not switch.choices or switch.default in switch.choices, name
