"""The admin of dossiers and mappings, which are changed here through the verbs of ``invoicing.dossiers``."""

from __future__ import annotations

from collections.abc import Collection
from itertools import groupby
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from integrations.models import Client, Customer
from invoicing.admin.choices import line
from invoicing.admin.forms import (
    ClientMappingForm,
    ClientsOfOneDossier,
    DossierClientForm,
    DossierForm,
    RowsOfOneDossier,
    TagMappingForm,
)
from invoicing.admin.sheets import ClientMappings, Dossiers, FilesMixin, TagMappings
from invoicing.admin.trial import ByNameMixin, TrialMixin
from invoicing.dossiers import checks, mappings, rules
from invoicing.dossiers.rules import Pairing
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
    scoped,
)
from toggbill.firms.errors import NotPossible

_Related = admin.RelatedOnlyFieldListFilter


class TagMappingInline(FirmTabularInline):
    """The tags of the dossier."""

    model = TagMapping
    form = TagMappingForm
    formset = RowsOfOneDossier
    fields = ("tag", "person_remote_id", "bill", "product_reference", "priority")


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
    formset = ClientsOfOneDossier
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
        (
            _("What is billed"),
            {"fields": ("billable", "longest_hours", "default_product", "price_decimals", "price_day", "group_by")},
        ),
        (
            _("Rounding"),
            {"fields": ("rounding_minutes", "rounding_direction", "rounding_level", "rounding_minimum")},
        ),
        (
            _("When and how far"),
            {"fields": ("every", "day", "mode", "auto_limit", "no_limit", "due_at", "waiting_words")},
        ),
        (_("Guards"), {"fields": ("four_eyes", "deviation")}),
        (_("The invoice"), {"fields": ("payment_days", "email_allowed", "annex")}),
        (_("In Toggl"), {"fields": ("billed_tag",)}),
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
        """Nothing yet: the clients that it bills, in rows of their own, are among the rules of a dossier."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Through the verbs: the rules with the clients, then the mappings."""
        obj, by, now = form.instance, actor(cast(FirmRequest, request)), timezone.now()
        firm = obj.workspace.firm
        clients = next(rows.clients() for rows in formsets if isinstance(rows, ClientsOfOneDossier))
        pairing = Pairing(obj.workspace, obj.company, form.stated(clients))
        if change:
            rules.set_dossiers(firm=firm, pairings=[pairing], by=by, now=now)
        else:
            made = rules.create(firm=firm, pairing=pairing, by=by, now=now)
            obj.pk, obj.firm = made.pk, firm
        for formset in formsets:
            # What differs, as the library finds it; the rows themselves are the verbs' to write.
            rows = formset.save(commit=False)
            if formset.model is not DossierClient:
                _unmap(request, formset.deleted_objects)
                changed = [each for each in formset.standing_forms() if each.instance in rows]
                _map(request, obj, changed)


def _map(request: HttpRequest, dossier: Dossier, changed: Collection[TagMappingForm | ClientMappingForm]) -> None:
    """Write the mappings that forms state; one that names another tag or client now is renamed."""
    by, now = actor(cast(FirmRequest, request)), timezone.now()
    stated = [
        (form.rule(), (form.initial.get("tag") or "", form.initial.get("person_remote_id")))
        for form in changed
        if isinstance(form, TagMappingForm)
    ]
    if stated:
        renamed: dict[mappings.TagName, mappings.TagName] = {
            (rule.tag, rule.person): was for rule, was in stated if any(was)
        }
        mappings.map_tags(dossier=dossier, rules=[rule for rule, _tag in stated], renamed=renamed, by=by, now=now)
    of_clients = [
        (form.rule(), form.initial.get("client_remote_id")) for form in changed if isinstance(form, ClientMappingForm)
    ]
    if of_clients:
        mappings.map_clients(
            dossier=dossier,
            rules=[rule for rule, _client in of_clients],
            renamed={rule.client_id: client for rule, client in of_clients if client},
            keep_read=False,
            by=by,
            now=now,
        )


def _unmap(request: HttpRequest, rows: Collection[TagMapping | ClientMapping]) -> None:
    """Take mappings away, those of a dossier at once. As they stand: an inline form puts on a row what was typed."""
    by, now = actor(cast(FirmRequest, request)), timezone.now()
    gone = [row.pk for row in rows if isinstance(row, TagMapping)]
    tags = TagMapping.objects.filter(pk__in=gone).select_related("dossier__firm").order_by("dossier", "pk")
    for dossier, of_it in groupby(tags, key=lambda row: row.dossier):
        mappings.unmap_tags(dossier=dossier, tags=[(row.tag, row.person_remote_id) for row in of_it], by=by, now=now)
    gone = [row.pk for row in rows if isinstance(row, ClientMapping)]
    clients = ClientMapping.objects.filter(pk__in=gone).select_related("dossier__firm").order_by("dossier", "pk")
    for dossier, those in groupby(clients, key=lambda row: row.dossier):
        mappings.unmap_clients(dossier=dossier, clients=[row.client_remote_id for row in those], by=by, now=now)


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
        _map(request, obj.dossier, [form])
        key: dict[str, Any] = {"client_remote_id": getattr(obj, "client_remote_id", None)}
        if isinstance(obj, TagMapping):
            key = {"tag_key": obj.tag_key, "person_remote_id": obj.person_remote_id}
        obj.pk, obj.firm = type(obj).objects.get(dossier=obj.dossier, **key).pk, obj.dossier.firm

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Through the verb."""
        _unmap(request, [obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Through the verb, an event for each."""
        _unmap(request, list(queryset))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may map may take a mapping away."""
        return self.has_change_permission(request, obj)


@admin.register(TagMapping)
class TagMappingAdmin(MappingAdmin):
    """Tag -> product, or do not bill."""

    resource_classes: ClassVar[Any] = (TagMappings,)
    form = TagMappingForm
    list_display = ("__str__", "bill", "product_reference", "priority", "dossier")
    list_filter = (("dossier", _Related), "bill")
    search_fields = ("tag", "product_reference")
    fields = ("dossier", "tag", "person_remote_id", "bill", "product_reference", "priority", "contradicted")
    readonly_fields = ("contradicted",)

    @admin.display(description=_("contradicted by"))
    def contradicted(self, row: TagMapping) -> str:
        """What other spellings of the tag were mapped to; saving this mapping settles it."""
        return "; ".join(
            f"“{other['tag']}” → {other['product'] if other['bill'] else gettext('do not bill')}"
            for other in row.contradicted_by
        )


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
