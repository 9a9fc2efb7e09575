"""The proof of who asks. It belongs to the session, and what matters most asks for a fresh one.

allauth keeps in the session which proofs were given in it, and when: the password, and each second step. An account
that has a second step is proven by that step alone: the password is what a thief of it has already.
"""

from __future__ import annotations

import time
from collections.abc import Set
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from toggbill.firms.identity.mfa import has_second_step
from toggbill.firms.models import User
from toggbill.firms.next_page import page_of_ours

FRESH_FOR = timedelta(minutes=10)
# Seconds by which the clocks of two machines that serve the site may differ.
_CLOCKS_DIFFER = 60

_STEP: Set[str] = frozenset({"mfa"})
_ANY: Set[str] = frozenset({"mfa", "password"})


def has_proven_step(request: HttpRequest) -> bool:
    """Whether a second step of the account was given in this session, at sign-in or since."""
    return _latest(request, _STEP) is not None


def is_fresh(request: HttpRequest) -> bool:
    """Whether the person proved within ``FRESH_FOR`` who they are, by a second step where the account has one."""
    user = request.user
    if not isinstance(user, User):
        return False
    at = _latest(request, _STEP if has_second_step(user) else _ANY)
    return at is not None and -_CLOCKS_DIFFER <= time.time() - at < FRESH_FOR.total_seconds()


def _latest(request: HttpRequest, methods: Set[str]) -> float | None:
    user = request.user
    if not isinstance(user, User):
        return None
    records = get_authentication_records(request, user)
    return max((float(row["at"]) for row in records if row.get("method") in methods), default=None)


def ask(request: HttpRequest) -> HttpResponseRedirect:
    """Off to the page that asks for the proof, and back from there.

    A form that was sent is not kept, since it may hold a secret: the way leads back to its page, and that is said.
    """
    ways = get_adapter().get_reauthentication_methods(request.user)
    if not ways:
        # No password and no step: the mailbox is what is left to prove.
        return HttpResponseRedirect(reverse("account_reset_password"))
    goal = request.get_full_path()
    if request.method not in {"GET", "HEAD"}:
        goal = _page_of_the_form(request)
        # Silently where the gate stands before the messages: nothing at all is open there.
        text = _("Nothing was done yet: show that it is you, and do it once more.")
        messages.warning(request, text, fail_silently=True)
    return HttpResponseRedirect(f"{ways[0]['url']}?{urlencode({'next': goal})}")


def _page_of_the_form(request: HttpRequest) -> str:
    first = "home" if getattr(request, "firm", None) is None else "firm:dossiers"
    return page_of_ours(request, request.headers.get("Referer", "")) or reverse(first)


def enrolled(request: HttpRequest, authenticator: Any) -> None:
    """A second step was added in this session: the person just used it, so it is the session's proof."""
    record_authentication(
        request,
        authenticator.user,
        method="mfa",
        id=authenticator.pk,
        type=authenticator.type,
        reauthenticated=True,
    )


def end_other_sessions(request: HttpRequest, user: User) -> None:
    """Sign the account out everywhere but here."""
    for session in UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key):
        session.end()
