"""What no page of ours ever sends is answered before a view sees it: 400 with a sentence, 404 for such an address.

PostgreSQL keeps no NUL in a text and fails at whatever query carries one, so that each view would have to think of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.http import HttpRequest, HttpResponse, QueryDict, UnreadablePostError
from django.shortcuts import render

from toggbill.firms.requests.charset import NAMED

_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})


def content_length(request: HttpRequest) -> int | None:
    """The bytes of the body as its header says, 0 without one; None where it is no number."""
    said = str(request.META.get("CONTENT_LENGTH") or "0")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 20 else None


class MalformedInputMiddleware:
    """Refuses NUL in the address, the query, a cookie or a form, and a form in a charset other than UTF-8.

    It stands behind the one that chooses the language, and before all that looks into the session.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Look at all but the body."""
        if "\0" in request.path_info:
            return render(request, "404.html", status=404)
        if NAMED in request.META and request.content_type in _FORMS:
            return refuse(request)
        if _has_nul(request.GET) or any("\0" in value for value in request.COOKIES.values()):
            return refuse(request)
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], *_named: object
    ) -> HttpResponse | None:
        """Look at the form. What reads its body itself, and is called by no browser, gets it untouched."""
        if request.method != "POST" or getattr(view, "csrf_exempt", False):
            return None
        try:
            return refuse(request) if _has_nul(request.POST) else None
        except UnreadablePostError:
            # It broke off on the way: most likely nobody waits for the answer any more.
            return refuse(request)


def refuse(request: HttpRequest) -> HttpResponse:
    """The page that says so."""
    return render(request, "400.html", status=400)


def _has_nul(given: QueryDict) -> bool:
    return any("\0" in text for name, values in given.lists() for text in _texts(name, values))


def _texts(name: str, values: Iterable[object]) -> Iterable[str]:
    yield name
    yield from (value for value in values if isinstance(value, str))
