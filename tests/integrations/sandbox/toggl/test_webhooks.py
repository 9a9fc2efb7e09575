"""Toggl's webhooks: subscriptions and their limits, the ping, and both ways to validate."""

import hashlib
import hmac

import pytest
import requests

from integrations.sandbox.http.wire import Record
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.hooks import ALL, BASE, call, give_back, subscribe, subscription
from tests.integrations.sandbox.receiver import Came, Receiver
from tests.integrations.sandbox.scene import MEMBER, Toggl


@pytest.fixture
def live(toggl: Toggl, receiver: Receiver) -> Record:
    """A subscription that is enabled and validated."""
    receiver.reply = give_back
    return subscribe(toggl, receiver, secret="hush")


def test_open_calls(toggl: Toggl) -> None:
    assert requests.get(f"{toggl.url}{BASE}/status", timeout=10).json() == {"status": "OK"}
    filters = requests.get(f"{toggl.url}{BASE}/event_filters", timeout=10).json()
    assert filters["time_entry"] == ["created", "updated", "deleted"]
    assert requests.get(f"{toggl.url}{BASE}/limits/4001", timeout=10).json() == {
        "max_webhooks": 3,
        "max_events_per_webhook": 12,
    }


@pytest.mark.parametrize(("plan", "limits"), [("free", (1, 3)), ("starter", (2, 6)), ("premium", (3, 12))])
def test_limits_of_the_plan(
    toggl: Toggl, control: Remote, receiver: Receiver, plan: str, limits: tuple[int, int]
) -> None:
    control.plan(3001, plan)
    most, filters = limits
    for number in range(most):
        subscribe(toggl, receiver, description=f"hook {number}")
    answer = call(toggl, "POST", "/subscriptions/4001", subscription(receiver.url))
    assert (answer.status_code, answer.json()) == (
        400,
        f"User 9001 already reached the limit of {most} enabled subscriptions for workspace 4001",
    )
    many = [
        {"entity": entity, "action": action}
        for entity in ("client", "project", "tag", "task", "time_entry")
        for action in ("created", "updated", "deleted")
    ]
    body = subscription(receiver.url, enabled=False, event_filters=many[: filters + 1])
    assert call(toggl, "POST", "/subscriptions/4001", body).json() == (
        f"The limit of {filters} event filters for your subscription has been exceeded"
        f" as you're trying to set {filters + 1} filters"
    )
    body["event_filters"] = many[:filters]
    assert call(toggl, "POST", "/subscriptions/4001", body).status_code == 200


def test_star_counts_by_switch(toggl: Toggl, control: Remote, receiver: Receiver) -> None:
    control.plan(3001, "free")
    control.switch(toggl_star_counts="all")
    body = subscription(receiver.url, event_filters=[{"entity": "*", "action": "created"}])
    assert "trying to set 9 filters" in call(toggl, "POST", "/subscriptions/4001", body).json()
    assert call(toggl, "POST", "/subscriptions/4001", subscription(receiver.url)).status_code == 200


def test_creation_pings(toggl: Toggl, receiver: Receiver) -> None:
    row = subscribe(toggl, receiver, secret="hush")
    (came,) = receiver.came
    code = came.body["validation_code"]
    assert came.body == {
        "event_id": 0,
        "created_at": "2026-10-15T10:00:00.000Z",
        "creator_id": 9001,
        "metadata": {"request_type": "POST", "event_user_id": 9001},
        "payload": "ping",
        "subscription_id": 70001,
        "validation_code": code,
        "validation_code_url": f"{toggl.url}{BASE}/validate/4001/70001/{code}",
        "timestamp": "2026-10-15T10:00:00.000000000Z",
        "url_callback": f"{receiver.url}/hook/",
    }
    expected = hmac.new(b"hush", came.raw, hashlib.sha256).hexdigest()
    assert came.headers["x-webhook-signature-256"] == f"sha256={expected}"
    assert row == {
        "subscription_id": 70001,
        "workspace_id": 4001,
        "user_id": 9001,
        "description": "hours",
        "event_filters": ALL,
        "enabled": True,
        "url_callback": f"{receiver.url}/hook/",
        "secret": "hush",
        "validated_at": None,
        "created_at": "2026-10-15T10:00:00Z",
        "has_pending_events": False,
    }


def test_secret_is_made_when_left_out(toggl: Toggl, receiver: Receiver) -> None:
    assert len(subscribe(toggl, receiver)["secret"]) == 32


def test_validated_by_the_answer(live: Record) -> None:
    assert live["validated_at"] == "2026-10-15T10:00:00Z"


def test_validated_by_the_address(toggl: Toggl, receiver: Receiver) -> None:
    subscribe(toggl, receiver)
    url = receiver.came[0].body["validation_code_url"]
    wrong = requests.get(f"{url}x", timeout=10)
    assert (wrong.status_code, wrong.json()[:39]) == (400, "subscription 70001 for workspace 4001 a")
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, answer.json()) == (200, "OK")
    assert call(toggl, "GET", "/subscriptions/4001").json()[0]["validated_at"] == "2026-10-15T10:00:00Z"
    again = requests.get(url, timeout=10)
    assert (again.status_code, again.json()) == (400, "subscription 70001 has already been validated")


def test_validated_from_inside_the_ping(toggl: Toggl, receiver: Receiver) -> None:
    def visit(came: Came) -> bytes:
        assert requests.get(came.body["validation_code_url"], timeout=10).status_code == 200
        return b""

    receiver.reply = visit
    assert subscribe(toggl, receiver)["validated_at"] == "2026-10-15T10:00:00Z"


