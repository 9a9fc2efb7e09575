"""How allauth behaves here: who may sign up, whose address counts as proven, what is said when sign-in is locked."""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation

from toggbill.firms.audit import Actor, News, record
from toggbill.firms.membership.signup import open_asked_firm
from toggbill.firms.models import Membership, User

logger = logging.getLogger(__name__)

# A lock is written down once in this time (seconds) for an address, however often somebody tries on.
_LOCK_SAID_ONCE_IN = 300


class AccountAdapter(DefaultAccountAdapter):
    """Accounts of firms."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Whether strangers may sign up; else a member is invited by the firm (members page, ``onboard``, admin)."""
        return bool(settings.SIGNUP_OPEN)

    def get_logout_redirect_url(self, request: HttpRequest) -> str:
        """Back to where one signs in, without a page to return to."""
        return reverse("account_login")

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """An account that a firm or the operator made has no address on record yet: they vouch for it.

        Who signs up alone has one from the start, and proves it by the mailed link before coming in.
        """
        if not EmailAddress.objects.filter(user=user).exists():
            EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        response: HttpResponse | None = super().pre_login(request, user, **kwargs)
        return response

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """An address is proven: the firm that its owner asked for at sign-up is opened."""
        if not super().confirm_email(request, email_address):
            return False
        open_asked_firm(
            user=email_address.user,
            language=(translation.get_language() or "fr")[:2],
            origin=f"web {self.get_client_ip(request)}",
            now=timezone.now(),
        )
        return True

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse after too many failures, and write that down (design section 9)."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            self._locked(request, str(credentials.get("email") or "").strip().lower())
            raise

    def _locked(self, request: HttpRequest, email: str) -> None:
        address = self.get_client_ip(request)
        if not cache.add(f"sign-in-locked:{email}:{address}", 1, _LOCK_SAID_ONCE_IN):
            return
        memberships = Membership.objects.filter(user__email=email).select_related("firm", "user")
        # Whose address it was is for the firm to know, not for the log of the machine.
        logger.warning("sign-in locked after too many failures, from %s", address)
        for row in memberships:
            news = News("sign_in_locked", f"member {row.user.email}"[:200], {})
            by = Actor("nobody", f"web {address}")
            record(firm=row.firm, news=[news], by=by, now=timezone.now())
