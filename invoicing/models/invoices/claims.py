"""Lines of invoices, and claims: which entry stands on which line."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from integrations.models import Entry
from invoicing.models.agreements import Agreement
from invoicing.models.dossiers import ClientMapping
from invoicing.models.invoices.invoice import Invoice
from invoicing.rules.billing import discounts, rating
from toggbill.firms.models import FirmOwned, FirmQuerySet


class InvoiceLineQuerySet(FirmQuerySet["InvoiceLine"]):
    """Lines of invoices and credit notes."""

    def live(self) -> Self:
        """Those that were not released: what an agreement's line bills is not free to be billed again."""
        return self.filter(released_at__isnull=True)

    def released(self) -> Self:
        """Those of agreements whose period is free again: of a void draft, or taken back by a credit note."""
        return self.filter(released_at__isnull=False)


InvoiceLineManager = models.Manager.from_queryset(InvoiceLineQuerySet)


class InvoiceLine(FirmOwned):
    """A line (R5-R7): quantity in hours, price and total in euro, ``seconds`` raw and equal to those of its claims.

    One that takes hours of an earlier invoice off has a negative quantity and negative seconds, as EN 16931 wants it
    (BR-27); the lines of a credit note are positive.

    ``discount``: what a person took off it, in euro (negative: put on), with the reason, which the customer reads;
    ``discount_per_cent`` where it was given so. ``total`` is what is left, ``value`` stays what it is worth at rate.

    A line of an agreement (section 11) bills one of its periods, named by the first day of that period of the calendar:
    it is the claim of the period, and of one kind there is one live line for each (of extra hours one for each
    ``part``). ``due_on``: the earliest cut-off with which it is billed; ``agreement_version``: the terms by which.
    ``released_at``: its invoice was dropped or replaced, or a credit note that took it back is posted. The period of an
    advance is its day, and is never free again by a credit note: what was given back does not fall due once more. Hours
    that a settlement bills have its agreement, and its day in ``due_on``; so have the lines that it deducts.
    A block of prepaid hours is numbered (``part``) within its agreement; ``period`` is the day on which it was ordered.
    """

    class Kind(models.TextChoices):
        """Hours; the fee of a period; hours beyond those that a fee includes; an advance; a block of prepaid hours;
        what a settlement takes off for an advance."""

        HOURS = "hours", _("hours")
        FEE = "fee", _("fee")
        EXTRA = "extra", _("extra hours")
        ADVANCE = "advance", _("advance")
        BLOCK = "block", _("prepaid hours")
        DEDUCTION = "deduction", _("deduction of an advance")

    invoice = models.ForeignKey(Invoice, on_delete=models.CASCADE, related_name="lines", verbose_name=_("invoice"))
    position = models.PositiveIntegerField(_("position"))
    kind = models.CharField(_("kind"), max_length=9, choices=Kind, default=Kind.HOURS)
    agreement = models.ForeignKey(
        Agreement,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="lines",
        verbose_name=_("fee agreement"),
    )
    agreement_version = models.PositiveIntegerField(default=0, editable=False)
    period = models.DateField(_("period"), null=True, blank=True)
    part = models.PositiveIntegerField(default=0, editable=False)
    due_on = models.DateField(_("due"), null=True, blank=True)
    takes_back = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="taken_back_by", editable=False
    )
    released_at = models.DateTimeField(_("released"), null=True, blank=True)
    product_reference = models.CharField(_("product"), max_length=200, blank=True)
    description = models.CharField(_("description"), max_length=512)
    description_extended = models.CharField(_("further description"), max_length=512, blank=True)
    quantity = models.DecimalField(_("hours"), max_digits=12, decimal_places=2)
    unit_price = models.DecimalField(_("price"), max_digits=16, decimal_places=5)
    vat_rate = models.DecimalField(_("VAT rate"), max_digits=5, decimal_places=2)
    ventilation_code = models.PositiveSmallIntegerField(_("ventilation code"))
    treatment = models.CharField(_("VAT treatment"), max_length=16, choices=ClientMapping.Treatment)
    discount = models.DecimalField(_("discount"), max_digits=14, decimal_places=2, default=Decimal(0))
    discount_per_cent = models.DecimalField(
        _("discount in per cent"), max_digits=6, decimal_places=2, null=True, blank=True
    )
    discount_reason = models.CharField(_("reason of the discount"), max_length=200, blank=True)
    total = models.DecimalField(_("amount"), max_digits=14, decimal_places=2)
    seconds = models.IntegerField(_("seconds"))
    is_late = models.BooleanField(_("late"), default=False)
    # Tags of its entries that lead to no product, beside one that does (R4).
    ignored_tags = models.JSONField(_("tags without a product"), default=list, blank=True, editable=False)

    objects: ClassVar[InvoiceLineManager[InvoiceLine]] = InvoiceLineManager()

    class Meta:
        verbose_name = _("line")
        verbose_name_plural = _("lines")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["invoice", "position"], name="line_position_once"),
            models.CheckConstraint(
                condition=Q(kind="hours", quantity__gt=0, seconds__gt=0, unit_price__gte=0)
                | Q(kind="hours", quantity__lt=0, seconds__lt=0, unit_price__gte=0)
                | Q(kind__in=["fee", "extra", "advance", "block"], quantity__gt=0, seconds=0, unit_price__gte=0)
                | Q(kind="deduction", quantity=-1, seconds=0, unit_price__gt=0),
                name="line_has_hours",
            ),
            models.CheckConstraint(
                condition=Q(kind="hours", agreement__isnull=True, period__isnull=True, due_on__isnull=True, part=0)
                & Q(takes_back__isnull=True, released_at__isnull=True)
                | Q(kind__in=["fee", "advance"], agreement__isnull=False, period__isnull=False, due_on__isnull=False)
                & Q(part=0, quantity=1)
                | Q(kind__in=["extra", "block"], agreement__isnull=False, period__isnull=False, due_on__isnull=False)
                & Q(part__gt=0)
                | Q(kind="hours", agreement__isnull=False, due_on__isnull=False, period__isnull=True, part=0)
                & Q(takes_back__isnull=True)
                | Q(kind="deduction", agreement__isnull=False, due_on__isnull=False, period__isnull=True, part=0),
                name="line_of_its_kind",
            ),
            models.UniqueConstraint(
                fields=["agreement", "kind", "period", "part"],
                condition=Q(agreement__isnull=False, takes_back__isnull=True, released_at__isnull=True),
                name="line_period_once",
            ),
            models.UniqueConstraint(
                fields=["agreement", "part"],
                condition=Q(kind="block", takes_back__isnull=True, released_at__isnull=True),
                name="line_block_once",
            ),
            models.UniqueConstraint(
                # Of an advance parts are given back: there the sum counts (``deduction_triggers``).
                fields=["takes_back"],
                condition=Q(takes_back__isnull=False, released_at__isnull=True) & ~Q(kind="advance"),
                name="line_taken_back_once",
            ),
            # Half a cent and a hair: SQLite multiplies decimals as floating point.
            models.CheckConstraint(
                condition=Q(total__lte=F("quantity") * F("unit_price") - F("discount") + Decimal("0.00501"))
                & Q(total__gte=F("quantity") * F("unit_price") - F("discount") - Decimal("0.00501")),
                name="line_quantity_times_price",
            ),
            models.CheckConstraint(
                condition=Q(discount=0, discount_reason="", discount_per_cent__isnull=True)
                | (~Q(discount=0) & ~Q(discount_reason="") & Q(kind__in=["hours", "fee", "extra"])),
                name="line_discount_has_reason",
            ),
            # Written down to nothing at most: a line never pays the customer.
            models.CheckConstraint(
                condition=Q(discount=0) | Q(quantity__gt=0, total__gte=0) | Q(quantity__lt=0, total__lte=0),
                name="line_discount_leaves_amount",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.invoice_id}/{self.position}"

    @property
    def value(self) -> Decimal:
        """Its value at rate in euro: what it bills at its price, whatever was taken off or put on."""
        return self.total + self.discount

    def net_of(self, hours: Decimal) -> Decimal:
        """What a difference of so many hours comes to: at its price, less its share of the discount."""
        value = rating.line_total(hours, self.unit_price)
        return value - discounts.share(self.discount, self.value, value)

    @property
    def corrects(self) -> bool:
        """Whether it bills a difference to an earlier invoice: at the price and the discount of that line."""
        return any(claim.kind == Claim.Kind.DIFFERENCE for claim in self.claims.all())

    @property
    def is_writable(self) -> bool:
        """Whether it can be given another amount while its invoice waits."""
        return self.kind in (self.Kind.HOURS, self.Kind.FEE, self.Kind.EXTRA) and not self.corrects


