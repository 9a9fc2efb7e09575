"""The admin behind the fence: a member sees and changes the rows of their own firm, as far as the role allows.

``FirmModelAdmin`` is the admin of every model that belongs to a firm. For staff who are no superusers the rows, the
choices of foreign keys, the filters, the autocompletes and the direct addresses are those of ``request.firm``;
superusers see every firm. The firm of a new row is set here, never chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from toggbill.firms.access import FirmRequest, actor, may, visible
from toggbill.firms.changes import change_firm
from toggbill.firms.membership import invitations, members
from toggbill.firms.models import AuditEvent, Firm, FirmOwned, Invitation, Membership, MembershipDossier, User

# One door: the admin's own sign-in would go round the second step and the rate limits.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]  # allauth's way

# Sessions, second steps and proven addresses are each person's own, on the pages of the account; rights come from
# ``access``, so groups have no use.
for _model in (EmailAddress, EmailConfirmation, Authenticator, UserSession, Group):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)

# Django's admin and form classes are generic for the type checker only, not at run time.
if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _TabularInline = admin.TabularInline[Any, Any]
    _MembershipForm = forms.ModelForm[Membership]
else:
    _ModelAdmin, _TabularInline, _MembershipForm = admin.ModelAdmin, admin.TabularInline, forms.ModelForm

_Row = TypeVar("_Row", bound=models.Model)


def firm_of(request: HttpRequest, row: models.Model | None = None) -> Firm | None:
    """The firm that a form is about: that of its row, else the member's; None for a superuser without a firm."""
    if isinstance(row, FirmOwned) and row.firm_id is not None:
        return row.firm
    membership = cast(FirmRequest, request).membership
    return None if membership is None else membership.firm


def allowed(request: HttpRequest, what: str) -> bool:
    """Whether the person may do something of the table in ``access``; a superuser may do everything."""
    if cast(FirmRequest, request).user.is_superuser:
        return True
    return may(cast(FirmRequest, request).membership, what)


def scoped(request: HttpRequest, rows: models.QuerySet[_Row]) -> models.QuerySet[_Row]:
    """The rows that the person may see: of the firm and the named dossiers, or all for a superuser."""
    if cast(FirmRequest, request).user.is_superuser:
        return rows
    return visible(cast(FirmRequest, request).membership, rows)


def _of_one_firm(db_field: models.ForeignKey[Any, Any], request: HttpRequest) -> dict[str, Any]:
    """Offer, and accept, only rows of the firm that the form is about."""
    remote = db_field.remote_field.model
    if not issubclass(remote, FirmOwned):
        return {}
    firm = getattr(request, "form_firm", None)
    rows = remote.objects.none() if firm is None else remote.objects.filter(firm=firm)
    return {"queryset": scoped(request, rows)}


class _Found(_ModelAdmin):
    """An admin in which a row that the person may not see is not there: 404, as everywhere."""

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        # Django would lead to the index with a message.
        raise Http404


