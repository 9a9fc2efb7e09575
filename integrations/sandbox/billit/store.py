"""What Billit holds: users, companies, products, parties, orders, used keys, sequences, and what was sent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from integrations.sandbox.http.clock import Clock
from integrations.sandbox.http.wire import Record

FIRST_ORDER = 5_000_001
_STATE = ("keys", "sequences", "outbox", "lint", "codes", "tokens", "refreshes", "settled_at")
# The OAuth client of a world that names none; "loopback" stands for every address on this machine.
_CLIENT = {"client_id": "sandbox-client", "client_secret": "sandbox-secret", "redirect_uris": ["loopback"]}


def plain_number(text: Any) -> str:
    """A VAT number without dots, blanks and hyphens, in capitals; "" for nothing."""
    return re.sub(r"[^A-Z0-9]", "", str(text or "").upper())


def _is_awaited(order: Record) -> bool:
    """Whether its receiver has not said the last word on it."""
    details = order.get("CurrentDocumentDeliveryDetails", {})
    refuses = order.get("_behaviour") == "refuses" and "DocumentRefusedDate" not in details
    return refuses or details.get("DocumentDeliveryStatus") == "Pending"


class Store:
    """Everything of one imitation of Billit, built from the "billit" part of a world and a saved state."""

    def __init__(self, world: Record, clock: Clock, state: Record | None = None) -> None:
        self.clock = clock
        self.users: list[Record] = [dict(row) for row in world.get("users", [])]
        self.companies: dict[int, Record] = {int(row["PartyID"]): dict(row) for row in world.get("companies", [])}
        self.products: dict[int, Record] = {int(row["ProductID"]): dict(row) for row in world.get("products", [])}
        self.parties: dict[int, Record] = {int(row["PartyID"]): dict(row) for row in world.get("parties", [])}
        self.kbo: list[Record] = [dict(row) for row in world.get("kbo", [])]
        self.peppol: dict[str, Record] = {str(row["number"]): dict(row) for row in world.get("peppol", [])}
        self.oauth_clients: list[Record] = [dict(row) for row in world.get("oauth_clients", [_CLIENT])]
        state = state or {}
        self.orders: dict[int, Record] = {int(row["OrderID"]): row for row in state.get("orders", [])}
        self.keys: dict[str, str] = dict(state.get("keys", {}))
        self.sequences: dict[str, int] = dict(state.get("sequences", {}))
        self.outbox: list[Record] = list(state.get("outbox", []))
        self.files: dict[str, Record] = {row["FileID"]: row for row in state.get("files", [])}
        self.lint: list[Record] = list(state.get("lint", []))
        self.webhooks: dict[int, Record] = {int(row["WebhookID"]): row for row in state.get("webhooks", [])}
        # OAuth: authorisation codes, access tokens and refresh tokens, each by its own text.
        self.codes: dict[str, Record] = dict(state.get("codes", {}))
        self.tokens: dict[str, Record] = dict(state.get("tokens", {}))
        self.refreshes: dict[str, Record] = dict(state.get("refreshes", {}))
        self.settled_at: str | None = state.get("settled_at")  # Brussels time up to which nine o'clocks are dealt with
        self.pending: set[int] = {
            number for number, order in self.orders.items() if "_sent_at" in order and _is_awaited(order)
        }
        self.burned: dict[str, float] = {}  # when each key had its success, by the machine's steady clock

    def world(self) -> Record:
        """The "billit" part of a world that would build this store again, without its orders."""
        return {
            "users": self.users,
            "companies": list(self.companies.values()),
            "products": list(self.products.values()),
            "parties": list(self.parties.values()),
            "kbo": self.kbo,
            "peppol": list(self.peppol.values()),
            "oauth_clients": self.oauth_clients,
        }

    def state(self) -> Record:
        """What a run adds to its world: orders, files, webhooks, used keys, sequences, outbox, lint, tokens."""
        rows: Record = {name: getattr(self, name) for name in _STATE}
        return {**rows, **{name: list(getattr(self, name).values()) for name in ("orders", "files", "webhooks")}}

    def stamp(self) -> str:
        """Now as Billit writes it: Brussels time without a zone, with two to six digits of the second's fraction."""
        return stamp(self.clock.local())

    def warn(self, company_id: int | None, text: str, subject: str = "") -> None:
        """A line of the lint log: what Billit accepts but a careful client would not send."""
        self.lint.append({"at": self.stamp(), "company": company_id, "subject": subject, "warning": text})

    # --- ids --------------------------------------------------------------------------------------------------------

    def next_order_id(self) -> int:
        return max(self.orders, default=FIRST_ORDER - 1) + 1

    def next_party_id(self) -> int:
        return max([*self.parties, *self.companies], default=0) + 1

    def next_product_id(self) -> int:
        return max(self.products, default=0) + 1

    def sequence(self, company_id: int, kind: str, year: int, *, consume: bool) -> str:
        """The next number of a company's sequence, e.g. "2026-0001"; kind is Income-Invoice or Income-CreditNote."""
        key = f"{company_id}:{kind}:{year}"
        following = self.sequences.get(key, 0) + 1
        if consume:
            self.sequences[key] = following
        return f"{year}-{'CN-' if kind.endswith('CreditNote') else ''}{following:04d}"

    def take_back(self, company_id: int, number: str) -> None:
        """Frees a number when it is the last one that its sequence gave."""
        for key, last in self.sequences.items():
            company, kind, year = key.split(":")
            if (
                company == str(company_id)
                and number == f"{year}-{'CN-' if kind.endswith('CreditNote') else ''}{last:04d}"
            ):
                self.sequences[key] = last - 1
                return

    # --- who ----------------------------------------------------------------------------------------------------------

    def user_of(self, email: str) -> Record | None:
        return next((user for user in self.users if str(user["email"]).casefold() == email.strip().casefold()), None)

    def oauth_client(self, client_id: str) -> Record | None:
        return next((row for row in self.oauth_clients if row["client_id"] == client_id), None)

    # --- the company's own ------------------------------------------------------------------------------------------

    def own_parties(self, company_id: int) -> list[Record]:
        return [row for row in self.parties.values() if row["CompanyID"] == company_id]

    def own_products(self, company_id: int) -> list[Record]:
        return [row for row in self.products.values() if row["CompanyID"] == company_id]

    def own_order(self, company_id: int, order_id: int) -> Record | None:
        order = self.orders.get(order_id)
        return order if order and order["CompanyID"] == company_id and not order.get("_deleted") else None

    # --- the control plane ------------------------------------------------------------------------------------------

    def put(self, kind: str, records: Iterable[Record]) -> list[int]:
        """Creates or merges companies, parties or products by id; a row without an id gets the next one."""
        rows: dict[int, Record] = getattr(self, kind)
        name = "ProductID" if kind == "products" else "PartyID"
        ids = []
        for record in records:
            fresh = self.next_product_id() if kind == "products" else self.next_party_id()
            number = int(record.get(name) or fresh)
            row = rows.setdefault(number, {name: number, "Created": self.stamp()})
            row.update({key: value for key, value in record.items() if value is not None})
            for key, value in record.items():
                if value is None:
                    row.pop(key, None)
            row.update({name: number, "LastModified": self.stamp()})
            ids.append(number)
        return ids


def stamp(value: datetime) -> str:
    text = value.replace(tzinfo=None).isoformat(timespec="microseconds")
    head, fraction = text.split(".")
    return f"{head}.{fraction.rstrip('0'):0<2}"
