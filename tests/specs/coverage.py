"""Which method of our clients makes which request: so that no method escapes the specifications."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from urllib.parse import unquote_plus

from integrations.clients import billit, subscriptions, toggl
from tests.specs.conformity import operation_of, ours
from tests.specs.swagger import Record

_REPORT = "POST /reports/api/v3/workspace/{workspace_id}/search/time_entries"
# The operation, and what its query holds that tells one method from another.
REQUESTS: dict[str, tuple[str, str]] = {
    "toggl.Api.me": ("GET /api/v9/me", ""),
    "toggl.Api.workspaces": ("GET /api/v9/me/workspaces", ""),
    "toggl.Api.plans": ("GET /api/v9/me/organizations", ""),
    "toggl.Api.clients": ("GET /api/v9/workspaces/{workspace_id}/clients", ""),
    "toggl.Api.tags": ("GET /api/v9/workspaces/{workspace_id}/tags", ""),
    "toggl.Api.tag_entries": ("PATCH /api/v9/workspaces/{workspace_id}/time_entries/{time_entry_ids}", ""),
    "toggl.Api.projects": ("GET /api/v9/workspaces/{workspace_id}/projects", ""),
    "toggl.Api.entries": (_REPORT, ""),
    "toggl.Api.total_seconds": (f"{_REPORT}/totals", ""),
    "billit.account": ("GET /v1/account/accountInformation", ""),
    "billit.Api.products": ("GET /v1/products", ""),
    "billit.Api.customers": ("GET /v1/parties", r"^\$filter=PartyType eq 'Customer'$"),
    "billit.Api.find_customers": ("GET /v1/parties", "VATNumber eq"),
    "billit.Api.search_companies": ("GET /v1/misc/companysearch/{Keywords}", ""),
    "billit.Api.participant": ("GET /v1/peppol/participantInformation/{VATorCBE}", ""),
    "billit.Api.company": ("GET /v1/account/accountInformation", ""),
    "billit.Api.order": ("GET /v1/orders/{orderID}", ""),
    "billit.Api.whole_order": ("GET /v1/orders/{orderID}", ""),
    "billit.Api.orders_to": ("GET /v1/orders", "CounterParty/PartyID eq"),
    "billit.Api.orders_by_id": ("GET /v1/orders", "OrderID eq"),
    "billit.Api.find_orders": ("GET /v1/orders", "ExternalProviderID eq"),
    "billit.Api.find_deleted_orders": ("GET /v1/orders/deleted", "ExternalProviderID eq"),
    "billit.Api.orders_with": ("GET /v1/orders", "ExternalProviderID eq .* or "),
    "billit.Api.orders_between": ("GET /v1/orders", "OrderID ge .* and OrderID le"),
    "billit.Api.orders_with_prefix": ("GET /v1/orders", "ExternalProviderID ge"),
    "billit.Api.create_order": ("POST /v1/orders", ""),
    "billit.Api.send_order": ("POST /v1/orders/commands/send", ""),
    "billit.Api.delete_order": ("DELETE /v1/orders/{orderID}", ""),
    "billit_sign_in.by_code": ("POST /OAuth2/token", "grant_type=authorization_code"),
    "billit_sign_in.renew": ("POST /OAuth2/token", "grant_type=refresh_token"),
    "billit_sign_in.revoke": ("POST /OAuth2/revoke", ""),
    "subscriptions.subscribe_to_entries": ("POST /webhooks/api/v1/subscriptions/{workspace_id}", ""),
    "subscriptions.entry_subscriptions": ("GET /webhooks/api/v1/subscriptions/{workspace_id}", ""),
    "subscriptions.end_entry_subscription": (
        "DELETE /webhooks/api/v1/subscriptions/{workspace_id}/{subscription_id}",
        "",
    ),
    "subscriptions.subscribe_to_orders": ("POST /v1/webhooks", ""),
    "subscriptions.order_subscriptions": ("GET /v1/webhooks", ""),
    "subscriptions.end_order_subscription": ("DELETE /v1/webhooks/{webhookID}", ""),
}
SIGN_IN = {name for name in REQUESTS if name.startswith("billit_sign_in.")}
"""What the short journey leaves out: it takes a person at a browser, whom the tests of the sign-in play."""
SUBSCRIPTIONS = {name for name in REQUESTS if name.startswith("subscriptions.")}
"""The same: the services must reach the site, which the tests of the webhooks start."""
OF_AGREEMENTS = {"billit.Api.orders_to", "billit.Api.orders_by_id"}
"""The same: orders that Billit made by itself are brought in by a person."""
TAGS = {"toggl.Api.tag_entries"}
"""The same: no tag is written unless a dossier names one."""
# What sends nothing.
_SILENT = {"calls", "close", "transport"}


def methods() -> set[str]:
    """Everything by which our clients ask a service."""
    found = {
        f"{module.__name__.rpartition('.')[2]}.Api.{name}"
        for module in (toggl, billit)
        for name, _ in inspect.getmembers(module.Api)
        if not name.startswith("_") and name not in _SILENT
    }
    told = {
        f"subscriptions.{name}"
        for name, member in inspect.getmembers(subscriptions, inspect.isfunction)
        if member.__module__ == subscriptions.__name__ and not name.startswith("_")
    }
    return found | told | {"billit.account"} | SIGN_IN


def unseen(rows: Iterable[Record]) -> set[str]:
    """The methods of which no request of ours was recorded."""
    asked: set[str] = set()
    for row in rows:
        operation = operation_of(row) if ours(row) else None
        if operation is not None:
            body = row["body"] if isinstance(row["body"], dict) else {}
            told = {**row["query"], "grant_type": body.get("grant_type")}
            query = "&".join(f"{name}={unquote_plus(str(text))}" for name, text in told.items() if text is not None)
            asked.update(
                method
                for method, (name, held) in REQUESTS.items()
                if name == operation.name and re.search(held, query) is not None
            )
    return set(REQUESTS) - asked
