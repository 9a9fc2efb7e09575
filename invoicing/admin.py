"""The admin of the books: dossiers and mappings are changed here, through one verb; the rest is only looked at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.db.models import Min, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from integrations.models import Workspace
from invoicing import examination, rules, runs
from invoicing.admin_trial import TrialMixin
from invoicing.forms import (
    ClientMappingForm,
    DossierClientForm,
    DossierForm,
    RowsOfOneDossier,
    TagMappingForm,
)
from invoicing.models import (
    Attempt,
    Claim,
    ClientMapping,
    Correction,
    CustomerPin,
    Dossier,
    DossierClient,
    Invoice,
    InvoiceLine,
    LedgerRow,
    Run,
    TagMapping,
)
from invoicing.resources import ClientMappings, Dossiers, FilesMixin, TagMappings
from invoicing.trial import last_month
from toggbill.firms.access import FirmRequest, actor
from toggbill.firms.admin import FirmModelAdmin, FirmTabularInline, ReadOnlyAdmin, ReadOnlyInline, allowed, firm_of

_Related = admin.RelatedOnlyFieldListFilter


class TagMappingInline(FirmTabularInline):
    """The tags of the dossier."""

    model = TagMapping
    form = TagMappingForm
    formset = RowsOfOneDossier
    fields = ("tag", "bill", "product_reference", "priority")


class ClientMappingInline(FirmTabularInline):
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


class DossierClientInline(FirmTabularInline):
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
    readonly_fields = ("due_at", "waiting_text")
    fieldsets = (
        (None, {"fields": ("name", "key", "workspace", "company", "start_date")}),
        (_("What is billed"), {"fields": ("billable", "default_product", "price_decimals", "group_by")}),
        (
            _("Rounding"),
            {"fields": ("rounding_minutes", "rounding_direction", "rounding_level", "rounding_minimum")},
        ),
        (_("When and how far"), {"fields": ("every", "day", "mode", "auto_limit", "due_at", "waiting_text")}),
        (_("The invoice"), {"fields": ("payment_days", "email_allowed")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Dossier | None = None) -> tuple[str, ...]:
        """What addresses and books hang on is chosen once; the start stays once something is invoiced (section 10)."""
        if obj is None:
            return self.readonly_fields
        start = ("start_date",) if obj.invoices.exclude(status=Invoice.Status.VOID).exists() else ()
        return ("key", "workspace", "company", *start, *self.readonly_fields)

    @admin.action(description=_("Is anything wrong?"), permissions=["view"])
    def examine(self, request: HttpRequest, queryset: QuerySet[Dossier]) -> HttpResponse:
        """Broken invariants, ailing connections, mappings that lead nowhere, dossier by dossier."""
        now = timezone.now()
        rows = queryset.select_related("firm", "workspace__connection", "company__connection").order_by("name", "pk")
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Is anything wrong?"),
            "opts": self.opts,
            "examined": [(row, examination.findings(row, now=now)) for row in rows],
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
            except runs.NotPossible as refusal:
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
    list_display = ("client_remote_id", "number", "customer_party_id", "is_proposed", "treatment", "dossier")
    list_filter = (("dossier", _Related), "is_proposed", "treatment")
    search_fields = ("=client_remote_id", "number", "=customer_party_id")
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


@admin.register(DossierClient)
class DossierClientAdmin(ReadOnlyAdmin):
    """Which Toggl clients a dossier bills: changed on the dossier's page."""

    list_display = ("client_remote_id", "dossier", "workspace")
    list_select_related = ("dossier", "workspace")
    list_filter = (("dossier", _Related),)


@admin.register(CustomerPin)
class CustomerPinAdmin(ReadOnlyAdmin):
    """The Billit party behind each number."""

    list_display = ("number", "party_id", "company", "pinned_at")
    list_select_related = ("company",)
    list_filter = (("company", _Related),)
    search_fields = ("number", "=party_id")


