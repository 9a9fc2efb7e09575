"""Injected faults: before the work it is not done, after it it is; and the log that tells what came."""

import http.client
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from integrations.sandbox.http.wire import dumps
from integrations.sandbox.process import Process
from integrations.sandbox.remote import ControlError, Remote
from tests.integrations.sandbox.scene import ADMIN, KEY, MEMBER, Billit, Toggl, order

POST = {"service": "billit", "method": "POST", "path": "^/v1/orders$"}


def count(billit: Billit) -> int:
    return len(billit.get("/orders").json()["Items"])


@pytest.mark.parametrize(
    ("kind", "orders"), [("cut_before", 0), ("cut_after", 1), ("timeout_before", 0), ("timeout_after", 1)]
)
def test_no_answer(billit: Billit, control: Remote, kind: str, orders: int) -> None:
    control.faults({**POST, "kind": kind, "times": 1})
    with pytest.raises((requests.ConnectionError, requests.ReadTimeout)):
        billit.session.post(f"{billit.url}/v1/orders", data=dumps(order()), timeout=0.3)
    assert count(billit) == orders
    logged = [row for row in control.log("billit") if row["method"] == "POST"]
    assert [row["status"] for row in logged] == [None]


def test_commit_then_cut_burns_the_key(billit: Billit, control: Remote) -> None:
    control.faults({**POST, "kind": "cut_after", "times": 1})
    with pytest.raises(requests.ConnectionError):
        billit.call("POST", "/orders", order(), Idempotency_Key="tb-1-1")
    assert billit.call("POST", "/orders", order(), Idempotency_Key="tb-1-1").status_code == 409
    assert count(billit) == 1


def test_status_with_headers_and_body(billit: Billit, control: Remote) -> None:
    fault = {**POST, "kind": "status", "status": 429, "headers": {"Retry-After": "7"}, "body": "slow down"}
    control.faults(fault)
    answer = billit.call("POST", "/orders", order())
    assert (answer.status_code, answer.headers["Retry-After"], answer.text) == (429, "7", "slow down")
    assert count(billit) == 0


def test_status_with_a_json_body(billit: Billit, control: Remote) -> None:
    control.faults({**POST, "kind": "status", "status": 400, "body": {"errors": [{"Code": "GenericError"}]}})
    answer = billit.call("POST", "/orders", order())
    assert (answer.status_code, answer.json()) == (400, {"errors": [{"Code": "GenericError"}]})
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_html_500(toggl: Toggl, control: Remote) -> None:
    control.faults({"service": "toggl", "kind": "html500"})
    answer = toggl.get("/me")
    assert (answer.status_code, answer.headers["Content-Type"]) == (500, "text/html; charset=utf-8")


def test_truncated_body(toggl: Toggl, control: Remote) -> None:
    control.faults({"service": "toggl", "path": "/me$", "kind": "truncate", "times": 1})
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        toggl.get("/me")
    assert toggl.get("/me").status_code == 200


def test_slow_answer(toggl: Toggl, control: Remote) -> None:
    control.faults({"service": "toggl", "kind": "slow", "seconds": 0.2})
    answer = toggl.get("/me")
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() > 0.2


def statuses(toggl: Toggl, times: int) -> list[int]:
    return [toggl.get("/me").status_code for _ in range(times)]


@pytest.mark.parametrize(
    ("how", "expected"),
    [({"nth": 2}, [200, 503, 200]), ({"times": 2}, [503, 503, 200]), ({}, [503, 503, 503])],
)
def test_which_request_is_hit(toggl: Toggl, control: Remote, how: dict[str, Any], expected: list[int]) -> None:
    control.faults({"service": "toggl", "kind": "status", "status": 503, **how})
    assert statuses(toggl, 3) == expected


def test_chance_is_reproducible(toggl: Toggl, control: Remote) -> None:
    runs = []
    for _ in range(2):
        control.faults({"service": "toggl", "kind": "status", "probability": 0.5, "seed": 3})
        runs.append(statuses(toggl, 8))
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503}


def test_fault_of_one_tenant(toggl: Toggl, billit: Billit, control: Remote) -> None:
    control.faults(
        {"kind": "status", "tenant": ADMIN}, {"kind": "status", "tenant": "7002"}, {"kind": "status", "tenant": "x"}
    )
    assert toggl.get("/me").status_code == 503
    assert toggl.get("/me", token=MEMBER).status_code == 200
    assert billit.get("/orders").status_code == 200
    billit.session.headers["PartyID"] = "7002"
    assert billit.get("/orders").status_code == 503


@pytest.mark.parametrize("fault", [{"kind": "flood"}, {"kind": "slow", "second": 1}])
def test_bad_fault_is_named(control: Remote, fault: dict[str, Any]) -> None:
    with pytest.raises(ControlError, match="fault"):
        control.faults(fault)


def test_log_holds_requests_in_order(billit: Billit, toggl: Toggl, control: Remote) -> None:
    billit.call("POST", "/orders", order(), Idempotency_Key="tb-1-1")
    toggl.get("/me/workspaces")
    first, second = control.log()
    assert (first["n"], first["service"], first["method"], first["path"]) == (1, "billit", "POST", "/v1/orders")
    assert (first["headers"]["apikey"], first["headers"]["idempotency-key"]) == (KEY, "tb-1-1")
    assert first["body"]["OrderTitle"] == "Octobre 2026"
    assert (first["status"], first["answer"]) == (200, 5000001)
    assert (second["n"], second["service"], second["status"]) == (2, "toggl", 200)
    assert [row["n"] for row in control.log("toggl")] == [2]
    control.clear_log()
    assert control.log() == []


def test_connection_is_kept_alive(toggl: Toggl) -> None:
    connection = http.client.HTTPConnection(toggl.url.removeprefix("http://"), timeout=10)
    connection.request("GET", "/api/v9/status")
    assert connection.getresponse().read() == b'{"status":"OK"}'
    # Without reopening, a second request passes only over the same connection.
    connection.auto_open = 0
    connection.request("GET", "/api/v9/status")
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize(
    ("announced", "arrived"),
    [
        ("Content-Length: 500", ""),
        ("Content-Length: 500", '{"OrderType": "Inv'),
        ("Transfer-Encoding: chunked", '9\r\n{"OrderTy\r\n'),
    ],
    ids=["headers only", "half of the body", "one chunk of some"],
)
def test_request_of_a_sender_that_died_half_way_is_none(
    process: Process, control: Remote, announced: str, arrived: str
) -> None:
    address = urlsplit(process.billit_url)
    head = f"POST /v1/orders HTTP/1.1\r\nHost: {address.netloc}\r\nApiKey: {KEY}\r\n{announced}\r\n\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as sender:
        sender.sendall((head + arrived).encode())
        sender.shutdown(socket.SHUT_WR)
        assert sender.recv(1) == b""
    assert control.log("billit") == []
