"""Puts the firm, its language and its time zone on the request; asks for a second step; adds headers."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import resolve, reverse
from django.urls.exceptions import Resolver404
from django.utils import timezone, translation

from toggbill.firms.mfa import has_second_step
from toggbill.firms.models import Membership

if TYPE_CHECKING:
    from toggbill.firms.access import FirmRequest

# What a member without a second step may still open while their firm demands one: setting it up, and going away.
_BEFORE_THE_SECOND_STEP = frozenset(
    {
        "mfa_index",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes",
        "mfa_download_recovery_codes",
        "account_reauthenticate",
        "account_logout",
        "account_email",
        "account_confirm_email",
        "account_email_verification_sent",
        "account_set_password",
        "choose_firm",
        "set_language",
        "csp_report",
        "healthz",
        "readyz",
    }
)


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
            if firm.requires_mfa and not _may_pass(request):
                return HttpResponseRedirect(reverse("mfa_index"))
            return self.get_response(request)


def _may_pass(request: "FirmRequest") -> bool:
    if has_second_step(request.user):
        return True
    try:
        return resolve(request.path_info).url_name in _BEFORE_THE_SECOND_STEP
    except Resolver404:
        return False


# What no page of ours uses, a script that slipped in may not use either. Passkeys are ours.
_POLICY = ", ".join(
    [
        *(
            f"{name}=()"
            for name in (
                "accelerometer",
                "autoplay",
                "camera",
                "display-capture",
                "encrypted-media",
                "fullscreen",
                "geolocation",
                "gyroscope",
                "magnetometer",
                "microphone",
                "midi",
                "payment",
                "picture-in-picture",
                "screen-wake-lock",
                "usb",
                "xr-spatial-tracking",
            )
        ),
        "publickey-credentials-create=(self)",
        "publickey-credentials-get=(self)",
    ]
)


class HeadersMiddleware:
    """The headers that Django has no setting for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with ``Permissions-Policy`` and ``Cross-Origin-Resource-Policy``; pages of a person are not kept.

        A body above ``LARGEST_BODY`` is refused (413) before anything reads it.
        """
        too_large = int(request.META.get("CONTENT_LENGTH") or 0) > settings.LARGEST_BODY
        response = HttpResponse(status=413) if too_large else self.get_response(request)
        response.headers.setdefault("Permissions-Policy", _POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        user = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response
