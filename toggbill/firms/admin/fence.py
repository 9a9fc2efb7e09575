"""The admin behind the fence: it lies below the address of a firm (``/f/<slug>/admin/``) and knows that firm alone.

``FirmModelAdmin`` is the admin of every model that belongs to a firm. The rows, the choices of foreign keys, the
filters, the autocompletes and the direct addresses are those of ``request.firm``: for a member as far as the role
allows, for the operator all. The firm of a new row is set here, never chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import Group
from django.core.exceptions import BadRequest
from django.db import DataError, models
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse_lazy
from django.utils import timezone

from toggbill.firms.access import FirmRequest, actor, may, visible
from toggbill.firms.admin import doors
from toggbill.firms.admin.looks import record_look
from toggbill.firms.admin.lookups import offered
from toggbill.firms.identity import proof
from toggbill.firms.models import Firm, FirmOwned
from toggbill.firms.requests.numbers import row_ids

# One door: the admin's own pages for signing in and for passwords would go round the second step and the rate limits.
admin.site.login = doors.sign_in  # type: ignore[method-assign]  # as allauth does it
admin.site.password_change = doors.change_password  # type: ignore[assignment, method-assign]  # the same
admin.site.password_change_done = doors.change_password  # type: ignore[assignment, method-assign]  # the same
# "View site" stays with the firm.
admin.site.site_url = cast(str, reverse_lazy("firm:dossiers"))

# Sessions, second steps and proven addresses are each person's own, on the pages of the account; rights come from
# ``access``, so groups have no use.
for _model in (EmailAddress, EmailConfirmation, Authenticator, UserSession, Group):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)

# Django's admin classes are generic for the type checker only, not at run time.
if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _TabularInline = admin.TabularInline[Any, Any]
else:
    _ModelAdmin, _TabularInline = admin.ModelAdmin, admin.TabularInline

_Row = TypeVar("_Row", bound=models.Model)


def firm_of(request: HttpRequest, row: models.Model | None = None) -> Firm | None:
    """The firm that a form is about: that of its row, else the address's; None on the operator's own pages."""
    if isinstance(row, FirmOwned) and row.firm_id is not None:
        return row.firm
    return getattr(request, "firm", None)


def allowed(request: HttpRequest, what: str) -> bool:
    """Whether the person may do something of the table in ``access``; a superuser may do everything."""
    if cast(FirmRequest, request).user.is_superuser:
        return True
    return may(cast(FirmRequest, request).membership, what)


def scoped(request: HttpRequest, rows: models.QuerySet[_Row]) -> models.QuerySet[_Row]:
    """The rows of the firm that the person may see: of the named dossiers, or all for a superuser."""
    if cast(FirmRequest, request).user.is_superuser:
        firm = firm_of(request)
        return rows.none() if firm is None else rows.filter(firm=firm)
    return visible(cast(FirmRequest, request).membership, rows)


def _of_one_firm(db_field: models.ForeignKey[Any, Any], request: HttpRequest) -> dict[str, Any]:
    """Offer, and accept, only rows of the firm that the form is about."""
    remote = db_field.remote_field.model
    if not issubclass(remote, FirmOwned):
        return {}
    firm = getattr(request, "form_firm", None)
    rows = remote.objects.none() if firm is None else remote.objects.filter(firm=firm)
    return {"queryset": scoped(request, rows)}


class Found(_ModelAdmin):
    """An admin in which a row that the person may not see is not there: 404, as everywhere.

    ``asks_for_proof``: whoever may change its rows proves anew who they are. What is shown to the operator is an event
    of the firm; ``list_is_a_look``: its list, too.
    """

    asks_for_proof: ClassVar[bool] = False
    list_is_a_look: ClassVar[bool] = True

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        # Django would lead to the index with a message.
        raise Http404

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """The row of a page, written down when it is the operator who looks."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            looked_at(request, [row])
        return row

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The rows of a list, written down likewise."""
        with understood():
            found = super().get_changelist_instance(request)
        if self.list_is_a_look:
            looked_at(request, found.result_list)
        return found

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only what the list's own filters ask for; all else is refused (400) as a parameter that nobody knows."""
        filters = self.list_filter if request is None else self.get_list_filter(request)
        return lookup in offered(self.model, filters=filters, date_hierarchy=self.date_hierarchy)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Before the form is filled in, not after: a secret that was typed would be lost."""
        if self._needs_proof(request):
            return proof.ask(request)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The same."""
        if self._needs_proof(request):
            return proof.ask(request)
        return super().delete_view(request, object_id, extra_context)

    def response_action(self, request: HttpRequest, queryset: models.QuerySet[Any], *args: Any) -> HttpResponse | None:
        """What was ticked are numbers of rows; any other text is none of them (400)."""
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if len(row_ids(ticked)) != len(set(ticked)):
            raise BadRequest("no rows have such numbers")
        return super().response_action(request, queryset, *args)

    def _needs_proof(self, request: HttpRequest) -> bool:
        return self.asks_for_proof and self.has_change_permission(request) and not proof.is_fresh(request)


@contextmanager
def understood() -> Iterator[None]:
    """A list whose address asks for what no list can show is 400, as an unknown parameter is.

    Django leads to the list without its filters for some of it, and fails on the rest, such as the last of all months.
    """
    try:
        yield
    except (IncorrectLookupParameters, ValueError, OverflowError, DataError) as error:
        raise BadRequest("a list was asked for what it cannot show") from error


def looked_at(request: HttpRequest, shown: Iterable[models.Model]) -> None:
    """Write down what is shown to the operator; a member's own looks are no event."""
    asking = cast(FirmRequest, request)
    if asking.user.is_superuser:
        record_look(operator=asking.user, shown=shown, by=actor(asking), now=timezone.now())


class FirmModelAdmin(Found):
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

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Each field has a name of its own: the heading of its column is none for who does not see the table."""
        formset: Any = super().get_formset(request, obj, **kwargs)
        as_django_does = formset.add_fields

        def add_fields(rows: Any, form: forms.BaseForm, index: int | None) -> None:
            as_django_does(rows, form, index)
            for field in form.fields.values():
                # The lists of related rows stand within a wrapper.
                widget: Any = getattr(field.widget, "widget", field.widget)
                widget.attrs.setdefault("aria-label", str(field.label or ""))

        return type(formset.__name__, (formset,), {"add_fields": add_fields})

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
