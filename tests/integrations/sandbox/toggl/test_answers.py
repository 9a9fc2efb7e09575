"""Toggl's answers as such: their headers, gzip, credentials, and what the switches of the two budgets turn."""

import gzip
from datetime import timedelta

import pytest
import requests

from integrations.sandbox.http.wire import loads
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import ADMIN, ENTRY, NOW, Toggl, small_world


def test_headers_of_a_live_answer(toggl: Toggl) -> None:
    headers = toggl.get("/me").headers
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["Cache-Control"].startswith("no-cache, private, no-store")
    assert (headers["Server"], headers["Via"], headers["X-Service-Level"]) == ("nginx", "1.1 google", "GREEN")
    for name in ("X-Request-Id", "X-Toggl-Request-Id", "X-Frame-Options", "Strict-Transport-Security"):
        assert headers[name]
    assert {"X-We-Are-Hiring", "X-Content-Type-Options"} <= set(headers)


def test_headers_of_a_refusal_and_of_a_report(toggl: Toggl) -> None:
    refusal = toggl.get("/me/time_entries", since="yesterday").headers
    assert refusal["Content-Type"] == "application/json; charset=utf-8"
    assert "X-Service-Level" not in refusal
    report = toggl.search(start_date="2026-10-01").headers
    assert (report["Vary"], "X-Toggl-Request-Id" in report, "X-Request-Id" in report) == (
        "Accept-Encoding",
        False,
        True,
    )


def test_report_is_gzip_for_who_asks(toggl: Toggl) -> None:
    url = f"{toggl.url}/reports/api/v3/workspace/4001/search/time_entries"
    answers = {}
    for coding in ("gzip, deflate", "identity"):
        answer = requests.post(
            url,
            json={"start_date": "2026-10-12"},
            auth=(ADMIN, "api_token"),
            headers={"Accept-Encoding": coding},
            stream=True,
            timeout=10,
        )
        with answer:
            answers[coding] = (answer.headers.get("Content-Encoding"), answer.raw.read(decode_content=False))
    assert answers["identity"][0] is None
    assert answers["gzip, deflate"][0] == "gzip"
    assert gzip.decompress(answers["gzip, deflate"][1]) == answers["identity"][1]
    assert "Content-Encoding" not in toggl.get("/me").headers


def test_mail_and_password(toggl: Toggl, control: Remote) -> None:
    world = small_world()
    world["toggl"]["users"][0]["password"] = "correct horse"
    control.load(world)
    auth = ("user9001@example.com", "correct horse")
    assert requests.get(f"{toggl.url}/api/v9/me", auth=auth, timeout=10).json()["id"] == 9001
    report = f"{toggl.url}/reports/api/v3/workspace/4001/search/time_entries"
    assert requests.post(report, json={"start_date": "2026-10-12"}, auth=auth, timeout=10).status_code == 200
    wrong = requests.get(f"{toggl.url}/api/v9/me", auth=(auth[0], "guess"), timeout=10)
    assert (wrong.status_code, wrong.json()) == (403, "Incorrect username and/or password")
    hooks = f"{toggl.url}/webhooks/api/v1/subscriptions/4001"
    assert requests.get(hooks, auth=auth, timeout=10).status_code == 403
    assert requests.get(hooks, auth=(ADMIN, "api_token"), timeout=10).status_code == 200


def test_reset_token(toggl: Toggl) -> None:
    fresh = toggl.call("POST", "/me/reset_token").json()
    assert len(fresh) == 32
    assert toggl.get("/me").status_code == 403
    assert toggl.get("/me", token=fresh).status_code == 200


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("will_reset", "The quota will reset in 60 seconds."),
        ("your_quota", "Your quota will reset in 60 seconds."),
        ("upgrade", "Please upgrade to a paid plan to increase your limit."),
    ],
)
def test_words_of_a_quota(toggl: Toggl, control: Remote, words: str, text: str) -> None:
    control.switch(toggl_quota_text=words)
    control.quota(None, remaining=0, resets_in=60)
    assert toggl.get("/me").json() == f"You have hit your hourly limit for API calls. {text}"


def test_refusals_that_cost_nothing_by_switch(toggl: Toggl, control: Remote) -> None:
    control.switch(toggl_refusals_count=False)
    assert toggl.get("/workspaces/4001/clients", status="gone").headers["X-Toggl-Quota-Remaining"] == "600"
    assert toggl.get("/workspaces/4001/clients").headers["X-Toggl-Quota-Remaining"] == "599"


def test_quota_call_that_costs_nothing_by_switch(toggl: Toggl, control: Remote) -> None:
    assert toggl.get("/me/quota").json()[0]["remaining"] == 29
    control.switch(toggl_me_quota_charged=False)
    assert toggl.get("/me/quota").json()[0]["remaining"] == 29


def test_429_by_switch(toggl: Toggl, control: Remote) -> None:
    control.switch(toggl_per_second=1, toggl_429_html=False, toggl_429_retry_after=60)
    answer = [toggl.get("/me") for _ in range(3)][-1]
    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (429, "Too Many Requests", "60")


def test_page_over_the_limit_by_switch(toggl: Toggl, control: Remote) -> None:
    found = toggl.search(start_date="2026-10-12", page_size=2000)
    assert (found.status_code, found.headers["X-Page-Size"]) == (200, "1000")
    control.switch(toggl_largest_page=2)
    found = toggl.search(start_date="2026-10-12", page_size=2000)
    assert (len(found.json()), found.headers["X-Page-Size"], found.headers["X-Next-Row-Number"]) == (2, "2", "3")
    control.switch(toggl_page_size_over="refuse")
    refused = toggl.search(start_date="2026-10-12", page_size=3)
    assert (refused.status_code, refused.json()) == (400, "Invalid 'page_size' value, allowed values are: '1..2'")
    assert toggl.get("/workspaces/4001/projects", per_page=201).status_code == 400


def ids(answer: requests.Response) -> list[int]:
    return [row["time_entries"][0]["id"] - ENTRY for row in loads(answer.content)]


def test_last_day_and_zone_of_a_report_by_switch(toggl: Toggl, control: Remote) -> None:
    def found() -> list[int]:
        return ids(toggl.search(start_date="2026-10-13", end_date="2026-10-14"))

    assert found() == [0, 1, 2, 3]
    control.switch(toggl_end_date="excluded")
    assert found() == [0, 1, 2]
    control.switch(toggl_day_zone="utc")
    assert found() == [1, 2]


def test_clock_that_goes_on_opens_a_new_window(toggl: Toggl, control: Remote) -> None:
    toggl.get("/workspaces/4001/tags")
    rows = {(row["user"], row["organization"]): row for row in control.quotas()}
    assert (rows[9001, 3001]["remaining"], rows[9001, 3001]["resets_in"]) == (599, 3600)
    assert (rows[9002, 3001]["remaining"], rows[9002, 3001]["resets_in"]) == (600, None)
    control.clock(NOW + timedelta(hours=1))
    rows = {(row["user"], row["organization"]): row for row in control.quotas()}
    assert rows[9001, 3001]["remaining"] == 600
