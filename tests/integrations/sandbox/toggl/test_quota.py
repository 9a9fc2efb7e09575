"""Both hourly budgets, their headers, and what an exhausted one says."""

from datetime import timedelta

import pytest
import requests

from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.scene import MEMBER, NOW, Toggl


def quota(answer: requests.Response) -> tuple[str, str]:
    return answer.headers["X-Toggl-Quota-Remaining"], answer.headers["X-Toggl-Quota-Resets-In"]


def test_each_bucket_counts_for_itself(toggl: Toggl) -> None:
    assert quota(toggl.get("/me")) == ("29", "3600")
    assert quota(toggl.get("/me/workspaces")) == ("28", "3600")
    assert quota(toggl.get("/workspaces/4001/tags")) == ("599", "3600")
    assert quota(toggl.search(start_date="2026-10-01")) == ("598", "3600")
    assert quota(toggl.get("/workspaces/4002/tags")) == ("29", "3600")
    assert quota(toggl.get("/workspaces/4001/tags", token=MEMBER)) == ("599", "3600")


@pytest.mark.parametrize(("plan", "left"), [("free", "29"), ("starter", "239"), ("premium", "599")])
def test_limit_follows_the_plan(toggl: Toggl, control: Remote, plan: str, left: str) -> None:
    control.plan(3001, plan)
    assert quota(toggl.get("/workspaces/4001/tags"))[0] == left


def test_window_is_anchored_at_its_first_call(toggl: Toggl, control: Remote) -> None:
    toggl.get("/workspaces/4001/tags")
    control.clock(NOW + timedelta(minutes=59))
    assert quota(toggl.get("/workspaces/4001/tags")) == ("598", "60")
    control.clock(NOW + timedelta(minutes=60))
    assert quota(toggl.get("/workspaces/4001/tags")) == ("599", "3600")


def test_exhausted_bucket(toggl: Toggl, control: Remote) -> None:
    control.quota(3001, remaining=1, resets_in=133)
    assert toggl.get("/workspaces/4001/tags").status_code == 200
    answer = toggl.get("/workspaces/4001/tags")
    assert answer.status_code == 402
    assert answer.json() == "You have hit your hourly limit for API calls. The quota will reset in 133 seconds."
    assert quota(answer) == ("0", "133")
    assert toggl.get("/me").status_code == 200
    control.clock(NOW + timedelta(seconds=133))
    assert toggl.get("/workspaces/4001/tags").status_code == 200


def test_exhausted_user_bucket_with_a_bare_text(toggl: Toggl, control: Remote) -> None:
    control.quota(None, remaining=0, resets_in=60)
    control.switch(toggl_quota_body="bare")
    answer = toggl.get("/me")
    assert (answer.status_code, answer.text) == (
        402,
        "You have hit your hourly limit for API calls. The quota will reset in 60 seconds.",
    )
    assert toggl.get("/workspaces/4001/tags").status_code == 200


def test_refused_request_is_charged(toggl: Toggl) -> None:
    assert toggl.search().status_code == 400
    assert quota(toggl.get("/workspaces/4001/tags"))[0] == "598"


def test_me_quota_lists_both_kinds(toggl: Toggl) -> None:
    toggl.get("/workspaces/4001/tags")
    assert toggl.get("/me/quota").json() == [
        {"organization_id": None, "remaining": 29, "resets_in_secs": 3600, "total": 30},
        {"organization_id": 3001, "remaining": 599, "resets_in_secs": 3600, "total": 600},
        {"organization_id": 3002, "remaining": 30, "resets_in_secs": 3600, "total": 30},
    ]


def test_burst_limiter_is_off_until_switched_on(toggl: Toggl, control: Remote) -> None:
    assert [toggl.get("/me").status_code for _ in range(5)] == [200] * 5
    control.switch(toggl_per_second=1)
    answers = [toggl.get("/me") for _ in range(3)]
    assert answers[0].status_code == 200
    assert answers[-1].status_code == 429
    assert answers[-1].headers["Content-Type"] == "text/html; charset=utf-8"
