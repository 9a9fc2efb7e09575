"""The admin of what only the machine writes in the books: it is looked at here, and done on pages of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from invoicing.admin.sheets import Agreements, FilesMixin
from invoicing.deciding import figures
from invoicing.drafting import runs
from invoicing.ledger import attention
from invoicing.models import (
    Agreement,
    Annex,
    Attempt,
    BroughtOrder,
    BudgetNotice,
    ChangedMonth,
    Claim,
    Correction,
    CustomerPin,
    Deduction,
    DossierClient,
    Drift,
    Invoice,
    InvoiceLine,
    LedgerRow,
    MonthProof,
    MonthSum,
    ReportedMonth,
    Run,
    SavedView,
    WriteBack,
)
from invoicing.models.problems import words_of
from invoicing.rules.judging.mapping import Reason
from toggbill.firms.access import FirmRequest, NotAllowed, actor
from toggbill.firms.admin import ReadOnlyAdmin, ReadOnlyInline, allowed
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firms
from toggbill.firms.read import Read, check

_LEFT_ALONE = _(
    "Invoice %(invoice)s is %(status)s: only one that Billit does not have can be approved or dropped here."
)
_Related = admin.RelatedOnlyFieldListFilter


class _ByReason(admin.SimpleListFilter):
    """Entries that need attention by the reason, in words."""

    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """All there are, in the order of the rules."""
        return [(str(reason), str(attention.words(reason).title)) for reason in Reason]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those with the chosen one."""
        return queryset if self.value() is None else queryset.filter(reason=self.value())


class _InWords:
    """Rows whose reason is listed in words."""

    @admin.display(description=_("reason"), ordering="reason")
    def why(self, row: LedgerRow | MonthSum) -> str:
        """As the pages say it."""
        return str(attention.words(row.reason).title) if row.reason else ""


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


@admin.register(Agreement)
class AgreementAdmin(FilesMixin, ReadOnlyAdmin):
    """What the firm agreed with customers on fees: stated on the dossier's pages, and in files."""

    resource_classes: ClassVar[Any] = (Agreements,)

    list_display = ("key", "dossier", "title", "kind", "every", "amount", "hours", "price", "start_date", "end_date")
    list_select_related = ("dossier",)
    list_filter = (("dossier", _Related), "kind", "every")
    search_fields = ("key", "title", "number")


@admin.register(BudgetNotice)
class BudgetNoticeAdmin(ReadOnlyAdmin):
    """Budgets of which 80 or 100 % were used: noticed each morning."""

    list_display = ("noticed_at", "dossier", "agreement", "project", "period", "level", "hours", "amount", "told_at")
    list_select_related = ("dossier", "agreement", "project")
    list_filter = (("dossier", _Related), "level")


