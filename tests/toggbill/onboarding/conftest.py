"""Both services over HTTP, and the command `onboard` against them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import Settings

from integrations.sandbox.process import Process, start
from tests.factories import PASSWORD
from tests.toggbill.onboarding.bureau import (
    API_KEY,
    MEMBERS_TOKEN,
    Onboard,
)


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    with start("empty") as running:
        yield running


@pytest.fixture
def sandbox(process: Process, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Process:
    """The empty world with a second company, and a member who is no admin."""
    process.control.load("empty")
    world = process.control.world()
    world["billit"]["companies"].append({**world["billit"]["companies"][0], "PartyID": 7002, "Name": "Conseil SRL"})
    world["billit"]["users"][0]["companies"].append(7002)
    member = {"id": 9002, "token": MEMBERS_TOKEN, "email": "member@example.com", "fullname": "Bram Oudeling"}
    world["toggl"]["users"].append(
        {**member, "timezone": "Europe/Brussels", "workspaces": [{"id": 4001, "admin": False}]}
    )
    process.control.load(world)
    process.control.faults()
    process.control.clear_log()
    settings.TOGGL_URL, settings.BILLIT_API_URL = process.toggl_url, process.billit_url
    monkeypatch.setenv("OWNER_PASSWORD", PASSWORD)
    monkeypatch.setenv("BILLIT_KEY", API_KEY)
    return process


@pytest.fixture
def onboard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Onboard:
    """Runs the command over a text; gives its exit code, standard output and standard error."""

    def run(text: str) -> tuple[int, str, str]:
        path = tmp_path / "firm.toml"
        path.write_text(text)
        code: Any = 0
        try:
            call_command("onboard", str(path))
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, out, err

    return run
