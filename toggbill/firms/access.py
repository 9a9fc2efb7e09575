"""Who may do what, and who sees which rows. One table and one function, used by views, admin and templates.

``RIGHTS`` is the table (``manage.py roles`` prints it for the README), ``may`` asks it. ``visible`` is the fence
between firms and, for a member who is restricted to named dossiers, between the dossiers of the firm.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

from allauth.account.adapter import get_adapter
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_htmx.middleware import HtmxDetails

from toggbill.firms.audit import Actor, Authority
from toggbill.firms.identity import proof as proofs
from toggbill.firms.models import AuditEvent, Firm, Membership, MembershipDossier, User

_Role = Membership.Role
_EVERYBODY = frozenset({_Role.OWNER, _Role.MANAGER, _Role.BOOKKEEPER, _Role.VIEWER})
_BOOKS = frozenset({_Role.OWNER, _Role.MANAGER, _Role.BOOKKEEPER})
_LEADS = frozenset({_Role.OWNER, _Role.MANAGER})
_OWNERS = frozenset({_Role.OWNER})


class Right(NamedTuple):
    """A right: what it allows, who has it, and whether it reaches beyond single dossiers.

    A member who is restricted to named dossiers never has a right of the whole firm.
    """

    label: str | Promise
    roles: frozenset[str]
    whole_firm: bool = False


RIGHTS: dict[str, Right] = {
    "see": Right(_("read every page"), _EVERYBODY),
    "export": Right(_("export what one reads"), _EVERYBODY),
    "map": Right(_("map tags and clients, make fee agreements"), _BOOKS),
    "hold": Right(_("hold or write off hours, decide on corrections"), _BOOKS),
    "draft": Right(_("draft invoices and drop drafts"), _BOOKS),
    "discount": Right(_("write a line down or up by more than 10 %"), _LEADS),
    "approve": Right(_("approve up to the dossier’s limit"), _BOOKS),
    "approve_any": Right(_("approve above the dossier’s limit"), _LEADS),
    "post": Right(_("post to Billit and send"), _LEADS),
    "configure": Right(_("change the rules of dossiers"), _LEADS),
    "pair": Right(_("make dossiers"), _LEADS, whole_firm=True),
    "prove": Right(_("take the evidence of a month"), _LEADS, whole_firm=True),
    "connect": Right(_("add, change and remove connections"), _LEADS, whole_firm=True),
    "members": Right(_("invite, change and remove members"), _OWNERS, whole_firm=True),
    "firm": Right(_("change, export and close the firm"), _OWNERS, whole_firm=True),
}


# What is left in a firm that was closed: its books are read, taken along, and its members minded.
WHEN_CLOSED = frozenset({"see", "export", "prove", "members", "firm"})


class FirmRequest(HttpRequest):
    """A request behind ``member_required``: ``FirmMiddleware`` has put the member and the firm of its address on it."""

    user: User
    membership: Membership | None
    # All of the user's, the one that `/` leads to first.
    memberships: list[Membership]
    firm: Firm
    # The first of the user's firms that demands a second step.
    demanding_firm: Firm | None
    # Whether the account signs in in two steps; None where no membership was there to ask it with.
    has_second_step: bool | None
    LANGUAGE_CODE: str
    # True when a part of the page asks (htmx), not the browser.
    htmx: HtmxDetails


def may(membership: Membership | None, what: str) -> bool:
    """Whether a member may do something of the table."""
    if membership is None:
        return False
    right = RIGHTS[what]
    if membership.firm.closed_at is not None and what not in WHEN_CLOSED:
        return False
    return membership.role in right.roles and not (right.whole_firm and membership.is_restricted)


class NotAllowed(PermissionDenied):
    """The role of who asked does not allow it; ``str()`` says what and who may. On a page that is a 403."""


def holds(by: Actor, what: str, *, firm: Firm, dossier: int) -> bool:
    """Whether who acts may do something of the table in a dossier (row id), as roles are at this moment.

    A verb asks under the lock of the firm, under which roles change. The schedule has no role: see
    ``invoicing.deciding.rights``.
    """
    if by.authority in {Authority.OPERATOR, Authority.COMMAND}:
        return True
    membership = _membership(by, firm)
    if membership is None or not may(membership, what):
        return False
    named = MembershipDossier.objects.filter(membership=membership, dossier=dossier)
    return not membership.is_restricted or named.exists()


def named_by(event: AuditEvent, *, origin: str) -> Actor:
    """Who an event names, for what goes on of it later from ``origin``: with the rights of this moment.

    Whoever has another address by now, or is no member any more, has none.
    """
    command = Actor.command()
    if (event.actor, event.origin) == (command.name, command.origin):
        return command
    user = User.objects.filter(email=event.actor, is_active=True).first()
    if user is None:
        return Actor(event.actor, origin)
    if user.is_superuser:
        return Actor(user.email, origin, Authority.OPERATOR, user=user.pk)
    membership = Membership.objects.filter(firm=event.firm_id, user=user).first()
    if membership is None:
        return Actor.person(user, origin)
    return Actor(user.email, origin, Authority.MEMBER, membership.pk, user.pk)


def demand_of_firm(by: Actor, what: str, firm: Firm) -> None:
    """Raises ``NotAllowed`` unless who acts may do something of the table that is about the firm as a whole."""
    if by.authority in {Authority.OPERATOR, Authority.COMMAND} or may(_membership(by, firm), what):
        return
    raise NotAllowed(
        gettext("%(who)s may not do this in firm “%(firm)s”: %(right)s. Ask an owner of the firm.")
        % {"who": by.name, "firm": firm, "right": RIGHTS[what].label}
    )


def _membership(by: Actor, firm: Firm) -> Membership | None:
    if by.authority != Authority.MEMBER or by.member is None:
        return None
    return Membership.objects.select_related("firm").filter(pk=by.member, firm=firm, user__is_active=True).first()


# --- which rows -----------------------------------------------------------------------------------------------------

# How a row leads to the dossiers that it belongs to. A restricted member sees it if one of them is theirs.
_BY_ANY = {
    "invoicing.dossier": "pk",
    "invoicing.dossierclient": "dossier",
    "invoicing.tagmapping": "dossier",
    "invoicing.clientmapping": "dossier",
    "invoicing.agreement": "dossier",
    "invoicing.broughtorder": "agreement__dossier",
    "invoicing.ledgerrow": "dossier",
    "invoicing.run": "dossier",
    "invoicing.writeback": "dossier",
    "invoicing.invoice": "dossier",
    "invoicing.invoiceline": "invoice__dossier",
    "invoicing.claim": "line__invoice__dossier",
    "invoicing.deduction": "line__invoice__dossier",
    "invoicing.correction": "invoice__dossier",
    "invoicing.drift": "dossier",
    "invoicing.reportedmonth": "dossier",
    "invoicing.budgetnotice": "dossier",
    "invoicing.annex": "invoice__dossier",
    "invoicing.monthsum": "dossier",
    "invoicing.monthproof": "dossier",
    "invoicing.changedmonth": "dossier",
    "invoicing.attempt": "invoice__dossier",
    "integrations.entry": "ledger_row__dossier",
    "integrations.workspace": "dossiers",
    "integrations.company": "dossiers",
    "integrations.product": "company__dossiers",
    "integrations.productprice": "product__company__dossiers",
}
# What dossiers share: names of clients and customers. A restricted member sees it if all of them are theirs.
_BY_ALL = {
    "integrations.client": "workspace__dossiers",
    "integrations.project": "workspace__dossiers",
    "integrations.customer": "company__dossiers",
    "invoicing.customerpin": "company__dossiers",
}
# What belongs to the firm as a whole: never shown to a restricted member.
WHOLE_FIRM = frozenset(
    {
        "integrations.connection",
        "integrations.quota",
        "integrations.webhook",
        "firms.auditevent",
        "firms.membership",
        "firms.membershipdossier",
        "firms.invitation",
        # A member's own: its page asks for those of the member, restricted or not.
        "invoicing.savedview",
    }
)
FENCED = frozenset({*_BY_ANY, *_BY_ALL, *WHOLE_FIRM})

_Rows = TypeVar("_Rows", bound=QuerySet[Any])


def visible(membership: Membership | None, rows: _Rows) -> _Rows:
    """Those of ``rows`` that a member may see: of the firm and, for a restricted member, of the named dossiers.

    A model that stands in none of the lists above is shown to no restricted member (a test asks for the list).
    """
    if membership is None:
        return rows.none()
    rows = rows.filter(firm=membership.firm_id)
    if not membership.is_restricted:
        return rows
    label = rows.model._meta.label_lower
    named = MembershipDossier.objects.filter(membership=membership.pk).values("dossier")
    path = _BY_ANY.get(label) or _BY_ALL.get(label)
    if path is None:
        return rows.none()
    # Sub-queries, so that rows do not come twice where a path leads to several dossiers.
    own = rows.model._default_manager.filter(firm=membership.firm_id)
    rows = rows.filter(pk__in=own.filter(**{f"{path}__in": named}).values("pk"))
    if label in _BY_ALL:
        foreign = own.filter(Q(**{f"{path}__isnull": False}) & Q(**{f"{path}__in": _others(membership)})).values("pk")
        rows = rows.exclude(pk__in=foreign)
    return rows


def _others(membership: Membership) -> QuerySet[Any, Any]:
    named = MembershipDossier.objects.filter(membership=membership.pk).values("dossier")
    return dossiers_of(membership.firm).exclude(pk__in=named).values("pk")


def dossiers_of(firm: Firm) -> QuerySet[Any]:
    """The dossiers of a firm, by name. (This package stands below the one that has the model.)"""
    model: Any = MembershipDossier._meta.get_field("dossier").related_model
    rows: QuerySet[Any] = model._default_manager.filter(firm=firm).order_by("name", "pk")
    return rows


# --- requests -------------------------------------------------------------------------------------------------------


def address_of(request: HttpRequest) -> str:
    """The network address of who asks, as far as the proxies in front are known (``TRUSTED_PROXIES``)."""
    return str(get_adapter().get_client_ip(request))


def actor(request: FirmRequest) -> Actor:
    """Who asks, for a verb's ``by=``: the operator, or the member of the request's firm."""
    origin = f"web {address_of(request)}".strip()
    if request.user.is_superuser:
        return Actor(request.user.email, origin, Authority.OPERATOR, user=request.user.pk)
    if request.membership is None:
        return Actor.person(request.user, origin)
    return Actor(request.user.email, origin, Authority.MEMBER, request.membership.pk, request.user.pk)


def member(request: FirmRequest) -> Membership:
    """The member behind ``member_required``."""
    if request.membership is None:  # not reachable there
        raise PermissionDenied
    return request.membership


_P = ParamSpec("_P")


def member_required(
    what: str = "see", *, proof: bool = False
) -> Callable[[Callable[Concatenate[FirmRequest, _P], HttpResponse]], Callable[..., HttpResponse]]:
    """A view for members who may do ``what``: others are refused (403), who is not signed in is sent to sign in.

    ``proof``: the member also proves anew who they are, unless they did so within the latest minutes
    (``identity.proof``). A page asks before its form is filled in.
    """

    def decorate(view: Callable[Concatenate[FirmRequest, _P], HttpResponse]) -> Callable[..., HttpResponse]:
        @login_required
        @wraps(view)
        def guarded(request: FirmRequest, *args: _P.args, **kwargs: _P.kwargs) -> HttpResponse:
            if not may(request.membership, what):
                raise PermissionDenied
            if proof and not proofs.is_fresh(request):
                return proofs.ask(request)
            return view(request, *args, **kwargs)

        guarded.asks_for = what  # type: ignore[attr-defined]  # read by the tests of the fences
        guarded.asks_for_proof = proof  # type: ignore[attr-defined]  # the same
        return guarded

    return decorate


def as_markdown() -> str:
    """The table of rights for the README."""
    roles = [_Role.OWNER, _Role.MANAGER, _Role.BOOKKEEPER, _Role.VIEWER]
    lines = [
        "| a member may | " + " | ".join(str(role.label) for role in roles) + " | restricted to dossiers |",
        "|---" * (len(roles) + 2) + "|",
    ]
    for right in RIGHTS.values():
        cells = ["x" if role in right.roles else "" for role in roles]
        cells.append("" if right.whole_firm else "in those")
        lines.append(f"| {right.label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
