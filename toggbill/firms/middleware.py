"""Puts the firm, its language and its time zone on the request."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from toggbill.firms.models import Membership

if TYPE_CHECKING:
    from toggbill.firms.access import FirmRequest


class FirmMiddleware:
    """``request.membership`` and ``request.firm``: chosen in the session, else the user's first; None without one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: "FirmRequest") -> HttpResponse:
        """Answer with the firm's zone in force, and its language unless the user's browser chose one by cookie."""
        request.membership = None
        if request.user.is_authenticated:
            memberships = list(Membership.objects.filter(user=request.user).select_related("firm").order_by("pk"))
            chosen = request.session.get("firm")
            request.membership = next(
                (m for m in memberships if m.firm_id == chosen), memberships[0] if memberships else None
            )
        if request.membership is None:
            return self.get_response(request)
        request.firm = firm = request.membership.firm
        if "django_language" not in request.COOKIES:
            translation.activate(firm.language)
            request.LANGUAGE_CODE = firm.language
        with timezone.override(firm.zone):
            return self.get_response(request)
