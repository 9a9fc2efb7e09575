"""That a request or an answer of another shape than the specification's is found: each case differs in one thing."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.specs.conformity import excusing, findings, gathered
from tests.specs.swagger import Record

pytestmark = pytest.mark.usefixtures("specifications")

ORDER = {
    "OrderType": "Invoice",
    "OrderDirection": "Income",
    "OrderDate": "2026-10-31",
    "ExpiryDate": "2026-11-30",
    "CustomerID": 80011,
    "OrderLines": [{"Quantity": 1.5, "UnitPriceExcl": 95, "Description": "Advice", "VATPercentage": 21, "Unit": "HUR"}],
}


def exchange(method: str, path: str, **changes: Any) -> Record:
    """A recorded request of ours that Billit's side answered with an empty 200."""
    row: Record = {
        "service": "billit",
        "method": method,
        "path": path,
        "query": {},
        "headers": {"user-agent": "toggbill (test)", "content-type": "application/json"},
        "body": None,
        "status": 200,
        "answer": None,
        "answer_headers": {"content-type": "application/json; charset=utf-8"},
        "fault": None,
    }
    return row | changes


def new_order(**changes: Any) -> Record:
    return exchange("POST", "/v1/orders", body=copy.deepcopy(ORDER) | changes, answer=4711)


def found(row: Record) -> list[tuple[str, str, str]]:
    """Side, place and kind of each finding that no known fault excuses."""
    return [(one.side, one.place, one.kind) for one in gathered([row]) if not excusing(one)]


def test_a_sound_order_has_only_known_faults() -> None:
    assert found(new_order()) == []
    assert {(one.place, one.kind) for one in findings(new_order())} == {
        ("body.OrderDate", "format"),
        ("body.ExpiryDate", "format"),
    }


@pytest.mark.parametrize(
    ("changes", "place", "kind"),
    [
        ({"OrderTitel": "Octobre"}, "body.OrderTitel", "undeclared member"),
        ({"CustomerID": "80011"}, "body.CustomerID", "type"),
        ({"CustomerID": 2**31}, "body.CustomerID", "maximum"),
        ({"Reference": None}, "body.Reference", "null"),
        ({"OrderDate": "31/10/2026"}, "body.OrderDate", "format"),
        ({"OrderLines": [{"Qty": 1}]}, "body.OrderLines.*.Qty", "undeclared member"),
        ({"OrderLines": {}}, "body.OrderLines", "type"),
    ],
)
def test_a_wrong_order_is_found(changes: dict[str, Any], place: str, kind: str) -> None:
    assert found(new_order(**changes)) == [("request", place, kind)]


@pytest.mark.parametrize(
    ("row", "place", "kind"),
    [
        (exchange("POST", "/v1/orders", answer=1), "body", "required"),
        (
            exchange("GET", "/v1/orders/deleted", query={"top": "5"}, answer={"Items": []}),
            "query.top",
            "undeclared parameter",
        ),
        (exchange("DELETE", "/v1/orders/ten", answer=True), "path.orderID", "type"),
        (exchange("DELETE", "/v1/orders/10", answer=True, body={}), "body", "undeclared body"),
        (exchange("GET", "/v1/invoices"), "path", "undeclared path"),
        (exchange("PUT", "/v1/orders"), "method", "undeclared method"),
    ],
)
def test_a_wrong_request_is_found(row: Record, place: str, kind: str) -> None:
    assert found(row) == [("request", place, kind)]


def test_a_body_that_is_not_announced_as_json_is_found() -> None:
    row = new_order()
    row["headers"] = {"user-agent": "toggbill"}
    assert found(row) == [("request", "headers.content-type", "not JSON")]


@pytest.mark.parametrize(
    ("changes", "place", "kind"),
    [
        ({"answer": "4711"}, "body", "type"),
        ({"answer": {"OrderID": 1}}, "body", "type"),
        ({"answer": None, "answer_headers": {}}, "body", "empty"),
        ({"answer": "<html>", "answer_headers": {"content-type": "text/html"}}, "body", "not JSON"),
        ({"status": 201}, "status 201", "undeclared status"),
    ],
)
def test_a_wrong_answer_is_found(changes: dict[str, Any], place: str, kind: str) -> None:
    assert found(new_order() | changes) == [("answer", place, kind)]


def test_only_our_own_requests_are_judged_but_every_answer() -> None:
    row = new_order(Nonsense=1) | {"headers": {"user-agent": "python-requests"}, "answer": "x"}
    assert found(row) == [("answer", "body", "type")]


@pytest.mark.parametrize("changes", [{"status": None}, {"status": 503}, {"fault": "status", "status": 418}])
def test_what_a_test_scripted_is_not_judged(changes: dict[str, Any]) -> None:
    assert found(new_order() | {"answer": "x"} | changes) == []


def test_a_report_is_held_to_the_row_that_the_file_defines() -> None:
    path = "/reports/api/v3/workspace/4001/search/time_entries"
    body = {"start_date": "2026-10-01"}
    row = exchange("POST", path, service="toggl", body=body, answer=[{"user_id": 9001, "time_entries": [{"id": 1}]}])
    assert found(row) == []
    row["answer"] = [{"user_id": "9001", "time_entries": [{"ident": 1}]}]
    assert found(row) == [
        ("answer", "body.*.time_entries.*.ident", "undeclared member"),
        ("answer", "body.*.user_id", "type"),
    ]
