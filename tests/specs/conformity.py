"""Whether a request and its answer are what the vendor's specification says; each difference is a finding."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import jsonschema_rs

from tests.specs.known_faults import FAULTS, INSTEAD, Fault
from tests.specs.swagger import Operation, Parameter, Record, matching

OURS = "toggbill"
"""How the User-Agent of our clients begins; the sandbox's own tests ask nonsense on purpose."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One difference. `place` is such as "body.OrderLines.*.Unit" or "query.since"; `detail` is for a person."""

    operation: str
    side: Literal["request", "answer"]
    place: str
    kind: str
    detail: str


def recorded(folder: Path) -> Iterator[Record]:
    """The lines of all recordings in a folder (see integrations.sandbox.http.recorder)."""
    for file in sorted(folder.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                row: Record = json.loads(line)
                yield _sound(row) if "\\ud" in line.lower() else row


def _sound(value: Any) -> Any:
    """The same value without halves of surrogate pairs, which a test may well send and no validator can read."""
    if isinstance(value, dict):
        return {_sound(name): _sound(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_sound(inner) for inner in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def ours(row: Record) -> bool:
    return str(row["headers"].get("user-agent", "")).startswith(OURS)


def operation_of(row: Record) -> Operation | None:
    found = matching(row["service"], row["path"])
    return next((operation for operation in found if operation.method == row["method"]), None)


def findings(row: Record) -> Iterator[Finding]:
    """The differences of one recorded request, if it is ours, and of its answer."""
    operation = operation_of(row)
    if operation is None:
        if ours(row):
            what = "method" if any(matching(row["service"], row["path"])) else "path"
            name = f"{row['method']} {row['path']}"
            yield Finding(name, "request", what, f"undeclared {what}", f"the specification has no {name}")
        return
    if ours(row):
        yield from _of_request(operation, row)
    # What a test scripted is its own doing, and a 5xx is nobody's promise.
    if row["status"] is not None and row["status"] < 500 and row["fault"] is None:
        yield from _of_answer(operation, row)


def _of_request(operation: Operation, row: Record) -> Iterator[Finding]:
    for parameter, text in zip(_named(operation, "path"), _path_values(operation, row["path"]), strict=True):
        yield from _of_text(operation, parameter, f"path.{parameter.name}", text)
    yield from _of_query(operation, row["query"])
    body = operation.body
    if body is None:
        if row["body"] is not None:
            yield Finding(operation.name, "request", "body", "undeclared body", "the specification takes no body")
    elif row["body"] is None:
        if body.required:
            yield Finding(operation.name, "request", "body", "required", "the body is missing")
    else:
        kind = row["headers"].get("content-type", "")
        if not kind.startswith("application/json"):
            yield Finding(operation.name, "request", "headers.content-type", "not JSON", f"it is {kind!r}")
        yield from _of_value(operation, "request", "body", body.schema, row["body"])


def _of_query(operation: Operation, query: Record) -> Iterator[Finding]:
    declared = {parameter.name: parameter for parameter in _named(operation, "query")}
    forms = {parameter.name: parameter for parameter in _named(operation, "formData")}
    for name, text in query.items():
        place = f"query.{name}"
        if name in declared:
            yield from _of_text(operation, declared[name], place, text)
        elif name in forms:
            yield Finding(operation.name, "request", place, "formData", "it is declared as a field of a form")
            yield from _of_text(operation, forms[name], place, text)
        else:
            yield Finding(operation.name, "request", place, "undeclared parameter", f"{name}={text[:60]}")
    for name, parameter in {**forms, **declared}.items():
        if parameter.required and name not in query:
            yield Finding(operation.name, "request", f"query.{name}", "required", "it is missing")


def _path_values(operation: Operation, path: str) -> tuple[str, ...]:
    match = operation.path.fullmatch(path)
    assert match is not None, path
    return match.groups()


def _named(operation: Operation, where: str) -> list[Parameter]:
    """The parameters of one place; those of the path in the order in which it names them."""
    found = [parameter for parameter in operation.parameters if parameter.where == where]
    if where == "path":
        names = re.findall(r"\{([^}]*)\}", operation.name)
        by_name = {parameter.name: parameter for parameter in found}
        return [by_name.get(name, Parameter(name, "path", True, {"type": "string"})) for name in names]
    return found


def _of_text(operation: Operation, parameter: Parameter, place: str, text: str) -> Iterator[Finding]:
    yield from _of_value(operation, "request", place, parameter.schema, _typed(parameter.schema, text))


def _typed(schema: Record, text: str) -> Any:
    """The text of a path or a query as the type that is declared for it; itself when it cannot be one."""
    if schema.get("type") == "array":
        return [_typed(schema.get("items", {}), part) for part in text.split(",")]
    if schema.get("type") == "boolean" and text in {"true", "false"}:
        return text == "true"
    if schema.get("type") == "integer" and re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    if schema.get("type") == "number" and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        return float(text)
    return text


def _of_answer(operation: Operation, row: Record) -> Iterator[Finding]:
    status, body = str(row["status"]), row["answer"]
    if status not in operation.answers:
        yield Finding(operation.name, "answer", f"status {status}", "undeclared status", f"HTTP {status}")
        return
    schema = operation.answers[status]
    place = "body" if status.startswith("2") else f"body of {status}"
    kind = row["answer_headers"].get("content-type", "")
    if body is None and schema is not None and kind == "":
        yield Finding(operation.name, "answer", place, "empty", "the answer has no body")
    elif body is not None and not kind.startswith("application/json"):
        yield Finding(operation.name, "answer", place, "not JSON", f"it is {kind!r}")
    elif body is not None and schema is None:
        if status.startswith("2"):
            yield Finding(operation.name, "answer", place, "undeclared body", json.dumps(body)[:60])
    elif schema is not None:
        differences = list(_of_value(operation, "answer", place, schema, body))
        yield from differences
        instead = INSTEAD.get((operation.name, status))
        if differences and instead is not None:
            yield from _of_value(operation, "answer", place, instead, body)


def _of_value(
    operation: Operation, side: Literal["request", "answer"], place: str, schema: Record, value: Any
) -> Iterator[Finding]:
    for error in operation.file.faults(schema, value):
        for where, kind, detail in _read(error):
            yield Finding(operation.name, side, ".".join([place, *where]), kind, detail)


def _read(error: jsonschema_rs.ValidationError) -> Iterator[tuple[list[str], str, str]]:
    """Place, kind and words of one error of the validator; indices are written *, so that rows count as one."""
    where = ["*" if isinstance(step, int) else str(step) for step in error.instance_path]
    keyword = str(error.schema_path[-1]) if error.schema_path else "schema"
    # A whole list or object would drown its own fault.
    words = error.message.rpartition(" is not of type ")
    shown = type(error.instance).__name__ + words[1] + words[2] if isinstance(error.instance, dict | list) else ""
    detail = shown if words[1] and shown else error.message[:150]
    if keyword == "additionalProperties":
        for name in re.findall(r"'([^']*)'", error.message):
            yield [*where, name], "undeclared member", detail
    elif error.instance is None:
        yield where, "null", detail
    else:
        yield where, keyword, detail


def gathered(rows: Iterable[Record]) -> dict[Finding, int]:
    """Each finding with its count; of findings that differ in the figures of their words only, the first stands."""
    found: dict[Finding, tuple[Finding, int]] = {}
    for row in rows:
        for finding in findings(row):
            key = replace(finding, detail=_shape(finding))
            first, count = found.get(key, (finding, 0))
            found[key] = first, count + 1
    return dict(sorted(found.values()))


def _shape(finding: Finding) -> str:
    """The words with every figure as 0; only where they tell which form a text has, or which values are wrong."""
    return re.sub(r"[0-9]", "0", finding.detail) if finding.kind in {"format", "type"} else ""


def excusing(finding: Finding) -> list[tuple[Fault, str]]:
    """The known faults of the specification that a finding is, each with its place."""
    shape = re.sub(r"[0-9]", "0", finding.detail)
    return [
        (fault, place)
        for fault in FAULTS
        for place in fault.places
        if fault.meets(
            place,
            operation=finding.operation,
            side=finding.side,
            at=finding.place,
            kind=finding.kind,
            detail=shape,
        )
    ]
