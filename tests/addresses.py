"""The addresses of the site, as the URL conf has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


@dataclass
class Address:
    """One pattern of the URL conf: its name with the name space, and what it wants to know."""

    name: str
    wants: tuple[str, ...]


def walk(patterns: list[Any], space: str = "", wants: tuple[str, ...] = (), path: str = "") -> Iterator[Address]:
    for pattern in patterns:
        here = path + str(pattern.pattern)
        more = (
            wants
            + tuple(pattern.pattern.converters)
            + tuple(
                name
                for name in getattr(pattern.pattern.regex, "groupindex", {})
                if name not in pattern.pattern.converters
            )
        )
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from walk(pattern.url_patterns, inner, more, here)
        else:
            assert isinstance(pattern, URLPattern)
            yield Address(f"{space}{pattern.name}" if pattern.name else f"/{here}", more)


def addresses() -> list[Address]:
    """Every pattern, once."""
    found: dict[str, Address] = {}
    for address in walk(get_resolver().url_patterns):
        found.setdefault(address.name, address)
    return [found[name] for name in sorted(found)]
