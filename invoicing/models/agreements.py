"""Fee agreements: how a customer's hours are billed besides by the hour (design section 11)."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from invoicing.models.dossiers import Dossier
from toggbill.firms.models import FirmOwned


class Agreement(FirmOwned):
    """What the firm agreed with one customer of a dossier. Only ``dossiers.agreements`` writes it.

    The customer is that of a Toggl client or has a number. Without products and projects all hours of the customer are
    in its scope. ``version`` counts its changes: a draft that was made by an earlier one is not approved.
    """

    class Kind(models.TextChoices):
        """How it bills."""

        FIXED = "fixed", _("fixed fee")
        ADVANCE = "advance", _("advances and settlement")
        PREPAID = "prepaid", _("prepaid hours")

    class Every(models.TextChoices):
        """Of which calendar period the amount is."""

        MONTH = "month", _("every month")
        QUARTER = "quarter", _("every quarter")
        YEAR = "year", _("every year")
        ONCE = "once", _("once")

    class PartPeriods(models.TextChoices):
        """How a period is billed that the first or last day cuts."""

        FULL = "full", _("in full")
        DAYS = "days", _("by calendar days")

    dossier = models.ForeignKey(Dossier, on_delete=models.PROTECT, related_name="agreements", verbose_name=_("dossier"))
    key = models.SlugField(_("short name"), max_length=50)
    title = models.CharField(
        _("title"), max_length=200, help_text=_("In the customer’s language: it is on the invoice.")
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.FIXED)
    client_remote_id = models.BigIntegerField(_("Toggl client"), null=True, blank=True)
    number = models.CharField(_("VAT or enterprise number"), max_length=30, blank=True)
    start_date = models.DateField(_("from"))
    end_date = models.DateField(_("until"), null=True, blank=True)
    products = models.JSONField(_("products in its scope"), default=list, blank=True)
    projects = models.JSONField(_("projects in its scope"), default=list, blank=True)
    product_reference = models.CharField(_("product"), max_length=200)
    amount = models.DecimalField(_("amount excl. VAT"), max_digits=14, decimal_places=2, default=Decimal(0))
    every = models.CharField(_("period"), max_length=8, choices=Every, default=Every.MONTH)
    in_advance = models.BooleanField(_("in advance"), default=False)
    included_hours = models.DecimalField(_("hours included"), max_digits=9, decimal_places=2, null=True, blank=True)
    extra_product = models.CharField(_("product of further hours"), max_length=200, blank=True)
    part_periods = models.CharField(_("part periods"), max_length=4, choices=PartPeriods, default=PartPeriods.FULL)
    # What is planned of a period, or until the next settlement; beyond 80 and 100 per cent it is noticed.
    budget_hours = models.DecimalField(_("budget in hours"), max_digits=9, decimal_places=2, null=True, blank=True)
    budget_amount = models.DecimalField(_("budget excl. VAT"), max_digits=14, decimal_places=2, null=True, blank=True)
    # Advances: days with amounts, or the amount of each period; and when the hours on account are settled each year.
    plan = models.JSONField(_("plan of advances"), default=list, blank=True)
    settle_on = models.CharField(_("settled each year on (MM-DD)"), max_length=5, blank=True)
    # A person asked for the settlement of what was worked up to this day.
    settled_through = models.DateField(_("to be settled up to"), null=True, blank=True, editable=False)
    # Prepaid hours: what a block has, at which price each, and with how many left the run drafts the next one.
    hours = models.DecimalField(_("hours of a block"), max_digits=9, decimal_places=2, null=True, blank=True)
    price = models.DecimalField(_("price of an hour"), max_digits=14, decimal_places=2, null=True, blank=True)
    refill_at = models.DecimalField(_("refill below"), max_digits=9, decimal_places=2, null=True, blank=True)
    # The blocks fell below that, or are used up, and who approves is to be told by mail (``due.draft_mails``).
    tell_left_at = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("fee agreement")
        verbose_name_plural = _("fee agreements")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["firm", "key"], name="agreement_key_once"),
            models.CheckConstraint(
                condition=Q(client_remote_id__isnull=False, number="")
                | (Q(client_remote_id__isnull=True) & ~Q(number="")),
                name="agreement_one_customer",
            ),
            models.CheckConstraint(
                condition=Q(end_date__isnull=True) | Q(end_date__gte=F("start_date")), name="agreement_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["fixed", "advance", "prepaid"])
                & Q(every__in=["month", "quarter", "year", "once"])
                & Q(part_periods__in=["full", "days"]),
                name="agreement_known_words",
            ),
            models.CheckConstraint(condition=~Q(product_reference="") & ~Q(title=""), name="agreement_has_product"),
            models.CheckConstraint(condition=Q(amount__gte=0), name="agreement_amount_not_negative"),
            models.CheckConstraint(
                condition=Q(included_hours__isnull=True, extra_product="")
                | (Q(included_hours__isnull=False, included_hours__gte=0) & ~Q(extra_product="")),
                name="agreement_extra_has_product",
            ),
            models.CheckConstraint(
                condition=Q(kind="prepaid", hours__isnull=False, price__isnull=False, amount=0)
                & Q(included_hours__isnull=True, in_advance=False, hours__gt=0, price__gte=0)
                & (Q(refill_at__isnull=True) | Q(refill_at__gte=0, refill_at__lte=F("hours")))
                | ~Q(kind="prepaid") & Q(hours__isnull=True, price__isnull=True, refill_at__isnull=True),
                name="agreement_block_of_prepaid",
            ),
            # Prepaid hours have a budget already: what is left of the block.
            models.CheckConstraint(
                condition=Q(budget_hours__isnull=True, budget_amount__isnull=True)
                | ~Q(kind="prepaid")
                & (Q(budget_hours__isnull=True) | Q(budget_hours__gt=0))
                & (Q(budget_amount__isnull=True) | Q(budget_amount__gt=0)),
                name="agreement_budget_of_something",
            ),
            # In arrears it would never fall due.
            models.CheckConstraint(
                condition=~Q(every="once") | Q(in_advance=True) | Q(end_date__isnull=False) | Q(kind="advance"),
                name="agreement_once_falls_due",
            ),
            # Either a plan with amounts of its own, or one amount for each period; and nothing that is a fee's.
            models.CheckConstraint(
                condition=Q(kind="advance", included_hours__isnull=True, in_advance=False, part_periods="full")
                & ((Q(plan=[]) & Q(amount__gt=0)) | (~Q(plan=[]) & Q(amount=0)))
                | ~Q(kind="advance") & Q(plan=[], settle_on="", settled_through__isnull=True),
                name="agreement_advances_have_amounts",
            ),
        ]

    def __str__(self) -> str:
        return self.key