def test_ping_by_hand(toggl: Toggl, receiver: Receiver) -> None:
    subscribe(toggl, receiver, enabled=False)
    receiver.reply = give_back
    assert call(toggl, "POST", "/ping/4001/70001").json() == {"status": "200"}
    assert call(toggl, "GET", "/subscriptions/4001").json()[0]["validated_at"] == "2026-10-15T10:00:00Z"


def test_address_that_does_not_answer_well(toggl: Toggl, receiver: Receiver) -> None:
    receiver.status = 404
    answer = call(toggl, "POST", "/subscriptions/4001", subscription(receiver.url))
    assert (answer.status_code, answer.json()) == (
        400,
        f"URL endpoint {receiver.url} responded with status 404 instead of 2xx",
    )
    outside = call(toggl, "POST", "/subscriptions/4001", subscription("https://office.example.com/"))
    assert outside.status_code == 400
    assert "loopback addresses only" in outside.json()
    assert call(toggl, "GET", "/subscriptions/4001").json() == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"description": ""}, "Subscription description must not be empty"),
        ({"event_filters": []}, "The list of event filters must not be empty"),
        ({"event_filters": [{"entity": "", "action": "*"}]}, "The entity field for each subscription"),
        ({"event_filters": [{"entity": "tag", "action": ""}]}, "The action field for each subscription"),
        ({"event_filters": [{"entity": "a-b", "action": "*"}]}, "The value 'a-b' for the filter entity can only"),
        ({"event_filters": [{"entity": "tag", "action": "moved"}]}, "Invalid value 'moved' for event filter action"),
        ({"event_filters": ALL * 2}, "The following event filter appears more than once"),
        ({"url_callback": "ftp://127.0.0.1/"}, "URL endpoint ftp://127.0.0.1/ request failed"),
    ],
)
def test_subscription_that_is_refused(toggl: Toggl, receiver: Receiver, changes: Record, text: str) -> None:
    answer = call(toggl, "POST", "/subscriptions/4001", subscription(receiver.url, **changes))
    assert (answer.status_code, answer.json()[: len(text)]) == (400, text)


def test_description_is_unique(toggl: Toggl, live: Record, receiver: Receiver) -> None:
    answer = call(toggl, "POST", "/subscriptions/4001", subscription(receiver.url))
    assert answer.json() == "Subscription description 'hours' is already in use for workspace 4001"


def test_update(toggl: Toggl, live: Record, receiver: Receiver) -> None:
    body = subscription(f"{receiver.url}/hook/", description="changed", secret="new")
    row = call(toggl, "PUT", "/subscriptions/4001/70001", body).json()
    assert (row["description"], row["secret"], row["updated_at"]) == ("changed", "new", "2026-10-15T10:00:00Z")
    empty = call(toggl, "PUT", "/subscriptions/4001/70001", {**body, "secret": ""})
    assert empty.status_code == 400
    row = call(toggl, "PATCH", "/subscriptions/4001/70001", {"enabled": False}).json()
    assert (row["enabled"], row["description"]) == (False, "changed")


def test_other_address_must_be_validated_anew(toggl: Toggl, live: Record, receiver: Receiver) -> None:
    receiver.reply = lambda came: b""
    body = subscription(f"{receiver.url}/other/")
    assert call(toggl, "PUT", "/subscriptions/4001/70001", body).json()["validated_at"] is None


def test_delete(toggl: Toggl, live: Record) -> None:
    row = call(toggl, "DELETE", "/subscriptions/4001/70001").json()
    assert (row["subscription_id"], row["deleted_at"]) == (70001, "2026-10-15T10:00:00Z")
    gone = call(toggl, "DELETE", "/subscriptions/4001/70001")
    assert (gone.status_code, gone.json()) == (404, "subscription 70001 for workspace 4001 was not found")


def test_subscriptions_of_others(toggl: Toggl, live: Record, receiver: Receiver) -> None:
    assert call(toggl, "GET", "/subscriptions/4001", token=MEMBER).json() == []
    assert call(toggl, "DELETE", "/subscriptions/4001/70001", token=MEMBER).status_code == 404
    outsider = call(toggl, "GET", "/subscriptions/4002", token=MEMBER)
    assert (outsider.status_code, outsider.json()) == (403, "User not found/accessible for workspace")
    subscribe(toggl, receiver, token=MEMBER, description="of a member")
    assert len(call(toggl, "GET", "/subscriptions/4001").json()) == 2


def test_secret_in_lists_by_switch(toggl: Toggl, live: Record, control: Remote) -> None:
    assert call(toggl, "GET", "/subscriptions/4001").json()[0]["secret"] == "hush"
    control.switch(toggl_secret_in_lists=False)
    assert "secret" not in call(toggl, "GET", "/subscriptions/4001").json()[0]


def test_calls_cost_by_switch(toggl: Toggl, control: Remote) -> None:
    assert call(toggl, "GET", "/subscriptions/4001").headers["X-Toggl-Quota-Remaining"] == "599"
    control.switch(toggl_webhook_calls_charged=False)
    assert "X-Toggl-Quota-Remaining" not in call(toggl, "GET", "/subscriptions/4001").headers
    assert toggl.get("/workspaces/4001/tags").headers["X-Toggl-Quota-Remaining"] == "598"
