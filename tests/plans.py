"""What PostgreSQL does for a query: the rows that it reads, and the tables that it reads from end to end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext


@dataclass(frozen=True)
class Plan:
    """``read``: rows taken from tables and indexes, those that were put aside among them; 0 for what writes, which is
    only looked at. ``whole``: the tables that are read from end to end."""

    sql: str
    read: int
    whole: frozenset[str]


def plans_of(work: Callable[[], object]) -> list[Plan]:
    """The plan of each query that ``work`` asks."""
    with CaptureQueriesContext(connection) as queries:
        work()
    return [plan_of(query["sql"]) for query in queries.captured_queries if _is_planned(query["sql"])]


def plan_of(sql: str) -> Plan:
    """Let PostgreSQL say how it answers; what only reads is asked anew for it."""
    reads = sql.lstrip("( ").startswith("SELECT")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({'ANALYZE, TIMING OFF, ' if reads else ''}FORMAT JSON) {sql}")
        ((found,),) = cursor.fetchall()
    root: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    nodes = [node for node in _nodes(root) if "Scan" in node["Node Type"]]
    whole = frozenset(node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan")
    return Plan(sql, sum(map(_read, nodes)) if reads else 0, whole)


def _is_planned(sql: str) -> bool:
    return sql.lstrip("( ").startswith(("SELECT", "UPDATE", "DELETE", "INSERT"))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def _read(node: dict[str, Any]) -> int:
    aside = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int(node["Actual Loops"] * (node["Actual Rows"] + aside))
