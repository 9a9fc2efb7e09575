"""The admin of what Toggl and Billit say: connections can be changed, mirrors are only looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib import admin, messages
from django.db import models, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_post_parameters

from integrations.clients.http.transport import ServiceError
from integrations.connections import credentials, failures
from integrations.connections.choosing import take_company, take_workspace
from integrations.connections.credentials import (
    BillitAccess,
    TogglAccess,
    ask_billit,
    ask_toggl,
    billit_hindrances,
    connect_billit,
    connect_toggl,
    toggl_hindrances,
)
from integrations.models import (
    Client,
    Company,
    Connection,
    Customer,
    Entry,
    Product,
    Project,
    Quota,
    Webhook,
    Workspace,
)
from toggbill.firms.access import FirmRequest, actor
from toggbill.firms.admin import FirmModelAdmin, ReadOnlyAdmin, ReadOnlyInline, firm_of
from toggbill.firms.admin.as_read import AsReadMixin, read_of
from toggbill.firms.locks import lock_firms
from toggbill.firms.models import Firm
from toggbill.firms.read import check

# Generic for the type checker only, not at run time.
if TYPE_CHECKING:
    _ConnectionForm = forms.ModelForm[Connection]
else:
    _ConnectionForm = forms.ModelForm

_Related = admin.RelatedOnlyFieldListFilter


class ConnectionForm(_ConnectionForm):
    """The secret goes in and never comes out. A new one is tried at the service before anything is stored."""

    firm: Firm | None = None
    access: TogglAccess | BillitAccess | None = None

    new_secret = forms.CharField(
        label=_("token or key"),
        required=False,
        strip=True,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"}),
        help_text=_("Stored encrypted and never shown again. Leave empty to keep the one that is stored."),
    )

    class Meta:
        model = Connection
        fields = ("service", "key", "accept_partial")

    def clean(self) -> dict[str, Any]:
        """A new connection needs its secret and a short name of its own; a secret must open what the firm uses."""
        cleaned = super().clean() or {}
        row = self.instance
        if not row.pk:
            if not cleaned.get("new_secret"):
                self.add_error("new_secret", _("Paste the API token (Toggl) or the API key (Billit)."))
            same = Connection.objects.filter(
                firm=self.firm, service=cleaned.get("service"), key=cleaned.get("key") or ""
            )
            if same.exists():
                self.add_error("key", _("The firm already has a connection of this name: choose another one."))
        if cleaned.get("new_secret") and not self.errors:
            self._try(str(cleaned["new_secret"]), cleaned)
        elif row.pk and not cleaned.get("accept_partial") and row.workspaces.filter(is_admin=False).exists():
            self.add_error("accept_partial", _("The token is not an admin's: paste an admin's token first."))
        return cleaned

    def _try(self, secret: str, cleaned: dict[str, Any]) -> None:
        row = self.instance
        service = row.service if row.pk else cleaned["service"]
        key = row.key if row.pk else cleaned["key"]
        try:
            if service == Connection.Service.TOGGL:
                self.access = opened = ask_toggl(token=secret)
                used = list(row.workspaces.values_list("remote_id", flat=True)) if row.pk else list(opened.workspaces)
                hindrances = toggl_hindrances(
                    opened, key=key, workspaces=used, accept_partial=bool(cleaned.get("accept_partial"))
                )
            else:
                self.access = companies = ask_billit(api_key=secret)
                used = list(row.companies.values_list("party_id", flat=True)) if row.pk else list(companies.companies)
                hindrances = billit_hindrances(companies, key=key, companies=used)
        except ServiceError as error:
            hindrances = [failures.words(error.message)]
        for sentence in hindrances:
            self.add_error("new_secret", sentence)


class QuotaInline(ReadOnlyInline):
    """The hourly budgets of a Toggl connection."""

    model = Quota


@admin.register(Connection)
@method_decorator(sensitive_post_parameters(), name="changeform_view")
class ConnectionAdmin(AsReadMixin, FirmModelAdmin):
    """Credentials. A change is audited; what the secret was or is stands nowhere but in its column."""

    figures_of = staticmethod(credentials.as_read)
    change_list_template = "admin/integrations/connections.html"
    to_change = "connect"
    asks_for_proof = True
    form = ConnectionForm
    list_display = ("__str__", "method", "owner_name", "failure", "latest_ok_at", "paused_at")
    list_filter = ("service", "failure")
    search_fields = ("key", "owner_name")
    inlines = (QuotaInline,)
    actions = ("pause", "resume")
    exclude = ("firm", "secret")
    readonly_fields = (
        "method",
        "owner_name",
        "timezone",
        "paused_at",
        "removed_at",
        "failure",
        "failure_words",
        "latest_ok_at",
    )
    fields = ("service", "key", "new_secret", "accept_partial", *readonly_fields)

    @admin.display(description=_("latest error"))
    def failure_words(self, row: Connection) -> str:
        """Why the latest call failed, as a sentence."""
        return failures.words_of(row.failure_code, row.failure_facts)

    def get_readonly_fields(self, request: HttpRequest, obj: Connection | None = None) -> tuple[str, ...]:
        """Service and short name are chosen once: the onboarding file calls a connection by them."""
        return self.readonly_fields if obj is None else ("service", "key", *self.readonly_fields)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """A form that knows the firm."""
        form = super().get_form(request, obj, change=change, **kwargs)
        form.firm = firm_of(request, obj)
        return form

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:
        """Through the verbs: audited without the secret, and with the workspaces or companies that it opens."""
        by, now = actor(cast(FirmRequest, request)), timezone.now()
        read = read_of(request) if change else None
        if form.access is None:
            credentials.accept_partial(connection=obj, accepted=obj.accept_partial, by=by, now=now, read=read)
            return
        firm = obj.firm if change else form.firm
        secret = form.cleaned_data["new_secret"]
        if isinstance(form.access, TogglAccess):
            row, _outcome = connect_toggl(
                firm=firm,
                key=obj.key,
                token=secret,
                accept_partial=obj.accept_partial,
                access=form.access,
                by=by,
                now=now,
                read=read,
            )
            for workspace in form.access.workspaces.values():
                take_workspace(connection=row, found=workspace, now=now)
        else:
            row, _outcome = connect_billit(firm=firm, key=obj.key, api_key=secret, by=by, now=now, read=read)
            for company in form.access.companies.values():
                take_company(connection=row, found=company, by=by, now=now)
        credentials.read_soon(row, now)
        obj.pk, obj.firm = row.pk, row.firm

    @admin.action(description=_("Pause: nothing is read or posted through it"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: models.QuerySet[Connection]) -> None:
        """Pause connections; their dossiers wait."""
        done = self._each(request, queryset, credentials.pause, lambda row: row.paused_at is None)
        text = ngettext("%(n)d connection paused.", "%(n)d connections paused.", done)
        self.message_user(request, text % {"n": done}, messages.SUCCESS)

    @admin.action(description=_("Resume"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: models.QuerySet[Connection]) -> None:
        """Let paused connections work again; a removed one has nothing to work with."""
        done = self._each(
            request, queryset, credentials.resume, lambda row: row.paused_at is not None and row.removed_at is None
        )
        text = ngettext("%(n)d connection resumed.", "%(n)d connections resumed.", done)
        self.message_user(request, text % {"n": done}, messages.SUCCESS)

    def _each(
        self,
        request: HttpRequest,
        queryset: models.QuerySet[Connection],
        verb: Callable[..., Connection],
        concerns: Callable[[Connection], bool],
    ) -> int:
        """The verb for those that it concerns, each as it was listed, or for none; for how many."""
        by, now, read = actor(cast(FirmRequest, request)), timezone.now(), read_of(request)
        with transaction.atomic():
            lock_firms(queryset.order_by().values_list("firm", flat=True))
            rows = list(queryset.select_related("firm").order_by("pk"))
            if rows:
                # All of them before the first is changed.
                check(read, lambda: credentials.all_as_read(rows[0].firm, rows), by=by)
            chosen = [row for row in rows if concerns(row)]
            for row in chosen:
                verb(connection=row, by=by, now=now, read=read)
        return len(chosen)


@admin.register(Quota)
class QuotaAdmin(ReadOnlyAdmin):
    """Hourly budgets, as Toggl's latest answer said."""

    list_display = ("connection", "organization_id", "remaining", "resets_at")
    list_select_related = ("connection",)


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    """Where the services tell of changes: opened and ended on the connection's page. Its secrets stand nowhere."""

    list_display = ("__str__", "workspace", "company", "made_at", "called_at")
    list_select_related = ("workspace", "company")


