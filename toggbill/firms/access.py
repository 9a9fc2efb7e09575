"""Who may do what. One table, used by views, admin and templates."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from toggbill.firms.audit import Actor
from toggbill.firms.models import Firm, Membership, User

_Role = Membership.Role

# What a role may do. "see" is every page; the others are verbs.
ALLOWED: dict[str, frozenset[str]] = {
    "see": frozenset({_Role.OWNER, _Role.MANAGER, _Role.BOOKKEEPER, _Role.VIEWER}),
    "map": frozenset({_Role.OWNER, _Role.MANAGER, _Role.BOOKKEEPER}),
    "draft": frozenset({_Role.OWNER, _Role.MANAGER, _Role.BOOKKEEPER}),
    "approve": frozenset({_Role.OWNER, _Role.MANAGER, _Role.BOOKKEEPER}),
    "post": frozenset({_Role.OWNER, _Role.MANAGER}),
    "configure": frozenset({_Role.OWNER, _Role.MANAGER}),
    "members": frozenset({_Role.OWNER}),
}


class FirmRequest(HttpRequest):
    """A request behind ``member_required``: ``FirmMiddleware`` has put the member and the firm on it."""

    user: User
    membership: Membership | None
    firm: Firm
    LANGUAGE_CODE: str


def may(membership: Membership | None, what: str) -> bool:
    """Whether a member may do something of the table."""
    return membership is not None and membership.role in ALLOWED[what]


def actor(request: FirmRequest) -> Actor:
    """Who asks, for a verb's ``by=``."""
    return Actor.person(request.user, f"web {request.META.get('REMOTE_ADDR', '')}".strip())


_P = ParamSpec("_P")


def member_required(
    what: str = "see",
) -> Callable[[Callable[Concatenate[FirmRequest, _P], HttpResponse]], Callable[..., HttpResponse]]:
    """A view for members who may do ``what``: others are refused (403), who is not signed in is sent to sign in."""

    def decorate(view: Callable[Concatenate[FirmRequest, _P], HttpResponse]) -> Callable[..., HttpResponse]:
        @login_required
        @wraps(view)
        def guarded(request: FirmRequest, *args: _P.args, **kwargs: _P.kwargs) -> HttpResponse:
            if not may(request.membership, what):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return guarded

    return decorate