@admin.register(LedgerRow)
class LedgerRowAdmin(ReadOnlyAdmin):
    """The state of each entry."""

    list_display = ("entry", "day", "seconds", "state", "reason", "client_name", "product_reference", "dossier")
    list_select_related = ("dossier", "entry")
    list_filter = (("dossier", _Related), "state", "reason")
    search_fields = ("client_name", "buyer_name", "=entry__remote_id")
    date_hierarchy = "day"


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """Passes of drafting."""

    list_display = ("dossier", "cut_off", "started_at", "started_by", "mirror_as_of")
    list_select_related = ("dossier",)
    list_filter = (("dossier", _Related),)


class InvoiceLineInline(ReadOnlyInline):
    """The lines of the invoice."""

    model = InvoiceLine
    fields = ("position", "product_reference", "description", "quantity", "unit_price", "vat_rate", "total", "is_late")


class AttemptInline(ReadOnlyInline):
    """What was tried at Billit."""

    model = Attempt
    fields = ("intent", "key", "started_at", "finished_at", "outcome", "http_status")


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    """Invoices: they are approved, posted and dropped on their own pages."""

    list_display = ("__str__", "dossier", "customer_name", "status", "delivery", "payment", "total_excl", "drafted_at")
    list_select_related = ("dossier",)
    list_filter = (("dossier", _Related), "status", "delivery", "payment")
    search_fields = ("reference", "order_number", "customer_name", "customer_vat")
    inlines = (InvoiceLineInline, AttemptInline)
    actions = ("approve", "drop")

    def has_approve_permission(self, request: HttpRequest) -> bool:
        """By role."""
        return allowed(request, "approve_any")

    def has_drop_permission(self, request: HttpRequest) -> bool:
        """By role."""
        return allowed(request, "draft")

    @admin.action(description=_("Approve"), permissions=["approve"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> None:
        """Each by itself; what cannot be approved says why."""
        self._each(request, queryset, runs.approve, gettext("approved"))

    @admin.action(description=_("Drop: the hours are free again"), permissions=["drop"])
    def drop(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> None:
        """Each by itself; what Billit has already says so."""
        self._each(request, queryset, runs.void, gettext("dropped"))

    def _each(self, request: HttpRequest, queryset: QuerySet[Invoice], verb: Callable[..., Invoice], done: str) -> None:
        by, now = actor(cast(FirmRequest, request)), timezone.now()
        for invoice in queryset.order_by("pk"):
            try:
                verb(invoice=invoice, by=by, now=now)
            except runs.NotPossible as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
            else:
                self.message_user(request, f"{invoice.customer_name} ({invoice}): {done}.", messages.SUCCESS)

    def view_on_site(self, obj: Invoice) -> str:
        """The page where something can be done."""
        return reverse("invoice", args=[obj.reference])


@admin.register(InvoiceLine)
class InvoiceLineAdmin(ReadOnlyAdmin):
    """Lines."""

    list_display = ("invoice", "position", "product_reference", "description", "quantity", "unit_price", "total")
    list_select_related = ("invoice",)
    search_fields = ("invoice__reference", "description")


@admin.register(Claim)
class ClaimAdmin(ReadOnlyAdmin):
    """Which entry stands on which line."""

    list_display = ("entry", "line", "seconds", "day", "person_name", "released_at")
    list_select_related = ("entry", "line")
    search_fields = ("=entry__remote_id", "person_name", "description")


@admin.register(Correction)
class CorrectionAdmin(ReadOnlyAdmin):
    """What changed in Toggl after billing, and what a person decided."""

    list_display = ("entry", "invoice", "opened_at", "seconds", "decision", "decided_by")
    list_select_related = ("entry", "invoice")
    list_filter = ("decision",)
    search_fields = ("=entry__remote_id", "invoice__reference")


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """What was tried at Billit."""

    list_display = ("invoice", "intent", "key", "started_at", "outcome", "http_status")
    list_select_related = ("invoice",)
    list_filter = ("intent", "outcome")
    search_fields = ("key",)
