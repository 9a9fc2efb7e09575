"""Addresses drawn from the patterns of the URL conf, whatever these are called and wherever they stand."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from django.apps import apps
from django.db.models import Model
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from integrations.models import Connection
from invoicing.models import Correction, Dossier, Invoice
from tests.drawing.alphabet import NASTY
from toggbill.firms.models import Firm, Invitation, Membership

_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>(?:\[[^\]]*\]|[^)\[])*\)")

# Words that a pattern without a converter of its own takes as an argument.
WORDS = (
    *("csv", "xlsx", "pdf", "toggl", "billit", "hold", "write-off", "release", "reopen", "approve", "drop", "post"),
    *("post-anew", "bill-anew", "accept", "next-invoice", "replace", "credit", "credit-and-bill", "withdraw"),
    *("invoicing", "integrations", "firms", "nowhere", "unknown", "owner", "bookkeeper", "fr", "open", "close", "yes"),
    *("2026-11-01", "2026-10", "somebody@example.com", f"{'a' * 64}@{'b' * 61}.{'c' * 61}.{'d' * 53}.example.com"),
)


@dataclass(frozen=True)
class Pattern:
    """A pattern of the URL conf: its name with the name space, and its route from the root."""

    name: str
    route: str

    @property
    def arguments(self) -> list[str]:
        """The names of what it wants to know."""
        return [match[1] or match[2] for match in _ARGUMENT.finditer(self.route)]


def patterns() -> list[Pattern]:
    """Every pattern, by its route."""
    return sorted(set(_walk(get_resolver())), key=lambda pattern: (pattern.route, pattern.name))


def _walk(resolver: URLResolver, space: str = "", path: str = "/") -> Iterator[Pattern]:
    for found in resolver.url_patterns:
        text = str(found.pattern)
        here = path + (text if isinstance(found.pattern, RoutePattern) else text.lstrip("^").rstrip("$"))
        if isinstance(found, URLResolver):
            yield from _walk(found, f"{space}{found.namespace}:" if found.namespace else space, here)
        else:
            assert isinstance(found, URLPattern)
            yield Pattern(f"{space}{found.name}" if found.name else here, here)


class Pool:
    """What rows of every firm are called by, for arguments and fields that shall hit something."""

    def __init__(self, *more: str) -> None:
        self.by_name: dict[str, list[str]] = {
            "key": sorted(
                {*Dossier.objects.values_list("key", flat=True), *Connection.objects.values_list("key", flat=True)}
            ),
            "slug": sorted(Firm.objects.values_list("slug", flat=True)),
            "reference": list(Invoice.objects.order_by("pk").values_list("reference", flat=True)),
            "pk": [str(pk) for model in (Membership, Invitation, Correction) for pk in _numbers(model)],
        }
        self.words = [*WORDS, *more, *(text for texts in self.by_name.values() for text in texts)]
        self._of_model: dict[str, list[str]] = {}

    def rows(self, label: str) -> list[str]:
        """The numbers of all rows of a model; those of every kind where no model is called so."""
        app, name = label.split(".")
        if name not in apps.all_models.get(app, {}):
            return self.by_name["pk"]
        if label not in self._of_model:
            self._of_model[label] = [str(pk) for pk in _numbers(apps.get_model(label))]
        return self._of_model[label]


def _numbers(model: type[Model]) -> list[int]:
    return list(model._default_manager.order_by("pk").values_list("pk", flat=True))


def path(pattern: Pattern, pool: Pool, draw: random.Random) -> str:
    """An address of a pattern, quoted: mostly of something that is there, sometimes of nothing at all."""
    label = re.match(r"admin:([a-z]+)_([a-z]+)_|/admin/([a-z]+)/([a-z]+)/", pattern.name)

    def argument(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if draw.random() < 0.2:
            return quote(draw.choice(NASTY)[:2000], safe="")
        if name == "object_id" and label is not None:
            return draw.choice(pool.rows(f"{label[1] or label[3]}.{label[2] or label[4]}") or ["1"])
        known = pool.by_name.get(name)
        return quote(draw.choice(known if known and draw.random() < 0.9 else pool.words), safe="")

    return _ARGUMENT.sub(argument, pattern.route).replace("\\", "")
