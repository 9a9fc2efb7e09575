"""The sandbox under requests drawn from the specifications; `python -m tests.specs.fuzz` is the long version."""

import pytest

from integrations.sandbox.process import Process
from tests.specs import fuzz
from tests.specs.swagger import FILES


@pytest.mark.slow
@pytest.mark.usefixtures("specifications")
def test_ten_seconds_of_drawn_requests_without_a_500(sandbox_process: Process) -> None:
    driven = fuzz.drive(sandbox_process, 10)
    assert [one.file for one in driven] == list(fuzz.SHARES)
    assert set(fuzz.SHARES) == set(FILES)
    failed = [f"{one.file}\n{one.words}" for one in driven if not one.sound]
    assert not failed, "\n".join(failed)


@pytest.mark.slow
@pytest.mark.usefixtures("specifications")
def test_a_500_fails_the_drive(sandbox_process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "SHARES", {"toggl-webhooks-v1.swagger.json": 1.0})
    load = sandbox_process.control.load

    def spoilt(world: object) -> str:
        onboarding = load(world)  # type: ignore[arg-type]  # handed on as it came
        sandbox_process.control.faults({"kind": "html500", "service": "toggl"})
        return onboarding

    monkeypatch.setattr(sandbox_process.control, "load", spoilt)
    (driven,) = fuzz.drive(sandbox_process, 10, seed=1)
    assert not driven.sound
    assert "500" in driven.words
