"""What is taken off advances: deducted by settlements, given back by credit notes (design section 11)."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from invoicing.models.advances.brought import BroughtOrder
from invoicing.models.invoices.claims import InvoiceLine
from toggbill.firms.models import FirmOwned, FirmQuerySet

OUT_OF_STEP = Q(released_at__isnull=True, line__released_at__isnull=False) | Q(
    released_at__isnull=False, line__released_at__isnull=True
)
"""Deductions that count although their line does not, or the other way round."""


class DeductionQuerySet(FirmQuerySet["Deduction"]):
    """Deductions from advances."""

    def live(self) -> Self:
        """Those that were not released: the advance has so much less left."""
        return self.filter(released_at__isnull=True)


DeductionManager = models.Manager.from_queryset(DeductionQuerySet)


class Deduction(FirmOwned):
    """So much of an advance is used up: its settlement's line deducts it, or that of a credit note gives it back.

    The advance is a line of ours, or an order that Billit made and that was ``brought`` in: one of the two. The live
    ones of an advance never come to more than the advance: a trigger holds it (``deduction_triggers``).
    ``released_at``: the invoice of its line was dropped or replaced, or a credit note that took it back is posted.
    """

    advance = models.ForeignKey(
        InvoiceLine,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="deductions",
        verbose_name=_("advance"),
    )
    brought = models.ForeignKey(
        BroughtOrder,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="deductions",
        verbose_name=_("order brought in from Billit"),
    )
    line = models.OneToOneField(InvoiceLine, on_delete=models.CASCADE, related_name="deduction", verbose_name=_("line"))
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=2)
    released_at = models.DateTimeField(_("released"), null=True, blank=True)

    objects: ClassVar[DeductionManager[Deduction]] = DeductionManager()

    class Meta:
        verbose_name = _("deduction")
        verbose_name_plural = _("deductions")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="deduction_takes_something"),
            models.CheckConstraint(
                condition=Q(advance__isnull=False, brought__isnull=True)
                | Q(advance__isnull=True, brought__isnull=False),
                name="deduction_of_one_advance",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} of {self.advance_id or self.brought} on {self.line_id}"
