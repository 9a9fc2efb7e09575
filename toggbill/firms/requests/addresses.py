"""The firm in the address: what shows or changes the rows of a firm stands below ``/f/<slug>/``.

Somebody who works for two firms may have a tab open for each. Which firm a page shows and what its forms act on is said
by the address, never by the session, which all tabs share.

It works as Django's own ``i18n_patterns`` works for the language. ``of_firm`` makes a part of the URL conf that takes
the firm off an address that comes in, and puts the firm *in force* in front of every address that is made. Views,
templates and Django's admin name addresses without a firm (``firm:invoice``, ``admin:index``), so no link, form or
redirect can forget it. ``FirmMiddleware`` puts the firm of the address in force while a request is answered; whoever
makes an address elsewhere, for a mail, says ``in_firm``. Without one, making the address of a firm fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.urls import NoReverseMatch, URLResolver, reverse
from django.urls.resolvers import RoutePattern

MADE_FOR = "made_for_firm"
"""The field in which a form says on which firm's page it was made (the tag ``csrf_token``)."""

LATEST_FIRM = "firm"
"""The key of the session for the firm whose first page was opened last: where `/` leads."""

# As ``path("f/<slug:firm>/")`` would read it. A context variable is a thread's, or a coroutine's, own.
_BELOW = re.compile(r"f/(?P<slug>[-a-zA-Z0-9_]+)/")
_slug_in_force: ContextVar[str | None] = ContextVar("firm_in_force", default=None)


@contextmanager
def in_firm(slug: str | None) -> Iterator[None]:
    """Addresses that are made meanwhile are those of this firm; of none for None."""
    before = _slug_in_force.set(slug)
    try:
        yield
    finally:
        _slug_in_force.reset(before)


def slug_in_force() -> str | None:
    """The short name of the firm in force."""
    return _slug_in_force.get()


def slug_in(path: str) -> str | None:
    """The short name of a firm that an address (a path from the site's root) names."""
    found = _BELOW.match(path.removeprefix("/"))
    return None if found is None else found["slug"]


class FirmPattern(RoutePattern):
    """The beginning of a firm's addresses: ``f/<slug>/`` and what follows in all of them.

    The slug is no argument of the views: those of Django's admin would not take it, and ours find the firm on the
    request.
    """

    # Django keeps what it makes of this for all firms, so that the resolver adds the beginning each time.
    regex = re.compile("")

    def __init__(self, rest: str) -> None:
        super().__init__(f"f/<slug:firm>/{rest}")
        self.rest = rest
        self.converters = {}

    def match(self, path: str) -> tuple[str, tuple[()], dict[str, Any]] | None:
        """What is left of an address behind this beginning; None for another one."""
        found = _BELOW.match(path)
        if found is None or not path[found.end() :].startswith(self.rest):
            return None
        return path[found.end() + len(self.rest) :], (), {}


class FirmResolver(URLResolver):
    """Takes the firm off addresses that come in, and puts the one in force in front of those that are made."""

    pattern: FirmPattern

    def _reverse_with_prefix(self, lookup_view: Any, _prefix: str, *args: Any, **kwargs: Any) -> str:
        # Django's ``reverse`` ends here for names of our space; it has no public place for this. (A test holds it.)
        slug = slug_in_force()
        if slug is None:
            raise NoReverseMatch(
                f"'{lookup_view}' is an address of a firm, and no firm is in force here: make it within in_firm(slug)."
            )
        before = f"{_prefix}f/{slug}/{self.pattern.rest}"
        made: str = super()._reverse_with_prefix(lookup_view, before, *args, **kwargs)  # type: ignore[misc]  # private
        return made


def of_firm(rest: str, urls: tuple[Any, str | None, str | None]) -> URLResolver:
    """Addresses below ``/f/<slug>/<rest>``, for the URL conf. ``urls`` has a name space, as ``include`` gives it."""
    patterns, app_name, namespace = urls
    return FirmResolver(FirmPattern(rest), patterns, app_name=app_name, namespace=namespace)


def first_page(slug: str) -> str:
    """The address of a firm's first page."""
    with in_firm(slug):
        return reverse("firm:dossiers")
