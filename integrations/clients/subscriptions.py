"""Having Toggl and Billit call an address of ours when something changed, and having them stop.

Making and ending one are writes: never repeated here, and `NoAnswer` when nobody knows whether they were done. Reading
the list tells then. Sources: Toggl docs webhooks_start and webhooks/subscriptions; Billit docs webhooks.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from integrations.clients import billit, toggl
from integrations.clients.http.answers import Row, Unreadable, listed
from integrations.clients.http.failures import Asked, Detail, Message
from integrations.clients.http.transport import Refused

_TOGGL = "/webhooks/api/v1/subscriptions"
_BILLIT = "/v1/webhooks"
# Three filters are what the Free plan allows; a star might count as more (not documented).
_ENTRY_EVENTS = [{"entity": "time_entry", "action": action} for action in ("created", "updated", "deleted")]

Entity = Literal["Order", "Message"]
Kind = Literal["I", "U"]


@dataclass(frozen=True, slots=True)
class Made:
    """A subscription that stands at the service. `secret` signs its calls; `validated`: the service will call it."""

    id: int
    secret: str = field(repr=False)
    validated: bool = True


def subscribe_to_entries(api: toggl.Api, workspace_id: int, *, description: str, url: str, secret: str) -> Made:
    """Toggl calls `url` for each time entry that is created, changed or deleted, signed with `secret`.

    Toggl calls the address before it answers, so it must be live; `description` is unique in the workspace.
    """
    purpose = Message(Asked.NEW_TOGGL_WEBHOOK, {"id": workspace_id})
    body = {
        "description": description,
        "url_callback": url,
        "secret": secret,
        "event_filters": _ENTRY_EVENTS,
        "enabled": True,
    }
    answer = api.transport.send("POST", f"{_TOGGL}/{workspace_id}", purpose=purpose, body=_encoded(body))
    try:
        row = Row(answer.json(), what="answer")
        return Made(row.integer("subscription_id"), secret, validated=bool(row.text("validated_at")))
    except ValueError:
        raise api.transport.unclear(purpose, Message(Detail.NO_SUBSCRIPTION), status=answer.status) from None


def entry_subscriptions(api: toggl.Api, workspace_id: int) -> dict[int, str]:
    """The subscriptions of a workspace that the token's owner may see: the address that each calls, by its id."""
    purpose = Message(Asked.TOGGL_WEBHOOKS, {"id": workspace_id})
    answer = api.transport.send("GET", f"{_TOGGL}/{workspace_id}", purpose=purpose)
    body = api.transport.read(answer, purpose=purpose)
    try:
        rows = [Row(value, what="subscription") for value in listed(body, what="list")]
        return {row.integer("subscription_id"): row.text("url_callback") for row in rows}
    except Unreadable as error:
        raise api.transport.nonsense(purpose, error.detail) from error


def end_entry_subscription(api: toggl.Api, workspace_id: int, subscription_id: int) -> None:
    """Toggl calls no more. One that is gone already is as good as ended."""
    purpose = Message(Asked.END_OF_TOGGL_WEBHOOK, {"id": workspace_id})
    try:
        api.transport.send("DELETE", f"{_TOGGL}/{workspace_id}/{subscription_id}", purpose=purpose)
    except Refused as refusal:
        if refusal.status != 404:
            raise


def subscribe_to_orders(api: billit.Api, *, entity: Entity, kind: Kind, url: str) -> Made:
    """Billit calls `url` for each order, or message of one, that is new (I) or changed (U). It makes up the secret."""
    purpose = Message(Asked.NEW_BILLIT_WEBHOOK)
    body = {"EntityType": entity, "EntityUpdateType": kind, "WebhookURL": url}
    answer = api.transport.send("POST", _BILLIT, purpose=purpose, body=_encoded(body))
    try:
        row = Row(answer.json(), what="answer")
        made = Made(row.integer("WebhookID"), row.text("Secret"))
    except ValueError:
        raise api.transport.unclear(purpose, Message(Detail.NO_SUBSCRIPTION), status=answer.status) from None
    if not made.secret:
        raise api.transport.unclear(purpose, Message(Detail.NO_SECRET), status=answer.status)
    return made


def order_subscriptions(api: billit.Api) -> dict[int, str]:
    """The webhooks of a company: the address that each calls, by its id."""
    purpose = Message(Asked.BILLIT_WEBHOOKS)
    answer = api.transport.send("GET", _BILLIT, purpose=purpose)
    body = api.transport.read(answer, purpose=purpose)
    try:
        rows = [Row(value, what="webhook") for value in listed(body, what="list")]
        return {row.integer("WebhookID"): row.text("WebhookURL") for row in rows}
    except Unreadable as error:
        raise api.transport.nonsense(purpose, error.detail) from error


def end_order_subscription(api: billit.Api, webhook_id: int) -> None:
    """Billit calls no more. One that is gone already (Billit answers 401 or 404) is as good as ended."""
    try:
        api.transport.send("DELETE", f"{_BILLIT}/{webhook_id}", purpose=Message(Asked.END_OF_BILLIT_WEBHOOK))
    except Refused as refusal:
        if refusal.status not in (401, 404):
            raise


def _encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
