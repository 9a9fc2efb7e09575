"""What is kept of each dossier's month, so that no page counts it anew (design section 6)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from decimal import Decimal
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from invoicing.models.dossiers import Dossier
from invoicing.models.ledger import LedgerRow
from toggbill.firms.models import FirmOwned, FirmQuerySet


class MonthSumQuerySet(FirmQuerySet["MonthSum"]):
    """Sums, and what was not added to them yet: always to be added up."""

    def changes(self) -> Self:
        """Those that are still to be added to the others."""
        return self.filter(is_change=True)


MonthSumManager = models.Manager.from_queryset(MonthSumQuerySet)


class MonthSum(FirmOwned):
    """Entries and seconds of a dossier's month, by state, reason of attention and price (0 for none).

    The database itself keeps it, in the transaction of whatever changes a ledger row (``month_triggers``). Nobody waits
    for anybody: a transaction adds rows of its own with what it brings or takes away (``is_change``), and
    ``ledger.months`` adds them up later. What holds is the sum of all rows.
    """

    dossier = models.ForeignKey(Dossier, on_delete=models.CASCADE, related_name="month_sums", verbose_name=_("dossier"))
    month = models.DateField(_("month"))
    state = models.CharField(_("state"), max_length=12, choices=LedgerRow.State)
    reason = models.CharField(_("reason"), max_length=24, blank=True)
    price = models.DecimalField(_("price"), max_digits=16, decimal_places=6, default=Decimal(0))
    entries = models.IntegerField(_("entries"))
    seconds = models.BigIntegerField(_("seconds"))
    # Of those with a difference after billing: how many they are, and their difference.
    corrected_entries = models.IntegerField(_("entries with a correction"))
    corrected_seconds = models.BigIntegerField(_("difference in seconds"))
    is_change = models.BooleanField(default=False, editable=False)

    objects: ClassVar[MonthSumManager[MonthSum]] = MonthSumManager()

    class Meta:
        verbose_name = _("sum of a month")
        verbose_name_plural = _("sums of months")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["dossier", "month", "state", "reason", "price"],
                condition=Q(is_change=False),
                name="month_sum_once",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["dossier", "month"], name="month_sum_by_month"),
            models.Index(fields=["dossier"], condition=Q(is_change=True), name="month_sum_changes"),
        ]

    def __str__(self) -> str:
        return f"{self.dossier_id} {self.month:%Y-%m} {self.state}"


class MonthProofQuerySet(FirmQuerySet["MonthProof"]):
    """What the checks of months came to."""

    def broken(self) -> Self:
        """Those of months in which a rule does not hold."""
        return self.filter(broken__gt=0)


MonthProofManager = models.Manager.from_queryset(MonthProofQuerySet)


class MonthProof(FirmOwned):
    """What each named check of the books (``ledger.invariants``) came to in a dossier's month when it was asked last.

    It holds as long as no ``ChangedMonth`` of the month says otherwise. ``outcome``: by name of the check 0 or
    the breaches that it found (``ledger.broken.Broken.kept``), of very many their number; ``broken``: how many in all.
    """

    dossier = models.ForeignKey(
        Dossier, on_delete=models.CASCADE, related_name="month_proofs", verbose_name=_("dossier")
    )
    month = models.DateField(_("month"))
    outcome = models.JSONField(_("what the checks came to"), default=dict)
    broken = models.PositiveIntegerField(_("breaches"), default=0)
    proved_at = models.DateTimeField(_("checked"))

    objects: ClassVar[MonthProofManager[MonthProof]] = MonthProofManager()

    class Meta:
        verbose_name = _("proof of a month")
        verbose_name_plural = _("proofs of months")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["dossier", "month"], name="month_proof_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["dossier"], condition=Q(broken__gt=0), name="month_proof_broken"),
        ]

    def __str__(self) -> str:
        return f"{self.dossier_id} {self.month:%Y-%m}: {self.broken}"


class ChangedMonthQuerySet(FirmQuerySet["ChangedMonth"]):
    """Months that are to be checked again."""

    def of(self, dossier: int, months: Collection[date]) -> Self:
        """Those of months of a dossier (row id)."""
        return self.filter(dossier=dossier, month__in=months)


ChangedMonthManager = models.Manager.from_queryset(ChangedMonthQuerySet)


class ChangedMonth(FirmOwned):
    """Something in a dossier's month changed since its checks were asked last; ``month`` None: in any month.

    The database writes it, in the transaction of the change (``month_triggers``); who asks the checks takes it away.
    """

    dossier = models.ForeignKey(
        Dossier, on_delete=models.CASCADE, related_name="changed_months", verbose_name=_("dossier")
    )
    month = models.DateField(_("month"), null=True, blank=True)

    objects: ClassVar[ChangedMonthManager[ChangedMonth]] = ChangedMonthManager()

    class Meta:
        verbose_name = _("changed month")
        verbose_name_plural = _("changed months")
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["dossier", "month"], name="changed_month_by_month"),
        ]

    def __str__(self) -> str:
        return f"{self.dossier_id} {'' if self.month is None else f'{self.month:%Y-%m}'}"
