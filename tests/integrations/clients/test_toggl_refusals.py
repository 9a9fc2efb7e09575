"""What the Toggl client makes of a no: statuses, plan and quota."""

from __future__ import annotations

import pytest

from integrations.clients.http.transport import (
    BadCredentials,
    PlanFeature,
    QuotaExhausted,
    Refused,
    RetryLater,
    ServiceError,
    TooManyRequests,
)
from integrations.clients.toggl import Quota
from tests.integrations.answers import Scripted, Server, as_json
from tests.integrations.asking_toggl import (
    ABOUT_A_WORKSPACE,
    ABOUT_ME,
    CALLS,
    FIRST,
    LAST,
    failure,
    make,
    report_entry,
    report_row,
)

# --- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("status", [400, 404, 405, 409, 410, 412, 418])
def test_certain_no_is_refused_with_the_text(server: Server, name: str, status: int) -> None:
    server.will_answer(as_json("Client status is invalid", status))
    error = failure(server, name)
    assert type(error) is Refused
    assert (error.status, error.reason) == (status, "Client status is invalid")


@pytest.mark.parametrize("name", CALLS)
def test_401_is_bad_credentials(server: Server, name: str) -> None:
    server.will_answer(Scripted(401, headers={"X-Authorization-Missing": "true"}))
    assert isinstance(failure(server, name), BadCredentials)


@pytest.mark.parametrize("name", ABOUT_ME)
@pytest.mark.parametrize("body", [b"", b'"Forbidden"', b'"Incorrect username and/or password"'])
def test_403_on_me_is_bad_credentials(server: Server, name: str, body: bytes) -> None:
    server.will_answer(Scripted(403, body))
    assert isinstance(failure(server, name), BadCredentials)


@pytest.mark.parametrize("name", ABOUT_A_WORKSPACE)
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'"Incorrect username and/or password"', BadCredentials),
        (b"INCORRECT USERNAME AND/OR PASSWORD\n", BadCredentials),
        (b'"User does not have access to this resource."', Refused),
        (b'"Workspace not found/accessible"', Refused),
        (b'"Missing or invalid workspace_id"', Refused),
        (b"", Refused),
    ],
)
def test_403_on_a_workspace_tells_token_from_access(
    server: Server, name: str, body: bytes, kind: type[ServiceError]
) -> None:
    server.will_answer(Scripted(403, body))
    assert type(failure(server, name)) is kind


@pytest.mark.parametrize("name", CALLS)
def test_429_is_later(server: Server, name: str) -> None:
    server.will_answer(Scripted(429, b"<html>429</html>", {"Retry-After": "60"}))
    error = failure(server, name)
    assert type(error) is TooManyRequests
    assert error.after == 60.0
    assert len(server.asked) == 1


@pytest.mark.parametrize(("name", "requests"), [("me", 3), ("clients", 3), ("entries", 2), ("total", 2)])
def test_5xx_is_later_after_repeated_reads(server: Server, name: str, requests: int) -> None:
    server.will_answer(*[Scripted(503, b"<html>")] * 4)
    assert isinstance(failure(server, name), RetryLater)
    assert len(server.asked) == requests


def test_entries_cut_connection_is_tried_once_more(server: Server) -> None:
    server.will_answer(Scripted(cut=True), as_json([report_row(1)]))
    (page,) = make(server).entries(4001, start=FIRST, end=LAST)
    assert page.entries == (report_entry(1),)


# --- 402 and the quota ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("headers", "body", "after"),
    [
        ({"X-Toggl-Quota-Remaining": "0", "X-Toggl-Quota-Resets-In": "1855"}, b"", 1855.0),
        ({"X-Toggl-Quota-Remaining": "-3", "X-Toggl-Quota-Resets-In": "0"}, b"null", 0.0),
        ({"X-Toggl-Quota-Remaining": "0"}, b"", 3600.0),
        (
            {"X-Toggl-Quota-Resets-In": "77"},
            b'"You have hit your hourly limit for API calls. The quota will reset in 133 seconds."',
            77.0,
        ),
        ({}, b'"You have hit your hourly limit for API calls. The quota will reset in 133 seconds."', 133.0),
        ({}, b"You have hit your hourly limit for API calls. Your quota will reset in 1838 seconds.", 1838.0),
        ({}, b'"You have hit your hourly limit for API calls. Please upgrade to a paid plan."', 3600.0),
        ({"X-Toggl-Quota-Remaining": "many"}, b'"HOURLY LIMIT"', 3600.0),
    ],
)
def test_402_for_quota(server: Server, name: str, headers: dict[str, str], body: bytes, after: float) -> None:
    server.will_answer(Scripted(402, body, headers))
    error = failure(server, name)
    assert type(error) is QuotaExhausted
    assert error.after == after
    assert f"opens again in {after:.0f} seconds" in str(error)
    assert len(server.asked) == 1


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({}, b'"Workspace needs to have this feature enabled"', "Workspace needs to have this feature enabled"),
        (
            {"X-Toggl-Quota-Remaining": "12", "X-Toggl-Quota-Resets-In": "60"},
            b'"premium users only"',
            "premium users only",
        ),
        ({}, b"", ""),
    ],
)
def test_402_for_a_plan_feature(server: Server, name: str, headers: dict[str, str], body: bytes, reason: str) -> None:
    server.will_answer(Scripted(402, body, headers))
    error = failure(server, name)
    assert type(error) is PlanFeature
    assert (error.status, error.reason) == (402, reason)
    assert "Upgrade the plan at Toggl" in str(error)


@pytest.mark.parametrize("status", [200, 400, 402, 403, 404, 429, 500])
@pytest.mark.parametrize(("name", "bucket"), [("me", "user"), ("workspaces", "user"), ("total", "organization")])
def test_quota_is_observed_on_every_answer(server: Server, status: int, name: str, bucket: str) -> None:
    headers = {"X-Toggl-Quota-Remaining": "20", "X-Toggl-Quota-Resets-In": "1855"}
    server.will_answer(*[Scripted(status, b'{"id":1}' if name == "me" else b"null", headers)] * 3)
    seen: list[Quota] = []
    api = make(server, observe=seen.append)
    if status == 200:
        CALLS[name](api)
    else:
        with pytest.raises(ServiceError):
            CALLS[name](api)
    assert {(quota.bucket, quota.remaining, quota.resets_in) for quota in seen} == {(bucket, 20, 1855)}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Toggl-Quota-Remaining": "20"},
        {"X-Toggl-Quota-Resets-In": "5"},
        {"X-Toggl-Quota-Remaining": "x", "X-Toggl-Quota-Resets-In": "5"},
    ],
)
def test_quota_without_both_numbers_is_not_observed(server: Server, headers: dict[str, str]) -> None:
    server.will_answer(Scripted(200, b"[]", headers))
    seen: list[Quota] = []
    make(server, observe=seen.append).clients(4001)
    assert seen == []
