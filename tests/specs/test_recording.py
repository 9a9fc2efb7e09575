"""The recording: whole, in order, one line for each request, without a secret."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from integrations.clients import billit, toggl
from integrations.sandbox.http.recorder import VARIABLE
from integrations.sandbox.process import Process, start
from tests.specs.conformity import recorded
from tests.worlds import API_KEY, TOKEN, small_world


@pytest.fixture
def process(sandbox_process: Process) -> Process:
    sandbox_process.control.load(small_world())
    return sandbox_process


def test_a_request_and_its_answer_are_one_line(process: Process, recording: Path) -> None:
    toggl.Api(url=process.toggl_url, token=TOKEN).me()
    (row,) = recorded(recording)
    assert {name: row[name] for name in ("service", "method", "path", "query", "body", "status", "fault")} == {
        "service": "toggl",
        "method": "GET",
        "path": "/api/v9/me",
        "query": {},
        "body": None,
        "status": 200,
        "fault": None,
    }
    assert row["headers"]["user-agent"].startswith("toggbill")
    assert row["headers"]["authorization"] == "***"
    assert row["answer"]["email"] == "owner@example.com"
    assert row["answer"]["api_token"] == "***"
    assert row["answer_headers"]["content-type"] == "application/json; charset=utf-8"


def test_no_secret_is_recorded(process: Process, recording: Path) -> None:
    toggl.Api(url=process.toggl_url, token=TOKEN).workspaces()
    for credential in (billit.ApiKey(API_KEY), billit.Bearer("sandbox-bearer-1")):
        assert len(billit.account(url=process.billit_url, credential=credential).companies) == 1
    body = {"text": f"the key is {API_KEY}", "client_secret": 'quo"xyzzy', "nested": [{"refresh_token": "r-1234"}]}
    requests.post(f"{process.billit_url}/v1/orders", json=body, headers={"ApiKey": API_KEY}, timeout=5)
    text = "".join(file.read_text(encoding="utf-8") for file in recording.iterdir())
    assert len(text.splitlines()) == 4
    for secret in (TOKEN, API_KEY, "sandbox-bearer-1", "xyzzy", "r-1234"):
        assert secret not in text
    posted = json.loads(text.splitlines()[-1])["body"]
    assert posted == {"text": "the key is ***", "client_secret": "***", "nested": [{"refresh_token": "***"}]}


def test_a_code_of_an_error_is_no_secret(process: Process, recording: Path) -> None:
    requests.get(f"{process.billit_url}/v1/products", headers={"ApiKey": "nobody"}, timeout=5)
    (row,) = recorded(recording)
    assert (row["status"], row["answer"]) == (401, {"errors": [{"Code": "ApiKeyNotValid"}]})


@pytest.mark.parametrize("body", [b'{"half": ', b"line\nline", b'{\n"a": 1\n}', b"\xff\xfe", b'"\\ud800"'])
def test_whatever_the_body_is_it_stays_one_line(process: Process, recording: Path, body: bytes) -> None:
    headers = {"ApiKey": API_KEY, "Content-Type": "application/json"}
    requests.post(f"{process.billit_url}/v1/orders", data=body, headers=headers, timeout=5)
    (row,) = recorded(recording)
    assert row["status"] == 400
    assert row["body"] == ({"a": 1} if b'"a"' in body else "?" if b"ud800" in body else body.decode("utf-8", "replace"))


def test_a_scripted_fault_is_told(process: Process, recording: Path) -> None:
    process.control.faults({"kind": "cut_after", "path": "products"}, {"kind": "status", "status": 418})
    headers = {"ApiKey": API_KEY}
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{process.billit_url}/v1/products", headers=headers, timeout=5)
    requests.get(f"{process.billit_url}/v1/parties", headers=headers, timeout=5)
    rows = list(recorded(recording))
    assert [(row["fault"], row["status"]) for row in rows] == [("cut_after", None), ("status", 418)]
    assert len(rows[0]["answer"]["Items"]) == 3


def test_each_process_has_a_file_of_its_own(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(recording))
    for _ in range(2):
        with start("empty") as process:
            requests.get(f"{process.toggl_url}/api/v9/status", timeout=5)
    assert len(list(recording.iterdir())) == 2
    assert [row["path"] for row in recorded(recording)] == ["/api/v9/status"] * 2


def test_nothing_is_recorded_without_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    with start("empty") as process:
        requests.get(f"{process.toggl_url}/api/v9/status", timeout=5)
    assert list(tmp_path.iterdir()) == []


def test_a_body_in_chunks_is_read_whole_and_the_connection_goes_on(process: Process, recording: Path) -> None:
    with requests.Session() as session:
        session.headers["ApiKey"] = API_KEY
        for _ in range(2):
            pieces = iter([b'{"OrderType": ', b'"Invoice"}'])
            assert session.post(f"{process.billit_url}/v1/orders", data=pieces, timeout=5).status_code == 400
            assert session.get(f"{process.billit_url}/v1/products", timeout=5).status_code == 200
    rows = list(recorded(recording))
    assert [row["status"] for row in rows] == [400, 200, 400, 200]
    assert rows[0]["body"] == {"OrderType": "Invoice"}


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "QUERY"])
def test_a_method_that_no_service_has_is_refused_by_the_service(process: Process, method: str) -> None:
    answer = requests.request(method, f"{process.billit_url}/v1/products", headers={"ApiKey": API_KEY}, timeout=5)
    assert answer.status_code == 405
    assert (answer.content == b"") == (method == "HEAD")
