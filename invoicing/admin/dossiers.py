"""The admin of dossiers and mappings, which are changed here, through one verb. The books are in ``admin_books``."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.db.models import Min, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from integrations.models import Client, Customer, Workspace
from invoicing.admin.files import ClientMappings, Dossiers, FilesMixin, TagMappings
from invoicing.admin.forms import ClientMappingForm, DossierClientForm, DossierForm, RowsOfOneDossier, TagMappingForm
from invoicing.admin.known_names import line
from invoicing.admin.trial import ByNameMixin, TrialMixin
from invoicing.dossiers import checks, rules
from invoicing.dossiers.trial import last_month
from invoicing.drafting import runs
from invoicing.models import (
    ClientMapping,
    Dossier,
    DossierClient,
    TagMapping,
)
from invoicing.models.problems import words_of
from toggbill.firms.access import FirmRequest, actor
from toggbill.firms.admin import (
    FirmModelAdmin,
    FirmTabularInline,
    allowed,
    firm_of,
    scoped,
)
from toggbill.firms.errors import NotPossible

_Related = admin.RelatedOnlyFieldListFilter


class TagMappingInline(FirmTabularInline):
    """The tags of the dossier."""

    model = TagMapping
    form = TagMappingForm
    formset = RowsOfOneDossier
    fields = ("tag", "bill", "product_reference", "priority")


class ClientMappingInline(ByNameMixin, FirmTabularInline):
    """The customers of the dossier."""

    model = ClientMapping
    form = ClientMappingForm
    formset = RowsOfOneDossier
    fields = (
        "client_remote_id",
        "number",
        "customer_party_id",
        "is_proposed",
        "treatment",
        "purchase_order",
        "buyer_reference",
    )
    readonly_fields = ("is_proposed",)


class DossierClientInline(ByNameMixin, FirmTabularInline):
    """Which Toggl clients the dossier bills; none: all of its workspace."""

    model = DossierClient
    form = DossierClientForm
    formset = RowsOfOneDossier
    fields = ("client_remote_id",)


@admin.register(Dossier)
class DossierAdmin(TrialMixin, FilesMixin, FirmModelAdmin):
    """Dossiers with their rules and mappings. Every change is audited and re-derives the entries."""

    resource_classes: ClassVar[Any] = (Dossiers,)
    to_import = "pair"
    actions = ("examine", "draft_last_month")

    to_add = "pair"
    form = DossierForm
    list_display = ("name", "key", "workspace", "company", "every", "mode", "due_at")
    list_select_related = ("workspace", "company")
    list_filter = (("workspace", _Related), ("company", _Related), "mode", "every")
    search_fields = ("name", "key")
    inlines = (TagMappingInline, ClientMappingInline, DossierClientInline)
    readonly_fields = ("due_at", "waiting_words")
    fieldsets = (
        (None, {"fields": ("name", "key", "workspace", "company", "start_date")}),
        (_("What is billed"), {"fields": ("billable", "default_product", "price_decimals", "group_by")}),
        (
            _("Rounding"),
            {"fields": ("rounding_minutes", "rounding_direction", "rounding_level", "rounding_minimum")},
        ),
        (_("When and how far"), {"fields": ("every", "day", "mode", "auto_limit", "due_at", "waiting_words")}),
        (_("The invoice"), {"fields": ("payment_days", "email_allowed")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Dossier | None = None) -> tuple[str, ...]:
        """What addresses and books hang on is chosen once; the start stays once something is invoiced (section 10)."""
        if obj is None:
            return self.readonly_fields
        start = ("start_date",) if obj.invoices.standing().exists() else ()
        return ("key", "workspace", "company", *start, *self.readonly_fields)

    @admin.display(description=_("why the run waits"))
    def waiting_words(self, row: Dossier) -> str:
        """As a sentence."""
        return words_of(row.waiting, row.waiting_facts)

    @admin.action(description=_("Is anything wrong?"), permissions=["view"])
    def examine(self, request: HttpRequest, queryset: QuerySet[Dossier]) -> HttpResponse:
        """Broken invariants, ailing connections, mappings that lead nowhere, dossier by dossier."""
        now = timezone.now()
        rows = queryset.select_related("firm", "workspace__connection", "company__connection").order_by("name", "pk")
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Is anything wrong?"),
            "opts": self.opts,
            "examined": [(row, checks.findings(row, now=now)) for row in rows],
        }
        return TemplateResponse(request, "admin/invoicing/examination.html", context)

    def has_draft_permission(self, request: HttpRequest) -> bool:
        """By role."""
        return allowed(request, "draft")

    @admin.action(description=_("Draft through the end of last month"), permissions=["draft"])
    def draft_last_month(self, request: HttpRequest, queryset: QuerySet[Dossier]) -> None:
        """One run for each dossier, and what came of it."""
        by, now = actor(cast(FirmRequest, request)), timezone.now()
        for dossier in queryset.select_related("firm", "workspace__firm", "company").order_by("name", "pk"):
            _first, last = last_month(dossier, now=now)
            try:
                done = runs.draft(dossier=dossier, cut_off=last, by=by, now=now)
            except NotPossible as refusal:
                self.message_user(request, f"{dossier}: {refusal}", messages.ERROR)
                continue
            count = len(done.moved)
            text = ngettext("%(n)d invoice drafted or redrawn.", "%(n)d invoices drafted or redrawn.", count)
            self.message_user(request, f"{dossier}: {text % {'n': count}}", messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: Dossier, form: Any, change: bool) -> None:
        """Keep what the rules were: the verb is called once the related rows are saved, too."""
        form.rules_before = rules.rules_of(Dossier.objects.get(pk=obj.pk)) if change else None
        if not change:
            obj.firm = cast(Any, firm_of(request))
        if not change or {"every", "day"} & set(form.changed_data):
            obj.due_at = rules.due_at(dossier=obj, now=timezone.now())
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the mappings, then call the verb for the rules."""
        super().save_related(request, form, formsets, change)
        dossier, by, now = form.instance, actor(cast(FirmRequest, request)), timezone.now()
        _read_from_its_start(dossier, now, is_new=not change)
        new = rules.rules_of(Dossier.objects.get(pk=dossier.pk))
        rules.rule_changed(dossier=dossier, old=form.rules_before, new=new, by=by, now=now)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Mappings go through the verb row by row; the clients of the dossier belong to its rules."""
        rows = formset.save(commit=False)
        for gone in formset.deleted_objects:
            if isinstance(gone, DossierClient):
                gone.delete()
            else:
                _drop_mapping(request, gone)
        for row in rows:
            row.firm = form.instance.firm
            if isinstance(row, DossierClient):
                row.workspace = form.instance.workspace
                row.save()
            else:
                _save_mapping(request, row)
        formset.save_m2m()


def _read_from_its_start(dossier: Dossier, now: datetime, *, is_new: bool) -> None:
    """The books of a workspace begin with the earliest start of its dossiers."""
    begins = Dossier.objects.filter(workspace=dossier.workspace_id).aggregate(day=Min("start_date"))["day"]
    changes: dict[str, Any] = {"read_from": begins}
    if is_new:
        changes["next_sync_at"] = now
    Workspace.objects.filter(pk=dossier.workspace_id).update(**changes)


def _save_mapping(request: HttpRequest, row: TagMapping | ClientMapping) -> None:
    before = type(row).objects.filter(pk=row.pk).first() if row.pk else None
    old = None if before is None else rules.mapping_of(before)
    row.save()
    rules.mapping_changed(
        dossier=row.dossier,
        old=old,
        new=rules.mapping_of(row),
        by=actor(cast(FirmRequest, request)),
        now=timezone.now(),
    )


def _drop_mapping(request: HttpRequest, row: TagMapping | ClientMapping) -> None:
    # An inline form has put what was typed on the row that it deletes.
    old = rules.mapping_of(type(row).objects.get(pk=row.pk))
    dossier = row.dossier
    row.delete()
    rules.mapping_changed(dossier=dossier, old=old, new=None, by=actor(cast(FirmRequest, request)), now=timezone.now())


class MappingAdmin(TrialMixin, FilesMixin, FirmModelAdmin):
    """A mapping on a page of its own: who may map may do it here."""

    to_change = "map"
    list_select_related = ("dossier",)
    list_filter: ClassVar[Any] = (("dossier", _Related),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A mapping does not move to another dossier."""
        own = tuple(super().get_readonly_fields(request, obj))
        return own if obj is None else ("dossier", *own)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Through the verb; the firm is the dossier's."""
        obj.firm = obj.dossier.firm
        _save_mapping(request, obj)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Through the verb."""
        _drop_mapping(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Through the verb, row by row."""
        for row in queryset.select_related("dossier__firm"):
            _drop_mapping(request, row)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may map may take a mapping away."""
        return self.has_change_permission(request, obj)


@admin.register(TagMapping)
class TagMappingAdmin(MappingAdmin):
    """Tag -> product, or do not bill."""

    resource_classes: ClassVar[Any] = (TagMappings,)
    form = TagMappingForm
    list_display = ("tag", "bill", "product_reference", "priority", "dossier")
    list_filter = (("dossier", _Related), "bill")
    search_fields = ("tag", "product_reference")
    fields = ("dossier", "tag", "bill", "product_reference", "priority")


@admin.register(ClientMapping)
class ClientMappingAdmin(MappingAdmin):
    """Toggl client -> customer, with its VAT treatment and references."""

    resource_classes: ClassVar[Any] = (ClientMappings,)
    form = ClientMappingForm
    list_display = ("client", "number", "customer", "is_proposed", "treatment", "dossier")
    list_filter = (("dossier", _Related), "is_proposed", "treatment")
    search_fields = ("=client_remote_id", "number", "=customer_party_id", "client_name", "customer_name")
    readonly_fields = ("is_proposed",)
    fields = (
        "dossier",
        "client_remote_id",
        "number",
        "customer_party_id",
        "is_proposed",
        "treatment",
        "purchase_order",
        "buyer_reference",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the names of client and customer, as far as the person may see them."""
        clients = scoped(request, Client.objects.filter(workspace=OuterRef("dossier__workspace")))
        customers = scoped(request, Customer.objects.filter(company=OuterRef("dossier__company")))
        rows: QuerySet[Any] = super().get_queryset(request)
        named: QuerySet[Any] = rows.annotate(
            client_name=Subquery(clients.filter(remote_id=OuterRef("client_remote_id")).values("name")[:1]),
            customer_name=Subquery(customers.filter(party_id=OuterRef("customer_party_id")).values("name")[:1]),
        )
        return named

    @admin.display(description=_("Toggl client"), ordering="client_name")
    def client(self, obj: Any) -> str:
        """By name."""
        return line(obj.client_remote_id, obj.client_name or "")

    @admin.display(description=_("Billit customer"), ordering="customer_name")
    def customer(self, obj: Any) -> str:
        """By name; empty when the number says who it is."""
        return "" if obj.customer_party_id is None else line(obj.customer_party_id, obj.customer_name or "")
