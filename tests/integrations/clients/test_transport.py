"""What the transport sends, and what it repeats."""

from __future__ import annotations

import os

import pytest

from integrations.clients.http.transport import BadCredentials, NoAnswer, RetryLater
from tests.integrations.answers import Scripted, Server, as_json, refusing_url
from tests.integrations.asking_vendor import SECRET, Pace, failure, make

# --- what is sent -----------------------------------------------------------------------------------------------------


def test_send_get_carries_the_headers_of_the_connection(server: Server) -> None:
    server.will_answer(as_json([1]))
    answer = make(server.url + "/").send("GET", "/things?a=b%20c", purpose="the things")
    assert answer.json() == [1]
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.body) == ("GET", "/things?a=b%20c", b"")
    assert asked.headers["apikey"] == SECRET
    assert asked.headers["accept"] == "application/json"
    assert asked.headers["user-agent"] == "toggbill (hours of Toggl Track to Billit)"
    assert "content-type" not in asked.headers


def test_send_post_carries_exactly_the_bytes(server: Server) -> None:
    server.will_answer(as_json(1))
    make(server.url).send("POST", "/things", purpose="a thing", body='{"é":1}'.encode(), headers={"Key": "k-1"})
    (asked,) = server.asked
    assert asked.body == '{"é":1}'.encode()
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["key"] == "k-1"


def test_send_header_of_none_leaves_out_the_header_of_the_connection(server: Server) -> None:
    server.will_answer(as_json(1))
    make(server.url).send("GET", "/things", purpose="the things", headers={"ApiKey": None})
    assert "apikey" not in server.asked[0].headers


def test_send_ignores_the_proxy_of_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "HTTP_PROXY", refusing_url())
    monkeypatch.setitem(os.environ, "NO_PROXY", "")
    server.will_answer(as_json(1))
    assert make(server.url).send("GET", "/things", purpose="the things").status == 200


def test_send_ignores_cookies(server: Server) -> None:
    server.will_answer(as_json(1, Set_Cookie="session=abc; Path=/"), as_json(2))
    transport = make(server.url)
    transport.send("GET", "/a", purpose="the things")
    transport.send("GET", "/b", purpose="the things")
    assert "cookie" not in server.asked[1].headers


def test_send_keeps_one_session_usable_after_close(server: Server) -> None:
    server.will_answer(as_json(1), as_json(2))
    transport = make(server.url)
    transport.send("GET", "/a", purpose="the things")
    transport.close()
    assert transport.send("GET", "/b", purpose="the things").json() == 2


@pytest.mark.parametrize("secret", ["two words", "line\nbreak", "accentué", "tab\t"])
def test_send_credential_with_impossible_characters_sends_nothing(server: Server, secret: str) -> None:
    error = failure(make(server.url, secret=secret), "GET")
    assert isinstance(error, BadCredentials)
    assert secret not in str(error)
    assert server.asked == []


# --- what is repeated -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_get_server_error_is_repeated_until_it_works(server: Server, status: int) -> None:
    server.will_answer(Scripted(status), Scripted(cut=True), as_json("ok"))
    pace = Pace()
    transport = make(server.url, pace=pace)
    assert transport.send("GET", "/things", purpose="the things").json() == "ok"
    assert server.lines == ["GET /things"] * 3
    assert (transport.calls, pace.times) == (3, 3)


def test_get_server_error_gives_up_after_three_requests(server: Server) -> None:
    server.will_answer(*[Scripted(502, b"<html>bad gateway</html>")] * 4)
    transport = make(server.url)
    error = failure(transport, "GET")
    assert isinstance(error, RetryLater)
    assert error.after is None
    assert str(error) == (
        "Vendor has a fault of its own and did not answer the things. Nothing was changed; it will be tried again "
        "later. If this stays, ask Vendor. [HTTP 502]"
    )
    assert (len(server.asked), transport.calls) == (3, 3)


def test_get_short_retry_after_is_waited_out(server: Server) -> None:
    server.will_answer(Scripted(503, headers={"Retry-After": "0"}), as_json("ok"))
    assert make(server.url).send("GET", "/things", purpose="the things").json() == "ok"


@pytest.mark.parametrize("status", [500, 503])
def test_get_long_retry_after_goes_to_the_caller(server: Server, status: int) -> None:
    server.will_answer(Scripted(status, headers={"Retry-After": "90"}))
    error = failure(make(server.url), "GET")
    assert isinstance(error, RetryLater)
    assert error.after == 90.0
    assert len(server.asked) == 1


def test_get_unreadable_retry_after_is_ignored(server: Server) -> None:
    server.will_answer(Scripted(503, headers={"Retry-After": "soon"}), as_json("ok"))
    assert make(server.url).send("GET", "/things", purpose="the things").json() == "ok"


