"""Addresses that a request brings along (`next`, the Referer): followed only where they lead to a page of ours.

What was asked for is done by then. An answer that leads to another site, or to nowhere, would hide that.
"""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import Resolver404, resolve
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails


def page_of_ours(request: HttpRequest, address: str) -> str:
    """Path and query of an address of this site that some view answers; "" for every other text."""
    if not url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure()):
        return ""
    parts = urlsplit(address)
    path = unquote(parts.path)
    if not path.startswith("/") or path.startswith("//") or "\0" in path:
        return ""
    try:
        resolve(path)
    except Resolver404:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def leave(request: HttpRequest, address: str) -> HttpResponse:
    """To another page of ours, by the browser itself.

    Also when a part of a page asked (htmx), which would otherwise show that page in its own place.
    """
    return HttpResponseClientRedirect(address) if HtmxDetails(request) else HttpResponseRedirect(address)
