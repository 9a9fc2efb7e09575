"""The addresses that Toggl and Billit call. They open nothing: a call that is signed makes a reading due sooner."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

from allauth.core import ratelimit
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from integrations.models import Webhook
from integrations.webhooks import receiving
from toggbill import log_lines
from toggbill.database.encryption import Unreadable

logger = logging.getLogger(__name__)

_LONGEST_CODE = 200


@csrf_exempt  # a service calls, without a browser; the signature stands for it
def toggl_hook(request: HttpRequest, token: str) -> HttpResponse:
    """A call of Toggl. 204; 200 with the code to the PING by which Toggl validates the address."""
    answer, body = _received(request, token, "X-Webhook-Signature-256", receiving.toggl_signed)
    if answer.status_code == 204 and (code := _code(body)):
        return JsonResponse({"validation_code": code})
    return answer


@csrf_exempt  # as above
def billit_hook(request: HttpRequest, token: str) -> HttpResponse:
    """A call of Billit. 204."""
    answer, _body = _received(request, token, "Billit-Signature", receiving.billit_signed)
    return answer


def _received(
    request: HttpRequest, token: str, header: str, is_signed: Callable[[str, bytes, str], bool]
) -> tuple[HttpResponse, bytes]:
    """The answer, and the raw body. 405 but for POST, 413 above 256 KB, 404 for an unknown token, 403 for a bad
    signature, 429 for too many of either from one address, or too many calls of one webhook."""
    if request.method != "POST":
        answer = _quietly(405)
        answer["Allow"] = "POST"
        return answer, b""
    if int(request.META.get("CONTENT_LENGTH") or 0) > receiving.LARGEST:
        return _quietly(413), b""
    body = request.read(receiving.LARGEST + 1)
    if len(body) > receiving.LARGEST:
        return _quietly(413), b""
    row = receiving.find(token)
    if row is None or _is_of_toggl(row) != (header == "X-Webhook-Signature-256"):
        return _refused(request, 404), body
    log_lines.bind(firm=row.firm.slug)
    try:
        secret = row.secret
    except Unreadable:
        logger.warning("the secret of webhook %s cannot be read; switch it off and on", row.pk)
        secret = ""
    if not secret:
        # Billit has not told it yet, or we cannot say what it is: nothing can be judged, and nothing is done.
        return _quietly(204), body
    if not is_signed(secret, body, request.headers.get(header, "")):
        logger.warning("webhook %s was called with a signature that does not fit", row.pk)
        return _refused(request, 403), body
    if not ratelimit.consume(request, action="webhook", key=str(row.pk)):
        return _quietly(429), body
    receiving.hasten(webhook=row, now=timezone.now())
    return _quietly(204), body


def _is_of_toggl(row: Webhook) -> bool:
    return row.workspace_id is not None


def _refused(request: HttpRequest, status: int) -> HttpResponse:
    return _quietly(status if ratelimit.consume(request, action="webhook_refused") else 429)


def _quietly(status: int) -> HttpResponse:
    """An answer of which Django writes no line: that would hold the address, and in it the token."""
    answer = HttpResponse(status=status)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # read by django.utils.log.log_response
    return answer


def _code(body: bytes) -> str:
    """The code of Toggl's PING, which goes back to it and nowhere else; "" when the call is none."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    code = told.get("validation_code") if isinstance(told, dict) else None
    return code[:_LONGEST_CODE] if isinstance(code, str) else ""
