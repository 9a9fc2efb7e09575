"""The pages of the operator (``/operator/``): which firms there are, new ones, and the accounts of everybody.

All that is a firm's own stands below the address of that firm, for the operator as for its members: from here a row of
the list leads there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from toggbill.firms.access import FirmRequest
from toggbill.firms.admin import doors
from toggbill.firms.admin.rows import GETS_A_LINK, FirmAdmin, UserAdmin, add_member
from toggbill.firms.models import Firm, Membership, User
from toggbill.firms.requests.addresses import in_firm

# Generic for the type checker only, not at run time.
if TYPE_CHECKING:
    _FirmForm = forms.ModelForm[Firm]
else:
    _FirmForm = forms.ModelForm


class OperatorSite(admin.AdminSite):
    """Django's admin, for superusers alone and for what belongs to no single firm."""

    index_title = _("Firms and accounts")
    site_url = None

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._pages: list[URLPattern] = []

    def add_page(self, route: str, view: Callable[..., HttpResponse], *, name: str) -> None:
        """A page that is no list of rows, of the URL conf that brings it: this package stands below what it shows."""
        self._pages.append(path(route, self.admin_view(view), name=name))

    def get_urls(self) -> list[Any]:
        """Those pages, and what Django's admin has."""
        return [*self._pages, *super().get_urls()]

    def has_permission(self, request: HttpRequest) -> bool:
        """The operator."""
        user = cast(FirmRequest, request).user
        return user.is_active and user.is_superuser

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The one door; whoever is signed in and is no operator is refused (403)."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied
        return doors.sign_in(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # type: ignore[override]  # an answer of any kind
        """The page of the account."""
        return doors.change_password(request)

    def password_change_done(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # type: ignore[override]  # the same
        """The same."""
        return doors.change_password(request)


site = OperatorSite(name="operator")


class NewFirmForm(_FirmForm):
    """A firm begins with an owner."""

    owner = forms.EmailField(label=_("e-mail of the owner"), help_text=GETS_A_LINK)

    class Meta:
        model = Firm
        fields = ("slug", "name", "timezone", "language", "requires_mfa")


@admin.register(Firm, site=site)
class FirmsAdmin(FirmAdmin):
    """All firms by name, and new ones. The page of each lies in that firm's own admin."""

    form = NewFirmForm
    fields: ClassVar[Any] = ("owner", "slug", "name", "timezone", "language", "requires_mfa")
    list_is_a_look = False  # which firms there are, the operator knows
    list_display: Any = ("name", "slug", "timezone", "language", "set_up")

    @admin.display(description=_("Set-up"))
    def set_up(self, row: Firm) -> str:
        """The way into the firm's admin."""
        with in_firm(row.slug):
            return format_html('<a href="{}">{}</a>', reverse("admin:index"), row.slug)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Firm]:
        """Every firm."""
        return super(FirmAdmin, self).get_queryset(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Firm | None = None) -> tuple[str, ...]:
        """A new one has nothing yet that only the machine writes."""
        return ()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A new tenant is the operator's to make."""
        return True

    def save_model(self, request: HttpRequest, obj: Firm, form: Any, change: bool) -> None:
        """The firm, and its owner through the verb."""
        super(FirmAdmin, self).save_model(request, obj, form, change)
        add_member(request, obj, form.cleaned_data["owner"], Membership.Role.OWNER)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """On to the firm's own page; a form is sent there alone (404)."""
        return self._lead_on(request, object_id, "change")

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The same."""
        return self._lead_on(request, object_id, "history")

    def _lead_on(self, request: HttpRequest, object_id: str, what: str) -> HttpResponse:
        row = get_object_or_404(Firm, pk=object_id if object_id.isdecimal() and request.method == "GET" else None)
        with in_firm(row.slug):
            return redirect(f"admin:firms_firm_{what}", row.pk)


@admin.register(User, site=site)
class AccountsAdmin(UserAdmin):
    """The accounts of everybody."""

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[User]:
        """All of them."""
        return super(UserAdmin, self).get_queryset(request)
