"""What the tests of Toggl's webhooks share: subscriptions made as a client would."""

from __future__ import annotations

from typing import Any

import requests

from integrations.sandbox.http.wire import Record, dumps
from tests.integrations.sandbox.receiver import Came, Receiver
from tests.integrations.sandbox.scene import Toggl

BASE = "/webhooks/api/v1"
ALL = [{"entity": "time_entry", "action": "*"}]


def give_back(came: Came) -> bytes:
    """Answers a PING with its code, the synchronous way to validate."""
    return dumps({"validation_code": came.body.get("validation_code", "")}).encode()


def call(toggl: Toggl, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
    return toggl.call(method, path, body, base=BASE, **options)


def subscription(url: str, **changes: Any) -> Record:
    return {"description": "hours", "url_callback": url, "event_filters": ALL, "enabled": True, **changes}


def subscribe(toggl: Toggl, receiver: Receiver, token: str | None = None, **changes: Any) -> Record:
    options = {"token": token} if token else {}
    answer = call(toggl, "POST", "/subscriptions/4001", subscription(f"{receiver.url}/hook/", **changes), **options)
    assert answer.status_code == 200, answer.text
    row: Record = answer.json()
    return row


def events(receiver: Receiver) -> list[Record]:
    return [body for body in receiver.bodies() if body["payload"] != "ping"]
