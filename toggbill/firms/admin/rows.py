"""A firm, its members with their accounts, and its audit log in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from allauth.account.adapter import get_adapter
from django import forms
from django.contrib import admin, messages
from django.db import models, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from toggbill.firms.access import FirmRequest, actor, dossiers_of
from toggbill.firms.admin.as_read import AsReadMixin, read_of
from toggbill.firms.admin.fence import FirmModelAdmin, Found, ReadOnlyAdmin, allowed, firm_of
from toggbill.firms.changes import change_firm_as_read, firm_as_read
from toggbill.firms.identity.addresses import account_with, change_address
from toggbill.firms.membership import invitations, members
from toggbill.firms.models import AuditEvent, Firm, Invitation, Membership, MembershipDossier, User

# Generic for the type checker only, not at run time.
if TYPE_CHECKING:
    _MembershipForm = forms.ModelForm[Membership]
    _UserForm = forms.ModelForm[User]
else:
    _MembershipForm = _UserForm = forms.ModelForm

GETS_A_LINK = _("Who has no account yet gets a link to choose a password.")


def add_member(request: HttpRequest, firm: Firm, email: str, role: str) -> Membership:
    """Through the verb: audited, and invited by mail when there is no password yet."""
    joining = invitations.add_member(
        firm=firm, email=email, role=role, by=actor(cast(FirmRequest, request)), now=timezone.now()
    )
    if joining.to_invite:
        transaction.on_commit(lambda: _invite(request, firm, joining.membership.user))
    return joining.membership


def _invite(request: HttpRequest, firm: Firm, user: User) -> None:
    try:
        invitations.mail_invitation(firm=firm, user=user)
    except OSError:
        text = gettext(
            "%(email)s is a member now, but the invitation could not be mailed. Let them ask for a new password."
        )
        messages.warning(request, text % {"email": user.email})


@admin.register(Firm)
class FirmAdmin(AsReadMixin, Found):
    """The firm of the page. Its short name stands in the hashes of the audit log, so it never changes."""

    figures_of = staticmethod(firm_as_read)
    asks_for_proof = True
    list_display: Any = ("name", "slug", "timezone", "language")
    fields: ClassVar[Any] = ("slug", "name", "timezone", "language", "requires_mfa", "created_at", "audit_number")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Firm]:
        """The firm of the page."""
        firm = firm_of(request)
        rows = super().get_queryset(request)
        return rows.none() if firm is None else rows.filter(pk=firm.pk)

    def get_readonly_fields(self, request: HttpRequest, obj: Firm | None = None) -> tuple[str, ...]:
        """The short name is chosen once; the zone, which judges hours anew, changes on the firm's page."""
        once = () if obj is None else ("slug", "timezone")
        return (*once, "created_at", "audit_number")

    def save_model(self, request: HttpRequest, obj: Firm, form: Any, change: bool) -> None:
        """Through the verb."""
        values = {name: form.cleaned_data[name] for name in form.changed_data}
        by, now = actor(cast(FirmRequest, request)), timezone.now()
        change_firm_as_read(firm=obj, values=values, by=by, now=now, read=read_of(request))

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Staff who may see something."""
        return allowed(request, "see")

    def has_view_permission(self, request: HttpRequest, obj: Firm | None = None) -> bool:
        """By role."""
        return allowed(request, "see")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody here: a new tenant is the operator's to make, on the pages of the operator."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Firm | None = None) -> bool:
        """Owners."""
        return allowed(request, "firm")

    def has_delete_permission(self, request: HttpRequest, obj: Firm | None = None) -> bool:
        """Books are kept ten years."""
        return False


class MembershipForm(_MembershipForm):
    """A member is named by the e-mail address, so that nobody's address is offered for choice."""

    email = forms.EmailField(label=_("e-mail"), help_text=GETS_A_LINK)

    class Meta:
        model = Membership
        fields = ("role",)

    def clean(self) -> dict[str, Any]:
        """A firm keeps an owner."""
        cleaned = super().clean() or {}
        row = self.instance
        if row.pk and cleaned.get("role") != Membership.Role.OWNER and members.is_only_owner(row):
            self.add_error("role", _("The firm needs an owner: make another member owner first."))
        return cleaned


