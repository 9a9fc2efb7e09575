"""What a visitor reads when the database made the page wait for too long, instead of an error."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.views.defaults import server_error as plain_server_error

from toggbill.database import limits

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5


class BusyMiddleware:
    """A view that met a lock that somebody else holds, or a statement that took too long, answers 503."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Nothing but the hook below."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Django's hook; None leaves the error to the others."""
        return _answer(request, error)


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`: the same for what happens outside of views (a session that is locked), else the error page."""
    return _answer(request, sys.exc_info()[1]) or plain_server_error(request)


def _answer(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    if not isinstance(error, OperationalError):
        return None
    is_locked = limits.is_locked(error)
    if not is_locked and not limits.took_too_long(error):
        return None
    # The view's name: an address may hold a token.
    view = request.resolver_match.view_name if request.resolver_match else "?"
    logger.warning("%s: %s", view, "a row stayed locked" if is_locked else "a statement took too long")
    # Without the request: its session and its user are in the database that keeps us waiting.
    with translation.override(translation.get_language() or translation.get_language_from_request(request)):
        is_reading = request.method in {"GET", "HEAD"}
        words = {"is_locked": is_locked, "address": request.get_full_path() if is_reading else ""}
        page = render_to_string("503.html", words)
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_SECONDS)})
