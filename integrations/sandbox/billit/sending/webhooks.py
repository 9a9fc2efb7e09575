"""Webhooks: made, listed, given a new secret, deleted. Whom they call is in notices.py."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlsplit

from integrations.sandbox.billit.access import Call, router
from integrations.sandbox.billit.rules import names
from integrations.sandbox.billit.rules.refusals import generic
from integrations.sandbox.http.deliveries import on_loopback
from integrations.sandbox.http.wire import Answer, Record, json_answer

_MOST = 20
_ENTITIES = frozenset({"Order", "Message"})
_KINDS = frozenset({"I", "U", "D"})


@router.on("GET", r"/v1/webhooks")
def listed(call: Call) -> Answer:
    """Without the secrets: these are told at the creation and at a refresh only."""
    rows = [{name: value for name, value in row.items() if name != "Secret"} for row in _own(call)]
    return json_answer(rows)


@router.on("POST", r"/v1/webhooks")
def create(call: Call) -> Answer:
    given = names.canonical(call.body(), names.WEBHOOK)
    entity, kind = given.get("EntityType"), given.get("EntityUpdateType")
    if str(entity) not in _ENTITIES:
        raise call.refuse(generic(f"The entity type {entity} is invalid."))
    if kind is not None and str(kind) not in _KINDS:
        raise call.refuse(generic(f"The entity update type {kind} is invalid."))
    _check_address(call, given.get("WebhookURL"))
    if len(_own(call)) >= _MOST:
        raise call.refuse(generic(f"The maximum of {_MOST} webhooks has been reached."))
    webhook: Record = {
        "WebhookID": max(call.store.webhooks, default=1000) + 1,
        "CompanyID": call.company_id,
        "UserID": call.store.users.index(call.user) + 1,
        "EntityType": entity,
        **({} if kind is None else {"EntityUpdateType": kind}),  # the Swagger's own sample has none
        "WebhookURL": str(given["WebhookURL"]),
        "Secret": str(uuid.uuid4()),
    }
    call.store.webhooks[webhook["WebhookID"]] = webhook
    return json_answer(webhook)


def _check_address(call: Call, url: Any) -> None:
    """Only https; by switch http on loopback too, since no test has a certificate for it."""
    text = str(url or "")
    try:
        parts = urlsplit(text)
        sound = bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    plain = call.switches["billit_webhook_http_localhost"] and sound and on_loopback(text)
    if not sound or not (parts.scheme == "https" or plain):
        raise call.refuse(generic("The webhook URL must be a valid https address."))


@router.on("DELETE", r"/v1/webhooks/(\d+)")
def delete(call: Call, identity: str) -> Answer:
    del call.store.webhooks[_one(call, identity)["WebhookID"]]
    return json_answer(value=True)


@router.on("POST", r"/v1/webhooks/refresh/(\d+)")
def refresh(call: Call, identity: str) -> Answer:
    webhook = _one(call, identity)
    webhook["Secret"] = str(uuid.uuid4())
    return json_answer(webhook["Secret"])


def _own(call: Call) -> list[Record]:
    return [row for row in call.store.webhooks.values() if row["CompanyID"] == call.company_id]


def _one(call: Call, identity: str) -> Record:
    webhook = call.store.webhooks.get(int(identity))
    if webhook is None or webhook["CompanyID"] != call.company_id:
        raise call.not_accessible()
    return webhook
