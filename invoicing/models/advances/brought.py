"""Orders that Billit itself made, brought into the books of an agreement (design section 11)."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from integrations.models import Company
from invoicing.models.agreements import Agreement
from invoicing.models.dossiers import ClientMapping
from toggbill.firms.models import FirmOwned, FirmQuerySet


class BroughtOrderQuerySet(FirmQuerySet["BroughtOrder"]):
    """Orders that were brought in."""

    def live(self) -> Self:
        """Those that were not let go again."""
        return self.filter(released_at__isnull=True)


BroughtOrderManager = models.Manager.from_queryset(BroughtOrderQuerySet)


class BroughtOrder(FirmOwned):
    """An invoice that Billit made by itself, such as one of its recurring ones, and that bills an advance or the fee of
    a period: toggbill bills that no more, and a settlement deducts the advance.

    Number, day, customer, VAT and amounts as Billit said when it was brought in. Of one company there is one live row
    for each order. ``period``: the advance (its day) or the period (its key) of the agreement in whose place it
    stands; of an advance beside the plan none. ``released_at``: a person let it go.
    """

    agreement = models.ForeignKey(
        Agreement, on_delete=models.PROTECT, related_name="brought", verbose_name=_("fee agreement")
    )
    company = models.ForeignKey(
        Company, on_delete=models.PROTECT, related_name="brought_orders", verbose_name=_("company")
    )
    order_id = models.BigIntegerField(_("Billit order"))
    order_number = models.CharField(_("number"), max_length=100, blank=True)
    order_date = models.DateField(_("date"))
    description = models.CharField(_("description"), max_length=512, blank=True)
    customer_party_id = models.BigIntegerField(_("customer at Billit"), null=True, blank=True)
    customer_vat = models.CharField(_("VAT number"), max_length=30, blank=True)
    period = models.DateField(_("period"), null=True, blank=True)
    vat_rate = models.DecimalField(_("VAT rate"), max_digits=5, decimal_places=2)
    ventilation_code = models.PositiveSmallIntegerField(_("ventilation code"))
    treatment = models.CharField(_("VAT treatment"), max_length=16, choices=ClientMapping.Treatment)
    total_excl = models.DecimalField(_("total excl. VAT"), max_digits=14, decimal_places=2)
    total_vat = models.DecimalField(_("VAT"), max_digits=14, decimal_places=2)
    total_incl = models.DecimalField(_("total incl. VAT"), max_digits=14, decimal_places=2)
    brought_at = models.DateTimeField(_("brought in"))
    brought_by = models.CharField(_("brought in by"), max_length=254)
    released_at = models.DateTimeField(_("let go"), null=True, blank=True)

    objects: ClassVar[BroughtOrderManager[BroughtOrder]] = BroughtOrderManager()

    class Meta:
        verbose_name = _("order brought in from Billit")
        verbose_name_plural = _("orders brought in from Billit")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["company", "order_id"], condition=Q(released_at__isnull=True), name="order_brought_once"
            ),
            models.UniqueConstraint(
                fields=["agreement", "period"],
                condition=Q(released_at__isnull=True, period__isnull=False),
                name="period_brought_once",
            ),
            models.CheckConstraint(condition=Q(total_excl__gt=0), name="order_brought_amounts_to_something"),
        ]

    def __str__(self) -> str:
        return self.order_number or str(self.order_id)
