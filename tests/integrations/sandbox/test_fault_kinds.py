"""Every kind of fault does what the menu says of it, and nothing else."""

from typing import Any

import pytest
import requests

from integrations.sandbox.http.faults import KINDS
from integrations.sandbox.http.wire import dumps
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import KEY, Billit, Toggl, codes, order

POST = {"service": "billit", "method": "POST", "path": "^/v1/orders$", "times": 1}


def try_to_post(billit: Billit) -> requests.Response | None:
    """None when there was no whole answer."""
    try:
        return billit.session.post(f"{billit.url}/v1/orders", data=dumps(order()), timeout=0.5)
    except requests.RequestException:
        return None


@pytest.mark.parametrize(
    ("fault", "status", "orders"),
    [
        ({"kind": "timeout_before"}, None, 0),
        ({"kind": "timeout_after"}, None, 1),
        ({"kind": "cut_before"}, None, 0),
        ({"kind": "cut_after"}, None, 1),
        ({"kind": "html500"}, 500, 0),
        ({"kind": "html500_after"}, 500, 1),
        ({"kind": "unavailable"}, 503, 0),
        ({"kind": "too_many"}, 429, 0),
        ({"kind": "quota"}, 402, 0),
        ({"kind": "status", "status": 418}, 418, 0),
        ({"kind": "slow", "seconds": 0.1}, 200, 1),
        ({"kind": "truncate"}, None, 1),
        ({"kind": "empty"}, 200, 1),
        ({"kind": "expire_token"}, 401, 0),
    ],
)
def test_kind(billit: Billit, control: Remote, fault: dict[str, Any], status: int | None, orders: int) -> None:
    control.faults({**POST, **fault})
    answer = try_to_post(billit)
    assert (answer.status_code if answer is not None else None) == status
    assert len(control.orders()) == orders
    assert billit.call("POST", "/orders", order()).status_code == 200


def test_every_kind_is_tried_above() -> None:
    tried = test_kind.pytestmark[0].args[1]
    assert [case[0]["kind"] for case in tried] == list(KINDS)


def test_empty_answer(billit: Billit, control: Remote) -> None:
    control.faults({**POST, "kind": "empty"})
    answer = billit.call("POST", "/orders", order())
    assert (answer.status_code, answer.content) == (200, b"")


def test_too_many_with_and_without_retry_after(toggl: Toggl, control: Remote) -> None:
    control.faults({"kind": "too_many", "nth": 1, "retry_after": 7}, {"kind": "too_many"})
    first, second = toggl.get("/me"), toggl.get("/me")
    assert (first.status_code, first.headers["Retry-After"]) == (429, "7")
    assert (second.status_code, second.headers.get("Retry-After")) == (429, None)


def test_quota_used_up(toggl: Toggl, control: Remote) -> None:
    control.faults({"kind": "quota", "retry_after": 90})
    answer = toggl.get("/me")
    assert (answer.status_code, answer.headers["X-Toggl-Quota-Remaining"]) == (402, "0")
    assert answer.headers["X-Toggl-Quota-Resets-In"] == "90"
    assert answer.json() == "You have hit your hourly limit for API calls. The quota will reset in 90 seconds."


def test_credential_that_expires(toggl: Toggl, billit: Billit, control: Remote) -> None:
    control.faults({"kind": "expire_token", "times": 2})
    answer = toggl.get("/me")
    assert (answer.status_code, answer.json()) == (403, "Incorrect username and/or password")
    assert codes(billit.get("/orders")) == ["ApiKeyNotValid"]
    assert toggl.get("/me").status_code == 200


def test_fault_for_a_key(billit: Billit, other_billit: Billit, control: Remote) -> None:
    control.faults({"kind": "unavailable", "tenant": KEY})
    assert billit.get("/orders").status_code == 503
    assert other_billit.get("/orders").status_code == 200


def test_faults_tell_how_often_they_struck(toggl: Toggl, control: Remote) -> None:
    control.faults({"kind": "unavailable", "service": "toggl", "path": "/me$", "nth": 2})
    for _ in range(3):
        toggl.get("/me")
    assert control.faults_told() == [
        {"kind": "unavailable", "seen": 3, "fired": 1, "service": "toggl", "nth": 2, "path": "/me$"}
    ]
