"""What people do in the two services themselves, for the control plane's JSON and its page alike."""

from __future__ import annotations

from datetime import datetime

from integrations.sandbox.billit.rules.amounts import ZERO
from integrations.sandbox.http.wire import Record
from integrations.sandbox.server import Sandbox
from integrations.sandbox.toggl.events import Cause, changes_of
from integrations.sandbox.toggl.quota import PLAN_LIMITS, USER_LIMIT

_TOLD = frozenset({"clients", "projects", "tags"})


def set_clock(sandbox: Sandbox, now: datetime | None) -> None:
    """A fixed moment, None for the real clock; what falls due on the way is done."""
    sandbox.billit.settle()
    sandbox.clock.fixed = now
    sandbox.billit.settle()


def set_plan(sandbox: Sandbox, organization: int, plan: str) -> None:
    """Raises ValueError for an unknown plan, KeyError for an unknown organisation."""
    if plan not in PLAN_LIMITS:
        raise ValueError(f"The plans are {', '.join(PLAN_LIMITS)}, not {plan!r}.")
    sandbox.toggl.store.organizations[organization]["plan"] = plan


def quotas(sandbox: Sandbox) -> list[Record]:
    """Every person's budgets, the person's own ("organization" None) first."""
    rows: list[Record] = []
    store, now = sandbox.toggl.store, sandbox.clock.now()
    for user in store.users.values():
        organizations = {store.workspaces[row["id"]]["organization_id"] for row in user.get("workspaces", [])}
        for organization in (None, *sorted(organizations)):
            total = USER_LIMIT if organization is None else PLAN_LIMITS[store.plan(organization)]
            window = sandbox.toggl.quota.window((user["id"], organization), total)
            rows.append(
                {
                    "user": user["id"],
                    "name": user["fullname"],
                    "organization": organization,
                    "total": total,
                    "remaining": window.remaining if window else total,
                    "resets_in": round((window.closes - now).total_seconds()) if window else None,
                }
            )
    return rows


# --- somebody in Billit ---------------------------------------------------------------------------------------------


def change_order(sandbox: Sandbox, identity: int, changes: Record) -> None:
    """Merges fields into an order as a person in My Billit could; "Deleted" deletes it or brings it back.
    Raises KeyError for an unknown order."""
    order = sandbox.billit.store.orders[identity]
    changes = dict(changes)
    deleted = changes.pop("Deleted", None)
    order.update(changes)
    order["LastModified"] = sandbox.billit.store.stamp()
    if deleted is not None:
        order["_deleted"] = bool(deleted)
    sandbox.billit.notices.order(order, "D" if deleted else "U")


def mark_paid(sandbox: Sandbox, identity: int) -> None:
    stamp = sandbox.billit.store.stamp()
    change_order(sandbox, identity, {"Paid": True, "PaidDate": stamp, "OrderStatus": "Paid", "ToPay": ZERO})


def finish_draft(sandbox: Sandbox, identity: int) -> None:
    """Gives a draft of the user interface its number: it is an invoice then, not sent yet."""
    order, store = sandbox.billit.store.orders[identity], sandbox.billit.store
    if order["OrderStatus"] != "Draft":
        raise ValueError(f"The order {identity} is no draft.")
    kind = "Income-CreditNote" if order["OrderType"] == "CreditNote" else "Income-Invoice"
    number = order.get("OrderNumber") or store.sequence(
        order["CompanyID"], kind, int(order["OrderDate"][:4]), consume=True
    )
    change_order(sandbox, identity, {"OrderStatus": "ToSend", "OrderNumber": number})


# --- somebody in Toggl ----------------------------------------------------------------------------------------------


def put_toggl(sandbox: Sandbox, kind: str, rows: list[Record]) -> list[int]:
    """Merges rows by id; gives their ids."""
    toggl = sandbox.toggl
    if kind not in _TOLD:
        return toggl.store.put(kind, rows)
    return changes_of(toggl.store, toggl.events, kind, rows, Cause(None, "POST", f"/{kind}"))


def put_entries(sandbox: Sandbox, rows: list[Record]) -> list[int]:
    """Creates entries or merges fields by id, each in its owner's name; gives their ids."""
    store, events = sandbox.toggl.store, sandbox.toggl.events
    known = [row.get("id") in store.entries for row in rows]
    ids = store.put_entries(rows)
    if not store.subscriptions:
        return ids
    for number, old in zip(ids, known, strict=True):
        cause = Cause(None, "PUT" if old else "POST", "/time_entries")
        events.entry("updated" if old else "created", store.entries[number], cause)
    return ids


def delete_entries(sandbox: Sandbox, ids: list[int]) -> list[int]:
    gone = sandbox.toggl.store.delete_entries(ids)
    for number in gone:
        cause = Cause(None, "DELETE", f"/time_entries/{number}")
        sandbox.toggl.events.entry("deleted", sandbox.toggl.store.entries[number], cause)
    return gone
