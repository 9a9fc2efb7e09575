"""Where browsers report what the content security policy kept from running: one line of log each."""

from __future__ import annotations

import json
import logging
from typing import Any
from urllib.parse import urlsplit

from allauth.core import ratelimit
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

logger = logging.getLogger(__name__)

LARGEST = 16 * 1024  # bytes
_FIELDS = ("violated-directive", "effective-directive", "disposition", "line-number")
_ADDRESSES = ("document-uri", "blocked-uri", "source-file")


@csrf_exempt  # the browser sends it by itself, without our cookie's token; nothing is changed
@require_POST
def csp_report(request: HttpRequest) -> HttpResponse:
    """Log a report. 204; 413 above 16 KB; 429 after thirty in a minute from one address; 400 when it is no report."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST:
        return HttpResponse(status=413)
    if not ratelimit.consume(request, action="csp_report"):
        return HttpResponse(status=429)
    body = request.read(LARGEST + 1)
    if len(body) > LARGEST:
        return HttpResponse(status=413)
    try:
        report = json.loads(body)["csp-report"]
        told = {name: _short(report[name]) for name in _FIELDS if name in report}
        told |= {name: _without_query(str(report[name])) for name in _ADDRESSES if name in report}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return HttpResponse(status=400)
    # As JSON: what a stranger sends begins no line of its own.
    logger.warning("content security policy: %s", json.dumps(told, sort_keys=True))
    return HttpResponse(status=204)


def _short(value: Any) -> str:
    return str(value)[:200]


def _without_query(address: str) -> str:
    # Scheme, host and path: a query may carry what is nobody's business, and so may a long path.
    parts = urlsplit(address[:2000])
    if not parts.netloc:
        return _short(parts.scheme or parts.path)
    path = "/invitations/…" if parts.path.startswith("/invitations/") else parts.path
    return _short(f"{parts.scheme}://{parts.hostname}{path}")
