"""Webhooks API v1: subscriptions, their limits, the ping and both ways to validate."""

from __future__ import annotations

import re
import secrets
from typing import Any

from integrations.sandbox.http.clock import zulu
from integrations.sandbox.http.deliveries import Outcome, parsed
from integrations.sandbox.http.wire import Answer, Record, json_answer
from integrations.sandbox.toggl.access import Call, open_router, refused, router
from integrations.sandbox.toggl.events import milliseconds, subject

_BASE = r"/webhooks/api/v1"
_LIST = _BASE + r"/subscriptions/(\d+)"
_ONE = _LIST + r"/(\d+)"
_ACTIONS = ("created", "updated", "deleted")
ENTITIES = (
    "client",
    "project",
    "project_group",
    "project_user",
    "tag",
    "task",
    "time_entry",
    "workspace",
    "workspace_user",
)
# Webhooks of a workspace and filters of each (docs: webhooks_start); Enterprise is agreed per customer.
LIMITS = {"free": (1, 3), "starter": (2, 6), "premium": (3, 12), "enterprise": (10, 50)}
_WORD = re.compile(r"[A-Za-z0-9_]+|\*")


@open_router.on("GET", _BASE + r"/status")
def status(call: Call) -> Answer:
    return json_answer({"status": "OK"})


@open_router.on("GET", _BASE + r"/event_filters")
def event_filters(call: Call) -> Answer:
    return json_answer({entity: list(_ACTIONS) for entity in ENTITIES})


@open_router.on("GET", _BASE + r"/limits/(\d+)")
def limits(call: Call, number: str) -> Answer:
    most, filters = _limits(call, int(number))
    return json_answer({"max_webhooks": most, "max_events_per_webhook": filters})


def _limits(call: Call, workspace_id: int) -> tuple[int, int]:
    workspace = call.store.workspaces.get(workspace_id)
    return LIMITS[call.store.plan(workspace["organization_id"]) if workspace else "free"]


def _entered(call: Call, number: str) -> int:
    if call.membership(int(number)) is None:
        raise refused(403, "User not found/accessible for workspace")
    return int(number)


def _visible(call: Call, workspace_id: int) -> list[Record]:
    """The person's own; an admin sees and edits those of others too."""
    return [
        row
        for row in call.store.subscriptions.values()
        if row["workspace_id"] == workspace_id and (row["user_id"] == call.user["id"] or call.is_admin(workspace_id))
    ]


def _found(call: Call, number: str, identity: str) -> Record:
    workspace_id = _entered(call, number)
    for row in _visible(call, workspace_id):
        if row["subscription_id"] == int(identity):
            return row
    raise refused(404, f"subscription {int(identity)} for workspace {workspace_id} was not found")


def _shown(call: Call, row: Record, *, listed: bool = False) -> Record:
    shown = {name: value for name, value in row.items() if not name.startswith("_")}
    shown["has_pending_events"] = call.events.deliveries.waiting(subject(row))
    if listed and not call.switches["toggl_secret_in_lists"]:
        del shown["secret"]
    return shown


@router.on("GET", _LIST)
def listed(call: Call, number: str) -> Answer:
    rows = _visible(call, _entered(call, number))
    return call.listed([_shown(call, row, listed=True) for row in rows])


@router.on("POST", _LIST)
def create(call: Call, number: str) -> Answer:
    """Calls the address before it answers: it must be live first."""
    workspace_id = _entered(call, number)
    body = call.body()
    row = _checked(call, workspace_id, body, None)
    row.update(
        subscription_id=max(call.store.subscriptions, default=70_000) + 1,
        workspace_id=workspace_id,
        user_id=call.user["id"],
        secret=str(body.get("secret") or secrets.token_hex(16)),
        validated_at=None,
        created_at=zulu(call.clock.now()),
        _validation_code=secrets.token_hex(16),
    )
    call.store.subscriptions[row["subscription_id"]] = row
    outcome = _ping(call, row)
    if not outcome.good:
        call.store.subscriptions.pop(row["subscription_id"], None)
        raise _unreachable(row, outcome)
    return json_answer(_shown(call, row))


def _unreachable(row: Record, outcome: Outcome) -> Exception:
    if outcome.status is not None:
        said = f"responded with status {outcome.status} instead of 2xx"
    else:
        said = f"request failed with error: {outcome.error}"
    return refused(400, f"URL endpoint {row['url_callback']} {said}")


@router.on("PUT", _ONE)
def update(call: Call, number: str, identity: str) -> Answer:
    row = _found(call, number, identity)
    body = call.body()
    if "secret" in body and not str(body["secret"] or "").strip():
        raise refused(400, "Subscription secret must not be empty")
    changed = _checked(call, row["workspace_id"], body, row)
    if changed["url_callback"] != row["url_callback"]:
        changed.update(validated_at=None, _validation_code=secrets.token_hex(16))
    outcome = _ping(call, {**row, **changed})
    if not outcome.good:
        raise _unreachable(changed, outcome)
    row.update(changed, updated_at=zulu(call.clock.now()), secret=str(body.get("secret") or row["secret"]))
    _validate_by(call, row, outcome)
    return json_answer(_shown(call, row))


@router.on("PATCH", _ONE)
def switch(call: Call, number: str, identity: str) -> Answer:
    row = _found(call, number, identity)
    enabled = call.body().get("enabled")
    if not isinstance(enabled, bool):
        raise refused(400, "Invalid enabled format")
    _check_number(call, row["workspace_id"], row, enabled=enabled)
    row.update(enabled=enabled, updated_at=zulu(call.clock.now()))
    return json_answer(_shown(call, row))


