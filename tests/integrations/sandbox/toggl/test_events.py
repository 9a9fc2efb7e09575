"""Toggl's events as they are delivered: to whom, in which shape, signed, at least once."""

import hashlib
import hmac
from datetime import timedelta

import pytest

from integrations.sandbox.http.wire import Record
from integrations.sandbox.remote import Remote
from tests.integrations.sandbox.hooks import call, events, give_back, subscribe
from tests.integrations.sandbox.receiver import Receiver
from tests.integrations.sandbox.scene import ENTRY, MEMBER, NOW, Toggl


@pytest.fixture
def live(toggl: Toggl, receiver: Receiver) -> Record:
    """A subscription that is enabled and validated."""
    receiver.reply = give_back
    return subscribe(toggl, receiver, secret="hush")


def test_created_event(toggl: Toggl, live: Record, control: Remote, receiver: Receiver) -> None:
    body = {"workspace_id": 4001, "start": "2026-10-15T06:00:00Z", "duration": 1800, "created_with": "x"}
    toggl.call("POST", "/workspaces/4001/time_entries", body)
    control.deliveries()
    came = receiver.came[-1]
    told = came.body
    assert came.headers["content-type"] == "application/json"
    expected = hmac.new(b"hush", came.raw, hashlib.sha256).hexdigest()
    assert came.headers["x-webhook-signature-256"] == f"sha256={expected}"
    assert {name: told[name] for name in told if name not in {"payload", "metadata"}} == {
        "event_id": 8_000_000_000_000_001,
        "created_at": "2026-10-15T10:00:00.000Z",
        "creator_id": 9001,
        "subscription_id": 70001,
        "timestamp": "2026-10-15T10:00:00.000000000Z",
        "url_callback": f"{receiver.url}/hook/",
    }
    assert told["metadata"] == {
        "action": "created",
        "event_user_id": "9001",
        "model": "time_entry",
        "model_owner_id": "9001",
        "path": "/api/v9/workspaces/4001/time_entries",
        "request_body": told["metadata"]["request_body"],
        "request_type": "POST",
        "workspace_id": "4001",
        "time_entry_id": str(ENTRY + 5),
    }
    assert '"created_with": "x"' in told["metadata"]["request_body"]
    payload = told["payload"]
    assert (payload["start"], payload["stop"], payload["duration"]) == (
        "2026-10-15T06:00:00Z",
        "2026-10-15T06:30:00Z",
        1800,
    )
    assert "pid" not in payload


def test_changes_by_hand_are_told(live: Record, control: Remote, receiver: Receiver) -> None:
    control.put_entries({"id": ENTRY + 2, "description": "Changed"})
    control.delete_entries(ENTRY)
    control.deliveries()
    updated, deleted = events(receiver)
    metadata = updated["metadata"]
    assert (metadata["action"], metadata["event_user_id"], metadata["project_id"]) == ("updated", "9002", "601")
    assert metadata["project_is_private"] == "true"
    assert updated["payload"]["description"] == "Changed"
    assert (deleted["metadata"]["action"], deleted["metadata"]["time_entry_id"]) == ("deleted", str(ENTRY))
    assert deleted["payload"]["server_deleted_at"] == "2026-10-15T10:00:00Z"


def test_reduced_payload_of_a_deletion(live: Record, control: Remote, receiver: Receiver) -> None:
    control.switch(toggl_deleted_payload="reduced")
    control.delete_entries(ENTRY)
    control.deliveries()
    (deleted,) = events(receiver)
    payload = {name: value for name, value in deleted["payload"].items() if value is not None}
    assert payload == {"id": ENTRY, "workspace_id": 4001, "server_deleted_at": "2026-10-15T10:00:00Z"}


def test_other_entities(toggl: Toggl, control: Remote, receiver: Receiver) -> None:
    receiver.reply = give_back
    subscribe(toggl, receiver, event_filters=[{"entity": "*", "action": "*"}])
    toggl.call("POST", "/workspaces/4001/tags", {"name": "Paie"})
    toggl.call("PUT", "/workspaces/4001/clients/501", {"name": "Renamed"})
    toggl.call("DELETE", "/workspaces/4001/projects/602")
    control.deliveries()
    assert [(event["metadata"]["model"], event["metadata"]["action"]) for event in events(receiver)] == [
        ("tag", "created"),
        ("client", "updated"),
        ("project", "deleted"),
    ]
    assert events(receiver)[1]["payload"]["name"] == "Renamed"


def test_only_what_the_filter_names(toggl: Toggl, control: Remote, receiver: Receiver) -> None:
    receiver.reply = give_back
    subscribe(toggl, receiver, event_filters=[{"entity": "time_entry", "action": "deleted"}])
    control.put_entries({"id": ENTRY, "description": "Changed"})
    control.delete_entries(ENTRY)
    control.deliveries()
    assert [event["metadata"]["action"] for event in events(receiver)] == ["deleted"]