@pytest.mark.parametrize("status", [200, 201, 299])
def test_send_success_is_given_back(server: Server, status: int) -> None:
    server.will_answer(Scripted(status, b"12"))
    assert make(server.url).send("POST", "/things", purpose="a thing", body=b"{}").json() == 12


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("scripted", "status"),
    [
        (Scripted(cut=True), None),
        (Scripted(500), 500),
        (Scripted(502, b"<html>"), 502),
        (Scripted(503, headers={"Retry-After": "1"}), 503),
        (Scripted(504), 504),
        (Scripted(409, b'{"errors":[{"Code":"Idempotent token already exists"}]}'), 409),
        (Scripted(302, headers={"Location": "/elsewhere"}), 302),
        (Scripted(200, b"12", missing=5), None),
    ],
    ids=["cut", "500", "502", "503", "504", "409", "302", "truncated"],
)
def test_write_without_clear_answer_is_sent_once(
    server: Server, method: str, scripted: Scripted, status: int | None
) -> None:
    server.will_answer(scripted, as_json("second"))
    transport = make(server.url)
    error = failure(transport, method)
    assert isinstance(error, NoAnswer)
    assert error.status == status
    assert error.code == ("Idempotent token already exists" if status == 409 else "")
    assert "look in Vendor before it is tried again" in str(error)
    assert server.lines == [f"{method} /things"]
    assert transport.calls == 1


def test_write_timeout_is_no_answer_and_is_sent_once(server: Server) -> None:
    server.will_answer(Scripted(200, b"1", delay=0.5), as_json("second"))
    error = failure(make(server.url, wait=0.1), "POST")
    assert isinstance(error, NoAnswer)
    assert error.status is None
    assert "no answer came in time" in str(error)
    assert server.lines == ["POST /things"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_connection_refused_is_later_for_reads_and_writes(method: str) -> None:
    error = failure(make(refusing_url()), method)
    assert isinstance(error, RetryLater)
    assert error.after is None
    assert str(error).startswith("Vendor could not be reached for the things. Nothing was sent;")


def test_connection_refused_write_is_tried_once() -> None:
    pace = Pace()
    transport = make(refusing_url(), pace=pace)
    failure(transport, "POST")
    assert (transport.calls, pace.times) == (1, 1)


@pytest.mark.parametrize("url", ["http://", "ftp://127.0.0.1", "127.0.0.1:1", "http://127.0.0.1:notaport"])
def test_write_to_an_impossible_address_is_later(url: str) -> None:
    error = failure(make(url), "POST")
    assert isinstance(error, RetryLater)
    assert "Nothing was sent" in str(error)


def test_get_timeout_is_later(server: Server) -> None:
    server.will_answer(*[Scripted(200, b"1", delay=0.4)] * 3)
    error = failure(make(server.url, wait=0.05), "GET")
    assert isinstance(error, RetryLater)
    assert "no answer came in time" in str(error)


def test_get_truncated_is_later(server: Server) -> None:
    server.will_answer(Scripted(200, b'{"a":', missing=10))
    error = failure(make(server.url), "GET")
    assert isinstance(error, RetryLater)
    assert "the connection broke before the answer was complete" in str(error)


@pytest.mark.parametrize("first", [Scripted(cut=True), Scripted(502), Scripted(200, b"[", missing=9)])
def test_read_by_post_is_tried_once_more(server: Server, first: Scripted) -> None:
    server.will_answer(first, as_json("ok"))
    transport = make(server.url)
    assert transport.send("POST", "/search", purpose="the search", safe=True, body=b"{}").json() == "ok"
    assert (len(server.asked), transport.calls) == (2, 2)


def test_read_by_post_gives_up_after_the_second(server: Server) -> None:
    server.will_answer(Scripted(cut=True), Scripted(500), as_json("third"))
    assert isinstance(failure(make(server.url), "POST", safe=True), RetryLater)
    assert len(server.asked) == 2


def test_read_by_post_with_retry_after_is_not_repeated(server: Server) -> None:
    server.will_answer(Scripted(503, headers={"Retry-After": "7"}), as_json("second"))
    error = failure(make(server.url), "POST", safe=True)
    assert isinstance(error, RetryLater)
    assert error.after == 7.0
    assert len(server.asked) == 1


def test_redirect_is_not_followed(server: Server) -> None:
    server.will_answer(Scripted(302, headers={"Location": "/elsewhere"}), as_json("elsewhere"))
    error = failure(make(server.url), "GET")
    assert isinstance(error, RetryLater)
    assert server.lines == ["GET /things"]
