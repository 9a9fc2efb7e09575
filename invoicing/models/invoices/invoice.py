"""Invoices."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from integrations.models import Company
from integrations.models.connections import served_through
from invoicing.models.agreements import Agreement
from invoicing.models.dossiers import Dossier
from invoicing.models.invoices.waiting import LOOKED_FOR, NEEDS_PERSON, STUCK, WAITS
from invoicing.models.problems import known_codes
from toggbill.firms.models import FirmOwned, FirmQuerySet

NO_POST_ASKED: dict[str, Any] = {"post_requested_at": None, "post_requested_by": ""}
NO_SEND_ASKED: dict[str, Any] = {
    "send_requested_at": None,
    "send_requested_by": "",
    "send_requested_by_user": None,
}
"""Columns of an invoice that nobody wants posted, or sent, any more."""

_UNPOSTED = ["draft", "approved", "posting", "refused", "in_doubt"]


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
        return self.filter(WAITS)

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

    def unsent(self) -> Self:
        """Orders at Billit that can be sent: not sent yet, or in vain, and not being replaced."""
        return self.posted().filter(delivery__in=["not_sent", "failed"], replacing_since__isnull=True)

    def sent(self) -> Self:
        """Those that left Billit for the customer, whatever became of them."""
        return self.filter(delivery__in=[Invoice.Delivery.SENT, Invoice.Delivery.DELIVERED, Invoice.Delivery.REFUSED])

    def sent_elsewhere(self) -> Self:
        """Those that were sent in Billit, and that toggbill never tried to send."""
        return self.sent().exclude(attempts__intent="send")

    def delivery_due(self, now: datetime) -> Self:
        """Those of which it is to be read what became of them: due, or sent in Billit by hand and not looked at yet."""
        served = self.filter(served_through("company__connection__"), firm__closed_at__isnull=True)
        return served.filter(Q(delivery_due_at__lte=now) | Q(delivery="sent", sent_at__isnull=True))

    def delivery_to_tell(self) -> Self:
        """Those of which somebody is to be told by mail that they do not arrive."""
        return self.filter(tell_delivery_at__isnull=False, firm__closed_at__isnull=True)

    def stuck(self) -> Self:
        """Those that Billit refused or did not answer, or did not deliver."""
        return self.filter(STUCK)

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
        REFUSED = "refused", _("refused by the receiver")
        FAILED = "failed", _("failed")
        IN_DOUBT = "in_doubt", _("in doubt")

    class Way(models.TextChoices):
        """R11: how the customer gets it."""

        PEPPOL = "peppol", _("Peppol")
        EMAIL = "email", _("e-mail")
        NONE = "none", _("none is open")

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
    # It bills a block of prepaid hours of this agreement and nothing else (section 11).
    block_of = models.ForeignKey(Agreement, models.PROTECT, null=True, related_name="block_invoices", editable=False)
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
    # Raw seconds of hours from before a price changed, what today's prices make of the total for them, and whether they
    # are billed at the price of their own day instead (section 11).
    earlier_seconds = models.PositiveIntegerField(default=0, editable=False)
    earlier_difference = models.DecimalField(max_digits=14, decimal_places=2, default=Decimal(0), editable=False)
    at_their_day = models.BooleanField(default=False, editable=False)
    legal_excl = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    legal_vat = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    legal_incl = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    # Codes of ``problems`` with their facts, here and below: pages make the words.
    attention = models.CharField(_("needs attention"), max_length=40, blank=True)
    attention_facts = models.JSONField(default=dict, blank=True, editable=False)
    drafted_at = models.DateTimeField(_("drafted"))
    approved_at = models.DateTimeField(_("approved"), null=True, blank=True)
    approved_by = models.CharField(_("approved by"), max_length=254, blank=True)
    # The account behind the name, here and of who asks for the sending: an address changes, and four eyes stay (R11).
    # No foreign key: who it was outlives the account.
    approved_by_user = models.BigIntegerField(null=True, blank=True, editable=False)
    # What a person or the dossier's mode wants next; a tick takes it up when the worker's message was lost (design D4).
    post_requested_at = models.DateTimeField(_("posting asked for"), null=True, blank=True)
    post_requested_by = models.CharField(_("posting asked for by"), max_length=254, blank=True)
    send_requested_at = models.DateTimeField(_("sending asked for"), null=True, blank=True)
    send_requested_by = models.CharField(_("sending asked for by"), max_length=254, blank=True)
    send_requested_by_user = models.BigIntegerField(null=True, blank=True, editable=False)
    not_before = models.DateTimeField(_("not before"), null=True, blank=True)
    posting_since = models.DateTimeField(null=True, blank=True, editable=False)
    # What its customer has left of prepaid hours, pairs of title and hours: frozen with the approval, since the order
    # says it and is the same at each attempt. None: not approved yet, or before that was kept.
    prepaid_left = models.JSONField(null=True, blank=True, editable=False)
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
    # The way to the customer as it was asked for last; ``way_to``: `0208:...`, or an address of e-mail.
    way = models.CharField(_("way to the customer"), max_length=6, choices=Way, blank=True)
    way_to = models.CharField(_("receiver"), max_length=320, blank=True)
    way_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    # What becomes of a sent one is read back (R11): when next, and which state of the order was read last.
    sent_at = models.DateTimeField(_("sent on"), null=True, blank=True)
    delivered_at = models.DateTimeField(_("delivered on"), null=True, blank=True)
    delivery_due_at = models.DateTimeField(_("next look at its delivery"), null=True, blank=True, editable=False)
    delivery_read_of = models.DateTimeField(null=True, blank=True, editable=False)
    # Who sent it is to be told by mail that it does not arrive; empty again once that is done.
    tell_delivery_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[InvoiceManager[Invoice]] = InvoiceManager()

    class Meta:
        verbose_name = _("invoice")
        verbose_name_plural = _("invoices")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["dossier", "buyer_key", "purchase_order", "buyer_reference", "outside_scope"],
                condition=Q(status="draft", kind="invoice", block_of__isnull=True),
                name="invoice_one_waiting_draft",
            ),
            models.UniqueConstraint(
                fields=["block_of"],
                condition=Q(kind="invoice", status__in=_UNPOSTED),
                name="invoice_one_waiting_block",
            ),
            models.UniqueConstraint(
                fields=["about"],
                condition=Q(kind="credit_note", status__in=_UNPOSTED),
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
                condition=(~Q(delivery="delivered") | Q(delivered_at__isnull=False))
                & (~Q(delivery="refused") | ~Q(delivery_problem="")),
                name="invoice_delivery_has_its_facts",
            ),
            models.CheckConstraint(
                condition=Q(way__in=["", "none"], way_to="") | (Q(way__in=["peppol", "email"]) & ~Q(way_to="")),
                name="invoice_way_leads_somewhere",
            ),
            # Nothing is awaited, nor told, of what was not sent.
            models.CheckConstraint(
                condition=Q(delivery__in=["sent", "delivered", "refused"])
                | Q(delivery_due_at__isnull=True, tell_delivery_at__isnull=True, delivered_at__isnull=True),
                name="invoice_delivery_of_what_was_sent",
            ),
            models.CheckConstraint(
                condition=Q(payment="open", paid_date__isnull=True) | Q(payment="paid", status="posted"),
                name="invoice_paid_only_when_posted",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["firm", "-drafted_at"], name="invoice_newest"),
            models.Index(fields=["status"], name="invoice_by_status"),
            models.Index(
                fields=["delivery_due_at"], condition=Q(delivery_due_at__isnull=False), name="invoice_delivery_due"
            ),
            models.Index(
                fields=["company"], condition=Q(delivery="sent", sent_at__isnull=True), name="invoice_sent_elsewhere"
            ),
            models.Index(
                fields=["company"], condition=Q(status="posted", delivery="not_sent"), name="invoice_to_be_sent"
            ),
            models.Index(
                fields=["delivery"], condition=Q(delivery__in=["sending", "in_doubt"]), name="invoice_delivery_open"
            ),
            models.Index(
                fields=["tell_delivery_at"],
                condition=Q(tell_delivery_at__isnull=False),
                name="invoice_delivery_to_tell",
            ),
            *(models.Index(fields=[field], condition=only, name=name) for name, field, only in LOOKED_FOR),
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
                is_unsent = self.delivery in (self.Delivery.NOT_SENT, self.Delivery.FAILED)
                asked = self.send_requested_at is not None and is_unsent
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
