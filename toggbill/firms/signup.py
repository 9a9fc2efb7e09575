"""Signing up: a stranger opens an account and, with it, a firm of his own (``SIGNUP_OPEN``)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from django import forms
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone, translation
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from toggbill.firms.access import address_of
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.members import refresh_staff, subject
from toggbill.firms.models import Firm, Membership, User


class SignupForm(AllauthSignupForm):
    """E-mail, password, and the name of the firm."""

    firm_name = forms.CharField(label=_("Name of the firm"), max_length=200, strip=True)
    field_order = ("firm_name", "email", "password1", "password2")

    def save(self, request: HttpRequest) -> Any:
        """The account and its firm, or neither."""
        with transaction.atomic():
            user = super().save(request)
            open_firm(
                name=self.cleaned_data["firm_name"],
                language=(translation.get_language() or "fr")[:2],
                owner=user,
                by=Actor.person(user, f"web {address_of(request)}"),
                now=timezone.now(),
            )
        return user


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