@router.on("DELETE", _ONE)
def delete(call: Call, number: str, identity: str) -> Answer:
    row = _found(call, number, identity)
    del call.store.subscriptions[row["subscription_id"]]
    return json_answer({**_shown(call, row), "deleted_at": zulu(call.clock.now())})


@router.on("POST", _BASE + r"/ping/(\d+)/(\d+)")
def ping(call: Call, number: str, identity: str) -> Answer:
    """Also when it is disabled or not validated yet."""
    outcome = _ping(call, _found(call, number, identity))
    if outcome.status is None:
        return json_answer({"status": f"request failed with error: {outcome.error}"})
    return json_answer({"status": str(outcome.status)})


@open_router.on("GET", _BASE + r"/validate/(\d+)/(\d+)/(\w+)")
def validate(call: Call, number: str, identity: str, code: str) -> Answer:
    row = call.store.subscriptions.get(int(identity))
    if row is None or row["workspace_id"] != int(number) or row["_validation_code"] != code:
        text = f"subscription {int(identity)} for workspace {int(number)} and validation code '{code}' was not found"
        raise refused(400, text)
    if row["validated_at"]:
        raise refused(400, f"subscription {int(identity)} has already been validated")
    row["validated_at"] = zulu(call.clock.now())
    return json_answer("OK")


def _ping(call: Call, row: Record) -> Outcome:
    """Sends the PING and takes the code of its answer, if it has one."""
    path = f"/webhooks/api/v1/validate/{row['workspace_id']}/{row['subscription_id']}/{row['_validation_code']}"
    told: Record = {
        "event_id": 0,
        "created_at": milliseconds(call.clock.now()),
        "creator_id": row["user_id"],
        "metadata": {"request_type": "POST", "event_user_id": call.user["id"]},
        "payload": "ping",
        "subscription_id": row["subscription_id"],
        "validation_code": row["_validation_code"],
        "validation_code_url": f"{call.request.base_url}{path}",
    }
    made = call.events.made(row, told)
    outcome = call.events.deliveries.call("toggl", f"{subject(row)} ping", row["url_callback"], made)
    if row["subscription_id"] in call.store.subscriptions:
        _validate_by(call, row, outcome)
    return outcome


def _validate_by(call: Call, row: Record, outcome: Outcome) -> None:
    """The synchronous way: the answer of the PING gives the code back."""
    answer = parsed(outcome.text) or {}
    if outcome.good and not row["validated_at"] and answer.get("validation_code") == row["_validation_code"]:
        row["validated_at"] = zulu(call.clock.now())


# --- what a body says -----------------------------------------------------------------------------------------------


def _checked(call: Call, workspace_id: int, body: Record, known: Record | None) -> Record:
    """Description, address, filters and state of a body. Raises RejectedError with Toggl's sentence."""
    description = str(body.get("description") or "").strip()
    if not description:
        raise refused(400, "Subscription description must not be empty")
    for row in call.store.subscriptions.values():
        if row is not known and (row["workspace_id"], row["description"]) == (workspace_id, description):
            text = f"Subscription description '{description}' is already in use for workspace {workspace_id}"
            raise refused(400, text)
    filters = _filters(call, workspace_id, body.get("event_filters"))
    enabled = body.get("enabled", False)
    if not isinstance(enabled, bool):
        raise refused(400, "Invalid enabled format")
    _check_number(call, workspace_id, known, enabled=enabled)
    url = str(body.get("url_callback") or "").strip()
    if not url.startswith(("http://", "https://")):
        raise refused(400, f"URL endpoint {url} request failed with error: unsupported protocol scheme")
    return {"description": description, "event_filters": filters, "enabled": enabled, "url_callback": url}


def _check_number(call: Call, workspace_id: int, known: Record | None, *, enabled: bool) -> None:
    most, _ = _limits(call, workspace_id)
    others = [
        row
        for row in call.store.subscriptions.values()
        if row["workspace_id"] == workspace_id and row["enabled"] and row is not known
    ]
    if enabled and len(others) >= most:
        text = (
            f"User {call.user['id']} already reached the limit of {most} enabled subscriptions"
            f" for workspace {workspace_id}"
        )
        raise refused(400, text)


def _filters(call: Call, workspace_id: int, given: Any) -> list[Record]:
    if not isinstance(given, list) or not given or not all(isinstance(row, dict) for row in given):
        raise refused(400, "The list of event filters must not be empty")
    rows = [{"entity": str(row.get("entity") or ""), "action": str(row.get("action") or "")} for row in given]
    for row in rows:
        _check_filter(row)
        if rows.count(row) > 1:
            text = f"The following event filter appears more than once for your subscription: {row}"
            raise refused(400, text)
    _, most = _limits(call, workspace_id)
    weight = sum(_weight(call, row) for row in rows)
    if weight > most:
        text = (
            f"The limit of {most} event filters for your subscription has been exceeded"
            f" as you're trying to set {weight} filters"
        )
        raise refused(400, text)
    return rows


def _weight(call: Call, row: Record) -> int:
    """Whether a filter with a star is one or as many as it stands for is not documented."""
    if call.switches["toggl_star_counts"] == "one":
        return 1
    return (len(ENTITIES) if row["entity"] == "*" else 1) * (len(_ACTIONS) if row["action"] == "*" else 1)


def _check_filter(row: Record) -> None:
    plural = {"entity": "entities", "action": "actions"}
    for name in ("entity", "action"):
        if not row[name]:
            raise refused(400, f"The {name} field for each subscription event filter must be non-empty")
        if not _WORD.fullmatch(row[name]):
            text = (
                f"The value '{row[name]}' for the filter {name} can only contain letters, numbers and '_'"
                f" or be '*' to match all {plural[name]}"
            )
            raise refused(400, text)
    if row["action"] not in {*_ACTIONS, "*"}:
        raise refused(400, f"Invalid value '{row['action']}' for event filter action")
