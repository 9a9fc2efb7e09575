"""How allauth behaves here: who may sign up, whose address counts as proven, what is said when sign-in is locked."""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.internal.ratelimit import truncate_ip
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from toggbill.firms.accounts.bad_tries import record_lock
from toggbill.firms.audit import Actor
from toggbill.firms.identity import addresses, proof
from toggbill.firms.identity.mfa import has_second_step
from toggbill.firms.membership.signup import open_asked_firm
from toggbill.firms.models import Membership, User
from toggbill.firms.next_page import page_of_ours

logger = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    """Accounts of firms."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Whether strangers may sign up; else a member is invited by the firm (members page, ``onboard``, admin)."""
        return bool(settings.SIGNUP_OPEN)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Whether allauth's own pages ask again who it is: by our rule, and by our gate in front of them."""
        return not proof.is_fresh(context.request)

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, str]]:
        """How the person proves again who they are: by a second step where there is one, the app before the passkey.

        The password alone would not do then: whoever stole it could make codes for the step.
        """
        ways: list[dict[str, str]] = super().get_reauthentication_methods(user)
        if isinstance(user, User) and has_second_step(user):
            ways = [way for way in ways if way["id"] != "reauthenticate"]
        return ways

    def is_safe_url(self, url: str) -> bool:
        """Whether `next` is followed: to a page of ours alone, since allauth asks once the person is signed in."""
        return bool(page_of_ours(context.request, url))

    def send_mail(self, template_prefix: str, email: str, values: dict[str, Any]) -> None:
        """Send one of allauth's mails. What the mail server does not take is told, and no error."""
        try:
            super().send_mail(template_prefix, email, values)
        except OSError:
            logger.exception("%s could not be sent", template_prefix)
            messages.error(context.request, _("The mail could not be sent. Try again later."))

    def get_logout_redirect_url(self, request: HttpRequest) -> str:
        """Back to where one signs in, without a page to return to."""
        return reverse("account_login")

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """An account that a firm or the operator made has no address on record yet: they vouch for it.

        Who signs up alone has one from the start, and proves it by the mailed link before coming in.
        """
        addresses.vouch_for(user)
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

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Bad tries count against the account *and* the network that they come from.

        Against the account alone, a stranger who knows the address could keep its owner out.
        """
        network = truncate_ip(self.get_client_ip(request))
        return f"{super()._get_login_attempts_cache_key(request, **credentials)}:{network}"

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse after too many failures, and write that down (design section 9)."""
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            self._locked(request, str(credentials.get("email") or "").strip().lower())
            raise

    def _locked(self, request: HttpRequest, email: str) -> None:
        address = self.get_client_ip(request)
        user = addresses.account_with(email)
        memberships = Membership.objects.select_related("firm", "user").order_by("firm")
        # Whose address it was is for the firm to know, not for the log of the machine.
        logger.warning("sign-in locked after too many failures, from %s", address)
        for row in memberships.filter(user=user):
            record_lock(member=row, by=Actor("nobody", f"web {address}"), now=timezone.now())