def test_nothing_before_validation_nor_when_disabled(toggl: Toggl, control: Remote, receiver: Receiver) -> None:
    subscribe(toggl, receiver)
    control.put_entries({"id": ENTRY, "description": "Changed"})
    receiver.reply = give_back
    call(toggl, "POST", "/ping/4001/70001")
    call(toggl, "PATCH", "/subscriptions/4001/70001", {"enabled": False})
    control.put_entries({"id": ENTRY, "description": "Again"})
    control.deliveries()
    assert events(receiver) == []


def test_visibility_is_that_of_the_creator(toggl: Toggl, control: Remote, receiver: Receiver) -> None:
    receiver.reply = give_back
    subscribe(toggl, receiver, token=MEMBER)
    for index in (0, 2, 3):  # of another on a private project, the person's own, of another on a public project
        control.put_entries({"id": ENTRY + index, "description": "Changed"})
    control.deliveries()
    # Two deliveries that are under way at once come in either order.
    assert sorted(event["payload"]["id"] for event in events(receiver)) == [ENTRY + 2, ENTRY + 3]


def test_retries_have_a_fresh_timestamp(toggl: Toggl, live: Record, control: Remote, receiver: Receiver) -> None:
    receiver.status = 500
    control.put_entries({"id": ENTRY, "description": "Changed"})
    row = control.deliveries("toggl")[-1]
    assert (len(row["attempts"]), row["due"]) == (1, "2026-10-15T10:01:00Z")
    assert call(toggl, "GET", "/subscriptions/4001").json()[0]["has_pending_events"] is True
    receiver.status = 200
    control.clock(NOW + timedelta(minutes=1))
    row = control.deliveries("toggl")[-1]
    assert [attempt["status"] for attempt in row["attempts"]] == [500, 200]
    assert [event["event_id"] for event in events(receiver)] == [8_000_000_000_000_001] * 2
    assert [event["timestamp"] for event in events(receiver)] == [
        "2026-10-15T10:00:00.000000000Z",
        "2026-10-15T10:01:00.000000000Z",
    ]
    assert call(toggl, "GET", "/subscriptions/4001").json()[0]["has_pending_events"] is False


def test_schedule_of_retries(live: Record, control: Remote, receiver: Receiver) -> None:
    receiver.status = 500
    control.put_entries({"id": ENTRY, "description": "Changed"})
    for minutes in (1, 6, 21, 81):
        assert control.deliveries()[-1]["due"] is not None
        control.clock(NOW + timedelta(minutes=minutes))
        control.deliveries()
    row = control.deliveries()[-1]
    assert (row["due"], [attempt["at"][11:19] for attempt in row["attempts"]]) == (
        None,
        ["10:00:00", "10:01:00", "10:06:00", "10:21:00", "11:21:00"],
    )


def test_no_retries_and_disabling_by_switch(toggl: Toggl, live: Record, control: Remote, receiver: Receiver) -> None:
    control.switch(toggl_webhook_retry_minutes="", toggl_webhook_disable_after=2)
    receiver.status = 500
    for text in ("a", "b", "c"):
        control.put_entries({"id": ENTRY, "description": text})
        control.deliveries()
    assert len(events(receiver)) == 2
    assert call(toggl, "GET", "/subscriptions/4001").json()[0]["enabled"] is False


@pytest.mark.parametrize("rule", ["wrong", "missing"])
def test_bad_signature(live: Record, control: Remote, receiver: Receiver, rule: str) -> None:
    control.switch(toggl_webhook_signature=rule)
    control.put_entries({"id": ENTRY, "description": "Changed"})
    control.deliveries()
    came = receiver.came[-1]
    wrong = f"sha256={hmac.new(b'wrong', came.raw, hashlib.sha256).hexdigest()}"
    assert came.headers.get("x-webhook-signature-256") == (wrong if rule == "wrong" else None)


def test_duplicates_and_delay(live: Record, control: Remote, receiver: Receiver) -> None:
    control.switch(toggl_webhook_copies=2, toggl_webhook_delay_seconds=5)
    control.put_entries({"id": ENTRY, "description": "Changed"})
    control.deliveries()
    assert events(receiver) == []
    control.clock(NOW + timedelta(seconds=5))
    control.deliveries()
    assert len({event["event_id"] for event in events(receiver)}) == 1
    assert len(events(receiver)) == 2


def test_subscriptions_are_part_of_the_world(live: Record, control: Remote) -> None:
    world = control.world()
    assert [row["subscription_id"] for row in world["toggl"]["subscriptions"]] == [70001]
    control.load(world)
    assert control.world() == world