@admin.register(LedgerRow)
class LedgerRowAdmin(_InWords, ReadOnlyAdmin):
    """The state of each entry."""

    list_display = ("entry", "day", "seconds", "state", "why", "client_name", "product_reference", "dossier")
    list_select_related = ("dossier", "entry")
    list_filter = (("dossier", _Related), "state", _ByReason)
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
    fields = (
        "position",
        "kind",
        "product_reference",
        "description",
        "quantity",
        "unit_price",
        "vat_rate",
        "total",
        "is_late",
    )


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
    change_list_template = "admin/invoicing/invoices.html"
    exclude = ("firm", "problem", "attention", "delivery_problem")
    readonly_fields = ("problem_words", "attention_words", "delivery_problem_words")

    @admin.display(description=_("what Billit said"))
    def problem_words(self, row: Invoice) -> str:
        """As a sentence."""
        return words_of(row.problem, row.problem_facts)

    @admin.display(description=_("needs attention"))
    def attention_words(self, row: Invoice) -> str:
        """As a sentence."""
        return words_of(row.attention, row.attention_facts)

    @admin.display(description=_("what Billit said of the delivery"))
    def delivery_problem_words(self, row: Invoice) -> str:
        """As a sentence."""
        return words_of(row.delivery_problem, row.delivery_problem_facts)

    def has_approve_permission(self, request: HttpRequest) -> bool:
        """By role."""
        return allowed(request, "approve_any")

    def has_drop_permission(self, request: HttpRequest) -> bool:
        """By role."""
        return allowed(request, "draft")

    @admin.action(description=_("Approve"), permissions=["approve"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> None:
        """Each as it was listed, or none; what cannot be approved says why."""
        self._each(request, queryset, runs.approve, gettext("approved"))

    @admin.action(description=_("Drop: the hours are free again"), permissions=["drop"])
    def drop(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> None:
        """Each as it was listed, or none; what Billit has already says so."""
        self._each(request, queryset, runs.void, gettext("dropped"))

    def _each(self, request: HttpRequest, queryset: QuerySet[Invoice], verb: Callable[..., Invoice], done: str) -> None:
        by, now = actor(cast(FirmRequest, request)), timezone.now()
        read = Read.unpack(request.POST.get("read", ""))
        with transaction.atomic():
            lock_firms(queryset.order_by().values_list("firm", flat=True))
            rows = list(queryset.order_by("pk"))
            # Those that Billit had when they were listed are not up for a decision.
            undecided = [row for row in rows if row.status in figures.DROPPABLE or figures.subject(row) in read.figures]
            for row in rows:
                if row not in undecided:
                    told = {"invoice": row, "status": row.get_status_display()}
                    self.message_user(request, _LEFT_ALONE % told, messages.ERROR)
            # All of them before the first is changed.
            check(read, lambda: figures.of_invoices(undecided), by=by)
            for invoice in undecided:
                try:
                    verb(invoice=invoice, by=by, now=now, read=read)
                except (NotPossible, NotAllowed) as refusal:
                    self.message_user(request, str(refusal), messages.ERROR)
                else:
                    self.message_user(request, f"{invoice.customer_name} ({invoice}): {done}.", messages.SUCCESS)

    def view_on_site(self, obj: Invoice) -> str:
        """The page where something can be done."""
        return reverse("firm:invoice", args=[obj.reference])


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


@admin.register(Deduction)
class DeductionAdmin(ReadOnlyAdmin):
    """What settlements deduct of advances, and credit notes give back of them."""

    list_display = ("advance", "brought", "line", "amount", "released_at")
    list_select_related = ("advance", "brought", "line")


@admin.register(BroughtOrder)
class BroughtOrderAdmin(ReadOnlyAdmin):
    """Orders that Billit itself made, brought in as advances or fees."""

    list_display = ("order_number", "order_date", "agreement", "period", "total_excl", "brought_by", "released_at")
    list_select_related = ("agreement",)
    search_fields = ("order_number", "=order_id", "agreement__key")


@admin.register(Correction)
class CorrectionAdmin(ReadOnlyAdmin):
    """What changed in Toggl after billing, and what a person decided."""

    list_display = ("entry", "invoice", "opened_at", "seconds", "decision", "decided_by")
    list_select_related = ("entry", "invoice")
    list_filter = ("decision",)
    search_fields = ("=entry__remote_id", "invoice__reference")


@admin.register(Drift)
class DriftAdmin(ReadOnlyAdmin):
    """What comparisons with Toggl and Billit found."""

    list_display = ("dossier", "kind", "entry_remote_id", "order_id", "reference", "first_seen_at", "gone_at")
    list_select_related = ("dossier",)
    list_filter = (("dossier", _Related), "kind", ("gone_at", admin.EmptyFieldListFilter))
    search_fields = ("=entry_remote_id", "=order_id", "reference")


@admin.register(ReportedMonth)
class ReportedMonthAdmin(ReadOnlyAdmin):
    """Toggl's own total of each month, beside the mirror's."""

    list_display = ("dossier", "month", "through", "toggl_seconds", "own_seconds", "running_seconds", "read_at")
    list_select_related = ("dossier",)
    list_filter = (("dossier", _Related),)
    date_hierarchy = "month"


@admin.register(MonthSum)
class MonthSumAdmin(_InWords, ReadOnlyAdmin):
    """The sums of months that the database keeps."""

    list_display = ("dossier", "month", "state", "why", "price", "entries", "seconds")
    list_select_related = ("dossier",)
    list_filter = (("dossier", _Related), "state")
    date_hierarchy = "month"


@admin.register(MonthProof)
class MonthProofAdmin(ReadOnlyAdmin):
    """What the checks of months came to."""

    list_display = ("dossier", "month", "broken", "proved_at")
    list_select_related = ("dossier",)
    list_filter = (("dossier", _Related),)
    date_hierarchy = "month"


@admin.register(ChangedMonth)
class ChangedMonthAdmin(ReadOnlyAdmin):
    """The months that wait for their checks."""

    list_display = ("dossier", "month")
    list_select_related = ("dossier",)
    list_filter = (("dossier", _Related),)


@admin.register(SavedView)
class SavedViewAdmin(ReadOnlyAdmin):
    """Filters of the hours that members keep: saved and removed on the page of the hours."""

    list_display = ("name", "membership", "query")
    list_select_related = ("membership__user",)


@admin.register(Annex)
class AnnexAdmin(ReadOnlyAdmin):
    """Annexes of hours: their files are on the page of the invoice."""

    list_display = ("name", "invoice", "pdf_size", "csv_size", "made_at")
    list_select_related = ("invoice",)
    search_fields = ("name", "invoice__reference", "=pdf_hash", "=csv_hash")
    exclude = ("firm", "pdf", "csv")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Annex]:
        """Without the files themselves."""
        return super().get_queryset(request).defer("pdf", "csv")


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    """What was tried at Billit."""

    list_display = ("invoice", "intent", "key", "started_at", "outcome", "http_status")
    list_select_related = ("invoice",)
    list_filter = ("intent", "outcome")
    search_fields = ("key",)
    exclude = ("firm", "answer")
    readonly_fields = ("answer_words",)

    @admin.display(description=_("answer"))
    def answer_words(self, row: Attempt) -> str:
        """As a sentence."""
        return words_of(row.answer, row.answer_facts)


@admin.register(WriteBack)
class WriteBackAdmin(ReadOnlyAdmin):
    """The tag that each billed entry has in Toggl from us, or shall have."""

    list_display = ("entry", "dossier", "wanted", "written", "due_at", "failure", "said")
    list_select_related = ("entry", "dossier")
    list_filter = (("dossier", _Related), "failure")
    search_fields = ("=entry__remote_id",)
