"""The admin's own pages for passwords lead to those of the site: there is one door, with its second step and limits."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache

from toggbill.firms.next_page import page_of_ours


@never_cache
def sign_in(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """To the site's sign-in; whoever is signed in goes on, or is refused (403). No password is read here."""
    match = request.resolver_match
    index = reverse("admin:index", current_app=None if match is None else match.namespace)
    goal = page_of_ours(request, request.GET.get(REDIRECT_FIELD_NAME, "")) or index
    if not request.user.is_authenticated:
        return redirect_to_login(goal)
    if not (request.user.is_active and request.user.is_staff):
        raise PermissionDenied
    return HttpResponseRedirect(goal)


@never_cache
def change_password(request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
    """To the page of the account, which asks for a fresh proof."""
    return HttpResponseRedirect(reverse("account_change_password"))
