"""The menus of the control page: where faults strike, and in which words."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.sandbox.http.wire import Record
from integrations.sandbox.page.words import tr


@dataclass(frozen=True, slots=True)
class Place:
    """Requests that a fault can meet."""

    service: str
    what: str
    meets: Record

    @property
    def label(self) -> str:
        """In the language of the visitor."""
        return f"{self.service}: {tr(self.what)}" if self.service else tr(self.what)


def _billit(what: str, method: str, path: str) -> Place:
    return Place("Billit", what, {"service": "billit", "method": method, "path": path})


def _toggl(what: str, method: str, path: str) -> Place:
    return Place("Toggl", what, {"service": "toggl", "method": method, "path": path})


PLACES: dict[str, Place] = {
    "billit_post": _billit("an order is created", "POST", "^/v1/orders/?$"),
    "billit_send": _billit("an order is sent", "POST", "/commands/send"),
    "billit_find": _billit("orders are looked up", "GET", "^/v1/orders(/deleted)?/?$"),
    "billit_read": _billit("one order is read", "GET", r"^/v1/orders/\d+"),
    "billit_delete": _billit("an order is deleted", "DELETE", r"^/v1/orders/\d+"),
    "billit_parties": _billit("customers are looked up", "GET", "^/v1/parties"),
    "billit_products": _billit("products are read", "GET", "^/v1/products"),
    "billit_token": _billit("a token is given or refreshed", "POST", "^/OAuth2/token"),
    "billit_all": Place("Billit", "everything", {"service": "billit"}),
    "toggl_report": _toggl("a report is read", "POST", "/search/time_entries$"),
    "toggl_totals": _toggl("totals are read", "POST", "/time_entries/totals$"),
    "toggl_clients": _toggl("clients are read", "GET", "/clients$"),
    "toggl_projects": _toggl("projects are read", "GET", "/projects$"),
    "toggl_me": _toggl("the account is read", "GET", "/api/v9/me"),
    "toggl_all": Place("Toggl", "everything", {"service": "toggl"}),
    "all": Place("", "both services, everything", {}),
}

FREQUENCIES: dict[str, str] = {
    "next": "the next ones, as many as the number",
    "nth": "only the one of that number from now",
    "chance": "that many in a hundred, by chance",
    "always": "every one",
}
