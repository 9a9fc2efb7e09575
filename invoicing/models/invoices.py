"""Runs, and invoices with their lines."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from integrations.models import Company
from invoicing.models.dossiers import ClientMapping, Dossier
from invoicing.models.problems import known_codes
from toggbill.firms.models import FirmOwned, FirmQuerySet


class Run(FirmOwned):
    """One pass of drafting over a dossier, for a cut-off day (the last day included, firm's time zone)."""

    dossier = models.ForeignKey(Dossier, on_delete=models.PROTECT, related_name="runs", verbose_name=_("dossier"))
    cut_off = models.DateField(_("through"))
    started_at = models.DateTimeField(_("when"))
    started_by = models.CharField(_("who"), max_length=254)
    mirror_as_of = models.DateTimeField(_("hours as of"), null=True, blank=True)
    # The drafts that this pass made, redrew or left as they were: while one of them waits, its hours are not late (R8).
    invoices: models.ManyToManyField[Invoice, Any] = models.ManyToManyField("Invoice", related_name="runs", blank=True)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["dossier", "cut_off"], name="run_once_per_cut_off"),
        ]

    def __str__(self) -> str:
        return f"{self.dossier_id} {self.cut_off}"


# Billit said no, or did not answer: of the order, or of its delivery.
_STUCK = Q(status__in=["refused", "in_doubt"]) | Q(status="posted", delivery__in=["failed", "in_doubt"])
NO_POST_ASKED: dict[str, Any] = {"post_requested_at": None, "post_requested_by": ""}
NO_SEND_ASKED: dict[str, Any] = {"send_requested_at": None, "send_requested_by": ""}
"""Columns of an invoice that nobody wants posted, or sent, any more."""

_WAITS = (
    Q(status="approved", post_requested_at__isnull=False)
    | Q(status="posting")
    | Q(status="in_doubt", needs_person=False)
    | Q(status="posted", send_requested_at__isnull=False, delivery="not_sent")
    | Q(status="posted", delivery__in=["sending", "in_doubt"])
    | Q(replacing_since__isnull=False)
)
NEEDS_PERSON = _STUCK | (~Q(attention="") & ~Q(status="void"))
"""Invoices that a person has to look at: stuck, or with something noted on them."""


class InvoiceQuerySet(FirmQuerySet["Invoice"]):
    """Invoices and credit notes."""

    def drafts(self) -> Self:
        """Those that wait for a person's approval."""
        return self.filter(status=Invoice.Status.DRAFT)

    def posted(self) -> Self:
        """Those that are orders at Billit."""
        return self.filter(status=Invoice.Status.POSTED)

    def standing(self) -> Self:
        """All but the void ones."""
        return self.exclude(status=Invoice.Status.VOID)

    def waiting(self) -> Self:
        """Those that are neither orders at Billit yet nor void."""
        return self.exclude(status__in=[Invoice.Status.POSTED, Invoice.Status.VOID])

    def unanswered(self) -> Self:
        """Those that may be orders at Billit or not: being posted, or in doubt."""
        return self.filter(status__in=[Invoice.Status.POSTING, Invoice.Status.IN_DOUBT])

    def waiting_for_billit(self) -> Self:
        """Those that workers are to post, look up, send or delete, as soon as Billit can be asked."""
        return self.filter(_WAITS)

    def read_back(self) -> Self:
        """Posted, and Billit's own totals are known."""
        return self.posted().filter(legal_excl__isnull=False)

    def unread(self) -> Self:
        """Posted ones whose legal totals were not read back yet."""
        return self.posted().filter(legal_excl__isnull=True)

    def being_replaced(self) -> Self:
        """Those whose order is being deleted at Billit, to be replaced."""
        return self.filter(replacing_since__isnull=False)

    def not_being_replaced(self) -> Self:
        """All but those whose order is being deleted at Billit, to be replaced."""
        return self.filter(replacing_since__isnull=True)

    def stuck(self) -> Self:
        """Those that Billit refused or did not answer, or did not deliver."""
        return self.filter(_STUCK)

    def needing_person(self) -> Self:
        """Those that are stuck, or have something to look at."""
        return self.filter(NEEDS_PERSON)


InvoiceManager = models.Manager.from_queryset(InvoiceQuerySet)


