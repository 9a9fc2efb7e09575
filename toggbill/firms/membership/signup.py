"""Signing up: a stranger opens an account and, once the address is proven, a firm (``SIGNUP_OPEN``).

Until then there is no firm, so that nobody leaves empty ones behind: its name waits with the account. An account that
is never proven goes after a week, when the next stranger signs up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.account.models import EmailAddress
from django import forms
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from toggbill.firms.audit import Actor, News, record
from toggbill.firms.identity.addresses import subject
from toggbill.firms.membership.members import refresh_staff
from toggbill.firms.models import Firm, Membership, User


class SignupForm(AllauthSignupForm):
    """E-mail, password, and the name of the firm."""

    firm_name = forms.CharField(label=_("Name of the firm"), max_length=200, strip=True)
    field_order = ("firm_name", "email", "password1", "password2")

    def save(self, request: HttpRequest) -> Any:
        """The account, with the name of the firm that it asks for."""
        with transaction.atomic():
            forget_unproven_accounts(now=timezone.now())
            user = super().save(request)
            user.asked_firm = self.cleaned_data["firm_name"]
            user.save(update_fields=["asked_firm"])
        return user


UNPROVEN_FOR = timedelta(days=7)
"""After this long an account whose address was never proven is gone."""


def open_asked_firm(*, user: User, language: str, origin: str, now: datetime) -> Firm | None:
    """The firm that a person asked for at sign-up, now that the address is proven; None without such a wish.

    Once: the wish is taken from the account in the same transaction.
    """
    owner = User.objects.get(pk=user.pk)
    if not owner.asked_firm:
        return None
    with transaction.atomic():
        # The firm first, then the account: as everywhere (``firms.locks``).
        firm = open_firm(name=owner.asked_firm, language=language, owner=owner, by=Actor.person(owner, origin), now=now)
        wish = User.objects.filter(pk=owner.pk, asked_firm=owner.asked_firm)
        if wish.update(asked_firm=""):
            return firm
        # Another request of the same person has opened it.
        transaction.set_rollback(True)
    return None


def forget_unproven_accounts(*, now: datetime) -> int:
    """Delete accounts that asked for a firm more than a week ago and never proved their address; how many."""
    rows = User.objects.exclude(asked_firm="").filter(
        joined_at__lt=now - UNPROVEN_FOR, last_login__isnull=True, memberships__isnull=True
    )
    proven = EmailAddress.objects.filter(verified=True).values("user")
    ids = list(rows.exclude(pk__in=proven).values_list("pk", flat=True))
    # With their keys, in order: two strangers who sign up at once forget the same accounts.
    gone = list(User.objects.filter(pk__in=ids).order_by("pk").select_for_update().values_list("pk", flat=True))
    User.objects.filter(pk__in=gone).delete()
    return len(gone)


@transaction.atomic
def open_firm(*, name: str, language: str, owner: User, by: Actor, now: datetime) -> Firm:
    """A new firm with its first owner. Its short name is made of the name; a number follows where that is taken."""
    stem = slugify(name)[:40].strip("-") or "firm"
    firm = None
    number = 1
    while firm is None:
        slug = stem if number == 1 else f"{stem}-{number}"
        number += 1
        if Firm.objects.filter(slug=slug).exists():
            continue
        try:
            with transaction.atomic():
                firm = Firm.objects.create(slug=slug, name=name.strip(), language=language)
        except IntegrityError:  # somebody took the short name this very moment
            continue
    Membership.objects.create(firm=firm, user=owner, role=Membership.Role.OWNER)
    news = News("member_joined", subject(owner.email), {"role": Membership.Role.OWNER.value})
    record(firm=firm, news=[news], by=by, now=now)
    refresh_staff(owner)
    return firm
