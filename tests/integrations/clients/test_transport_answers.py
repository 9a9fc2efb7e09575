"""What the transport makes of statuses, bodies and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest

from integrations.clients.http.answers import Answer, parse_timestamp
from integrations.clients.http.transport import (
    Call,
    NoAnswer,
    Refused,
    RetryLater,
    ServiceError,
    TooManyRequests,
    Transport,
    retry_after,
)
from tests.integrations.answers import Scripted, Server, as_json, refusing_url
from tests.integrations.asking_vendor import SECRET, failure, make

# --- what the statuses mean -------------------------------------------------------------------------------------------


BUSY = b"<html>Too Many Requests</html>"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("headers", "after"),
    [({}, None), ({"Retry-After": "12"}, 12.0), ({"Retry-After": "10.1"}, 10.1), ({"Retry-After": "later"}, None)],
)
def test_429_that_is_not_over_soon_is_later_and_not_repeated(
    server: Server, method: str, headers: dict[str, str], after: float | None
) -> None:
    server.will_answer(Scripted(429, BUSY, headers), as_json("second"))
    error = failure(make(server.url), method)
    assert type(error) is TooManyRequests
    assert error.after == after
    assert len(server.asked) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_read_waits_out_two_short_429(server: Server, method: str) -> None:
    transport, slept = make(server.url), list[float]()
    transport.sleep = slept.append
    server.will_answer(
        Scripted(429, BUSY, {"Retry-After": "10"}), Scripted(429, BUSY, {"Retry-After": "1.5"}), as_json("third")
    )
    answer = transport.send(method, "/things", purpose="the things", safe=True)
    assert (answer.json(), slept, transport.calls) == ("third", [10.0, 1.5], 3)


def test_a_read_waits_out_no_third_429(server: Server) -> None:
    transport, slept = make(server.url), list[float]()
    transport.sleep = slept.append
    server.will_answer(*[Scripted(429, BUSY, {"Retry-After": "1"})] * 3, as_json("fourth"))
    with pytest.raises(TooManyRequests) as raised:
        transport.send("GET", "/things", purpose="the things")
    assert (raised.value.after, slept, len(server.asked)) == (1.0, [1.0, 1.0], 3)


def test_a_write_is_never_repeated_by_itself(server: Server) -> None:
    transport, slept = make(server.url), list[float]()
    transport.sleep = slept.append
    server.will_answer(Scripted(429, BUSY, {"Retry-After": "1"}), as_json("second"))
    with pytest.raises(TooManyRequests):
        transport.send("POST", "/things", purpose="the things")
    assert (slept, len(server.asked)) == ([], 1)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 412, 418, 422])
def test_certain_no_is_refused(server: Server, method: str, status: int) -> None:
    server.will_answer(as_json("This is not allowed.", status), as_json("second"))
    error = failure(make(server.url), method)
    assert isinstance(error, Refused)
    assert (error.status, error.code, error.reason) == (status, "", "This is not allowed.")
    assert str(error) == (
        f"Vendor refused the things: This is not allowed. Mend what it names, then try again. [HTTP {status}]"
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
        "Vendor refused the things: no reason given. Mend what it names, then try again. [HTTP 404]"
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b"NaN", b"[Infinity]", b"\xff", b"[" * 100_000])
def test_read_body_that_is_not_json_is_later(body: bytes) -> None:
    transport = make(refusing_url())
    with pytest.raises(RetryLater, match="cannot read: it is a text or a page in the place of data"):
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