@admin.register(Membership)
class MembershipAdmin(AsReadMixin, FirmModelAdmin):
    """Members of the firm: owners invite, change roles and remove, and each step stands in the audit log."""

    figures_of = staticmethod(members.as_read)
    to_change = "members"
    asks_for_proof = True
    form = MembershipForm
    list_display = ("user", "role", "is_restricted")
    list_select_related = ("user",)
    list_filter = ("role",)
    search_fields = ("user__email", "user__name")
    actions = None
    exclude = ("firm", "user")

    def get_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        """The address is given once."""
        return ("email", "role") if obj is None else ("user", "role")

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        """Who it is does not change."""
        return () if obj is None else ("user",)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Without the address once the member stands."""
        form = super().get_form(request, obj, change=change, **kwargs)
        if obj is not None:
            form.base_fields.pop("email", None)
        return form

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        """Through the verb: audited, and invited by mail when there is no password yet."""
        role = form.cleaned_data["role"]
        if change:
            named = dossiers_of(obj.firm).filter(pk__in=obj.named.values("dossier"))
            wanted = {"role": role, "dossiers": named if obj.is_restricted and role != Membership.Role.OWNER else None}
            by, now = actor(cast(FirmRequest, request)), timezone.now()
            members.change_reach(membership=obj, **wanted, by=by, now=now, read=read_of(request))
        elif (firm := firm_of(request)) is not None:  # adding asks for a firm
            row = add_member(request, firm, form.cleaned_data["email"], role)
            obj.pk, obj.firm, obj.user = row.pk, firm, row.user

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        """Remove the member; the account stays, and loses the admin when no other firm gives it."""
        by, now = actor(cast(FirmRequest, request)), timezone.now()
        members.remove(membership=obj, by=by, now=now, read=read_of(request))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Owners, but a firm keeps an owner."""
        return allowed(request, "members") and (obj is None or not members.is_only_owner(obj))


class UserForm(_UserForm):
    """An address is one account's, and closing an account leaves no firm without an owner."""

    class Meta:
        model = User
        fields = ("email", "name", "is_active", "is_staff", "is_superuser")

    def clean_email(self) -> str:
        """An address that no other account has, also as a further one."""
        email = str(self.cleaned_data["email"]).strip().lower()
        other = account_with(email)
        if other is not None and other.pk != self.instance.pk:
            raise forms.ValidationError(_("Another account has this address: choose another one."))
        return email

    def clean_is_active(self) -> bool:
        """Stays while a firm has no other owner."""
        is_active = bool(self.cleaned_data["is_active"])
        if not is_active:
            rows = Membership.objects.filter(user=self.instance).select_related("firm").order_by("firm__name")
            if alone := [row.firm.name for row in rows if members.is_only_owner(row)]:
                text = _("No other owner is left in %(firms)s: make another member owner first.")
                raise forms.ValidationError(text, params={"firms": ", ".join(alone)})
        return is_active


@admin.register(User)
class UserAdmin(Found):
    """Accounts. One may serve several firms, so only the operator changes it; owners see their members'."""

    asks_for_proof = True
    list_display = ("email", "name", "is_active", "is_staff")
    search_fields = ("email", "name")
    fields = ("email", "name", "is_active", "is_staff", "is_superuser", "joined_at", "last_login")
    readonly_fields = ("joined_at", "last_login")

    form = UserForm

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """The address through the verb: it is an event of each firm, and the old address is told."""
        email = obj.email
        obj.email = form.initial["email"]
        # First, since it locks the firms: they come before the account.
        if email != obj.email:
            old = change_address(user=obj, email=email, by=actor(cast(FirmRequest, request)), now=timezone.now())
            told = {"from_email": old, "to_email": obj.email}
            tell = get_adapter(request).send_notification_mail
            transaction.on_commit(lambda: tell("account/email/email_changed", obj, told, email=old))
        super().save_model(request, obj, form, change)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[User]:
        """The firm's members."""
        rows = super().get_queryset(request)
        firm = firm_of(request)
        return rows.none() if firm is None else rows.filter(memberships__firm=firm)

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """The operator's switches are for the operator."""
        return self.fields if cast(FirmRequest, request).user.is_superuser else ("email", "name", "is_active")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Owners and superusers."""
        return allowed(request, "members")

    def has_view_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Owners and superusers."""
        return allowed(request, "members")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody: accounts come with a membership, or from the command line."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Superusers."""
        return cast(FirmRequest, request).user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody: close an account by making it inactive."""
        return False


@admin.register(MembershipDossier)
class MembershipDossierAdmin(ReadOnlyAdmin):
    """Which dossiers a restricted member sees: changed on the members page."""

    list_display = ("membership", "dossier")
    list_select_related = ("membership", "dossier")


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    """Invitations: sent again and revoked on the members page. The link itself stands nowhere."""

    list_display = ("email", "role", "invited_by", "invited_at", "expires_at", "accepted_at")
    list_filter = ("role",)
    search_fields = ("email",)


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """The audit log, the newest first."""

    list_display = ("number", "at", "actor", "type", "subject")
    list_filter = ("type", "at")
    search_fields = ("subject", "actor")
    ordering = ("-number",)
