"""A small client of the control plane, for tests, the demo and the measurements."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from integrations.sandbox.http.clock import moment
from integrations.sandbox.http.wire import Record, dumps, loads

# Proxies of the environment are never asked for an address on loopback.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ControlError(Exception):
    """The control plane refused; the text says why."""


class Remote:
    """Speaks to the control plane at `url`. Every method raises ControlError when the sandbox refuses."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def _call(self, method: str, path: str, body: object = None, **query: object) -> Any:
        given = {name: value for name, value in query.items() if value is not None}
        address = f"{self.url}{path}" + (f"?{urlencode(given)}" if given else "")
        # The address is the sandbox's own, always http on loopback.
        request = urllib.request.Request(  # noqa: S310 - http on loopback
            address,
            data=None if method == "GET" else dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with _OPENER.open(request, timeout=30) as answer:
                return loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise ControlError(loads(error.read())["error"]) from None

    # --- the scene --------------------------------------------------------------------------------------------------

    def load(self, world: str | Record, now: datetime | None = None) -> str:
        """Replaces the world by a name or a whole one, at a fixed moment if given; gives its onboarding file."""
        if isinstance(world, str):
            body: Record = {"name": world}
        else:
            body = dict(world)
        if now is not None:
            body["now"] = now.isoformat()
        return str(self._call("POST", "/world", body)["onboarding"])

    def world(self) -> Record:
        world: Record = self._call("GET", "/world")
        return world

    def clock(self, now: datetime | None) -> None:
        """A fixed moment (aware), None for the real clock."""
        self._call("POST", "/clock", {"now": now.isoformat() if now else None})

    def switch(self, **values: object) -> None:
        self._call("POST", "/switches", values)

    def faults(self, *faults: Record) -> None:
        """Replaces the scripted faults; without any there are none."""
        self._call("POST", "/faults", list(faults))

    def switches(self) -> Record:
        values: Record = self._call("GET", "/switches")
        return values

    def faults_told(self) -> list[Record]:
        """The scripted faults with how often each was met ("seen") and fired."""
        rows: list[Record] = self._call("GET", "/faults")["faults"]
        return rows

    # --- behind the scene -------------------------------------------------------------------------------------------

    def log(self, service: str | None = None) -> list[Record]:
        rows: list[Record] = self._call("GET", "/log", service=service)
        return rows

    def clear_log(self) -> None:
        self._call("DELETE", "/log")

    def deliveries(self, service: str | None = None, *, settled: float = 5.0) -> list[Record]:
        """Webhooks and pings with their attempts, once all that are due are made; waits at most `settled` seconds."""
        end = time.monotonic() + settled
        while True:
            rows: list[Record] = self._call("GET", "/deliveries", service=service)
            now = self._call("GET", "/clock")["now"]
            due = [row for row in rows if row["due"] is not None and moment(row["due"]) <= moment(now)]
            if not due or time.monotonic() > end:
                return rows
            time.sleep(0.02)

    def lint(self) -> list[Record]:
        rows: list[Record] = self._call("GET", "/lint")
        return rows

    # --- Toggl ------------------------------------------------------------------------------------------------------

    def quota(self, organization: int | None, *, remaining: int, resets_in: int) -> None:
        """Sets the bucket of an organisation, or of the user (None), for every user; `resets_in` in seconds."""
        self._call("POST", "/quota", {"organization": organization, "remaining": remaining, "resets_in": resets_in})

    def quotas(self) -> list[Record]:
        """Every person's budgets; "organization" None is the person's own."""
        rows: list[Record] = self._call("GET", "/quota")
        return rows

    def plan(self, organization: int, plan: str) -> None:
        self._call("POST", "/plan", {"organization": organization, "plan": plan})

    def put_entries(self, *entries: Record) -> list[int]:
        """Creates entries or merges fields into those with the same id; gives their ids."""
        return self._ids("/toggl/entries", entries)

    def delete_entries(self, *ids: int) -> list[int]:
        gone: list[int] = self._call("DELETE", "/toggl/entries", {"ids": ids})["ids"]
        return gone

    def put_toggl(self, kind: str, *rows: Record) -> list[int]:
        """Rows of clients, projects, tags, users, workspaces or organizations, merged by id."""
        return self._ids(f"/toggl/{kind}", rows)

    # --- Billit -----------------------------------------------------------------------------------------------------

    def orders(self, party: int | None = None) -> list[Record]:
        """Full orders of a company, or of all, deleted ones too ("Deleted": true)."""
        rows: list[Record] = self._call("GET", "/orders", party=party)
        return rows

    def change_order(self, order_id: int, **changes: object) -> None:
        """What a person changes in My Billit by hand."""
        self._call("POST", f"/orders/{order_id}", changes)

    def outbox(self) -> list[Record]:
        rows: list[Record] = self._call("GET", "/outbox")
        return rows

    def put_billit(self, kind: str, *rows: Record) -> list[int]:
        """Rows of companies, products or parties, merged by id; a value None takes a member away."""
        return self._ids(f"/billit/{kind}", rows)

    def put_drafts(self, *rows: Record) -> list[int]:
        """Drafts as My Billit saves them: order bodies, each with its "CompanyID"; gives their OrderIDs."""
        return self._ids("/billit/drafts", rows)

    def put_oauth_clients(self, *rows: Record) -> None:
        self._call("POST", "/billit/oauth_clients", rows)

    def expire_tokens(self) -> None:
        """Every access token of OAuth is past its hour now."""
        self._call("POST", "/billit/expire_tokens")

    def put_peppol(self, *rows: Record) -> None:
        self._call("POST", "/billit/peppol", rows)

    def _ids(self, path: str, rows: Iterable[Record]) -> list[int]:
        ids: list[int] = self._call("POST", path, list(rows))["ids"]
        return ids
