"""Puts the firm of the address, its language and its time zone on the request; asks for a second step; adds headers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import resolve, reverse
from django.urls.exceptions import Resolver404
from django.utils import timezone, translation

from toggbill import log_lines
from toggbill.firms.errors import Changed, Unread
from toggbill.firms.identity import proof
from toggbill.firms.identity.mfa import has_second_step, steps_of
from toggbill.firms.models import Firm, Membership, User
from toggbill.firms.next_page import page_of_ours
from toggbill.firms.requests import addresses
from toggbill.firms.requests.malformed import content_length

if TYPE_CHECKING:
    from toggbill.firms.access import FirmRequest

# What stays open to whoever is signed in and has not passed the second step: going away, and what is nobody's.
_ALWAYS_OPEN = frozenset(
    {"account_logout", "admin:logout", "operator:logout", "set_language", "csp_report", "healthz", "readyz", "metrics"}
)
# Giving the second step in this session, for an account that has one.
_GIVING_THE_STEP = _ALWAYS_OPEN | {"mfa_reauthenticate", "mfa_reauthenticate_webauthn"}
# Setting one up, for an account that needs one: the address has to be proven before.
_SETTING_UP_THE_STEP = _ALWAYS_OPEN | {
    "mfa_index",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "account_reauthenticate",
    "account_email",
    "account_confirm_email",
    "account_email_verification_sent",
}

# allauth's pages on which an account changes: they ask for a fresh proof, whatever allauth itself asks.
NEED_FRESH_PROOF = frozenset(
    {
        "account_change_password",
        "account_set_password",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_deactivate_totp",
        "mfa_download_recovery_codes",
        "mfa_edit_webauthn",
        "mfa_generate_recovery_codes",
        "mfa_remove_webauthn",
        "mfa_view_recovery_codes",
    }
)
# The same, but they may be read without.
NEED_FRESH_PROOF_TO_POST = frozenset({"account_email"})


class FirmMiddleware:
    """``request.firm`` and ``request.membership``: those of the address (``addresses``), None outside of firms.

    ``request.memberships`` are all of the user's, the one to begin with first: of the firm whose first page was opened
    last, as the session knows. Nothing else is decided by it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: "FirmRequest") -> HttpResponse:
        """Answer with the firm in force, its zone, and its language unless the user's browser chose one by cookie."""
        slug = addresses.slug_in(request.path_info)
        request.memberships, request.has_second_step = _memberships(request)
        request.demanding_firm = next((m.firm for m in request.memberships if m.firm.requires_mfa), None)
        request.membership = next((m for m in request.memberships if m.firm.slug == slug), None)
        firm = None if request.membership is None else request.membership.firm
        if firm is None and slug is not None and request.user.is_superuser:
            firm = Firm.objects.filter(slug=slug).first()
        request.firm = cast(Firm, firm)  # behind ``member_required`` there is one
        with addresses.in_firm(slug):
            # Whoever reads a page of their own account reads it as those of their firm.
            return self._in_words_of(firm or (request.memberships[0].firm if request.memberships else None), request)

    def _in_words_of(self, firm: Firm | None, request: "FirmRequest") -> HttpResponse:
        if firm is None:
            return _second_step_first(request) or self.get_response(request)
        if "django_language" not in request.COOKIES:
            translation.activate(firm.language)
            request.LANGUAGE_CODE = firm.language
        with timezone.override(firm.zone):
            return _second_step_first(request) or self.get_response(request)

    def process_view(
        self, request: "FirmRequest", _view: object, _args: object, named: dict[str, Any]
    ) -> HttpResponse | None:
        """A firm that the person does not belong to is not there (404), as its rows are not.

        A form that was made for another firm than the one of its address does nothing (409). Before an account
        changes, who it is is asked anew.
        """
        match, user, slug = request.resolver_match, cast(HttpRequest, request).user, addresses.slug_in_force()
        firm = cast(Firm | None, request.firm)
        if firm is not None and match is not None:
            log_lines.bind(firm=firm.slug, **_names_in(match.route, named))
        if not user.is_authenticated or match is None:
            return None
        if slug is not None and request.firm is None:
            raise Http404
        reads = request.method in {"GET", "HEAD", "OPTIONS"}
        if slug is not None and not reads and request.POST.get(addresses.MADE_FOR, slug) != slug:
            return render(request, "other_firm.html", status=409)
        name = match.view_name
        wanted = name in NEED_FRESH_PROOF or (name in NEED_FRESH_PROOF_TO_POST and not reads)
        return proof.ask(request) if wanted and not proof.is_fresh(request) else None