class FirmModelAdmin(_Found):
    """The admin of a model that belongs to a firm. ``to_see``, ``to_change``, ``to_add``: rights of ``access``."""

    to_see: ClassVar[str] = "see"
    to_change: ClassVar[str] = "configure"
    # None: who may change may add.
    to_add: ClassVar[str | None] = None
    exclude: ClassVar[Any] = ("firm",)
    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """The rows that the person may see."""
        return scoped(request, super().get_queryset(request))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Note on the request which firm the form is about, for the choices of its foreign keys."""
        request.form_firm = firm_of(request, obj)  # type: ignore[attr-defined]  # read by _of_one_firm
        return super().get_form(request, obj, change=change, **kwargs)

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        """Only rows of the firm."""
        return super().formfield_for_foreignkey(db_field, request, **(kwargs | _of_one_firm(db_field, request)))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Set the firm of a new row."""
        if not change:
            obj.firm = firm_of(request)
        super().save_model(request, obj, form, change)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Staff who may see something."""
        return allowed(request, self.to_see)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By role; rows of other firms are not even found."""
        return allowed(request, self.to_see)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By role, and in a firm."""
        return allowed(request, self.to_add or self.to_change) and firm_of(request) is not None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By role."""
        return allowed(request, self.to_change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Books are kept: only where a model's admin says otherwise."""
        return False


class ReadOnlyAdmin(FirmModelAdmin):
    """Rows that only the machine writes: mirrors, the books, the log."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody, superusers included."""
        return False


class FirmTabularInline(_TabularInline):
    """Rows of a firm within their parent's page. The parent's form says which firm; rights are the parent's."""

    to_change: ClassVar[str] = "configure"
    exclude: ClassVar[Any] = ("firm",)
    extra = 0

    def formfield_for_foreignkey(
        self, db_field: models.ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelChoiceField[Any] | None:
        """Only rows of the firm."""
        return super().formfield_for_foreignkey(db_field, request, **(kwargs | _of_one_firm(db_field, request)))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By role."""
        return allowed(request, "see")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By role."""
        return allowed(request, self.to_change)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By role."""
        return allowed(request, self.to_change)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """By role."""
        return allowed(request, self.to_change)


class ReadOnlyInline(FirmTabularInline):
    """Rows that only the machine writes, shown with their parent."""

    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


@admin.register(Firm)
class FirmAdmin(_Found):
    """The member's own firm. Its short name stands in the hashes of the audit log, so it never changes."""

    list_display = ("name", "slug", "timezone", "language")
    fields = ("slug", "name", "timezone", "language", "requires_mfa", "created_at", "audit_number")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Firm]:
        """The firm of the request, or all for a superuser."""
        rows = super().get_queryset(request)
        if cast(FirmRequest, request).user.is_superuser:
            return rows
        firm = firm_of(request)
        return rows.none() if firm is None else rows.filter(pk=firm.pk)

    def get_readonly_fields(self, request: HttpRequest, obj: Firm | None = None) -> tuple[str, ...]:
        """The short name is chosen once; the zone decides on which day an hour counts, so `onboard` changes it."""
        once = () if obj is None else ("slug", "timezone")
        return (*once, "created_at", "audit_number")

    def save_model(self, request: HttpRequest, obj: Firm, form: Any, change: bool) -> None:
        """Through the verb; a new firm is the row alone."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        values = {name: form.cleaned_data[name] for name in form.changed_data}
        change_firm(firm=obj, values=values, by=actor(cast(FirmRequest, request)), now=timezone.now())

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Staff who may see something."""
        return allowed(request, "see")

    def has_view_permission(self, request: HttpRequest, obj: Firm | None = None) -> bool:
        """By role."""
        return allowed(request, "see")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A new tenant is the operator's to make."""
        return cast(FirmRequest, request).user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Firm | None = None) -> bool:
        """Owners."""
        return allowed(request, "firm")

    def has_delete_permission(self, request: HttpRequest, obj: Firm | None = None) -> bool:
        """Books are kept ten years."""
        return False


class MembershipForm(_MembershipForm):
    """A member is named by the e-mail address, so that nobody's address is offered for choice."""

    email = forms.EmailField(label=_("e-mail"), help_text=_("Who has no account yet gets a link to choose a password."))

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
class MembershipAdmin(FirmModelAdmin):
    """Members of the firm: owners invite, change roles and remove, and each step stands in the audit log."""

    to_change = "members"
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
        firm = obj.firm if change else firm_of(request)
        if firm is None:  # not reachable: adding asks for a firm
            return
        joining = invitations.add_member(
            firm=firm,
            email=obj.user.email if change else form.cleaned_data["email"],
            role=form.cleaned_data["role"],
            by=actor(cast(FirmRequest, request)),
            now=timezone.now(),
        )
        obj.pk, obj.firm, obj.user = joining.membership.pk, firm, joining.membership.user
        if joining.to_invite:
            transaction.on_commit(lambda: self._invite(request, firm, joining.membership.user))

    def _invite(self, request: HttpRequest, firm: Firm, user: User) -> None:
        try:
            invitations.mail_invitation(firm=firm, user=user)
        except OSError:
            text = gettext(
                "%(email)s is a member now, but the invitation could not be mailed. Let them ask for a new password."
            )
            self.message_user(request, text % {"email": user.email}, messages.WARNING)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        """Remove the member; the account stays, and loses the admin when no other firm gives it."""
        members.remove(membership=obj, by=actor(cast(FirmRequest, request)), now=timezone.now())

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Owners, but a firm keeps an owner."""
        return allowed(request, "members") and (obj is None or not members.is_only_owner(obj))


@admin.register(User)
class UserAdmin(_Found):
    """Accounts. One may serve several firms, so only the operator changes it; owners see their members'."""

    list_display = ("email", "name", "is_active", "is_staff")
    search_fields = ("email", "name")
    fields = ("email", "name", "is_active", "is_staff", "is_superuser", "joined_at", "last_login")
    readonly_fields = ("joined_at", "last_login")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[User]:
        """The firm's members, or all for a superuser."""
        rows = super().get_queryset(request)
        if cast(FirmRequest, request).user.is_superuser:
            return rows
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