@admin.register(Workspace)
class WorkspaceAdmin(ReadOnlyAdmin):
    """Toggl workspaces."""

    list_display = ("name", "remote_id", "connection", "is_admin", "plan", "synced_at", "next_sync_at")
    list_select_related = ("connection",)
    search_fields = ("name", "=remote_id")


@admin.register(Client)
class ClientAdmin(ReadOnlyAdmin):
    """Toggl clients."""

    list_display = ("name", "remote_id", "workspace", "is_archived", "deleted_at")
    list_select_related = ("workspace",)
    list_filter = (("workspace", _Related),)
    search_fields = ("name", "=remote_id")


@admin.register(Project)
class ProjectAdmin(ReadOnlyAdmin):
    """Toggl projects."""

    list_display = ("name", "remote_id", "workspace", "client_remote_id", "is_active", "deleted_at")
    list_select_related = ("workspace",)
    list_filter = (("workspace", _Related),)
    search_fields = ("name", "=remote_id")


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    """Toggl entries."""

    list_display = ("started_at", "person_name", "description", "seconds", "workspace", "deleted_at")
    list_select_related = ("workspace",)
    list_filter = (("workspace", _Related), "billable")
    search_fields = ("description", "person_name", "=remote_id")
    date_hierarchy = "started_at"


@admin.register(Company)
class CompanyAdmin(ReadOnlyAdmin):
    """Billit companies."""

    list_display = ("name", "party_id", "vat_number", "connection", "synced_at", "next_sync_at")
    list_select_related = ("connection",)
    search_fields = ("name", "=party_id")


@admin.register(Product)
class ProductAdmin(ReadOnlyAdmin):
    """Billit products."""

    list_display = ("reference", "description", "price", "vat_rate", "company", "deleted_at")
    list_select_related = ("company",)
    list_filter = (("company", _Related),)
    search_fields = ("reference", "description")


@admin.register(Customer)
class CustomerAdmin(ReadOnlyAdmin):
    """Billit customers."""

    list_display = ("name", "vat_number", "party_id", "company", "deleted_at")
    list_select_related = ("company",)
    list_filter = (("company", _Related),)
    search_fields = ("name", "vat_number", "=party_id")
