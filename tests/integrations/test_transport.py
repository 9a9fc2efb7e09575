from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest

from integrations.transport import (
    Answer,
    BadCredentials,
    Call,
    NoAnswer,
    Refused,
    RetryLater,
    ServiceError,
    Transport,
    parse_timestamp,
    retry_after,
)
from tests.integrations.answers import Scripted, Server, as_json, refusing_url

SECRET = "s3cret-0f-the-test"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


class Pace:
    """Counts how often it was asked to wait."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def make(url: str, *, pace: Pace | None = None, wait: float = 5.0, secret: str = SECRET) -> Transport:
    def refusal(call: Call, answer: Answer) -> ServiceError:
        code, reason = answer.said()
        return transport.refused(call, answer, code=code, reason=reason)

    transport = Transport(
        service="Vendor",
        url=url,
        headers={"ApiKey": secret},
        secret=secret,
        refusal=refusal,
        pace=pace,
        timeout=(2.0, wait),
    )
    return transport


def failure(transport: Transport, method: str, *, safe: bool | None = None) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        transport.send(method, "/things", purpose="the things", safe=safe, body=None if method == "GET" else b"{}")
    return caught.value


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
    assert (
        str(error)
        == "Vendor could not answer the things (HTTP 502). Nothing was changed; it will be tried again later."
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


# --- what the statuses mean -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("headers", "after"),
    [({}, None), ({"Retry-After": "12"}, 12.0), ({"Retry-After": "1.5"}, 1.5), ({"Retry-After": "later"}, None)],
)
def test_429_is_later_and_not_repeated(
    server: Server, method: str, headers: dict[str, str], after: float | None
) -> None:
    server.will_answer(Scripted(429, b"<html>Too Many Requests</html>", headers), as_json("second"))
    error = failure(make(server.url), method)
    assert isinstance(error, RetryLater)
    assert error.after == after
    assert len(server.asked) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 412, 418, 422])
def test_certain_no_is_refused(server: Server, method: str, status: int) -> None:
    server.will_answer(as_json("This is not allowed.", status), as_json("second"))
    error = failure(make(server.url), method)
    assert isinstance(error, Refused)
    assert (error.status, error.code, error.reason) == (status, "", "This is not allowed.")
    assert str(error) == (
        f"Vendor refused the things (HTTP {status}): This is not allowed. Mend what it names, then try again."
    )
    assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "kind"), [(408, RetryLater), (409, Refused)])
def test_read_status_that_means_another_thing_to_writes(server: Server, status: int, kind: type[ServiceError]) -> None:
    server.will_answer(Scripted(status), as_json("second"))
    assert isinstance(failure(make(server.url), "GET"), kind)
    assert len(server.asked) == 1


def test_observe_sees_every_answer(server: Server) -> None:
    seen: list[tuple[str, int]] = []

    def refusal(call: Call, answer: Answer) -> ServiceError:
        return transport.refused(call, answer)

    transport = Transport(
        service="Vendor",
        url=server.url,
        refusal=refusal,
        observe=lambda call, answer: seen.append((call.path, answer.status)),
    )
    server.will_answer(as_json(1), Scripted(404))
    transport.send("GET", "/a", purpose="the things")
    with pytest.raises(Refused):
        transport.send("GET", "/b", purpose="the things")
    assert seen == [("/a", 200), ("/b", 404)]


def test_errors_never_show_the_secret(server: Server) -> None:
    server.will_answer(
        as_json({"errors": [{"Code": SECRET, "Description": f"key {SECRET} is wrong"}]}, 400),
        as_json({"errors": [{"Code": SECRET}]}, 409),
    )
    transport = make(server.url)
    refused, unclear = failure(transport, "POST"), failure(transport, "POST")
    assert isinstance(refused, Refused)
    assert isinstance(unclear, NoAnswer)
    assert (refused.reason, refused.code, unclear.code) == ("key *** is wrong", "***", "***")
    for error in (refused, unclear, failure(make(refusing_url()), "GET")):
        assert SECRET not in f"{error} {error!r} {error.__dict__}"


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"", "", ""),
        (b"null", "", ""),
        (b"17", "", ""),
        (b"true", "", ""),
        (b"[]", "", ""),
        (b'""', "", ""),
        (b'"Resource can not be found"', "", "Resource can not be found"),
        (b"bare text, not quoted\n", "", "bare text, not quoted"),
        (b"<html><body>404</body></html>", "", ""),
        (b"\n<!DOCTYPE html>", "", ""),
        (b"\xff\xfe\xfd", "", "\ufffd\ufffd\ufffd"),
        (b'{"errors":[]}', "", ""),
        (b'{"errors":null}', "", ""),
        (b'{"errors":[{"Code":"CustomerIsRequired"}]}', "CustomerIsRequired", "CustomerIsRequired"),
        (
            b'{"errors":[{"Code":"A","Description":"First."},{"Code":"B","Description":"Second."}]}',
            "A",
            "First.; Second.",
        ),
        (b'{"Errors":[{"code":"A","description":null}]}', "A", "A"),
        (b'{"errors":["text alone"]}', "", "text alone"),
        (b'{"Message":"The request is invalid."}', "", "The request is invalid."),
        (b'{"error":{"message":"no","tip":"t","code":400}}', "", "no"),
        (b'{"message":"plain"}', "", "plain"),
        (b'["one","two"]', "", "one; two"),
    ],
)
def test_said_every_shape(body: bytes, code: str, reason: str) -> None:
    assert Answer(400, {}, body).said() == (code, reason)


def test_said_long_text_is_capped_at_500_characters() -> None:
    _, reason = Answer(400, {}, b'"' + b"x" * 600 + b'"').said()
    assert reason == "x" * 499 + "…"
    _, reason = Answer(400, {}, b'"' + b"x" * 500 + b'"').said()
    assert reason == "x" * 500


def test_refused_without_reason_says_so(server: Server) -> None:
    server.will_answer(Scripted(404, b"<html>IIS</html>"))
    assert str(failure(make(server.url), "GET")) == (
        "Vendor refused the things (HTTP 404): no reason given. Mend what it names, then try again."
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b"NaN", b"[Infinity]", b"\xff", b"[" * 100_000])
def test_read_body_that_is_not_json_is_later(body: bytes) -> None:
    transport = make(refusing_url())
    with pytest.raises(RetryLater, match="cannot read: it is not JSON"):
        transport.read(Answer(200, {}, body), purpose="the things")


def test_json_decimals_are_exact() -> None:
    value = Answer(200, {}, b'{"a":0.1,"b":95.00000,"c":12345678901234567.89,"d":3}').json()
    assert repr(value) == (
        "{'a': Decimal('0.1'), 'b': Decimal('95.00000'), 'c': Decimal('12345678901234567.89'), 'd': 3}"
    )


@pytest.mark.parametrize(
    ("text", "number"), [("5", 5), ("-3", -3), (" 7 ", 7), ("1.5", None), ("", None), ("many", None)]
)
def test_header_number_every_spelling(text: str, number: int | None) -> None:
    assert Answer(200, {"x-left": text}, b"").header_number("X-Left") == number


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-30T23:30:00Z", datetime(2026, 11, 30, 23, 30, tzinfo=UTC)),
        ("2026-11-30T23:30:00z", datetime(2026, 11, 30, 23, 30, tzinfo=UTC)),
        ("2026-11-30T23:30:00+00:00", datetime(2026, 11, 30, 23, 30, tzinfo=UTC)),
        ("2026-12-01T00:30:00+01:00", datetime(2026, 11, 30, 23, 30, tzinfo=UTC)),
        ("2023-12-08T00:00:00-08:00", datetime(2023, 12, 8, 8, 0, tzinfo=UTC)),
        ("2026-11-30 23:30:00+00:00", datetime(2026, 11, 30, 23, 30, tzinfo=UTC)),
        ("2026-11-30T23:30:00", datetime(2026, 11, 30, 23, 30, tzinfo=UTC)),
    ],
)
def test_parse_timestamp_every_spelling(text: str, expected: datetime) -> None:
    parsed = parse_timestamp(text)
    assert (parsed, parsed.tzinfo) == (expected, UTC)


@pytest.mark.parametrize("digits", range(10))
def test_parse_timestamp_any_number_of_fraction_digits(digits: int) -> None:
    fraction = "123456789"[:digits]
    expected = int((fraction + "000000")[:6])
    for offset in ("Z", "+00:00", ""):
        text = "2026-01-02T03:04:05" + (f".{fraction}" if digits else "") + offset
        assert parse_timestamp(text) == datetime(2026, 1, 2, 3, 4, 5, expected, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-10T15:00:49.72", datetime(2024, 3, 10, 14, 0, 49, 720000, tzinfo=UTC)),
        ("2024-07-10T15:00:49", datetime(2024, 7, 10, 13, 0, 49, tzinfo=UTC)),
        ("2024-07-10T15:00:49Z", datetime(2024, 7, 10, 15, 0, 49, tzinfo=UTC)),
    ],
)
def test_parse_timestamp_without_offset_is_local_time_of_the_zone(text: str, expected: datetime) -> None:
    assert parse_timestamp(text, ZoneInfo("Europe/Brussels")) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-01-02",
        "2026-13-02T00:00:00Z",
        "2026-01-02T25:00:00Z",
        "2026-01-02T03:04Z",
        "2026-01-02T03:04:05.1234567890Z",
        "2026-01-02T03:04:05+0200",
        "٢٠٢٦-01-02T03:04:05Z",
    ],
)
def test_parse_timestamp_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a timestamp"):
        parse_timestamp(text)


def test_parse_timestamp_before_the_calendar_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the calendar"):
        parse_timestamp("0001-01-01T00:00:00", ZoneInfo("Europe/Brussels"))


@pytest.mark.parametrize(("header", "seconds"), [(None, None), ("", None), ("30", 30.0), ("-5", None), ("nan", None)])
def test_retry_after_seconds(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_retry_after_date() -> None:
    soon = retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True))
    assert soon is not None
    assert 95 < soon <= 100
    assert retry_after("Sun, 06 Nov 1994 08:49:37 GMT") == 0.0
