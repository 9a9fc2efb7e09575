"""The lock files hold what the requirements name, pinned with hashes, and nothing of whoever wrote them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
FILES = [("requirements.txt", "requirements.lock"), ("requirements-dev.txt", "requirements-dev.lock")]


def pins(name: str) -> dict[str, str]:
    """The pinned version of each package of a file, by its normalised name."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return {re.sub(r"[-_.]+", "-", package).lower(): version for package, version in PIN.findall(text)}


@pytest.mark.parametrize(("asked", "locked"), FILES)
def test_lock_pins_what_is_asked_for(asked: str, locked: str) -> None:
    found = pins(locked)
    assert pins(asked)
    assert {package: found.get(package) for package in pins(asked)} == pins(asked)


def test_tests_run_on_what_production_runs_on() -> None:
    both = pins("requirements-dev.lock")
    assert {package: both.get(package) for package in pins("requirements.lock")} == pins("requirements.lock")


@pytest.mark.parametrize("locked", [locked for _, locked in FILES])
def test_every_pin_of_a_lock_has_hashes_and_no_address(locked: str) -> None:
    text = (ROOT / locked).read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) == len(pins(locked))
    assert [block for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in text


@pytest.mark.parametrize("asked", [asked for asked, _ in FILES])
def test_every_requirement_says_what_it_is_for(asked: str) -> None:
    lines = (ROOT / asked).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "==" in line and " # " not in line] == []
