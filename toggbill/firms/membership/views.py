"""The members page, and the page on which an invitation is accepted."""

from __future__ import annotations

from typing import Any

from allauth.account.utils import perform_login
from allauth.core import ratelimit
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from toggbill.firms import mails
from toggbill.firms.access import RIGHTS, FirmRequest, actor, address_of, member, member_required
from toggbill.firms.changes import firm_as_read
from toggbill.firms.errors import NotPossible
from toggbill.firms.identity import mfa as second_step
from toggbill.firms.identity.addresses import has_address
from toggbill.firms.membership import invitations, lost_step, members
from toggbill.firms.membership.forms import InviteForm, JoinForm, ReachForm
from toggbill.firms.models import Firm, Invitation, Membership, User
from toggbill.firms.read import Read
from toggbill.firms.requests.addresses import first_page


def _read(request: FirmRequest) -> Read:
    """What the form says that its page showed."""
    return Read.unpack(request.POST.get("read", ""))


def _rows(firm: Firm) -> list[Membership]:
    return list(Membership.objects.for_firm(firm).select_related("user", "firm").order_by("user__email"))


def _page(request: FirmRequest, form: InviteForm, status: int = 200) -> HttpResponse:
    firm, now = request.firm, timezone.now()
    rows = _rows(firm)
    secured = second_step.secured(row.user_id for row in rows)
    return render(
        request,
        "firms/members.html",
        {
            "firm": firm,
            "form": form,
            "rows": [(row, row.user_id in secured, members.restriction(row)) for row in rows],
            "invitations": [
                (row, Read.of([invitations.as_read(row)]).pack())
                for row in Invitation.objects.for_firm(firm).waiting().order_by("email")
            ],
            "firm_read": Read.of([firm_as_read(firm)]).pack(),
            "mails_read": Read.of([members.mails_as_read(member(request))]).pack(),
            "rights": [(right.label, [role in right.roles for role in Membership.Role]) for right in RIGHTS.values()],
            "roles": Membership.Role.labels,
            "now": now,
        },
        status=status,
    )


@member_required("members")
@require_GET
def member_list(request: FirmRequest) -> HttpResponse:
    """Who works for the firm, who is invited, and what each role may do."""
    return _page(request, InviteForm(firm=request.firm, initial={"role": Membership.Role.BOOKKEEPER}))


@member_required("members", proof=True)
@require_POST
def invite(request: FirmRequest) -> HttpResponse:
    """Invite a person by mail (fields `email`, `role`, `dossiers`: none is all)."""
    form = InviteForm(request.POST, firm=request.firm)
    if not form.is_valid():
        return _page(request, form, status=422)
    if not _may_mail(request):
        return redirect("firm:members")
    try:
        row, token = invitations.invite(
            firm=request.firm,
            email=form.cleaned_data["email"],
            role=form.cleaned_data["role"],
            dossiers=form.chosen,
            by=actor(request),
            now=timezone.now(),
        )
    except NotPossible as refusal:
        form.add_error("email", str(refusal))
        return _page(request, form, status=422)
    _mail(request, row, token)
    return redirect("firm:members")


def _may_mail(request: FirmRequest) -> bool:
    if ratelimit.consume(request, action="invite", user=request.user):
        return True
    messages.error(request, _("Too many invitations within an hour. Try again later."))
    return False


def _mail(request: FirmRequest, row: Invitation, token: str) -> None:
    try:
        invitations.mail_link(invitation=row, token=token)
    except OSError:
        messages.error(
            request,
            _("%(email)s is invited, but the mail could not be sent. Send the invitation again later.")
            % {"email": row.email},
        )
    else:
        messages.success(request, _("An invitation is on its way to %(email)s.") % {"email": row.email})


def _invitation(request: FirmRequest, pk: int) -> Invitation:
    return get_object_or_404(Invitation.objects.for_firm(request.firm).waiting(), pk=pk)