class Invoice(FirmOwned):
    """An invoice and its life (design section 7). Who, what and how much are frozen at drafting time.

    ``total_*`` are ours; ``legal_*`` are what Billit computed and read back, and stand as the legal ones.
    """

    class Kind(models.TextChoices):
        """What Billit makes of it; a credit note takes back entries of the invoice that it is about."""

        INVOICE = "invoice", _("invoice")
        CREDIT_NOTE = "credit_note", _("credit note")

    class Status(models.TextChoices):
        """draft -> approved -> posting -> posted; refused, in doubt, void beside it."""

        DRAFT = "draft", _("draft")
        APPROVED = "approved", _("approved")
        POSTING = "posting", _("being posted")
        POSTED = "posted", _("posted")
        REFUSED = "refused", _("refused by Billit")
        IN_DOUBT = "in_doubt", _("in doubt")
        VOID = "void", _("void")

    class Delivery(models.TextChoices):
        """Whether Billit delivered it to the customer."""

        NOT_SENT = "not_sent", _("not sent")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        DELIVERED = "delivered", _("delivered")
        FAILED = "failed", _("failed")
        IN_DOUBT = "in_doubt", _("in doubt")

    class Payment(models.TextChoices):
        """Read back from Billit."""

        OPEN = "open", _("open")
        PAID = "paid", _("paid")

    dossier = models.ForeignKey(Dossier, on_delete=models.PROTECT, related_name="invoices", verbose_name=_("dossier"))
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="invoices", verbose_name=_("company"))
    reference = models.CharField(_("reference"), max_length=60, unique=True)
    kind = models.CharField(_("kind"), max_length=11, choices=Kind, default=Kind.INVOICE)
    about = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="credit_notes", verbose_name=_("about")
    )
    # Of a credit note: whether its entries are open again once it is posted, or stay credited.
    rebill = models.BooleanField(_("bill again"), default=False)
    # The rounding (R5) by which the lines were made; a credit note takes entries off them by the same.
    rounding = models.JSONField(default=dict, blank=True, editable=False)
    # The order is being deleted at Billit, to be replaced: nothing may be sent meanwhile.
    replacing_since = models.DateTimeField(null=True, blank=True, editable=False)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.DRAFT)
    delivery = models.CharField(_("delivery"), max_length=10, choices=Delivery, default=Delivery.NOT_SENT)
    payment = models.CharField(_("payment"), max_length=5, choices=Payment, default=Payment.OPEN)
    paid_date = models.DateField(_("paid on"), null=True, blank=True)
    buyer_key = models.CharField(max_length=60)
    customer_vat = models.CharField(_("VAT number"), max_length=30, blank=True)
    customer_name = models.CharField(_("customer"), max_length=500)
    customer_party_id = models.BigIntegerField(_("Billit PartyID"), null=True, blank=True)
    customer_language = models.CharField(_("language"), max_length=20, blank=True)
    purchase_order = models.CharField(_("purchase order"), max_length=200, blank=True)
    buyer_reference = models.CharField(_("buyer reference"), max_length=200, blank=True)
    # EN 16931, BR-O-11: such lines never share an invoice with others.
    outside_scope = models.BooleanField(_("outside the scope of VAT"), default=False)
    title = models.CharField(_("title"), max_length=200)
    period_from = models.DateField(_("from"))
    period_till = models.DateField(_("till"))
    total_excl = models.DecimalField(_("total excl. VAT"), max_digits=14, decimal_places=2)
    total_vat = models.DecimalField(_("VAT"), max_digits=14, decimal_places=2)
    total_incl = models.DecimalField(_("total incl. VAT"), max_digits=14, decimal_places=2)
    legal_excl = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    legal_vat = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    legal_incl = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    # Codes of ``problems`` with their facts, here and below: pages make the words.
    attention = models.CharField(_("needs attention"), max_length=40, blank=True)
    attention_facts = models.JSONField(default=dict, blank=True, editable=False)
    drafted_at = models.DateTimeField(_("drafted"))
    approved_at = models.DateTimeField(_("approved"), null=True, blank=True)
    approved_by = models.CharField(_("approved by"), max_length=254, blank=True)
    # What a person or the dossier's mode wants next; a tick takes it up when the worker's message was lost (design D4).
    post_requested_at = models.DateTimeField(_("posting asked for"), null=True, blank=True)
    post_requested_by = models.CharField(_("posting asked for by"), max_length=254, blank=True)
    send_requested_at = models.DateTimeField(_("sending asked for"), null=True, blank=True)
    send_requested_by = models.CharField(_("sending asked for by"), max_length=254, blank=True)
    not_before = models.DateTimeField(_("not before"), null=True, blank=True)
    posting_since = models.DateTimeField(null=True, blank=True, editable=False)
    needs_person = models.BooleanField(_("a person decides"), default=False)
    posted_at = models.DateTimeField(_("posted"), null=True, blank=True)
    order_id = models.BigIntegerField(_("Billit order"), null=True, blank=True)
    order_number = models.CharField(_("number"), max_length=100, blank=True)
    order_date = models.DateField(_("invoice date"), null=True, blank=True)
    accepted_body = models.TextField(_("accepted by Billit"), blank=True)
    problem = models.CharField(_("what Billit said"), max_length=40, blank=True)
    problem_facts = models.JSONField(default=dict, blank=True, editable=False)
    # The n of `tb-<uuid>-<n>`: the key in force for the next POST.
    key_number = models.PositiveIntegerField(default=1, editable=False)
    # A send has a key of its own, minted when it is first tried.
    send_key_number = models.PositiveIntegerField(null=True, blank=True, editable=False)
    sending_since = models.DateTimeField(null=True, blank=True, editable=False)
    delivery_problem = models.CharField(_("what Billit said of the delivery"), max_length=40, blank=True)
    delivery_problem_facts = models.JSONField(default=dict, blank=True, editable=False)

    objects: ClassVar[InvoiceManager[Invoice]] = InvoiceManager()

    class Meta:
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["dossier", "buyer_key", "purchase_order", "buyer_reference", "outside_scope"],
                condition=Q(status="draft", kind="invoice"),
                name="invoice_one_waiting_draft",
            ),
            models.UniqueConstraint(
                fields=["about"],
                condition=Q(kind="credit_note", status__in=["draft", "approved", "posting", "refused", "in_doubt"]),
                name="invoice_one_waiting_credit_note",
            ),
            models.CheckConstraint(
                condition=Q(kind="invoice", about__isnull=True) | Q(kind="credit_note", about__isnull=False),
                name="invoice_credit_note_is_about",
            ),
            models.CheckConstraint(
                condition=Q(replacing_since__isnull=True)
                | Q(kind="invoice", status="posted", delivery__in=["not_sent", "failed"]),
                name="invoice_replaced_only_unsent",
            ),
            models.UniqueConstraint(
                fields=["company", "order_id"], condition=Q(order_id__isnull=False), name="invoice_order_once"
            ),
            models.CheckConstraint(
                condition=~Q(status="posted") | Q(order_id__isnull=False, posted_at__isnull=False),
                name="invoice_posted_has_order",
            ),
            models.CheckConstraint(
                condition=Q(status="posting", posting_since__isnull=False)
                | (~Q(status="posting") & Q(posting_since__isnull=True)),
                name="invoice_posting_has_lease",
            ),
            # Nothing leaves for Billit that nobody asked for, whatever message a worker gets.
            models.CheckConstraint(
                condition=~Q(status="posting") | Q(post_requested_at__isnull=False), name="invoice_posting_was_asked"
            ),
            models.CheckConstraint(
                condition=~Q(delivery="sending") | Q(send_requested_at__isnull=False), name="invoice_sending_was_asked"
            ),
            models.CheckConstraint(
                condition=(Q(post_requested_at__isnull=True) | ~Q(post_requested_by=""))
                & (Q(send_requested_at__isnull=True) | ~Q(send_requested_by="")),
                name="invoice_asked_by_somebody",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["refused", "in_doubt"]) | ~Q(problem=""), name="invoice_problem_is_named"
            ),
            known_codes("problem", "attention", "delivery_problem", constraint="invoice_known_codes"),
            models.CheckConstraint(
                condition=Q(status__in=["draft", "void"]) | Q(approved_at__isnull=False),
                name="invoice_approved_before_posting",
            ),
            # A hair on both sides: SQLite adds decimals as floating point.
            models.CheckConstraint(
                condition=Q(total_incl__lt=F("total_excl") + F("total_vat") + Decimal("0.001"))
                & Q(total_incl__gt=F("total_excl") + F("total_vat") - Decimal("0.001")),
                name="invoice_totals_add_up",
            ),
            models.CheckConstraint(
                condition=Q(delivery="not_sent") | Q(status="posted"), name="invoice_sent_only_when_posted"
            ),
            models.CheckConstraint(
                condition=Q(payment="open", paid_date__isnull=True) | Q(payment="paid", status="posted"),
                name="invoice_paid_only_when_posted",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["firm", "-drafted_at"], name="invoice_newest"),
            models.Index(fields=["status"], name="invoice_by_status"),
        ]

    def __str__(self) -> str:
        return self.order_number or self.reference

    @property
    def key(self) -> str:
        """The idempotency key in force for posting (design section 7)."""
        return f"{self.reference}-{self.key_number}"

    @property
    def send_key(self) -> str:
        """The idempotency key of the sending, once it was tried."""
        return f"{self.reference}-{self.send_key_number}"

    @property
    def waits_for_billit(self) -> bool:
        """Whether it is one of ``InvoiceQuerySet.waiting_for_billit``."""
        match self.status:
            case self.Status.APPROVED:
                return self.post_requested_at is not None
            case self.Status.IN_DOUBT:
                return not self.needs_person
            case self.Status.POSTED:
                asked = self.send_requested_at is not None and self.delivery == self.Delivery.NOT_SENT
                under_way = self.delivery in (self.Delivery.SENDING, self.Delivery.IN_DOUBT)
                return asked or under_way or self.replacing_since is not None
        return self.status == self.Status.POSTING

    @property
    def excl(self) -> Decimal:
        """Total excluding VAT: Billit's figure once it was read back."""
        return self.total_excl if self.legal_excl is None else self.legal_excl

    @property
    def vat(self) -> Decimal:
        """VAT: Billit's figure once it was read back."""
        return self.total_vat if self.legal_vat is None else self.legal_vat

    @property
    def incl(self) -> Decimal:
        """Total including VAT: Billit's figure once it was read back."""
        return self.total_incl if self.legal_incl is None else self.legal_incl


