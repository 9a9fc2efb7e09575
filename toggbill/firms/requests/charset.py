"""Requests are read as UTF-8, whatever charset their header names.

Django takes the name for the query in the address as well, while it makes the request and before any middleware: one
that is an encoding, and none of texts (Python knows a few), is a failure of the server then.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable
from typing import Any

from django.utils.http import parse_header_parameters

NAMED = "toggbill.charset"
"""Where the name is kept: a form in it is refused (``malformed``)."""

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def as_utf8(application: Application) -> Application:
    """The application, asked without the name of a charset other than UTF-8."""

    def asked(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return application(without_charset(environ), start_response)

    return asked


def without_charset(environ: dict[str, Any]) -> dict[str, Any]:
    """The environment of a request, its content type freed of such a name."""
    kind, parameters = parse_header_parameters(environ.get("CONTENT_TYPE", ""))
    named = parameters.pop("charset", "")
    if not named or _is_utf8(named):
        return environ
    rest = "".join(f'; {name}="{value}"' for name, value in parameters.items())
    return environ | {"CONTENT_TYPE": kind + rest, NAMED: named}


def _is_utf8(name: str) -> bool:
    try:
        return codecs.lookup(name).name == "utf-8"
    except (LookupError, ValueError):  # nobody knows it, or no name has such letters
        return False