@member_required("members", proof=True)
@require_POST
def invite_again(request: FirmRequest, pk: int) -> HttpResponse:
    """Send an invitation once more, with a new link; the old one is dead."""
    row = _invitation(request, pk)
    if not _may_mail(request):
        return redirect("firm:members")
    try:
        token = invitations.renew(invitation=row, by=actor(request), now=timezone.now(), read=_read(request))
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    else:
        _mail(request, row, token)
    return redirect("firm:members")


@member_required("members", proof=True)
@require_POST
def revoke(request: FirmRequest, pk: int) -> HttpResponse:
    """Take an invitation back."""
    row = _invitation(request, pk)
    try:
        invitations.revoke(invitation=row, by=actor(request), now=timezone.now(), read=_read(request))
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("The invitation of %(email)s is revoked.") % {"email": row.email})
    return redirect("firm:members")


def _member(request: FirmRequest, pk: int) -> Membership:
    return get_object_or_404(Membership.objects.for_firm(request.firm).select_related("user", "firm"), pk=pk)


@member_required("members", proof=True)
@require_http_methods(["GET", "POST"])
def member_page(request: FirmRequest, pk: int) -> HttpResponse:
    """One member: the role (field `role`) and the dossiers (field `dossiers`; none is all)."""
    row = _member(request, pk)
    initial: dict[str, Any] = {"role": row.role, "dossiers": list(row.named.values_list("dossier", flat=True))}
    form = ReachForm(request.POST or None, firm=request.firm, initial=initial)
    if request.method == "POST" and form.is_valid():
        by, now = actor(request), timezone.now()
        try:
            wanted = {"role": form.cleaned_data["role"], "dossiers": form.chosen}
            members.change_reach(membership=row, **wanted, by=by, now=now, read=_read(request))
        except NotPossible as refusal:
            form.add_error("role", str(refusal))
        else:
            messages.success(request, _("%(email)s is changed.") % {"email": row.user.email})
            return redirect("firm:members")
    status = 422 if form.is_bound else 200
    context = {
        "row": row,
        "read": request.POST.get("read") or Read.of([members.as_read(row)]).pack(),
        "form": form,
        "is_only_owner": members.is_only_owner(row),
        "has_second_step": second_step.has_second_step(row.user),
        "why_no_reset": lost_step.hindrance(membership=row, by=request.user),
    }
    return render(request, "firms/member.html", context, status=status)


@member_required("members", proof=True)
@require_POST
def remove(request: FirmRequest, pk: int) -> HttpResponse:
    """Take a member out of the firm."""
    row = _member(request, pk)
    try:
        members.remove(membership=row, by=actor(request), now=timezone.now(), read=_read(request))
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("%(email)s is no member any more.") % {"email": row.user.email})
    return redirect("firm:members" if row.user_id != request.user.pk else "home")


@member_required("members", proof=True)
@require_POST
def reset_mfa(request: FirmRequest, pk: int) -> HttpResponse:
    """Take the second step of a member away who lost it; they are told by mail."""
    row = _member(request, pk)
    try:
        by, now = actor(request), timezone.now()
        lost_step.reset_by_owner(membership=row, owner=request.user, by=by, now=now, read=_read(request))
    except NotPossible as refusal:
        messages.error(request, str(refusal))
        return redirect("firm:member", pk=pk)
    told = {"email": row.user.email}
    messages.success(request, _("The second step of %(email)s is removed, and every session ended.") % told)
    try:
        lost_step.mail_reset(user=row.user, by=request.user.email, language=row.firm.language)
    except OSError:
        messages.error(request, _("%(email)s could not be told by mail: tell the person yourself.") % told)
    return redirect("firm:member", pk=pk)