class InvoiceLine(FirmOwned):
    """A line (R5-R7): quantity in hours, price and total in euro, ``seconds`` raw and equal to those of its claims.

    One that takes hours of an earlier invoice off has a negative quantity and negative seconds, as EN 16931 wants it
    (BR-27); the lines of a credit note are positive.
    """

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines", verbose_name=_("invoice"))
    position = models.PositiveIntegerField(_("position"))
    product_reference = models.CharField(_("product"), max_length=200, blank=True)
    description = models.CharField(_("description"), max_length=512)
    description_extended = models.CharField(_("further description"), max_length=512, blank=True)
    quantity = models.DecimalField(_("hours"), max_digits=12, decimal_places=2)
    unit_price = models.DecimalField(_("price"), max_digits=16, decimal_places=5)
    vat_rate = models.DecimalField(_("VAT rate"), max_digits=5, decimal_places=2)
    ventilation_code = models.PositiveSmallIntegerField(_("ventilation code"))
    treatment = models.CharField(_("VAT treatment"), max_length=16, choices=ClientMapping.Treatment)
    total = models.DecimalField(_("amount"), max_digits=14, decimal_places=2)
    seconds = models.IntegerField(_("seconds"))
    is_late = models.BooleanField(_("late"), default=False)
    # Tags of its entries that lead to no product, beside one that does (R4).
    ignored_tags = models.JSONField(_("tags without a product"), default=list, blank=True, editable=False)

    class Meta:
        verbose_name = _("line")
        verbose_name_plural = _("lines")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["invoice", "position"], name="line_position_once"),
            models.CheckConstraint(
                condition=Q(quantity__gt=0, seconds__gt=0, unit_price__gte=0)
                | Q(quantity__lt=0, seconds__lt=0, unit_price__gte=0),
                name="line_has_hours",
            ),
            # Half a cent and a hair: SQLite multiplies decimals as floating point.
            models.CheckConstraint(
                condition=Q(total__lte=F("quantity") * F("unit_price") + Decimal("0.00501"))
                & Q(total__gte=F("quantity") * F("unit_price") - Decimal("0.00501")),
                name="line_quantity_times_price",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invoice_id}/{self.position}"