def _names_in(route: str, named: dict[str, Any]) -> dict[str, str]:
    """What the address of a page names, for lines of the log."""
    found = {"dossier": named["key"]} if "dossiers/<slug:key>/" in route else {}
    return found | ({"reference": named["reference"]} if "reference" in named else {})


def _memberships(request: HttpRequest) -> tuple[list[Membership], bool | None]:
    """The user's memberships, and whether the account signs in in two steps, None where they do not say."""
    if not request.user.is_authenticated:
        return [], None
    rows = Membership.objects.filter(user=request.user).select_related("firm").order_by("pk")
    found: list[Any] = list(rows.annotate(has_second_step=Exists(steps_of(OuterRef("user")))))
    first = request.session.get(addresses.LATEST_FIRM)
    return sorted(found, key=lambda row: row.firm_id != first), found[0].has_second_step if found else None


def _second_step_first(request: "FirmRequest") -> HttpResponse | None:
    """Where a person has to go before anything else; None: the second step is proven, or nobody asks for one.

    The proof is the session's: an account with a second step passes nothing in a session that has not proven it. A
    member of a firm that demands a second step, and the operator, pass nothing without having one.
    """
    user = cast(HttpRequest, request).user
    if not isinstance(user, User):
        return None
    is_demanded = request.demanding_firm is not None or user.is_superuser
    is_proven = proof.has_proven_step(request)
    if is_proven and not is_demanded:
        return None
    has_one = request.has_second_step
    if has_second_step(user) if has_one is None else has_one:
        return None if is_proven or _leads_to(request, _GIVING_THE_STEP) else proof.ask(request)
    if not is_demanded or _leads_to(request, _SETTING_UP_THE_STEP):
        return None
    return HttpResponseRedirect(reverse("mfa_index"))


def _leads_to(request: HttpRequest, names: frozenset[str]) -> bool:
    try:
        return resolve(request.path_info).view_name in names
    except Resolver404:
        return False


class ReadMiddleware:
    """Answers a decision that was not made on what there is (design D12), whichever page it came from.

    409 with the old and the new figures and the form anew; 400 when the form does not say what it showed.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Nothing before and after the page."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The page that says what changed; the verb has done nothing."""
        return refused(request, exception) if isinstance(exception, Changed | Unread) else None


def refused(request: HttpRequest, refusal: Changed | Unread) -> HttpResponse:
    """The page that says what changed, or that the form did not say what it showed.

    The form comes anew unless it brought a secret, which goes in and never comes out, or was none of ours.
    """
    if isinstance(refusal, Unread):
        return render(request, "unread.html", {"unread": refusal, "back": _page_before(request)}, status=400)
    kept = [(name, value) for name, values in request.POST.lists() for value in values if name not in _NOT_KEPT]
    # ``sensitive_post_parameters`` marks the request.
    is_anew = request.method == "POST" and not hasattr(request, "sensitive_post_parameters")
    found = {"changed": refusal, "fields": kept, "is_anew": is_anew, "back": _page_before(request)}
    return render(request, "409.html", found, status=409)


_NOT_KEPT = frozenset({"csrfmiddlewaretoken", "read"})


def _page_before(request: HttpRequest) -> str:
    """Where the form stood, as the browser says, if that is a page of ours; else the first page."""
    return page_of_ours(request, request.headers.get("Referer", "")) or reverse("home")


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

        A body above ``LARGEST_BODY`` is refused (413) before anything reads it, a length that is no number, too (400).
        """
        length = content_length(request)
        if length is None:
            response = HttpResponse(status=400)
        else:
            response = HttpResponse(status=413) if length > settings.LARGEST_BODY else self.get_response(request)
        response.headers.setdefault("Permissions-Policy", _POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        user = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response