@member_required("members", proof=True)
@require_POST
def require_mfa(request: FirmRequest) -> HttpResponse:
    """Demand two steps of every member (field `wanted`: yes), or no more."""
    wanted = request.POST.get("wanted") == "yes"
    members.require_mfa(firm=request.firm, wanted=wanted, by=actor(request), now=timezone.now(), read=_read(request))
    if wanted:
        messages.success(request, _("From now on every member signs in in two steps."))
    else:
        messages.success(request, _("Members may sign in in one step again."))
    return redirect("firm:members")


@member_required("members", proof=True)
@require_POST
def want_heads(request: FirmRequest) -> HttpResponse:
    """Have the head of the audit log mailed each night (field `wanted`: yes), or no more."""
    row = get_object_or_404(Membership.objects.for_firm(request.firm), user=request.user)
    wanted = request.POST.get("wanted") == "yes"
    try:
        members.want_heads(membership=row, wanted=wanted, by=actor(request), now=timezone.now(), read=_read(request))
    except NotPossible as refusal:
        messages.error(request, str(refusal))
    else:
        sentence = _("You get the audit log’s head by mail each night.") if wanted else _("You get no such mail more.")
        messages.success(request, sentence)
    return redirect("firm:members")


@member_required()
@require_http_methods(["GET", "POST"])
def choose_mails(request: FirmRequest) -> HttpResponse:
    """Which mails of the firm its reader gets (field `kind`, once for each)."""
    row = member(request)
    if request.method == "POST":
        wanted = request.POST.getlist("kind")
        by, now = actor(request), timezone.now()
        members.choose_mails(membership=row, wanted=wanted, by=by, now=now, read=_read(request))
        messages.success(request, _("Your choice of mails is saved."))
        return redirect("firm:mails")
    kinds = [(kind, *words, getattr(row, f"mails_{kind}")) for kind, words in mails.CHOOSABLE.items()]
    read = Read.of([members.mails_as_read(row)]).pack()
    return render(request, "firms/mails.html", {"kinds": kinds, "language": mails.language_of(row), "read": read})


@never_cache
@sensitive_post_parameters("password1", "password2")
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Accept an invitation: signed in with its address, or by choosing a password when there is no account yet."""
    now = timezone.now()
    row = invitations.find(token, now=now)
    if row is None:
        return render(request, "firms/invitation_gone.html", status=404)
    if request.method == "POST" and not ratelimit.consume(request, action="accept"):
        return render(request, "429.html", status=429)
    context: dict[str, Any] = {"invitation": row, "firm": row.firm, "token": token}
    if request.user.is_authenticated:
        return _accept_signed_in(request, row, context)
    if invitations.account_of(row) is not None:
        return render(request, "firms/invitation.html", context | {"must_sign_in": True})
    form = JoinForm(request.POST or None, email=row.email)
    if request.method == "POST" and form.is_valid():
        try:
            user = invitations.accept_as_new(
                invitation=row,
                name=form.cleaned_data["name"],
                password=form.cleaned_data["password1"],
                origin=f"web {address_of(request)}",
                now=now,
            )
        except NotPossible as refusal:
            form.add_error(None, str(refusal))
        else:
            # Not signed in by hand: an account may have a second step.
            answer: HttpResponse = perform_login(request, user, redirect_url=first_page(row.firm.slug))
            return answer
    return render(request, "firms/invitation.html", context | {"form": form}, status=422 if form.is_bound else 200)


def _accept_signed_in(request: HttpRequest, row: Invitation, context: dict[str, Any]) -> HttpResponse:
    user = request.user
    if not isinstance(user, User) or not has_address(user, row.email):
        return render(request, "firms/invitation.html", context | {"is_another": True})
    if request.method == "POST":
        try:
            origin = f"web {address_of(request)}"
            invitations.accept(invitation=row, user=user, origin=origin, now=timezone.now())
        except NotPossible as refusal:
            messages.error(request, str(refusal))
        else:
            return redirect(first_page(row.firm.slug))
    return render(request, "firms/invitation.html", context | {"may_accept": True})
