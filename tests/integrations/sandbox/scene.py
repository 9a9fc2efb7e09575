"""A small world of which every number is known, and clients that speak raw HTTP to the sandbox."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import requests

from integrations.sandbox.http.wire import Record, dumps, loads
from integrations.sandbox.process import Process

NOW = datetime(2026, 10, 15, 10, 0, tzinfo=UTC)
ADMIN, MEMBER = "a" * 32, "b" * 32
KEY, OTHER_KEY = "5ad1c0de-0000-4000-8000-000000000001", "5ad1c0de-0000-4000-8000-000000000002"
VAT, SECOND_VAT, UNKNOWN_VAT = "BE0999000129", "BE0999000228", "BE0999000327"
ENTRY = 4_300_000_001


def small_world() -> Record:
    """Two plans, an admin and a member; two companies of one Billit user, one of another."""
    return {
        "name": "small",
        "now": NOW.isoformat(),
        "toggl": {
            "organizations": [
                {"id": 3001, "name": "Premium", "plan": "premium"},
                {"id": 3002, "name": "Free", "plan": "free"},
            ],
            "users": [
                _person(9001, ADMIN, "Odile Verkansel", [(4001, True), (4002, True)]),
                _person(9002, MEMBER, "Lieke Bremstra", [(4001, False)]),
            ],
            "workspaces": [
                {"id": 4001, "organization_id": 3001, "name": "Office"},
                {"id": 4002, "organization_id": 3002, "name": "Free office"},
            ],
            "clients": [
                {"id": 501, "workspace_id": 4001, "name": f"Mirvelle {VAT}"},
                {"id": 502, "workspace_id": 4001, "name": "Tarvoux", "archived": True},
            ],
            "projects": [
                {"id": 601, "workspace_id": 4001, "client_id": 501, "name": "Accounts", "is_private": True},
                {"id": 602, "workspace_id": 4001, "client_id": None, "name": "Public", "is_private": False},
            ],
            "tags": [{"id": 301, "workspace_id": 4001, "name": "Compta"}],
            "entries": [
                # 22:30 UTC is 00:30 of the 13th in Brussels.
                _entry(0, 9001, 601, "2026-10-12T22:30:00Z", "2026-10-12T23:30:00Z", ["Compta"]),
                _entry(1, 9001, 601, "2026-10-13T08:00:00Z", "2026-10-13T08:50:30Z", ["Compta"]),
                _entry(2, 9002, 601, "2026-10-13T09:00:00Z", "2026-10-13T10:00:00Z", []),
                _entry(3, 9001, 602, "2026-10-14T08:00:00Z", "2026-10-14T09:00:00Z", []),
                _entry(4, 9001, None, "2026-10-15T09:00:00Z", None, []),
            ],
        },
        "billit": {
            "users": [
                {
                    "api_key": KEY,
                    "bearer": "bearer-1",
                    "email": "owner@example.com",
                    "name": "Odile Verkansel",
                    "language": "EN",
                    "companies": [7001, 7002],
                },
                {
                    "api_key": OTHER_KEY,
                    "email": "other@example.com",
                    "name": "Bram Dorvanne",
                    "language": "NL",
                    "companies": [7003],
                },
            ],
            "companies": [
                {"PartyID": 7001, "Name": "First SRL", "VATNumber": "BE0999900150", "CountryCode": "BE"},
                {"PartyID": 7002, "Name": "Second SRL", "VATNumber": "BE0999900249", "CountryCode": "BE"},
                {"PartyID": 7003, "Name": "Third BV", "VATNumber": "BE0999900348", "CountryCode": "BE"},
            ],
            "products": [
                _product(60001, 7001, "ADV", "95.00"),
                _product(60002, 7001, "FIS", "110.00"),
                _product(60003, 7003, "ADV", "80.00"),
            ],
            "parties": [
                _party(88001, 7001, "Mirvelle SRL", VATNumber=VAT, Email="mirvelle@example.com"),
                _party(88002, 7001, "Succession Orvignac", Email="orvignac@example.com"),
                _party(88003, 7001, "Sorvane SRL", VATNumber=SECOND_VAT),
                _party(88101, 7002, "Mirvelle SRL", VATNumber=VAT),
                _party(88201, 7003, "Mirvelle SRL", VATNumber=VAT),
            ],
            "kbo": [
                {
                    "Source": "KBO",
                    "CompanyIdentification": UNKNOWN_VAT[2:],
                    "Name": "Caldrin SComm",
                    "Country": "BE",
                    "Street": "Rue de l'Invention",
                    "Number": "8",
                    "Zipcode": "1000",
                    "City": "Bruxelles",
                },
            ],
            "peppol": [{"number": VAT}],
        },
        "switches": {"toggl_running_in_reports": True},
    }


def _person(identity: int, token: str, name: str, workspaces: list[tuple[int, bool]]) -> Record:
    return {
        "id": identity,
        "token": token,
        "email": f"user{identity}@example.com",
        "fullname": name,
        "timezone": "Europe/Brussels",
        "workspaces": [{"id": number, "admin": admin} for number, admin in workspaces],
    }


def _entry(index: int, user: int, project: int | None, start: str, stop: str | None, tags: list[str]) -> Record:
    return {
        "id": ENTRY + index,
        "workspace_id": 4001,
        "user_id": user,
        "project_id": project,
        "description": f"Work {index}",
        "billable": index != 3,
        "tags": tags,
        "start": start,
        "stop": stop,
    }


def _product(identity: int, company: int, reference: str, price: str) -> Record:
    return {
        "ProductID": identity,
        "CompanyID": company,
        "Reference": reference,
        "Description": f"Product {reference}",
        "AmountExcl": Decimal(price),
        "VAT": Decimal("21.00"),
        "Unit": "HUR",
    }


def _party(identity: int, company: int, name: str, **members: str) -> Record:
    return {"PartyID": identity, "CompanyID": company, "PartyType": "Customer", "Name": name, **members}


def line(quantity: str = "1", price: str = "100", rate: str = "21", **members: Any) -> Record:
    return {
        "Quantity": Decimal(quantity),
        "UnitPriceExcl": Decimal(price),
        "Description": "Conseil",
        "VATPercentage": Decimal(rate),
        "Unit": "HUR",
        **members,
    }


def order(*lines: Record, **members: Any) -> Record:
    """A valid order body for customer 88001 of company 7001; a member None is left out."""
    body: Record = {
        "OrderType": "Invoice",
        "OrderDirection": "Income",
        "OrderDate": "2026-10-15",
        "ExpiryDate": "2026-11-14",
        "CustomerID": 88001,
        "OrderTitle": "Octobre 2026",
        "OrderLines": list(lines) or [line()],
        **members,
    }
    return {name: value for name, value in body.items() if value is not None}


class Toggl:
    """Raw HTTP to the Toggl port; the token may be changed."""

    def __init__(self, process: Process) -> None:
        self.url = process.toggl_url
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str, token: str | None = ADMIN, **query: Any) -> requests.Response:
        auth = (token, "api_token") if token is not None else None
        return self.session.get(f"{self.url}/api/v9{path}", params=query, auth=auth, timeout=10)

    def call(
        self, method: str, path: str, body: Any = None, token: str = ADMIN, base: str = "/api/v9", **query: Any
    ) -> requests.Response:
        """Any method; `base` is /api/v9 or /webhooks/api/v1."""
        url, auth = f"{self.url}{base}{path}", (token, "api_token")
        return self.session.request(method, url, params=query, json=body, auth=auth, timeout=10)

    def search(self, token: str = ADMIN, workspace: int = 4001, path: str = "", **body: Any) -> requests.Response:
        url = f"{self.url}/reports/api/v3/workspace/{workspace}/search/time_entries{path}"
        return self.session.post(url, json=body, auth=(token, "api_token"), timeout=10)


class Billit:
    """Raw HTTP to the Billit port, as one user in one company."""

    def __init__(self, process: Process, key: str = KEY, party: int | None = 7001) -> None:
        self.url = process.billit_url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["ApiKey"] = key
        if party is not None:
            self.session.headers["PartyID"] = str(party)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        data = None if body is None else dumps(body)
        sent = {
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.session.request(method, f"{self.url}/v1{path}", data=data, headers=sent, timeout=10)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.session.get(f"{self.url}/v1{path}", params=query, timeout=10)

    def create(self, *lines: Record, **members: Any) -> int:
        answer = self.call("POST", "/orders", order(*lines, **members))
        assert answer.status_code == 200, answer.text
        return int(answer.json())

    def order(self, identity: int) -> Record:
        answer = self.get(f"/orders/{identity}")
        assert answer.status_code == 200, answer.text
        found: Record = loads(answer.content)
        return found

    def send(self, *ids: int, transport: str | None = "Peppol", **headers: str) -> requests.Response:
        body: Record = {"OrderIDs": list(ids)}
        if transport is not None:
            body["TransportType"] = transport
        return self.call("POST", "/orders/commands/send", body, **headers)


def codes(answer: requests.Response) -> list[str]:
    """The codes of a Billit refusal."""
    return [error["Code"] for error in answer.json()["errors"]]
