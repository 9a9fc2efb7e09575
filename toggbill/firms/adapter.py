"""How allauth behaves here."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.urls import reverse


class AccountAdapter(DefaultAccountAdapter):
    """Accounts come from a firm: nobody signs up by himself."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Closed: a member is invited by the firm (``onboard`` or the admin)."""
        return False

    def get_logout_redirect_url(self, request: HttpRequest) -> str:
        """Back to where one signs in, without a page to return to."""
        return reverse("account_login")
