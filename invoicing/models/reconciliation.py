"""What a comparison with the two services came to: differences that stand, and Toggl's own total of each month."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Concat
from django.utils.translation import gettext_lazy as _

from invoicing.models.dossiers import Dossier
from toggbill.firms.models import FirmOwned, FirmQuerySet


class DriftQuerySet(FirmQuerySet["Drift"]):
    """Differences between Toggl, the ledger and Billit."""

    def standing(self) -> Self:
        """Those that the latest comparison still found."""
        return self.filter(gone_at__isnull=True)

    def unanswered(self) -> Self:
        """Those that stand, and that nobody has acknowledged as they are."""
        return self.standing().filter(acknowledged_at__isnull=True)


DriftManager = models.Manager.from_queryset(DriftQuerySet)


class Drift(FirmOwned):
    """A difference between Toggl, the ledger and Billit (design section 6), from the comparison that found it first to
    the one that no longer does. Nothing at the services is changed because of it.

    ``facts``: what its sentence is made of, see ``findings``; ``about``: which entry, order or reference, for the one
    row of each difference that stands. One that a person has acknowledged, with a reason, is known: it is no drift any
    more until its facts change.
    """

    class Kind(models.TextChoices):
        """In what Toggl, the ledger and Billit can differ."""

        ENTRY_CHANGED = "entry_changed", _("invoiced entry changed in Toggl")
        ENTRY_DELETED = "entry_deleted", _("invoiced entry deleted in Toggl")
        ENTRY_MISSING = "entry_missing", _("entry was not mirrored")
        ORDER_MISSING = "order_missing", _("order not in Billit")
        ORDER_DELETED = "order_deleted", _("order deleted in Billit")
        ORDER_CHANGED = "order_changed", _("order changed in Billit")
        ORDER_UNKNOWN = "order_unknown", _("order in Billit that no invoice is posted as")
        ORDER_SENT = "order_sent", _("order sent in Billit by hand")

    NOT_ACKNOWLEDGED: ClassVar[Mapping[str, Any]] = {
        "acknowledged_at": None,
        "acknowledged_by": "",
        "acknowledged_reason": "",
    }
    """The columns of one that nobody has acknowledged."""

    dossier = models.ForeignKey(Dossier, on_delete=models.PROTECT, related_name="drifts", verbose_name=_("dossier"))
    kind = models.CharField(_("kind"), max_length=14, choices=Kind)
    entry_remote_id = models.BigIntegerField(_("entry"), null=True, blank=True)
    order_id = models.BigIntegerField(_("Billit order"), null=True, blank=True)
    reference = models.CharField(_("reference"), max_length=60, blank=True)
    about = models.CharField(max_length=120, editable=False)
    facts = models.JSONField(default=dict, blank=True, editable=False)
    first_seen_at = models.DateTimeField(_("first seen"))
    last_seen_at = models.DateTimeField(_("last seen"))
    gone_at = models.DateTimeField(_("gone"), null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=254, blank=True)
    acknowledged_reason = models.CharField(_("reason"), max_length=500, blank=True)

    objects: ClassVar[DriftManager[Drift]] = DriftManager()

    class Meta:
        verbose_name = _("difference with Toggl or Billit")
        verbose_name_plural = _("differences with Toggl and Billit")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["dossier", "kind", "about"], condition=Q(gone_at__isnull=True), name="drift_stands_once"
            ),
            models.CheckConstraint(
                condition=Q(gone_at__isnull=True) | Q(gone_at__gte=F("first_seen_at")), name="drift_gone_after_seen"
            ),
            models.CheckConstraint(
                condition=Q(acknowledged_at__isnull=True, acknowledged_by="", acknowledged_reason="")
                | (Q(acknowledged_at__isnull=False) & ~Q(acknowledged_by="") & ~Q(acknowledged_reason="")),
                name="drift_acknowledged_with_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.about}"

    @staticmethod
    def about_of(*, entry: int | None = None, order_id: int | None = None, reference: str | None = None) -> str:
        """What a difference is about, the same each time it is found."""
        return f"{entry or ''}/{order_id or ''}/{reference or ''}"

    @staticmethod
    def about_the_order(order_id: Combinable) -> Concat:
        """The same of an order alone, for the database."""
        return Concat(Value("/"), Cast(order_id, models.CharField()), Value("/"))


class ReportedMonthQuerySet(FirmQuerySet["ReportedMonth"]):
    """Months as Toggl reported them."""

    def differing(self) -> Self:
        """Those whose latest reading is not what was mirrored, running timers apart; by dossier and month."""
        return self.filter(differs_since__isnull=False).order_by("dossier__key", "month")


ReportedMonthManager = models.Manager.from_queryset(ReportedMonthQuerySet)


class ReportedMonth(FirmOwned):
    """What Toggl's own totals said of a dossier's month when it was asked last, beside what was mirrored then.

    Seconds of the days from the first of the month (or the dossier's start) to ``through``. ``running_seconds``: for
    how long timers of these days had been running, of which Toggl does not say whether a total counts them.
    """

    dossier = models.ForeignKey(
        Dossier, on_delete=models.PROTECT, related_name="reported_months", verbose_name=_("dossier")
    )
    month = models.DateField(_("month"))
    since = models.DateField(_("from"))
    through = models.DateField(_("through"))
    toggl_seconds = models.IntegerField(_("seconds that Toggl reports"))
    own_seconds = models.IntegerField(_("seconds mirrored"))
    running_seconds = models.IntegerField(_("seconds of running timers"), default=0)
    read_at = models.DateTimeField(_("read"))
    # Since which reading it differs; empty when the latest one agreed.
    differs_since = models.DateTimeField(_("differs since"), null=True, blank=True)

    objects: ClassVar[ReportedMonthManager[ReportedMonth]] = ReportedMonthManager()

    class Meta:
        verbose_name = _("month as Toggl reports it")
        verbose_name_plural = _("months as Toggl reports them")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["dossier", "month"], name="reported_month_once"),
            models.CheckConstraint(
                condition=Q(since__gte=F("month"), through__gte=F("since")), name="reported_month_has_days"
            ),
            models.CheckConstraint(
                condition=Q(own_seconds__gte=0, running_seconds__gte=0), name="reported_month_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dossier_id} {self.month:%Y-%m}"
