"""Every address of the URL conf as a path, filled in from the rows of a running site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.urls import URLResolver, get_resolver
from psycopg import sql

from tests.production.site import Site
from toggbill import old_addresses

_WANTED = re.compile(r"\(\?P<(\w+)>(?:\[[^]]*\]|[^()])*\)|<(?:\w+:)?(\w+)>")


def templates() -> list[tuple[str, str]]:
    """The name and the path of each pattern, as they stand in the URL conf."""
    return list(_walk(get_resolver().url_patterns, "", ""))


def _walk(patterns: list[Any], space: str, path: str) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        here = path + str(pattern.pattern).removeprefix("^" if path else "")
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from _walk(pattern.url_patterns, inner, here)
        else:
            yield f"{space}{pattern.name}" if pattern.name else here, here


class Filler:
    """Fills paths with what stands in the site's database."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._values = {
            "key": self._first("invoicing_dossier", "key"),
            "firm": self._first("firms_firm", "slug"),
            "page": "invoices/",
            "reference": self._first("invoicing_invoice", "reference"),
            "service": "toggl",
            "remote_id": self._first("integrations_workspace", "remote_id"),
            "kind": "csv",
            "pk": self._first("firms_membership"),
            "position": "1",
            "line": "1",
            "order": "1",
            "step": "drop",
            "verb": "drop",
            "decision": "hold",
            "remedy": "accept",
            "group": "0",
            "name": "none",
            "client": "501",
            "app_label": "invoicing",
            "content_type_id": "1",
            "object_id": "1",
            "url": "nowhere/",
            "token": "unknown",
            "uidb36": "1",
        }

    def every(self) -> dict[str, str]:
        """Every path, with the name of its pattern."""
        return {self._fill(template, {}): name for name, template in templates()}

    def path(self, name: str, **values: str) -> str:
        """The path of a page by the last part of its name."""
        found = next(template for each, template in templates() if each.rpartition(":")[2] == name)
        return self._fill(found, values)

    def _fill(self, template: str, given: dict[str, str]) -> str:
        values = self._values | given
        if "<slug:service>" in template and "key" not in given:
            values["key"] = self._first("integrations_connection", "key")
        if of_model := re.search(r"(?:admin|operator)/([a-z]+)/([a-z]+)/<path:object_id>", template):
            values["object_id"] = self._first(apps.get_model(of_model[1], of_model[2])._meta.db_table)

        def value(wanted: re.Match[str]) -> str:
            name = wanted[1] or wanted[2]
            assert name in values, f"{template}: what is {name}? Say it in Filler."
            return values[name]

        path = "/" + re.sub(r"[\^$?]|\\Z", "", _WANTED.sub(value, template.replace(old_addresses.PATTERN, "<page>")))
        assert not re.search(r"[()<>|*\\]", path), f"{template}: {path} is no address"
        return path

    def _first(self, table: str, column: str = "id") -> str:
        question = sql.SQL("SELECT min({column}) FROM {table}")
        found = self._site.one(question.format(column=sql.Identifier(column), table=sql.Identifier(table)))
        return str(found or 0)
