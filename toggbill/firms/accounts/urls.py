"""The addresses of accounts: allauth's, where those that change an account do so together with their audit event."""

from allauth.account import views as account
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from django.db.transaction import atomic
from django.urls import include, path, re_path

urlpatterns = [
    path("email/", atomic(account.email), name="account_email"),
    re_path(r"^confirm-email/(?P<key>[-:\w]+)/$", atomic(account.confirm_email), name="account_confirm_email"),
    path("password/change/", atomic(account.password_change), name="account_change_password"),
    path("password/set/", atomic(account.password_set), name="account_set_password"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        atomic(account.password_reset_from_key),
        name="account_reset_password_from_key",
    ),
    path("2fa/totp/activate/", atomic(totp.activate_totp), name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", atomic(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("2fa/webauthn/add/", atomic(webauthn.add_webauthn), name="mfa_add_webauthn"),
    path("2fa/webauthn/keys/<int:pk>/remove/", atomic(webauthn.remove_webauthn), name="mfa_remove_webauthn"),
    path("2fa/recovery-codes/generate/", atomic(codes.generate_recovery_codes), name="mfa_generate_recovery_codes"),
    path("", include("allauth.urls")),
]