AGREED = ["covered", "prepaid"]
HOLDING = ["entry", *AGREED]
"""Kinds of claims that hold an entry."""


def standing_at(moment: datetime) -> Q:
    """Claims or lines that were not released yet at that moment."""
    return Q(released_at__isnull=True) | Q(released_at__gte=moment)


def on_live_line() -> Q:
    """Claims on a line that still counts, of an invoice that is an order at Billit."""
    return Q(line__released_at__isnull=True, line__invoice__status=Invoice.Status.POSTED)


class ClaimQuerySet(FirmQuerySet["Claim"]):
    """Claims of all kinds."""

    def live(self) -> Self:
        """Those that were not released: by a void draft, or by a credit note that was posted."""
        return self.filter(released_at__isnull=True)

    def of_entries(self) -> Self:
        """Those of the entries themselves, without later differences and credits."""
        return self.filter(kind=Claim.Kind.ENTRY)

    def covered(self) -> Self:
        """Those of hours that the fee of an agreement covers."""
        return self.filter(kind=Claim.Kind.COVERED)

    def prepaid(self) -> Self:
        """Those of hours that a block of an agreement pays."""
        return self.filter(kind=Claim.Kind.PREPAID)

    def agreed(self) -> Self:
        """Those of hours that stand on the line of an agreement, and are not billed as hours."""
        return self.filter(kind__in=AGREED)

    def holding(self) -> Self:
        """Those that hold an entry, billed, covered or prepaid: of an entry there is one live at most."""
        return self.filter(kind__in=HOLDING)

    def of_differences(self) -> Self:
        """Those of differences to what was billed before."""
        return self.filter(kind=Claim.Kind.DIFFERENCE)

    def of_credits(self) -> Self:
        """Those on credit notes."""
        return self.filter(kind=Claim.Kind.CREDIT)

    def waiting(self) -> Self:
        """Those whose invoice is neither an order at Billit yet nor void."""
        return self.exclude(line__invoice__status__in=[Invoice.Status.POSTED, Invoice.Status.VOID])

    def posted(self) -> Self:
        """Those whose invoice is an order at Billit."""
        return self.filter(line__invoice__status=Invoice.Status.POSTED)


