"""The conversion of Swagger 2.0, on a file of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.specs import swagger
from tests.specs.swagger import Operation, Specification, converted

PET: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "description": "what it answers to"},
        "owner": {"type": "string", "x-nullable": True},
        "home": {"x-nullable": True, "allOf": [{"$ref": "#/definitions/Home"}], "description": "where it lives"},
        "legs": {"type": "integer", "format": "int32"},
        "born": {"type": "string", "format": "date"},
    },
}
FILE: dict[str, Any] = {
    "swagger": "2.0",
    "basePath": "/zoo",
    "paths": {
        "/pets/{id}": {
            "get": {
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "type": "integer"},
                    {"name": "kind", "in": "query", "type": "string", "enum": ["cat", "dog"]},
                ],
                "responses": {"200": {"description": "it", "schema": {"$ref": "#/definitions/Pet"}}, "404": {}},
            }
        },
        "/pets/last": {"get": {"responses": {"200": {}}}, "summary": "no method"},
    },
    "definitions": {"Pet": PET, "Home": {"type": "object", "properties": {"street": {"type": "string"}}}},
}


@pytest.fixture
def zoo(tmp_path: Path) -> Specification:
    file = tmp_path / "zoo.json"
    file.write_text(json.dumps(FILE), encoding="utf-8")
    return Specification(file, "toggl", "")


def operation(zoo: Specification, name: str) -> Operation:
    return next(one for one in zoo.operations if one.name == name)


def faults(zoo: Specification, value: Any) -> list[tuple[list[str | int], str]]:
    found = zoo.faults({"$ref": "#/definitions/Pet"}, value)
    return [(list(error.instance_path), str(error.schema_path[-1])) for error in found]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"name": "Tibo", "owner": None, "home": None, "legs": 4, "born": "2024-02-29"}, []),
        ({"name": "Tibo", "home": {"street": "x"}}, []),
        ({}, [([], "required")]),
        ({"name": None}, [(["name"], "type")]),
        ({"name": "Tibo", "colour": "grey"}, [([], "additionalProperties")]),
        ({"name": "Tibo", "legs": 2**31}, [(["legs"], "maximum")]),
        ({"name": "Tibo", "legs": "4"}, [(["legs"], "type")]),
        ({"name": "Tibo", "born": "2025-02-29"}, [(["born"], "format")]),
        ({"name": "Tibo", "home": {"road": "x"}}, [(["home"], "anyOf")]),
    ],
)
def test_a_value_against_a_definition(
    zoo: Specification, value: Any, expected: list[tuple[list[str | int], str]]
) -> None:
    assert faults(zoo, value) == expected


def test_operations_and_their_parameters(zoo: Specification) -> None:
    assert [one.name for one in zoo.operations] == ["GET /zoo/pets/{id}", "GET /zoo/pets/last"]
    one = operation(zoo, "GET /zoo/pets/{id}")
    assert [(parameter.name, parameter.where, parameter.required) for parameter in one.parameters] == [
        ("id", "path", True),
        ("kind", "query", False),
    ]
    assert one.parameters[1].schema == {"type": "string", "enum": ["cat", "dog"]}
    assert one.answers == {"200": {"$ref": "#/definitions/Pet"}, "404": None}
    assert one.path.fullmatch("/zoo/pets/7/")
    assert not one.path.fullmatch("/zoo/pets/7/toys")


def test_the_most_literal_path_is_found_first(zoo: Specification, monkeypatch: pytest.MonkeyPatch) -> None:
    ordered = tuple(sorted(zoo.operations, key=lambda one: -one.literal))
    monkeypatch.setattr(swagger, "operations", lambda: ordered)
    assert next(swagger.matching("toggl", "/zoo/pets/last")).name == "GET /zoo/pets/last"
    assert next(swagger.matching("toggl", "/zoo/pets/8")).name == "GET /zoo/pets/{id}"
    assert list(swagger.matching("billit", "/zoo/pets/8")) == []


def test_an_open_object_stays_open() -> None:
    assert converted({"type": "object"}) == {"type": "object"}
    texts = {"type": "object", "additionalProperties": {"type": "string", "x-nullable": True}}
    assert converted(texts) == {"type": "object", "additionalProperties": {"type": ["string", "null"]}}


def test_absent_specifications_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECS_DIR", str(tmp_path))
    for name in list(swagger.FILES)[1:]:
        (tmp_path / name).write_text("{}", encoding="utf-8")
    assert swagger.absent() == (
        f"the vendors' specifications toggl-track-v9.swagger.json are not in {tmp_path}; SPECS_DIR names another folder"
    )
