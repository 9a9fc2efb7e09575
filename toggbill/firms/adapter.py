"""How allauth behaves here."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):
    """Accounts come from a firm: nobody signs up by himself."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Closed: a member is invited by the firm (``onboard`` or the admin)."""
        return False
