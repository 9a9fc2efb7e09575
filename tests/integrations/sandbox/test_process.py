"""The process: its one line, its end, bad arguments, and the state file over two runs."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import requests

from integrations.sandbox.http.wire import dumps
from integrations.sandbox.process import start
from integrations.sandbox.remote import ControlError, Remote
from tests.integrations.sandbox.scene import Billit, Toggl, order, small_world

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "integrations.sandbox", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_line_and_a_clean_end(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "integrations.sandbox", "--world", "empty"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert sorted(line) == ["billit_url", "control_url", "onboarding", "toggl_url"]
        assert tomllib.loads(line["onboarding"])["firm"]["slug"] == "bureau"
        process.send_signal(number)
        rest, errors = process.communicate(timeout=10)
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.parametrize(
    ("world", "text"),
    [
        ("atlantis", "There is no world or file 'atlantis'"),
        ("bench:many", "The world 'bench:many' is not of the form bench:ENTRIES:CUSTOMERS"),
        ("pyproject.toml", "The world file 'pyproject.toml' is no JSON"),
    ],
)
def test_bad_world(world: str, text: str) -> None:
    ended = run("--world", world)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"The sandbox cannot start: {text}")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "A world is a JSON object with at least the objects"),
        (
            '{"name": "half", "toggl": {"users": [{}]}, "billit": {}}',
            "The world 'half' cannot be built (KeyError: 'id').",
        ),
    ],
)
def test_bad_world_file(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "world.json"
    path.write_text(text)
    ended = run("--world", str(path))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"The sandbox cannot start: {words}")
    assert ended.stderr.count("\n") == 1


def test_bad_state_file(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{}")
    ended = run("--world", "empty", "--state", str(state))
    assert ended.returncode == 2
    assert "is not one of the sandbox; delete it." in ended.stderr


def test_state_file_keeps_world_and_orders(tmp_path: Path) -> None:
    state = tmp_path / "var" / "state.json"
    with start(small_world(), state) as process:
        billit = Billit(process)
        identity = billit.call("POST", "/orders", order(), Idempotency_Key="tb-1-1").json()
        before = billit.order(identity)
        billit.session.close()
        process.control.put_entries({"id": 4_300_000_001, "description": "Changed"})
        world = process.control.world()
        # Killed, not ended: what was answered must already be on the disk.
        os.kill(process.pid, signal.SIGKILL)
    with start("demo", state) as process:
        billit = Billit(process)
        assert process.control.world() == world
        assert billit.order(identity) == before
        assert billit.call("POST", "/orders", order(), Idempotency_Key="tb-1-1").status_code == 409
        assert billit.order(billit.create())["OrderNumber"] == "2026-0002"
        billit.session.close()
    assert not list(state.parent.glob("*.new"))


def test_state_file_keeps_webhooks_tokens_and_tags(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    client = {"client_id": "sandbox-client", "redirect_uri": "http://127.0.0.1/back"}
    with start(small_world(), state) as process:
        billit = Billit(process)
        hook = {"EntityType": "Order", "EntityUpdateType": "I", "WebhookURL": "https://office.example.com/"}
        billit.call("POST", "/webhooks", hook)
        form = {**client, "email": "owner@example.com", "decision": "allow"}
        back = requests.post(f"{billit.url}/Account/Logon", data=form, allow_redirects=False, timeout=10)
        code = back.headers["Location"].partition("code=")[2]
        given = {**client, "client_secret": "sandbox-secret", "grant_type": "authorization_code", "code": code}
        pair = requests.post(f"{billit.url}/OAuth2/token", json=given, timeout=10).json()
        toggl = Toggl(process)
        assert toggl.call("POST", "/workspaces/4001/tags", {"name": "Paie"}).status_code == 200
        toggl.session.close()
        billit.session.close()
        # Killed, not ended: what was answered must already be on the disk.
        os.kill(process.pid, signal.SIGKILL)
    with start("demo", state) as process:
        billit, toggl = Billit(process), Toggl(process)
        assert [row["WebhookURL"] for row in billit.get("/webhooks").json()] == ["https://office.example.com/"]
        del billit.session.headers["ApiKey"]
        billit.session.headers["Authorization"] = f"Bearer {pair['access_token']}"
        assert billit.get("/orders").status_code == 200
        assert [row["name"] for row in toggl.get("/workspaces/4001/tags").json()] == ["Compta", "Paie"]
        billit.session.close()
        toggl.session.close()


def test_world_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    path.write_text(dumps(small_world()))
    with start(path) as process:
        toggl = Toggl(process)
        assert toggl.get("/me").json()["fullname"] == "Odile Verkansel"
        toggl.session.close()
        assert process.onboarding == ""


def test_sandbox_ends_with_the_process_that_started_it() -> None:
    program = (
        "import os; from integrations.sandbox.process import start; print(start('empty').pid, flush=True); os._exit(1)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    pid, end = int(ended.stdout), time.monotonic() + 10
    while time.monotonic() < end and Path(f"/proc/{pid}/stat").exists():
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break  # ended; whoever inherited it has yet to take note
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{pid}/stat").exists()


def test_stop_twice() -> None:
    process = start("empty")
    assert process.stop() == 0
    assert process.stop() == 0


def test_world_round_trip(control: Remote) -> None:
    world = control.world()
    control.load(world)
    assert control.world() == world


@pytest.mark.parametrize("name", ["atlantis", "bench:0:1", "bench:10:9001"])
def test_bad_world_at_the_control_plane(control: Remote, name: str) -> None:
    with pytest.raises(ControlError):
        control.load(name)
    assert control.world()["name"] == "small"


def test_unknown_switch_is_named(control: Remote) -> None:
    with pytest.raises(ControlError, match="There is no switch 'billit_moon'"):
        control.switch(billit_moon=True)
    with pytest.raises(ControlError, match="takes a value like"):
        control.switch(billit_rounding=3)


def test_order_changed_by_hand(billit: Billit, control: Remote) -> None:
    identity = billit.create()
    control.change_order(identity, IsSent=True, OrderStatus="ToPay")
    assert billit.order(identity)["IsSent"] is True
    control.change_order(identity, Deleted=True)
    assert billit.get("/orders").json()["Items"] == []
    assert [(row["OrderID"], row["Deleted"]) for row in control.orders(7001)] == [(identity, True)]
    assert control.orders(7002) == []
