"""Billit's own calls: one POST per webhook of the company for each order or message that is new or changed.

Shapes and signature: docs webhooks, use-webhooks-to-catch-e-invoice-statuses and verify-signature.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

from integrations.sandbox.billit.store import Store
from integrations.sandbox.http.clock import Clock
from integrations.sandbox.http.deliveries import Deliveries, Job, Made
from integrations.sandbox.http.switches import Switches
from integrations.sandbox.http.wire import Record, dumps


def signature(secret: str, seconds: int, body: bytes) -> str:
    """`t=<unix seconds>,s=<hex>`: HMAC-SHA256 over `<t>.<raw body>`, keyed with the webhook's secret."""
    message = str(seconds).encode() + b"." + body
    return f"t={seconds},s={hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()}"


class Notices:
    def __init__(self, store: Store, clock: Clock, switches: Switches, deliveries: Deliveries) -> None:
        self._store = store
        self._clock = clock
        self._switches = switches
        self._deliveries = deliveries

    def order(self, order: Record, kind: str) -> None:
        """Tells of an order: kind I new, U changed, D deleted (by switch only: nobody has seen Billit call for it)."""
        if kind == "D" and not self._switches["billit_webhook_on_delete"]:
            return
        payload = {"UpdatedEntityID": order["OrderID"], "UpdatedEntityType": "Order", "WebhookUpdateTypeTC": kind}
        self._tell(order["CompanyID"], "Order", kind, payload)

    def message(self, order: Record, index: int, kind: str, state: str | None = None) -> None:
        """Tells of the message at `index` of an order; `state` is Sent, Delivered or Refused."""
        payload = {
            "UpdatedEntityID": order["OrderID"] * 100 + index + 1,
            "UpdatedEntityType": "Message",
            "WebhookUpdateTypeTC": kind,
            "EntityDetail": self._detail(order, order["Messages"][index], state),
        }
        self._tell(order["CompanyID"], "Message", kind, payload)

    def _detail(self, order: Record, message: Record, state: str | None) -> Record:
        mode = self._switches["billit_message_payload"]
        if mode == "empty":
            return {}
        details = order["CurrentDocumentDeliveryDetails"]
        further: Record = {} if state is None else {"EInvoiceFlowState": state}
        told = details.get("DocumentRefusedInfo") if state == "Refused" else details.get("DocumentDeliveryInfo")
        if state in {"Delivered", "Refused"} and told:
            further["AdditionalFlowStateInformation"] = told
        if mode == "legacy":
            day = datetime.fromisoformat(message["CreationDate"]).strftime("%d/%m/%Y")
            flat = {"OrderID": order["OrderID"], **message, "CreationDate": day}
            return {**flat, "MessageAdditionalInformation": further}
        row = {"OrderID": order["OrderID"], **message}
        return {"OrderMessage": row, "AdditionalMessageInformation": further}

    def _tell(self, company_id: int, entity: str, kind: str, payload: Record) -> None:
        body = dumps(payload).encode()
        for webhook in self._store.webhooks.values():
            if webhook["CompanyID"] != company_id or webhook["EntityType"] != entity:
                continue
            if webhook.get("EntityUpdateType", kind) == kind:
                self._deliveries.add(self._job(webhook, f"{entity} {kind} {payload['UpdatedEntityID']}", body))

    def _job(self, webhook: Record, subject: str, body: bytes) -> Job:
        def make() -> Made:
            headers = {"Content-Type": "application/json; charset=utf-8"}
            rule = self._switches["billit_webhook_signature"]
            if rule != "missing":
                # Read at each attempt: a secret that was refreshed meanwhile counts.
                secret = "wrong" if rule == "wrong" else str(webhook["Secret"])
                headers["Billit-Signature"] = signature(secret, int(self._clock.now().timestamp()), body)
            return headers, body

        retries = int(self._switches["billit_webhook_retries"])
        return Job(
            "billit",
            subject,
            str(webhook["WebhookURL"]),
            make,
            delay=float(self._switches["billit_webhook_delay_seconds"]),
            retries=(float(self._switches["billit_webhook_retry_seconds"]),) * retries,
            copies=int(self._switches["billit_webhook_copies"]),
            early=bool(self._switches["billit_webhook_early"]),
            reversed=self._switches["billit_webhook_order"] == "reversed",
        )
