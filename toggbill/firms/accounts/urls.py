"""The addresses of accounts: allauth's, where those that change an account do so together with their audit event."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from allauth.account import views as account
from allauth.account.models import get_emailconfirmation_model
from allauth.account.utils import url_str_to_user_pk
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path

from toggbill.firms.identity.addresses import lock_firms_of
from toggbill.firms.models import User

_View = Callable[..., HttpResponse]


def _with_its_event(view: _View) -> _View:
    """The view in a transaction that holds the firms of whose account it is: the event goes into their logs."""

    @wraps(view)
    def together(request: HttpRequest, **named: str) -> HttpResponse:
        if request.method != "POST":
            return view(request, **named)
        with transaction.atomic():
            if (user := _whose(request, named)) is not None:
                lock_firms_of(user)
            return view(request, **named)

    return together


def _whose(request: HttpRequest, named: dict[str, str]) -> User | None:
    """Of whom an address speaks: of who is signed in, or of who got its link by mail."""
    if "uidb36" in named:
        try:
            return User.objects.filter(pk=url_str_to_user_pk(named["uidb36"])).first()
        except (ValueError, ValidationError):
            return None
    if "key" in named:
        confirmation = get_emailconfirmation_model().from_key(named["key"])
        return None if confirmation is None else User.objects.get(pk=confirmation.email_address.user_id)
    return request.user if isinstance(request.user, User) else None


urlpatterns = [
    path("email/", _with_its_event(account.email), name="account_email"),
    re_path(r"^confirm-email/(?P<key>[-:\w]+)/$", _with_its_event(account.confirm_email), name="account_confirm_email"),
    path("password/change/", _with_its_event(account.password_change), name="account_change_password"),
    path("password/set/", _with_its_event(account.password_set), name="account_set_password"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        _with_its_event(account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path("2fa/totp/activate/", _with_its_event(totp.activate_totp), name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", _with_its_event(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("2fa/webauthn/add/", _with_its_event(webauthn.add_webauthn), name="mfa_add_webauthn"),
    path("2fa/webauthn/keys/<int:pk>/remove/", _with_its_event(webauthn.remove_webauthn), name="mfa_remove_webauthn"),
    path(
        "2fa/recovery-codes/generate/",
        _with_its_event(codes.generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
    path("", include("allauth.urls")),
]
