"""The vendors' Swagger 2.0 files, as schemas that a validator takes and operations that a request is found by.

The files are the vendors' property and no part of toggbill. They are looked for in the folder `SPECS_DIR`, without it
in ../shared/reference/specs beside the checkout; where they are absent, whoever needs them says so and is skipped.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

Record = dict[str, Any]

_ROOT = Path(__file__).resolve().parents[2]
# What stands before the paths of a file, where the file itself does not say it.
FILES = {
    "toggl-track-v9.swagger.json": ("toggl", ""),
    "toggl-reports-v3.swagger.json": ("toggl", ""),
    "toggl-webhooks-v1.swagger.json": ("toggl", "/webhooks/api/v1"),
    "billit-v1.swagger.json": ("billit", ""),
}
_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
_BOUNDS = {"int32": 31, "int64": 63}
_COMPARED = ("type", "enum", "format", "items", "minimum", "maximum", "minLength", "maxLength", "pattern")


def folder() -> Path:
    return Path(os.environ.get("SPECS_DIR") or _ROOT.parent / "shared" / "reference" / "specs")


def absent() -> str:
    """Why the specifications cannot be read, "" when they can."""
    missing = [name for name in FILES if not (folder() / name).is_file()]
    if not missing:
        return ""
    return f"the vendors' specifications {', '.join(missing)} are not in {folder()}; SPECS_DIR names another folder"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter; `where` is path, query, header, formData or body."""

    name: str
    where: str
    required: bool
    schema: Record


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `name` is such as "GET /api/v9/me"; `answers` holds a schema, or None, by status."""

    service: str
    name: str
    method: str
    path: re.Pattern[str]
    literal: int
    parameters: tuple[Parameter, ...]
    answers: dict[str, Record | None]
    file: Specification = field(repr=False)

    @property
    def body(self) -> Parameter | None:
        return next((parameter for parameter in self.parameters if parameter.where == "body"), None)


class Specification:
    """One file, with its definitions converted once."""

    def __init__(self, path: Path, service: str, prefix: str) -> None:
        source: Record = json.loads(path.read_text(encoding="utf-8"))
        self.service = service
        self.definitions: Record = {name: converted(schema) for name, schema in source.get("definitions", {}).items()}
        self._validators: dict[str, jsonschema_rs.Draft4Validator] = {}
        before = prefix or source.get("basePath", "").rstrip("/")
        self.operations = [
            self._operation(before + path, method, declared)
            for path, methods in source["paths"].items()
            for method, declared in methods.items()
            if method in _METHODS
        ]

    def _operation(self, path: str, method: str, declared: Record) -> Operation:
        pieces = re.split(r"\{[^}]*\}", path)
        return Operation(
            service=self.service,
            name=f"{method.upper()} {path}",
            method=method.upper(),
            path=re.compile("([^/]+)".join(map(re.escape, pieces)) + "/?"),
            literal=sum(map(len, pieces)),
            parameters=tuple(map(_parameter, declared.get("parameters", []))),
            answers={
                status: converted(answer["schema"]) if "schema" in answer else None
                for status, answer in declared["responses"].items()
            },
            file=self,
        )

    def faults(self, schema: Record, value: Any) -> list[jsonschema_rs.ValidationError]:
        """Everything in which a value differs from a schema of this file."""
        key = json.dumps(schema, sort_keys=True)
        validator = self._validators.get(key)
        if validator is None:
            whole = {"allOf": [schema], "definitions": self.definitions}
            validator = jsonschema_rs.Draft4Validator(whole, validate_formats=True)
            self._validators[key] = validator
        return list(validator.iter_errors(value))


def _parameter(declared: Record) -> Parameter:
    where = declared["in"]
    plain = {name: declared[name] for name in _COMPARED if name in declared}
    schema = declared.get("schema", {}) if where == "body" else plain
    return Parameter(declared["name"], where, bool(declared.get("required")), converted(schema))


def converted(schema: Any) -> Any:
    """A Swagger 2.0 schema as one of JSON Schema draft 4.

    Stricter than Swagger on purpose: an object that lists its members has no others, so that a misspelt member of ours,
    or an invented one of the sandbox, is seen. `x-nullable` and the sizes of integers are put in the draft's own words.
    """
    if isinstance(schema, list):
        return [converted(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    parts = schema.get("allOf")
    if isinstance(parts, list) and len(parts) == 1 and "properties" not in schema:
        # How Toggl's generator hangs a description on a reference.
        return _nullable(schema, converted(parts[0]))
    result: Record = {}
    for name, value in schema.items():
        if name == "properties":
            result[name] = {member: converted(inner) for member, inner in value.items()}
        elif name in {"items", "additionalProperties", "allOf"}:
            result[name] = converted(value)
        elif name in _COMPARED or name == "required":
            result[name] = value
    if result.get("properties") and "allOf" not in result:
        result.setdefault("additionalProperties", False)
    bits = _BOUNDS.get(str(schema.get("format")))
    if bits and schema.get("type") == "integer":
        result.pop("format")
        result.setdefault("minimum", -(2**bits))
        result.setdefault("maximum", 2**bits - 1)
    return _nullable(schema, result)


def _nullable(schema: Record, result: Record) -> Record:
    if not schema.get("x-nullable"):
        return result
    if isinstance(result.get("type"), str) and "enum" not in result:
        return {**result, "type": [result["type"], "null"]}
    return {"anyOf": [result, {"type": "null"}]}


@cache
def operations() -> tuple[Operation, ...]:
    """All operations, the most literal path first, so that /deleted is found before /{orderID}."""
    found = [
        operation
        for name, (service, prefix) in FILES.items()
        for operation in Specification(folder() / name, service, prefix).operations
    ]
    return tuple(sorted(found, key=lambda operation: -operation.literal))


def matching(service: str, path: str) -> Iterator[Operation]:
    """The operations whose path is this one, the most literal first."""
    return (operation for operation in operations() if operation.service == service and operation.path.fullmatch(path))
