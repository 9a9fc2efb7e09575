"""Toggl's webhooks as they leave: one POST per subscription that is enabled, validated and interested.

Bodies as recorded by integrators: every value of `metadata` is a string, ids need 64 bits, `timestamp` is that of the
attempt. Non-2xx is tried again; when and how often is not documented, hence a switch.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from integrations.sandbox.http.clock import Clock, zulu
from integrations.sandbox.http.deliveries import Deliveries, Job, Made, Outcome
from integrations.sandbox.http.switches import Switches
from integrations.sandbox.http.wire import Record, dumps
from integrations.sandbox.toggl.rows import client_row, project_row, tag_row, written_entry_row
from integrations.sandbox.toggl.store import Entry, Store
from integrations.sandbox.toggl.visibility import visibility

FIRST_EVENT = 8_000_000_000_000_001
_REDUCED = ("id", "workspace_id", "server_deleted_at", "deleted_at")


@dataclass(frozen=True, slots=True)
class Cause:
    """The request that changed something, and whose it was; None = whoever the row belongs to."""

    user_id: int | None
    method: str
    path: str
    body: str = ""


def signature(secret: str, body: bytes) -> str:
    """`sha256=<hex>`: HMAC-SHA256 over the raw body, keyed with the subscription's secret (docs: validating events)."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


class Events:
    def __init__(self, store: Store, clock: Clock, switches: Switches, deliveries: Deliveries) -> None:
        self._store = store
        self._clock = clock
        self._switches = switches
        self.deliveries = deliveries
        self._numbers = itertools.count(FIRST_EVENT)

    def entry(self, action: str, entry: Entry, cause: Cause) -> None:
        """Tells of a time entry that was created, updated or deleted."""
        payload = written_entry_row(self._store, entry)
        if action == "deleted" and self._switches["toggl_deleted_payload"] == "reduced":
            payload = {name: payload[name] for name in _REDUCED if name in payload}
        elif entry.project_id is None:
            del payload["project_id"]
        payload["tag_ids"] = payload.get("tag_ids") or None
        metadata = {"time_entry_id": str(entry.id)}
        project = self._store.project(entry)
        if project:
            metadata["project_id"] = str(project["id"])
            metadata["project_is_private"] = str(bool(project.get("is_private"))).lower()
        owner = entry.user_id
        for subscription in self._interested("time_entry", action, entry.workspace_id):
            creator = self._store.users[subscription["user_id"]]
            if visibility(self._store, creator, entry.workspace_id)(entry):
                self._tell(subscription, "time_entry", action, payload, metadata, owner, cause)

    def row(self, kind: str, action: str, row: Record, cause: Cause) -> None:
        """Tells of a client, project or tag; `kind` is the plural."""
        entity = kind.removesuffix("s")
        shown: Record = (
            project_row(self._store, row) if kind == "projects" else {"clients": client_row, "tags": tag_row}[kind](row)
        )
        if action == "deleted":
            shown["server_deleted_at"] = zulu(self._clock.now().replace(microsecond=0))
            if self._switches["toggl_deleted_payload"] == "reduced":
                shown = {name: shown[name] for name in _REDUCED if name in shown}
        metadata = {f"{entity}_id": str(row["id"])}
        for subscription in self._interested(entity, action, row["workspace_id"]):
            self._tell(subscription, entity, action, shown, metadata, int(row.get("creator_id") or 0), cause)

    def _interested(self, entity: str, action: str, workspace_id: int) -> list[Record]:
        return [
            row
            for row in self._store.subscriptions.values()
            if row["workspace_id"] == workspace_id
            and row["enabled"]
            and row["validated_at"]
            and any(one["entity"] in {"*", entity} and one["action"] in {"*", action} for one in row["event_filters"])
        ]

    def _tell(
        self,
        subscription: Record,
        entity: str,
        action: str,
        payload: Record,
        metadata: dict[str, str],
        owner: int,
        cause: Cause,
    ) -> None:
        told: Record = {
            "event_id": next(self._numbers),
            "created_at": milliseconds(self._clock.now()),
            "creator_id": subscription["user_id"],
            "metadata": {
                "action": action,
                "event_user_id": str(cause.user_id or owner),
                "model": entity,
                "model_owner_id": str(owner),
                "path": cause.path,
                "request_body": cause.body,
                "request_type": cause.method,
                "workspace_id": str(subscription["workspace_id"]),
                **metadata,
            },
            "payload": payload,
            "subscription_id": subscription["subscription_id"],
        }

        def make() -> Made:
            return self.made(subscription, told)

        def done(outcome: Outcome) -> None:
            self._done(subscription, outcome)

        minutes = str(self._switches["toggl_webhook_retry_minutes"])
        self.deliveries.add(
            Job(
                "toggl",
                f"{subject(subscription)} {entity} {action} {told['event_id']}",
                subscription["url_callback"],
                make,
                delay=float(self._switches["toggl_webhook_delay_seconds"]),
                retries=tuple(float(text) * 60 for text in minutes.split(",") if text.strip()),
                copies=int(self._switches["toggl_webhook_copies"]),
                early=bool(self._switches["toggl_webhook_early"]),
                done=done,
            )
        )

    def made(self, subscription: Record, told: Record) -> Made:
        """Headers and exact body of one attempt, with its own timestamp."""
        now = self._clock.now()
        timestamp = f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{now.microsecond:06d}000Z"
        body = dumps({**told, "timestamp": timestamp, "url_callback": subscription["url_callback"]}).encode()
        headers: dict[str, str] = {"Content-Type": "application/json", "User-Agent": "toggl-sandbox-webhooks"}
        rule = self._switches["toggl_webhook_signature"]
        if rule != "missing":
            secret = "wrong" if rule == "wrong" else str(subscription["secret"])
            headers["X-Webhook-Signature-256"] = signature(secret, body)
        return headers, body

    def _done(self, subscription: Record, outcome: Outcome) -> None:
        """By switch a webhook that failed too often is disabled."""
        if outcome.good:
            subscription["_failed"] = 0
            return
        subscription["_failed"] = int(subscription.get("_failed", 0)) + 1
        limit = int(self._switches["toggl_webhook_disable_after"])
        if limit and subscription["_failed"] >= limit:
            subscription["enabled"] = False


def subject(subscription: Record) -> str:
    """How the log of deliveries begins for a subscription."""
    return f"webhook {subscription['subscription_id']}:"


def milliseconds(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def changes_of(store: Store, events: Events, kind: str, rows: list[Record], cause: Cause) -> list[int]:
    """Puts rows of clients, projects or tags and tells of them; gives their ids."""
    known: dict[int, Any] = getattr(store, kind)
    actions = ["updated" if row.get("id") in known else "created" for row in rows]
    ids = store.put(kind, rows)
    for number, action in zip(ids, actions, strict=True):
        events.row(kind, action, known[number], cause)
    return ids