ClaimManager = models.Manager.from_queryset(ClaimQuerySet)


class Claim(FirmOwned):
    """An entry on a line. The one live claim of an entry is a unique row: no hour is billed twice, also when the entry
    moves to another workspace of the firm, where it keeps Toggl's id.

    ``twice``: 0. Where an earlier version let a second claim of one id through, that has a number of its own: it is
    told as a broken rule (`one_live_claim`) until one of the two is released, and the database takes no third.
    What was billed is copied: a later change in Toggl never alters it. After billing, a difference that goes on the
    next invoice has a claim of its own (seconds: more or, negative, fewer), and each claim that a credit note takes
    back has one on the credit note, with the same seconds.
    """

    class Kind(models.TextChoices):
        """The entry itself; one that the line's fee covers, or that its block pays, and that counts for nothing in the
        line's hours; the difference to what was billed of it; a claim that is taken back."""

        ENTRY = "entry", _("entry")
        COVERED = "covered", _("covered")
        PREPAID = "prepaid", _("prepaid")
        DIFFERENCE = "difference", _("difference")
        CREDIT = "credit", _("credit")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.ENTRY)
    correction = models.ForeignKey(
        "Correction", on_delete=models.PROTECT, null=True, blank=True, related_name="claims", editable=False
    )
    takes_back = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="taken_back_by", editable=False
    )
    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="claims", verbose_name=_("entry"))
    entry_remote_id = models.BigIntegerField(_("Toggl id"), editable=False)
    twice = models.PositiveSmallIntegerField(default=0, editable=False)
    line = models.ForeignKey(InvoiceLine, on_delete=models.CASCADE, related_name="claims", verbose_name=_("line"))
    seconds = models.IntegerField(_("billed seconds"))
    # By how many seconds it draws its block (section 11): rounded as the dossier said then.
    drawn = models.PositiveIntegerField(_("seconds drawn"), null=True, blank=True)
    started_at = models.DateTimeField(_("start"))
    day = models.DateField(_("day"))
    project_remote_id = models.BigIntegerField(_("project"), null=True, blank=True)
    project_name = models.CharField(_("project"), max_length=500, blank=True)
    client_remote_id = models.BigIntegerField(_("Toggl client"), null=True, blank=True)
    person_name = models.CharField(_("person"), max_length=250, blank=True)
    description = models.TextField(_("description"), blank=True)
    tags = models.JSONField(_("tags"), default=list, blank=True)
    billable = models.BooleanField(_("billable"), default=False)
    released_at = models.DateTimeField(_("released"), null=True, blank=True)
    # Of a covered hour: the invoice whose annex lists it; None while none does.
    listed_on = models.ForeignKey(
        Invoice, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", editable=False, db_index=False
    )

    objects: ClassVar[ClaimManager[Claim]] = ClaimManager()

    class Meta:
        verbose_name = _("claim")
        verbose_name_plural = _("claims")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["entry"],
                condition=Q(released_at__isnull=True, kind__in=HOLDING),
                name="claim_once",
            ),
            models.UniqueConstraint(
                fields=["firm", "entry_remote_id", "twice"],
                condition=Q(released_at__isnull=True, kind__in=HOLDING),
                name="claim_once_in_firm",
            ),
            models.UniqueConstraint(
                fields=["correction"],
                condition=Q(released_at__isnull=True, kind="difference"),
                name="claim_difference_once",
            ),
            models.UniqueConstraint(
                fields=["takes_back"], condition=Q(released_at__isnull=True, kind="credit"), name="claim_credit_once"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=HOLDING, correction__isnull=True, takes_back__isnull=True)
                | Q(kind="difference", correction__isnull=False, takes_back__isnull=True)
                | Q(kind="credit", correction__isnull=True, takes_back__isnull=False),
                name="claim_of_its_kind",
            ),
            models.CheckConstraint(
                condition=Q(seconds__gt=0) | Q(kind__in=["difference", "credit"], seconds__lt=0),
                name="claim_has_seconds",
            ),
            models.CheckConstraint(
                condition=Q(kind="prepaid", drawn__isnull=False) | ~Q(kind="prepaid") & Q(drawn__isnull=True),
                name="claim_draws_a_block",
            ),
            models.CheckConstraint(
                condition=Q(listed_on__isnull=True) | Q(kind="covered"), name="claim_listed_is_covered"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["line"],
                condition=Q(kind="covered", listed_on__isnull=True, released_at__isnull=True),
                name="claim_not_listed",
            ),
            models.Index(fields=["listed_on"], condition=Q(listed_on__isnull=False), name="claim_by_annex"),
        ]

    def __str__(self) -> str:
        return f"{self.entry_id} on {self.line_id}"
