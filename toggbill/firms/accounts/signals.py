"""What follows when an account changes: its firms find it in their logs, and sessions without the new proof end."""

from __future__ import annotations

from typing import Any

from allauth.account import signals as account
from allauth.account.models import EmailAddress
from allauth.mfa import signals as mfa
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from toggbill.firms.access import address_of
from toggbill.firms.audit import Actor, News
from toggbill.firms.identity import addresses, proof
from toggbill.firms.identity.mfa import SECOND_STEPS
from toggbill.firms.models import User

_ONCE = "toggbill"


def _tell(request: HttpRequest, user: User, kind: str, data: dict[str, Any]) -> None:
    by, now = Actor.person(user, f"web {address_of(request)}"), timezone.now()
    addresses.tell_firms(user=user, news=News(kind, addresses.subject(user.email), data), by=by, now=now)


@receiver(mfa.authenticator_added, dispatch_uid=_ONCE)
def step_added(request: HttpRequest, user: User, authenticator: Any, **_more: Any) -> None:
    """Every other session ends: none of them has proven the new step."""
    if authenticator.type in SECOND_STEPS:
        proof.enrolled(request, authenticator)
        proof.end_other_sessions(request, user)
        _tell(request, user, "member_mfa_added", {"step": str(authenticator.type)})


@receiver(mfa.authenticator_removed, dispatch_uid=_ONCE)
def step_removed(request: HttpRequest, user: User, authenticator: Any, **_more: Any) -> None:
    """Every other session ends: one of them may be of whoever holds the step that is taken away."""
    if authenticator.type in SECOND_STEPS:
        proof.end_other_sessions(request, user)
        _tell(request, user, "member_mfa_removed", {"step": str(authenticator.type)})


@receiver(mfa.authenticator_reset, dispatch_uid=_ONCE)
def codes_made(request: HttpRequest, user: User, **_more: Any) -> None:
    """New recovery codes open the account, too."""
    _tell(request, user, "member_codes_made", {})


@receiver(account.password_changed, dispatch_uid=_ONCE)
@receiver(account.password_set, dispatch_uid=_ONCE)
def password_changed(request: HttpRequest, user: User, **_more: Any) -> None:
    """On the page, by whoever knew the old one."""
    _tell(request, user, "member_password_changed", {"by_mail": False})


@receiver(account.password_reset, dispatch_uid=_ONCE)
def password_reset(request: HttpRequest, user: User, **_more: Any) -> None:
    """By the mailed link."""
    _tell(request, user, "member_password_changed", {"by_mail": True})


@receiver(account.email_changed, dispatch_uid=_ONCE)
def email_changed(
    request: HttpRequest,
    user: User,
    from_email_address: EmailAddress | None,
    to_email_address: EmailAddress,
    **_more: Any,
) -> None:
    """Another address to sign in with; allauth tells the old one by mail. The actor is known by the old one."""
    user.email = to_email_address.email
    old = user.email if from_email_address is None else from_email_address.email
    by = Actor(old, f"web {address_of(request)}")
    addresses.address_changed(user=user, old=old, by=by, now=timezone.now())


@receiver(account.email_confirmed, dispatch_uid=_ONCE)
def email_added(request: HttpRequest, email_address: EmailAddress, **_more: Any) -> None:
    """A further address was proven: it can become the one to sign in with. The first one is no news."""
    user = User.objects.get(pk=email_address.user_id)
    if user.email.lower() != email_address.email:
        _tell(request, user, "member_email_added", {"email": email_address.email})


@receiver(account.email_removed, dispatch_uid=_ONCE)
def email_removed(request: HttpRequest, user: User, email_address: EmailAddress, **_more: Any) -> None:
    """A further address is gone."""
    _tell(request, user, "member_email_removed", {"email": email_address.email})
